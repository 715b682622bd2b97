#!/usr/bin/env python3
"""What a client and an operator go through, over real processes: every ending, and what survives."""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import Agency, ApiError, Coordinator, Http  # noqa: E402
from checker import check  # noqa: E402

BUILD = None
TRIP = {"traveller": "Ada", "city": "Lisbon", "car": True}


def fast(name="fast"):
    """A booking that gives up quickly, so that incidents do not take minutes."""
    return {
        "name": name, "mode": "saga", "deadline": "5m",
        "participants": {"cars": {"http": "${env.CARS_URL}", "timeout": "1s"},
                         "payments": {"http": "${env.PAYMENTS_URL}", "timeout": "1s"}},
        "steps": [
            {"id": "car", "participant": "cars",
             "action": {"put": "/rentals/${key}", "body": {"from": "2026-01-01"}},
             "compensate": {"delete": "/rentals/${key}"},
             "compensateRetry": {"initial": "20ms", "factor": 1, "max": "20ms", "attempts": 3}},
            {"id": "pay", "participant": "payments",
             "action": {"put": "/charges/${key}", "body": {"amount": 100}},
             "retry": {"initial": "20ms", "factor": 1, "max": "20ms", "attempts": 2},
             "compensate": {"post": "/refunds", "body": {"charge": "${key}"}}},
        ],
    }


