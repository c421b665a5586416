#!/usr/bin/env python3
"""How fast steps are, beside what people would use instead.

All step the same weights, and are first seen to give the same numbers over 20 steps. Then they take
turns, round by round, each alone on the server's cores; wrk has other ones.

    compare.py --ntm NTM --steps NTM-STEPS --python PYTHON [--rounds 5] [--seconds 2]
               [--only steps,rows,http] [--json FILE] [--markdown FILE] [--chart FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, NamedTuple

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import serving  # noqa: E402
from peers import HERE, PeerServer, Stepper, cpu_seconds  # noqa: E402
from serving import MODEL, MODELS, Cores, Server, processor, stepping, wrk  # noqa: E402

# Rows, columns and units of the controller.
SIZES = {"A": (128, 20, 100), "B": (1024, 64, 512), "C": (16384, 64, 256)}
ROWS = [128, 1024, 16384, 131072, 1048576]
CONNECTIONS = [1, 16, 256]
FORMS = {"all weightings": "", "outputs only": "?return=output"}
STEPS_TO_CHECK = 20
TOLERANCE = 2e-4
MARKS = re.compile(r"(<!-- bench -->\n).*(<!-- /bench -->)", re.S)


class Figure(NamedTuple):
    """One measurement: of what, by whom, in which unit."""

    what: str
    who: str
    unit: str
    value: float


class Bench:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.cores = Cores.choose(is_pinned=True)
        self.figures: list[Figure] = []

    def note(self, what: str, who: str, unit: str, value: float) -> None:
        self.figures.append(Figure(what, who, unit, value))
        print(f"{what}, {who}: {value:,.2f} {unit}", file=sys.stderr, flush=True)

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

    def steppers(self, model: Path, kinds: list[str]) -> list[Stepper]:
        ours = Stepper("ntm", [self.options.steps, str(model)], self.cores)
        return [ours] + [
            Stepper(kind, [self.options.python, str(HERE / "peer.py"), kind, str(model)],
                    self.cores)
            for kind in kinds]

    def compare_steps(self) -> None:
        for name, size in SIZES.items():
            self.take_turns(f"step of {name}", self.model_file(*size),
                            ["onnx", "torch", "eager", "numpy"])

    def compare_rows(self) -> None:
        for rows in ROWS:
            self.take_turns(f"step with {rows:,} rows", self.model_file(rows, 32, 100), ["onnx"])

    def take_turns(self, what: str, model: Path, kinds: list[str]) -> None:
        steppers = self.steppers(model, kinds)
        check(what, {stepper.name: stepper.ask({"trace": trace_inputs()}) for stepper in steppers})
        for _ in range(self.options.rounds):
            for stepper in random.sample(steppers, len(steppers)):
                self.note(what, stepper.name, "µs", stepper.microseconds(self.options.seconds / 2))
        for stepper in steppers:
            stepper.stop()

    # Servers

    def servers(self) -> dict[str, Callable]:
        model = str(MODELS / f"{MODEL}.safetensors")

        def uvicorn(module: str, *more: str) -> PeerServer:
            command = [self.options.python, "-m", "uvicorn", "--app-dir", str(HERE), "--port",
                       "PORT", "--no-access-log", "--log-level", "warning", f"{module}:app"]
            return PeerServer(module, command + list(more), self.folder, self.cores,
                              NTM_MODEL=model)

        return {
            "ntm": lambda: Server(
                self.options.ntm, ["--store", "memory"], self.folder, self.cores),
            "onnx": lambda: uvicorn("serve_onnx", "--loop", "uvloop", "--http", "httptools"),
            "fastapi": lambda: uvicorn("serve_torch"),
        }

    def ceiling(self, size: int) -> PeerServer:
        program = self.folder / "fixed_body"
        if not program.exists():
            subprocess.run(["cc", "-O2", "-o", program, HERE / "fixed_body.c", "-lmicrohttpd"],
                           check=True)
        return PeerServer("fixed", [str(program), "PORT", str(size)], self.folder, self.cores)

    def compare_http(self) -> None:
        sizes = self.check_http()
        for number in range(self.options.rounds):
            for form in FORMS:
                for connections in CONNECTIONS:
                    makers = self.servers() | {"libmicrohttpd": lambda: self.ceiling(sizes[form])}
                    for who in random.sample(list(makers), len(makers)):
                        self.load(who, makers[who], form, connections)
            self.measure_probe()
            self.measure_many_connections()

    def check_http(self) -> dict[str, int]:
        """The length of a reply of ours in each form, when all have given the same numbers."""
        traces = {}
        sizes = {}
        for who, make in self.servers().items():
            server = make()
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
            server.stop()
        check("HTTP", traces)
        return sizes

    def load(self, who: str, make: Callable, form: str, connections: int) -> None:
        server = make()
        if who == "libmicrohttpd":
            sessions = ["x"]
        else:
            sessions = [server.make_session()
                        for _ in range(1 if connections == 1 else 2 * connections)]
        script = stepping(sessions * (1 if len(sessions) > 1 else connections), FORMS[form])
        self.measure(f"{form}, {connections} connections", who, server, script, connections)
        server.stop()

    def measure(self, what: str, who: str, server, script: str, connections: int,
                path: str = "") -> float:
        wrk(server.url + path, script, connections, 1, self.cores)
        before = cpu_seconds(server.process.pid)
        figures = wrk(server.url + path, script, connections, self.options.seconds, self.cores)
        used = cpu_seconds(server.process.pid) - before
        requests = figures.per_second * max(1, round(self.options.seconds))
        self.note(what, who, "requests/s", figures.per_second)
        self.note(what, who, "µs of CPU", used / requests * 1e6)
        self.note(what, who, "µs p50", figures.p50)
        self.note(what, who, "µs p99", figures.p99)
        return figures.per_second

    def measure_probe(self) -> None:
        """A route without a model."""
        for who, make in {"ntm": self.servers()["ntm"],
                          "libmicrohttpd": lambda: self.ceiling(2)}.items():
            server = make()
            self.measure("/livez, 16 connections", who, server, "", 16, path="/livez")
            server.stop()

    def measure_many_connections(self) -> None:
        for connections in [16, 512]:
            self.load("ntm", self.servers()["ntm"], "outputs only", connections)


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
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", default="steps,rows,http")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for part in options.only.split(","):
            {"steps": bench.compare_steps, "rows": bench.compare_rows,
             "http": bench.compare_http}[part]()
    text = report(bench.figures, options)
    print(text)
    if options.json:
        options.json.write_text(json.dumps([figure._asdict() for figure in bench.figures]))
    if options.markdown:
        page = options.markdown.read_text()
        options.markdown.write_text(MARKS.sub(lambda found: found[1] + text + found[2], page))


def report(figures: list[Figure], options: argparse.Namespace) -> str:
    """Tables, one for each unit: medians with their spread, and ratios to ours."""
    lines = []
    for unit in dict.fromkeys(figure.unit for figure in figures):
        chosen = [figure for figure in figures if figure.unit == unit]
        names = list(dict.fromkeys(figure.who for figure in chosen))
        lines += [f"| {unit} | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for what in dict.fromkeys(figure.what for figure in chosen):
            values = {who: [figure.value for figure in chosen if (figure.what, figure.who)
                            == (what, who)] for who in names}
            ours = statistics.median(values["ntm"])
            cells = [cell(who, values[who], ours) for who in names]
            lines.append(f"| {what} | " + " | ".join(cells) + " |")
        lines.append("")
    lines.append(f"Medians (spread) of {options.rounds} rounds on {processor()}; × is their figure "
                 "divided by ntm's.\n")
    return "\n".join(lines)


def cell(who: str, values: list[float], ours: float) -> str:
    if not values:
        return "–"
    middle = statistics.median(values)
    digits = 1 if middle < 100 else 0
    text = f"{middle:,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"
    return text if who == "ntm" else f"{text} {middle / ours:.2f}×"


if __name__ == "__main__":
    main()
