"""Disks that are full, fail or are held by somebody else, while a server runs."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time

from faults import FaultTest
from harness import Server, random_input, state

FAULTS = ["write ENOSPC", "write EIO", "fsync EIO"]


class FailingDisk(FaultTest):
    def test_with_always_what_cannot_be_saved_has_not_happened(self) -> None:
        for fault in FAULTS:
            with self.subTest(fault):
                self.setUp()
                self.always(self.serve("always"), fault)

    def always(self, server: Server, fault: str) -> None:
        session = self.make(server)
        inputs = self.steps(server, session, 5)
        before = state(server, session)
        self.fail_by(fault)
        value = random_input(self.random)
        self.expect_unavailable(self.step(server, session, value))
        for method, path, body in [
            ("POST", "/sessions", {"model": "copy"}), ("POST", f"/sessions/{session}/reset", None),
            ("POST", f"/sessions/{session}/fork", None),
            ("PUT", f"/sessions/{session}/state", before), ("DELETE", f"/sessions/{session}", None),
        ]:
            self.expect_unavailable(server.request(method, path, body))
        self.assertEqual(server.request("GET", f"/sessions/{session}").json()["step"], 5)
        self.assertEqual(state(server, session), before)
        self.assertEqual(server.request("GET", "/livez").status, 200)
        self.assertEqual(len(server.request("GET", "/sessions").json()["sessions"]), 1)
        self.fail_by("")
        self.until_saved(server, session, value)
        inputs += [value] + self.steps(server, session, 3)
        self.crash(server)
        self.expect_state(server, session, inputs)

    def test_with_everysec_what_was_acknowledged_stays(self) -> None:
        for fault in FAULTS:
            with self.subTest(fault):
                self.setUp()
                self.everysec(self.serve("everysec"), fault)

    def everysec(self, server: Server, fault: str) -> None:
        session = self.make(server)
        inputs = self.steps(server, session, 5)
        self.fail_by(fault)
        end = time.monotonic() + 10
        while (reply := self.step(server, session, value := random_input(self.random))).status == 200:
            inputs.append(value)
            self.assertLess(time.monotonic(), end, "nothing is refused")
            time.sleep(0.02)
        self.expect_unavailable(reply)
        self.expect_state(server, session, inputs)
        self.fail_by("")
        self.until_saved(server, session, value)
        inputs.append(value)
        time.sleep(1.2)
        self.crash(server)
        self.expect_state(server, session, inputs)

    def test_a_small_disk_that_is_full(self) -> None:
        disk = self.folder / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk],
                          capture_output=True).returncode:
            self.skipTest("a tmpfs can't be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1 << 20))
        server = self.serve(file=disk / "sessions.sqlite")
        taken: dict[str, list[list[int]]] = {}
        while (reply := server.request("POST", "/sessions", {"model": "copy"})).status == 201:
            session = reply.json()["id"]
            taken[session] = [random_input(self.random) for _ in range(400)]
            reply = server.request("POST", f"/sessions/{session}/step?return=output",
                                   {"inputs": taken[session]})
            if reply.status != 200:
                taken[session] = []
                break
        self.expect_unavailable(reply)
        self.assertGreater(len(taken), 3)
        ballast.unlink()
        session, value = next(iter(taken)), random_input(self.random)
        self.until_saved(server, session, value)
        taken[session].append(value)
        self.crash(server)
        for session, inputs in taken.items():
            self.expect_state(server, session, inputs)

    def test_a_stop_with_a_full_disk_reports_the_loss(self) -> None:
        for durability, status in [("everysec", 1), ("none", 1), ("always", 0)]:
            with self.subTest(durability):
                self.setUp()
                server = self.serve(durability)
                session = self.make(server)
                time.sleep(1.2)
                self.fail_by("write ENOSPC")
                self.step(server, session, random_input(self.random))
                self.assertEqual(server.stop(), status, server.log.read_text())
                if status:
                    self.assertIn(f"the newest changes of session {session} are lost",
                                  server.log.read_text())

    def test_a_disk_that_hangs(self) -> None:
        for durability in ["always", "everysec"]:
            with self.subTest(durability):
                self.setUp()
                server = self.serve(durability)
                self.hang(server, 504 if durability == "always" else 200)

    def hang(self, server: Server, status: int) -> None:
        session = self.make(server)
        inputs = self.steps(server, session, 3)
        time.sleep(1.2)
        self.fail_by("fsync HANG")
        # With everysec, this one is acknowledged before the commit is seen to hang.
        inputs += [random_input(self.random)]
        first = self.step(server, session, inputs[-1])
        self.assertEqual((first.status, first.json()["step"]), (status, 4))
        time.sleep(0.6)
        if status == 200:
            inputs += [random_input(self.random)]
            begin = time.monotonic()
            reply = self.step(server, session, inputs[-1])
            self.assertEqual((reply.status, reply.json()["step"]), (200, 5))
            self.assertLess(time.monotonic() - begin, 20, "not answered within the limit")
        for path in ["", f"/{session}", f"/{session}/memory", f"/{session}/state"]:
            self.assertEqual(server.request("GET", f"/sessions{path}").status, 200)
        end = time.monotonic() + 20
        while (reply := self.step(server, session, value := random_input(self.random))).status != 503:
            inputs.append(value)
            self.assertLess(time.monotonic(), end, "changes are not refused")
        self.expect_unavailable(reply)
        self.fail_by("")
        value = random_input(self.random)
        self.until_saved(server, session, value)
        inputs += [value]
        time.sleep(1.2)
        self.crash(server)
        self.expect_state(server, session, inputs)

    def test_a_server_whose_disk_hangs_stops(self) -> None:
        server = self.serve("everysec", options=["--drain-timeout", "1s"])
        session = self.make(server)
        time.sleep(1.2)
        self.fail_by("fsync HANG")
        self.step(server, session, random_input(self.random))
        self.assertEqual(server.stop(), 1, server.log.read_text())
        self.assertIn("the store does not answer", server.log.read_text())

    def test_another_process_that_holds_the_database(self) -> None:
        server = self.serve()
        session = self.make(server)
        inputs = self.steps(server, session, 3)
        holder = sqlite3.connect(self.file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        value = random_input(self.random)
        # The server waits for some seconds first.
        self.expect_unavailable(self.step(server, session, value))
        holder.execute("ROLLBACK")
        holder.close()
        self.until_saved(server, session, value)
        inputs += [value] + self.steps(server, session, 3)
        self.crash(server)
        self.expect_state(server, session, inputs)


class Start(FaultTest):
    """What keeps a server from starting says so, and names the file."""

    def refuse(self, *parts: str) -> None:
        server = Server("--store", f"sqlite:{self.file}", log=self.folder / "refused.log")
        server.launch()
        self.assertNotEqual(server.process.wait(30), 0)
        for part in [str(self.file.parent), *parts]:
            self.assertIn(part, server.log.read_text())

    def test_a_file_that_is_no_database(self) -> None:
        self.file.write_bytes(b"garbage " * 1000)
        self.refuse("no database of sessions")

    def test_a_database_of_another_program(self) -> None:
        with sqlite3.connect(self.file) as other:
            other.execute("CREATE TABLE things (a)")
        self.refuse("something else than sessions")

    def test_a_newer_version(self) -> None:
        self.serve().stop()
        with sqlite3.connect(self.file) as newer:
            newer.execute("INSERT INTO grdb_migrations VALUES ('99')")
        self.refuse("newer version")

    def test_a_second_server(self) -> None:
        first = self.serve()
        self.refuse(f"in use by process {first.process.pid}")

    def test_a_missing_folder(self) -> None:
        self.file = self.folder / "no" / "such" / "sessions.sqlite"
        self.refuse("--store memory")

    def test_a_disk_that_can_only_be_read(self) -> None:
        self.serve().stop()
        disk = self.folder / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk],
                          capture_output=True).returncode:
            self.skipTest("a tmpfs can't be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        shutil.copy(self.file, disk)
        self.file = disk / "sessions.sqlite"
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        self.refuse("Read-only file system")