class Lifecycle(unittest.TestCase):
    def setUp(self):
        self.agency = Agency(BUILD)
        self.addCleanup(self.agency.close)
        self.coordinator = self.agency.coordinator

    def entente(self, *arguments):
        return subprocess.run([str(self.agency.build / "entente"), "--server", self.agency.coordinator.url,
                               *arguments], capture_output=True, text=True, timeout=60)

    def log(self):
        return pathlib.Path(self.coordinator.process.log).read_text(errors="replace")

    def assert_clean(self, statuses, services=None):
        """What these services hold, or all of them, is what the transactions came to."""
        ledgers = {name: s.ledger() for name, s in self.agency.services.items() if services is None or name in services}
        self.assertEqual([], check(ledgers, statuses, set(statuses)))

    def test_a_booking_commits_and_its_output_is_what_the_services_said(self):
        txn = self.coordinator.submit("travel-booking", TRIP, gid="a", wait="30s")
        self.assertEqual("COMMITTED", txn["status"])
        charged = self.agency.services["payments"].summary()["net"]
        self.assertEqual(charged, txn["output"]["charged"])
        self.assert_clean({"a": "COMMITTED"})

    def test_a_coordinator_that_was_stopped_for_a_while_refuses_nothing_when_it_goes_on(self):
        # Longer than a store may take to answer before nothing new is accepted.
        stopped_seconds = 7
        outcomes, going_on = [], threading.Event()

        def submit(worker):
            coordinator = Http("127.0.0.1", self.coordinator.ports["http"])
            number = 0
            while not going_on.is_set():
                number += 1
                try:
                    coordinator.call("POST", "/v1/transactions", {
                        "definition": "travel-booking", "input": TRIP, "gid": f"w{worker}-{number}"})
                    outcomes.append("taken")
                except ApiError as error:
                    outcomes.append(f"{error.status} {error.code}")

        clients = [threading.Thread(target=submit, args=(worker,)) for worker in range(8)]
        for client in clients:
            client.start()
        process = self.coordinator.process.popen
        for _ in range(2):
            time.sleep(0.3)
            process.send_signal(signal.SIGSTOP)
            time.sleep(stopped_seconds)
            process.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        going_on.set()
        for client in clients:
            client.join()
        self.assertEqual({"taken"}, set(outcomes))

    def test_with_64_descriptors_all_that_is_accepted_commits(self):
        self.agency.kill_coordinator()
        poor = self.agency.folder / "entente-64"
        poor.write_text(f'#!/bin/sh\nulimit -n 64\nexec {self.agency.build}/entente "$@"\n')
        poor.chmod(0o755)
        self.coordinator = self.agency.coordinator = Coordinator(
            self.agency.build, self.agency.folder, self.agency.env, program=poor)
        gids = [f"t{number}" for number in range(400)]

        def submit(mine):
            http = Http("127.0.0.1", self.coordinator.ports["http"])
            for gid in mine:
                while True:
                    try:
                        http.call("POST", "/v1/transactions", {
                            "definition": "travel-booking", "input": {**TRIP, "city": f"City {gid}"}, "gid": gid})
                        break
                    except ApiError as error:  # Refused at the door: nothing was accepted.
                        self.assertIn(error.status, (429, 503))
                        time.sleep(0.05)

        clients = [threading.Thread(target=submit, args=(gids[n::4],)) for n in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        statuses = {gid: self.coordinator.get(gid, wait="2m")["status"] for gid in gids}
        self.assertEqual({"COMMITTED"}, set(statuses.values()))
        self.assert_clean(statuses)

    def test_the_same_gid_gives_the_same_outcome_and_another_body_is_a_conflict(self):
        first = self.coordinator.submit("travel-booking", TRIP, gid="a", wait="30s")
        again = self.coordinator.submit("travel-booking", TRIP, gid="a", wait="30s")
        self.assertEqual(first["output"], again["output"])
        with self.assertRaises(ApiError) as raised:
            self.coordinator.submit("travel-booking", {**TRIP, "city": "Rome"}, gid="a")
        self.assertEqual((409, "transaction.content_differs"), (raised.exception.status, raised.exception.code))
        self.assert_clean({"a": "COMMITTED"})

    def test_an_unknown_charge_is_refunded(self):
        self.coordinator.put_definition(fast())
        self.agency.services["payments"].control(fail_after_next=2, only="forward")
        txn = self.coordinator.submit("fast", {}, gid="a", wait="30s")
        self.assertEqual("ABORTED", txn["status"])
        effects = [r["effect"] for r in self.agency.services["payments"].ledger()]
        self.assertEqual(["charged", "refunded"], effects)

    def test_a_compensation_that_keeps_failing_is_an_incident_that_an_operator_ends(self):
        self.coordinator.put_definition(fast())
        self.agency.services["payments"].control(refuse_next=1)
        self.agency.services["cars"].control(fail_next=1000, only="undo")
        self.coordinator.submit("fast", {}, gid="a")
        txn = self.wait_for(lambda: self.coordinator.get("a"), lambda t: t["incident"])
        self.assertEqual("ABORTING", txn["status"])
        listed = self.coordinator.http.call("GET", "/v1/incidents")
        self.assertIn("a", json.dumps(listed))
        self.assertRegex(self.log(), "event=incident_raised gid=a trace_id=[0-9a-f]{32} definition=fast branch=car")

        # It survives a crash, and a retry with the cause mended ends it.
        self.agency.kill_coordinator()
        self.agency.start_coordinator(same_ports=True)
        self.coordinator = self.agency.coordinator
        self.assertTrue(self.coordinator.get("a")["incident"])
        self.agency.services["cars"].control(fail_next=0)
        result = self.entente("retry", "a", "--reason", "the car company is back")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual("ABORTED", self.coordinator.get("a", wait="30s")["status"])
        self.assertIn("event=recovered open=1", self.log())
        self.assertRegex(self.log(), "event=operator_action action=retry gid=a trace_id=[0-9a-f]{32} branch=car")
        self.assertRegex(self.log(), "event=incident_ended gid=a trace_id=[0-9a-f]{32} by=retry")
        net = sum(r["amount"] for r in self.agency.services["cars"].ledger())
        self.assertEqual(0, net)

    def test_a_cancel_undoes_what_was_done(self):
        self.agency.services["payments"].control(delay="1500ms")
        self.coordinator.submit("travel-booking", TRIP, gid="a")
        self.wait_for(lambda: self.agency.services["cars"].ledger(), bool)
        self.coordinator.http.call("POST", "/v1/transactions/a:cancel", {"reason": "changed my mind"})
        self.assertEqual("ABORTED", self.coordinator.get("a", wait="30s")["status"])
        self.assert_clean({"a": "ABORTED"})

    def test_a_pending_operation_is_polled_until_it_is_done(self):
        self.coordinator.put_definition(fast())
        self.agency.services["cars"].control(pending_next=1, pending_for="300ms")
        txn = self.coordinator.submit("fast", {}, gid="a", wait="30s")
        self.assertEqual("COMMITTED", txn["status"])

    def test_sigterm_drains_and_what_is_open_goes_on_after_the_restart(self):
        self.agency.services["cars"].control(delay="300ms")
        for n in range(10):
            self.coordinator.submit("travel-booking", TRIP, gid=f"t-{n}")
        code = self.coordinator.process.stop(signal.SIGTERM)
        self.assertEqual(0, code)
        self.agency.start_coordinator(same_ports=True)
        statuses = {f"t-{n}": self.agency.coordinator.get(f"t-{n}", wait="60s")["status"] for n in range(10)}
        self.assert_clean(statuses)
        self.assertEqual({"COMMITTED"}, set(statuses.values()))

    def test_a_paused_transaction_waits_until_it_is_resumed(self):
        self.agency.services["cars"].control(delay="3s")
        self.coordinator.submit("travel-booking", TRIP, gid="a")
        self.coordinator.http.call("POST", "/v1/transactions/a:pause", {"reason": "look first"})
        self.wait_for(lambda: self.coordinator.get("a"),
                      lambda t: all(b["phase"] != "forward" for b in t["branches"]))
        self.assertEqual([], self.agency.services["payments"].ledger())
        self.coordinator.http.call("POST", "/v1/transactions/a:resume", {"reason": "looked"})
        self.assertEqual("COMMITTED", self.coordinator.get("a", wait="30s")["status"])

    def test_waits_signals_children_and_for_each_over_the_wire(self):
        self.coordinator.put_definition(fast("leg"))
        self.coordinator.put_definition({
            "name": "tour", "mode": "saga",
            "participants": {"cars": {"http": "${env.CARS_URL}"}},
            "input": {"type": "object", "required": ["days"],
                      "properties": {"days": {"type": "array", "items": {"type": "string"}}}},
            "steps": [
                {"id": "go", "wait": {"signal": "go", "timeout": "1m"}},
                {"id": "cars", "participant": "cars", "forEach": "${input.days}",
                 "action": {"put": "/rentals/${key}", "body": {"from": "${item}"}},
                 "compensate": {"delete": "/rentals/${key}"}},
                {"id": "leg", "action": {"transaction": {"definition": "leg", "input": {}}}, "compensate": None},
                {"id": "rest", "wait": {"for": "50ms"}},
            ],
            "output": {"cars": "${size(steps.cars.output)}", "by": "${steps.go.output.by}"},
        })
        self.coordinator.submit("tour", {"days": ["2026-01-01", "2026-01-02", "2026-01-03"]}, gid="a")
        result = self.entente("signal", "a", "go", "--payload", '{"by": "Grace"}')
        self.assertEqual(0, result.returncode, result.stderr)
        txn = self.coordinator.get("a", wait="30s")
        self.assertEqual(("COMMITTED", {"cars": 3, "by": "Grace"}), (txn["status"], txn["output"]))
        self.assertEqual("COMMITTED", self.coordinator.get("a~leg")["status"])

    def test_a_child_that_is_held_ends_as_its_parent_does_whenever_all_is_killed(self):
        payments = self.agency.services["payments"]
        self.coordinator.put_definition(fast("leg"))
        self.coordinator.put_definition({
            "name": "tour", "mode": "saga",
            "participants": {"cars": {"http": "${env.CARS_URL}"}},
            "steps": [
                {"id": "leg", "action": {"transaction": {"definition": "leg", "input": {}}}, "compensate": "child"},
                {"id": "sure", "wait": {"signal": "sure"}},
                {"id": "go", "when": "${!steps.sure.output}", "refuse": {"code": "no", "message": "not after all"}},
            ]})
        for gid, sure, end in (("a", True, "COMMITTED"), ("b", False, "ABORTED")):
            child = f"{gid}~leg"
            self.coordinator.submit("tour", {}, gid=gid)
            held = self.wait_for(lambda: self.coordinator.list(parent=gid) and self.coordinator.get(child),
                                 lambda t: t and t.get("held"))
            self.assertEqual("ACTIVE", held["status"])
            with self.assertRaises(ApiError) as refused:
                self.coordinator.http.call("POST", f"/v1/transactions/{child}:cancel", {"reason": "a mistake"})
            self.assertEqual((409, "transaction.held"), (refused.exception.status, refused.exception.code))
            self.agency.kill_coordinator()
            self.agency.start_coordinator()
            self.coordinator = self.agency.coordinator
            self.assertTrue(self.coordinator.get(child)["held"])
            payments.control(delay="200ms")  # So that its undo is under way when all is killed again.
            self.coordinator.http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "sure", "payload": sure})
            self.wait_for(lambda: self.coordinator.get(gid), lambda t: t["status"] != "ACTIVE")
            self.agency.kill_coordinator()
            self.agency.start_coordinator()
            self.coordinator = self.agency.coordinator
            payments.control(delay="0ms")
            self.assertEqual(end, self.coordinator.get(gid, wait="30s")["status"])
            self.assertEqual(end, self.coordinator.get(child, wait="30s")["status"])
        self.assertEqual(100, payments.summary()["net"])
        self.assert_clean({"a~leg": "COMMITTED", "b~leg": "ABORTED"}, services=("cars", "payments"))

    def wait_for(self, ask, good, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            answer = ask()
            if good(answer):
                return answer
            self.assertLess(time.monotonic(), deadline, f"still not so: {answer}")
            time.sleep(0.02)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = known.build
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
