"""A headless Chromium for tests of the dashboard, and how to wait in it."""

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

    def open(self, fragment=""):
        self.driver.get("about:blank")
        self.driver.get(f"{self.origin}/#/{fragment}")

    def setting(self, **values):
        for name, value in values.items():
            self.driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", name, value)

    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

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
            for one in self.driver.find_elements(By.CSS_SELECTOR, f"{within} button"):
                if one.text == label and one.is_enabled() and one.is_displayed():
                    one.click()
                    return True
            return False
        self.until(press, f"the button {label!r} can be pressed")

    def type(self, label, text):
        """Into the field of the open dialog, or of the page, whose label begins with `label`."""
        def write():
            for one in self.driver.find_elements(By.CSS_SELECTOR, "dialog label, label"):
                if one.text.startswith(label) and one.is_displayed():
                    field = one.find_element(By.CSS_SELECTOR, "input, textarea")
                    field.clear()
                    field.send_keys(text)
                    return field.get_attribute("value") == text
            return False
        self.until(write, f"there is a field {label!r}")

    def complaints(self):
        """What the browser objected to: scripts that failed, anything that the content policy forbids."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and ("Security Policy" in entry["message"] or "Uncaught" in entry["message"])]

    def save(self, path):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)
