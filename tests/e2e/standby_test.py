#!/usr/bin/env python3
"""Three coordinators on a PostgreSQL with a synchronous standby, which is promoted under load: nothing that was
acknowledged is lost, also where the server said that it gave up waiting for the standby."""

import argparse
import pathlib
import random
import signal
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo"), str(HERE.parent / "support")]

from checker import check  # noqa: E402
from cluster_load import PATIENCE_SECONDS, Load, settle  # noqa: E402
from nodes import ClusterAgency  # noqa: E402
from postgres import Cluster  # noqa: E402

BUILD = None
SEED = None
WAITING = "pid <> pg_backend_pid() AND wait_event = 'SyncRep'"


class ReplicatedAgency(ClusterAgency):
    """Its store is a primary and a standby, and its nodes are told of both."""

    def open_store(self):
        self.standby = Cluster.standby_of(self.server, "second")
        # Only from here on: before, every commit would wait for it.
        self.sql("ALTER SYSTEM SET synchronous_standby_names = 'second'")
        self.sql("SELECT pg_reload_conf()")
        return f"postgres://entente@127.0.0.1:{self.server.port},127.0.0.1:{self.standby.port}/test"

    def fail_over(self):
        """The primary is gone for good; its standby takes its place."""
        self.server.kill()
        self.standby.promote()
        self.server, self.gone = self.standby, self.server
        self.standby = None

    def close(self):
        super().close()
        for server in (self.standby, self.gone):
            if server is not None:
                server.destroy()

    standby = gone = None


class FailOver(unittest.TestCase):
    def setUp(self):
        self.agency = ReplicatedAgency(BUILD)
        self.addCleanup(self.agency.close)
        self.rng = random.Random(SEED)
        print(f"seed {SEED}", flush=True)
        self.load = Load(self.agency, SEED)
        self.addCleanup(self.load.join)
        self.go_on(50)

    def go_on(self, count):
        """Until so many more are acknowledged."""
        wanted, deadline = self.load.acknowledged_so_far() + count, time.monotonic() + PATIENCE_SECONDS
        while self.load.acknowledged_so_far() < wanted:
            self.assertLess(time.monotonic(), deadline, f"not even {count} are acknowledged")
            time.sleep(0.02)

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)

    def judge(self):
        self.load.join()
        self.agency.wait_until_shared()
        statuses = settle(self.agency, sorted(self.load.attempted), self.rng)
        ledgers = {name: service.ledger() for name, service in self.agency.services.items()}
        violations = self.load.failures + check(ledgers, statuses, self.load.acknowledged, self.load.seen)
        print(f"{len(self.load.attempted)} attempted, {len(self.load.acknowledged)} acknowledged", flush=True)
        self.assertEqual([], violations[:20])

    def test_a_primary_that_dies_under_load_is_replaced_by_its_standby(self):
        self.agency.fail_over()
        self.go_on(50)
        self.judge()

    def test_what_the_server_gave_up_replicating_is_not_acknowledged(self):
        # Everything that is committed from here on is in the primary alone, and waits.
        self.agency.standby.signal(signal.SIGSTOP)
        self.until(lambda: int(self.agency.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {WAITING}")) >= 3,
                   "nobody waits for the standby")
        # "canceling wait for synchronous replication": a warning, and success.
        for _ in range(5):
            self.agency.sql(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {WAITING}")
            time.sleep(self.rng.uniform(0.2, 1))
        self.assertIn("canceling wait for synchronous replication", self.agency.server.log.read_text())
        self.agency.server.kill()
        self.agency.standby.signal(signal.SIGCONT)
        self.agency.fail_over()
        self.go_on(50)
        self.judge()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--seed", type=int, default=int(time.time()))
    known, rest = parser.parse_known_args()
    BUILD, SEED = known.build, known.seed
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
