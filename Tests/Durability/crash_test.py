#!/usr/bin/env python3
"""Kills a server again and again while clients step many sessions, and looks for what was lost.

With `always`, every acknowledged step has to be there, once, and each session's state has to be that
of a replay, bit for bit. With `everysec`, each session has to be the replay of the beginning of its
inputs, no shorter than what was acknowledged a second before. With `none`, the server is stopped
instead, and nothing may be lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from client import Client, Finding
from harness import STATE_BYTES, Server, replay, sessions, state


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--durability", choices=["always", "everysec", "none"], default="always")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=5, help="of each client")
    parser.add_argument("--room", type=int, help="sessions that have room in memory")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", help="where the store is (default: a temporary folder)")
    return parser.parse_args()


def run(options: argparse.Namespace, server: Server, generator: random.Random) -> list[Client]:
    """Has clients at work while the server dies and comes back."""
    end = threading.Event()
    clients = [Client(server, "always" if options.durability == "none" else options.durability,
                      options.sessions, generator.getrandbits(32), end)
               for _ in range(options.clients)]
    server.start()
    for client in clients:
        client.start()
    for _ in range(options.kills):
        time.sleep(generator.uniform(0.2, 1.5))
        if options.durability == "none":
            if server.stop() != 0:
                raise RuntimeError("the server did not end well")
            server.kills.append(time.monotonic())
        else:
            server.kill()
        server.start()
    time.sleep(1)
    end.set()
    for client in clients:
        client.join()
    return clients


def compare(clients: list[Client], server: Server, oracle: Server, counts: Counter[str]) -> None:
    """Compares the state of every session with that of a replay."""
    for client in clients:
        for track in list(client.tracks):
            try:
                if client.is_current(track):
                    counts["sessions compared"] += 1
                    if state(server, track.id) != replay(oracle, track.inputs):
                        counts["wrong"] += 1
                        raise Finding(
                            f"the state of {track.id} is not that of its {track.step} inputs")
            except Finding as finding:
                client.findings.append(str(finding))
        counts.update(client.counts)


def compare_lists(clients: list[Client], server: Server, counts: Counter[str]) -> list[str]:
    """Compares the sessions that there are with those that their clients have: none was made
    twice, and none that was deleted is there again."""
    known = {track.id for client in clients for track in client.tracks}
    found = set(sessions(server))
    counts["lost"] += len(known - found)
    counts["doubled"] += len(found - known)
    return ([f"{id} is not in the list" for id in known - found]
            + [f"{id} is there, and was deleted or made twice" for id in found - known])


def main() -> int:
    options = parse()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    generator = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = ["--store", f"sqlite:{folder}/sessions.sqlite", "--durability",
                 options.durability]
        if options.room:
            store += ["--max-session-bytes", str(options.room * STATE_BYTES)]
        server = Server(*store, log=Path(folder) / "server.log")
        oracle = Server("--store", "memory", log=Path(folder) / "oracle.log")
        counts: Counter[str] = Counter()
        clients = run(options, server, generator)
        oracle.start()
        compare(clients, server, oracle, counts)
        findings = [finding for client in clients for finding in client.findings]
        if options.durability != "everysec":
            findings += compare_lists(clients, server, counts)
        endings = [server.stop(), oracle.stop()]
    print("\n".join(findings))
    counts["kills"] = options.kills
    for name in ["kills", "acknowledged", "replayed", "sessions compared", "sessions gone back",
                 "steps gone back", "lost", "doubled", "wrong"]:
        print(f"{name:20} {counts[name]:9,}")
    too_few = counts["acknowledged"] < 50 * options.kills
    if too_few:
        print("so few steps were acknowledged that this shows nothing")
    return int(bool(findings) or any(endings) or too_few)


if __name__ == "__main__":
    sys.exit(main())
