#!/usr/bin/env python3
"""Several coordinators on one PostgreSQL: who has what, that any of them takes any request, and that
nothing is lost or done twice while they come and go."""

import argparse
import http.client
import http.server
import json
import pathlib
import random
import re
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo"), str(HERE.parent / "support")]

from checker import check  # noqa: E402
from cluster_load import PATIENCE_SECONDS, Load, settle  # noqa: E402
from nodes import ApiError, ClusterAgency  # noqa: E402

BUILD = None
SEED = None
WAITS = {"name": "waits", "mode": "saga", "steps": [{"id": "w", "wait": {"signal": "go"}}]}
NAPS = {"name": "naps", "mode": "saga", "steps": [{"id": "n", "wait": {"for": "1s"}}]}


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it never came true that {what}")
        time.sleep(0.02)


def shard_of(gid):
    """As base/ids.cpp."""
    value = 14695981039346656037
    for byte in gid.encode():
        value = ((value ^ byte) * 1099511628211) % 2**64
    return value % 64


def exchange(coordinator, method, path, body=None):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", coordinator.ports["http"], timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, sorted(response.getheaders()), response.read().decode()
    finally:
        connection.close()


# What a client may ask about a transaction, in an order in which it makes sense, with `@` for its gid.
DECLARED = [
    ("POST", "/v1/transactions", {"definition": "waits", "gid": "@", "input": {"n": 1}, "labels": {"a": "b"}}),
    ("POST", "/v1/transactions", {"definition": "waits", "gid": "@", "input": {"n": 1}, "labels": {"a": "b"}}),
    ("POST", "/v1/transactions", {"definition": "waits", "gid": "@", "input": {"n": 2}}),
    ("POST", "/v1/transactions", {"definition": "nothing", "gid": "@x"}),
    ("POST", "/v1/transactions", {"inline": {"name": "odd", "mode": "saga", "steps": [{"id": ""}]}, "gid": "@x"}),
    ("GET", "/v1/transactions/@", None),
    ("GET", "/v1/transactions/@/history", None),
    ("GET", "/v1/transactions/@/decision", None),
    ("GET", "/v1/transactions/@?wait=10ms", None),
    ("GET", "/v1/transactions/@x", None),
    ("POST", "/v1/transactions/@:pause", {"reason": "test"}),
    ("POST", "/v1/transactions/@:pause", {"reason": "test", "expectedRevision": 1}),
    ("POST", "/v1/transactions/@:resume", {"reason": "test"}),
    ("POST", "/v1/transactions/@:retry", {"reason": "test", "branch": "none"}),
    ("POST", "/v1/transactions/@:skip", {"reason": "test", "branch": "none", "expectedRevision": 4}),
    ("POST", "/v1/transactions/@:resolve", {"reason": "test", "outcome": "COMMITTED", "expectedRevision": 1}),
    ("POST", "/v1/transactions/@:signal", {"name": "stop"}),
    ("POST", "/v1/transactions/@:commit", {}),
    ("POST", "/v1/transactions/@/branches", {"id": "one"}),
    ("POST", "/v1/transactions/@:cancel", {"reason": "test"}),
    ("GET", "/v1/transactions/@?wait=30s", None),
    ("POST", "/v1/transactions/@:signal", {"name": "go", "id": "1"}),
    ("POST", "/v1/transactions/@:pause", {"reason": "test"}),
    ("POST", "/v1/transactions", {"definition": "naps", "gid": "@naps", "wait": "30s"}),
]
BRANCH = {"id": "one", "participant": {"http": "http://127.0.0.1:9"}, "confirm": {"post": "/c"}, "cancel": {"post": "/x"}}
DRIVEN = [
    ("POST", "/v1/transactions:begin", {"mode": "tcc", "gid": "@"}),
    ("POST", "/v1/transactions:begin", {"mode": "tcc", "gid": "@"}),
    ("POST", "/v1/transactions:begin", {"mode": "saga", "gid": "@"}),
    ("POST", "/v1/transactions/@/branches", BRANCH),
    ("POST", "/v1/transactions/@/branches", BRANCH),
    ("POST", "/v1/transactions/@/branches", {**BRANCH, "confirm": {"post": "/d"}}),
    ("POST", "/v1/transactions/@/branches", {"id": "", "what": 1}),
    ("POST", "/v1/transactions/@:commit", {}),
    ("POST", "/v1/transactions/@:abort", {"reason": "test"}),
    ("GET", "/v1/transactions/@/decision", None),
]


