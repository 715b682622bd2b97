#!/usr/bin/env python3
"""Two-phase commits beside TCCs and sagas on the same rows of one PostgreSQL service: all of them end.

The forward calls wait for rows that a prepared branch holds. Did they wait without a bound, they would
take every thread of the service, time out, and keep out the commit or rollback that frees the rows.
"""

import argparse
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "support"), str(ROOT / "examples" / "demo")]

import mixed_load  # noqa: E402
from world import wait_until  # noqa: E402

OF_EACH = 15
BUILD = None


class MixedLoad(unittest.TestCase):
    def setUp(self):
        self.world = mixed_load.open_bank(BUILD)
        self.addCleanup(self.world.close)

    def test_all_transfers_over_one_row_end(self):
        rows, _ = mixed_load.run(self.world, "mixed", OF_EACH)
        self.assertEqual([], mixed_load.check(self.world, rows))
        committed = {row["mode"] for row in rows if row["status"] == "COMMITTED"}
        self.assertEqual(set(mixed_load.MODES), committed)

    def test_what_a_crash_leaves_prepared_holds_up_the_others_only_so_long(self):
        bank = self.world.services["bank"]
        bank.control(**{"hang-before-next": 1, "only": "commit", "hang-for": "10m"})
        self.addCleanup(lambda: bank.control(release=True))
        self.world.coordinator.submit("transfer-2pc", {"from": "alice", "to": "bob", "amount": mixed_load.AMOUNT},
                                      gid="crash-2pc")
        wait_until(bank.hanging)
        for mode in mixed_load.MODES:
            self.world.coordinator.submit(f"transfer-{mode}", {"from": "alice", "to": "bob", "amount": mixed_load.AMOUNT},
                                          gid=f"crash-beside-{mode}")
        bank.kill()
        bank.start()
        rows = wait_until(lambda: self.world.coordinator.list(q="crash"),
                          lambda found: all(row["status"] in ("COMMITTED", "ABORTED") for row in found), seconds=mixed_load.PATIENCE_SECONDS)
        self.assertEqual([], mixed_load.check(self.world, rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = known.build
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
