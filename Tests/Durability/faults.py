"""What the tests of faults share: a server whose disk can be broken, and an oracle."""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import Reply, Server, random_input, replay, state

HERE = Path(__file__).resolve().parent


class FaultTest(unittest.TestCase):
    oracle: Server

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.library = Path(folder.name) / "preload.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-o", cls.library, HERE / "preload.c", "-ldl"],
            check=True)
        cls.oracle = Server("--store", "memory", log=Path(folder.name) / "oracle.log")
        cls.oracle.start()
        cls.addClassCleanup(cls.oracle.stop)

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "sessions.sqlite"
        self.control = self.folder / "control"
        self.random = random.Random(7)

    def serve(self, durability: str = "always", file: Path | None = None,
              options: list[str] | None = None) -> Server:
        """A server whose writing fails when `fail` says so. It has to end well."""
        server = Server(
            "--store", f"sqlite:{file or self.file}", "--durability", durability,
            *(options or []), log=self.folder / "server.log",
            env={"LD_PRELOAD": str(self.library), "NTM_FAULT_PATH": "sessions.sqlite",
                 "NTM_FAULT_CONTROL": str(self.control)})
        server.start()
        self.addCleanup(self.check_end, server, self.control)
        return server

    def check_end(self, server: Server, control: Path) -> None:
        control.unlink(missing_ok=True)
        if server.process.poll() is None:
            self.assertEqual(server.stop(), 0, server.log.read_text())

    def fail_by(self, fault: str) -> None:
        # In one piece, so that nobody reads half of it.
        new = self.control.with_suffix(".new")
        new.write_text(fault)
        new.replace(self.control)

    def make(self, server: Server) -> str:
        reply = server.request("POST", "/sessions", {"model": "copy"})
        self.assertEqual(reply.status, 201, reply.body)
        return reply.json()["id"]

    def step(self, server: Server, session: str, value: list[int]) -> Reply:
        return server.request("POST", f"/sessions/{session}/step?return=output", {"input": value})

    def steps(self, server: Server, session: str, count: int) -> list[list[int]]:
        inputs = [random_input(self.random) for _ in range(count)]
        for value in inputs:
            self.assertEqual(self.step(server, session, value).status, 200)
        return inputs

    def until_saved(self, server: Server, session: str, value: list[int]) -> None:
        """Repeats a step until the store works again, which the server finds out by itself."""
        end = time.monotonic() + 30
        while (reply := self.step(server, session, value)).status == 503:
            self.assertLess(time.monotonic(), end, "it does not go on")
            time.sleep(0.05)
        self.assertEqual(reply.status, 200, reply.body)

    def expect_unavailable(self, reply: Reply) -> None:
        self.assertEqual((reply.status, reply.kind), (503, "store-unavailable"), reply.body)
        self.assertTrue(reply.json()["reason"])

    def crash(self, server: Server) -> None:
        server.kill()
        server.start()

    def expect_state(self, server: Server, session: str, inputs: list[list[int]]) -> None:
        self.assertEqual(state(server, session), replay(self.oracle, inputs))
