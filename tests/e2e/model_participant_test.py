#!/usr/bin/env python3
"""The code of docs/participants.md, run as the page says, against what the page says a participant owes."""

import http.client
import json
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "support")]

from postgres import free_port  # noqa: E402

SEATS = 10
SEED = 20261129


def code():
    """The page's program: its one block of Python."""
    page = (ROOT / "docs" / "participants.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    return block


class ModelParticipant(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-model-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "seats.py").write_text(code())
        self.port = free_port()
        self.process = None
        self.start()
        self.addCleanup(lambda: (self.process.kill(), self.process.wait()))

    def start(self):
        self.process = subprocess.Popen([sys.executable, "seats.py", str(self.port), "seats.db"], cwd=self.folder,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def call(self, method, key, attempt=1):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/seats/{key}", headers={"Entente-Attempt": str(attempt)})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def take(self, key, attempt=1):
        return self.call("PUT", key, attempt)

    def fill(self, but=0):
        for number in range(SEATS - but):
            self.assertEqual(200, self.take(f"full:{number}")[0])

    def test_a_repeat_is_answered_the_same_and_takes_no_second_seat(self):
        first = self.take("k")
        self.assertEqual((200, {"seat": 1}), first)
        for attempt in (1, 2, 7):
            self.assertEqual(first, self.take("k", attempt))
        self.assertEqual((200, {"seat": 2}), self.take("other"))

    def test_an_undo_of_what_never_came_succeeds_and_is_remembered(self):
        for _ in range(2):
            self.assertEqual(200, self.call("DELETE", "k")[0])
        for attempt in (1, 2):
            self.assertEqual(409, self.take("k", attempt)[0])
        self.assertEqual((200, {"seat": 1}), self.take("other"))

    def test_an_undone_key_takes_nothing_any_more(self):
        self.take("k")
        self.assertEqual(200, self.call("DELETE", "k")[0])
        self.assertEqual(409, self.take("k", 2)[0])
        self.assertEqual(409, self.call("POST", "k")[0])

    def test_a_late_copy_of_what_was_refused_takes_nothing(self):
        self.fill()
        self.assertEqual(409, self.take("k", attempt=2)[0])
        self.assertEqual(200, self.call("DELETE", "full:4")[0])
        for attempt in (1, 2):
            self.assertEqual(409, self.take("k", attempt)[0])
        # A later attempt is the coordinator's own wish.
        self.assertEqual((200, {"seat": 5}), self.take("k", attempt=3))

    def test_ten_seats_are_ten_seats(self):
        self.fill()
        for number in (0, 3, 7):
            self.assertEqual(200, self.call("DELETE", f"full:{number}")[0])
        seats = [self.take(f"again:{number}")[1].get("seat") for number in range(4)]
        self.assertEqual([1, 4, 8, None], seats)

    def test_a_promise_is_kept(self):
        self.take("k")
        for _ in range(2):
            self.assertEqual(200, self.call("POST", "k")[0])
        self.assertEqual(409, self.call("DELETE", "k")[0])
        self.assertEqual((200, {"seat": 1}), self.take("k"))
        self.fill(but=1)
        self.assertEqual(409, self.take("one-too-many")[0])
        self.assertEqual(409, self.call("POST", "never-taken")[0])

    def test_what_was_answered_survives_a_kill(self):
        answers = {key: self.take(key) for key in ("a", "b")}
        self.call("DELETE", "b")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()
        self.assertEqual(answers["a"], self.take("a"))
        self.assertEqual(409, self.take("b")[0])
        with sqlite3.connect(self.folder / "seats.db") as db:
            self.assertEqual(("wal",), db.execute("PRAGMA journal_mode").fetchone())

    def test_copies_at_the_same_moment_are_one_call(self):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.take("k"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([(200, {"seat": 1})] * 8, answers)

    def test_a_connection_that_says_nothing_holds_up_nobody(self):
        with socket.create_connection(("127.0.0.1", self.port)):
            self.assertEqual(200, self.take("k")[0])

    def test_an_address_without_a_key_is_none(self):
        for path in ("", "../seats", "/"):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request("DELETE", "/seats/" + path if path == "" else "/" + path)
            self.assertEqual(404, connection.getresponse().status)
            connection.close()

    def test_whatever_arrives_in_whatever_order_no_seat_is_held_twice(self):
        dice = random.Random(SEED)
        held, undone, sold = {}, set(), set()
        for _ in range(600):
            key, attempt = f"k{dice.randrange(16)}", dice.randint(1, 3)
            method = dice.choice(("PUT", "PUT", "DELETE", "POST"))
            status, answer = self.call(method, key, attempt)
            if method == "PUT" and status == 200:
                self.assertNotIn(key, undone)
                self.assertEqual(held.setdefault(key, answer["seat"]), answer["seat"])
            elif method == "DELETE":
                self.assertEqual(409 if key in sold else 200, status)
                if status == 200:
                    held.pop(key, None)
                    undone.add(key)
            elif method == "POST":
                self.assertEqual(200 if key in held else 409, status)
                sold |= {key} if status == 200 else set()
            self.assertEqual(len(held), len(set(held.values())), "a seat is held twice")
            self.assertTrue(set(held.values()) <= set(range(1, SEATS + 1)))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
