"""A system that starts no threads, or not enough of them."""

from __future__ import annotations

import json
import os
import subprocess

from faults import FaultTest
from harness import EXECUTABLE, ROOT


class NoThreads(FaultTest):
    def run_ntm(self, *arguments: str, threads: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end. One that hangs fails the test."""
        return subprocess.run(
            [EXECUTABLE, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120,
            env={**os.environ, "LD_PRELOAD": str(self.library), "OPENBLAS_NUM_THREADS": "1",
                 "NTM_FAULT_THREADS": str(threads)})

    def test_serve_says_so_and_exits(self) -> None:
        for store in [f"sqlite:{self.file}", "memory"]:
            for threads in [0, 1, 2, 5]:
                with self.subTest(store=store, threads=threads):
                    ending = self.run_ntm(
                        "serve", "--models", str(ROOT / "Models"), "--port", "0", "--store", store,
                        threads=threads)
                    self.assertGreater(ending.returncode, 0)
                    self.assertIn("cannot start the HTTP server: no thread: "
                                  "Operation not permitted", ending.stderr)
        self.assertFalse(self.file.exists())

    def test_commands_on_a_store_say_so_and_exit(self) -> None:
        server = self.serve()
        server.request("POST", "/sessions", {"model": "copy"})
        self.assertEqual(server.stop(), 0)
        store = ("--store", f"sqlite:{self.file}")
        models = ("--models", str(ROOT / "Models"))
        for command in [("list", *store), ("export", *store, *models), ("vacuum", *store),
                        ("import", *store, *models, "x.safetensors")]:
            for threads in [0, 1]:
                with self.subTest(command=command, threads=threads):
                    ending = self.run_ntm("sessions", *command, threads=threads)
                    self.assertGreater(ending.returncode, 0)
                    self.assertIn("no thread can be started: Operation not permitted", ending.stderr)

    def test_training_needs_no_thread(self) -> None:
        size = ["--units", "8", "--rows", "8", "--columns", "4", "--batch", "32",
                "--sequences", "64", "--length", "1-3"]
        results = []
        for threads in [0, 1, 100]:
            name = f"{threads}.safetensors"
            ending = self.run_ntm(
                "train", "copy", *size, "--threads", "4", "--output", name, threads=threads)
            self.assertEqual(ending.returncode, 0, ending.stderr)
            ending = self.run_ntm("eval", name, "--threads", "4", "--json", threads=threads)
            self.assertEqual(ending.returncode, 0, ending.stderr)
            results.append(json.loads(ending.stdout))
        self.assertEqual(results[0], results[1])
        self.assertEqual(results[0], results[2])


if __name__ == "__main__":
    import unittest

    unittest.main()
