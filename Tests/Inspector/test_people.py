"""That everybody can use it: keys, the keyboard, screens of any size, and whoever doesn't see it."""

import importlib.resources
import json
import tempfile

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from harness import InspectorTest, wait

AXE = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text()


class Keyed(InspectorTest):
    allowed_complaints = ("401",)

    def setUp(self):
        keys = tempfile.NamedTemporaryFile("w", suffix=".keys")
        keys.write("reader: 0123456789abcdef0123456789abcdef\n")
        keys.flush()
        self.addCleanup(keys.close)
        self.server_options = ("--api-key-file", keys.name)
        super().setUp()

    def give(self, key):
        wait(lambda: self.element("key").is_displayed())
        self.element("key").send_keys(key)
        self.press("Use this key")

    def test_a_key_is_asked_for_and_kept_for_the_tab(self):
        self.open()
        self.give("wrong")
        wait(lambda: "none of this server's" in self.text("key-why"))
        self.give("0123456789abcdef0123456789abcdef")
        self.new_session()
        self.assertEqual(self.run_sequence(length=2), "Copied: 0 of 16 bits wrong")
        self.assertNotIn("0123456789abcdef", self.curl())
        kept = self.browser.execute_script(
            "return [Object.values(sessionStorage).length, localStorage.length, document.cookie]")
        self.assertEqual(kept, [1, 0, ""])
        # The same tab is not asked again, another one is.
        self.browser.refresh()
        self.button("New session of copy")
        self.browser.switch_to.new_window("tab")
        self.open()
        wait(lambda: self.element("key").is_displayed())


class Keyboard(InspectorTest):
    def press_keys(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def tab_to(self, name):
        for _ in range(60):
            self.press_keys(Keys.TAB)
            if self.browser.switch_to.active_element.accessible_name == name:
                return
        self.fail(f"{name} is not reached by the tabulator")

    def test_the_copy_task_without_a_mouse(self):
        self.open()
        self.button("New session of copy")
        self.tab_to("New session of copy")
        self.press_keys(Keys.ENTER)
        wait(lambda: self.element("drive").is_displayed())
        self.tab_to("New random sequence")
        self.press_keys(Keys.SPACE)
        self.tab_to("Speed")
        self.press_keys(Keys.END)
        wait(lambda: "bits wrong" in self.text("result"))
        self.assertEqual(self.text("result"), "Copied: 0 of 160 bits wrong")
        self.tab_to("Step shown")
        self.press_keys(Keys.HOME)
        wait(lambda: self.text("shown-text").startswith("1 of"))
        self.press_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        wait(lambda: self.text("shown-text").startswith("3 of"))


class Screens(InspectorTest):
    def test_nothing_lies_beside_the_screen(self):
        for width in (375, 768, 1280, 2560):
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
            self.open()
            self.new_session()
            self.run_sequence(length=8)
            across = self.browser.execute_script("return document.documentElement.scrollWidth")
            self.assertLessEqual(across, width)
            self.assertTrue(self.button("New random sequence").is_displayed())
            panel = self.browser.find_element("css selector", '[data-panel="write-0"]')
            self.assertGreater(panel.size["width"], 250)
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


class Accessibility(InspectorTest):
    def check(self, when):
        self.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})
        violations = self.browser.execute_async_script(
            "const done = arguments[0]; axe.run(document).then((r) => done(r.violations.map("
            "(v) => [v.id, v.help, ...v.nodes.slice(0, 3).map((n) => n.html)])));")
        self.assertEqual(violations, [], when + "\n" + json.dumps(violations, indent=1))

    def test_axe_finds_nothing(self):
        for scheme in ("light", "dark"):
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
                "features": [{"name": "prefers-color-scheme", "value": scheme}]})
            self.open()
            self.button("New session of copy")
            self.check(f"{scheme}, at the start")
            self.new_session()
            self.run_sequence(length=5)
            self.check(f"{scheme}, after a run")
            self.set("shown", 3)
            self.press("What if")
            self.check(f"{scheme}, at a question")
            self.press("Branch")
            wait(lambda: "differ from the original" in self.text("result"))
            self.press("curl lines")
            self.check(f"{scheme}, with a branch and curl lines")


class Long(InspectorTest):
    def shown(self):
        return self.text("shown-text").replace(",", "")

    def test_a_step_costs_the_same_after_many(self):
        """Counts what is drawn for a new step, in pixels and calls."""
        self.open()
        session = self.new_session()
        self.set("speed", 7)
        self.browser.execute_script(
            """
            window.drawn = 0;
            const { prototype } = CanvasRenderingContext2D;
            const area = (width, height) => Math.abs(width * height);
            const pixels = {
              putImageData: (image, x, y, left, top, width = image.width, height = image.height) =>
                area(width, height),
              drawImage: (image, ...at) => area(
                ...(at.length > 2 ? at.slice(at.length === 4 ? 2 : 6) : [image.width, image.height])),
              fillRect: (x, y, width, height) => area(width, height),
              lineTo: () => 1,
              arc: () => 1,
            };
            for (const [name, count] of Object.entries(pixels)) {
              const own = prototype[name];
              prototype[name] = function (...all) {
                window.drawn += count(...all);
                return own.apply(this, all);
              };
            }
            """)
        costs = []
        for total in (200, 10_000):
            step = self.server.ask("GET", f"/sessions/{session}")["step"]
            self.set("own-inputs", "0 0 0 0 0 0 0 0 1\n" * (total - step))
            self.browser.execute_script(
                "document.getElementById('by-hand').open = true;"
                "document.getElementById('use-inputs').click()")
            # On a busy machine this takes long, which is not what is tested here.
            wait(lambda: self.shown().startswith(f"{total} of {total}"), 300)
            wait(lambda: "taken" in self.text("result"), 300)
            few = []
            for extra in range(1, 6):
                self.browser.execute_script("window.drawn = 0")
                self.server.ask(
                    "POST", f"/sessions/{session}/step", {"input": [0] * 9, "return": []})
                wait(lambda: self.shown().startswith(f"{total + extra} of"))
                few.append(self.browser.execute_script(
                    "return new Promise((done) => requestAnimationFrame(() => "
                    "requestAnimationFrame(() => done(window.drawn))))"))
            costs.append(sorted(few)[2])
        # Where the axis grows, all is drawn again: the middle of five is a step alone.
        self.assertGreater(costs[0], 0)
        self.assertLess(costs[1], 1.5 * costs[0])
