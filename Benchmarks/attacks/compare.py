#!/usr/bin/env python3
"""Measures how much each attack slows down another client.

A victim steps sessions on 8 connections with pauses of 4 ms, alone and during each attack, in mirrored
order: alone, attack, attack, alone. The figure is the victim's 99th percentile during the attack
divided by its 99th percentile alone. Each attack is measured against a server with --realtime, and
against one without.

Clients and server share this machine's processors. In operation they do not, so the victim's client
gets real-time priority and the attackers get idle priority: neither waits for the other, and the
server waits for neither. That needs root.

    compare.py --ntm .build/release/ntm [--rounds 3] [--seconds 4] [--only NAME,NAME] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "Benchmarks"), str(ROOT / "Tests/Attacks")]

import attacks  # noqa: E402
from serving import INPUT, MODELS, Cores, Server, processor, stepping, wrk  # noqa: E402

CONNECTIONS = 8
PAUSE_MILLISECONDS = 4
TARGET = 10
# Seconds that an attack runs before the victim is measured.
LEAD = 1
MARKS = re.compile(r"(<!-- bench-attacks -->\n).*(<!-- /bench-attacks -->)", re.S)


class Figure(NamedTuple):
    """The victim's 99th percentile in microseconds, alone and attacked."""

    alone: float
    attacked: float

    @property
    def ratio(self) -> float:
        return self.attacked / self.alone


class Bench:
    """What all measurements share. Each measurement has a server of its own, since an attack may
    leave traces."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.cores = Cores.choose(is_pinned=False)
        self.key_file, self.keys = attacks.write_keys(folder)
        self.models = folder / "models"
        self.models.mkdir()
        attacks.make_models(self.models, MODELS)

    def round(self, name: str, options: list[str]) -> Figure:
        """In mirrored order, on three servers with these options."""
        with self.running(options) as server:
            script = self.script(server)
            alone = [self.victim(server, script)]
            attacked = [self.attacked(server, script, name)]
        with self.running(options) as server:
            attacked.append(self.attacked(server, self.script(server), name))
        with self.running(options) as server:
            alone.append(self.victim(server, self.script(server)))
        return Figure(statistics.mean(alone), statistics.mean(attacked))

    @contextlib.contextmanager
    def running(self, options: list[str]) -> Iterator[Server]:
        server = Server(
            self.options.ntm,
            ["--store", "memory", "--api-key-file", str(self.key_file), "--allow-model-admin",
             *options],
            self.folder, self.cores, self.models)
        try:
            yield server
        finally:
            server.kill()

    def script(self, server: Server) -> str:
        """The victim's script for wrk, with new sessions."""
        host, _, port = server.host.partition(":")
        victim = attacks.Target(host, int(port), self.keys["victim"], 0)
        connection = victim.connection()
        sessions = [victim.session(connection) for _ in range(CONNECTIONS)]
        connection.close()
        return stepping(sessions, "?return=output", {"input": INPUT}) + (
            f'\nwrk.headers["Authorization"] = "Bearer {self.keys["victim"]}"\n'
            f"function delay() return {PAUSE_MILLISECONDS} end\n")

    def victim(self, server: Server, script: str) -> float:
        """The 99th percentile of a step's latency in microseconds."""
        return wrk(server.url, script, CONNECTIONS, self.options.seconds, self.cores,
                   scheduling=["chrt", "--fifo", "2"]).p99

    def attacked(self, server: Server, script: str, name: str) -> float:
        command = ["chrt", "--idle", "0", sys.executable, attacks.__file__, name,
                   *server.host.split(":"), self.keys["attacker"],
                   str(self.options.seconds + 2 * LEAD)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attacker:
            time.sleep(LEAD)
            p99 = self.victim(server, script)
            output, _ = attacker.communicate()
        if attacker.returncode != 0 or int(output) == 0:
            sys.exit(f"the attack {name} failed")
        return p99


def table(figures: dict[str, dict[str, list[Figure]]], rounds: int) -> str:
    lines = ["| attack | p99 alone, µs | p99 attacked, µs | ratio | at most 10 "
             "| p99 attacked without `--realtime`, µs | its ratio |",
             "|---|---|---|---|---|---|---|"]
    for name, values in figures.items():
        favored, plain = values["--realtime"], values[""]
        ratio = statistics.median(figure.ratio for figure in favored)
        lines.append(
            f"| {name.replace('_', ' ')} | {median(favored, 'alone')} "
            f"| {median(favored, 'attacked')} | {ratios(favored)} "
            f"| {'met' if ratio <= TARGET else 'missed'} "
            f"| {median(plain, 'attacked')} | {ratios(plain)} |")
    return "\n".join([*lines, "", f"Medians (spread) of {rounds} rounds on {processor()}."])


def median(figures: list[Figure], field: str) -> str:
    return f"{statistics.median(getattr(figure, field) for figure in figures):,.0f}"


def ratios(figures: list[Figure]) -> str:
    values = [figure.ratio for figure in figures]
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ntm", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    names = [attack.__name__ for attack in attacks.ATTACKS]
    if options.only:
        names = options.only.split(",")
    os.environ["NTM_EXECUTABLE"] = options.ntm
    attacks.EXECUTABLE = Path(options.ntm)
    figures: dict[str, dict[str, list[Figure]]] = {name: {"--realtime": [], "": []} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for _ in range(options.rounds):
            for name in names:
                for option, found in figures[name].items():
                    found.append(bench.round(name, option.split()))
                    print(f"{name} {option or 'by default'}: alone {found[-1].alone:,.0f} µs, "
                          f"attacked {found[-1].attacked:,.0f} µs, {found[-1].ratio:.1f}×",
                          file=sys.stderr, flush=True)
    text = table(figures, options.rounds)
    print(text)
    if options.markdown:
        page = options.markdown.read_text()
        options.markdown.write_text(
            MARKS.sub(lambda match: match[1] + text + "\n" + match[2], page))


if __name__ == "__main__":
    main()
