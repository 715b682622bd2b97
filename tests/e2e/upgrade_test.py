#!/usr/bin/env python3
"""A rolling upgrade: coordinators of the release before and of this one on one database, under load.

ENTENTE_PREVIOUS is the path of `entente` as an earlier commit built it; without it the test is left out.
"""

import argparse
import os
import pathlib
import random
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo"), str(HERE.parent / "support")]

from checker import check  # noqa: E402
from cluster_load import PATIENCE_SECONDS, Load, settle  # noqa: E402
from nodes import ClusterAgency  # noqa: E402

BUILD = None
SEED = None
PREVIOUS = os.environ.get("ENTENTE_PREVIOUS")
WAITS = {"name": "waits", "mode": "saga", "steps": [{"id": "w", "wait": {"signal": "go"}}]}


@unittest.skipUnless(PREVIOUS, "ENTENTE_PREVIOUS does not name an earlier commit's `entente`")
class Upgrade(unittest.TestCase):
    def setUp(self):
        previous = pathlib.Path(PREVIOUS).resolve()
        self.assertNotEqual(previous.read_bytes(), (BUILD / "entente").read_bytes(), "both are the same program")
        self.agency = ClusterAgency(BUILD, program=previous)
        self.addCleanup(self.agency.close)
        self.agency.coordinator.put_definition(WAITS)
        self.rng = random.Random(SEED)
        print(f"seed {SEED}", flush=True)

    def go_on(self, count):
        """Until so many more are acknowledged, by nodes of whichever release."""
        wanted, deadline = self.load.acknowledged_so_far() + count, time.monotonic() + PATIENCE_SECONDS
        while self.load.acknowledged_so_far() < wanted:
            self.assertLess(time.monotonic(), deadline, f"not even {count} are acknowledged")
            time.sleep(0.02)

    def each_node_tells_the_same(self, gid):
        seen = {(txn["status"], txn["revision"]) for txn in (node.coordinator.get(gid) for node in self.agency.nodes)}
        self.assertEqual(1, len(seen), seen)

    def upgrade(self, node, leave):
        """The node ends and comes back as this release, beside those that have not yet."""
        leave()
        node.program = "entente"
        node.start()
        self.agency.wait_until_shared()
        self.go_on(30)
        for gid in self.waiting:
            self.each_node_tells_the_same(gid)

    def test_nodes_are_replaced_one_by_one_under_load(self):
        nodes = self.agency.nodes
        # One in each node's shards, begun by the release before, which this one drives on.
        self.waiting = [node.coordinator.submit("waits", {})["gid"] for node in nodes for _ in range(4)]
        self.load = Load(self.agency, SEED)
        self.addCleanup(self.load.join)
        self.go_on(30)
        self.upgrade(nodes[0], lambda: self.assertEqual(0, nodes[0].stop()))
        # Of each release one in the other's hands: a definition put here is used there, and the other way round.
        for at, by in ((0, 2), (2, 0)):
            document = {**WAITS, "name": f"by-{at}"}
            version = nodes[at].coordinator.put_definition(document)["version"]
            txn = nodes[by].coordinator.submit(document["name"], {}, gid=f"mixed-{at}")
            self.assertEqual((version, "ACTIVE"), (txn["version"], txn["status"]))
            self.waiting.append(txn["gid"])
        # Driven on by whoever takes over, in whichever direction.
        self.upgrade(nodes[1], nodes[1].kill)
        self.upgrade(nodes[2], lambda: self.assertEqual(0, nodes[2].stop()))
        self.load.join()
        for n, gid in enumerate(self.waiting):
            nodes[n % 3].coordinator.http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go", "id": "1"})
            self.assertEqual("COMMITTED", nodes[(n + 1) % 3].coordinator.get(gid, wait="30s")["status"])
        statuses = settle(self.agency, sorted(self.load.attempted), self.rng)
        ledgers = {name: service.ledger() for name, service in self.agency.services.items()}
        violations = self.load.failures + check(ledgers, statuses, self.load.acknowledged, self.load.seen)
        print(f"{len(self.load.attempted)} attempted, {len(self.load.acknowledged)} acknowledged", flush=True)
        self.assertEqual([], violations[:20])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--seed", type=int, default=int(time.time()))
    known, rest = parser.parse_known_args()
    BUILD, SEED = known.build, known.seed
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
