"""Bytes of the database that a failing disk has changed."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

from faults import FaultTest
from harness import EXECUTABLE, ROOT, Server, random_input, replay

SEEDS = 25


class Damage(FaultTest):
    def test_no_answer_is_ever_wrong(self) -> None:
        counts: Counter[str] = Counter()
        for seed in range(SEEDS):
            with self.subTest(seed=seed):
                self.setUp()
                self.damage(random.Random(seed), counts)
        print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
        self.assertGreater(counts["right"], 0)
        self.assertGreater(counts["damaged"] + counts["the server refuses to start"], 0)

    def test_steps_that_vanish_are_missed(self) -> None:
        server = self.serve()
        sessions = {self.make(server): [] for _ in range(3)}
        for session, inputs in sessions.items():
            inputs += self.steps(server, session, 4)
        server.kill()
        with contextlib.closing(sqlite3.connect(self.file)) as database, database:
            database.execute("DELETE FROM steps WHERE session = 1 AND first = 4")
            database.execute("DELETE FROM steps WHERE session = 2")
        server.start()
        self.assertEqual(
            [self.judge(server, session, inputs) for session, inputs in sessions.items()],
            ["damaged", "damaged", "right"])
        self.assertEqual(server.request("DELETE", f"/sessions/{next(iter(sessions))}").status, 204)

    def test_a_bind_mount_is_the_same_store(self) -> None:
        server = self.serve()
        session = self.make(server)
        other = self.folder / "other.sqlite"
        other.touch()
        script = f"mount --bind '{self.file}' '{other}' && exec \"$@\""
        command = ["unshare", "--mount", "sh", "-c", script, "sh"]
        if subprocess.run([*command, "true"], check=False, capture_output=True).returncode != 0:
            self.skipTest("mounting needs root")
        second = subprocess.run(
            [*command, EXECUTABLE, "serve", "--models", str(ROOT / "Models"), "--port", "0",
             "--store", f"sqlite:{other}"], check=False, capture_output=True, text=True, timeout=60)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(f"{other}: it is in use by process {server.process.pid}", second.stderr)
        self.assertEqual(self.judge(server, session, []), "right")

    def damage(self, generator: random.Random, counts: Counter[str]) -> None:
        server = self.serve()
        sessions: dict[str, list[list[int]]] = {}
        for _ in range(15):
            session = self.make(server)
            sessions[session] = [random_input(generator) for _ in range(generator.randint(1, 300))]
            reply = server.request("POST", f"/sessions/{session}/step?return=output",
                                   {"inputs": sessions[session]})
            self.assertEqual(reply.status, 200)
        # With the log copied into the database, or not.
        is_stopped = generator.random() < 0.6
        if is_stopped:
            self.assertEqual(server.stop(), 0)
        else:
            server.kill()
        self.overwrite(generator, self.file)
        try:
            server.start()
        except RuntimeError as error:
            self.assertIn(str(self.file), str(error))
            counts["the server refuses to start"] += 1
            return
        for session, inputs in sessions.items():
            counts[self.judge(server, session, inputs)] += 1
        self.assertIn(server.request("GET", "/sessions").status, [200, 500, 503])
        self.assertIn(
            server.request("POST", "/sessions", {"model": "copy"}).status, [201, 500, 503])
        self.assertIsNone(server.process.poll(), "the server has crashed")
        self.assertEqual(server.stop(), 0)

    @staticmethod
    def overwrite(generator: random.Random, file: Path) -> None:
        size = file.stat().st_size
        with file.open("r+b") as database:
            for _ in range(generator.randint(1, 5)):
                database.seek(generator.randrange(size))
                database.write(generator.randbytes(generator.choice([1, 10, 200])))

    def judge(self, server: Server, session: str, inputs: list[list[int]]) -> str:
        reply = server.request("GET", f"/sessions/{session}/state")
        if reply.status == 200:
            self.assertEqual(reply.body, replay(self.oracle, inputs))
            return "right"
        self.assertIn(reply.status, [404, 500, 503], reply.body)
        return {404: "missing", 500: "damaged", 503: "unavailable"}[reply.status]
