#!/usr/bin/env python3
"""What tools/mutate changes, what it leaves alone, and that its list of equivalents fits the tree."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "mutate"))

import changes  # noqa: E402
import mutate  # noqa: E402


def changed(text):
    return [(one.line + 1, one.what, one.changed) for one in changes.mutants_of("a.cpp", text)]


class Changes(unittest.TestCase):
    def test_a_comparison_becomes_its_neighbour_and_a_condition_its_opposite(self):
        self.assertEqual([(1, "< -> <=", "a <= b"), (1, "inverted", "!(a < b)")], changed("  if (a < b) {"))
        self.assertEqual([(1, "== -> !=", "a != b")], changed("  while (a == b) {"))
        self.assertEqual([(1, "&& -> ||", "a || !b"), (1, "! dropped", "a && b")], changed("  return a && !b;"))
        self.assertEqual([(1, "7 -> 8", "8")], changed("  return 7;"))

    def test_a_condition_of_several_lines_is_one(self):
        self.assertEqual([(1, "&& -> ||", "a || b"), (1, "inverted", "!(a && b)")], changed("  if (a &&\n      b) {"))

    def test_a_call_whose_result_nobody_uses_is_left_out(self):
        self.assertEqual([(2, "left out", "")], changed("  a = b;\n  Take(c);"))
        self.assertEqual([], changed("  const int a =\n      Take(c);"))

    def test_texts_and_assertions_and_what_is_there_for_speed_are_left_alone(self):
        self.assertEqual([], changed('  return "1 == 2 && 3";'))
        self.assertEqual([], changed("  ENTENTE_CHECK(a == b);"))
        self.assertEqual([], changed("  a = b;\n  list.reserve(5);"))

    def test_every_line_stays_where_it_was(self):
        text = "  if (a &&\n      b) {\n    Take(c);\n  }\n  return x;"
        mutants = dict(enumerate(changes.mutants_of("a.cpp", text)))
        lines = changes.with_mutants("a.cpp", text, mutants).split("\n")
        self.assertEqual(["", "  }", "  return x;"], [lines[2], lines[4], lines[5]])
        self.assertEqual("    if (!ENTENTE_MUTANT(2)) { Take(c); }", lines[3])

    def test_a_sample_is_the_same_whenever_it_is_drawn(self):
        folder = mutate.FOLDERS[0]
        self.assertEqual(mutate.choose(folder, [], 20, 3), mutate.choose(folder, [], 20, 3))
        self.assertNotEqual(mutate.choose(folder, [], 20, 3), mutate.choose(folder, [], 20, 4))


class Equivalents(unittest.TestCase):
    def test_every_entry_fits_a_mutant_of_the_tree_and_has_a_reason(self):
        equivalents = mutate.Equivalents()
        self.assertEqual([], equivalents.lost())
        for one in equivalents.entries:
            self.assertGreater(len(one["reason"]), 20, one)

    def test_an_entry_that_fits_nothing_is_named(self):
        equivalents = mutate.Equivalents()
        lost = {"file": "engine/engine.cpp", "change": "left out", "code": "NoSuchCall();", "reason": "there is none"}
        equivalents.entries = [lost]
        self.assertEqual([lost], equivalents.lost())


if __name__ == "__main__":
    unittest.main(verbosity=2)
