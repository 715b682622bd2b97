#!/usr/bin/env python3
"""The tables of docs/participants.md that say how an operation is completed later, and what each answer means, row
by row, on a real coordinator and a participant that answers 202."""

import argparse
import http.server
import json
import pathlib
import queue
import re
import shutil
import signal
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "examples" / "demo"))

from agency import Coordinator  # noqa: E402
from world import wait_until  # noqa: E402

BUILD = None
KINDS = ("action", "compensate")


class Later(http.server.BaseHTTPRequestHandler):
    """Accepts every call and says nothing more of it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = self.headers["Entente-Completion-Token"]
        self.server.tokens[self.headers["Entente-Operation"]].put(token)
        self.send_response(202)
        self.send_header("Entente-Pending", token)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Participant(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # A coordinator that is killed resets its connections.
        pass


def tables_below(heading):
    """The tables between this heading and the next, as lists of rows of cells, without their heads."""
    page = (ROOT / "docs" / "participants.md").read_text()
    section = re.search(rf"^{re.escape(heading)}$(.*?)(?=^## )", page, re.S | re.M)[1]
    tables = re.findall(r"(?:^\|[^\n]*\n)+", section, re.M)
    return [[[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()[2:]]
            for table in tables]


class Completions(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-completions-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.participant = Participant(("127.0.0.1", 0), Later)
        self.participant.tokens = {kind: queue.Queue() for kind in KINDS}
        threading.Thread(target=self.participant.serve_forever, daemon=True).start()
        self.addCleanup(self.participant.shutdown)
        self.env = {"LATER_URL": f"http://127.0.0.1:{self.participant.server_port}"}
        self.start()
        self.addCleanup(lambda: self.coordinator.process.stop(signal.SIGKILL))
        self.coordinator.put_definition({
            "name": "later", "participants": {"p": {"http": "${env.LATER_URL}"}},
            "steps": [{"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": {"post": "/undo"}}],
            "output": "${steps.a.output}"})
        self.coordinator.put_definition({
            "name": "foreign", "participants": {"p": {"http": "${env.LATER_URL}"}},
            "steps": [{"id": "a", "participant": "p", "compensate": {"post": "/undo"},
                       "action": {"post": "/a", "body": "${token}",
                                  "completion": {"when": "${body.paid}", "output": "${body.seat}"}}}],
            "output": "${steps.a.output}"})

    def start(self, *arguments):
        self.coordinator = Coordinator(BUILD, self.folder, self.env, arguments)

    def submit(self, gid):
        """Submits one, and gives the token of its action once that was answered 202."""
        self.coordinator.submit("later", {}, gid=gid)
        return self.participant.tokens["action"].get()

    def complete(self, token, **body):
        return self.coordinator.http.request("POST", f"/v1/completions/{token}", json.dumps(body),
                                             {"Content-Type": "application/json"})

    def refused(self, status, code, token, **body):
        got, problem = self.complete(token, **body)
        self.assertEqual((status, code), (got, problem.get("code")), problem)

    def test_the_members_of_a_completion(self):
        members = {row[0]: row[1] for row in tables_below("## Answering later")[0]}
        self.assertEqual({"`outcome`", "`output`", "`code`, `message`"}, set(members))
        self.assertIn("`done`, or `refused`", members["`outcome`"])
        token = self.submit("done")
        self.assertEqual(400, self.complete(token, outcome="perhaps")[0])
        # "of done: any JSON, at most 1 MiB"
        self.assertIn("at most 1 MiB", members["`output`"])
        self.assertGreaterEqual(self.complete(token, outcome="done", output="x" * (1 << 20))[0], 400)
        self.assertEqual(400, self.complete(token, outcome="refused", output=1)[0])
        self.assertEqual(200, self.complete(token, outcome="done", output=[1, {"x": None}])[0])
        done = self.coordinator.get("done", wait="60s")
        self.assertEqual(("COMMITTED", [1, {"x": None}]), (done["status"], done["output"]))
        # "of refused: at most 128 and 2048 bytes"
        self.assertIn("at most 128 and 2048 bytes", members["`code`, `message`"])
        token = self.submit("refused")
        self.assertEqual(400, self.complete(token, outcome="done", code="c")[0])
        for too_long in ({"code": "c" * 129}, {"message": "m" * 2049}):
            self.assertEqual(400, self.complete(token, outcome="refused", **too_long)[0], too_long)
        self.assertEqual(200, self.complete(token, outcome="refused", code="c" * 128, message="m" * 2048)[0])
        self.assertEqual("ABORTED", self.coordinator.get("refused", wait="60s")["status"])
        # "it certainly had no effect"
        self.assertTrue(self.participant.tokens["compensate"].empty())

    def test_what_each_answer_means(self):
        rows = {row[0]: row[1] for row in tables_below("## Answering later")[1]}
        proofs = {
            "200": self.taken,
            "400 `completion.not_understood`": self.not_understood,
            "404 `completion.unknown_token`, `transaction.not_found`": self.unknown,
            "409 `completion.too_late`": self.too_late,
            "409 `completion.content_differs`": self.content_differs,
            "503, 504, no answer": self.send_it_again,
        }
        self.assertEqual(set(proofs), set(rows))
        for row, proof in proofs.items():
            with self.subTest(row):
                proof(rows[row])

    def taken(self, words):
        self.assertEqual("taken; `gid`, `status` and `revision` of the transaction", words)
        status, answer = self.complete(self.submit("taken"), outcome="done", output=4)
        self.assertEqual((200, "taken"), (status, answer["gid"]))
        self.assertIn(answer["status"], ("ACTIVE", "COMMITTED"))
        self.assertGreater(int(answer["revision"]), 0)

    def not_understood(self, words):
        self.assertIn("can not be evaluated on what was sent", words)
        self.coordinator.submit("foreign", {}, gid="foreign")
        token = self.participant.tokens["action"].get()

        def send(document):
            return self.coordinator.http.request("POST", f"/v1/callbacks/{token}", json.dumps(document),
                                                 {"Content-Type": "application/json"})
        for document in ({"seat": 4}, {"paid": "yes"}, {"paid": True}):
            status, problem = send(document)
            self.assertEqual((400, "completion.not_understood"), (status, problem.get("code")), document)
        # What it does not hold of is taken and ignored, and it may be sent again.
        self.assertEqual(200, send({"paid": False})[0])
        self.assertEqual("ACTIVE", self.coordinator.get("foreign")["status"])
        self.assertEqual(200, send({"paid": True, "seat": 4})[0])
        done = self.coordinator.get("foreign", wait="60s")
        self.assertEqual(("COMMITTED", 4), (done["status"], done["output"]))

    def unknown(self, words):
        self.assertIn("not a token of this coordinator", words)
        token = self.submit("known")
        self.refused(404, "completion.unknown_token", "AAAA", outcome="done")
        self.refused(404, "completion.unknown_token", token[:-1] + ("A" if token[-1] != "A" else "B"), outcome="done")
        self.assertEqual(200, self.complete(token, outcome="done")[0])
        self.assertIn("or its transaction ended long ago", words)
        self.coordinator.process.stop()
        self.start("--retention", "1s")
        wait_until(lambda: self.coordinator.http.request("GET", "/v1/transactions/known")[0], lambda status: status == 404)
        self.refused(404, "transaction.not_found", token, outcome="done")
        self.coordinator.process.stop()
        self.start()

    def too_late(self, words):
        self.assertIn("by an earlier completion, or because it was given up or undone", words)
        token = self.submit("earlier")
        self.assertEqual(200, self.complete(token, outcome="done", output=1)[0])
        self.assertIn("What was taken may be sent again: 200", words)
        self.assertEqual(200, self.complete(token, outcome="done", output=1)[0])
        self.assertEqual(1, self.coordinator.get("earlier", wait="60s")["output"])
        self.refused(409, "completion.too_late", token, outcome="refused")
        # ", unless the step is being undone since"
        self.assertIn("unless the step is being undone since", words)
        token = self.submit("undone")
        self.coordinator.http.call("POST", "/v1/transactions/undone:cancel", {})
        undo = self.participant.tokens["compensate"].get()
        self.refused(409, "completion.too_late", token, outcome="done")
        self.assertEqual(200, self.complete(undo, outcome="done")[0])
        self.assertEqual("ABORTED", self.coordinator.get("undone", wait="60s")["status"])

    def content_differs(self, words):
        self.assertIn("by a completion or an answer with another output; that one stays", words)
        token = self.submit("differs")
        self.assertEqual(200, self.complete(token, outcome="done", output={"a": 1, "b": [2]})[0])
        for other in (2, {"a": 1}, {"a": 1, "b": [2.5]}):
            self.refused(409, "completion.content_differs", token, outcome="done", output=other)
        self.refused(409, "completion.content_differs", token, outcome="done")
        self.assertEqual(200, self.complete(token, outcome="done", output={"b": [2], "a": 1})[0])
        self.assertEqual({"a": 1, "b": [2]}, self.coordinator.get("differs", wait="60s")["output"])
        self.refused(409, "completion.content_differs", token, outcome="done", output=2)

    def send_it_again(self, words):
        self.assertEqual("send it again", words)
        token = self.submit("again")
        self.coordinator.process.stop(signal.SIGKILL)
        with self.assertRaises(OSError):
            self.complete(token, outcome="done")
        self.start()
        for _ in range(2):  # Whether the first was taken or not.
            self.assertEqual(200, self.complete(token, outcome="done", output=4)[0])
        self.assertEqual("COMMITTED", self.coordinator.get("again", wait="60s")["status"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = pathlib.Path(known.build).resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
