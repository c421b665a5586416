"""A server to measure, and wrk to load it: what the scripts of this folder and those below share."""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "Models"
MODEL = "copy"
INPUT = [1, 0, 1, 0, 0, 1, 1, 0, 0]
WITHOUT_DISK = {"tmpfs", "ramfs"}
PATIENCE = 300


class Cores(NamedTuple):
    """Which processors run the server, and which the load; empty for any."""

    server: list[int]
    load: list[int]

    @staticmethod
    def choose(is_pinned: bool) -> "Cores":
        cores = sorted(os.sched_getaffinity(0))
        if not is_pinned or len(cores) < 2:
            return Cores([], [])
        return Cores(cores[:len(cores) // 2], cores[len(cores) // 2:])

    def __str__(self) -> str:
        if not self.server:
            return "server and wrk not pinned"
        return f"server on {numbered(self.server)}, wrk on {numbered(self.load)}"


def numbered(cores: list[int]) -> str:
    return f"core{'s' if len(cores) > 1 else ''} {', '.join(map(str, cores))}"


def pinned(cores: list[int], command: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command] if cores else command


class Server:
    """`ntm serve` on a port of its own, with its log in a file."""

    name = "ntm"

    def __init__(self, ntm: str, options: list[str], folder: Path, cores: Cores,
                 models: Path = MODELS) -> None:
        self.log = folder / "server.log"
        command = [ntm, "serve", "--models", str(models), "--port", "0", *options]
        self.started = time.monotonic()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                pinned(cores.server, command), stdout=log, stderr=log, env=environment())
        self.url = self.wait_for_url()
        self.host = self.url.removeprefix("http://")
        self.connection = HTTPConnection(self.host, timeout=PATIENCE)

    def wait_for_url(self) -> str:
        while time.monotonic() < self.started + PATIENCE:
            found = re.search(r"serving .* on (http://\S+)", self.log.read_text())
            if found:
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.002)
        self.kill()
        sys.exit(f"the server does not start:\n{self.log.read_text()}")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text)
        reply = self.connection.getresponse()
        content = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {content.decode()}")
        return json.loads(content) if content else None

    def make_session(self, model: str = MODEL) -> str:
        return self.request("POST", "/sessions", {"model": model})["id"]

    def metric(self, name: str) -> int:
        with urllib.request.urlopen(self.url + "/metrics") as reply:
            lines = reply.read().decode().splitlines()
        return sum(int(float(line.split()[-1])) for line in lines
                   if re.match(rf"{name}(\{{[^}}]*\}})? ", line))

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def stop(self) -> float:
        """Ends the server as its operator would, and says how many seconds that took."""
        self.connection.close()
        start = time.monotonic()
        self.process.terminate()
        try:
            status = self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            sys.exit(f"the server does not stop:\n{self.log.read_text()}")
        complaints = [line for line in self.log.read_text().splitlines()
                      if re.match(r"\S+ (error|critical) ", line)]
        if status != 0 or complaints:
            sys.exit(f"the server ended with status {status}:\n" + "\n".join(complaints[:20]))
        return time.monotonic() - start

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def environment() -> dict[str, str]:
    """Without options of `ntm serve`, which would change what is measured."""
    return {name: text for name, text in os.environ.items() if not name.startswith("NTM_")}


class Figures(NamedTuple):
    """What wrk measured; times in microseconds."""

    per_second: float
    p50: float
    p99: float


def posting(body: object) -> str:
    """A script for wrk."""
    return f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{json.dumps(body)}'
"""


def stepping(sessions: list[str], form: str, body: object = None) -> str:
    """A script for wrk: every thread has its share of the sessions, and steps them in turn."""
    return f"""{posting(body or {"input": INPUT})}
local threads = {{}}
function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
  for _, each in ipairs(threads) do each:set("count", #threads) end
end

-- One text, because a script may not have very many.
local sessions = {{}}
for name in string.gmatch("{' '.join(sessions)}", "%S+") do table.insert(sessions, name) end
local requests, last = {{}}, 0
function init()
  for index = number, #sessions, count do
    table.insert(requests, wrk.format(nil, "/sessions/" .. sessions[index] .. "/step{form}"))
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end
"""


DONE = """
done = function(summary, latency)
  local errors = summary.errors
  local unanswered = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("figures %d %d %f %f %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), errors.status, unanswered))
end
"""


def wrk(
    url: str, script: str, connections: int, seconds: float, cores: Cores, may_refuse: bool = False,
    scheduling: Sequence[str] = ()
) -> Figures:
    """Lets wrk run a script. `scheduling` is a command that runs another one with a priority.

    Raises RuntimeError where a request failed; with may_refuse, only where one got no answer.
    """
    threads = min(connections, len(cores.load) or 1)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script + DONE)
        file.flush()
        command = [
            *scheduling, "wrk", "--threads", str(threads), "--connections", str(connections),
            "--duration", f"{max(1, round(seconds))}s", "--timeout", "60s",
            "--script", file.name, url]
        result = subprocess.run(
            pinned(cores.load, command), capture_output=True, text=True, check=False)
    found = re.search(r"figures (\d+) (\d+) (\S+) (\S+) (\d+) (\d+)", result.stdout)
    if result.returncode != 0 or found is None:
        raise RuntimeError(f"wrk failed:\n{result.stdout}{result.stderr}")
    requests, microseconds, refused, unanswered = (int(found[index]) for index in (1, 2, 5, 6))
    if requests == 0 or unanswered > 0 or (refused > 0 and not may_refuse):
        raise RuntimeError(
            f"{refused} of {requests} requests refused, {unanswered} unanswered:\n{result.stdout}")
    return Figures(requests / microseconds * 1e6, float(found[3]), float(found[4]))


def filesystem(folder: Path) -> str:
    return subprocess.run(
        ["stat", "--file-system", "--format", "%T", str(folder)],
        check=True, capture_output=True, text=True).stdout.strip()


def working_folder(parent: str | None) -> tempfile.TemporaryDirectory:
    """A folder for the database: beside what was built, since /tmp may be no disk."""
    place = Path(parent) if parent else ROOT / ".build"
    place.mkdir(parents=True, exist_ok=True)
    kind = filesystem(place)
    print(f"{place} is on {kind}", file=sys.stderr)
    if kind in WITHOUT_DISK:
        sys.exit(f"{place} is on {kind}, which no power cut survives: choose another --folder")
    return tempfile.TemporaryDirectory(prefix="durability-", dir=place)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{os.cpu_count()} cores of {line.split(':')[1].strip()}"
    return platform.processor()
