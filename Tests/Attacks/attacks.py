"""Hostile clients. Each attack is bounded in time and sends to one server on this machine.

An attack is a function of a `Target`: it sends until `target.is_over()`, and returns how many requests
it made. `ATTACKS` lists them with the number of threads that run each.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

INPUT = [1, 0, 1, 0, 0, 1, 1, 0, 0]
MEBIBYTE = 1 << 20
REPLY_TIMEOUT = 120
PART = 16 << 10


@dataclass(frozen=True)
class Target:
    """A server, the attacker's key, and when to stop (by the monotonic clock)."""

    host: str
    port: int
    key: str
    end: float

    def is_over(self) -> bool:
        return time.monotonic() >= self.end

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            self.host, self.port, timeout=REPLY_TIMEOUT, blocksize=PART)

    def request(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object = None,
        **headers: str
    ) -> tuple[int, bytes]:
        """The status and body of the reply."""
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        names = {name.replace("_", "-"): text for name, text in headers.items()}
        if data:
            names["Content-Length"] = str(len(data))
        # In small parts: a long system call of the attacker would delay every process of its core.
        connection.request(
            method, path, io.BytesIO(data) if data else None,
            {"Authorization": f"Bearer {self.key}", **names})
        reply = connection.getresponse()
        return reply.status, b"".join(iter(lambda: reply.read(PART), b""))

    def session(self, connection: http.client.HTTPConnection, model: str = "copy") -> str | None:
        """The id of a new session; None if the server refuses to create one."""
        status, reply = self.request(connection, "POST", "/sessions", {"model": model})
        return json.loads(reply)["id"] if status == 201 else None

    def connect(self) -> socket.socket:
        raw = socket.create_connection((self.host, self.port), timeout=REPLY_TIMEOUT)
        # A refused upload must not block its sender.
        raw.settimeout(2)
        return raw


Attack = Callable[[Target], int]


def repeat(target: Target, send: Callable[[http.client.HTTPConnection, int], object]) -> int:
    """Sends again and again, with a new connection after each failure."""
    count = 0
    connection = target.connection()
    while not target.is_over():
        try:
            send(connection, count)
        except (OSError, http.client.HTTPException):
            # A refusal may close the connection while the body is being sent.
            connection.close()
        count += 1
    connection.close()
    return count


