#!/usr/bin/env python3
"""What tools/prove keeps of the output of the programs that it runs, and what its report then says."""

import argparse
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "prove"))

import prove  # noqa: E402

# Of each part, output as its program writes it, and the figures in it.
OUTPUTS = {
    "planted": ("caught  no-fence      seed 7: I7\nMISSED  presumed-commit\ncaught 94 of 95 planted bugs; of the engine's 50 the "
                "simulation alone caught 49\n",
                ["MISSED presumed-commit", "caught 94 of 95 planted bugs; of the engine's 50 the simulation alone caught 49"]),
    "models": ("saga: safe in 1200 states, comes to an end in 900, 1.2 s\n  NO_FENCE: found after 12 states\n23 of 23 planted mistakes "
               "found\n", ["saga: safe in 1200 states, comes to an end in 900, 1.2 s", "23 of 23 planted mistakes found"]),
    "crash-points": ("fsync: killed at 7 points\n120 kills, 55 more on the way back, 1100 transactions, 300 s\n",
                     ["120 kills, 55 more on the way back, 1100 transactions, 300 s"]),
    "mutants": ("noticed    engine/a.cpp:3: < -> <=: a < b  by test_engine\nSURVIVED   engine/a.cpp:9: 1 -> 2: x\n"
                "| folder | mutants | noticed |\n|---|---|---|\n| engine | 2 | 1 |\nFITS NOTHING engine/b.cpp: left out: F();\n"
                "1 of 2 mutants noticed (50.0 %), 0 more mean the same\n",
                ["SURVIVED engine/a.cpp:9: 1 -> 2: x", "/ engine / 2 / 1 /", "FITS NOTHING engine/b.cpp: left out: F();",
                 "1 of 2 mutants noticed (50.0 %), 0 more mean the same"]),
    "fuzzing": ("json           31 of the corpus, 1234 mutations\n", ["json 31 of the corpus, 1234 mutations"]),
    "chaos-sqlite": ("seed 1, 3 minutes\ninjected: 23 faults\n  kill         flights      2\nchecked: 37 operations (36 ok)\nrecovery: p50 "
                     "0.14 s\n  the slowest was after kill of bank-a\nverdict: everything held\n",
                     ["injected: 23 faults", "checked: 37 operations (36 ok)", "recovery: p50 0.14 s",
                      "the slowest was after kill of bank-a", "verdict: everything held"]),
    "soak": ("calm: 33 s, 128 green\n9 phases of trouble, 80 bookings\nVIOLATION descriptors grew\n",
             ["9 phases of trouble, 80 bookings", "VIOLATION descriptors grew"]),
}
OUTPUTS["chaos-postgres"] = OUTPUTS["chaos-cluster"] = OUTPUTS["chaos-sqlite"]


class Prove(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="entente-prove-")
        self.addCleanup(place.cleanup)
        self.out = pathlib.Path(place.name)

    def run_part(self, report, name, code, text="pass", minutes=1.0):
        command = [sys.executable, "-c", f"import sys, time; print('figure 5'); sys.stdout.flush(); {text}; sys.exit({code})"]
        prove.run_part(prove.Part(name, "something", command, r"^figure .*$", minutes), report)

    def test_the_figures_of_each_part_are_found_in_what_its_program_writes(self):
        parts = prove.parts_of(argparse.Namespace(build=self.out, out=self.out, seed=1, chaos_minutes=3, soak_minutes=1, fuzz_seconds=1,
                                                  mutants=1, stride=1))
        self.assertEqual({part.name for part in parts}, set(OUTPUTS))
        for part in parts:
            with self.subTest(part.name):
                text, wanted = OUTPUTS[part.name]
                self.assertEqual(wanted, prove.figures_in(text, part.figures))

    def test_the_report_says_what_passed_what_failed_and_what_took_too_long(self):
        report = prove.Report(self.out, "abc")
        self.run_part(report, "good", 0)
        self.run_part(report, "bad", 1)
        self.run_part(report, "endless", 0, "time.sleep(600)", minutes=0.01)
        text = (self.out / "report.md").read_text()
        self.assertIn("| good | something | passed |", text)
        self.assertIn("| bad | something | **failed** |", text)
        self.assertRegex(text, r"endless \| something \| \*\*failed\*\* .*ended after 0.01 minutes")
        self.assertEqual(["figure 5"], json.loads((self.out / "report.json").read_text())["results"]["good"]["figures"])

    def test_what_this_commit_has_passed_is_not_run_again_and_another_one_begins_anew(self):
        self.run_part(prove.Report(self.out, "abc"), "good", 0)
        self.assertTrue(prove.Report(self.out, "abc").passed("good"))
        self.assertFalse(prove.Report(self.out, "abcd").passed("good"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