class Events(threading.Thread):
    """What an event stream says, until it ends."""

    def __init__(self, coordinator, path):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", coordinator.ports["http"], timeout=PATIENCE_SECONDS)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream"})
        self.response = self.connection.getresponse()
        self.ids = []
        self.start()

    def run(self):
        for line in self.response:
            if line.startswith(b"id:"):
                self.ids.append(int(line[3:]))


class Everything(threading.Thread):
    """What a stream of all transactions says, from when it has begun."""

    def __init__(self, coordinator):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", coordinator.ports["http"], timeout=PATIENCE_SECONDS)
        self.connection.request("GET", "/v1/events", headers={"Accept": "text/event-stream"})
        self.response = self.connection.getresponse()
        self.revisions = {}
        self.lost = False
        self.start()

    def run(self):
        for line in self.response:
            if line.startswith(b"event: lost"):
                self.lost = True
            elif line.startswith(b"data:") and not self.lost:
                event = json.loads(line[5:])
                self.revisions.setdefault(event["gid"], []).append(event["entry"]["revision"])


class Cluster(unittest.TestCase):
    """Three nodes for all cases, which leave them as they found them."""

    @classmethod
    def setUpClass(cls):
        cls.agency = ClusterAgency(BUILD)
        cls.nodes = cls.agency.nodes
        for document in (WAITS, NAPS):
            cls.agency.coordinator.put_definition(document)

    @classmethod
    def tearDownClass(cls):
        cls.agency.close()

    @property
    def coordinators(self):
        return [node.coordinator for node in self.nodes]

    def test_what_a_client_asks_of_one_node_any_other_node_tells(self):
        for n, coordinator in enumerate(self.coordinators * 4):
            gid = f"any-{n}"
            self.assertEqual("ACTIVE", coordinator.submit("waits", {"n": n}, gid=gid)["status"])
            for other in self.coordinators:
                seen = other.get(gid)
                self.assertEqual(("ACTIVE", {"n": n}), (seen["status"], seen["input"]))
                self.assertEqual(1, len(other.history(gid)[:1]))
                self.assertEqual("undecided", other.decision(gid))
                again = other.http.request("POST", "/v1/transactions",
                                           {"definition": "waits", "input": {"n": n}, "gid": gid})
                self.assertEqual(200, again[0], again)
                with self.assertRaises(ApiError) as differs:
                    other.submit("waits", {"n": n + 1}, gid=gid)
                self.assertEqual("transaction.content_differs", differs.exception.code)
            signaller = self.coordinators[(n + 1) % 3]
            signaller.http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go", "id": "1"})
            self.assertEqual("COMMITTED", self.coordinators[(n + 2) % 3].get(gid, wait="30s")["status"])
            with self.assertRaises(ApiError) as unknown:
                coordinator.get(f"nobody-{n}")
            self.assertEqual((404, "transaction.not_found"), (unknown.exception.status, unknown.exception.code))

    def gid_of(self, node, name):
        """One that `node` drives, as it would all that the stories make of it."""
        owned = {int(shard) for shard in self.agency.sql(
            f"SELECT shard FROM entente_lease WHERE owner = '{node.id()}'").splitlines()}
        return next(gid for gid in (f"{name}{n:04}" for n in range(10_000))
                    if {shard_of(gid), shard_of(gid + "naps")} <= owned)

    def told(self, asked, owner, story, name):
        """What the node `asked` answers to a story about a transaction that `owner` drives, without names and times."""
        gid = self.gid_of(owner, name)
        answers = []
        for method, path, body in story:
            body = json.loads(json.dumps(body).replace("@", gid))
            status, headers, text = exchange(asked.coordinator, method, path.replace("@", gid), body)
            headers = [header for header in headers if header[0].lower() not in ("date", "content-length")]
            plain = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "(time)", json.dumps([status, headers, text]).replace(gid, "@"))
            answers.append((method, path, body, plain))
        return answers

    def test_what_a_forwarded_request_is_answered_is_what_its_owner_answers(self):
        self.maxDiff = None
        first, second, third = self.nodes[:3]
        for name, story in (("declared", DECLARED), ("driven", DRIVEN)):
            own = self.told(first, first, story, f"own-{name}-")
            for asked, owner in ((first, second), (third, first)):
                forwarded = self.told(asked, owner, story, f"fwd-{name}-")
                for (method, path, body, here), (*_, there) in zip(own, forwarded):
                    with self.subTest(method=method, path=path, body=body):
                        self.assertEqual(here, there)
            made = [answer for method, path, _, answer in own if method == "POST" and "Entente-Created" in answer]
            self.assertIn("[201, ", made[0])

    def test_a_client_may_wait_at_any_node(self):
        waits = []
        for n in range(9):
            coordinator = self.coordinators[n % 3]
            waits.append(threading.Thread(target=lambda c=coordinator, g=f"nap-{n}": ended.append(
                c.submit("naps", {}, gid=g, wait="30s")["status"])))
        ended = []
        for wait in waits:
            wait.start()
        for wait in waits:
            wait.join()
        self.assertEqual(["COMMITTED"] * 9, ended)
        # One that is over before the end tells how far it is.
        self.coordinators[0].submit("waits", {}, gid="long")
        for coordinator in self.coordinators:
            status, document = coordinator.http.request("GET", "/v1/transactions/long?wait=50ms")
            self.assertEqual((202, "ACTIVE"), (status, document["status"]))
        self.coordinators[0].http.call("POST", "/v1/transactions/long:signal", {"name": "go"})

    def test_a_client_drives_a_transaction_by_whichever_node_it_finds(self):
        for n in range(6):
            a, b, c = (self.coordinators[(n + i) % 3] for i in range(3))
            gid = a.begin("tcc", gid=f"driven-{n}")["gid"]
            branch = {"id": "one", "participant": {"http": "http://127.0.0.1:9"},
                      "confirm": {"post": "/c"}, "cancel": {"post": "/x"}}
            self.assertEqual(201, b.http.request("POST", f"/v1/transactions/{gid}/branches", branch)[0])
            self.assertEqual(200, c.http.request("POST", f"/v1/transactions/{gid}/branches", branch)[0])
            status, problem = c.http.request("POST", f"/v1/transactions/{gid}/branches", {"id": "", "what": 1})
            self.assertEqual((400, "branch.invalid"), (status, problem["code"]))
            self.assertTrue(problem["problems"], problem)
            self.assertEqual("COMMITTING", c.commit(gid)["status"])
            self.assertEqual("committed", b.decision(gid))
            with self.assertRaises(ApiError):
                a.abort(gid)

    def test_an_operator_acts_by_any_node(self):
        self.coordinators[0].submit("waits", {}, gid="operated")
        for verb, word in (("pause", True), ("resume", False)) * 2:
            for coordinator in self.coordinators:
                body = coordinator.http.call("POST", f"/v1/transactions/operated:{verb}", {"reason": "test"})
                self.assertEqual(word, body.get("paused", False))
        revision = self.coordinators[1].get("operated")["revision"]
        for coordinator in self.coordinators:
            with self.assertRaises(ApiError) as stale:
                coordinator.http.call("POST", "/v1/transactions/operated:pause",
                                      {"reason": "test", "expectedRevision": revision - 1})
            self.assertEqual(409, stale.exception.status)
        for coordinator in self.coordinators:
            self.assertEqual(["operated"], [row["gid"] for row in coordinator.list(q="operated")])
        self.coordinators[2].http.call("POST", "/v1/transactions/operated:cancel", {"reason": "test"})
        self.assertEqual("ABORTED", self.coordinators[0].get("operated", wait="30s")["status"])

    def test_a_definition_that_is_stored_by_one_node_is_used_by_all_at_once(self):
        for n in range(10):
            document = {"name": "versions", "mode": "saga",
                        "steps": [{"id": f"s{n}", "wait": {"for": "1ms"}}]}
            version = self.coordinators[n % 3].put_definition(document)["version"]
            for coordinator in self.coordinators:
                self.assertEqual(version, coordinator.submit("versions", {})["version"])

    def test_the_events_of_a_transaction_are_told_by_any_node(self):
        for n in range(3):
            gid = f"told-{n}"
            self.coordinators[0].submit("waits", {}, gid=gid)
            streams = [Events(coordinator, f"/v1/transactions/{gid}/events") for coordinator in self.coordinators]
            for verb in ("pause", "resume"):
                self.coordinators[n].http.call("POST", f"/v1/transactions/{gid}:{verb}", {"reason": "test"})
            self.coordinators[n].http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go"})
            last = len(self.coordinators[0].history(gid)) if self.coordinators[0].get(gid, wait="30s") else 0
            for stream in streams:
                stream.join(PATIENCE_SECONDS)
                self.assertEqual(list(range(1, last + 1)), stream.ids)

    def test_what_happens_anywhere_is_told_by_every_node(self):
        streams = [Everything(coordinator) for coordinator in self.coordinators]
        nodes = list(self.coordinators)
        for moment in ("alone", "joined", "left"):
            if moment == "joined":
                fourth = self.agency.add_node()
                nodes.append(fourth.coordinator)
                self.agency.wait_until_shared()
            elif moment == "left":
                self.assertEqual(0, fourth.stop())
                nodes.pop()
                self.nodes.remove(fourth)
                self.agency.wait_until_shared()
            gids = [f"everything-{moment}-{n}" for n in range(12)]
            for n, gid in enumerate(gids):
                nodes[n % len(nodes)].submit("waits", {}, gid=gid)
                nodes[(n + 1) % len(nodes)].http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go"})
            for gid in gids:
                self.assertEqual("COMMITTED", nodes[0].get(gid, wait="30s")["status"])
                expected = list(range(1, len(nodes[0].history(gid)) + 1))
                for stream in streams:
                    until(lambda s=stream, g=gid, e=expected: s.lost or len(s.revisions.get(g, [])) >= len(e), "it is told")
                    self.assertEqual((False, expected), (stream.lost, stream.revisions.get(gid)))

    def test_what_a_killed_node_may_not_have_told_is_said_to_be_lost(self):
        stream = Everything(self.coordinators[0])
        victim = self.nodes[2]
        victim.kill()
        until(lambda: stream.lost, "it is said")
        victim.start()
        self.agency.wait_until_shared()

    def test_bulk_actions_are_the_same_at_every_node(self):
        gids = [f"bulk-{n}" for n in range(20)]
        for n, gid in enumerate(gids):
            self.coordinators[n % 3].submit("waits", {}, gid=gid, labels={"for": "bulk"})
        request = {"verb": "pause", "filter": "label=for%3Dbulk", "reason": "test"}
        preview = self.coordinators[0].http.call("POST", "/v1/bulk", {**request, "preview": True})
        self.assertEqual(20, preview["matched"])
        action = self.coordinators[1].http.call("POST", "/v1/bulk", request)["id"]
        for coordinator in self.coordinators:
            until(lambda c=coordinator: c.http.call("GET", f"/v1/bulk/{action}")["state"] == "finished", "it ends")
            self.assertEqual(20, int(coordinator.http.call("GET", f"/v1/bulk/{action}")["done"]))
            self.assertIn(action, [each["id"] for each in coordinator.http.call("GET", "/v1/bulk")["actions"]])
        self.assertTrue(all(self.coordinators[2].get(gid)["paused"] for gid in gids))

    def test_a_node_that_joins_gets_its_share_and_one_that_leaves_gives_it_back(self):
        gids = [f"moved-{n}" for n in range(40)]
        for n, gid in enumerate(gids):
            self.coordinators[n % 3].submit("waits", {}, gid=gid)
        ended = []
        waiting = [threading.Thread(target=lambda g=gid: ended.append(
            self.coordinators[0].get(g, wait="2m")["status"])) for gid in gids]
        for thread in waiting:
            thread.start()
        stream = Events(self.coordinators[1], f"/v1/transactions/{gids[0]}/events")
        fourth = self.agency.add_node()
        self.agency.wait_until_shared()
        self.assertEqual([16] * 4, sorted(self.agency.shares().values()))
        fourth.coordinator.submit("waits", {}, gid="at-fourth")
        self.assertEqual("ACTIVE", self.coordinators[0].get("at-fourth")["status"])
        self.assertEqual(0, fourth.stop())
        self.nodes.remove(fourth)
        self.agency.wait_until_shared()
        for gid in [*gids, "at-fourth"]:
            self.coordinators[2].http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go"})
        for thread in waiting:
            thread.join()
        self.assertEqual(["COMMITTED"] * 40, ended)
        stream.join(PATIENCE_SECONDS)
        self.assertEqual(list(range(1, len(self.coordinators[0].history(gids[0])) + 1)), stream.ids)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes webhooks, but for those of the transactions that it is to refuse for the time being."""

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            refused = event["gid"] in self.server.refused
            if not refused:
                self.server.taken.setdefault(event["gid"], set()).add(self.headers["webhook-id"])
            else:
                self.server.tried.add(event["gid"])
        self.send_response(503 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Webhooks(unittest.TestCase):
    def setUp(self):
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.receiver.lock, self.receiver.refused, self.receiver.tried, self.receiver.taken = threading.Lock(), set(), set(), {}
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        self.addCleanup(self.receiver.server_close)
        self.addCleanup(self.receiver.shutdown)
        url = f"http://127.0.0.1:{self.receiver.server_address[1]}/hook"
        self.agency = ClusterAgency(BUILD, arguments=("--lease", "2s", "--webhook", url))
        self.addCleanup(self.agency.close)
        for document in (WAITS, NAPS):
            self.agency.coordinator.put_definition(document)

    def end_untold(self, node):
        """Transactions of the node's own that have ended, of which it tries in vain to tell."""
        gids = {node.coordinator.submit("waits", {})["gid"] for _ in range(8)}
        with self.receiver.lock:
            self.receiver.refused |= gids
        for gid in gids:
            node.coordinator.http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go"})
            node.coordinator.get(gid, wait="30s")
        until(lambda: self.receiver.tried & gids, "the node tries to tell")
        return gids

    def told(self, gids):
        with self.receiver.lock:
            return gids <= self.receiver.taken.keys()

    def test_what_a_killed_node_had_not_told_is_told_by_who_drives_its_shards_then(self):
        victim, *others = self.agency.nodes
        untold = self.end_untold(victim)
        told = {other.coordinator.submit("naps", {})["gid"] for other in others}
        until(lambda: self.told(told), "the others tell meanwhile")
        victim.kill()
        with self.receiver.lock:
            self.receiver.refused = set()
        until(lambda: self.told(untold), "the others tell what it had not")
        victim.start()
        self.agency.wait_until_shared()
        # And when there is nobody left.
        untold = self.end_untold(others[0])
        for node in self.agency.nodes:
            node.kill()
        with self.receiver.lock:
            self.receiver.refused = set()
        for node in self.agency.nodes:
            node.start()
        until(lambda: self.told(untold), "who comes then tells it")
        with self.receiver.lock:
            self.assertEqual({1}, {len(ids) for ids in self.receiver.taken.values()}, "the same id each time")


