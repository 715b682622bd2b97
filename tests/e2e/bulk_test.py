#!/usr/bin/env python3
"""Actions on all that match: previewed, carried out, stopped, and taken up again by a process that was killed."""

import argparse
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "examples" / "demo")]

from agency import Agency, ApiError  # noqa: E402

BUILD = None
ASK = {"name": "ask", "mode": "saga", "participants": {}, "steps": [{"id": "ask", "wait": {"signal": "go"}}]}


class Bulk(unittest.TestCase):
    def setUp(self):
        self.agency = Agency(BUILD)
        self.addCleanup(self.agency.close)
        self.agency.coordinator.put_definition(ASK)

    @property
    def coordinator(self):
        return self.agency.coordinator

    def submit(self, count, **labels):
        gids = [f"{'-'.join(labels.values()) or 'plain'}-{n:04}" for n in range(count)]
        for gid in gids:
            self.coordinator.submit("ask", {}, gid=gid, labels=labels)
        return gids

    def bulk(self, verb, query, **more):
        return self.coordinator.http.call("POST", "/v1/bulk", {"verb": verb, "filter": query, "reason": "a test", **more})

    def ended(self, action, seconds=60):
        deadline = time.monotonic() + seconds
        while action["state"] == "running":
            self.assertLess(time.monotonic(), deadline, action)
            action = self.coordinator.http.call("GET", f"/v1/bulk/{action['id']}")
        return action

    def test_all_that_match_are_acted_upon_and_nothing_else(self):
        mine = self.submit(250, team="red")
        others = self.submit(5, team="blue")
        preview = self.bulk("cancel", "label=team%3Dred", preview=True)
        self.assertEqual(("preview", 250, 0), (preview["state"], preview["matched"], preview["done"]))
        self.assertEqual([], self.coordinator.http.call("GET", "/v1/bulk")["actions"])
        action = self.ended(self.bulk("cancel", "label=team%3Dred", actor="ann"))
        self.assertEqual(("finished", 250, 0), (action["state"], action["done"], action["refused"]))
        for gid in mine:
            self.assertEqual("ABORTED", self.coordinator.get(gid, wait="10s")["status"])
        for gid in others:
            self.assertEqual("ACTIVE", self.coordinator.get(gid)["status"])
        decided = [e for e in self.coordinator.history(mine[0]) if e["type"] == "abort-decided"]
        self.assertEqual({"name": "ann", "reason": f"a test (bulk {action['id']})"}, decided[0]["actor"])

    def test_what_would_be_refused_alone_is_refused_and_said(self):
        self.submit(3, team="red")
        action = self.ended(self.bulk("retry", "label=team%3Dred"))
        self.assertEqual((0, 3), (action["done"], action["refused"]))
        self.assertEqual({"branch.not_stuck"}, {refusal["code"] for refusal in action["refusals"]})

    def test_a_process_that_was_killed_goes_on_where_it_was(self):
        gids = self.submit(1500, team="red")
        action = self.bulk("pause", "label=team%3Dred")
        while self.coordinator.http.call("GET", f"/v1/bulk/{action['id']}")["done"] < 100:
            time.sleep(0.001)
        self.agency.kill_coordinator()
        self.agency.start_coordinator()
        paused = sum(row["paused"] for row in self.coordinator.list(definition="ask"))
        action = self.ended(self.coordinator.http.call("GET", f"/v1/bulk/{action['id']}"))
        self.assertEqual("finished", action["state"])
        self.assertLess(paused, len(gids), "it was killed in the middle")
        self.assertTrue(all(row["paused"] for row in self.coordinator.list(definition="ask")))

    def test_a_stopped_one_touches_nothing_more_also_after_a_restart(self):
        self.submit(1500, team="red")
        action = self.bulk("pause", "label=team%3Dred")
        stopped = self.coordinator.http.call("POST", f"/v1/bulk/{action['id']}:stop")
        self.assertEqual("stopped", stopped["state"])
        self.agency.kill_coordinator()
        self.agency.start_coordinator()
        after = self.coordinator.http.call("GET", f"/v1/bulk/{action['id']}")
        self.assertEqual("stopped", after["state"])
        paused = sum(row["paused"] for row in self.coordinator.list(definition="ask"))
        self.assertLess(paused, 1500)
        # One may have been under way when it was stopped; later ones are not begun.
        self.assertLessEqual(paused, stopped["done"] + 1)

    def test_what_began_later_is_left_alone(self):
        self.submit(20, team="red")
        action = self.ended(self.bulk("pause", "definition=ask"))
        self.submit(1, team="late")
        self.assertEqual(20, action["done"])
        self.assertFalse(self.coordinator.get("late-0000")["paused"])

    def test_all_is_not_said_by_nothing(self):
        for body in ({"verb": "cancel", "filter": "", "reason": "r"}, {"verb": "cancel", "reason": "r"},
                     {"verb": "cancel", "filter": "limit=3", "reason": "r"}, {"verb": "cancel", "filter": "status=LOST", "reason": "r"},
                     {"verb": "resolve", "filter": "incident=true", "reason": "r"}, {"verb": "cancel", "filter": "incident=true"}):
            with self.subTest(body):
                with self.assertRaises(ApiError) as refused:
                    self.coordinator.http.call("POST", "/v1/bulk", body)
                self.assertEqual(400, refused.exception.status)
        with self.assertRaises(ApiError) as refused:
            self.coordinator.http.call("GET", "/v1/bulk/12")
        self.assertEqual("bulk.not_found", refused.exception.code)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = pathlib.Path(known.build).resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
