"""A bar chart, as SVG, of how many times ntm's time others need."""

from __future__ import annotations

import statistics
from xml.sax.saxutils import escape

from figures import Figures
from report import NAMES

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 760, 250, 70, 16, 14, 54
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px }
.group { font-weight: 600 }
.ntm { fill: #0a7d5a } .other { fill: #8a94a6 }
@media (prefers-color-scheme: dark) {
  text { fill: #d0d7de } .ntm { fill: #2bb98a } .other { fill: #768194 }
}
"""
STEPS = [(f"step of {model}", f"one step of model {model}") for model in "ABC"]
REQUESTS = [(f"{form}, 16 connections", f"a request of model A, {form}")
            for form in ("all weightings", "outputs only")]


def chart(figures: Figures) -> str:
    """Bars of those of which there are figures."""
    groups = [(title, bars(figures, "µs", what, ["onnx", "torch", "numpy"], is_time=True))
              for what, title in STEPS]
    groups += [(title, bars(figures, "requests/s", what, ["asgi", "fastapi"], is_time=False))
               for what, title in REQUESTS]
    groups = [(title, rows) for title, rows in groups if rows]
    longest = max((value for _, rows in groups for _, value in rows), default=1)
    parts = []
    y = TOP
    for title, rows in groups:
        parts.append(f'<text class="group" x="12" y="{y}">{escape(title)}</text>')
        y += 8
        for who, value in [("ntm", 1.0), *rows]:
            length = max(1, value / longest * (WIDTH - LEFT - RIGHT))
            kind = "ntm" if who == "ntm" else "other"
            parts.append(
                f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(NAMES[who])}</text>'
                f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 3}"/>'
                f'<text x="{LEFT + length + 6:.1f}" y="{y + 12}">{number(value)}×</text>')
            y += BAR
        y += GAP + 8
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
            f'viewBox="0 0 {WIDTH} {y}" role="img"><style>{STYLE}</style>'
            '<text class="title" x="12" y="24">Time, as a multiple of ntm\'s (shorter is faster)'
            f'</text>{"".join(parts)}</svg>\n')


def bars(figures: Figures, unit: str, what: str, whos: list[str],
         is_time: bool) -> list[tuple[str, float]]:
    found = []
    for who in whos:
        pair = [(what, who), (what, "ntm")]
        ratios = figures.ratios(unit, *(pair if is_time else reversed(pair)))
        if ratios:
            found.append((who, statistics.median(ratios)))
    return found


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
