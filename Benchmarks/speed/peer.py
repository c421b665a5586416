"""One peer, stepping a model on request: reads lines of JSON, answers each with one.

    peer.py numpy|torch|eager|onnx MODEL.safetensors

    {"trace": [[input], ...]}   begins anew: [{"output": [...], "read": [...], "write": [...]}, ...]
    {"run": seconds}            {"steps": n, "seconds": t}, of steps with random bits
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import arithmetic
import model_file


def make(kind: str, model: model_file.ModelFile, folder: Path):
    if kind == "numpy":
        return arithmetic.NumpyNTM(model)
    if kind in ("torch", "eager"):
        return arithmetic.TorchNTM(model, is_scripted=kind == "torch")
    file = folder / "model.onnx"
    file.write_bytes(arithmetic.onnx_bytes(model))
    return arithmetic.OnnxNTM(model, file)


def trace(peer, inputs: list[list[float]]) -> list[dict]:
    results = []
    for values in inputs:
        output, read, write = peer.step(np.array(values, np.float32))
        results.append({"output": output.tolist(), "read": read.tolist(), "write": write.tolist()})
    return results


def run(peer, inputs: np.ndarray, seconds: float) -> dict:
    steps, begin = 0, time.perf_counter()
    while True:
        # Looking at the clock costs as much as a part of a step.
        for x in inputs:
            peer.step(x)
        steps += len(inputs)
        if (now := time.perf_counter()) > begin + seconds:
            return {"steps": steps, "seconds": now - begin}


def main() -> None:
    kind, path = sys.argv[1:]
    model = model_file.read(Path(path))
    generator = np.random.default_rng(1)
    inputs = (generator.random((8, model.configuration["input_size"])) < 0.5).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        peer = make(kind, model, Path(folder))
        for line in sys.stdin:
            request = json.loads(line)
            if "trace" in request:
                peer = make(kind, model, Path(folder))
                reply = trace(peer, request["trace"])
            else:
                reply = run(peer, inputs, request["run"])
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
