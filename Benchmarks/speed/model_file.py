"""Model files: reads them, and makes random ones of a given size."""

from __future__ import annotations

import copy
import json
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np


class ModelFile(NamedTuple):
    configuration: dict
    tensors: dict[str, np.ndarray]

    @property
    def rows(self) -> int:
        return self.configuration["memory"]["rows"]

    @property
    def columns(self) -> int:
        return self.configuration["memory"]["columns"]

    @property
    def units(self) -> int:
        return self.configuration["controller"]["units"]


def read(path: Path) -> ModelFile:
    data = path.read_bytes()
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + first:8 + length + last], dtype="<f4")
        tensors[name] = values.reshape(entry["shape"])
    return ModelFile(json.loads(metadata["configuration"]), tensors)


def write(path: Path, model: ModelFile) -> None:
    header: dict = {"__metadata__": {
        "format": "ntm-model", "format_version": "1",
        "configuration": json.dumps(model.configuration)}}
    end = 0
    for name, values in sorted(model.tensors.items()):
        header[name] = {"dtype": "F32", "shape": list(values.shape),
                        "data_offsets": [end, end + values.nbytes]}
        end += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(values.astype("<f4").tobytes() for _, values in sorted(model.tensors.items()))
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def random(like: ModelFile, rows: int, columns: int, units: int, seed: int = 1) -> ModelFile:
    """A model of another size, with the dialect, inputs and outputs of `like` and random weights:
    what a step costs does not depend on their values."""
    generator = np.random.default_rng(seed)
    configuration = copy.deepcopy(like.configuration)
    configuration["memory"] = {"rows": rows, "columns": columns}
    configuration["controller"]["units"] = units
    inputs, outputs = configuration["input_size"], configuration["output_size"]
    parameters = 2 * (columns + 1 + 1 + 3 + 1) + 2 * columns

    def matrix(*shape: int) -> np.ndarray:
        return generator.normal(0, shape[-1] ** -0.5, shape).astype(np.float32)

    start = generator.random((2, rows), dtype=np.float32)
    return ModelFile(configuration, {
        "controller.0.weight": matrix(4 * units, inputs + columns + units),
        "controller.0.bias": matrix(4 * units),
        "heads.weight": matrix(parameters, units),
        "heads.bias": matrix(parameters),
        "output.weight": matrix(outputs, units + columns),
        "output.bias": matrix(outputs),
        "start.cell": matrix(1, units),
        "start.hidden": matrix(1, units),
        "start.reads": matrix(1, columns),
        "start.weightings": start / start.sum(axis=1, keepdims=True),
    })
