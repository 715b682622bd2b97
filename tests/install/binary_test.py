#!/usr/bin/env python3
"""How `entente` is linked, and what it says that it is made of."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = VERSION = None


def output(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


class Binary(unittest.TestCase):
    @property
    def program(self):
        return BUILD / "entente"

    def test_it_is_loaded_anywhere_and_what_is_written_is_not_run(self):
        self.assertRegex(output("readelf", "-hW", self.program), r"Type:\s+DYN")
        segments = output("readelf", "-lW", self.program)
        stack = re.search(r"^\s*GNU_STACK.* ([RWE ]+) 0x\w+$", segments, re.MULTILINE)
        self.assertEqual("RW", stack[1].strip())
        loaded = re.findall(r"^\s*LOAD.* ([RWE ]{3}) 0x\w+$", segments, re.MULTILINE)
        self.assertTrue(loaded)
        self.assertFalse([flags for flags in loaded if "W" in flags and "E" in flags])

    def test_what_calls_go_through_is_read_only_once_it_runs(self):
        self.assertIn("GNU_RELRO", output("readelf", "-lW", self.program))
        self.assertRegex(output("readelf", "-dW", self.program), r"FLAGS_1\).*\bNOW\b")

    def test_overruns_end_it(self):
        called = output("readelf", "-W", "--dyn-syms", self.program)
        self.assertIn(" UND __stack_chk_fail@", called)
        self.assertRegex(called, r" UND __(memcpy|snprintf|vsnprintf|fdelt|read)_chk@")
        # Its own code, not only that of a library that is linked into it.
        self.assertIn("__glibcxx_assert_fail", called)

    def test_it_names_the_libraries_it_runs_with(self):
        said = json.loads(output(self.program, "version", "--json"))
        self.assertEqual(VERSION, said["version"])
        versions = {library["name"]: library["version"] for library in said["libraries"]}
        self.assertLessEqual({"boost", "grpc", "libpq", "openssl", "protobuf", "sqlite", "zlib"}, set(versions))
        for name, version in versions.items():
            self.assertRegex(version, r"^\d+\.\d+", name)
        self.assertIn(VERSION, output(self.program, "version"))


class Bill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.out = pathlib.Path(cls.folder.name) / "entente.cdx.json"
        cls.make()
        cls.document = json.loads(cls.out.read_text())

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def make(cls):
        output(sys.executable, ROOT / "tools" / "sbom.py", "--program", BUILD / "entente", "--version", VERSION, "--lock",
               ROOT / "dashboard" / "package-lock.json", "--out", cls.out)

    def test_it_is_a_cyclonedx_document_of_this_program(self):
        self.assertEqual(("CycloneDX", "1.5"), (self.document["bomFormat"], self.document["specVersion"]))
        self.assertRegex(self.document["serialNumber"], r"^urn:uuid:[0-9a-f-]{36}$")
        digest = output("sha256sum", BUILD / "entente").split()[0]
        self.assertEqual([{"alg": "SHA-256", "content": digest}], self.document["metadata"]["component"]["hashes"])
        references = [one["bom-ref"] for one in self.document["components"]]
        self.assertEqual(len(references), len(set(references)))
        self.assertEqual(references, self.document["dependencies"][0]["dependsOn"])

    def test_every_library_that_is_loaded_is_in_it(self):
        linked = {one["value"] for component in self.document["components"]
                  for one in component.get("properties", []) if one["name"] == "linked"}
        loaded = re.findall(r"=> (/\S+) \(", output("ldd", BUILD / "entente"))
        self.assertTrue(loaded)
        self.assertEqual({pathlib.Path(path).resolve().name for path in loaded}, linked)

    def test_the_dashboards_packages_are_in_it_and_no_tool_of_its_build(self):
        npm = {one["name"] for one in self.document["components"] if one.get("purl", "").startswith("pkg:npm/")}
        wanted = json.loads((ROOT / "dashboard" / "package.json").read_text())
        self.assertLessEqual(set(wanted["dependencies"]), npm)
        self.assertFalse(npm & set(wanted["devDependencies"]))

    def test_the_same_program_gives_the_same_document(self):
        before = self.out.read_text()
        self.make()
        self.assertEqual(before, self.out.read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    known, rest = parser.parse_known_args()
    BUILD, VERSION = known.build, known.version
    unittest.main(argv=[sys.argv[0], *rest])
