#!/usr/bin/env python3
"""Three coordinators on three PostgreSQL servers that Patroni keeps: the primary is gone under load, and the nodes find
the next one by themselves. Left out without `patroni` and `etcd`."""

import argparse
import pathlib
import random
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo"), str(HERE.parent / "support")]

import patroni_cluster  # noqa: E402
from checker import check  # noqa: E402
from cluster_load import PATIENCE_SECONDS, Load, settle  # noqa: E402
from nodes import ClusterAgency  # noqa: E402

BUILD = None
SEED = None


class PatroniAgency(ClusterAgency):
    def open_server(self, settings):
        return patroni_cluster.PatroniCluster()

    def open_store(self):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.server.ports())
        return f"postgres://entente@{hosts}/test"


@unittest.skipUnless(patroni_cluster.is_there(), "there is no `patroni`, or no `etcd` (Debian: patroni, etcd-server)")
class FailOver(unittest.TestCase):
    def go_on(self, load, count):
        """Until so many more are acknowledged."""
        wanted, deadline = load.acknowledged_so_far() + count, time.monotonic() + PATIENCE_SECONDS
        while load.acknowledged_so_far() < wanted:
            self.assertLess(time.monotonic(), deadline, f"not even {count} are acknowledged")
            time.sleep(0.05)

    def test_the_nodes_find_the_next_primary_and_nothing_that_was_acknowledged_is_lost(self):
        print(f"seed {SEED}", flush=True)
        with PatroniAgency(BUILD) as agency:
            load = Load(agency, SEED)
            try:
                self.go_on(load, 50)
                gone = agency.server.leader()
                begin = time.monotonic()
                agency.server.lose(gone)
                self.assertNotEqual(gone.port, agency.server.leader().port)
                elected = time.monotonic() - begin
                self.go_on(load, 50)
                print(f"another primary after {elected:.1f} s, 50 acknowledged after {time.monotonic() - begin:.1f} s", flush=True)
            finally:
                load.join()
            agency.wait_until_shared()
            statuses = settle(agency, sorted(load.attempted), random.Random(SEED))
            ledgers = {name: service.ledger() for name, service in agency.services.items()}
        violations = load.failures + check(ledgers, statuses, load.acknowledged, load.seen)
        print(f"{len(load.attempted)} attempted, {len(load.acknowledged)} acknowledged", flush=True)
        self.assertEqual([], violations[:20])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--seed", type=int, default=int(time.time()))
    known, rest = parser.parse_known_args()
    BUILD, SEED = known.build, known.seed
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
