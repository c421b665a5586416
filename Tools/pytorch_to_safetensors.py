#!/usr/bin/env python3
"""Turns a checkpoint of loudinthecloud/pytorch-ntm into safetensors, for `ntm import`.

    Tools/pytorch_to_safetensors.py copy-task-10-batch-12500.model copy.safetensors
    ntm import copy.safetensors --dialect pytorch-ntm --output Models/my-copy.safetensors

The checkpoint is what `torch.save(net.state_dict(), path)` wrote. Needs PyTorch, nothing else: the
format is written here (an 8-byte length, a JSON header, the tensors as little-endian float32).
"""

import argparse
import json
import os
import pickle
import struct
import sys

import torch


def read_state_dict(path):
    """The tensors of a checkpoint by name; a dictionary that holds them as "state_dict" will do."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except TypeError:  # PyTorch before 1.13 has no weights_only
        content = torch.load(path, map_location="cpu")
    content = getattr(content, "state_dict", lambda: content)()
    if not isinstance(content, dict):
        raise ValueError(f"holds a {type(content).__name__}, not a state dict")
    content = content.get("state_dict", content)
    tensors = {name: value for name, value in content.items() if torch.is_tensor(value)}
    if "ntm.fc.weight" not in tensors:
        raise ValueError("has no ntm.fc.weight: these are not pytorch-ntm's names")
    return tensors


def to_safetensors(tensors, metadata):
    """The bytes of a safetensors file."""
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().to(torch.float32).contiguous().flatten().tolist()
        chunk = struct.pack(f"<{len(values)}f", *values)
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(chunk)],
        }
        data += chunk
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def is_same_file(one, other):
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="what torch.save wrote")
    parser.add_argument("output", help="the safetensors file to write")
    parser.add_argument(
        "--variant",
        choices=["head", "legacy"],
        help="the activations it was trained with: head (since 2018) or legacy (2017); "
        "ntm import asks for them by --dialect otherwise",
    )
    parser.add_argument("--source", help="where the weights come from, kept in the file")
    arguments = parser.parse_args()
    metadata = {"format": "pt"}
    for key in ("variant", "source"):
        if getattr(arguments, key):
            metadata[key] = getattr(arguments, key)
    if is_same_file(arguments.checkpoint, arguments.output):
        sys.exit(f"{arguments.output} can't be written: it is the same file as the checkpoint")
    try:
        tensors = read_state_dict(arguments.checkpoint)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        sys.exit(f"{arguments.checkpoint}: {error}")
    try:
        with open(arguments.output, "wb") as file:
            file.write(to_safetensors(tensors, metadata))
    except OSError as error:
        sys.exit(f"{arguments.output} can't be written: {error.strerror}")
    print(f"{arguments.output}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
