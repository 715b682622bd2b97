#!/usr/bin/env python3
"""What chaos/run rests on: a schedule that repeats, links that do what they say, and a judge that notices."""

import argparse
import copy
import itertools
import json
import os
import pathlib
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "chaos")]

import faults  # noqa: E402
from grpc_link import GrpcLink  # noqa: E402
from judge import judge  # noqa: E402
from links import HttpLink, Loop, TcpLink  # noqa: E402
from workloads import order_of  # noqa: E402

BUILD = None
COLUMNS = ("gid", "branch", "operation", "key", "effect", "amount", "at", "epoch")


def order(definition, **data):
    return {"order": order_of(definition, data)}


def story():
    """A run in which everything is right.

    Seven transactions commit: a transfer, two notes, one of which had no answer at first, a TCC and a saga that their clients
    lead, and notes in each of two registers, one after the other and at a time. One is refused at the door. Four are undone: a TCC by a cancel, a transfer whose second step is taken back before its first
    one, a two-phase commit that its client leads and a participant votes down, and a wait for a signal that nobody sent.
    """
    events = []

    def asked(op, gid, **told):
        number = len(events)
        events.append({"type": "invoke", "n": number, "op": op, "gid": gid, "at": number,
                       **({"order": told.pop("order")} if "order" in told else {})})
        events.append({"type": told.pop("type", "ok"), "n": number, "op": op, "gid": gid, "at": number + 1, **told})

    money = {"from": "a", "to": "b", "amount": 5}
    asked("submit", "paid", **order("transfer-saga", **money), status="COMMITTED", output={"moved": 5})
    asked("submit", "held", **order("transfer-tcc", **money), status="ACTIVE")
    asked("cancel", "held", status="ABORTING", abort={"cause": "cancelled"})
    asked("submit", "noted", **order("note", register="r"), status="COMMITTED", output={"first": 1})
    asked("submit", "later", **order("note", register="r"), type="info")
    asked("submit", "refused", **order("note", register="r"), type="fail")
    asked("submit", "back", **order("transfer-saga", **money), status="ABORTING", abort={"cause": "gave-up"})
    asked("begin", "led", order=order_of("transfer-tcc", {**money, "amount": 0}, output=None), status="ACTIVE")
    asked("commit", "led", status="COMMITTING")
    asked("begin", "voted", order=order_of("transfer-2pc", money, output=None), status="ACTIVE")
    asked("commit", "voted", status="ACTIVE")
    asked("submit", "waits", **order("signal", register="r"), status="ACTIVE")
    asked("begin", "acted", order=order_of("transfer-saga", {**money, "amount": 0}, output=None), status="ACTIVE")
    asked("commit", "acted", status="COMMITTED")
    several = {"first": 1, "each": [1, 1], "last": 2}
    for gid, definition in (("many", "each-ordered"), ("wide", "each")):
        asked("submit", gid, **order(definition, register=f"{gid}-x", registers=[f"{gid}-y", f"{gid}-z"]), status="COMMITTED",
              output=several)
    for gid, status, told in (("paid", "COMMITTED", {"output": {"moved": 5}}), ("held", "ABORTED", {}),
                              ("noted", "COMMITTED", {"output": {"first": 1}}), ("later", "COMMITTED", {"output": {"first": 2}}),
                              ("back", "ABORTED", {}), ("led", "COMMITTED", {}), ("voted", "ABORTED", {}),
                              ("acted", "COMMITTED", {}), ("many", "COMMITTED", {"output": several}),
                              ("wide", "COMMITTED", {"output": several}),
                              ("waits", "ABORTED", {"abort": {"cause": "gave-up", "code": "wait.timeout"}})):
        asked("final", gid, status=status, **told)
        events[-1]["at"] += 1000
    listed = [[event["gid"], event["status"]] for event in events if event["op"] == "final" and event["type"] == "ok"]
    rows = {
        "bank-a": [("paid", "debit", "action", "paid:debit", "debited", -5, 1, 1),
                   ("held", "debit", "try", "held:debit", "frozen", 0, 2, 1),
                   ("held", "debit", "cancel", "held:debit:cancel", "unfrozen", 0, 3, 2),
                   ("back", "debit", "action", "back:debit", "debited", -5, 4, 1),
                   ("back", "debit", "compensate", "back:debit:compensate", "returned", 5, 7, 1),
                   ("led", "debit", "try", "led:debit", "frozen", 0, 8, 0),
                   ("led", "debit", "confirm", "led:debit:confirm", "debited", 0, 9, 1),
                   ("acted", "debit", "action", "acted:debit", "debited", 0, 10, 0)],
        "bank-b": [("paid", "credit", "action", "paid:credit", "credited", 5, 2, 1),
                   ("back", "credit", "action", "back:credit", "credited", 5, 5, 1),
                   ("back", "credit", "compensate", "back:credit:compensate", "taken", -5, 6, 1),
                   ("led", "credit", "confirm", "led:credit:confirm", "credited", 0, 9, 1),
                   ("acted", "credit", "action", "acted:credit", "credited", 0, 11, 0)],
        "flights": [], "hotels": [],
        "register": [("noted", "first", "action", "noted:first", "appended", 1, 1, 1),
                     ("later", "first", "action", "later:first", "appended", 1, 2, 1)]}
    ledgers = {name: [dict(zip(COLUMNS, row)) for row in each] for name, each in rows.items()}
    for version, row in enumerate(ledgers["register"], 1):
        row.update(register="r", version=version)
    registers = {"r": {"version": 2, "standing": 2}}
    for gid, moments in (("many", (1, 2, 3, 4)), ("wide", (1, 3, 2, 4))):
        for branch, at, place, version in zip(("first", "each:0", "each:1", "last"), moments, "xyzx", (1, 1, 1, 2)):
            row = (gid, branch, "action", f"{gid}:{branch}", "appended", 1, at, 1)
            ledgers["register"].append({**dict(zip(COLUMNS, row)), "register": f"{gid}-{place}", "version": version})
            registers[f"{gid}-{place}"] = {"version": version, "standing": version}
    services = {"bank-a": {"total": 95, "prepared": 0, "accounts": {"a": {"balance": 95, "frozen": 0, "incoming": 0}}},
                "bank-b": {"total": 105, "prepared": 0, "accounts": {"b": {"balance": 105, "frozen": 0, "incoming": 0}}},
                "flights": {"held": 0}, "hotels": {"held": 0},
                "register": {"registers": registers}}
    return {"events": events, "listed": listed, "ledgers": ledgers, "services": services}


