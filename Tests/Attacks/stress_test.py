#!/usr/bin/env python3
"""Attacks a server and checks that its memory, its disk use and its answers stay within bounds.

During each attack it samples the resident memory and the spooled bytes of the server. After each
attack the memory must come back, and a victim must get exact answers.

    stress_test.py [--seconds 3] [--only NAME,NAME] [--mutant BODY_MEMORY|BODY_DISK]

With --mutant, the named limit is lifted and the run must find a violation: this proves that the
checks can fail.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from attacks import ATTACKS, EXECUTABLE, INPUT, MEBIBYTE, Attack, Target, make_models, run, write_keys

ROOT = Path(__file__).resolve().parents[2]
SESSION_BYTES = 96 * MEBIBYTE
BODY_MEMORY = 64 * MEBIBYTE
BODY_DISK = 48 * MEBIBYTE
MAX_REPLY = 8 * MEBIBYTE
# Everything else: buffers of connections and workers, replies being sent, the allocator's slack.
OTHER_MEMORY = 160 * MEBIBYTE
# What may stay after an attack: caches of sessions, keys and statistics, and the allocator's slack.
KEPT_MEMORY = SESSION_BYTES + 96 * MEBIBYTE
PATIENCE = 60
MUTANTS = {
    "BODY_MEMORY": ["--max-body-memory", "64G"],
    "BODY_DISK": ["--max-body-disk", "64G"],
}
# Which attack shows that a limit is lifted, and a word of the violation.
WITNESSES = {"BODY_MEMORY": ("held_uploads", "resident; the bound"),
             "BODY_DISK": ("held_uploads", "spooled; the bound")}


class Server:
    def __init__(self, folder: Path, options: list[str]) -> None:
        models = folder / "models"
        models.mkdir()
        make_models(models, ROOT / "Models")
        path, self.keys = write_keys(folder)
        self.log = folder / "log"
        spool = folder / "spool"
        spool.mkdir()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [EXECUTABLE, "serve", "--models", models, "--port", "0", "--api-key-file", path,
                 "--store", f"sqlite:{folder}/sessions.sqlite", "--allow-model-admin",
                 "--max-session-bytes", str(SESSION_BYTES), "--max-body-memory", str(BODY_MEMORY),
                 "--max-body-disk", str(BODY_DISK), "--max-reply", str(MAX_REPLY), *options],
                stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(spool)})
        self.port = self.wait_for_port()

    def wait_for_port(self) -> int:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            for word in self.log.read_text().split():
                if word.startswith("http://127.0.0.1:"):
                    return int(word.rpartition(":")[2])
            time.sleep(0.01)
        sys.exit(f"the server does not start:\n{self.log.read_text()}")

    def target(self, name: str, seconds: float = PATIENCE) -> Target:
        return Target("127.0.0.1", self.port, self.keys[name], time.monotonic() + seconds)

    def resident(self) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def spooled(self) -> int:
        """Bytes of request bodies on disk: their files have no name, so they are found by the open
        descriptors."""
        total = 0
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                if "ntm-body" in os.readlink(descriptor):
                    total += descriptor.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


class Peak:
    """The largest values during an attack."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.memory = 0
        self.disk = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self) -> None:
        while not self.over.wait(0.02) and self.server.process.poll() is None:
            try:
                self.memory = max(self.memory, self.server.resident())
                self.disk = max(self.disk, self.server.spooled())
            except (FileNotFoundError, ProcessLookupError):
                return

    def __enter__(self) -> Peak:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def answers(server: Server) -> list[float]:
    """The replies to a few steps of a new session."""
    target = server.target("victim")
    connection = target.connection()
    session = target.session(connection)
    if session is None:
        raise RuntimeError("no session can be created")
    outputs = []
    for _ in range(5):
        status, reply = target.request(
            connection, "POST", f"/sessions/{session}/step?return=output", {"input": INPUT})
        if status != 200:
            raise RuntimeError(f"a step is answered {status}: {reply.decode()}")
        outputs += json.loads(reply)["output"]
    target.request(connection, "DELETE", f"/sessions/{session}")
    connection.close()
    return outputs


def settles(server: Server, memory: int, descriptors: int) -> bool:
    """Waits until the server has returned the memory that the attack used."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (server.resident() <= memory and server.spooled() == 0
                and server.descriptors() <= descriptors):
            return True
        time.sleep(0.1)
    return False


def check(server: Server, attack: Attack, seconds: float, expected: list[float],
          baseline: int, descriptors: int) -> list[str]:
    """Runs one attack. Returns the violations."""
    with Peak(server) as peak:
        count = run(attack, server.target("attacker", seconds))
    violations = []
    if server.process.poll() is not None:
        return [f"the server ended with {server.process.returncode}"]
    bound = baseline + SESSION_BYTES + BODY_MEMORY + OTHER_MEMORY
    if peak.memory > bound:
        violations.append(f"{megabytes(peak.memory)} resident; the bound is {megabytes(bound)}")
    if peak.disk > BODY_DISK:
        violations.append(f"{megabytes(peak.disk)} spooled; the bound is {megabytes(BODY_DISK)}")
    if not settles(server, baseline + KEPT_MEMORY, descriptors):
        violations.append(
            f"{PATIENCE} s later {megabytes(server.resident())} are resident and "
            f"{megabytes(server.spooled())} spooled, with {server.descriptors()} descriptors; at "
            f"first {megabytes(baseline)} with {descriptors} descriptors")
    try:
        if answers(server) != expected:
            violations.append("a victim's steps have other outputs than before")
    except (OSError, RuntimeError) as error:
        violations.append(f"a victim is not served: {error}")
    print(f"{attack.__name__}: {count} requests, at most {megabytes(peak.memory)} resident and "
          f"{megabytes(peak.disk)} spooled, {megabytes(server.resident())} afterwards"
          + "".join(f"\n  VIOLATION: {violation}" for violation in violations), flush=True)
    return violations


def megabytes(count: int) -> str:
    return f"{count / MEBIBYTE:,.0f} MiB"


def stress(attacks: list[Attack], seconds: float, options: list[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), options)
        try:
            expected = answers(server)
            baseline, descriptors = server.resident(), server.descriptors() + 64
            print(f"at first {megabytes(baseline)} resident")
            found = []
            for attack in attacks:
                found += check(server, attack, seconds, expected, baseline, descriptors)
                if server.process.poll() is not None:
                    return found
            server.process.send_signal(signal.SIGTERM)
            if server.process.wait(PATIENCE) != 0:
                found.append(f"the server ended with {server.process.returncode}")
            return found
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
            if server.process.returncode != 0:
                print(server.log.read_text()[-2000:], file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only")
    parser.add_argument("--mutant", choices=MUTANTS)
    options = parser.parse_args()
    if options.mutant:
        options.only = WITNESSES[options.mutant][0]
    attacks = [attack for attack in ATTACKS
               if options.only is None or attack.__name__ in options.only.split(",")]
    found = stress(attacks, options.seconds, MUTANTS.get(options.mutant, []))
    if options.mutant:
        is_found = any(WITNESSES[options.mutant][1] in violation for violation in found)
        print(f"the lifted limit {options.mutant} was {'found' if is_found else 'NOT found'}")
        return 0 if is_found else 1
    print(f"{len(found)} violations in {len(attacks)} attacks")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
