"""Every model that is shipped does its task on the page."""

import re

from harness import InspectorTest, wait


# Of what a model got wrong in its evaluation, so much may be wrong in a single sequence.
LUCK = 1.5


class Tasks(InspectorTest):
    def test_a_sequence_of_each(self):
        self.open()
        for model in self.server.ask("GET", "/models")["models"]:
            name = model["name"]
            with self.subTest(name):
                session = self.new_session(name)
                said = self.run_sequence(seed=1)
                wrong, bits = map(int, re.search(r"(\d+) of (\d+) bits wrong", said).groups())
                self.assertGreater(bits, 0)
                # Where the model makes no mistakes, the page may show none.
                evaluated = model["training"]["evaluation"]["sets"][0]
                share = evaluated["wrong_bits"] / evaluated["bits"]
                self.assertLessEqual(wrong, LUCK * share * bits, said)
                inputs = self.inputs()
                self.assertEqual(
                    self.server.ask("GET", f"/sessions/{session}")["step"], len(inputs))
                # The same seed gives the same sequence, another gives another.
                self.run_sequence(seed=1)
                wait(lambda: self.inputs() == inputs)
                self.run_sequence(seed=2)
                self.assertNotEqual(self.inputs(), inputs)
