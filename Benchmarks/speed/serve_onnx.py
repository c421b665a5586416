"""An NTM service as one would write it for speed in Python: raw ASGI, orjson, ONNX Runtime.

    NTM_MODEL=MODEL.safetensors uvicorn --app-dir FOLDER serve_onnx:app

POST /sessions, then POST /sessions/ID/step[?return=output] with {"input": [...]}.
"""

import os
import tempfile
import uuid
from pathlib import Path

import numpy as np
import orjson

import arithmetic
import model_file

MODEL = model_file.read(Path(os.environ["NTM_MODEL"]))
OUTPUTS = ["output", *(f"next_{name}" for name in arithmetic.STATE)]
HEADERS = [(b"content-type", b"application/json")]
sessions: dict[str, dict] = {}

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "model.onnx"
    file.write_bytes(arithmetic.onnx_bytes(MODEL))
    runtime = arithmetic.onnx_session(file)


async def body(receive) -> bytes:
    message = await receive()
    data = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        data += message.get("body", b"")
    return data


async def answer(send, status: int, value: object) -> None:
    data = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    await send({"type": "http.response.start", "status": status,
                "headers": [*HEADERS, (b"content-length", str(len(data)).encode())]})
    await send({"type": "http.response.body", "body": data})


def step(session: str, x: list, is_short: bool) -> dict:
    state = sessions[session]
    values = runtime.run(OUTPUTS, {"x": np.array(x, np.float32), **state["values"]})
    output, *after = values
    state["values"] = dict(zip(arithmetic.STATE, after))
    state["step"] += 1
    result = {"session": session, "step": state["step"], "output": output}
    if not is_short:
        result |= {"read_weightings": [after[1]], "write_weightings": [after[2]]}
    return result


async def app(scope, receive, send) -> None:
    if scope["type"] != "http":
        return
    data = await body(receive)
    parts = scope["path"].split("/")
    if parts[1:] == ["sessions"]:
        session = uuid.uuid4().hex
        sessions[session] = {"step": 0, "values": arithmetic.start(MODEL)}
        await answer(send, 201, {"id": session})
    elif len(parts) == 4 and parts[3] == "step" and parts[2] in sessions:
        is_short = scope["query_string"] == b"return=output"
        await answer(send, 200, step(parts[2], orjson.loads(data)["input"], is_short))
    else:
        await answer(send, 404, {"title": "no such session"})
