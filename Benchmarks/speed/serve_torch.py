"""An NTM service as most would write it in Python: FastAPI, uvicorn, PyTorch.

    NTM_MODEL=MODEL.safetensors uvicorn --app-dir FOLDER serve_torch:app

POST /sessions, then POST /sessions/ID/step[?return=output] with {"input": [...]}.
"""

import os
import uuid
from pathlib import Path

import torch
from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel

import arithmetic
import model_file

torch.set_num_threads(1)
MODEL = model_file.read(Path(os.environ["NTM_MODEL"]))
module = arithmetic.torch_module(MODEL)
app = FastAPI()
sessions: dict[str, dict] = {}


class Step(BaseModel):
    input: list[float]


class Result(BaseModel):
    session: str
    step: int
    output: list[float]
    read_weightings: list[list[float]] | None = None
    write_weightings: list[list[float]] | None = None


@app.post("/sessions", status_code=201)
async def make() -> dict:
    session = uuid.uuid4().hex
    values = [torch.tensor(value) for value in arithmetic.start(MODEL).values()]
    sessions[session] = {"step": 0, "values": values}
    return {"id": session}


@app.post("/sessions/{session}/step", response_model_exclude_none=True)
async def step(session: str, body: Step, fields: str | None = Query(None, alias="return")) -> Result:
    state = sessions.get(session)
    if state is None:
        raise HTTPException(404, "no such session")
    with torch.inference_mode():
        output, *state["values"] = module(torch.tensor(body.input), *state["values"])
    state["step"] += 1
    result = Result(session=session, step=state["step"], output=output.tolist())
    if fields != "output":
        result.read_weightings = [state["values"][1].tolist()]
        result.write_weightings = [state["values"][2].tolist()]
    return result
