"""What the page gives to take away: data, pictures, and the requests that made them."""

import base64
import csv
import io
import json
import re
import subprocess
import xml.etree.ElementTree

from PIL import Image

from colours import is_weighting
from harness import InspectorTest

SVG = "{http://www.w3.org/2000/svg}"
# Pixels of a PNG for each unit of the SVG.
PNG_SCALE = 2


class TakeAway(InspectorTest):
    def setUp(self):
        super().setUp()
        self.open()
        self.session = self.new_session()
        self.run_sequence(length=4, seed=6)

    def replayed(self, *fields):
        return self.server.replay(self.inputs(), list(fields))[1]

    def table(self, what):
        self.set("csv-what", what)
        text = self.download("Data as CSV", f"_{what}.csv").read_text()
        header, *rows = csv.reader(io.StringIO(text))
        for row in rows:
            self.assertEqual(len(row), len(header))
        return header, rows

    def test_the_data_are_those_of_the_api(self):
        inputs = self.inputs()
        results = self.replayed("output", "read_weightings", "write_weightings", "heads")
        for what, values in (
            ("inputs", inputs),
            ("outputs", [result["output"] for result in results]),
            ("read_weightings", [result["read_weightings"][0] for result in results]),
            ("write_weightings", [result["write_weightings"][0] for result in results]),
        ):
            header, rows = self.table(what)
            self.assertEqual(header[0], "step")
            self.assertEqual([int(row[0]) for row in rows], list(range(1, 10)))
            self.assertEqual([[float(cell) for cell in row[1:]] for row in rows], values, what)
        header, rows = self.table("heads")
        for row, result in zip(rows, results, strict=True):
            told = dict(zip(header, row))
            for index, head in enumerate(result["heads"]):
                for parameter in ("strength", "gate", "sharpening"):
                    self.assertEqual(float(told[f"head_{index}_{parameter}"]), head[parameter])
                shift = [float(told[f"head_{index}_shift_{tap}"]) for tap in (-1, 0, 1)]
                self.assertEqual(shift, head["shift"])
                key = [float(told[f"head_{index}_key_{at}"]) for at in range(len(head["key"]))]
                self.assertEqual(key, head["key"])

    def test_the_targets_are_what_was_to_be_copied(self):
        _, rows = self.table("targets")
        self.assertEqual([int(row[0]) for row in rows], [6, 7, 8, 9])
        self.assertEqual(
            [[float(cell) for cell in row[1:]] for row in rows],
            [vector[:8] for vector in self.inputs()[:4]])

    def test_the_memory_after_the_last_step(self):
        _, rows = self.table("memory")
        memory = self.server.ask("GET", f"/sessions/{self.session}/memory")["memory"]
        last = [row for row in rows if row[0] == "9"]
        self.assertEqual([int(row[1]) for row in last], list(range(len(memory))))
        self.assertEqual([[float(cell) for cell in row[2:]] for row in last], memory)

    def test_the_pictures_have_the_cells(self):
        vectors = [result["write_weightings"][0] for result in self.replayed("write_weightings")]
        first, rows = self.picture("write-0")
        wanted = [
            [vector[(first + row) % len(vector)] for vector in vectors] for row in range(len(rows))
        ]
        svg = xml.etree.ElementTree.parse(self.download("SVG of Write weighting", ".svg")).getroot()
        self.assertEqual(svg.tag, f"{SVG}svg")
        self.assertEqual(svg.find(f"{SVG}title").text, "Write weighting")
        group = next(
            group for group in svg.iter(f"{SVG}g") if group.find(f"{SVG}image") is not None)
        cells = group.find(f"{SVG}image")
        content = base64.b64decode(cells.get("href").removeprefix("data:image/png;base64,"))
        with Image.open(io.BytesIO(content)) as image:
            columns = len(rows[0])
            self.assertEqual(image.size, (columns, len(rows)))
            picture = image.convert("RGB")
            self.assert_cells(wanted, lambda column, row: picture.getpixel((column, row)))
        left, top = map(float, re.fullmatch(
            r"translate\(([\d.]+) ([\d.]+)\)", group.get("transform")).groups())
        width = float(cells.get("width")) / columns
        height = float(cells.get("height")) / len(rows)
        with Image.open(self.download("PNG of Write weighting", ".png")) as image:
            self.assertEqual(image.width, round(PNG_SCALE * float(svg.get("width"))))
            picture = image.convert("RGB")
            self.assert_cells(wanted, lambda column, row: picture.getpixel((
                int(PNG_SCALE * (left + (column + 0.5) * width)),
                int(PNG_SCALE * (top + (row + 0.5) * height)))))

    def assert_cells(self, wanted, colour_at):
        for row, shares in enumerate(wanted):
            for column, share in enumerate(shares):
                colour = colour_at(column, row)
                self.assertTrue(is_weighting(colour, share), (column, row, share, colour))

    def test_the_curl_lines_do_the_same(self):
        run = subprocess.run(
            ["bash", "-c", self.curl()], capture_output=True, text=True, check=True)
        results = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual([result["step"] for result in results], list(range(1, 10)))
        self.assertNotEqual(results[0]["session"], self.session)
        _, rows = self.table("outputs")
        self.assertEqual(
            [result["output"] for result in results],
            [[float(cell) for cell in row[1:]] for row in rows])
        memories = [
            self.server.ask("GET", f"/sessions/{session}/memory")["memory"]
            for session in (self.session, results[0]["session"])
        ]
        self.assertEqual(memories[0], memories[1])
