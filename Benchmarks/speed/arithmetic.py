"""One step of the shipped models' arithmetic (a read head and a write head that address the memory of
the step before) in numpy, in PyTorch and, exported from that, for ONNX Runtime.

Each is written as its users would write it for speed: one linear map for all heads, the memory
addressed and written as a whole.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from model_file import ModelFile

EPSILON = 1e-8
# What a step keeps, in this order.
STATE = ["memory", "read_weighting", "write_weighting", "read", "hidden", "cell"]


def start(model: ModelFile) -> dict[str, np.ndarray]:
    tensors = model.tensors
    memory = np.full((model.rows, model.columns), model.configuration["start"]["memory"],
                     np.float32)
    weightings = tensors["start.weightings"]
    return dict(zip(STATE, [memory, weightings[0].copy(), weightings[1].copy(),
                            tensors["start.reads"][0].copy(), tensors["start.hidden"][0].copy(),
                            tensors["start.cell"][0].copy()]))


def head_sizes(model: ModelFile) -> list[int]:
    """Of the read head's parameters and the write head's: k, beta, g, s, gamma, and e, a."""
    columns = model.columns
    return [columns, 1, 1, 3, 1, columns, 1, 1, 3, 1, columns, columns]


# MARK: numpy


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(np.float32(0), x)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


class NumpyNTM:
    def __init__(self, model: ModelFile) -> None:
        tensors = model.tensors
        self.controller = tensors["controller.0.weight"], tensors["controller.0.bias"]
        self.heads = tensors["heads.weight"], tensors["heads.bias"]
        self.output = tensors["output.weight"], tensors["output.bias"]
        self.columns = model.columns
        self.splits = np.cumsum(head_sizes(model))[:-1]
        self.state = start(model)

    def address(self, memory, norms, before, key, strength, gate, shift, sharpening):
        similarity = memory @ key / (norms * np.sqrt(key @ key) + np.float32(EPSILON))
        content = softmax(softplus(strength) * similarity)
        gate = sigmoid(gate)
        gated = gate * content + (1 - gate) * before
        shift = softmax(shift)
        shifted = (shift[0] * np.roll(gated, -1) + shift[1] * gated + shift[2] * np.roll(gated, 1))
        power = shifted ** (1 + softplus(sharpening))
        return power / power.sum()

    def step(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        state = self.state
        memory = state["memory"]
        weight, bias = self.controller
        gates = weight @ np.concatenate([x, state["read"], state["hidden"]]) + bias
        i, f, g, o = np.split(gates, 4)
        cell = sigmoid(f) * state["cell"] + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        parts = np.split(self.heads[0] @ hidden + self.heads[1], self.splits)
        norms = np.sqrt(np.einsum("ij,ij->i", memory, memory))
        reading = self.address(memory, norms, state["read_weighting"], *parts[:5])
        read = reading @ memory
        writing = self.address(memory, norms, state["write_weighting"], *parts[5:10])
        erase, add = sigmoid(parts[10]), parts[11]
        memory = memory * (1 - np.outer(writing, erase)) + np.outer(writing, add)
        output = sigmoid(self.output[0] @ np.concatenate([hidden, read]) + self.output[1])
        self.state = dict(zip(STATE, [memory, reading, writing, read, hidden, cell]))
        return output, reading, writing


# MARK: PyTorch


def torch_module(model: ModelFile, is_for_onnx: bool = False):
    """A module: (input, *state) -> (output, *state)."""
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

    def times_vector(matrix: Tensor, x: Tensor) -> Tensor:
        return torch.mv(matrix, x)

    def times_row(matrix: Tensor, x: Tensor) -> Tensor:
        return F.linear(x.unsqueeze(0), matrix).squeeze(0)

    # ONNX Runtime is slow at products with a vector, PyTorch at those with a matrix of one row.
    times = times_row if is_for_onnx else times_vector

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ["controller.0", "heads", "output"]:
                plain = name.split(".")[0]
                for part in ["weight", "bias"]:
                    self.register_buffer(
                        f"{plain}_{part}", torch.tensor(model.tensors[f"{name}.{part}"]))
            self.sizes = head_sizes(model)

        def address(self, memory: Tensor, norms: Tensor, before: Tensor, key: Tensor,
                    strength: Tensor, gate: Tensor, shift: Tensor, sharpening: Tensor) -> Tensor:
            length = torch.sqrt(torch.sum(key * key))
            similarity = times(memory, key) / (norms * length + 1e-8)
            content = F.softmax(F.softplus(strength) * similarity, dim=0)
            gate = torch.sigmoid(gate)
            gated = gate * content + (1 - gate) * before
            shift = F.softmax(shift, dim=0)
            up = torch.cat([gated[1:], gated[:1]])
            down = torch.cat([gated[-1:], gated[:-1]])
            shifted = shift[0] * up + shift[1] * gated + shift[2] * down
            power = torch.pow(shifted, 1 + F.softplus(sharpening))
            return power / power.sum()

        def forward(self, x: Tensor, memory: Tensor, read_weighting: Tensor,
                    write_weighting: Tensor, read: Tensor, hidden: Tensor, cell: Tensor):
            gates = times(self.controller_weight, torch.cat([x, read, hidden]))
            i, f, g, o = torch.chunk(gates + self.controller_bias, 4)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            parts = torch.split(times(self.heads_weight, hidden) + self.heads_bias, self.sizes)
            norms = torch.sqrt(torch.sum(memory * memory, dim=1))
            reading = self.address(memory, norms, read_weighting, parts[0], parts[1], parts[2],
                                   parts[3], parts[4])
            read = torch.matmul(reading.unsqueeze(0), memory).squeeze(0)
            writing = self.address(memory, norms, write_weighting, parts[5], parts[6], parts[7],
                                   parts[8], parts[9])
            erase, add = torch.sigmoid(parts[10]), parts[11]
            memory = memory * (1 - torch.outer(writing, erase)) + torch.outer(writing, add)
            output = torch.sigmoid(
                times(self.output_weight, torch.cat([hidden, read])) + self.output_bias)
            return output, memory, reading, writing, read, hidden, cell

    return Step().eval()


class TorchNTM:
    """TorchScript, as its users would serve it; or eagerly."""

    def __init__(self, model: ModelFile, is_scripted: bool = True) -> None:
        import torch
        self.torch = torch
        torch.set_num_threads(1)
        module = torch_module(model)
        self.module = torch.jit.freeze(torch.jit.script(module)) if is_scripted else module
        self.state = [torch.tensor(values) for values in start(model).values()]

    def step(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with self.torch.inference_mode():
            output, *self.state = self.module(self.torch.from_numpy(x), *self.state)
        return output.numpy(), self.state[1].numpy(), self.state[2].numpy()


# MARK: ONNX Runtime


def onnx_bytes(model: ModelFile) -> bytes:
    import torch
    file = io.BytesIO()
    state = [torch.tensor(values) for values in start(model).values()]
    x = torch.zeros(model.configuration["input_size"])
    torch.onnx.export(
        torch_module(model, is_for_onnx=True), (x, *state), file, opset_version=13, do_constant_folding=True,
        input_names=["x", *STATE], output_names=["output", *(f"next_{name}" for name in STATE)])
    return file.getvalue()


def onnx_session(file: Path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


class OnnxNTM:
    """By io binding: the state stays in two sets of buffers, which take turns as input and output."""

    def __init__(self, model: ModelFile, file: Path) -> None:
        self.session = onnx_session(file)
        self.x = np.zeros(model.configuration["input_size"], np.float32)
        self.output = np.zeros(model.configuration["output_size"], np.float32)
        values = start(model)
        self.states = [values, {name: np.zeros_like(value) for name, value in values.items()}]
        self.bindings = [self.bind(*self.states), self.bind(*reversed(self.states))]
        self.turn = 0

    def bind(self, before: dict[str, np.ndarray], after: dict[str, np.ndarray]):
        binding = self.session.io_binding()

        def place(array: np.ndarray) -> tuple:
            return "cpu", 0, np.float32, array.shape, array.ctypes.data

        binding.bind_input("x", *place(self.x))
        binding.bind_output("output", *place(self.output))
        for name in STATE:
            binding.bind_input(name, *place(before[name]))
            binding.bind_output(f"next_{name}", *place(after[name]))
        return binding

    def step(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.x[:] = x
        self.session.run_with_iobinding(self.bindings[self.turn])
        self.turn = 1 - self.turn
        state = self.states[self.turn]
        return self.output, state["read_weighting"], state["write_weighting"]
