#!/usr/bin/env python3
"""What it costs to keep sessions on disk.

wrk steps sessions of the copy model on 1, 16 and 256 connections, in turn on servers that keep
their sessions in memory and in SQLite with each --durability. A session is rarely used by two
connections at once. In each round the servers take their turns in a random order, each with a fresh
file, and are compared with the one in memory of the same round. An fsync of 4 kB in the same folder
is measured in every round, too, since it bounds what --durability always can do.

    compare.py --ntm .build/release/ntm [--rounds 5] [--seconds 4] [--folder DIR]
               [--json FILE] [--markdown FILE]
"""

import argparse
import json
import os
import random
import re
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from serving import (  # noqa: E402
    Cores, Figures, Server, filesystem, processor, stepping, working_folder, wrk)

FORMS = {"all weightings": "", "outputs only": "?return=output"}
CONNECTIONS = [1, 16, 256]
STORES = ["memory", "none", "everysec", "always"]
TARGETS = {("everysec", 1): 0.8, ("everysec", 16): 0.8, ("everysec", 256): 0.8,
           ("always", 256): 0.3}
FSYNCS = 200
MARKS = re.compile(r"(<!-- bench-durability -->\n).*(<!-- /bench-durability -->)", re.S)


class Measurement(NamedTuple):
    round: int
    form: str
    connections: int
    store: str
    figures: Figures


def options_of(store: str, file: Path) -> list[str]:
    if store == "memory":
        return ["--store", "memory"]
    return ["--store", f"sqlite:{file}", "--durability", store]


def session_count(connections: int) -> int:
    """wrk does not tell its script which connection a request is for, so the sessions take turns.

    Replies overtake one another. With a session to spare for each connection, its turn rarely comes
    while it is still in use.
    """
    return 1 if connections == 1 else 2 * connections


def measure(
    options: argparse.Namespace, cores: Cores, folder: Path, store: str, connections: int, form: str
) -> Figures:
    file = folder / "sessions.sqlite"
    server = Server(options.ntm, options_of(store, file), folder, cores)
    try:
        sessions = [server.make_session() for _ in range(session_count(connections))]
        script = stepping(sessions, FORMS[form])
        wrk(server.url, script, connections, options.warm_up, cores)
        figures = wrk(server.url, script, connections, options.seconds, cores)
        server.stop()
    except RuntimeError as error:
        sys.exit(f"{store}, {connections} connections: {error}\n{server.log.read_text()}")
    finally:
        server.kill()
        for rest in folder.glob(file.name + "*"):
            rest.unlink()
        # Nobody shall pay for what the server before has left to be written.
        os.sync()
    return figures


def rounds(
    options: argparse.Namespace, cores: Cores, folder: Path
) -> tuple[list[Measurement], list[float]]:
    """What was measured, and the milliseconds of an fsync."""
    measurements: list[Measurement] = []
    fsyncs: list[float] = []
    for number in range(options.rounds):
        fsyncs += fsync_times(folder)
        for form in options.forms:
            for connections in options.connections:
                for store in random.sample(STORES, len(STORES)):
                    figures = measure(options, cores, folder, store, connections, form)
                    measurements.append(Measurement(number, form, connections, store, figures))
                    print(
                        f"round {number + 1}, {form}, connections: {connections}, {store}: "
                        f"{figures.per_second:,.0f} steps/s, p99 {figures.p99 / 1000:.2f} ms",
                        file=sys.stderr)
    return measurements, fsyncs


def fsync_times(folder: Path) -> list[float]:
    """Milliseconds that it takes to append 4 kB to a file and have them on the disk."""
    path = folder / "fsync"
    times = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(FSYNCS):
            start = time.perf_counter()
            os.write(file, os.urandom(4096))
            os.fsync(file)
            times.append((time.perf_counter() - start) * 1000)
    finally:
        os.close(file)
        path.unlink()
    return times


class Row(NamedTuple):
    """One server at one number of connections, over all rounds."""

    form: str
    connections: int
    store: str
    per_second: list[float]
    speed_ratio: float
    p99: list[float]
    p99_ratio: float

    @property
    def target(self) -> float | None:
        return TARGETS.get((self.store, self.connections))


