"""A headless Chromium for tests of the dashboard, and how to wait in it."""

import base64
import pathlib
import shutil
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

WAIT_SECONDS = 30
# What keeps it from looking for hosts outside.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")


class Browser:
    def __init__(self, origin):
        self.origin = origin
        self.profile = tempfile.mkdtemp(prefix="entente-chromium-")
        options = Options()
        for flag in (*FLAGS, f"--user-data-dir={self.profile}"):
            options.add_argument(flag)
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.size(1280, 800)

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def load(self, fragment=""):
        """A page from nothing, as for somebody who follows a link."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.origin}/#/{fragment}")
        self.settled(fragment)

    def open(self, fragment=""):
        """Goes where a link would go. What was open before is left, dialogs too."""
        self.run("document.querySelectorAll('dialog[open]').forEach(d => d.close()); location.hash = arguments[0]", f"#/{fragment}")
        self.settled(fragment)

    def settled(self, fragment):
        """Waits until the page is the one of `fragment` and has read everything that it shows."""
        self.until(lambda: self.run("""
            const main = document.getElementById('main');
            return main && main.dataset.route === arguments[0] && main.getAttribute('aria-busy') === 'false';
            """, f"#/{fragment}"), f"the page of {fragment!r} is complete")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def theme(self, name):
        self.run("localStorage.setItem('theme', arguments[0]); document.documentElement.dataset.theme = arguments[0]", name)

    def language(self, code):
        """Every page from here on is in this language."""
        if self.run("return document.documentElement.lang") != code:
            self.run("localStorage.setItem('language', arguments[0])", code)
            self.load()

    def text(self):
        return self.run("return document.body.innerText")

    def until(self, good, what, seconds=WAIT_SECONDS):
        """Asks until `good` is true, and returns what it gave; what is being redrawn is asked again."""
        deadline = time.monotonic() + seconds
        seen = None
        while time.monotonic() < deadline:
            try:
                seen = good()
                if seen:
                    return seen
            except Exception as error:  # noqa: BLE001 - an element that went away while it was looked at.
                seen = error
            time.sleep(0.05)
        raise AssertionError(f"{what}: not after {seconds} s; the page says:\n{self.text()}\n({seen})")

    def sees(self, *words, seconds=WAIT_SECONDS):
        for word in words:
            self.until(lambda w=word: w in self.text(), f"the page shows {word!r}", seconds)

    def find(self, css):
        return self.until(lambda: self.driver.find_element(By.CSS_SELECTOR, css), f"there is {css}")

    def button(self, label, within=""):
        """Presses the button that says `label`."""
        def press():
            found = self.run("""
                return [...document.querySelectorAll(arguments[0])].find(b => b.innerText.trim() === arguments[1] && !b.disabled
                  && b.checkVisibility())""", f"{within} button", label)
            if found:
                found.click()
            return found
        self.until(press, f"the button {label!r} can be pressed")

    def type(self, label, text):
        """Into the field of the open dialog, or of the page, whose label begins with `label`."""
        def write():
            field = self.run("""
                const fields = [...document.querySelectorAll('dialog label'), ...document.querySelectorAll('label')];
                const one = fields.find(l => l.innerText.startsWith(arguments[0]) && l.checkVisibility());
                return one && one.querySelector('input, textarea')""", label)
            if field is None:
                return False
            field.clear()
            field.send_keys(text)
            return field.get_attribute("value") == text
        self.until(write, f"there is a field {label!r}")

    def accessibility(self, axe):
        """What axe-core, whose text is given, finds serious on the page as it is."""
        if not self.run("return 'axe' in window"):
            self.run(axe)
        found = self.driver.execute_async_script("""
            const done = arguments[0];
            axe.run(document, {resultTypes: ['violations'], rules: {'label-content-name-mismatch': {enabled: true}}})
              .then(r => done(r.violations), e => done([{id: String(e), impact: 'critical', nodes: []}]))""")
        return [(one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:5]])
                for one in found if one["impact"] in ("serious", "critical")]

    def complaints(self):
        """What the browser objected to: scripts that failed, anything that the content policy forbids."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and ("Security Policy" in entry["message"] or "Uncaught" in entry["message"])]

    def save(self, path):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))

    def save_small(self, path):
        """As a picture for a document: a few tens of KiB."""
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 70})
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)
