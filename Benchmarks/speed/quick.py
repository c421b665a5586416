#!/usr/bin/env python3
"""Compares the speed of this build with the speed of another revision's build.

Both run in turn, in mirrored order. Each comparison repeats until its noise is below 2 %: the noise
is half the width of the 95 % confidence interval of the median ratio. The script exits with 1 if a
median ratio shows a loss of more than 3 %, and with 3 if the machine is too noisy to decide.

    quick.py --base FOLDER --this FOLDER     each contains ntm and, if that revision has it, ntm-steps
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from math import comb, inf
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from compare import FORMS, SIZES, Bench, Load, mirrored, sessions  # noqa: E402
from figures import spread  # noqa: E402
from peers import Stepper  # noqa: E402
from serving import Server, stepping  # noqa: E402

# A round of requests takes 20 s, a round of steps 1 s.
REQUEST_ROUNDS = range(6, 31)
STEP_ROUNDS = range(9, 81)
LOSS = 0.03
NOISE = 0.02
CONFIDENCE = 0.95
LARGER_IS_BETTER = {"requests/s"}
IGNORED = {"µs p50", "µs p99"}


def noise(ratios: list[float]) -> float:
    """Half the width of the confidence interval of the median, which is between two of the sorted
    values: the number of values below the median has a binomial distribution. Infinite for too few
    values."""
    count = len(ratios)
    tail, rank = 0.0, 0
    while rank < count // 2:
        tail += comb(count, rank) / 2**count
        if 2 * tail > 1 - CONFIDENCE:
            break
        rank += 1
    if rank == 0:
        return inf
    ratios = sorted(ratios)
    return (ratios[-rank] - ratios[rank - 1]) / 2 / statistics.median(ratios)


def speed_ratios(bench: Bench, what: str, unit: str) -> list[float]:
    """Speed of this build divided by the speed of the base, for each round."""
    pair = [(what, "this"), (what, "base")]
    return bench.figures.ratios(unit, *(pair if unit in LARGER_IS_BETTER else reversed(pair)))


def repeat(bench: Bench, rounds: range, unit: str, whats: list[str],
           run: Callable[[str], None]) -> None:
    """Runs rounds until the ratios of every comparison are quiet enough, or for all `rounds`."""
    for bench.figures.round in range(rounds.stop - 1):
        noisy = [what for what in whats if noise(speed_ratios(bench, what, unit)) >= NOISE]
        if bench.figures.round >= rounds.start and not noisy:
            return
        for what in whats if bench.figures.round < rounds.start else noisy:
            run(what)


def measure(bench: Bench, programs: dict[str, Path]) -> None:
    if all((folder / "ntm-steps").exists() for folder in programs.values()):
        for name, size in SIZES.items():
            measure_steps(bench, f"step of {name}", bench.model_file(*size), programs)
    else:
        print("The other revision has no ntm-steps: only servers are compared.")
    makers = {who: lambda folder=folder: Server(
        str(folder / "ntm"), ["--store", "memory"], bench.folder, bench.cores)
        for who, folder in programs.items()}
    queries = {f"{form}, 16 connections": query for form, query in FORMS.items()}
    with bench.running(makers) as servers:
        repeat(bench, REQUEST_ROUNDS, "requests/s", list(queries), lambda what: bench.load(
            [Load(what, who, server, stepping(sessions(server, 16), queries[what]), 16)
             for who, server in servers.items()]))


def measure_steps(bench: Bench, what: str, model: Path, programs: dict[str, Path]) -> None:
    makers = {who: lambda folder=folder: Stepper(
        who, [str(folder / "ntm-steps"), str(model)], bench.cores)
        for who, folder in programs.items()}

    def run(_: str) -> None:
        # New processes: the place of a process's memory accounts for a fifth of a large model's
        # step.
        with bench.running(makers) as steppers:
            turns = {who: [] for who in steppers}
            for who in mirrored(list(steppers)):
                turns[who].append(steppers[who].microseconds(0.3))
            for who, values in turns.items():
                bench.note(what, who, "µs", statistics.mean(values))

    repeat(bench, STEP_ROUNDS, "µs", [what], run)


def report(bench: Bench) -> int:
    """Prints a table. Returns the exit status."""
    lost, undecided = [], []
    print("\n| | base | this | speed, this to base | noise |\n|---|---|---|---|---|")
    units = dict.fromkeys(figure.unit for figure in bench.figures.all if figure.unit not in IGNORED)
    for unit in units:
        for what in bench.figures.whats(unit):
            ratios = speed_ratios(bench, what, unit)
            base, this = (spread(bench.figures.values(what, who, unit)) for who in ("base", "this"))
            print(f"| {what}, {unit} | {base} | {this} | {spread(ratios)} | {noise(ratios):.1%} |")
            if unit == "µs of CPU":
                # Reported, but not judged: it is measured beside the requests per second.
                continue
            if statistics.median(ratios) < 1 - LOSS:
                lost.append(f"{what}, {unit}")
            elif noise(ratios) >= NOISE:
                undecided.append(f"{what}, {unit}")
    if lost:
        print(f"Slower by more than {LOSS:.0%}: " + "; ".join(lost), file=sys.stderr)
        return 1
    if undecided:
        print(f"Too noisy to decide (more than {NOISE:.0%}): " + "; ".join(undecided),
              file=sys.stderr)
        return 3
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--this", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(argparse.Namespace(python="/usr/bin/python3", seconds=2), Path(folder))
        measure(bench, {"base": options.base, "this": options.this})
        return report(bench)


if __name__ == "__main__":
    sys.exit(main())
