#!/usr/bin/env python3
"""Whether what was built has become slower than what was built of another revision.

Both take turns, for about a minute and a half. It fails where a median ratio has lost more than a
tenth.

    quick.py --base FOLDER --this FOLDER     each with ntm and, if there is one, ntm-steps
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from compare import FORMS, SIZES, Bench, Load, sessions  # noqa: E402
from figures import spread  # noqa: E402
from peers import Stepper  # noqa: E402
from serving import Server, stepping  # noqa: E402

# Of two turns each.
ROUNDS = 3
# Of steps without a server, which take less time.
STEP_ROUNDS = 9
LOSS = 0.1
LARGER_IS_BETTER = {"requests/s"}
IGNORED = {"µs p50", "µs p99"}


def measure(bench: Bench, programs: dict[str, Path]) -> None:
    if all((folder / "ntm-steps").exists() for folder in programs.values()):
        for name, size in SIZES.items():
            measure_steps(bench, name, bench.model_file(*size), programs)
    else:
        print("The other revision has no ntm-steps: only servers are compared.")
    makers = {who: lambda folder=folder: Server(
        str(folder / "ntm"), ["--store", "memory"], bench.folder, bench.cores)
        for who, folder in programs.items()}
    with bench.running(makers) as servers:
        for bench.figures.round in range(ROUNDS):
            for form, query in FORMS.items():
                bench.load([Load(f"{form}, 16 connections", who, server,
                                 stepping(sessions(server, 16), query), 16)
                            for who, server in servers.items()])


def measure_steps(bench: Bench, name: str, model: Path, programs: dict[str, Path]) -> None:
    makers = {who: lambda folder=folder: Stepper(
        who, [str(folder / "ntm-steps"), str(model)], bench.cores)
        for who, folder in programs.items()}
    for bench.figures.round in range(STEP_ROUNDS):
        # Anew, since where a process has its memory decides on a fifth of a large model's step.
        with bench.running(makers) as steppers:
            for who in bench.in_turn(steppers):
                bench.note(f"step of {name}", who, "µs", steppers[who].microseconds(0.3))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--this", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(argparse.Namespace(python="/usr/bin/python3", seconds=2), Path(folder))
        measure(bench, {"base": options.base, "this": options.this})
    lost = []
    print("\n| | base | this | speed, this to base |\n|---|---|---|---|")
    units = dict.fromkeys(figure.unit for figure in bench.figures.all if figure.unit not in IGNORED)
    for unit in units:
        for what in bench.figures.whats(unit):
            pair = [(what, "this"), (what, "base")]
            ratios = bench.figures.ratios(
                unit, *(pair if unit in LARGER_IS_BETTER else reversed(pair)))
            base, this = (spread(bench.figures.values(what, who, unit)) for who in ("base", "this"))
            print(f"| {what}, {unit} | {base} | {this} | {spread(ratios)} |")
            if statistics.median(ratios) < 1 - LOSS:
                lost.append(f"{what}, {unit}")
    if lost:
        sys.exit(f"Slower by more than {LOSS:.0%}: " + "; ".join(lost))


if __name__ == "__main__":
    main()