def last(story_, op, gid):
    return [event for event in story_["events"] if (event["op"], event["gid"]) == (op, gid)][-1]


def ends(story_, gid, status):
    """The coordinator says so wherever it is asked."""
    last(story_, "final", gid).update(status=status)
    story_["listed"] = [[one, status if one == gid else its] for one, its in story_["listed"]]


def forgets(story_, gid):
    last(story_, "final", gid).update(type="fail")
    story_["listed"] = [one for one in story_["listed"] if one[0] != gid]


def without(story_, op, gid):
    story_["events"] = [event for event in story_["events"] if (event["op"], event["gid"]) != (op, gid)]


def asked_again(story_, op, gid, **told):
    number = 10_000 + len(story_["events"])
    story_["events"] += [{"type": "invoke", "n": number, "op": op, "gid": gid, "at": number},
                         {"type": "ok", "n": number, "op": op, "gid": gid, "at": number, **told}]


def rows_of(story_, service, gid):
    return [row for row in story_["ledgers"][service] if row["gid"] == gid]


LIES = {
    "I1: paid": lambda s: s["ledgers"]["bank-b"].clear(),
    "I1: bank-a has": lambda s: s["services"]["bank-a"].update(total=94),
    "I1: the banks": lambda s: s["services"]["bank-a"].update(total=94),
    "I1: bank-b still holds": lambda s: s["services"]["bank-b"]["accounts"]["b"].update(incoming=5),
    "I1: flights still holds": lambda s: s["services"]["flights"].update(held=1),
    "I1: register r went": lambda s: s["ledgers"]["register"][1].update(version=3),
    "I1: register r has": lambda s: s["services"]["register"]["registers"]["r"].update(standing=1),
    "I1: noted is COMMITTED with the output {'first': 7}": lambda s: last(s, "final", "noted").update(output={"first": 7}),
    "I1: paid is COMMITTED with the output None": lambda s: last(s, "final", "paid").pop("output"),
    "I1: led is COMMITTED with the output {}": lambda s: last(s, "final", "led").update(output={}),
    "I1: later was begun after": lambda s: (s["ledgers"]["register"].insert(0, s["ledgers"]["register"].pop(1)),
                                            s["ledgers"]["register"][0].update(version=1),
                                            s["ledgers"]["register"][1].update(version=2)),
    "I1: many is COMMITTED with the output {'each': [1, 9], 'first': 1": lambda s: last(s, "final", "many").update(
        output={"first": 1, "each": [1, 9], "last": 2}),
    "I1: wide is COMMITTED, with 1 by 'each:0' at register, 1 by 'first'": lambda s: s["ledgers"]["register"].remove(
        rows_of(s, "register", "wide")[2]),
    "I1/I4: held is ABORTED": lambda s: s["ledgers"]["bank-a"].remove(rows_of(s, "bank-a", "held")[-1]),
    "I1/I4: paid is ABORTED": lambda s: (ends(s, "paid", "ABORTED"), s["ledgers"]["bank-b"].clear()),
    "I1/I4: back is ABORTED, but bank-a still has 5 of 'debit'": lambda s: (
        s["ledgers"]["bank-a"].remove(rows_of(s, "bank-a", "back")[0]),
        s["ledgers"]["bank-a"].append({**rows_of(s, "bank-a", "paid")[0], "gid": "back", "branch": "other", "key": "back:other"})),
    "I2: noted was acknowledged": lambda s: forgets(s, "noted"),
    "I2: ['register'] have effects of later": lambda s: forgets(s, "later"),
    "I2: refused was refused, and is there": lambda s: asked_again(s, "final", "refused", status="ABORTED"),
    "I2: paid was submitted with another": lambda s: asked_again(s, "submit-another", "paid"),
    "I2: waits gave up": lambda s: asked_again(s, "signal", "waits"),
    "I3: paid was seen": lambda s: ends(s, "paid", "ABORTED"),
    "I3: held was seen": lambda s: last(s, "submit", "held").update(status="COMMITTING"),
    "I3: paid was answered ACTIVE": lambda s: asked_again(s, "get", "paid", status="ACTIVE"),
    "I3: paid was answered with several": lambda s: asked_again(s, "get", "paid", status="COMMITTED", output={"moved": 6}),
    "I3: the cancel of held": lambda s: ends(s, "held", "COMMITTED"),
    "I3: the commit of held": lambda s: asked_again(s, "commit", "held"),
    "I3: held was cancelled": lambda s: last(s, "cancel", "held").update(type="fail") or last(s, "final", "held").update(
        abort={"cause": "cancelled"}),
    "I3: led is COMMITTED, and its client": lambda s: without(s, "commit", "led"),
    "I3: acted is COMMITTED, and its client": lambda s: without(s, "commit", "acted"),
    "I3: the commit of acted": lambda s: ends(s, "acted", "ABORTED"),
    "I3: waits is COMMITTED, and nobody": lambda s: ends(s, "waits", "COMMITTED"),
    "I3: waits ran out of time": lambda s: last(s, "final", "waits").update(at=30),
    "I5: bank-a": lambda s: s["ledgers"]["bank-a"].append(dict(s["ledgers"]["bank-a"][0])),
    "I6: bank-a": lambda s: s["ledgers"]["bank-a"].append(dict(s["ledgers"]["bank-a"][1])),
    "I7: bank-a": lambda s: rows_of(s, "bank-a", "held")[0].update(epoch=3),
    "I8: back: 'credit'": lambda s: rows_of(s, "bank-a", "back")[-1].update(at=5.5),
    "I8: paid: 'credit'": lambda s: rows_of(s, "bank-b", "paid")[0].update(at=0.5),
    "I8: acted: 'credit'": lambda s: rows_of(s, "bank-b", "acted")[0].update(at=9.5),
    "I8: many: 'each:1'": lambda s: rows_of(s, "register", "many")[2].update(at=1.5),
    "I8: wide: 'each'": lambda s: rows_of(s, "register", "wide")[2].update(at=0.5),
    "I8: wide: 'last'": lambda s: rows_of(s, "register", "wide")[3].update(at=2.5),
    "I9: held is ABORTING": lambda s: ends(s, "held", "ABORTING"),
    "I9: what became of later": lambda s: last(s, "final", "later").update(type="info"),
    "I9: paid~pay is ACTIVE": lambda s: s["listed"].append(["paid~pay", "ACTIVE"]),
    "I9: bank-b has 1 prepared": lambda s: s["services"]["bank-b"].update(prepared=1),
    "I11: ['register']": lambda s: s["ledgers"]["register"].append({**s["ledgers"]["register"][1], "gid": "nobody", "version": 3}),
    "I11: nobody is listed": lambda s: s["listed"].append(["nobody", "ABORTED"]),
    "I11: account a has 90": lambda s: s["services"]["bank-a"].update(
        accounts={"a": {"balance": 90, "frozen": 0, "incoming": 0}, "z": {"balance": 5, "frozen": 0, "incoming": 0}}),
    "I11: later is about ['r']": lambda s: s["ledgers"]["register"][1].update(register="q", version=1),
    "I11: later is about ['r'], and has removed in q": lambda s: s["ledgers"]["register"].append(
        {**s["ledgers"]["register"][1], "operation": "compensate", "effect": "removed", "register": "q"}),
    "I11: many is about ['many-z']": lambda s: rows_of(s, "register", "many")[2].update(register="many-w"),
    "I13: paid is COMMITTED, and listed as ['ABORTED']": lambda s: s["listed"][0].__setitem__(1, "ABORTED"),
    "I13: paid is COMMITTED, and listed as nothing": lambda s: s["listed"].pop(0),
    "I13: paid is COMMITTED, and listed as ['COMMITTED', 'COMMITTED']": lambda s: s["listed"].append(["paid", "COMMITTED"]),
    "vacuous: none of transfer-2pc is COMMITTED": lambda s: [
        s["events"].append({"type": "invoke", "n": n, "op": "submit", "gid": f"g{n}", "at": n, **order("transfer-2pc")})
        for n in range(20_000, 20_050)],
    "vacuous: the load": lambda s: [event.pop("status", None) for event in s["events"]],
}