def gzipped(unit: bytes, size: int) -> bytes:
    """`unit` repeated to `size` bytes, compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = unit * max(1, MEBIBYTE // len(unit))
    parts = [packer.compress(block) for _ in range(size // len(block))]
    return b"".join([*parts, packer.flush()])


# Bodies

def compressed_blanks(target: Target) -> int:
    """8 kB that unpack to the longest body."""
    body = gzipped(b" ", 8 * MEBIBYTE - MEBIBYTE)
    return repeat(target, lambda connection, _: target.request(
        connection, "POST", "/sessions", body, Content_Encoding="gzip"))


def compressed_lines(target: Target) -> int:
    """A body that claims to be a stream, for a route that accepts no stream."""
    body = gzipped(b" ", 47 * MEBIBYTE)
    return repeat(target, lambda connection, _: target.request(
        connection, "POST", "/sessions", body, Content_Encoding="gzip",
        Content_Type="application/x-ndjson"))


def nested_arrays(target: Target) -> int:
    """JSON whose tree needs many times the memory of its text."""
    deep = b"[" * 31 + b"]" * 31 + b","
    body = zlib.compressobj(9, zlib.DEFLATED, 31)
    text = b"[" + deep * ((8 * MEBIBYTE - 64) // len(deep) - 1) + b"[]]"
    packed = body.compress(text) + body.flush()
    return repeat(target, lambda connection, _: target.request(
        connection, "POST", "/sessions", packed, Content_Encoding="gzip"))


def many_fields(target: Target) -> int:
    """An object with hundreds of thousands of fields."""
    text = b"{" + b",".join(b'"%d":{}' % number for number in range(500_000)) + b"}"
    return repeat(target, lambda connection, _: target.request(
        connection, "POST", "/sessions", text))


def keyed_bodies(target: Target) -> int:
    """Long bodies with an Idempotency-Key, each of which needs a fingerprint."""
    body = json.dumps({"inputs": [INPUT] * 1000, "x": "y" * (4 * MEBIBYTE)}).encode()
    return repeat(target, lambda connection, count: target.request(
        connection, "POST", "/sessions", body,
        Idempotency_Key=f"{threading.get_ident()}-{count}"))


def bodies_without_key(target: Target) -> int:
    """Long bodies from clients without a key, for the paths that need none."""
    block = b" " * MEBIBYTE
    count = 0
    while not target.is_over():
        for path in ("/livez", "/", "/v2/health/live", "/sessions"):
            with contextlib.suppress(OSError), target.connect() as raw:
                raw.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: {target.host}\r\n"
                    "Content-Type: application/x-ndjson\r\nContent-Length: 50000000\r\n\r\n"
                    .encode())
                for _ in range(47):
                    raw.sendall(block)
            count += 1
    return count


def held_uploads(target: Target) -> int:
    """Uploads that stop just before their end."""
    connection = target.connection()
    session = target.session(connection)
    line = json.dumps(INPUT).encode() + b"\n"
    body = line * (7 * MEBIBYTE // len(line))
    routes = [(f"/sessions/{session}/step", "application/x-ndjson"), ("/sessions", "text/plain")]
    count = 0
    while not target.is_over():
        with contextlib.ExitStack() as held:
            for number in range(60):
                path, kind = routes[number % 2]
                with contextlib.suppress(OSError):
                    raw = held.enter_context(target.connect())
                    raw.sendall(
                        f"POST {path} HTTP/1.1\r\nHost: {target.host}\r\n"
                        f"Authorization: Bearer {target.key}\r\nContent-Type: {kind}\r\n"
                        f"Content-Length: {len(body) + 1}\r\n\r\n".encode())
                    raw.sendall(body)
                count += 1
            time.sleep(max(0, min(1, target.end - time.monotonic())))
    target.request(connection, "DELETE", f"/sessions/{session}")
    connection.close()
    return count


# Framing

MALFORMED = [
    b"Content-Length : 70\r\n\r\n" + b"x" * 70, b": x\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"Content-Length: 5x\r\n\r\n{}", b"X: a\rb\r\n\r\n", b"X: a\0b\r\n\r\n", b"X\r\n\r\n",
    b"X: " + b"a" * 9000 + b"\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
]


def malformed_heads(target: Target) -> int:
    count = 0
    while not target.is_over():
        for head in MALFORMED:
            with contextlib.suppress(OSError), target.connect() as raw:
                raw.sendall(b"POST /sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n" + head)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(PART):
                    pass
            count += 1
    return count


def chunk_extensions(target: Target) -> int:
    """Chunk lines longer than a connection's buffer, on connections that stay open."""
    count = 0
    with contextlib.ExitStack() as held:
        while not target.is_over():
            for extension in (b"2;" + b"a" * 9000, b"0" * 9000, b"2\r\n{}\r\n0\r\nA: " + b"a" * 9000):
                with contextlib.suppress(OSError):
                    raw = held.enter_context(target.connect())
                    raw.sendall(
                        b"POST /sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        + f"Authorization: Bearer {target.key}\r\n".encode()
                        + b"Transfer-Encoding: chunked\r\n\r\n" + extension)
                count += 1
            if count >= 60:
                time.sleep(max(0, min(1, target.end - time.monotonic())))
                held.close()
                count += 1
    return count


# Watching

def watch_heads(target: Target) -> int:
    """HEAD requests for events with ever new fields."""
    connection = target.connection()
    session = target.session(connection)
    count = repeat(target, lambda connection, count: target.request(
        connection, "HEAD", f"/sessions/{session}/events?top={count % 4095 + 1}"))
    target.request(connection, "DELETE", f"/sessions/{session}")
    return count


@contextlib.contextmanager
def watched(target: Target, session: str, watchers: int, query: str) -> Iterator[None]:
    """Watchers whose events a thread reads and drops."""
    with contextlib.ExitStack() as held:
        streams = []
        for number in range(watchers):
            with contextlib.suppress(OSError):
                raw = held.enter_context(target.connect())
                raw.sendall(
                    f"GET /sessions/{session}/events{query.format(number + 1)} HTTP/1.1\r\n"
                    f"Host: {target.host}\r\nAuthorization: Bearer {target.key}\r\n\r\n".encode())
                raw.setblocking(False)
                streams.append(raw)
        over = threading.Event()

        def read() -> None:
            while not over.wait(0.05):
                for raw in streams:
                    with contextlib.suppress(OSError):
                        while raw.recv(PART):
                            pass

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            over.set()
            reader.join()


