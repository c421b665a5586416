"""Sessions that others step, that end, and servers that come and go."""

import json
import subprocess

from harness import InspectorTest, wait

INPUT = [1, 0, 1, 0, 0, 1, 1, 0, 0]


class Watching(InspectorTest):
    def test_the_picture_moves_while_another_process_steps(self):
        session = self.server.ask("POST", "/sessions", {"model": "copy"})["id"]
        self.open()
        self.press(f"Open session {session}")
        wait(lambda: self.text("connection") == "live")
        results = []
        for count in range(1, 6):
            run = subprocess.run(
                ["curl", "-fsS", f"{self.server.url}/sessions/{session}/step",
                 "-d", f'{{"input": {INPUT}}}'], check=True, capture_output=True)
            results.append(json.loads(run.stdout))
            wait(lambda: self.text("shown-text") == f"{count} of {count}")
            for kind in ("read", "write"):
                vectors = [result[f"{kind}_weightings"][0] for result in results]
                wait(lambda: len(self.picture(f"{kind}-0")[1][0]) >= count)
                self.assert_weightings(f"{kind}-0", vectors)
        # Also what went in, which only the events tell.
        _, rows = self.picture("input")
        self.assertNotEqual(rows[0][0], rows[1][0])
        self.assertEqual(rows[0][0], rows[0][4])
        self.server.ask("POST", f"/sessions/{session}/reset")
        wait(lambda: "was reset" in self.text("message-text"))
        self.server.ask("POST", f"/sessions/{session}/step", {"input": INPUT})
        wait(lambda: self.text("shown-text") == "1 of 1")

    def test_it_says_what_it_has_not_seen(self):
        session, _ = self.server.replay([INPUT] * 7, [])
        self.open(f"/#{session}")
        wait(lambda: "Opened at step 7" in self.text("session-line"))

    def test_a_session_that_is_deleted_says_so(self):
        self.open()
        session = self.new_session()
        wait(lambda: self.text("connection") == "live")
        self.server.ask("DELETE", f"/sessions/{session}")
        wait(lambda: "was deleted" in self.text("message-text"))
        self.assertIn("make a new session", self.text("message-text"))


class Expiry(InspectorTest):
    server_options = ("--session-ttl", "2s")

    def test_a_session_that_expires_says_so(self):
        self.open()
        self.new_session()
        wait(lambda: "nobody used it" in self.text("message-text"))


class Restart(InspectorTest):
    # Requests that the page makes while nobody answers, and for the session that is gone.
    allowed_complaints = ("ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY_RESPONSE", "404", "503")

    def test_the_page_comes_back_by_itself(self):
        self.open()
        self.new_session()
        wait(lambda: self.text("connection") == "live")
        self.server.stop()
        wait(lambda: "trying again" in self.text("connection"))
        self.server.start()
        # The session was in the memory of the server that is gone.
        wait(lambda: self.text("connection") == "session over")
        wait(lambda: "kept in the memory of a server" in self.text("message-text"))
        self.new_session()
        self.assertEqual(self.run_sequence(length=3), "Copied: 0 of 24 bits wrong")


