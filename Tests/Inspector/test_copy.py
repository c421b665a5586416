"""The copy task: two buttons, and the picture is what the API gave."""

import csv
import json
import subprocess
import xml.etree.ElementTree
from io import StringIO

from PIL import Image

from harness import ROOT, InspectorTest

# viridis at eighths, as matplotlib and R publish it.
VIRIDIS = [
    (0x44, 0x01, 0x54), (0x47, 0x2D, 0x7B), (0x3B, 0x52, 0x8B), (0x2C, 0x72, 0x8E),
    (0x21, 0x91, 0x8C), (0x28, 0xAE, 0x80), (0x5E, 0xC9, 0x62), (0xAD, 0xDC, 0x30),
    (0xFD, 0xE7, 0x25),
]


def viridis(value):
    place = value * (len(VIRIDIS) - 1)
    low = min(int(place), len(VIRIDIS) - 2)
    return [a + (b - a) * (place - low) for a, b in zip(VIRIDIS[low], VIRIDIS[low + 1])]


class Copy(InspectorTest):
    def test_two_buttons_show_the_copy_task_solved(self):
        self.open()
        self.new_session()
        self.assertEqual(self.run_sequence(length=20), "Copied: 0 of 160 bits wrong")

    def test_the_weightings_are_those_of_the_api(self):
        self.open()
        self.new_session()
        self.run_sequence(length=12, seed=3)
        _, results = self.server.replay(
            self.inputs(), ["read_weightings", "write_weightings"])
        for kind in ("read", "write"):
            first, rows = self.picture(f"{kind}-0")
            self.assertEqual(len(rows[0]), 25)
            seen = set()
            for row, colours in enumerate(rows):
                for step, colour in enumerate(colours):
                    weighting = results[step][f"{kind}_weightings"][0]
                    value = weighting[(first + row) % len(weighting)]
                    seen.add(round(value, 1))
                    tolerance = 2 if value in (0, 1) else 15
                    for got, expected in zip(colour, viridis(value)):
                        self.assertLessEqual(
                            abs(got - expected), tolerance, (kind, step, row, value, colour))
            # Neither all dark nor all bright.
            self.assertTrue({0.0, 1.0} <= seen, seen)

    def test_what_it_wrote_is_in_the_memory_panel(self):
        self.open()
        session = self.new_session()
        self.run_sequence(length=6, seed=4)
        memory = self.server.ask("GET", f"/sessions/{session}/memory")["memory"]
        first, rows = self.picture("memory")
        positive, negative = [], []
        for row, colours in enumerate(rows):
            for column, (red, _, blue) in enumerate(colours):
                value = memory[(first + row) % len(memory)][column]
                if abs(value) > 0.5:
                    (positive if value > 0 else negative).append(blue - red)
        self.assertGreater(len(positive), 20)
        self.assertGreater(len(negative), 20)
        # Blue for what is above zero, orange below.
        self.assertGreater(min(positive), 0)
        self.assertLess(max(negative), 0)

    def test_the_curl_lines_do_the_same(self):
        self.open()
        session = self.new_session()
        self.run_sequence(length=5, seed=5)
        run = subprocess.run(["bash", "-c", self.curl()], capture_output=True, text=True, check=True)
        results = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual([result["step"] for result in results], list(range(1, 12)))
        again = results[0]["session"]
        memories = [
            self.server.ask("GET", f"/sessions/{name}/memory")["memory"] for name in (session, again)
        ]
        self.assertEqual(memories[0], memories[1])

    def test_data_and_pictures_can_be_taken_away(self):
        self.open()
        self.new_session()
        self.run_sequence(length=4, seed=6)
        _, results = self.server.replay(self.inputs(), ["output", "write_weightings"])
        for what, values in (
            ("outputs", [result["output"] for result in results]),
            ("write_weightings", [result["write_weightings"][0] for result in results]),
        ):
            self.set("csv-what", what)
            rows = list(csv.reader(StringIO(self.download("Data as CSV", f"_{what}.csv").read_text())))
            self.assertEqual(rows[0][0], "step")
            self.assertEqual([int(row[0]) for row in rows[1:]], list(range(1, 10)))
            self.assertEqual([[float(cell) for cell in row[1:]] for row in rows[1:]], values)
        picture = xml.etree.ElementTree.parse(self.download("SVG of Write weighting", ".svg")).getroot()
        self.assertTrue(picture.tag.endswith("}svg"))
        self.assertIn("Write weighting", "".join(picture.itertext()))
        with Image.open(self.download("PNG of Write weighting", ".png")) as image:
            colours = {colour[:3] for _, colour in image.convert("RGBA").getcolors(1 << 24)}
        for end in (VIRIDIS[0], VIRIDIS[-1]):
            self.assertTrue(
                any(max(abs(a - b) for a, b in zip(end, colour)) <= 6 for colour in colours), end)

    def test_the_readme_shows_it(self):
        self.browser.set_window_size(1280, 1190)
        self.open()
        self.new_session()
        self.run_sequence(length=20, seed=1)
        self.browser.execute_script("document.activeElement.blur()")
        target = ROOT / "docs/inspector.png"
        shot = ROOT / ".build/inspector/inspector.png"
        shot.parent.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(shot))
        with Image.open(shot) as image:
            image.convert("RGB").save(shot, optimize=True)
        self.assertLess(shot.stat().st_size, 250_000)
        # The one that is committed was made so; fonts differ from machine to machine.
        with Image.open(shot) as new, Image.open(target) as old:
            self.assertEqual(new.width, old.width)
