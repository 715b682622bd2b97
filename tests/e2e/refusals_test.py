#!/usr/bin/env python3
"""When health is taken at its word: whether every submit of a while was refused."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "chaos"), str(ROOT / "examples" / "demo")]

from bookings import Bookings  # noqa: E402


class Refusals(unittest.TestCase):
    def refused(self, answers, asking=()):
        """`answers`: (begun, answered, accepted); `asking`: since when a submit has no answer. Of the time from 10 to 15."""
        load = Bookings(None, 1)
        load.answers = list(answers)
        load.asking = {str(n): since for n, since in enumerate(asking)}
        return load.refused_throughout(10, 15)

    REFUSED = [(10 + n, 10.1 + n, False) for n in range(4)]

    def test_refusals_alone_are_a_time_of_refusals(self):
        self.assertTrue(self.refused(self.REFUSED))
        self.assertFalse(self.refused(self.REFUSED[:2]))
        self.assertFalse(self.refused([(n, n + 0.1, False) for n in range(5)]))

    def test_one_that_is_accepted_is_so_from_when_it_was_sent_until_it_is_told(self):
        self.assertFalse(self.refused(self.REFUSED + [(11, 11.1, True)]))
        self.assertFalse(self.refused(self.REFUSED + [(14, 19, True)]))
        self.assertFalse(self.refused(self.REFUSED + [(6, 11, True)]))
        self.assertTrue(self.refused(self.REFUSED + [(5, 9, True), (16, 17, True)]))

    def test_one_that_waits_may_have_been_accepted(self):
        self.assertFalse(self.refused(self.REFUSED, asking=[13]))
        self.assertTrue(self.refused(self.REFUSED, asking=[14.9]))


if __name__ == "__main__":
    unittest.main()
