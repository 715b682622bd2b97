#!/usr/bin/env python3
"""The Debian package: what is in it, what it depends on, that its program runs and its unit is one."""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "examples" / "demo")]

from agency import Coordinator  # noqa: E402

BUILD = None


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-package-"))
        subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder], check=True,
                       stdout=subprocess.DEVNULL, cwd=cls.folder)
        cls.package = next(cls.folder.glob("entente_*.deb"))
        cls.root = cls.folder / "root"
        subprocess.run(["dpkg-deb", "-x", cls.package, cls.root], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def field(self, name):
        return output("dpkg-deb", "-f", self.package, name).strip()

    def test_it_holds_the_program_its_unit_its_settings_and_what_to_read(self):
        files = {line.split()[-1]: line for line in output("dpkg-deb", "-c", self.package).splitlines()}
        for path in ("usr/bin/entente", "usr/lib/systemd/system/entente.service", "etc/entente/entente.json",
                     "usr/share/doc/entente/operations.md", "usr/share/doc/entente/copyright",
                     "usr/share/doc/entente/entente.cdx.json"):
            self.assertIn("./" + path, files)
        self.assertFalse([path for path in files if "include" in path or path.endswith(".a")], "the SDK is not in it")
        for path, line in files.items():
            self.assertIn(" root/root ", line, path)
            self.assertNotRegex(line, r"^.{8}w", "anybody may write to it")

    def test_it_depends_on_what_the_program_is_linked_to(self):
        depends = self.field("Depends")
        for library in ("libc6", "libgrpc", "libsqlite3", "libssl", "libpq5"):
            self.assertIn(library, depends)
        self.assertEqual("entente", self.field("Package"))
        self.assertRegex(self.field("Version"), r"^\d+\.\d+\.\d+")

    def test_its_settings_survive_an_upgrade(self):
        control = self.folder / "control"
        subprocess.run(["dpkg-deb", "-e", self.package, control], check=True)
        self.assertEqual("/etc/entente/entente.json\n", (control / "conffiles").read_text())
        for script in ("postinst", "prerm"):
            subprocess.run(["sh", "-n", control / script], check=True)

    def test_its_unit_is_one_that_systemd_takes(self):
        unit = (self.root / "usr/lib/systemd/system/entente.service").read_text()
        self.assertIn("ExecStart=/usr/bin/entente serve --config /etc/entente/entente.json", unit)
        if not shutil.which("systemd-analyze"):
            self.skipTest("there is no systemd-analyze here")
        here = self.folder / "entente.service"
        here.write_text(unit.replace("/usr/bin/entente", str(self.root / "usr/bin/entente")))
        checked = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True)
        about_it = [line for line in checked.stderr.splitlines() if "entente.service" in line]
        self.assertEqual([], about_it)

    def test_its_program_serves_with_its_settings(self):
        """What is installed, run as the unit runs it, but with a store and ports of its own."""
        settings = json.loads((self.root / "etc/entente/entente.json").read_text())
        self.assertTrue(settings["store"].startswith("sqlite:/var/lib/entente/"))
        bin_folder = self.root / "usr/bin"
        help_text = output(bin_folder / "entente", "serve", "--help")
        for name in settings:
            self.assertRegex(help_text, rf"--{re.escape(name)}\b")
        coordinator = Coordinator(bin_folder, self.folder, {})
        try:
            self.assertEqual(200, coordinator.http.request("GET", "/readyz")[0])
        finally:
            self.assertEqual(0, coordinator.process.stop())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=pathlib.Path)
    known, rest = parser.parse_known_args()
    BUILD = known.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