class JudgeNotices(unittest.TestCase):
    def judge(self, told):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-judge-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        (folder / "history.jsonl").write_text("".join(json.dumps(event) + "\n" for event in told["events"]))
        (folder / "listed.json").write_text(json.dumps(told["listed"]))
        (folder / "ledgers.json").write_text(json.dumps(told["ledgers"]))
        (folder / "summaries.json").write_text(json.dumps({"services": told["services"],
                                                           "opening": {"bank-a": {"a": 100}, "bank-b": {"b": 100}}}))
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
            self.assertEqual(set(faults.kinds_of("all")) - (set(faults.GROUPS["disk"]) if store == "postgres" else set()), drawn)

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


def frame(kind, flags, stream, body=b""):
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


class GrpcUpstream(Upstream):
    """Counts calls that are whole, in their order, and answers each with a header and an end."""

    def __init__(self):
        self.order = []
        super().__init__()

    def serve(self, connection):
        stream = connection.makefile("rb")
        try:
            stream.read(24)
            while len(head := stream.read(9)) == 9:
                stream.read(int.from_bytes(head[:3], "big"))
                if head[3] == 0 and head[4] & 1:
                    number = int.from_bytes(head[5:9], "big")
                    with self.arrived:
                        self.requests += 1
                        self.order.append(number)
                        self.arrived.notify_all()
                    connection.sendall(frame(1, 4, number, b"ok") + frame(0, 1, number))
        except OSError:
            pass
        connection.close()


