#!/usr/bin/env python3
"""What chaos/run rests on: a schedule that repeats, links that do what they say, and a judge that notices."""

import argparse
import copy
import itertools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "chaos")]

import faults  # noqa: E402
from judge import judge  # noqa: E402
from links import HttpLink, Loop, TcpLink  # noqa: E402

BUILD = None
COLUMNS = ("gid", "branch", "operation", "key", "effect", "amount")
PAID = [["bank-a", "debit", -5, "debited"], ["bank-b", "credit", 5, "credited"]]


def story():
    """A run in which everything is right: a transfer and a note that commit, a TCC that is cancelled."""
    events = []

    def asked(op, gid, **told):
        number = len(events)
        events.append({"type": "invoke", "n": number, "op": op, "gid": gid, "at": number,
                       **({"expect": told.pop("expect"), "register": told.pop("register", None)} if "expect" in told else {})})
        events.append({"type": told.pop("type", "ok"), "n": number, "op": op, "gid": gid, "at": number + 1, **told})

    asked("submit", "paid", expect=PAID, status="COMMITTED")
    asked("submit", "held", expect=PAID, status="ACTIVE")
    asked("cancel", "held", status="ABORTING")
    asked("submit", "noted", expect=[["register", "first", 1, "appended"]], register="r", status="COMMITTED")
    asked("submit", "later", expect=[["register", "first", 1, "appended"]], register="r", type="info")
    for gid, status, output in (("paid", "COMMITTED", None), ("held", "ABORTED", None), ("noted", "COMMITTED", {"version": 1}),
                                ("later", "COMMITTED", {"version": 2})):
        asked("final", gid, status=status, output=output)
    rows = {
        "bank-a": [("paid", "debit", "action", "paid:debit", "debited", -5), ("held", "debit", "try", "held:debit", "frozen", 0),
                   ("held", "debit", "cancel", "held:debit:cancel", "unfrozen", 0)],
        "bank-b": [("paid", "credit", "action", "paid:credit", "credited", 5)],
        "flights": [], "hotels": [],
        "register": [("noted", "first", "action", "noted:first", "appended", 1),
                     ("later", "first", "action", "later:first", "appended", 1)]}
    ledgers = {name: [dict(zip(COLUMNS, row)) for row in each] for name, each in rows.items()}
    for version, row in enumerate(ledgers["register"], 1):
        row.update(register="r", version=version)
    quiet = {"balance": 95, "frozen": 0, "incoming": 0}
    services = {"bank-a": {"total": 95, "prepared": 0, "accounts": {"a": quiet}},
                "bank-b": {"total": 105, "prepared": 0, "accounts": {"b": dict(quiet)}},
                "flights": {"held": 0}, "hotels": {"held": 0},
                "register": {"registers": {"r": {"version": 2, "standing": 2}}}}
    return {"events": events, "ledgers": ledgers, "services": services}


def last(story_, op, gid):
    return [event for event in story_["events"] if (event["op"], event["gid"]) == (op, gid)][-1]


LIES = {
    "I1: paid": lambda s: s["ledgers"]["bank-b"].clear(),
    "I1: bank-a has": lambda s: s["services"]["bank-a"].update(total=94),
    "I1: the banks": lambda s: s["services"]["bank-a"].update(total=94),
    "I1: bank-b still holds": lambda s: s["services"]["bank-b"]["accounts"]["b"].update(incoming=5),
    "I1: flights still holds": lambda s: s["services"]["flights"].update(held=1),
    "I1: register r went": lambda s: s["ledgers"]["register"][1].update(version=3),
    "I1: register r has": lambda s: s["services"]["register"]["registers"]["r"].update(standing=1),
    "I1: noted says version": lambda s: last(s, "final", "noted").update(output={"version": 7}),
    "I1: later was begun after": lambda s: (s["ledgers"]["register"].reverse(), s["ledgers"]["register"][0].update(version=1),
                                            s["ledgers"]["register"][1].update(version=2)),
    "I1/I4: held is ABORTED": lambda s: s["ledgers"]["bank-a"].pop(),
    "I1/I4: paid is ABORTED": lambda s: (last(s, "final", "paid").update(status="ABORTED"), s["ledgers"]["bank-b"].clear()),
    "I2: noted was acknowledged": lambda s: last(s, "final", "noted").update(type="fail"),
    "I2: paid was submitted with another": lambda s: s["events"].append({**last(s, "submit", "paid"), "op": "submit-another"}),
    "I3: paid was seen": lambda s: last(s, "final", "paid").update(status="ABORTED"),
    "I3: the cancel of held": lambda s: last(s, "final", "held").update(status="COMMITTED"),
    "I3: the commit of held": lambda s: s["events"].append({**last(s, "cancel", "held"), "op": "commit"}),
    "I5: bank-a": lambda s: s["ledgers"]["bank-a"].append(dict(s["ledgers"]["bank-a"][0])),
    "I6: bank-a": lambda s: s["ledgers"]["bank-a"].append(dict(s["ledgers"]["bank-a"][1])),
    "I9: held is ABORTING": lambda s: last(s, "final", "held").update(status="ABORTING"),
    "I9: bank-b has 1 prepared": lambda s: s["services"]["bank-b"].update(prepared=1),
    "I11: ['register']": lambda s: s["ledgers"]["register"].append({**s["ledgers"]["register"][1], "gid": "nobody", "version": 3}),
    "vacuous": lambda s: [event.pop("status", None) for event in s["events"]],
}


