#!/usr/bin/env python3
"""Sequences per second at which PyTorch trains a Neural Turing Machine on the copy task.

The arithmetic is pytorch-ntm's: an LSTM controller of 100 units, a read head, then a write head on
live memory of 128 rows by 20 columns, RMSProp with momentum 0.9, gradients clipped to +-10. The
module is written for speed as a PyTorch user would write it: every sequence of a batch at once, one
linear map for a head's parameters, no Python loop but the one over time.

    train_pytorch.py --batch 16 --sequences 320 --seed 1

prints one line of JSON.
"""

import argparse
import json
import time

import torch
from torch import nn
from torch.nn import functional as F

EPSILON = 1e-16


class Head(nn.Module):
    def __init__(self, hidden: int, columns: int, extra: int):
        super().__init__()
        self.columns = columns
        self.sizes = [columns, 1, 1, 3, 1] + [columns] * extra
        self.parameters_of = nn.Linear(hidden, sum(self.sizes))
        nn.init.xavier_uniform_(self.parameters_of.weight, gain=1.4)
        nn.init.normal_(self.parameters_of.bias, std=0.01)

    def address(self, hidden, before, memory):
        key, strength, gate, shift, sharpening, *rest = self.parameters_of(hidden).split(self.sizes, 1)
        similarity = F.cosine_similarity(memory + EPSILON, key.unsqueeze(1) + EPSILON, dim=-1)
        content = F.softmax(F.softplus(strength) * similarity, dim=1)
        gate = torch.sigmoid(gate)
        gated = gate * content + (1 - gate) * before
        shift = F.softmax(shift, dim=1)
        # A tap's weight times the weighting, rotated by the tap.
        shifted = (shift[:, 0:1] * gated.roll(-1, 1) + shift[:, 1:2] * gated
                   + shift[:, 2:3] * gated.roll(1, 1))
        power = shifted ** (1 + F.softplus(sharpening))
        return power / (power.sum(dim=1, keepdim=True) + EPSILON), rest


class NTM(nn.Module):
    def __init__(self, inputs: int, outputs: int, units=100, rows=128, columns=20):
        super().__init__()
        self.rows, self.columns = rows, columns
        self.controller = nn.LSTMCell(inputs + columns, units)
        self.reader = Head(units, columns, 0)
        self.writer = Head(units, columns, 2)
        self.output = nn.Linear(units + columns, outputs)
        self.h = nn.Parameter(torch.randn(1, units) * 0.05)
        self.c = nn.Parameter(torch.randn(1, units) * 0.05)
        self.register_buffer("memory", torch.full((rows, columns), 1e-6))
        self.register_buffer("read", torch.randn(1, columns) * 0.01)

    def forward(self, inputs):
        """inputs: [time, batch, inputs] -> logits [time, batch, outputs]"""
        batch = inputs.shape[1]
        memory = self.memory.expand(batch, -1, -1)
        read = self.read.expand(batch, -1)
        h, c = self.h.expand(batch, -1), self.c.expand(batch, -1)
        reading = writing = torch.zeros(batch, self.rows)
        logits = []
        for x in inputs:
            h, c = self.controller(torch.cat([x, read], 1), (h, c))
            reading, _ = self.reader.address(h, reading, memory)
            read = (reading.unsqueeze(1) @ memory).squeeze(1)
            writing, (erase, add) = self.writer.address(h, writing, memory)
            weighting = writing.unsqueeze(2)
            memory = (memory * (1 - weighting * torch.sigmoid(erase).unsqueeze(1))
                      + weighting * add.unsqueeze(1))
            logits.append(self.output(torch.cat([h, read], 1)))
        return torch.stack(logits)


def sequences(length: int, batch: int, bits=8):
    """Inputs [2 length + 1, batch, bits + 1] and what to say after the delimiter."""
    vectors = torch.bernoulli(torch.full((length, batch, bits), 0.5))
    inputs = torch.zeros(2 * length + 1, batch, bits + 1)
    inputs[:length, :, :bits] = vectors
    inputs[length, :, bits] = 1
    return inputs, vectors


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--batch", type=int, default=1)
    options.add_argument("--sequences", type=int, default=320)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    model = NTM(9, 8)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, alpha=0.95, momentum=0.9)
    # The lengths are the same in every run, in turn: 1, 8, 15, 2, 9, ... of 20.
    updates = options.sequences // options.batch
    lengths = [i * 7 % 20 + 1 for i in range(updates)]
    losses = []

    def update(length):
        inputs, targets = sequences(length, options.batch)
        optimizer.zero_grad(set_to_none=True)
        logits = model(inputs)[length + 1:]
        loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / options.batch
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 10)
        optimizer.step()
        losses.append(loss.item())

    for length in (20, 10):  # warm up
        update(length)
    start = time.perf_counter()
    for length in lengths:
        update(length)
    seconds = time.perf_counter() - start
    print(json.dumps({
        "framework": "PyTorch " + torch.__version__, "batch": options.batch,
        "threads": options.threads, "sequences": updates * options.batch,
        "steps": sum(2 * length + 1 for length in lengths) * options.batch,
        "seconds": round(seconds, 3), "sequences_per_second": round(updates * options.batch / seconds, 2),
        "bits_first": round(losses[0] / 0.6931471805599453, 2),
        "bits_last": round(losses[-1] / 0.6931471805599453, 2),
    }))


if __name__ == "__main__":
    main()