def step_watched(target: Target, watchers: int, query: str) -> int:
    connection = target.connection()
    session = target.session(connection)
    if session is None:
        return 0
    with watched(target, session, watchers, query):
        count = repeat(target, lambda connection, _: target.request(
            connection, "POST", f"/sessions/{session}/step?return=output", {"input": INPUT}))
    target.request(connection, "DELETE", f"/sessions/{session}")
    return count


def watchers_with_own_fields(target: Target) -> int:
    """Steps of a session that 64 clients watch, each with other fields."""
    return step_watched(target, 64, "?top={}")


def many_watchers(target: Target) -> int:
    """Steps of a session that 64 clients watch; eight threads make it 512."""
    return step_watched(target, 64, "")


# Long work

def long_replies(target: Target) -> int:
    """Replies of several megabytes with the whole memory after each step."""
    connection = target.connection()
    session = target.session(connection)
    body = {"inputs": [INPUT] * 150, "return": ["memory"]}
    count = repeat(target, lambda connection, _: target.request(
        connection, "POST", f"/sessions/{session}/step", body))
    target.request(connection, "DELETE", f"/sessions/{session}")
    return count


def forks(target: Target) -> int:
    """Forks of a session whose state has 4 MiB."""
    connection = target.connection()
    session = target.session(connection, "large")

    def fork(connection: http.client.HTTPConnection, _: int) -> None:
        status, reply = target.request(connection, "POST", f"/sessions/{session}/fork")
        if status == 201:
            target.request(connection, "DELETE", f"/sessions/{json.loads(reply)['id']}")

    count = repeat(target, fork)
    target.request(connection, "DELETE", f"/sessions/{session}")
    return count


def model_loads(target: Target) -> int:
    return repeat(target, lambda connection, _: target.request(
        connection, "POST", "/models/large/load"))


def model_lists(target: Target) -> int:
    return repeat(target, lambda connection, _: target.request(connection, "GET", "/models"))


ATTACKS: dict[Attack, int] = {
    compressed_blanks: 4, compressed_lines: 4, nested_arrays: 4, many_fields: 4, keyed_bodies: 4,
    bodies_without_key: 4, held_uploads: 2, malformed_heads: 4, chunk_extensions: 1,
    watch_heads: 4, watchers_with_own_fields: 2, many_watchers: 8, long_replies: 4, forks: 4,
    model_loads: 2, model_lists: 4,
}


def run(attack: Attack, target: Target) -> int:
    """Runs an attack to its end. Returns how many requests its threads made."""
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(attack(target)))
               for _ in range(ATTACKS[attack])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) < len(threads):
        raise RuntimeError(f"{attack.__name__} failed")
    return sum(counts)


# The server under attack

EXECUTABLE = Path(os.environ.get(
    "NTM_EXECUTABLE", Path(__file__).resolve().parents[2] / ".build/release/ntm"))
# More models than a list should need time for.
MODEL_COPIES = 300


def make_models(folder: Path, models: Path) -> None:
    """The copy model many times, and a model whose state has 4 MiB."""
    (folder / "copy.safetensors").symlink_to(models / "copy.safetensors")
    for number in range(MODEL_COPIES):
        (folder / f"copy{number}.safetensors").symlink_to(models / "copy.safetensors")
    subprocess.run(
        [EXECUTABLE, "train", "copy", "--rows", "16384", "--columns", "64", "--units", "64",
         "--sequences", "1", "--batch", "1", "--interval", "1", "--validation", "1",
         "--validation-beyond", "0", "--length", "1-1", "--output", folder / "large.safetensors"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write_keys(folder: Path) -> tuple[Path, dict[str, str]]:
    """A file of keys, and the keys by name."""
    keys = {"victim": "v" * 32, "attacker": "a" * 32}
    path = folder / "keys"
    path.write_text("".join(f"{name}: {key}\n" for name, key in keys.items()))
    path.chmod(0o600)
    return path, keys


def main() -> None:
    """attacks.py NAME HOST PORT KEY SECONDS: runs one attack in this process."""
    name, host, port, key, seconds = sys.argv[1:]
    attack = next(attack for attack in ATTACKS if attack.__name__ == name)
    print(run(attack, Target(host, int(port), key, time.monotonic() + float(seconds))))


if __name__ == "__main__":
    main()