class JudgeNotices(unittest.TestCase):
    def judge(self, told):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-judge-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        (folder / "history.jsonl").write_text("".join(json.dumps(event) + "\n" for event in told["events"]))
        (folder / "ledgers.json").write_text(json.dumps(told["ledgers"]))
        (folder / "summaries.json").write_text(json.dumps({"services": told["services"],
                                                           "opening": {"bank-a": 100, "bank-b": 100}}))
        return judge(folder)[0]

    def test_a_run_in_which_everything_is_right_has_no_violation(self):
        self.assertEqual([], self.judge(story()))

    def test_each_lie_is_noticed(self):
        for wanted, lie in LIES.items():
            with self.subTest(wanted):
                told = copy.deepcopy(story())
                lie(told)
                found = self.judge(told)
                self.assertTrue(any(violation.startswith(wanted) for violation in found), found)


class ScheduleRepeats(unittest.TestCase):
    def test_the_same_seed_gives_the_same_faults(self):
        def first(seed, store):
            return list(itertools.islice(faults.schedule(seed, faults.kinds_of("all"), store, ("coordinator",)), 200))
        for store in ("sqlite", "postgres"):
            self.assertEqual(first(7, store), first(7, store))
            self.assertNotEqual(first(7, store), first(8, store))
            drawn = {fault["kind"] for one in first(7, store) for fault in one["faults"]}
            self.assertEqual(set(faults.kinds_of("all")) - ({"full"} if store == "postgres" else set()), drawn)

    def test_a_fault_that_there_is_not_is_named(self):
        with self.assertRaisesRegex(ValueError, "'earthquake'"):
            faults.kinds_of("network,earthquake")


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"


