#!/usr/bin/env python3
"""Speed of training, beside PyTorch's: sequences per second on the copy task.

Both train the same model (LSTM controller of 100 units, memory of 128 x 20, a read and a write head,
sequences of length 1 to 20, RMSProp), in turn, round by round, on one core; then ours on two. Prints
a table and writes it into Benchmarks/README.md.

    compare.py --ntm .build/release/ntm [--rounds 5]
"""

import argparse
import csv
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
PYTHON = "/usr/bin/python3"  # the one that Debian's python3-torch is for
SEQUENCES = {"ours": {1: 4096, 16: 8192}, "PyTorch": {1: 60, 16: 640}}


def run_ours(ntm, batch, threads, seed):
    count = SEQUENCES["ours"][batch]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "copy.safetensors"
        subprocess.run(
            [ntm, "train", "copy", "--dialect", "pytorch-ntm", "--optimizer", "rmsprop",
             "--rate", "1e-4", "--batch", str(batch), "--threads", str(threads),
             "--sequences", str(count), "--interval", str(count), "--validation", "1",
             "--validation-beyond", "0", "--seed", str(seed), "--output", str(output)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=on_cores(threads))
        with open(output.with_suffix(".csv")) as record:
            last = list(csv.DictReader(record))[-1]
    return int(last["sequences"]) / float(last["seconds"])


def run_pytorch(batch, seed):
    result = subprocess.run(
        [PYTHON, str(HERE / "pytorch_ntm.py"), "--batch", str(batch), "--seed", str(seed),
         "--sequences", str(SEQUENCES["PyTorch"][batch])],
        check=True, capture_output=True, text=True, preexec_fn=on_cores(1))
    return json.loads(result.stdout)


def on_cores(count):
    """The last cores, so that what the system does on the first disturbs less."""
    cores = sorted(os.sched_getaffinity(0))[-count:]
    return lambda: os.sched_setaffinity(0, cores)


def middle(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--ntm", required=True, help="the ntm executable, built for speed")
    options.add_argument("--rounds", type=int, default=5)
    options = options.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed, to see what the second one adds")

    rows, framework = [], ""
    for batch in (1, 16):
        ours, theirs = [], []
        for round in range(options.rounds):
            seed = round + 1
            ours.append(run_ours(options.ntm, batch, 1, seed))
            result = run_pytorch(batch, seed)
            theirs.append(result["sequences_per_second"])
            framework = result["framework"]
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        rows.append((f"batch {batch}, one thread each", middle(ours), middle(theirs), f"{ratio:.0f}×"))
    one, two = [], []
    for round in range(options.rounds):
        one.append(run_ours(options.ntm, 16, 1, round + 1))
        two.append(run_ours(options.ntm, 16, 2, round + 1))
    second = statistics.median(b / a for a, b in zip(one, two))

    lines = [
        "| sequences per second, median (spread) | ntm | " + framework + " | ratio |", "|---|---|---|---|"
    ] + ["| " + " | ".join(row) + " |" for row in rows] + [
        "", f"The second core makes batch 16 {second:.2f} times as fast: {middle(two)} sequences per "
        f"second on two threads, {middle(one)} on one.",
        "", f"{options.rounds} rounds on {processor()}.",
    ]
    table = "\n".join(lines)
    print(table)
    readme = README.read_text()
    README.write_text(re.sub(
        r"(<!-- bench-train -->\n).*?(<!-- /bench-train -->)",
        lambda found: found[1] + table + "\n" + found[2], readme, flags=re.S))


if __name__ == "__main__":
    main()
