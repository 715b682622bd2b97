#!/usr/bin/env python3
"""kill -9 of the coordinator, of participants and of PostgreSQL at every step of a two-phase commit.

The participants hold a named operation before or after its effect, so that a step is hit and not merely
likely. Once all are back, nothing is prepared any more and nothing is mixed.
"""

import argparse
import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import DEFINITIONS, ApiError  # noqa: E402
from reservation_checker import check, prepared, query, read_ledgers  # noqa: E402
from world import World, wait_until  # noqa: E402

BUILD = None
STOCK = 1000
ALL = ("flights", "hotels", "payments")

# Step -> (who is held, at which operation, before or after its effect, how it must end; None: either way).
STEPS = {
    "prepare is sent": ("flights", "prepare", "before", None),
    "the first vote is durable": ("flights", "prepare", "after", None),
    "all have voted but the last": ("payments", "prepare", "before", None),
    "all have voted, nothing is decided": ("payments", "prepare", "after", None),
    "it is decided, commit is sent": ("flights", "commit", "before", "COMMITTED"),
    "the first has committed": ("flights", "commit", "after", "COMMITTED"),
    "the first has committed and said so": ("hotels", "commit", "before", "COMMITTED"),
    "all have committed, the last has not said so": ("payments", "commit", "after", "COMMITTED"),
    "one voted no, rollback is sent": ("flights", "rollback", "before", "ABORTED"),
    "one voted no, the first has rolled back": ("flights", "rollback", "after", "ABORTED"),
}
VICTIMS = ("coordinator", "participant", "postgres", "everything")


def definition():
    """The example's, with calls that wait: a step is to be hit by a crash, not by a time-out."""
    document = json.loads((DEFINITIONS / "travel-2pc.json").read_text())
    for participant in document["participants"].values():
        participant["timeout"] = "60s"
    for step in document["steps"]:
        step["retry"] = {"initial": "50ms", "factor": 2, "max": "500ms", "attempts": 60}
        step["settleRetry"] = {"initial": "50ms", "factor": 2, "max": "500ms", "attempts": 1000}
    return document


def alone():
    """A single participant that may decide by itself: it is asked to commit without a prepare."""
    document = definition()
    step = document["steps"][0]
    step["onePhase"] = True
    step["commit"]["body"] = step["prepare"]["body"]
    return {**document, "name": "alone", "steps": [step], "output": None}