class GrpcLinks(unittest.TestCase):
    def setUp(self):
        self.loop, self.upstream = Loop(), GrpcUpstream()
        self.addCleanup(self.loop.close)
        self.addCleanup(self.upstream.listener.close)
        self.link = GrpcLink(self.loop, "test", self.upstream.listener.getsockname(), 1)
        self.addCleanup(self.link.close)
        self.link.dice.random = lambda: 0.0  # Every call is hit.

    def call(self, connection, stream):
        """In pieces: the header block is in two frames."""
        connection.sendall(frame(1, 0, stream, b"he") + frame(9, 4, stream, b"ad") + frame(0, 0, stream, b"bo") + frame(0, 1, stream, b"dy"))

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.link.port), timeout=30)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        return connection

    def answered(self, connection):
        try:
            return len(connection.makefile("rb").read(20)) == 20
        except OSError:
            return False

    def test_calls_are_doubled_lost_before_and_after_held_back_and_overtaken(self):
        for kind, answered, arrivals in (("", True, 1), ("duplicate", True, 2), ("lost-answer", False, 1), ("lost-request", False, 0),
                                         ("overtaken", False, 1), ("reorder", True, 1)):
            with self.subTest(kind), self.connect() as connection:
                before = self.upstream.requests
                if kind:
                    self.link.inject(kind, 0.01)
                self.call(connection, 1)
                self.assertEqual(answered, self.answered(connection))
                self.assertTrue(self.upstream.wait_for(before + arrivals))
                self.link.heal()
                with self.connect() as again:
                    self.call(again, 1)
                    self.assertTrue(self.answered(again))
                self.assertEqual(before + arrivals + 1, self.upstream.requests)

    def test_what_is_held_back_is_overtaken_by_a_later_call_of_the_same_connection(self):
        with self.connect() as connection:
            waits = iter((600, 0))
            self.link.dice.uniform = lambda *_: next(waits)
            self.link.inject("reorder", 1)
            self.call(connection, 1)
            self.call(connection, 3)
            self.assertTrue(self.upstream.wait_for(1))
            self.assertEqual([3], self.upstream.order)