class Upstream:
    """Answers each request, and counts them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.requests, self.arrived = 0, threading.Condition()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        held = b""
        try:
            while data := connection.recv(4096):
                held += data
                while held.startswith(REQUEST):
                    held = held[len(REQUEST):]
                    with self.arrived:
                        self.requests += 1
                        self.arrived.notify_all()
                    connection.sendall(ANSWER)
        except OSError:
            pass
        connection.close()

    def wait_for(self, requests):
        with self.arrived:
            return self.arrived.wait_for(lambda: self.requests >= requests, 30)


class Links(unittest.TestCase):
    def setUp(self):
        self.loop, self.upstream = Loop(), Upstream()
        self.addCleanup(self.loop.close)
        self.addCleanup(self.upstream.listener.close)

    def link(self, kind):
        link = kind(self.loop, "test", self.upstream.listener.getsockname(), 1)
        link.dice.random = lambda: 0.0  # Every request is hit.
        self.addCleanup(link.close)
        return link

    def ask(self, link, seconds=30):
        """What comes back, or the error that does."""
        # A reset may already be there when the connection is made.
        try:
            with socket.create_connection(("127.0.0.1", link.port), timeout=seconds) as connection:
                connection.sendall(REQUEST)
                answer = b""
                while len(answer) < len(ANSWER) and (data := connection.recv(4096)):
                    answer += data
                return answer
        except OSError as error:
            return type(error)

    def test_a_link_that_is_well_and_one_that_is_only_slow_pass_everything(self):
        for kind in ("", "slice", "delay", "bandwidth"):
            link = self.link(TcpLink)
            if kind:
                link.inject(kind, {"bandwidth": 1000}.get(kind, 0.01))
            self.assertEqual(ANSWER, self.ask(link), kind)
        self.assertEqual(ANSWER, self.ask(self.link(HttpLink)))

    def test_bytes_that_are_lost_do_not_arrive_and_their_connection_ends_with_the_fault(self):
        for kind, requests in (("half-open", 0), ("drop-up", 0), ("drop-down", 1)):
            before = self.upstream.requests
            link = self.link(TcpLink)
            link.inject(kind)
            answers = []
            waiting = threading.Thread(target=lambda: answers.append(self.ask(link)), daemon=True)
            waiting.start()
            while not link.hit:
                pass
            self.assertTrue(self.upstream.wait_for(before + requests))
            link.heal()
            waiting.join(30)
            self.assertNotIn(ANSWER, answers, kind)
            self.assertEqual(before + requests, self.upstream.requests, kind)
            self.assertEqual(ANSWER, self.ask(link), kind)

    def test_a_reset_is_one_and_ends_when_it_is_healed(self):
        link = self.link(TcpLink)
        link.inject("reset")
        self.assertNotEqual(ANSWER, self.ask(link))
        link.heal()
        self.assertEqual(ANSWER, self.ask(link))

    def test_what_comes_for_a_half_that_was_closed_ends_the_connection(self):
        link = self.link(TcpLink)
        with socket.create_connection(("127.0.0.1", link.port), timeout=30) as connection:
            connection.sendall(REQUEST)
            self.assertEqual(ANSWER, connection.recv(4096))
            link.inject("half-close")
            try:
                connection.sendall(REQUEST)
                self.assertNotEqual(ANSWER, connection.recv(4096))
            except OSError:
                pass
        link.heal()
        self.assertEqual(ANSWER, self.ask(link))

    def test_requests_are_doubled_lost_before_and_after_and_overtaken(self):
        for kind, answered, arrivals in (("duplicate", True, 2), ("lost-answer", False, 1), ("lost-request", False, 0),
                                         ("overtaken", False, 1), ("reorder", True, 1)):
            before = self.upstream.requests
            link = self.link(HttpLink)
            link.inject(kind, 0.01)
            self.assertEqual(answered, self.ask(link) == ANSWER, kind)
            self.assertTrue(self.upstream.wait_for(before + arrivals), kind)
            link.heal()
            self.assertEqual(ANSWER, self.ask(link), kind)
            self.assertEqual(before + arrivals + 1, self.upstream.requests, kind)


class WholeRuns(unittest.TestCase):
    def test_a_participant_that_breaks_its_contract_is_noticed(self):
        done = subprocess.run([sys.executable, ROOT / "chaos" / "run", "--build", BUILD, "--minutes", "0.1", "--seed", "3",
                               "--faults", "http", "--break-participant", "undo"], capture_output=True, text=True, timeout=600)
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        self.assertIn("VIOLATION I1/I4", done.stdout)
        kept = pathlib.Path(done.stdout.partition("everything is in ")[2].splitlines()[0])
        self.addCleanup(shutil.rmtree, kept, ignore_errors=True)
        for name in ("history.jsonl", "ledgers.json", "faults.jsonl", "coordinator/entente.log", "store-kept" if (kept / "store-kept").exists()
                     else "store"):
            self.assertTrue((kept / name).exists(), name)

    def test_a_run_that_is_ended_leaves_nothing_behind(self):
        for store, nodes, when in (("postgres", "2", "entente-postgres-*"), ("sqlite", "1", "entente-chaos-*/faults.jsonl"),
                                   ("postgres", "2", "entente-chaos-*/faults.jsonl")):
            with self.subTest(f"{store}, {when}"), tempfile.TemporaryDirectory(prefix="entente-ended-") as folder:
                place = pathlib.Path(folder)
                place.chmod(0o755)  # For PostgreSQL, which is another user's.
                run = subprocess.Popen([sys.executable, ROOT / "chaos" / "run", "--build", BUILD, "--store", store, "--nodes", nodes,
                                        "--faults", "process"], env={**os.environ, "TMPDIR": folder}, stdout=subprocess.DEVNULL)
                while run.poll() is None and not list(place.glob(when)):
                    time.sleep(0.01)
                run.terminate()
                self.assertEqual(143, run.wait(120))
                self.assertEqual([], list(place.iterdir()))
                self.assertNotIn(folder, pathlib.Path("/proc/mounts").read_text())
                left = [words for words in map(command_line, pathlib.Path("/proc").glob("[0-9]*")) if folder in words]
                self.assertEqual([], left)


def command_line(process):
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = known.build
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
