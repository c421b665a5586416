"""NVIDIA's tritonclient against the server of NTM_URL: what it gets is what the server's own API
gives, bit for bit."""

import os
import random
import unittest
import urllib.parse

import numpy as np
import requests
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

URL = os.environ.get("NTM_URL", "http://127.0.0.1:8080").rstrip("/")
NAMES = ["output", "read_weightings", "write_weightings"]


def random_inputs(steps, seed):
    generator = random.Random(seed)
    inputs = np.array(
        [[generator.randint(0, 1) for _ in range(8)] + [0] for _ in range(steps)], np.float32)
    inputs[-1] = [0] * 8 + [1]
    return inputs


def own_api(inputs):
    """What a session of the server's own API gives."""
    session = requests.post(f"{URL}/sessions", json={"model": "copy"}).json()["id"]
    reply = requests.post(f"{URL}/sessions/{session}/step", json={"inputs": inputs.tolist()})
    requests.delete(f"{URL}/sessions/{session}")
    steps = reply.json()["steps"]
    return {name: np.array([step[name] for step in steps], np.float32) for name in NAMES}


class InferenceProtocolTests(unittest.TestCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(urllib.parse.urlsplit(URL).netloc)
        self.addCleanup(self.client.close)

    def infer(self, inputs, *, binary=True, outputs=None, model="copy", **options):
        tensor = triton.InferInput("input", list(inputs.shape), "FP32")
        tensor.set_data_from_numpy(inputs, binary_data=binary)
        wanted = None
        if outputs is not None or not binary:
            wanted = [
                triton.InferRequestedOutput(name, binary_data=binary) for name in outputs or NAMES]
        return self.client.infer(model, [tensor], outputs=wanted, **options)

    def assert_same(self, result, expected, rows=slice(None)):
        for name in NAMES:
            got = result.as_numpy(name)
            self.assertEqual(got.dtype, np.float32)
            self.assertEqual(got.tobytes(), expected[name][rows].tobytes(), name)

    def assert_refused(self, part, call):
        with self.assertRaises(InferenceServerException) as refusal:
            call()
        self.assertIn(part, refusal.exception.message())

    def test_server_and_models_describe_themselves(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("copy"))
        self.assertFalse(self.client.is_model_ready("none"))
        self.assertFalse(self.client.is_model_ready("copy", "1"))
        server = self.client.get_server_metadata()
        self.assertEqual(server["name"], "ntm")
        self.assertLessEqual(
            {"sequence", "sequence(string_id)", "binary_tensor_data", "statistics"},
            set(server["extensions"]))
        model = self.client.get_model_metadata("copy")
        self.assertEqual(
            model["inputs"], [{"name": "input", "datatype": "FP32", "shape": [-1, 9]}])
        shapes = {output["name"]: output["shape"] for output in model["outputs"]}
        self.assertEqual(shapes["output"], [-1, 8])
        self.assertEqual(shapes["read_weightings"], [-1, 1, 128])
        [version] = model["versions"]
        self.assertTrue(self.client.is_model_ready("copy", version))
        self.assertEqual(
            self.client.get_model_metadata("copy", version)["versions"], [version])
        self.assert_refused("there is no model", lambda: self.client.get_model_metadata("none"))

    def test_a_sequence_gives_what_a_session_gives(self):
        inputs = random_inputs(12, seed=1)
        expected = own_api(inputs)
        for binary in [True, False]:
            for sequence in [71, "a sequence"]:
                with self.subTest(binary=binary, sequence=sequence):
                    for step, vector in enumerate(inputs):
                        result = self.infer(
                            vector[np.newaxis], binary=binary, sequence_id=sequence,
                            sequence_start=step == 0, sequence_end=step == len(inputs) - 1)
                        self.assert_same(result, expected, slice(step, step + 1))
                        parameters = result.get_response()["parameters"]
                        self.assertEqual(parameters["sequence_id"], sequence)
                        self.assertEqual(parameters["step"], step + 1)
                    self.assert_refused(
                        "sequence_start", lambda: self.infer(inputs[:1], sequence_id=sequence))

    def test_several_steps_are_a_leading_dimension(self):
        inputs = random_inputs(12, seed=2)
        expected = own_api(inputs)
        for binary in [True, False]:
            with self.subTest(binary=binary):
                first = self.infer(inputs[:5], binary=binary, sequence_id=5, sequence_start=True)
                self.assert_same(first, expected, slice(0, 5))
                rest = self.infer(inputs[5:], binary=binary, sequence_id=5, sequence_end=True)
                self.assert_same(rest, expected, slice(5, 12))
                # Of no sequence at all, it begins at the start state.
                self.assert_same(self.infer(inputs, binary=binary), expected)
        # One step needs no dimension of time.
        self.assertEqual(self.infer(inputs[0]).as_numpy("output").shape, (1, 8))

    def test_numbers_and_texts_name_different_sequences(self):
        inputs = random_inputs(4, seed=3)
        expected = own_api(inputs)
        self.infer(inputs[:1], sequence_id=8, sequence_start=True)
        self.infer(inputs[:2], sequence_id="8", sequence_start=True)
        self.assert_same(self.infer(inputs[1:2], sequence_id=8), expected, slice(1, 2))
        self.assert_same(self.infer(inputs[2:3], sequence_id="8"), expected, slice(2, 3))
        for sequence in [8, "8"]:
            self.infer(inputs[:1], sequence_id=sequence, sequence_end=True)

    def test_a_sequence_is_a_session(self):
        inputs = random_inputs(6, seed=4)
        expected = own_api(inputs)
        begun = self.infer(inputs[:2], sequence_id="shared", sequence_start=True).get_response()
        session = begun["parameters"]["session"]
        listed = requests.get(f"{URL}/sessions?limit=1000").json()["sessions"]
        self.assertIn(session, [each["id"] for each in listed])
        # Both ways lead to the same state.
        step = requests.post(
            f"{URL}/sessions/{session}/step", json={"input": inputs[2].tolist()}).json()
        self.assertEqual(
            np.array(step["output"], np.float32).tobytes(), expected["output"][2].tobytes())
        self.assert_same(self.infer(inputs[3:4], sequence_id="shared"), expected, slice(3, 4))
        # One that begins again begins a new session, and ends the old one.
        again = self.infer(inputs[:1], sequence_id="shared", sequence_start=True)
        self.assert_same(again, expected, slice(0, 1))
        self.assertEqual(requests.get(f"{URL}/sessions/{session}").json()["reason"], "deleted")
        session = again.get_response()["parameters"]["session"]
        self.infer(inputs[1:2], sequence_id="shared", sequence_end=True)
        self.assertEqual(requests.get(f"{URL}/sessions/{session}").status_code, 404)
        # One that was deleted is gone for the protocol too.
        begun = self.infer(inputs[:1], sequence_id="shared", sequence_start=True).get_response()
        requests.delete(f"{URL}/sessions/{begun['parameters']['session']}")
        self.assert_refused("was deleted", lambda: self.infer(inputs[:1], sequence_id="shared"))

    def test_outputs_are_those_asked_for(self):
        inputs = random_inputs(3, seed=5)
        expected = own_api(inputs)
        result = self.infer(inputs, outputs=["write_weightings", "output"], request_id="mine")
        response = result.get_response()
        self.assertEqual(
            [output["name"] for output in response["outputs"]], ["write_weightings", "output"])
        self.assertEqual(response["id"], "mine")
        self.assertEqual(response["model_name"], "copy")
        self.assertEqual(
            result.as_numpy("output").tobytes(), expected["output"].tobytes())
        self.assertIsNone(result.as_numpy("read_weightings"))

    def test_what_is_wrong_is_said_and_changes_nothing(self):
        inputs = random_inputs(3, seed=6)
        expected = own_api(inputs)
        self.infer(inputs[:1], sequence_id=6, sequence_start=True)
        for part, call in [
            ("there is no model", lambda: self.infer(inputs, model="none")),
            ("model 'copy' takes [9]", lambda: self.infer(inputs[:, :8].copy(), sequence_id=6)),
            ("is not finite", lambda: self.infer(
                np.array([[np.nan] + [0] * 8], np.float32), sequence_id=6)),
            ("there is output, read_weightings", lambda: self.infer(
                inputs, outputs=["outputs"], sequence_id=6)),
            ("sequence_start", lambda: self.infer(inputs, sequence_id=7)),
        ]:
            with self.subTest(part):
                self.assert_refused(part, call)
        self.assert_same(self.infer(inputs[1:2], sequence_id=6), expected, slice(1, 2))
        # A start that is refused leaves the sequence that there was.
        self.assert_refused("is not finite", lambda: self.infer(
            np.array([[np.inf] + [0] * 8], np.float32), sequence_id=6, sequence_start=True))
        self.assert_same(
            self.infer(inputs[2:], sequence_id=6, sequence_end=True), expected, slice(2, 3))
        with self.assertRaises(InferenceServerException):
            tensor = triton.InferInput("input", [1, 9], "FP64")
            tensor.set_data_from_numpy(np.zeros([1, 9]))
            self.client.infer("copy", [tensor])

    def test_statistics_count_steps_and_requests(self):
        def figures():
            [model] = self.client.get_inference_statistics("copy")["model_stats"]
            return model

        before = figures()
        self.infer(random_inputs(5, seed=7))
        self.infer(random_inputs(2, seed=7))
        with self.assertRaises(InferenceServerException):
            self.infer(np.zeros([1, 8], np.float32))
        after = figures()
        self.assertEqual(after["inference_count"] - before["inference_count"], 7)
        self.assertEqual(after["execution_count"] - before["execution_count"], 2)
        for part in ["success", "queue", "compute_input", "compute_infer", "compute_output"]:
            count = after["inference_stats"][part]["count"]
            self.assertEqual(count - before["inference_stats"][part]["count"], 2, part)
        self.assertGreater(after["inference_stats"]["compute_infer"]["ns"], 0)
        self.assertGreater(after["last_inference"], 1_700_000_000_000)

    def test_compressed_requests_and_replies(self):
        inputs = random_inputs(40, seed=8)
        result = self.infer(
            inputs, request_compression_algorithm="gzip", response_compression_algorithm="gzip")
        self.assert_same(result, own_api(inputs))


if __name__ == "__main__":
    unittest.main()
