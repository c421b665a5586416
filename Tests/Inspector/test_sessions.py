"""Sessions that others step, that end, and servers that come and go."""

import subprocess

from harness import InspectorTest, wait

INPUT = [1, 0, 1, 0, 0, 1, 1, 0, 0]


class Watching(InspectorTest):
    def test_the_picture_moves_while_another_process_steps(self):
        session = self.server.ask("POST", "/sessions", {"model": "copy"})["id"]
        self.open()
        self.press(f"Open session {session}")
        wait(lambda: self.text("connection") == "live")
        for count in range(1, 6):
            subprocess.run(
                ["curl", "-fsS", "-o", "/dev/null", f"{self.server.url}/sessions/{session}/step",
                 "-d", f'{{"input": {INPUT}}}'], check=True)
            wait(lambda: self.text("shown-text") == f"{count} of {count}")
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
        wait(lambda: "sessions live in memory" in self.text("message-text"))
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
        replayed, results = self.server.replay(other, ["output"])
        memories = [
            self.server.ask("GET", f"/sessions/{name}/memory") for name in (address, replayed)
        ]
        self.assertEqual(memories[0]["step"], len(inputs))
        self.assertEqual(memories[0]["memory"], memories[1]["memory"])
        # The past is shared, the future is not: one bit of what comes back differs.
        pictures = {
            side: self.picture("output", f'[data-side="{side}"]')[1]
            for side in ("original", "branch")
        }
        for column in range(3):
            for row in range(8):
                self.assertEqual(
                    pictures["original"][row][column], pictures["branch"][row][column])
        self.assertNotEqual(pictures["original"][0][10], pictures["branch"][0][10])
        _, before = self.server.replay(inputs, ["output"])
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
