"""Checks /metrics of a running server by the parser of prometheus_client."""

import json
import sys
import time
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

URL = sys.argv[1].rstrip("/")
STEPS = 7


def request(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, method=method)) as reply:
        return reply.headers, reply.read()


def read():
    headers, body = request("GET", "/metrics")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", headers
    families = list(text_string_to_metric_families(body.decode()))
    for family in families:
        assert family.type != "unknown" and family.documentation, family.name
    names = [family.name for family in families]
    assert len(set(names)) == len(names), names
    samples = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return {family.name: family for family in families}, samples


def check_histogram(family):
    """The classes of each series add up, and the last has all."""
    series = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        parts = series.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if sample.name.endswith("_bucket"):
            parts["buckets"].append((float(sample.labels["le"]), sample.value))
        else:
            parts[sample.name.rsplit("_", 1)[1]] = sample.value
    for labels, parts in series.items():
        bounds = [bound for bound, _ in parts["buckets"]]
        counts = [count for _, count in parts["buckets"]]
        assert bounds == sorted(bounds) and bounds[-1] == float("inf"), (family.name, labels)
        assert counts == sorted(counts) and counts[-1] == parts["count"], (family.name, labels)
        assert parts["sum"] >= 0 and (parts["sum"] > 0) == (parts["count"] > 0), labels


def value(samples, name, **labels):
    return samples.get((name, tuple(sorted(labels.items()))), 0)


_, before = read()
_, session = request("POST", "/sessions", {"model": "copy"})
step = f"/sessions/{json.loads(session)['id']}/step"
for _ in range(STEPS):
    request("POST", step, {"input": [0] * 9})
try:
    request("GET", "/there/is/nothing")
    raise AssertionError("a path that is none was answered")
except urllib.error.HTTPError as error:
    assert error.code == 404

GROWN = [
    (STEPS, "ntm_steps_total", {"model": "copy"}),
    (STEPS, "ntm_step_duration_seconds_count", {"model": "copy"}),
    (
        STEPS,
        "ntm_http_requests_total",
        {"route": "/sessions/{id}/step", "method": "POST", "status": "200"},
    ),
    (1, "ntm_http_requests_total", {"route": "other", "method": "GET", "status": "404"}),
    (1, "ntm_sessions_created_total", {}),
    (1, "ntm_sessions", {}),
]
# A request is counted when its answer has been sent, which a look at the metrics on another
# connection may be ahead of.
end = time.monotonic() + 10
while True:
    families, after = read()
    wrong = [
        (name, labels, by, grown)
        for by, name, labels in GROWN
        if (grown := value(after, name, **labels) - value(before, name, **labels)) != by
    ]
    if not wrong:
        break
    assert time.monotonic() < end, wrong
    time.sleep(0.01)

TYPES = {
    "ntm_steps": "counter",
    "ntm_step_duration_seconds": "histogram",
    "ntm_http_requests": "counter",
    "ntm_http_request_duration_seconds": "histogram",
    "ntm_sessions": "gauge",
    "ntm_session_bytes": "gauge",
    "ntm_sessions_created": "counter",
    "ntm_sessions_ended": "counter",
    "ntm_sessions_rejected": "counter",
    "ntm_model_info": "gauge",
    "ntm_build_info": "gauge",
    "process_cpu_seconds": "counter",
    "process_resident_memory_bytes": "gauge",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
    "process_start_time_seconds": "gauge",
}
for name, kind in TYPES.items():
    assert families[name].type == kind, (name, families[name].type)
for family in families.values():
    if family.type == "histogram":
        check_histogram(family)

print(f"{len(after)} samples of {len(families)} families are as Prometheus wants them")
