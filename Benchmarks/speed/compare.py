#!/usr/bin/env python3
"""How fast steps are, beside what people would use instead.

All step the same weights, and are first seen to give the same numbers over 20 steps. Then they take
turns, round by round, each alone on the server's cores; wrk has other ones.

    compare.py --ntm NTM --steps NTM-STEPS --python PYTHON [--rounds 5] [--seconds 2]
               [--only steps,rows,http,batches,connections,sessions,start]
               [--json FILE] [--markdown FILE] [--chart FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from chart import chart  # noqa: E402
from figures import Figures  # noqa: E402
from peers import HERE, PeerServer, Stepper, cpu_seconds  # noqa: E402
from report import report  # noqa: E402
from serving import MODEL, MODELS, Cores, Server, posting, processor, stepping, wrk  # noqa: E402

# Rows, columns and units of the controller.
SIZES = {"A": (128, 20, 100), "B": (1024, 64, 512), "C": (16384, 64, 256)}
ROWS = [128, 1024, 16384, 131072, 1048576]
CONNECTIONS = [1, 16, 256]
FORMS = {"all weightings": "", "outputs only": "?return=output"}
MANY = 100_000
STEPS_TO_CHECK = 20
TOLERANCE = 2e-4
PARTS = ["steps", "rows", "http", "connections", "batches", "sessions", "start"]
MARKS = re.compile(r"(<!-- bench -->\n).*(<!-- /bench -->)", re.S)


class Load(NamedTuple):
    """What wrk does with a server."""

    what: str
    who: str
    server: object
    script: str
    connections: int
    path: str = ""


def mirrored(things) -> list:
    """Each once before and once after the others, so that none gains by a machine whose speed
    drifts meanwhile."""
    order = random.sample(things, len(things))
    return order + order[::-1]


class Bench:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.cores = Cores.choose(is_pinned=True)
        self.figures = Figures()
        self.note = self.figures.note

    @contextlib.contextmanager
    def running(self, makers: dict):
        """Steppers or servers, by their names, as long as they are needed."""
        started = {}
        try:
            for name, make in makers.items():
                started[name] = make()
            yield started
        finally:
            for each in started.values():
                each.stop()

    def in_turn(self, names) -> list[str]:
        return random.sample(list(names), len(list(names)))

    def model_file(self, rows: int, columns: int, units: int) -> Path:
        if (rows, columns, units) == SIZES["A"]:
            return MODELS / f"{MODEL}.safetensors"
        path = self.folder / f"{rows}x{columns}x{units}.safetensors"
        if not path.exists():
            script = ("import sys, model_file as m; from pathlib import Path; "
                      "like = m.read(Path(sys.argv[1])); "
                      "m.write(Path(sys.argv[2]), m.random(like, *map(int, sys.argv[3:])))")
            subprocess.run(
                [self.options.python, "-c", script, MODELS / f"{MODEL}.safetensors", path,
                 str(rows), str(columns), str(units)], check=True, cwd=HERE)
        return path

    # Steps without a server

    def stepper(self, kind: str, model: Path) -> Stepper:
        if kind == "ntm":
            return Stepper(kind, [self.options.steps, str(model)], self.cores)
        return Stepper(
            kind, [self.options.python, str(HERE / "peer.py"), kind, str(model)], self.cores)

    def compare_steps(self) -> None:
        for name, size in SIZES.items():
            self.step(f"step of {name}", self.model_file(*size),
                      ["ntm", "onnx", "torch", "eager", "numpy"])

    def compare_rows(self) -> None:
        for rows in ROWS:
            self.step(f"step with {rows:,} rows", self.model_file(rows, 32, 100), ["ntm", "onnx"])

    def step(self, what: str, model: Path, kinds: list[str]) -> None:
        makers = {kind: lambda kind=kind: self.stepper(kind, model) for kind in kinds}
        with self.running(makers) as steppers:
            check(what, {kind: stepper.ask({"trace": trace_inputs()})
                         for kind, stepper in steppers.items()})
            for self.figures.round in range(self.options.rounds):
                for kind in self.in_turn(steppers):
                    self.note(what, kind, "µs",
                              steppers[kind].microseconds(self.options.seconds / 2))

    # Servers

    def ntm(self, *options: str, models: Path = MODELS) -> Server:
        return Server(
            self.options.ntm, ["--store", "memory", *options], self.folder, self.cores, models)

    def uvicorn(self, name: str, module: str, *options: str) -> PeerServer:
        command = [self.options.python, "-m", "uvicorn", "--app-dir", str(HERE), "--port", "PORT",
                   "--no-access-log", "--log-level", "warning", *options, f"{module}:app"]
        return PeerServer(name, command, self.folder, self.cores,
                          NTM_MODEL=str(MODELS / f"{MODEL}.safetensors"))

    def services(self) -> dict:
        return {
            "ntm": self.ntm,
            "asgi": lambda: self.uvicorn(
                "asgi", "serve_onnx", "--loop", "uvloop", "--http", "httptools"),
            "fastapi": lambda: self.uvicorn("fastapi", "serve_torch"),
        }

    def ceiling(self, size: int) -> PeerServer:
        """libmicrohttpd alone, with replies of this length."""
        program = self.folder / "fixed_body"
        if not program.exists():
            subprocess.run(["cc", "-O2", "-o", program, HERE / "fixed_body.c", "-lmicrohttpd"],
                           check=True)
        return PeerServer("libmicrohttpd", [str(program), "PORT", str(size)], self.folder,
                          self.cores)

    def compare_http(self) -> None:
        with self.running(self.services()) as servers:
            sizes = self.check_http(servers)
            ceilings = {form: lambda size=size: self.ceiling(size)
                        for form, size in sizes.items()}
            with self.running(ceilings | {"probe": lambda: self.ceiling(15)}) as fixed:
                for self.figures.round in range(self.options.rounds):
                    for form, query in FORMS.items():
                        for count in CONNECTIONS:
                            loads = {
                                who: Load(f"{form}, {count} connections", who, server,
                                          stepping(sessions(server, count), query), count)
                                for who, server in
                                (servers | {"libmicrohttpd": fixed[form]}).items()}
                            near = [loads.pop(who) for who in ("ntm", "libmicrohttpd")]
                            for who in self.in_turn(loads):
                                self.load([loads[who]])
                            self.load(near)
                    self.load([Load("/livez, 16 connections", who, server, "", 16, "/livez")
                               for who, server in [("ntm", servers["ntm"]),
                                                   ("libmicrohttpd", fixed["probe"])]])

    def check_http(self, servers: dict) -> dict[str, int]:
        """The length of a reply of ours in each form, when all have given the same numbers."""
        traces = {}
        sizes = {}
        for who, server in servers.items():
            session = server.make_session()
            traces[who] = [
                {"output": reply["output"], "read": reply["read_weightings"][0],
                 "write": reply["write_weightings"][0]}
                for reply in (server.request("POST", f"/sessions/{session}/step", {"input": x})
                              for x in trace_inputs())]
            if who == "ntm":
                for form, query in FORMS.items():
                    server.connection.request(
                        "POST", f"/sessions/{session}/step{query}",
                        json.dumps({"input": trace_inputs()[0]}))
                    sizes[form] = len(server.connection.getresponse().read())
        check("HTTP", traces)
        return sizes

    def load(self, loads: list[Load]) -> None:
        """Notes the means of two turns of each, or the one turn of one alone."""
        results = [[] for _ in loads]
        for index in mirrored(range(len(loads))) if len(loads) > 1 else [0]:
            load = loads[index]
            results[index].append(
                self.serve(load.server, load.script, load.connections, load.path))
        for load, pair in zip(loads, results):
            def note(unit: str, value) -> None:
                self.note(load.what, load.who, unit, statistics.mean(map(value, pair)))

            note("requests/s", lambda result: result[0].per_second)
            note("µs of CPU", lambda result: result[1])
            note("µs p50", lambda result: result[0].p50)
            note("µs p99", lambda result: result[0].p99)

    def serve(self, server, script: str, connections: int, path: str = ""):
        """What wrk measures, and microseconds of the server's processor for a request."""
        wrk(server.url + path, script, connections, 1, self.cores)
        before = cpu_seconds(server.process.pid)
        figures = wrk(server.url + path, script, connections, self.options.seconds, self.cores)
        used = cpu_seconds(server.process.pid) - before
        requests = figures.per_second * max(1, round(self.options.seconds))
        return figures, used / requests * 1e6

    def compare_connections(self) -> None:
        """Many connections must not cost requests per second."""
        with self.running({"ntm": self.ntm}) as servers:
            server = servers["ntm"]
            script = stepping(sessions(server, 512), FORMS["outputs only"])
            for self.figures.round in range(20):
                self.load([Load(f"{count} connections", "ntm", server, script, count)
                           for count in (16, 512)])

    # Several steps in a request

    def mean(self, measurements: list) -> None:
        """Notes the means of two turns of each: a what, a unit and what measures it."""
        values = {what: [] for what, _, _ in measurements}
        for what, _, measure in mirrored(measurements):
            values[what].append(measure())
        for what, unit, _ in measurements:
            self.note(what, "ntm", unit, statistics.mean(values[what]))

    def compare_batches(self) -> None:
        models = self.folder / "models"
        models.mkdir()
        for name in "AB":
            shutil.copy(self.model_file(*SIZES[name]), models / f"{name}.safetensors")
        makers = {name: lambda name=name: self.stepper("ntm", models / f"{name}.safetensors")
                  for name in "AB"}
        with self.running(makers | {"ntm": lambda: self.ntm(models=models)}) as running:
            server = running["ntm"]
            alone = [server.make_session("A") for _ in range(4)]
            batch = {"inputs": [trace_inputs()[i % STEPS_TO_CHECK] for i in range(64)],
                     "return": ["output"]}
            together = [server.make_session("B") for _ in range(64)]
            check_together(server, together)
            batches = stepping(alone, "", batch)
            steps = posting(step_body(together, trace_inputs()[0]))
            for self.figures.round in range(self.options.rounds):
                # Four sessions, so that the server is never idle: to wake up costs as much as some
                # steps.
                self.mean([
                    ("step of 64 in one request", "µs",
                     lambda: self.serve(server, batches, len(alone))[1] / 64),
                    ("bare step beside it", "µs", lambda: running["A"].microseconds(1))])
                self.mean([
                    ("one POST /step for 64 sessions of B", "ms of CPU",
                     lambda: self.serve(server, steps, 1, "/step")[1] / 1e3),
                    ("64 bare steps of B", "ms of CPU",
                     lambda: 64 * running["B"].microseconds(1) / 1e3)])

    # Many sessions

    def compare_sessions(self) -> None:
        with self.running({"ntm": self.ntm}) as servers:
            server = servers["ntm"]
            few = [server.make_session() for _ in range(32)]
            before = server.resident_bytes()
            many = [server.make_session() for _ in range(MANY - len(few))]
            grown = server.resident_bytes() - before
            state = server.metric("ntm_session_bytes") / MANY
            self.note("state of a session", "ntm", "bytes", state)
            self.note("memory of 100,000 sessions, to their state", "ntm", "×",
                      grown / (state * len(many)))
            self.note("resident memory with 100,000 sessions", "ntm", "MB",
                      server.resident_bytes() / 1e6)
            orders = {"32 sessions": few, "100,000 sessions in random order": many}
            random.shuffle(many)
            for self.figures.round in range(self.options.rounds):
                self.load([Load(what, "ntm", server, stepping(order, FORMS["outputs only"]), 16)
                           for what, order in orders.items()])

    def compare_start(self) -> None:
        for self.figures.round in range(self.options.rounds):
            server = self.ntm()
            server.request("GET", "/livez")
            self.note("start to the first answer", "ntm", "ms",
                      (time.monotonic() - server.started) * 1e3)
            server.stop()


