#!/usr/bin/env python3
"""What a million stored sessions cost.

Makes as many sessions of the copy model as it is told, in a server that has memory for few of them,
stops it, starts it anew on the same file and measures: the time to the first answer, pages of the
list, steps on random sessions, which come back from the store, and memory and disk. Sessions are
made faster than they can be saved; what the server refuses meanwhile is counted.

    many_sessions.py --ntm .build/release/ntm [--sessions 1000000] [--folder DIR] [--json FILE]
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from serving import (  # noqa: E402
    INPUT, MODEL, Cores, Server, filesystem, processor, working_folder, wrk)

PAGE = 1000
CONNECTIONS = 64
SLICE = 10.0
MAKING = f"""
wrk.method = "POST"
wrk.path = "/sessions"
wrk.body = '{{"model": "{MODEL}"}}'
"""


class Result(NamedTuple):
    """What was measured, in the words of the report."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        digits = 0 if self.value >= 1000 or self.unit == "" else 2
        return f"{self.name:<58} {self.value:>12,.{digits}f} {self.unit}".rstrip()


class Report:
    def __init__(self) -> None:
        self.results: list[Result] = []

    def add(self, name: str, value: float, unit: str = "") -> None:
        self.results.append(Result(name, value, unit))
        print(self.results[-1], flush=True)

    def as_json(self, **fields: Any) -> str:
        results = [result._asdict() for result in self.results]
        return json.dumps(fields | {"results": results}, indent=1) + "\n"


class Timer:
    """`with Timer() as timer: …`, then `timer.seconds`."""

    def __enter__(self) -> "Timer":
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.start


def state_bytes(options: argparse.Namespace, folder: Path, cores: Cores) -> int:
    server = Server(options.ntm, ["--store", "memory"], folder, cores)
    try:
        size = server.request("GET", f"/models/{MODEL}")["state_bytes"]
        server.stop()
    finally:
        server.kill()
    return size


def make_sessions(server: Server, count: int, cores: Cores, report: Report) -> None:
    """Lets wrk, which stops by the clock alone, make sessions in slices until they are enough."""
    seconds, rate = 0.0, 0.0
    while (made := server.metric("ntm_sessions")) < count:
        duration = min(SLICE, (count - made) / rate) if rate else 1
        with Timer() as timer:
            wrk(server.url, MAKING, CONNECTIONS, duration, cores, may_refuse=True)
        seconds += timer.seconds
        rate = (server.metric("ntm_sessions") - made) / timer.seconds
        print(f"made {made:,} sessions, now {rate:,.0f} a second", file=sys.stderr)
    report.add("sessions made", made)
    report.add("sessions made per second", made / seconds)
    report.add("refused meanwhile", server.metric("ntm_sessions_rejected_total"))


def random_sessions(server: Server, count: int) -> list[str]:
    """The list's pages begin after a number, which counts the sessions up."""
    most = server.metric("ntm_sessions")
    pages = [server.request("GET", f"/sessions?limit=1&after={after}")["sessions"]
             for after in random.sample(range(most), min(count, most))]
    return [page[0]["id"] for page in pages]


def give_history(server: Server, sessions: list[str], steps: int) -> None:
    for session in sessions:
        server.request(
            "POST", f"/sessions/{session}/step", {"inputs": [INPUT] * steps, "return": []})


def measure_steps(
    server: Server, sessions: list[str], kind: str, report: Report, before: int
) -> None:
    times = []
    loaded = server.metric("ntm_sessions_loaded_total")
    for session in sessions:
        with Timer() as timer:
            result = server.request("POST", f"/sessions/{session}/step", {"input": INPUT})
        if result["step"] != before + 1:
            sys.exit(f"session {session} is at step {result['step']}, not {before + 1}")
        times.append(timer.seconds * 1000)
    times.sort()
    report.add(f"steps on {kind}", len(times))
    report.add("  came from the store", server.metric("ntm_sessions_loaded_total") - loaded)
    report.add("  p50", statistics.median(times), "ms")
    report.add("  p99", times[int(len(times) * 0.99)], "ms")


