"""What the tests of the page share: servers of their own, a browser, and how people find things."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import unittest
import urllib.request

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from colours import is_weighting

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXECUTABLE = os.environ["NTM_EXECUTABLE"]
SCREENSHOTS = pathlib.Path(os.environ.get("NTM_SCREENSHOTS", ROOT / ".build/inspector/screenshots"))
PATIENCE = 30
# A cell of a step that is still to come: nothing, which canvases have as transparent black.
EMPTY = [0, 0, 0]


class Server:
    """A server with the shipped models on a port of its own."""

    def __init__(self, *options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.options = options
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [EXECUTABLE, "serve", "--models", str(ROOT / "Models"), "--port", str(self.port),
             "--store", "memory"]
            + list(self.options),
            stderr=subprocess.DEVNULL,
        )

        def answers():
            assert self.process.poll() is None, "the server has ended"
            try:
                return urllib.request.urlopen(f"{self.url}/livez").status == 200
            except OSError:
                return False

        wait(answers)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0

    def ask(self, method, path, body=None):
        """The reply as JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request) as reply:
            text = reply.read()
            return json.loads(text) if text else None

    def replay(self, inputs, fields, model="copy"):
        """What a new session gives for these inputs: its id, and a result for each."""
        session = self.ask("POST", "/sessions", {"model": model})["id"]
        body = {"inputs": inputs, "return": fields}
        return session, self.ask("POST", f"/sessions/{session}/step", body)["steps"]


def wait(condition, patience=PATIENCE):
    """Until it holds; gives what it gave."""
    return WebDriverWait(None, patience, 0.05).until(lambda _: condition())


def new_browser(*arguments, downloads=None):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000",
        "--force-device-scale-factor=1", "--force-color-profile=srgb",
    ) + arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if downloads:
        options.add_experimental_option("prefs", {"download.default_directory": downloads})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


class InspectorTest(unittest.TestCase):
    """A test with a browser of its own and a server; nothing may go elsewhere or go wrong unseen."""

    server_options = ()
    browser_arguments = ()
    # What the browser may complain of: replies that the test asks for.
    allowed_complaints = ()

    def setUp(self):
        self.server = Server(*self.server_options)
        self.addCleanup(self.server.kill)
        self.downloads = tempfile.TemporaryDirectory()
        self.addCleanup(self.downloads.cleanup)
        self.browser = new_browser(*self.browser_arguments, downloads=self.downloads.name)
        self.addCleanup(self.browser.quit)
        self.addCleanup(self.look_back)

    def look_back(self):
        """Before the browser goes: a picture, what it complained of, and whom it asked."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(SCREENSHOTS / f"{self.id()}.png"))
        complaints = [
            entry["message"]
            for entry in self.browser.get_log("browser")
            if not any(allowed in entry["message"] for allowed in self.allowed_complaints)
        ]
        self.assertEqual(complaints, [])
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                own = (self.server.url + "/", "data:", f"blob:{self.server.url}/", "chrome://")
                self.assertTrue(url.startswith(own), url)

    def open(self, address="/"):
        self.browser.get(self.server.url + address)

    def element(self, identifier):
        return self.browser.find_element(By.ID, identifier)

    def text(self, identifier):
        return self.element(identifier).text

    def button(self, name):
        """The button that is in view under this name."""

        def found():
            for button in self.browser.find_elements(By.TAG_NAME, "button"):
                if button.is_displayed() and button.is_enabled() and button.accessible_name == name:
                    return button
            return None

        return wait(found)

    def press(self, name):
        button = self.button(name)
        # The bar with the shown step stays at the top and would lie over it.
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def set(self, identifier, value):
        """Moves a slider or fills a field as a person would have it in the end, and lets the page draw
        what comes of it, which it does with the next frame."""
        self.browser.execute_async_script(
            "const [e, v, done] = arguments; e.value = v;"
            "for (const n of ['input', 'change']) e.dispatchEvent(new Event(n, {bubbles: true}));"
            "requestAnimationFrame(() => requestAnimationFrame(done));",
            self.element(identifier), value)

    def new_session(self, model="copy"):
        """Made by its button; gives the id."""
        self.press(f"New session of {model}")
        wait(lambda: self.element("drive").is_displayed())
        return self.browser.current_url.split("#")[1]

    def run_sequence(self, **settings):
        """A sequence at top speed; gives what the page says of it."""
        self.set("speed", 7)
        for name, value in settings.items():
            self.set("seed" if name == "seed" else f"setting-{name}", value)
        # What it said of the sequence before.
        self.browser.execute_script("document.getElementById('result').textContent = ''")
        self.press("New random sequence")
        wait(lambda: "bits wrong" in self.text("result"))
        return self.text("result")

    def curl(self):
        """The lines that the page gives for a shell."""
        self.press("curl lines")
        return wait(lambda: self.element("curl").get_attribute("value"))

    def inputs(self):
        """What the page says was given to the session."""
        lines = self.curl().split("<<'EOF'\n")[1].split("EOF")[0]
        return [json.loads(line) for line in lines.splitlines()]

    def picture(self, panel, side=""):
        """A heat map's cells: (first row, rows of (red, green, blue)), a column for each step."""
        return self.browser.execute_script(
            """
            const figure = document.querySelector(`${arguments[1]} figure[data-panel="${arguments[0]}"]`);
            const canvas = figure.querySelector('canvas.cells');
            const { width, height } = canvas;
            const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
            const rows = [];
            for (let row = 0; row < height; row += 1) {
              rows.push(Array.from({ length: width }, (_, column) =>
                [...data.slice(4 * (row * width + column), 4 * (row * width + column) + 3)]));
            }
            return [Number(canvas.dataset.firstRow ?? figure.dataset.firstRow ?? 0), rows];
            """, panel, side)

    def assert_weightings(self, panel, vectors, side=""):
        """A column for each vector, none more, and each cell in the colour of its number."""
        first, rows = self.picture(panel, side)
        self.assertGreaterEqual(len(rows[0]), len(vectors))
        for row, colours in enumerate(rows):
            self.assertTrue(all(colour == EMPTY for colour in colours[len(vectors):]))
            for step, (colour, vector) in enumerate(zip(colours, vectors), start=1):
                share = vector[(first + row) % len(vector)]
                self.assertTrue(is_weighting(colour, share), (panel, step, row, share, colour))

    def download(self, name, ending):
        """Press a button and return the complete file with this ending that it saves."""
        folder = pathlib.Path(self.downloads.name)
        before = set(folder.iterdir())
        self.press(name)

        def saved():
            # Chromium writes to a temporary name, which may be hidden, and then renames. It reserves
            # the final name with an empty file.
            return [
                file for file in set(folder.iterdir()) - before
                if file.name.endswith(ending) and not file.name.startswith(".")
                and file.stat().st_size > 0
            ]

        return wait(saved)[0]