class Branches(InspectorTest):
    def test_a_branch_is_what_the_api_gives_for_the_other_input(self):
        self.open()
        original = self.new_session()
        self.run_sequence(length=6, seed=2)
        inputs = self.inputs()
        self.set("shown", 3)
        self.press("What if")
        self.press("What-if input 0")
        self.press("Branch")
        wait(lambda: "differ from the original" in self.text("result"))
        address = self.browser.find_element(
            "css selector", '[data-side="branch"] code').text
        self.assertNotEqual(address, original)
        other = [list(vector) for vector in inputs]
        other[3][0] = 1 - other[3][0]
        replayed, results = self.server.replay(other, ["output", "write_weightings"])
        memories = [
            self.server.ask("GET", f"/sessions/{name}/memory") for name in (address, replayed)
        ]
        self.assertEqual(memories[0]["step"], len(inputs))
        self.assertEqual(memories[0]["memory"], memories[1]["memory"])
        _, before = self.server.replay(inputs, ["output", "write_weightings"])
        # The past is shared, the future is not, and each side shows its own.
        outputs = [[result["output"] for result in side] for side in (before, results)]
        self.assertEqual(outputs[0][:3], outputs[1][:3])
        self.assertNotEqual(outputs[0][3:], outputs[1][3:])
        for side, steps in (("original", before), ("branch", results)):
            self.assert_weightings(
                "write-0", [result["write_weightings"][0] for result in steps],
                f'[data-side="{side}"]')
        past = [self.picture("output", f'[data-side="{side}"]') for side in ("original", "branch")]
        columns = [[[row[step] for row in rows] for step in range(13)] for _, rows in past]
        self.assertEqual(columns[0][:3], columns[1][:3])
        self.assertNotEqual(columns[0][3:], columns[1][3:])
        bits = [
            (a >= 0.5) != (b >= 0.5)
            for old, new in zip(before[7:], results[7:])
            for a, b in zip(old["output"], new["output"])
        ]
        self.assertIn(f"{sum(bits)} of {len(bits)} bits differ", self.text("result"))


class Inputs(InspectorTest):
    def test_pasted_inputs_are_taken_and_wrong_ones_named(self):
        self.open()
        session = self.new_session()
        self.set("speed", 7)
        self.browser.execute_script("document.getElementById('by-hand').open = true")
        rows = [[1, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0.5, 0, 0, 0, 0, 0, 0, 1]]
        for text in (
            "\n".join(",".join(map(str, row)) for row in rows),
            f'{rows[0]}\n{{"input": {rows[1]}}}\n',
        ):
            before = self.server.ask("GET", f"/sessions/{session}")["step"]
            self.set("own-inputs", text)
            self.press("Use these inputs")
            wait(lambda: self.text("result") == "2 inputs taken.")
            self.assertEqual(
                self.server.ask("GET", f"/sessions/{session}")["step"], before + 2)
            self.browser.execute_script("document.getElementById('result').textContent = ''")
        for text, part in (
            ("1,0,0,0,0,0,0,0,0\n1,2\n", "Line 2: there are 2 values; the model takes 9"),
            ("1,0,0,0,x,0,0,0,0", 'Line 1: value 5 is “x”'),
            ("[1]\n", "Line 1: there is 1 value; the model takes 9"),
            ("", "there are no inputs"),
        ):
            self.set("own-inputs", text)
            self.press("Use these inputs")
            wait(lambda: part.lower() in self.text("message-text").lower())
        self.assertEqual(self.server.ask("GET", f"/sessions/{session}")["step"], 4)

    def test_a_dropped_file(self):
        self.open()
        session = self.new_session()
        self.browser.execute_script("document.getElementById('by-hand').open = true")
        self.browser.execute_script(
            """
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(['[1,0,0,0,0,0,0,0,0]\\n'.repeat(3)], 'three.ndjson'));
            document.getElementById('own-inputs').dispatchEvent(
              new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
            """)
        wait(lambda: self.text("result") == "3 inputs taken.")
        self.assertEqual(self.server.ask("GET", f"/sessions/{session}")["step"], 3)

    def test_a_vector_by_hand(self):
        self.open()
        session = self.new_session()
        self.browser.execute_script("document.getElementById('by-hand').open = true")
        self.press("Input 2")
        self.press("Send")
        wait(lambda: self.text("shown-text") == "1 of 1")
        _, results = self.server.replay([[0, 0, 1, 0, 0, 0, 0, 0, 0]], [])
        memories = [
            self.server.ask("GET", f"/sessions/{name}/memory")["memory"]
            for name in (session, results[0]["session"])
        ]
        self.assertEqual(memories[0], memories[1])
