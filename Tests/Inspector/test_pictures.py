"""The pictures are what the API gave: every cell's colour is its number's."""

from colours import luminance
from harness import InspectorTest, wait


class Pictures(InspectorTest):
    def setUp(self):
        super().setUp()
        self.open()
        self.session = self.new_session()

    def replayed(self, *fields):
        return self.server.replay(self.inputs(), list(fields))[1]

    def test_weightings(self):
        self.run_sequence(length=12, seed=3)
        results = self.replayed("read_weightings", "write_weightings")
        self.assertEqual(len(results), 25)
        for kind in ("read", "write"):
            vectors = [result[f"{kind}_weightings"][0] for result in results]
            shares = [share for vector in vectors for share in vector]
            # The pictures that are compared have something in them.
            self.assertGreater(max(shares), 0.95)
            self.assert_weightings(f"{kind}-0", vectors)
            self.set("locations", "all")
            self.assert_weightings(f"{kind}-0", vectors)
            self.assertEqual(len(self.picture(f"{kind}-0")[1]), 128)
            self.set("locations", "used")

    def test_what_the_memory_held_after_a_step(self):
        self.run_sequence(length=6, seed=4)
        results = self.replayed("memory")
        for step in (13, 4):
            self.set("shown", step)
            self.assert_matrix("memory", results[step - 1]["memory"])

    def test_what_a_step_wrote(self):
        self.run_sequence(length=6, seed=4)
        result = self.replayed("write_weightings", "heads")[2]
        self.set("shown", 3)
        add = next(head["add"] for head in result["heads"] if "add" in head)
        self.assert_matrix(
            "written",
            [[share * value for value in add] for share in result["write_weightings"][0]])

    def test_the_numbers_of_the_shown_step(self):
        self.run_sequence(length=4, seed=5)
        results = self.replayed("write_weightings")
        panel = self.browser.find_element("css selector", '[data-panel="write-0"]')
        for step in (2, 4):
            self.set("shown", step)
            vector = results[step - 1]["write_weightings"][0]
            peak = max(range(len(vector)), key=vector.__getitem__)
            said = f"Step {step}, peak at {peak}: {vector[peak]:.3f}"
            wait(lambda: panel.find_element("class name", "readout").text == said)

    def assert_matrix(self, panel, matrix):
        """Orange for what is below zero, blue above, and the darker the greater.

        In the light scheme, on which browsers without another wish agree.
        """
        first, rows = self.picture(panel)
        self.assertEqual(len(rows[0]), len(matrix[0]))
        cells = [
            (matrix[(first + row) % len(matrix)][column], colour)
            for row, colours in enumerate(rows)
            for column, colour in enumerate(colours)
        ]
        for sign in (-1, 1):
            ordered = sorted(
                (sign * value, colour) for value, colour in cells if sign * value >= 0)
            greatest = ordered[-1][0]
            self.assertGreater(greatest, 0.5, "there is nothing to be seen")
            darkest = 255
            for value, colour in ordered:
                self.assertLessEqual(luminance(colour), darkest + 1, (panel, sign * value, colour))
                darkest = min(darkest, luminance(colour))
                if value < 0.005 * greatest:
                    self.assertGreater(min(colour), 240, (panel, sign * value, colour))
                if value > 0.2 * greatest:
                    self.assertGreater(
                        sign * (colour[2] - colour[0]), 0, (panel, sign * value, colour))
