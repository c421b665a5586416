"""Clients that step sessions and know what was acknowledged to them."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from harness import Connection, Reply, Server, random_input

# Seconds that `everysec` may lose.
LOSS = 1.0


class Finding(Exception):
    """Something that must not be."""


@dataclass
class Track:
    """A session, as its client knows it."""

    id: str
    # When its creation was acknowledged, and each step: the inputs that led to where it is.
    created: float
    inputs: list[list[int]] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    # How many times the server had been killed when it was last looked at.
    kills: int = 0

    @property
    def step(self) -> int:
        return len(self.inputs)

    def took(self, inputs: list[list[int]]) -> None:
        self.inputs += inputs
        self.acknowledged += [time.monotonic()] * len(inputs)


class Client(threading.Thread):
    """Owns some sessions, and does to them whatever a client may do."""

    def __init__(self, server: Server, durability: str, sessions: int, seed: int,
                 stop: threading.Event) -> None:
        super().__init__()
        self.server = server
        self.keeps_all = durability == "always"
        self.random = random.Random(seed)
        self.sessions = sessions
        self.end = stop
        self.tracks: list[Track] = []
        self.counts: Counter[str] = Counter()
        self.findings: list[str] = []
        self.connection = Connection(
            http.client.HTTPConnection("127.0.0.1", server.port, timeout=60))

    # Requests

    def definite(self, kills: int, method: str, path: str, body: object = None,
                 headers: dict[str, str] | None = None) -> Reply | None:
        """Repeats a request until it has an answer.

        None where the server was killed more than `kills` times meanwhile, and may have forgotten
        what the request is about.
        """
        while self.keeps_all or len(self.server.kills) == kills:
            try:
                reply = self.connection.request(method, path, body, headers)
            except OSError:
                reply = None
            if not self.keeps_all and len(self.server.kills) != kills:
                return None
            if reply and reply.status != 503:
                self.counts["replayed"] += reply.replayed
                return reply
            time.sleep(0.01)
        return None

    def key(self) -> dict[str, str]:
        return {"Idempotency-Key": uuid.UUID(int=self.random.getrandbits(128)).hex}

    # What a client does

    def run(self) -> None:
        while not self.end.is_set():
            try:
                self.act()
            except Finding as finding:
                self.findings.append(str(finding))
                return

    def act(self) -> None:
        if len(self.tracks) < self.sessions:
            return self.create()
        track = self.random.choice(self.tracks)
        if not self.is_current(track):
            return None
        actions = {self.steps: 30, self.keyed_step: 15, self.many: 10, self.stream: 10,
                   self.fork: 1, self.delete: 1}
        if self.keeps_all:
            actions[self.reset] = 1
        return self.random.choices(list(actions), list(actions.values()))[0](track)

    def create(self) -> None:
        kills = len(self.server.kills)
        reply = self.definite(kills, "POST", "/sessions", {"model": "copy"}, self.key())
        if reply:
            self.add(reply, [], kills)

    def add(self, reply: Reply, inputs: list[list[int]], kills: int) -> None:
        self.expect(reply, 201)
        now = time.monotonic()
        self.tracks.append(
            Track(reply.json()["id"], now, list(inputs), [now] * len(inputs), kills))

    def steps(self, track: Track) -> None:
        inputs = [random_input(self.random) for _ in range(self.random.choice([1, 1, 1, 5]))]
        body = {"input": inputs[0]} if len(inputs) == 1 else {"inputs": inputs}
        body["step"] = track.step + 1
        reply = self.definite(
            track.kills, "POST", f"/sessions/{track.id}/step?return=output", body)
        self.settle(track, inputs, reply)

    def keyed_step(self, track: Track) -> None:
        inputs = [random_input(self.random)]
        reply = self.definite(
            track.kills, "POST", f"/sessions/{track.id}/step?return=output",
            {"input": inputs[0], **self.number(track)}, self.key())
        self.settle(track, inputs, reply)

    def number(self, track: Track) -> dict[str, int]:
        """The number of a step that needs none, because its request has a key: but a session that
        may have gone back takes no step at another place than it is meant for."""
        is_numbered = not self.keeps_all or self.random.random() < 0.3
        return {"step": track.step + 1} if is_numbered else {}

    def settle(self, track: Track, inputs: list[list[int]], reply: Reply | None) -> None:
        """Notes what an answer says of steps, or that nobody knows."""
        if not reply:
            return self.look(track, inputs)
        self.expect(reply, 200)
        result = reply.json()
        last = result["steps"][-1] if "steps" in result else result
        self.check_step(track, last["step"], track.step + len(inputs))
        track.took(inputs)
        self.counts["acknowledged"] += len(inputs)
        return None

    def many(self, track: Track) -> None:
        tracks = [track] + [other for other in self.random.sample(self.tracks, 2)
                            if other is not track and self.is_current(other)]
        inputs = [random_input(self.random) for _ in tracks]
        steps = [{"session": track.id, "input": value, **self.number(track)}
                 for track, value in zip(tracks, inputs)]
        reply = self.definite(
            min(track.kills for track in tracks), "POST", "/step?return=output", {"steps": steps},
            self.key())
        results = reply.json()["steps"] if reply else [None] * len(tracks)
        for track, value, result in zip(tracks, inputs, results):
            if result and result.get("status") == 503:
                continue
            self.settle(track, [value], result and Reply(
                result.get("status", 200), json.dumps(result).encode()))

    def stream(self, track: Track) -> None:
        """Each line that comes back is an acknowledgement of its own."""
        inputs = [random_input(self.random) for _ in range(self.random.randint(1, 60))]
        lines = [json.dumps({"step": track.step + 1 + index, "input": value})
                 for index, value in enumerate(inputs)]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        begin, count, is_known = track.step, 0, False
        try:
            connection.request(
                "POST", f"/sessions/{track.id}/step?return=output", "\n".join(lines).encode(),
                {"Content-Type": "application/x-ndjson"})
            reply = connection.getresponse()
            is_known = reply.status == 503
            while reply.status == 200 and (line := reply.readline()):
                if not line.endswith(b"\n") or "step" not in (result := json.loads(line)):
                    break
                self.check_step(track, result["step"], begin + count + 1)
                track.took([inputs[count]])
                self.counts["acknowledged"] += 1
                count += 1
            is_known = is_known or count == len(inputs)
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            pass
        finally:
            connection.close()
        if not is_known:
            self.look(track, inputs[count:])

    def reset(self, track: Track) -> None:
        reply = self.definite(
            track.kills, "POST", f"/sessions/{track.id}/reset", headers=self.key())
        self.expect(reply, 200)
        track.inputs, track.acknowledged = [], []

    def fork(self, track: Track) -> None:
        if len(self.tracks) >= 2 * self.sessions:
            return
        reply = self.definite(
            track.kills, "POST", f"/sessions/{track.id}/fork", headers=self.key())
        if reply:
            self.add(reply, track.inputs, track.kills)

    def delete(self, track: Track) -> None:
        self.tracks.remove(track)
        reply = self.definite(track.kills, "DELETE", f"/sessions/{track.id}")
        if reply and reply.status != 404:
            self.expect(reply, 204)

    # Where a session is

    def is_current(self, track: Track) -> bool:
        """Whether the session is where its client thinks; with `everysec` it may have gone back."""
        if not self.keeps_all and track.kills != len(self.server.kills):
            self.look(track, [])
        return track in self.tracks

    def look(self, track: Track, in_flight: list[list[int]]) -> None:
        """Finds out where a session is, when nobody knows whether `in_flight` was taken."""
        while True:
            kills = len(self.server.kills)
            try:
                reply = self.connection.request("GET", f"/sessions/{track.id}")
            except OSError:
                time.sleep(0.01)
                continue
            if reply.status != 503 and kills == len(self.server.kills):
                break
        killed = self.server.kills[track.kills:]
        track.kills = kills
        if reply.status == 404 and not self.keeps_all and killed \
                and track.created > killed[0] - LOSS:
            self.counts["sessions gone back"] += 1
            self.tracks.remove(track)
            return
        self.expect(reply, 200)
        step = reply.json()["step"]
        safe = track.step
        if not self.keeps_all and killed:
            safe = sum(moment <= killed[0] - LOSS for moment in track.acknowledged)
        if step < safe:
            self.counts["lost"] += safe - step
            raise Finding(f"{track.id} is at {step}; {safe} steps were to stay")
        if step > track.step + len(in_flight):
            self.counts["doubled"] += 1
            raise Finding(f"{track.id} is at {step}, after {track.step} and {len(in_flight)} more")
        if step < track.step:
            self.counts["steps gone back"] += track.step - step
        track.inputs = (track.inputs + in_flight)[:step]
        track.acknowledged = (track.acknowledged + [time.monotonic()] * len(in_flight))[:step]

    def expect(self, reply: Reply, status: int) -> None:
        if reply.status != status:
            self.counts["wrong"] += 1
            raise Finding(f"{reply.status} in place of {status}: {reply.body!r}")

    def check_step(self, track: Track, got: int, expected: int) -> None:
        if got != expected:
            self.counts["lost" if got < expected else "doubled"] += 1
            raise Finding(f"{track.id}: step {got} in place of {expected}")
