#!/usr/bin/env python3
"""Payloads through the real process: numbers keep their digits, and much data is bounded."""

import argparse
import http.client
import http.server
import json
import pathlib
import shutil
import socketserver
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import Coordinator  # noqa: E402

BUILD = None

NUMBERS = ["9007199254740993", "9223372036854775807", "-9223372036854775809", "18446744073709551615",
           "18446744073709551616", "123456789012345678901234567890", "1.0", "1", "1e2", "1E+2", "1e-2",
           "100000000000000000000.5", "-0", "-0.0", "0.1", "0.30000000000000000000001", "1.10", "1e400", "-1e400",
           "1e-400", "1e308", "5e-324", "1e21", "12345678901234567.0", "1234567890.12345678"]
TINY = b"[" + b"[]," * ((1000 << 10) // 3 - 1) + b"[]]"  # Of many values.


class Participant(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent, or with much."""

    protocol_version = "HTTP/1.1"
    seen = []

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/echo":
            Participant.seen.append(body)
        answer = TINY if self.path == "/tiny" else body or b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


class Payload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-payload-"))
        cls.server = Threads(("127.0.0.1", 0), Participant)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.participants = {"p": {"http": f"http://127.0.0.1:{cls.server.server_port}"}}
        cls.coordinator = Coordinator(BUILD, cls.folder, {})

    @classmethod
    def tearDownClass(cls):
        code = cls.coordinator.process.stop()
        cls.server.shutdown()
        shutil.rmtree(cls.folder, ignore_errors=True)
        assert code == 0, code

    def request(self, method, path, body=None):
        """The status and the very bytes of the answer: Python's numbers lose digits too."""
        connection = http.client.HTTPConnection("127.0.0.1", self.coordinator.ports["http"])
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.status, response.read().decode()

    def test_numbers_keep_their_digits_all_the_way(self):
        inline = json.dumps({
            "name": "echo", "mode": "saga", "participants": self.participants,
            "steps": [{"id": "a", "participant": "p", "compensate": None,
                       "action": {"post": "/echo", "body": {"n": "${input.n}", "text": "${input.n} it is"}}},
                      {"id": "b", "participant": "p", "compensate": None,
                       "action": {"post": "/echo", "body": ["${steps.a.output.n}", "${steps.a.output}"]}}],
            "output": {"list": "${steps.b.output}", "n": "${steps.b.output[0]}"}})
        for number in NUMBERS:
            with self.subTest(number=number):
                Participant.seen.clear()
                status, answer = self.request(
                    "POST", "/v1/transactions", '{"wait": "10s", "input": {"n": %s}, "inline": %s}' % (number, inline))
                self.assertEqual(200, status, answer)
                first = '{"n":%s,"text":"%s it is"}' % (number, number)
                self.assertEqual([first, "[%s,%s]" % (number, first)], [body.decode() for body in Participant.seen])
                self.assertIn('"input":{"n":%s}' % number, answer)
                self.assertIn('"output":{"list":[%s,%s],"n":%s}' % (number, first, number), answer)
                gid = json.loads(answer)["gid"]
                self.assertIn('"payload":{"n":%s}' % number, self.request("GET", f"/v1/transactions/{gid}/history")[1])

    def test_content_is_the_same_by_its_digits(self):
        inline = json.dumps({"name": "wait", "mode": "saga", "participants": {},
                             "steps": [{"id": "w", "wait": {"for": "1ms"}}]})
        body = '{"gid": "digits", "input": {"n": %s, "m": 1}, "inline": %s}'
        self.assertEqual(201, self.request("POST", "/v1/transactions", body % ("18446744073709551616", inline))[0])
        for other in ("18446744073709551617", "1.8446744073709551616e19", "18446744073709551616.0"):
            status, answer = self.request("POST", "/v1/transactions", body % (other, inline))
            self.assertEqual(409, status, answer)
            self.assertEqual("transaction.content_differs", json.loads(answer)["code"])
        again = '{"inline": %s, "input": {"m":1,"n": 18446744073709551616}, "gid": "digits"}' % inline
        self.assertEqual(200, self.request("POST", "/v1/transactions", again)[0])

    def test_more_answers_than_a_transaction_may_hold_abort_it(self):
        definition = {
            "mode": "saga", "participants": self.participants, "name": "much",
            "steps": [{"id": "a", "participant": "p", "action": {"post": "/tiny"}, "compensate": {"post": "/undo"},
                       "forEach": {"items": "${input}", "maxParallel": 8}}]}
        status, answer = self.request("POST", "/v1/transactions", json.dumps(
            {"gid": "much", "wait": "60s", "input": list(range(400)), "inline": definition}))
        self.assertEqual(200, status, answer[:1000])
        # Not parsed: as Python's lists the answers would take gigabytes.
        self.assertTrue('"status":"ABORTED"' in answer, answer[:1000])
        self.assertTrue('"code":"transaction.too_large"' in answer, answer[:1000])
        # Kept as text it is what it was on the wire: 64 MiB, of which a few copies may be under way. As values it
        # would be 1.1 GB.
        with open(f"/proc/{self.coordinator.process.popen.pid}/status", encoding="utf-8") as file:
            peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        self.assertLess(peak, 700 << 10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = pathlib.Path(known.build).resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
