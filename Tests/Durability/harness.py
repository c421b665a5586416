"""Servers on a store, which are killed and started again, and requests to them."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXECUTABLE = os.environ.get("NTM_EXECUTABLE", str(ROOT / ".build/release/ntm"))
INPUTS = 9
STATE_BYTES = 12288


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """One that keeps its port over all its lives."""

    def __init__(self, *options: str, log: Path, env: dict[str, str] | None = None) -> None:
        self.options = options
        self.log = log
        self.env = {**os.environ, **(env or {})}
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        # When it was killed, by the monotonic clock.
        self.kills: list[float] = []

    def start(self) -> None:
        self.launch()
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at its start:\n{self.log.read_text()}")
            try:
                if self.request("GET", "/livez").status == 200:
                    return
            except OSError:
                time.sleep(0.005)

    def launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [EXECUTABLE, "serve", "--models", str(ROOT / "Models"), "--port", str(self.port),
                 *self.options],
                stdout=log, stderr=log, env=self.env)

    def kill(self) -> None:
        now = time.monotonic()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills.append(now)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)

    def request(self, method: str, path: str, body: object = None,
                headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return Connection(connection).request(method, path, body, headers)
        finally:
            connection.close()


@dataclass
class Reply:
    status: int
    body: bytes
    replayed: bool = False

    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The end of a problem's type."""
        return self.json().get("type", "").rpartition(":")[2]


class Connection:
    """One that is kept, as long as the server lives."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection

    def request(self, method: str, path: str, body: object = None,
                headers: dict[str, str] | None = None) -> Reply:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            self.connection.request(method, path, data, headers or {})
            reply = self.connection.getresponse()
            replayed = reply.getheader("Idempotent-Replayed") == "true"
            return Reply(reply.status, reply.read(), replayed)
        except http.client.HTTPException as error:
            self.connection.close()
            raise ConnectionError(repr(error)) from error
        except OSError:
            self.connection.close()
            raise


def random_input(generator: random.Random) -> list[int]:
    return [generator.randint(0, 1) for _ in range(INPUTS)]


def state(server: Server, session: str) -> bytes:
    for _ in range(500):
        reply = server.request("GET", f"/sessions/{session}/state")
        if reply.status != 503:
            break
        time.sleep(0.02)
    if reply.status != 200:
        raise RuntimeError(f"no state of {session}: {reply.status} {reply.body!r}")
    return reply.body


def sessions(server: Server) -> list[str]:
    """The sessions that it lists, page by page."""
    found, page = [], "/sessions?limit=7"
    while page:
        reply = server.request("GET", page).json()
        found += [session["id"] for session in reply["sessions"]]
        page = reply["next"]
    return found


def replay(server: Server, inputs: list[list[int]]) -> bytes:
    """The state after these inputs, in a session that nothing happens to."""
    session = server.request("POST", "/sessions", {"model": "copy"}).json()["id"]
    for start in range(0, len(inputs), 500):
        reply = server.request(
            "POST", f"/sessions/{session}/step?return=output",
            {"inputs": inputs[start:start + 500]})
        assert reply.status == 200, reply.body
    result = state(server, session)
    server.request("DELETE", f"/sessions/{session}")
    return result