ASKED = """
import os, sys, tempfile, time
file = tempfile.TemporaryFile()
def tried(work):
    try:
        return work() and "done"
    except OSError as error:
        return error.errno
for _ in sys.stdin:
    print(time.time() - time.monotonic(), tried(lambda: os.pwrite(file.fileno(), b"x", 0)),
          tried(lambda: os.fsync(file.fileno()) is None), tried(lambda: os.fdatasync(file.fileno()) is None), flush=True)
"""


class TroubleFromWithin(unittest.TestCase):
    """Of a process that has the shim, and tells the time, and how a write, an fsync and an fdatasync went."""

    def setUp(self):
        shim = pathlib.Path(BUILD).resolve() / "chaos" / "libtrouble_shim.so"
        if not shim.exists():
            self.skipTest("a build with a sanitizer has none")
        self.file = tempfile.NamedTemporaryFile()
        self.addCleanup(self.file.close)
        self.set(0)
        self.process = subprocess.Popen([sys.executable, "-c", ASKED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "LD_PRELOAD": str(shim), "ENTENTE_TROUBLE": self.file.name})
        self.addCleanup(self.process.communicate)

    def set(self, ahead, disk=0):
        self.file.seek(0)
        self.file.write(struct.pack("=qq", ahead * 10**9, disk))
        self.file.flush()

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def told(self):
        time_of_day, *disk = self.process.stdout.readline().split()
        return float(time_of_day), disk

    def test_the_time_of_day_is_set_while_it_runs_and_no_other_clock_is(self):
        readings = []
        for seconds in (0, 3600, -3600, 0):
            self.set(seconds)
            self.ask()
            readings.append(self.told()[0])
        self.assertEqual([0, 1, -1, 0], [round((one - readings[0]) / 3600) for one in readings])

    def test_writes_and_syncs_fail_for_as_long_as_the_disk_is_said_to(self):
        for disk, wanted in ((0, ["done"] * 3), (1, ["5", "done", "done"]), (2, ["done", "5", "5"]), (0, ["done"] * 3)):
            self.set(0, disk)
            self.ask()
            self.assertEqual(wanted, self.told()[1])

    def test_a_disk_that_hangs_goes_on_where_it_was(self):
        self.set(0, 3)
        self.ask()
        self.assertEqual([], select.select([self.process.stdout], [], [], 0.2)[0])
        self.set(0)
        self.assertEqual(["done"] * 3, self.told()[1])


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
