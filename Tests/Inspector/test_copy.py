"""The copy task: two buttons, and the README's picture of it."""

from PIL import Image

from harness import ROOT, InspectorTest


class Copy(InspectorTest):
    def test_two_buttons_show_the_copy_task_solved(self):
        self.open()
        self.new_session()
        self.assertEqual(self.run_sequence(length=20), "Copied: 0 of 160 bits wrong")

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