class AskingAgency(ClusterAgency):
    """Two nodes that ask who one is; what the agency itself does, an administrator does."""

    def __init__(self, build, admin_file):
        self.admin_file = admin_file
        super().__init__(build, count=2, arguments=("--lease", "2s", "--auth", "token", "--allow-participants", "*",
                                                    "--admin-token-file", str(admin_file)))

    def start_coordinator(self, same_ports=False):
        super().start_coordinator(same_ports)
        self.admin = self.admin_file.read_text().strip()
        self.coordinator.http.headers = {"Authorization": f"Bearer {self.admin}"}


class Asking(unittest.TestCase):
    """What one node is asked for another's transaction."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        agency = AskingAgency(BUILD, pathlib.Path(folder.name) / "admin")
        self.addCleanup(agency.close)
        self.nodes = [node.coordinator for node in agency.nodes]
        self.nodes[0].http.headers = {}
        self.admin = agency.admin

    def ask(self, node, token, method, path, body=None):
        """(status, document)"""
        return self.nodes[node].http.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})

    def submit(self, node, definition, gid):
        status, txn = self.ask(node, self.admin, "POST", "/v1/transactions", {"definition": definition, "gid": gid})
        self.assertIn(status, (200, 201), txn)

    def make(self, token, **request):
        status, made = self.ask(0, token, "POST", "/v1/tokens", request)
        self.assertEqual(201, status, made)
        for node in range(2):
            until(lambda n=node: self.ask(n, made["token"], "GET", "/v1/transactions")[0] == 200, "the token is known")
        return made

    def test_a_token_is_the_same_at_every_node_whoever_has_the_transaction(self):
        for document in (WAITS, {**WAITS, "name": "others"}):
            self.assertEqual(200, self.ask(0, self.admin, "PUT", f"/v1/definitions/{document['name']}", document)[0])
        ann = self.make(self.admin, name="ann", role="operator", definitions=["waits"])
        gids = {name: [f"{name}-{n}" for n in range(8)] for name in ("waits", "others")}
        for name in gids:
            for n, gid in enumerate(gids[name]):
                self.submit(n % 2, name, gid)
        for node in range(2):
            for gid in gids["waits"]:
                for verb in ("pause", "resume"):
                    self.assertEqual(200, self.ask(node, ann["token"], "POST", f"/v1/transactions/{gid}:{verb}",
                                                   {"actor": "ceo", "reason": "r"})[0])
            for gid in gids["others"]:
                for method, path in (("GET", ""), ("GET", "/history"), ("GET", "/decision"), ("POST", ":pause")):
                    answer = self.ask(node, ann["token"], method, f"/v1/transactions/{gid}{path}",
                                      {"reason": "r"} if method == "POST" else None)
                    self.assertEqual((404, "transaction.not_found"), (answer[0], answer[1]["code"]), (node, gid, path))
            self.assertEqual(401, self.ask(node, None, "POST", "/v1/transactions", {"definition": "waits"})[0])
        for node in range(2):
            for gid in gids["waits"]:
                entries = self.ask(node, ann["token"], "GET", f"/v1/transactions/{gid}/history")[1]["entries"]
                self.assertEqual(["ann"] * 4, [one["actor"]["name"] for one in entries if one["type"] in ("paused", "resumed")])
        for node in range(2):
            status, page = self.ask(node, self.admin, "GET", "/v1/audit?actor=ann&outcome=done&limit=1000")
            self.assertEqual((200, 4 * len(gids["waits"])), (status, len(page["entries"])))

    def test_a_bulk_action_touches_what_its_author_reaches_wherever_it_was_started(self):
        for document in (WAITS, {**WAITS, "name": "others"}):
            self.assertEqual(200, self.ask(0, self.admin, "PUT", f"/v1/definitions/{document['name']}", document)[0])
            for n in range(6):
                self.submit(n % 2, document["name"], f"{document['name']}-{n}")
        ann = self.make(self.admin, name="ann", role="operator", definitions=["waits"])["token"]
        for node, verb in ((0, "pause"), (1, "resume")):
            status, action = self.ask(node, ann, "POST", "/v1/bulk", {"verb": verb, "filter": "status=ACTIVE", "reason": "r"})
            self.assertEqual((201, 6), (status, action["matched"]), action)
            path = f"/v1/bulk/{action['id']}"
            until(lambda: self.ask(1 - node, ann, "GET", path)[1]["state"] == "finished", "it ends")
            self.assertEqual(6, int(self.ask(node, ann, "GET", path)[1]["done"]))

    def test_a_revoked_token_is_refused_by_every_node(self):
        eve = self.make(self.admin, name="eve", role="viewer")
        self.assertEqual(200, self.ask(1, self.admin, "POST", f"/v1/tokens/{eve['id']}:revoke", {})[0])
        for node in (1, 0):
            until(lambda n=node: self.ask(n, eve["token"], "GET", "/v1/transactions")[0] == 401, "it is refused")


class Faults(unittest.TestCase):
    """Nodes and the database go and come back under load."""

    def fault(self, agency, rng):
        kind = rng.choice(("kill", "kill", "pause", "pause", "stop", "database"))
        node = rng.choice(agency.nodes)
        print(f"  {kind} {node.name if kind != 'database' else ''}", flush=True)
        if kind == "kill":
            node.kill()
            time.sleep(rng.uniform(0, 4))
            node.start()
        elif kind == "pause":
            node.pause()
            time.sleep(rng.uniform(2.5, 5))  # The lease is two seconds.
            node.resume()
        elif kind == "stop":
            self.assertEqual(0, node.stop())
            time.sleep(rng.uniform(0, 2))
            node.start()
        else:
            rng.choice((agency.server.stop, agency.server.kill))()
            time.sleep(rng.uniform(0, 3))
            agency.server.start()

    def test_ledgers_are_right_whatever_goes_and_comes_back(self):
        rng = random.Random(SEED)
        print(f"seed {SEED}, {FAULTS} faults", flush=True)
        with ClusterAgency(BUILD) as agency:
            agency.services["flights"].control(fail_rate=0.03, fail_after_rate=0.03)
            agency.services["hotels"].control(fail_rate=0.03, fail_after_rate=0.03, capacity=15)
            agency.services["payments"].control(fail_rate=0.05, fail_after_rate=0.05)
            load = Load(agency, SEED)
            for _ in range(FAULTS):
                time.sleep(rng.uniform(0.2, 1.5))
                self.fault(agency, rng)
            time.sleep(1)
            load.join()
            for service in agency.services.values():
                service.control(fail_rate=0, fail_after_rate=0)
            agency.wait_until_shared()
            statuses = settle(agency, sorted(load.attempted), rng)
            ledgers = {name: service.ledger() for name, service in agency.services.items()}
        violations = load.failures + check(ledgers, statuses, load.acknowledged, load.seen)
        ended = {word: sum(status == word for status in statuses.values()) for word in ("COMMITTED", "ABORTED")}
        print(f"{len(load.attempted)} attempted, {len(load.acknowledged)} acknowledged, {ended}", flush=True)
        self.assertEqual([], violations[:20])
        self.assertGreater(min(ended.values()), 0, "the load did not exercise both ends")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    known, rest = parser.parse_known_args()
    BUILD, FAULTS, SEED = known.build, known.faults, known.seed
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
