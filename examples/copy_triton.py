#!/usr/bin/env python3
"""The copy task by NVIDIA's Triton client: a sequence of inference requests shares a memory.

    pip install 'tritonclient[http]'
    examples/copy_triton.py [--length 12] [--seed 1] [--url http://127.0.0.1:8080]

NTM_URL sets the default of --url. Ends with 1 if a bit differs.
"""

import argparse
import os
import random
import sys

import numpy as np
import tritonclient.http as triton

BITS = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", default=os.environ.get("NTM_URL", "http://127.0.0.1:8080"))
    options = parser.parse_args()

    generator = random.Random(options.seed)
    sent = np.array(
        [[generator.randint(0, 1) for _ in range(BITS)] for _ in range(options.length)], np.float32)
    client = triton.InferenceServerClient(options.url.split("://")[-1])

    def infer(inputs, **sequence):
        tensor = triton.InferInput("input", list(inputs.shape), "FP32")
        tensor.set_data_from_numpy(inputs)
        return client.infer(
            "copy", [tensor], outputs=[triton.InferRequestedOutput("output")],
            sequence_id=sequence_id, **sequence).as_numpy("output")

    # Several steps may go into one request: the first dimension is time.
    sequence_id = f"copy of seed {options.seed}"
    vectors = np.pad(sent, [(0, 1), (0, 1)])
    vectors[-1, BITS] = 1
    infer(vectors, sequence_start=True)
    returned = infer(np.zeros([options.length, BITS + 1], np.float32), sequence_end=True).round()

    wrong = int((sent != returned).sum())
    for vector, copy in zip(sent, returned):
        print("".join(f"{bit:.0f}" for bit in vector), "→", "".join(f"{bit:.0f}" for bit in copy))
    print(f"{wrong} of {options.length * BITS} bits differ")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
