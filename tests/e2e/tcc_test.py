#!/usr/bin/env python3
"""Reservations over real processes: expiry, late and lost calls, clients that die, and repetition at any moment."""

import argparse
import concurrent.futures
import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import DEFINITIONS, ApiError  # noqa: E402
from reservation_checker import check, read_ledgers  # noqa: E402
from world import World, wait_until  # noqa: E402

BUILD = None
DESKS = ("flights", "hotels", "cars", "payments")
TRIP = {"city": "Rome", "car": True}
SETTLE = {"confirm": {"post": "/hold/confirm"}, "cancel": {"post": "/hold/cancel"}}
AT_ONCE = 8


def status_of(call):
    """An answer's status, or an error's HTTP status and code: what a caller can compare."""
    try:
        return call()["status"]
    except ApiError as error:
        return error.status, error.code


def at_once(call):
    """The answers to the same call, made by several callers at the same moment."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return set(pool.map(lambda _: status_of(call), range(AT_ONCE)))


class Reservations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = world = World(BUILD)
        cls.addClassCleanup(world.close)
        for name in DESKS:
            world.add(name, "travel-desk", ["--db", world.folder / f"{name}.db"])
        world.env = {"FLIGHTS_URL": world.services["flights"].url, "HOTELS_ADDR": world.services["hotels"].grpc,
                     "CARS_URL": world.services["cars"].url, "PAYMENTS_URL": world.services["payments"].url}
        document = json.loads((DEFINITIONS / "travel-tcc.json").read_text())
        world.start_coordinator().put_definition(document)
        # The same with calls that wait for as long as a test holds them.
        for participant in document["participants"].values():
            participant["timeout"] = "60s"
        for step in document["steps"]:
            step.pop("expires")
        world.coordinator.put_definition({**document, "name": "patient"})

    def setUp(self):
        self.statuses, self.takes_part = {}, {}
        self.addCleanup(self.let_go)

    def let_go(self):
        for service in self.world.services.values():
            service.control(**{"release": True, "only": "all", "hang-next": 0, "hang-before-next": 0,
                               "fail-next": 0, "delay": "0ms", "hold-for": "5m", "capacity": 1_000_000})

    @property
    def coordinator(self):
        return self.world.coordinator

    def restart_coordinator(self):
        self.world.kill_coordinator()
        self.world.start_coordinator()

    def hold(self, name, operation, when, gid):
        """Holds one call of an operation; returns what waits until it is held."""
        service = self.world.services[name]
        service.control(**{"hang-before-next" if when == "before" else "hang-next": 1, "only": operation,
                           "hang-for": "10m"})
        return lambda: wait_until(service.hanging,
                                  lambda calls: any((c["gid"], c["operation"]) == (gid, operation) for c in calls))

    def enlist(self, gid, name, **more):
        return self.coordinator.enlist(gid, {"id": name, "participant": {"http": self.world.services[name].url},
                                             **SETTLE, **more})

    def reserve(self, gid, name, **more):
        self.enlist(gid, name, **more)
        status, answer = self.world.services[name].call("hold", "try", gid, name, {"pool": "Rome"})
        self.assertEqual(200, status, answer)

    def assert_clean(self, gid, status, names=DESKS):
        """As the coordinator says, so it is at the desks, once what is under way has arrived."""
        def wrong():
            rows = {name: [r for r in ledger if r["gid"] == gid] for name, ledger in read_ledgers(self.world).items()}
            return check(rows, {gid: status}, {gid: names})
        wait_until(wrong, lambda violations: not violations)

    def assert_ends(self, gid, status, names=DESKS):
        self.assertEqual(status, self.coordinator.get(gid, wait="60s")["status"])
        self.assert_clean(gid, status, names)

    # Expiry.

    def test_a_reservation_that_is_about_to_expire_is_cancelled_rather_than_confirmed(self):
        self.world.services["flights"].control(**{"hold-for": "3s"})
        reached = self.hold("payments", "try", "before", "soon")
        self.coordinator.submit("travel-tcc", TRIP, gid="soon")
        reached()
        # A second before the seat is gone, nobody having answered for the money.
        txn = wait_until(lambda: self.coordinator.get("soon"), lambda t: t["status"] != "ACTIVE")
        self.assertEqual("expired", txn["abort"]["cause"], txn)
        self.let_go()
        self.assert_ends("soon", "ABORTED")

    def test_a_desk_lets_go_of_what_nobody_confirms_and_a_late_confirm_is_an_incident(self):
        self.world.services["flights"].control(**{"hold-for": "200ms"})
        self.coordinator.begin("tcc", "late", time_limit="5m")
        self.reserve("late", "flights")  # Without a word about its expiry.
        flights = self.world.services["flights"]
        wait_until(flights.ledger, lambda rows: any((r["gid"], r["effect"]) == ("late", "expired") for r in rows))
        self.coordinator.commit("late")
        txn = wait_until(lambda: self.coordinator.get("late"), lambda t: t["incident"])
        self.assertEqual(("COMMITTING", "rolled-back"), (txn["status"], txn["branches"][0]["heuristic"]))
        incidents = self.coordinator.http.call("GET", "/v1/incidents")
        self.assertIn("late", json.dumps(incidents))
        # It survives a crash; an operator ends it, and the outcome says that it is mixed.
        self.restart_coordinator()
        txn = self.coordinator.get("late")
        self.assertTrue(txn["incident"])
        self.coordinator.http.call("POST", "/v1/transactions/late:resolve",
                                   {"outcome": "COMMITTED", "reason": "the seat was bought again by hand",
                                    "expectedRevision": txn["revision"]})
        self.assertEqual("MIXED", self.coordinator.get("late", wait="60s")["status"])
        self.assertEqual("committed", self.coordinator.decision("late"))

    def test_an_enlisted_branch_that_expires_can_not_be_committed_any_more(self):
        self.coordinator.begin("tcc", "limited", time_limit="5m")
        self.reserve("limited", "flights", expires={"at": "2s", "margin": "1900ms"})
        self.reserve("limited", "cars")
        # The client commits too late, or the coordinator was quicker: the same.
        wait_until(lambda: self.coordinator.get("limited"), lambda t: t["status"] != "ACTIVE")
        self.assertEqual(409, status_of(lambda: self.coordinator.commit("limited"))[0])
        self.assert_ends("limited", "ABORTED")

    # Late and lost calls.

    def test_a_late_try_after_its_cancel_is_refused(self):
        self.coordinator.begin("tcc", "overtaken", time_limit="5m")
        self.enlist("overtaken", "flights")
        self.assertEqual("ABORTED", self.coordinator.abort("overtaken", wait="60s")["status"])
        status, answer = self.world.services["flights"].call("hold", "try", "overtaken", "flights", {"pool": "Rome"})
        self.assertEqual((409, "barrier.suspended"), (status, answer["code"]))
        self.assert_clean("overtaken", "ABORTED")

    def test_a_try_whose_answer_is_lost_is_cancelled(self):
        self.world.services["cars"].control(**{"hang-next": 2, "only": "try", "hang-for": "10m"})
        self.coordinator.submit("travel-tcc", TRIP, gid="lost")
        self.assertEqual("ABORTED", self.coordinator.get("lost", wait="60s")["status"])
        self.let_go()
        self.assert_clean("lost", "ABORTED")
        effects = [r["effect"] for r in self.world.services["cars"].ledger() if r["gid"] == "lost"]
        self.assertEqual(["held", "released"], effects)

    def test_a_full_hotel_takes_the_alternative_and_then_cancels_everything(self):
        self.world.services["hotels"].control(capacity=0)
        self.coordinator.submit("travel-tcc", TRIP, gid="full")
        self.assert_ends("full", "ABORTED")

    def test_a_desk_that_is_killed_holds_what_it_promised_when_it_is_back(self):
        reached = self.hold("cars", "confirm", "before", "killed")
        self.coordinator.submit("patient", TRIP, gid="killed")
        reached()
        self.world.services["cars"].kill()
        self.world.services["cars"].start()
        self.assert_ends("killed", "COMMITTED")

    # Clients that die.

    def test_a_client_that_dies_leaves_nothing_held_longer_than_its_time_limit(self):
        self.coordinator.begin("tcc", "dies", time_limit="1s")
        self.reserve("dies", "flights")
        self.enlist("dies", "hotels")  # It died before it asked the hotel.
        self.restart_coordinator()
        self.assert_ends("dies", "ABORTED")
        self.assertEqual("aborted", self.coordinator.decision("dies"))

    # Repetition.

    def test_a_submit_repeated_at_any_moment_changes_nothing(self):
        def submit(wait=None):
            return self.coordinator.submit("patient", TRIP, gid="again", wait=wait)
        reached = self.hold("payments", "try", "after", "again")
        at_once(submit)
        reached()
        at_once(submit)
        reached = self.hold("payments", "confirm", "after", "again")
        self.restart_coordinator()
        at_once(submit)
        reached()
        at_once(submit)
        self.restart_coordinator()
        self.let_go()
        self.assertEqual({"COMMITTED"}, at_once(lambda: submit("60s")))
        self.restart_coordinator()
        self.assertEqual({"COMMITTED"}, at_once(lambda: submit("60s")))
        self.assert_clean("again", "COMMITTED")

    def test_a_commit_repeated_at_any_moment_gives_the_same_outcome(self):
        self.coordinator.begin("tcc", "commits", time_limit="5m")
        for name in ("flights", "hotels"):
            self.reserve("commits", name)
        reached = self.hold("flights", "confirm", "after", "commits")
        self.assertEqual({"COMMITTING"}, at_once(lambda: self.coordinator.commit("commits")))
        reached()
        self.assertEqual({(409, "transaction.committing")}, at_once(lambda: self.coordinator.abort("commits")))
        self.restart_coordinator()
        self.let_go()
        self.assertEqual({"COMMITTED"}, at_once(lambda: self.coordinator.commit("commits", wait="60s")))
        self.assertEqual({(409, "transaction.finished")}, at_once(lambda: self.coordinator.abort("commits")))
        self.restart_coordinator()
        self.assertEqual({"COMMITTED"}, at_once(lambda: self.coordinator.commit("commits", wait="60s")))
        self.assert_clean("commits", "COMMITTED", ("flights", "hotels"))

    def test_an_abort_repeated_at_any_moment_gives_the_same_outcome(self):
        self.coordinator.begin("tcc", "aborts", time_limit="5m")
        for name in ("flights", "hotels"):
            self.reserve("aborts", name)
        reached = self.hold("hotels", "cancel", "before", "aborts")
        self.assertEqual({"ABORTING"}, at_once(lambda: self.coordinator.abort("aborts")))
        reached()
        refused = {(409, "transaction.aborted")}
        self.assertEqual(refused, at_once(lambda: self.coordinator.commit("aborts")))
        self.restart_coordinator()
        self.let_go()
        self.assertEqual({"ABORTED"}, at_once(lambda: self.coordinator.abort("aborts", wait="60s")))
        self.assertEqual(refused, at_once(lambda: self.coordinator.commit("aborts")))
        self.assert_clean("aborts", "ABORTED")

    def test_commit_and_abort_at_the_same_moment_come_to_one_outcome(self):
        for number in range(10):
            gid = f"race-{number}"
            self.coordinator.begin("tcc", gid, time_limit="5m")
            self.reserve(gid, "flights")
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                calls = [pool.submit(status_of, lambda: self.coordinator.commit(gid, wait="60s")),
                         pool.submit(status_of, lambda: self.coordinator.abort(gid, wait="60s"))]
            answers = [call.result() for call in calls]
            end = self.coordinator.get(gid, wait="60s")["status"]
            self.assertEqual([end], [a for a in answers if isinstance(a, str)], answers)
            self.assert_clean(gid, end, ("flights",))

    def test_begin_and_enlist_repeated_are_the_same_and_other_content_is_a_conflict(self):
        first = self.coordinator.begin("tcc", "same", time_limit="5m")
        self.enlist("same", "flights")
        self.restart_coordinator()
        self.assertEqual(first["gid"], self.coordinator.begin("tcc", "same", time_limit="5m")["gid"])
        self.enlist("same", "flights")
        self.assertEqual(1, len(self.coordinator.get("same")["branches"]))
        self.assertEqual((409, "transaction.content_differs"),
                         status_of(lambda: self.coordinator.begin("2pc", "same", time_limit="5m")))
        self.assertEqual(409, status_of(lambda: self.enlist("same", "flights", timeout="7s"))[0])
        self.assertEqual("ABORTED", self.coordinator.abort("same", wait="60s")["status"])
        self.assertEqual(409, status_of(lambda: self.enlist("same", "cars"))[0])
        self.assert_clean("same", "ABORTED")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = known.build
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