class TwoPhaseCrashes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = world = World(BUILD, databases=("flights", "hotels"))
        cls.addClassCleanup(world.close)
        for name in ("flights", "hotels"):
            world.add_on_postgres(name, "travel-inventory",
                                  ["--item", f"Rome={STOCK}", "--item", f"Faro={STOCK if name == 'flights' else 0}",
                                   "--safety-interval-ms", "500"])
        world.add("payments", "travel-desk", ["--db", world.folder / "payments.db"])
        world.env = {f"{name.upper()}_URL": service.url for name, service in world.services.items()}
        world.start_coordinator()
        for document in (definition(), alone()):
            world.coordinator.put_definition({k: v for k, v in document.items() if v is not None})
        cls.statuses, cls.takes_part = {}, {}

    @property
    def coordinator(self):
        return self.world.coordinator

    def submit(self, gid, city="Rome", name="travel-2pc"):
        self.coordinator.submit(name, {"city": city, "seats": 1}, gid=gid)

    def hold(self, name, operation, when, gid):
        switch = "hang-before-next" if when == "before" else "hang-next"
        self.world.services[name].control(**{switch: 1, "only": operation, "hang-for": "10m"})
        self.addCleanup(self.let_go)
        return lambda: wait_until(self.world.services[name].hanging,
                                  lambda calls: any((c["gid"], c["operation"]) == (gid, operation) for c in calls))

    def let_go(self):
        for service in self.world.services.values():
            service.control(**{"release": True, "only": "all", "hang-next": 0, "hang-before-next": 0})

    def crash(self, victim, held):
        """kill -9, then back again, whatever it was."""
        world = self.world
        doomed = [world.services[held]] if victim == "participant" else []
        if victim == "everything":
            doomed = list(world.services.values())
        if victim in ("coordinator", "everything"):
            world.kill_coordinator()
        for service in doomed:
            service.kill()
        if victim in ("postgres", "everything"):
            world.cluster.kill()
            world.cluster.start()
        for service in doomed:
            service.start()
        if victim in ("coordinator", "everything"):
            world.start_coordinator()
        self.let_go()

    def assert_clean(self, statuses, names=ALL):
        """Nothing is prepared anywhere, and no transaction so far is mixed."""
        self.statuses.update(statuses)
        self.takes_part.update(dict.fromkeys(statuses, names))
        wait_until(lambda: prepared(self.world), lambda found: not found)
        wait_until(lambda: check(read_ledgers(self.world), self.statuses, self.takes_part),
                   lambda violations: not violations)

    def assert_stock(self):
        """Every seat is sold or left."""
        for name in ("flights", "hotels"):
            left = query(self.world.cluster, name, "SELECT units_left FROM stock WHERE item = 'Rome'")
            sold = query(self.world.cluster, name,
                         "SELECT coalesce(sum(amount), 0) AS sold FROM ledger")
            self.assertEqual(STOCK, left[0]["units_left"] + sold[0]["sold"], name)

    def test_whoever_is_killed_at_whatever_step_nothing_is_mixed(self):
        for number, (step, (held, operation, when, end)) in enumerate(STEPS.items()):
            for victim in VICTIMS:
                with self.subTest(step=step, victim=victim):
                    gid = f"step-{number}-{victim}"
                    reached = self.hold(held, operation, when, gid)
                    self.submit(gid, "Faro" if end == "ABORTED" else "Rome")
                    reached()
                    self.crash(victim, held)
                    status = self.coordinator.get(gid, wait="60s")["status"]
                    self.assertIn(status, (end,) if end else ("COMMITTED", "ABORTED"))
                    self.assert_clean({gid: status})
        self.assert_stock()
        self.assertIn("COMMITTED", self.statuses.values())
        self.assertIn("ABORTED", self.statuses.values())

    def test_the_end_stands_when_the_coordinator_is_killed_right_after_it_was_told(self):
        self.submit("told")
        status = self.coordinator.get("told", wait="60s")["status"]
        self.assertEqual("COMMITTED", status)
        self.world.kill_coordinator()
        self.world.start_coordinator()
        self.assertEqual(status, self.coordinator.get("told", wait="60s")["status"])
        self.assert_clean({"told": status})

    def test_a_participant_that_decides_alone_commits_once_whoever_is_killed(self):
        for when in ("before", "after"):
            for victim in VICTIMS:
                with self.subTest(when=when, victim=victim):
                    gid = f"alone-{when}-{victim}"
                    reached = self.hold("flights", "commit", when, gid)
                    self.submit(gid, name="alone")
                    reached()
                    self.crash(victim, "flights")
                    self.assertEqual("COMMITTED", self.coordinator.get(gid, wait="60s")["status"])
                    self.assert_clean({gid: "COMMITTED"}, ("flights",))

    def enlistment(self, name):
        service = self.world.services[name]
        handler, body = ("hold", {"pool": "credit", "units": 5}) if name == "payments" else (
            "stock", {"item": "Rome", "units": 1})
        return {"id": name, "participant": {"http": service.url, "timeout": "60s"},
                "prepare": {"post": f"/{handler}/prepare", "body": body},
                "commit": {"post": f"/{handler}/commit"}, "rollback": {"post": f"/{handler}/rollback"}}

    def restart_coordinator(self):
        self.world.kill_coordinator()
        self.world.start_coordinator()

    def test_a_client_driven_commit_survives_a_crash_after_each_of_its_calls(self):
        self.coordinator.begin("2pc", "driven", time_limit="5m")
        self.restart_coordinator()
        self.coordinator.begin("2pc", "driven", time_limit="5m")
        for name in ALL:
            self.coordinator.enlist("driven", self.enlistment(name))
            self.restart_coordinator()
            self.coordinator.enlist("driven", self.enlistment(name))
        self.assertEqual("undecided", self.coordinator.decision("driven"))
        reached = self.hold("payments", "prepare", "after", "driven")
        self.coordinator.commit("driven")
        reached()
        self.restart_coordinator()
        self.let_go()
        self.assertEqual("COMMITTED", self.coordinator.commit("driven", wait="60s")["status"])
        self.assertEqual("committed", self.coordinator.decision("driven"))
        self.restart_coordinator()
        self.assertEqual("COMMITTED", self.coordinator.commit("driven", wait="60s")["status"])
        self.assert_clean({"driven": "COMMITTED"})

    def test_a_client_that_dies_after_enlisting_leaves_nothing_prepared(self):
        self.coordinator.begin("2pc", "dead", time_limit="2s")
        self.coordinator.enlist("dead", self.enlistment("flights"))
        # The client works ahead of the commit, and is gone before it asks for it.
        status, answer = self.world.services["flights"].call("stock", "prepare", "dead", "flights",
                                                             {"item": "Rome", "units": 1})
        self.assertEqual(200, status, answer)
        self.restart_coordinator()
        self.assertEqual("ABORTED", self.coordinator.get("dead", wait="60s")["status"])
        self.assert_clean({"dead": "ABORTED"})
        with self.assertRaises(ApiError) as raised:
            self.coordinator.commit("dead")
        self.assertEqual(409, raised.exception.status)

    def test_what_the_coordinator_never_heard_of_is_rolled_back_by_its_participant(self):
        status, answer = self.world.services["hotels"].call("stock", "prepare", "orphan", "hotel",
                                                            {"item": "Rome", "units": 1})
        self.assertEqual(200, status, answer)
        self.assertEqual(1, len(prepared(self.world)))
        wait_until(lambda: prepared(self.world), lambda names: not names)
        self.assert_clean({"orphan": "ABORTED"})

    def test_an_undecided_one_is_left_alone_by_its_participants(self):
        reached = self.hold("payments", "prepare", "before", "waiting")
        self.submit("waiting")
        reached()
        # When an orphan that came after them is gone, they were asked about for longer than the safety interval.
        self.world.services["flights"].call("stock", "prepare", "orphan-2", "flight", {"item": "Faro", "units": 1})
        wait_until(lambda: prepared(self.world), lambda names: not any("orphan" in name for name in names))
        self.assertEqual(2, len(prepared(self.world)))
        self.let_go()
        self.assertEqual("COMMITTED", self.coordinator.get("waiting", wait="60s")["status"])
        self.assert_clean({"waiting": "COMMITTED", "orphan-2": "ABORTED"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = known.build
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
