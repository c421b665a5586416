"""What is compared: programs that step a model on request, and servers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path

import serving
from serving import Cores, pinned

HERE = Path(__file__).resolve().parent
PATIENCE = 60


def environment(**more: str) -> dict[str, str]:
    """Of processes that are compared: each uses one thread, and its own choice of kernels."""
    chosen = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
              "PYTHONPATH": str(HERE), "PYTHONWARNINGS": "ignore"}
    inherited = {name: text for name, text in serving.environment().items()
                 if not name.startswith("OPENBLAS_")}
    return inherited | chosen | more


class Stepper:
    """A program that answers lines of JSON, on the server's cores."""

    def __init__(self, name: str, command: list[str], cores: Cores) -> None:
        self.name = name
        self.process = subprocess.Popen(
            pinned(cores.server, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment())

    def ask(self, request: dict):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def microseconds(self, seconds: float) -> float:
        """Of a step."""
        reply = self.ask({"run": seconds})
        return reply["seconds"] / reply["steps"] * 1e6

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class PeerServer:
    """A server that is none of ours, on a port of its own."""

    def __init__(self, name: str, command: list[str], folder: Path, cores: Cores,
                 **more: str) -> None:
        self.name = name
        self.port = free_port()
        self.log = folder / f"{name}.log"
        command = [part.replace("PORT", str(self.port)) for part in command]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                pinned(cores.server, command), stdout=log, stderr=log, env=environment(**more))
        self.url = f"http://127.0.0.1:{self.port}"
        self.wait()
        self.connection = HTTPConnection(f"127.0.0.1:{self.port}", timeout=PATIENCE)

    def wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not start:\n{self.log.read_text()}")

    def request(self, method: str, path: str, body: object = None):
        self.connection.request(method, path, None if body is None else json.dumps(body),
                                {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        content = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{self.name}: {method} {path}: {reply.status} {content.decode()}")
        return json.loads(content)

    def make_session(self) -> str:
        return self.request("POST", "/sessions", {})["id"]

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


def cpu_seconds(process: int) -> float:
    """Of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