def summarise(measurements: list[Measurement]) -> list[Row]:
    found = {(m.form, m.connections, m.store, m.round): m.figures for m in measurements}
    numbers = sorted({m.round for m in measurements})
    rows = []
    for form, connections, store in dict.fromkeys(
            (m.form, m.connections, store) for m in measurements for store in STORES):
        own = [found[form, connections, store, number] for number in numbers]
        base = [found[form, connections, "memory", number] for number in numbers]
        rows.append(Row(
            form, connections, store,
            [figures.per_second for figures in own],
            statistics.median(a.per_second / b.per_second for a, b in zip(own, base)),
            [figures.p99 / 1000 for figures in own],
            statistics.median(a.p99 / b.p99 for a, b in zip(own, base))))
    return rows


def middle(values: list[float], digits: int = 0) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def verdict(row: Row) -> str:
    if row.target is None:
        return ""
    return f"≥ {row.target}, {'met' if row.speed_ratio >= row.target else 'missed'}"


def table(rows: list[Row], form: str) -> str:
    lines = [
        f"| {form}, connections | sessions in | steps per second | of memory's "
        "| p99, ms | of memory's | target |",
        "|---|---|---|---|---|---|---|"]
    for row in rows:
        if row.form != form:
            continue
        is_base = row.store == "memory"
        lines.append(
            f"| {row.connections} | {'memory' if is_base else f'SQLite, `{row.store}`'} "
            f"| {middle(row.per_second)} | {'' if is_base else f'{row.speed_ratio:.2f}'} "
            f"| {middle(row.p99, 2)} | {'' if is_base else f'{row.p99_ratio:.2f}'} "
            f"| {verdict(row)} |")
    return "\n".join(lines)


def document(
    rows: list[Row], fsyncs: list[float], kind: str, cores: Cores, options: argparse.Namespace
) -> str:
    tables = [table(rows, form) for form in options.forms]
    slowest = sorted(fsyncs)[int(len(fsyncs) * 0.99)]
    return "\n\n".join(tables + [
        f"One fsync of 4 kB in the databases' folder ({kind}) took "
        f"{statistics.median(fsyncs):.2f} ms, median of {len(fsyncs)} (p99 {slowest:.2f} ms).",
        f"Medians (spread) of {options.rounds} rounds of {options.seconds} s on {processor()}; "
        f"{cores}. Ratios are medians of those within a round."])


def write_markdown(path: Path, text: str) -> None:
    """Between the marks of the file where it has them, else as the whole of it."""
    old = path.read_text() if path.exists() else ""
    if MARKS.search(old):
        text = MARKS.sub(lambda match: match[1] + text + "\n" + match[2], old)
    elif old:
        sys.exit(f"{path} has no place for the tables: <!-- bench-durability --> … "
                 "<!-- /bench-durability -->")
    else:
        text += "\n"
    path.write_text(text)


def as_json(
    measurements: list[Measurement], rows: list[Row], fsyncs: list[float], kind: str,
    options: argparse.Namespace
) -> str:
    return json.dumps({
        "processor": processor(), "filesystem": kind, "seconds": options.seconds,
        "fsync_ms": fsyncs,
        "measurements": [m._asdict() | {"figures": m.figures._asdict()} for m in measurements],
        "rows": [row._asdict() | {"target": row.target} for row in rows],
    }, indent=1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ntm", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--warm-up", type=int, default=1, help="seconds before each of them")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--folder", help="for the databases; else one beside what was built")
    parser.add_argument("--no-pin", action="store_true", help="leave the cores to the system")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    parser.add_argument("--markdown", type=Path, help="file to write the tables to")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    cores = Cores.choose(not options.no_pin)
    with working_folder(options.folder) as name:
        folder = Path(name)
        kind = filesystem(folder)
        measurements, fsyncs = rounds(options, cores, folder)
    rows = summarise(measurements)
    text = document(rows, fsyncs, kind, cores, options)
    print(text)
    if options.json:
        options.json.write_text(as_json(measurements, rows, fsyncs, kind, options) + "\n")
    if options.markdown:
        write_markdown(options.markdown, text)


if __name__ == "__main__":
    main()
