#!/usr/bin/env python3
"""What one client's long request costs another's short ones.

wrk sends single steps of the copy model on one connection and measures their latency, in turn on an
idle server and on one that another client keeps busy: with 100,000 steps in one request, with as many
in a stream, and with steps of a model whose memory has 16,384 rows. Prints a table and writes it into
Benchmarks/README.md.

    compare.py --ntm .build/release/ntm [--rounds 5] [--seconds 5]
"""

import argparse
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
MODELS = HERE.parent.parent / "Models"
STEPS = 100_000
INPUT = [1, 0, 1, 0, 0, 1, 1, 0, 0]


class Server:
    def __init__(self, ntm, models):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [ntm, "serve", "--models", models, "--port", str(self.port), "--store", "memory",
             "--log-level", "error"])
        for _ in range(100):
            try:
                self.request("GET", "/livez")
                return
            except OSError:
                time.sleep(0.1)
        sys.exit("the server does not start")

    def request(self, method, path, body=None, **headers):
        request = urllib.request.Request(
            self.url + path, body, {name.replace("_", "-"): text for name, text in headers.items()},
            method=method)
        with urllib.request.urlopen(request) as reply:
            return reply.read()

    def session(self, model):
        body = json.dumps({"model": model}).encode()
        return json.loads(self.request("POST", "/sessions", body))["id"]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Load:
    """A client that sends the same request again and again, on a session of its own."""

    def __init__(self, server, model, body, **headers):
        self.server, self.body, self.headers = server, body, headers
        self.path = f"/sessions/{server.session(model)}/step?return="
        self.is_over = False
        self.requests = 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.is_over:
            self.server.request("POST", self.path, self.body, **self.headers)
            self.requests += 1

    def __enter__(self):
        self.thread.start()
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join()


def probe(server, session, seconds):
    """Latencies of single steps in microseconds: the median, the 99th percentile."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            'wrk.method = "POST"\n'
            f'wrk.body = \'{{"input": {json.dumps(INPUT)}, "return": ["output"]}}\'\n'
            "done = function(summary, latency)\n"
            '  print(string.format("figures %f %f %d", latency:percentile(50), '
            "latency:percentile(99), summary.errors.status))\nend\n")
        script.flush()
        result = subprocess.run(
            ["wrk", "--threads", "1", "--connections", "1", "--duration", f"{seconds}s",
             "--script", script.name, f"{server.url}/sessions/{session}/step"],
            check=True, capture_output=True, text=True)
    figures = re.search(r"figures (\S+) (\S+) (\d+)", result.stdout)
    if figures is None or figures[3] != "0":
        sys.exit(f"wrk failed:\n{result.stdout}")
    return float(figures[1]), float(figures[2])


def make_large_model(ntm, folder):
    """A model as large as they come: what it was trained to does not matter."""
    subprocess.run(
        [ntm, "train", "copy", "--rows", "16384", "--columns", "64", "--units", "256",
         "--sequences", "1", "--batch", "1", "--interval", "1", "--validation", "1",
         "--validation-beyond", "0", "--length", "1-1",
         "--output", str(Path(folder) / "large.safetensors")],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def middle(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ntm", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        os.symlink(MODELS / "copy.safetensors", Path(folder) / "copy.safetensors")
        make_large_model(options.ntm, folder)
        server = Server(options.ntm, folder)
        try:
            figures = measure(server, options)
        finally:
            server.stop()
    table = write(figures, options.rounds)
    print(table)
    text = README.read_text()
    pattern = re.compile(r"(<!-- bench-stall -->\n).*(<!-- /bench-stall -->)", re.S)
    README.write_text(pattern.sub(lambda match: match[1] + table + "\n" + match[2], text))


def measure(server, options):
    session = server.session("copy")
    inputs = [INPUT] * STEPS
    whole = json.dumps({"inputs": inputs}).encode()
    lines = "".join(json.dumps(line) + "\n" for line in inputs).encode()
    large = "".join(json.dumps(line) + "\n" for line in inputs[:2000]).encode()
    loads = {
        "100,000 steps in one request": lambda: Load(server, "copy", whole),
        "100,000 steps in a stream":
            lambda: Load(server, "copy", lines, Content_Type="application/x-ndjson"),
        "steps of 16,384 × 64 in a stream":
            lambda: Load(server, "large", large, Content_Type="application/x-ndjson"),
    }
    figures = {name: [] for name in loads}
    for _ in range(options.rounds):
        for name, load in loads.items():
            idle = probe(server, session, options.seconds)
            with load() as load:
                busy = probe(server, session, options.seconds)
            figures[name].append((idle, busy, load.requests))
            print(f"{name}: idle {idle}, busy {busy}, {load.requests} requests", file=sys.stderr)
    return figures


def write(figures, rounds):
    lines = [
        "| beside | p50 idle, µs | p50 busy, µs | p99 idle, µs | p99 busy, µs | p99, ratio |",
        "|---|---|---|---|---|---|"]
    for name, values in figures.items():
        columns = [[idle[0] for idle, _, _ in values], [busy[0] for _, busy, _ in values],
                   [idle[1] for idle, _, _ in values], [busy[1] for _, busy, _ in values]]
        ratio = statistics.median(busy[1] / idle[1] for idle, busy, _ in values)
        lines.append(f"| {name} | {' | '.join(map(middle, columns))} | {ratio:.1f}× |")
    return "\n".join(lines + ["", f"Medians (spread) of {rounds} rounds on {processor()}."])


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{os.cpu_count()} cores of {line.split(':')[1].strip()}"
    return platform.processor()


if __name__ == "__main__":
    main()
