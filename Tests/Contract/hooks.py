"""What schemathesis has to know of the server that openapi.yaml can't say.

scripts/check-contract.sh has schemathesis read it, and says in NTM_URL where the server is. Only
requests that fit the document are changed here; those that are meant not to fit it go out as they
are."""
import hashlib
import json
import os
import struct
import urllib.request

import jsonschema_rs
import schemathesis
from hypothesis import strategies

URL = os.environ["NTM_URL"]
# A model of the server, and how many numbers it takes.
MODEL, SIZE = "copy", 9


def ask(method, path, body=None):
    with urllib.request.urlopen(urllib.request.Request(URL + path, body, method=method)) as reply:
        return reply.read()


VERSION = json.loads(ask("GET", f"/models/{MODEL}"))["version"]


def state(steps):
    """The state of a session of MODEL."""
    session = json.loads(ask("POST", "/sessions", json.dumps({"model": MODEL}).encode()))
    path = f"/sessions/{session['id']}"
    for _ in range(steps):
        ask("POST", path + "/step", json.dumps({"input": [1] * SIZE}).encode())
    body = ask("GET", path + "/state")
    ask("DELETE", path)
    return body


# MARK: Bodies that are no JSON

vectors = strategies.lists(
    strategies.floats(-10, 10, width=32), min_size=SIZE, max_size=SIZE)


@strategies.composite
def lines(draw):
    """Inputs of steps. Their numbers, if they have any, are those that a new session expects."""
    inputs = draw(strategies.lists(vectors, min_size=1, max_size=5))
    if draw(strategies.booleans()):
        inputs = [{"input": vector} for vector in inputs]
    return "".join(json.dumps(line) + "\n" for line in inputs).encode()


@strategies.composite
def tensors(draw):
    """An inference request whose numbers stand behind the JSON."""
    rows = draw(strategies.lists(vectors, min_size=1, max_size=3))
    values = [value for row in rows for value in row]
    document = {
        "inputs": [{
            "name": "input", "datatype": "FP32", "shape": [len(rows), SIZE],
            "parameters": {"binary_data_size": 4 * len(values)}}],
        "parameters": {"binary_data_output": draw(strategies.booleans())},
    }
    return json.dumps(document).encode() + struct.pack(f"<{len(values)}f", *values)


schemathesis.openapi.media_type("application/x-ndjson", lines())
schemathesis.openapi.media_type("application/octet-stream", tensors())
schemathesis.openapi.media_type(
    "application/vnd.safetensors", strategies.sampled_from([state(0), state(3)]))


@schemathesis.deserializer("application/x-ndjson", "text/csv", "text/event-stream")
def text(_, response):
    """As the document has them: texts. What is in them, a check of its own looks at."""
    return response.content.decode()


@schemathesis.deserializer("application/vnd.safetensors", "application/octet-stream")
def octets(_, response):
    return response.content.decode("latin-1")


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Bodies that are made here can't come from examples too."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                content = operation.get("requestBody", {}).get("content", {})
                content.get("application/x-ndjson", {}).pop("example", None)


# MARK: Requests that don't fit

@schemathesis.hook
def filter_query(context, query):
    """A list of one empty name and a list of no names are the same in a query: `return=`."""
    return (query or {}).get("return") not in ([""], "")


# MARK: Requests that fit

# The forms of what a request may ask for, by the type of its body.
FORMS = {
    ("stepSession", "application/json"): ["application/json", "text/csv"],
    ("stepSession", "application/x-ndjson"): [
        "application/x-ndjson", "text/event-stream", "text/csv"],
    ("getMemory", None): ["application/json", "text/csv"],
}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    operation = case.operation.definition.raw["operationId"]
    if isinstance(case.body, dict):
        (fit_tensors if operation.startswith("infer") else fit_inputs)(case.body)
        fit_keep_alive(case.body)
    case.headers = case.headers or {}
    if "version" in (case.path_parameters or {}) and digest(case)[1] % 2:
        # Digests at random are never those of models.
        case.path_parameters = {"name": MODEL, "version": VERSION}
    fit_length(case, operation)
    fit_key(case)
    forms = FORMS.get((operation, case.media_type))
    if forms:
        case.headers["Accept"] = forms[digest(case)[0] % len(forms)]


def digest(case):
    """Of the request, without its headers."""
    request = [case.method, case.path, case.path_parameters, case.query, case.body]
    return hashlib.sha256(repr(request).encode()).digest()


def fit_length(case, operation):
    """Inference-Header-Content-Length is a length, of something, which the document can't say."""
    case.headers.pop("Inference-Header-Content-Length", None)
    if operation.startswith("infer") and isinstance(case.body, bytes):
        text = case.body.decode("latin-1")
        length = json.JSONDecoder().raw_decode(text)[1]
        case.headers["Inference-Header-Content-Length"] = str(length)


def fit_key(case):
    """A key belongs to one request, and the few keys that are made up are used for many: this one is for
    this request alone. (Sent again it would name what may have been deleted since.) Streams take none,
    which is said in words."""
    key = case.headers.pop("Idempotency-Key", None)
    if key is not None and case.media_type != "application/x-ndjson":
        case.headers["Idempotency-Key"] = key[:100] + case.id


def fit_vector(vector):
    """As long as MODEL takes it; others have sizes of their own."""
    return (vector + [0] * SIZE)[:SIZE]


def fit_inputs(body):
    for step in [body] + [step for step in body.get("steps", []) if isinstance(step, dict)]:
        if "input" in step:
            step["input"] = fit_vector(step["input"])
        if "inputs" in step:
            step["inputs"] = [fit_vector(vector) for vector in step["inputs"]]


def fit_keep_alive(body):
    """Long enough for the requests that follow to find the session."""
    if isinstance(body.get("keep_alive"), (int, float)):
        body["keep_alive"] = max(body["keep_alive"], 600)


def fit_tensors(body):
    values = []
    for value in body["inputs"][0]["data"]:
        values += value if isinstance(value, list) else [value]
    steps = max(1, len(values) // SIZE)
    values = (values + [0] * SIZE)[:steps * SIZE]
    body["inputs"][0].update(shape=[steps, SIZE], data=values)
    # Each output at most once: uniqueItems compares more than their names.
    outputs = body.get("outputs", [])
    body["outputs"] = list({output["name"]: output for output in outputs}.values())


# MARK: What is in a stream

def validator(case, *names):
    document = case.operation.schema.raw_schema
    return jsonschema_rs.validator_for({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names],
        "components": document["components"]})


@schemathesis.check
def stream_conformance(context, response, case):
    """Each line or event of a stream is a result or a problem, and each line of CSV numbers."""
    if response.status_code != 200:
        return
    kind = (response.headers.get("content-type") or [""])[0]
    text = response.content.decode("latin-1")
    if kind == "application/x-ndjson":
        results = validator(case, "StepResult", "Problem")
        for line in text.splitlines():
            results.validate(json.loads(line))
    elif kind == "text/event-stream":
        for event in text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in event.splitlines())
            if fields.get("event") == "step":
                validator(case, "StepResult").validate(json.loads(fields["data"]))
    elif kind == "text/csv":
        # No steps are no lines.
        assert not text or text.endswith("\n")
        for line in text.splitlines():
            [float(number) for number in line.split(",")]
