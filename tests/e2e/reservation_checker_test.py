#!/usr/bin/env python3
"""The checker of reservations finds what it is there to find."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from reservation_checker import check  # noqa: E402


def rows(*effects):
    """Rows of transaction `t`: "held+2" is an effect and its amount."""
    found = []
    for text in effects:
        effect = text.rstrip("+-0123456789")
        found.append({"gid": "t", "branch": "b", "effect": effect, "amount": int(text[len(effect):])})
    return found


class Checker(unittest.TestCase):
    def violations(self, status, *ledgers):
        names = [f"s{n}" for n in range(len(ledgers))]
        return check(dict(zip(names, ledgers)), {"t": status}, {"t": names})

    def test_it_accepts_what_is_whole(self):
        self.assertEqual([], self.violations("COMMITTED", rows("held+2", "booked+0"), rows("sold+1")))
        self.assertEqual([], self.violations("ABORTED", rows("held+2", "released-2"), rows()))
        self.assertEqual([], self.violations("ABORTED", rows("held+2", "expired-2"), rows()))

    def test_it_finds_what_is_not(self):
        for status, ledgers in (
            ("COMMITTED", (rows("held+2", "booked+0"), rows())),                # One did not commit.
            ("COMMITTED", (rows("held+2"), rows("sold+1"))),                    # Never confirmed.
            ("COMMITTED", (rows("held+2", "expired-2"), rows("sold+1"))),       # Gone before its confirm.
            ("COMMITTED", (rows("held+2", "booked+0", "released-2"), rows("sold+1"))),
            ("COMMITTED", (rows("held+2", "booked+0"), rows("sold+1", "sold+1"))),
            ("COMMITTED", (rows("held+2", "held+2", "booked+0"), rows("sold+1"))),
            ("ABORTED", (rows("held+2", "released-2"), rows("sold+1"))),        # One committed.
            ("ABORTED", (rows("held+2"), rows())),                              # Left open.
            ("ABORTED", (rows("held+2", "released-2", "booked+0"), rows())),
            ("ABORTED", (rows("held+2", "released-2", "released-2"), rows())),
            ("COMMITTING", (rows("held+2", "booked+0"), rows("sold+1"))),       # Has not ended.
        ):
            with self.subTest(status=status, ledgers=ledgers):
                self.assertNotEqual([], self.violations(status, *ledgers))
        self.assertNotEqual([], check({"s": rows("sold+1")}, {}, {}))           # Of nobody.


if __name__ == "__main__":
    unittest.main(verbosity=2)