def sessions(server, connections: int) -> list[str]:
    """Enough of them that one is rarely stepped by two connections at once."""
    if server.name == "libmicrohttpd":
        return ["EwcbQdBEAN_-pGINCcwHaB"]
    # It may have been idle for longer than the server waits.
    server.connection.close()
    return [server.make_session() for _ in range(1 if connections == 1 else 2 * connections)]


def step_body(sessions_: list[str], x: list[int]) -> dict:
    return {"return": ["output"], "steps": [{"session": name, "input": x} for name in sessions_]}


def check_together(server: Server, together: list[str]) -> None:
    """That steps in one request give the bits of steps one by one."""
    single = server.make_session("B")
    for x in trace_inputs():
        alone = server.request(
            "POST", f"/sessions/{single}/step?return=output", {"input": x})["output"]
        for result in server.request("POST", "/step", step_body(together, x))["steps"]:
            if result["output"] != alone:
                sys.exit("a step taken together with others is not the step by itself")


def trace_inputs() -> list[list[int]]:
    generator = random.Random(20)
    return [[generator.randint(0, 1) for _ in range(9)] for _ in range(STEPS_TO_CHECK)]


def check(what: str, traces: dict[str, list[dict]]) -> None:
    """That all gave the same numbers."""
    ours = traces["ntm"]
    for who, theirs in traces.items():
        if len(theirs) != len(ours):
            sys.exit(f"{what}: {who} gave {len(theirs)} steps, not {len(ours)}")
        worst = max(abs(a - b) for mine, other in zip(ours, theirs) for name in mine
                    for a, b in zip(mine[name], other[name], strict=True))
        if not worst <= TOLERANCE:
            sys.exit(f"{what}: {who} and ntm differ by {worst:.1e} over {STEPS_TO_CHECK} steps")
        print(f"{what}: {who} agrees with ntm within {worst:.1e}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ntm", required=True)
    parser.add_argument("--steps", required=True)
    parser.add_argument("--python", required=True, type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--chart", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for part in options.only.split(","):
            getattr(bench, f"compare_{part}")()
    text = report(bench.figures, options.rounds, f"{processor()}; {bench.cores}")
    print(text)
    if options.json:
        figures = [figure._asdict() for figure in bench.figures.all]
        options.json.write_text("[\n" + ",\n".join(map(json.dumps, figures)) + "\n]\n")
    if options.chart:
        options.chart.write_text(chart(bench.figures))
    if options.markdown:
        page = options.markdown.read_text()
        options.markdown.write_text(
            MARKS.sub(lambda found: found[1] + text + found[2], page))


if __name__ == "__main__":
    main()
