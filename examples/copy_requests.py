#!/usr/bin/env python3
"""The copy task from Python: a random sequence goes into the memory of a session, and comes back.

    pip install requests
    examples/copy_requests.py [--length 12] [--seed 1] [--url http://127.0.0.1:8080]

NTM_URL sets the default of --url. Ends with 1 if a bit differs.
"""

import argparse
import os
import random
import sys

import requests

BITS = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", default=os.environ.get("NTM_URL", "http://127.0.0.1:8080"))
    options = parser.parse_args()

    generator = random.Random(options.seed)
    sent = [[generator.randint(0, 1) for _ in range(BITS)] for _ in range(options.length)]
    api = requests.Session()

    def call(method, path, **arguments):
        reply = api.request(method, options.url + path, timeout=30, **arguments)
        if not reply.ok:
            sys.exit(f"{method} {path} was refused: {reply.json()['detail']}")
        return reply

    session = call("POST", "/sessions", json={"model": "copy"}).json()["id"]
    try:
        # The vectors, then the delimiter; nothing of what these steps give is of interest.
        inputs = [vector + [0] for vector in sent] + [[0] * BITS + [1]]
        call("POST", f"/sessions/{session}/step", json={"inputs": inputs, "return": []})
        # A step that says which it is to be may be sent again when its answer was lost.
        returned = []
        for number in range(options.length):
            step = call(
                "POST", f"/sessions/{session}/step",
                json={"input": [0] * (BITS + 1), "step": len(inputs) + number + 1})
            returned.append([round(value) for value in step.json()["output"]])
    finally:
        call("DELETE", f"/sessions/{session}")

    wrong = sum(a != b for x, y in zip(sent, returned) for a, b in zip(x, y))
    for vector, copy in zip(sent, returned):
        print("".join(map(str, vector)), "→", "".join(map(str, copy)))
    print(f"{wrong} of {options.length * BITS} bits differ")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
