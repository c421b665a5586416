"""What was measured, and ratios of it within a round."""

from __future__ import annotations

import statistics
import sys
from typing import NamedTuple


class Figure(NamedTuple):
    """One measurement: in which round, of what, by whom, in which unit."""

    round: int
    what: str
    who: str
    unit: str
    value: float


class Figures:
    def __init__(self) -> None:
        self.all: list[Figure] = []
        self.round = 0

    def note(self, what: str, who: str, unit: str, value: float) -> None:
        self.all.append(Figure(self.round, what, who, unit, value))
        print(f"round {self.round + 1}: {what}, {who}: {value:,.2f} {unit}", file=sys.stderr,
              flush=True)

    def values(self, what: str, who: str, unit: str) -> list[float]:
        return [figure.value for figure in self.all
                if (figure.what, figure.who, figure.unit) == (what, who, unit)]

    def whats(self, unit: str) -> list[str]:
        return list(dict.fromkeys(figure.what for figure in self.all if figure.unit == unit))

    def whos(self, unit: str) -> list[str]:
        return list(dict.fromkeys(figure.who for figure in self.all if figure.unit == unit))

    def ratios(self, unit: str, above: tuple[str, str], below: tuple[str, str]) -> list[float]:
        """Of two measurements, each a what and a who, in every round that has both."""
        rounds = {}
        for place, (what, who) in enumerate([above, below]):
            for figure in self.all:
                if (figure.what, figure.who, figure.unit) == (what, who, unit):
                    rounds.setdefault(figure.round, {})[place] = figure.value
        return [pair[0] / pair[1] for pair in rounds.values() if len(pair) == 2]


def spread(values: list[float]) -> str:
    """The median, with the least and the largest."""
    middle = statistics.median(values)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return f"{middle:,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"