def walk(server: Server, pages: int, report: Report) -> None:
    with Timer() as timer:
        page = server.request("GET", f"/sessions?limit={PAGE}")
    report.add(f"first page of {PAGE:,} sessions", timer.seconds * 1000, "ms")
    seen, count = len(page["sessions"]), 1
    with Timer() as timer:
        while page["next"] and count < pages:
            page = server.request("GET", page["next"])
            seen, count = seen + len(page["sessions"]), count + 1
    if count > 1:
        report.add(f"each of the next {count - 1:,}", timer.seconds * 1000 / (count - 1), "ms")
    if seen != min(count * PAGE, server.metric("ntm_sessions")):
        sys.exit(f"{count} pages had {seen} sessions")


def forget_cached(folder: Path) -> None:
    """So that the next server reads from the disk."""
    os.sync()
    for path in folder.iterdir():
        file = os.open(path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def file_bytes(file: Path) -> int:
    return sum(path.stat().st_size for path in file.parent.glob(file.name + "*"))


def report_memory(server: Server, when: str, report: Report) -> None:
    report.add(f"resident memory {when}", server.resident_bytes() / 1e6, "MB")


class Samples(NamedTuple):
    fresh: list[str]
    stepped: list[str]


def fill(
    options: argparse.Namespace, store: list[str], folder: Path, cores: Cores, report: Report
) -> Samples:
    server = Server(options.ntm, store, folder, cores)
    try:
        make_sessions(server, options.sessions, cores, report)
        chosen = random_sessions(server, 2 * options.steps)
        samples = Samples(chosen[::2], chosen[1::2])
        give_history(server, samples.stepped, options.history)
        report_memory(server, "of the server that made them", report)
        report.add("its end", server.stop(), "s")
    except RuntimeError as error:
        sys.exit(f"{error}\n{server.log.read_text()}")
    finally:
        server.kill()
    return samples


def use(
    options: argparse.Namespace, store: list[str], folder: Path, cores: Cores, samples: Samples,
    report: Report
) -> None:
    server = Server(options.ntm, store, folder, cores)
    try:
        server.request("GET", "/readyz")
        report.add("start to first answer", time.monotonic() - server.started, "s")
        report_memory(server, "after the start", report)
        walk(server, options.pages, report)
        report_memory(server, "after the pages", report)
        measure_steps(server, samples.fresh, "random sessions without steps", report, 0)
        measure_steps(
            server, samples.stepped, f"random sessions of {options.history} steps", report,
            options.history)
        report_memory(server, "after the steps", report)
        server.stop()
    except RuntimeError as error:
        sys.exit(f"{error}\n{server.log.read_text()}")
    finally:
        server.kill()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ntm", required=True)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--resident", type=int, default=10_000, help="sessions that fit in memory")
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--steps", type=int, default=2000, help="random sessions that are stepped")
    parser.add_argument(
        "--history", type=int, default=100, help="steps that as many others have taken before")
    parser.add_argument("--cold", action="store_true", help="drop the file from the system's cache")
    parser.add_argument("--folder", help="for the database; else one beside what was built")
    parser.add_argument("--no-pin", action="store_true", help="leave the cores to the system")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    cores = Cores.choose(not options.no_pin)
    report = Report()
    with working_folder(options.folder) as name:
        folder = Path(name)
        kind = filesystem(folder)
        file = folder / "sessions.sqlite"
        memory = state_bytes(options, folder, cores) * options.resident
        store = [
            "--store", f"sqlite:{file}", "--durability", "everysec",
            "--max-sessions", str(2 * options.sessions), "--max-session-bytes", str(memory)]
        samples = fill(options, store, folder, cores, report)
        report.add("file", file_bytes(file) / 1e6, "MB")
        if options.cold:
            forget_cached(folder)
        use(options, store, folder, cores, samples, report)
    print(f"On {kind}, {'cold' if options.cold else 'warm'}; {processor()}; {cores}.")
    if options.json:
        options.json.write_text(
            report.as_json(processor=processor(), filesystem=kind, is_cold=options.cold))


if __name__ == "__main__":
    main()
