"""Tables of what was measured, beside the targets."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from figures import Figures, spread

UNITS = {
    "µs": "µs per step, one thread",
    "requests/s": "requests per second",
    "µs of CPU": "µs of CPU per request",
    "µs p50": "µs to the reply, p50",
    "µs p99": "µs to the reply, p99",
}
NAMES = {
    "ntm": "ntm", "onnx": "ONNX Runtime", "torch": "TorchScript", "eager": "PyTorch, eager",
    "numpy": "numpy", "asgi": "ONNX Runtime, raw ASGI, orjson", "fastapi": "PyTorch, FastAPI",
    "libmicrohttpd": "libmicrohttpd, fixed body",
}


class Target(NamedTuple):
    what: str
    limit: float
    is_least: bool  # that is wanted, and not the most
    values: list[float]
    unit: str = "×"
    note: str = ""

    @property
    def figure(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        if (self.figure >= self.limit) == self.is_least or self.figure == self.limit:
            return "met"
        return f"missed by {abs(self.figure / self.limit - 1):.0%}"

    @property
    def row(self) -> str:
        wanted = f"{'≥' if self.is_least else '≤'} {self.limit:g}{self.unit}"
        got = spread(self.values) + self.unit if len(self.values) > 1 else f"{self.figure:.3g}{self.unit}"
        return f"| {self.what} | {wanted} | {got}{self.note} | {self.verdict} |"


def targets(figures: Figures) -> list[Target]:
    """Those of which there are figures."""
    all_, outputs = "all weightings, 16 connections", "outputs only, 16 connections"
    ratios = figures.ratios
    found = [
        Target(f"bare step of {model}: time of ONNX Runtime with io binding, to ours", limit, True,
               ratios("µs", (f"step of {model}", "onnx"), (f"step of {model}", "ntm")))
        for model, limit in [("A", 14), ("B", 2.5), ("C", 8)]]
    found += [
        Target(f"requests per second, A, all weightings, 16 connections, to {NAMES[who]}", limit,
               True, ratios("requests/s", (all_, "ntm"), (all_, who)))
        for who, limit in [("asgi", 7), ("fastapi", 35)]]
    for form, what, limit in [("all weightings", all_, 3.5), ("outputs only", outputs, 2.4)]:
        cpu = {count: ratios("µs of CPU", (f"{form}, {count} connections", "ntm"),
                             (f"{form}, {count} connections", "libmicrohttpd"))
               for count in (1, 256)}
        others = ", ".join(f"on {count}: {statistics.median(values):.1f}"
                           for count, values in cpu.items() if values)
        found.append(Target(
            f"CPU per request, A, {form}, 16 connections, to bare libmicrohttpd", limit, False,
            ratios("µs of CPU", (what, "ntm"), (what, "libmicrohttpd")),
            note=f" ({others})" if others else ""))
    probe = "/livez, 16 connections"
    found += [
        Target("requests per second, `/livez`, to bare libmicrohttpd", 0.9, True,
               ratios("requests/s", (probe, "ntm"), (probe, "libmicrohttpd"))),
        Target("CPU per step of 64 in one request, outputs only, to the bare step", 1.5, False,
               ratios("µs", ("step of 64 in one request", "ntm"), ("bare step beside it", "ntm"))),
        Target("64 bare steps of B, to the CPU of one `POST /step` for 64 sessions", 2.5, True,
               ratios("ms of CPU", ("64 bare steps of B", "ntm"),
                      ("one POST /step for 64 sessions of B", "ntm"))),
        Target("resident memory of 100,000 sessions, to their state", 1.15, False,
               figures.values("memory of 100,000 sessions, to their state", "ntm", "×")),
    ]
    many = ratios("requests/s", ("512 connections", "ntm"), ("16 connections", "ntm"))
    if many:
        enough = sum(ratio >= 0.8 for ratio in many)
        found.append(Target(
            "runs of 20 with at least 0.8 times the requests per second on 512 connections that "
            "there are on 16", 20, True, [enough], "", f"; {spread(many)}×"))
    found.append(Target("start with the shipped models to the first answer", 100, False,
                        figures.values("start to the first answer", "ntm", "ms"), " ms"))
    return [target for target in found if target.values]


def report(figures: Figures, rounds: int, place: str) -> str:
    lines = ["| target | wanted | median (spread) | |", "|---|---|---|---|"]
    lines += [target.row for target in targets(figures)]
    lines.append("")
    for unit, heading in UNITS.items():
        lines += table(figures, unit, heading)
    others = [figure for figure in figures.all if figure.unit not in UNITS]
    if others:
        lines += ["| other figures | median (spread) |", "|---|---|"]
        for what, unit in dict.fromkeys((figure.what, figure.unit) for figure in others):
            lines.append(f"| {what} | {spread(figures.values(what, 'ntm', unit))} {unit} |")
        lines.append("")
    lines.append(f"Medians (spread) of {rounds} rounds on {place}. × is the median of the ratios to "
                 "ntm's figure of the same round.\n")
    return "\n".join(lines)


def table(figures: Figures, unit: str, heading: str) -> list[str]:
    whos = figures.whos(unit)
    if not whos:
        return []
    lines = [f"| {heading} | " + " | ".join(NAMES[who] for who in whos) + " |",
             "|---" * (len(whos) + 1) + "|"]
    for what in figures.whats(unit):
        cells = []
        for who in whos:
            values = figures.values(what, who, unit)
            ratios = figures.ratios(unit, (what, who), (what, "ntm"))
            ratio = f" {statistics.median(ratios):.2f}×" if who != "ntm" and ratios else ""
            cells.append(spread(values) + ratio if values else "–")
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return lines + [""]
