#!/usr/bin/env python3
"""Signed calls, told from a stranger's by the code of docs/security.md in a participant that has no library of ours."""

import argparse
import base64
import collections
import http.client
import http.server
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = None


def documented_check():
    """The page's one block of Python."""
    (block,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "security.md").read_text(), re.S | re.M)
    names = {}
    exec(compile(block, "docs/security.md", "exec"), names)
    return names["is_the_coordinators"]


is_the_coordinators = documented_check()


class Participant:
    """Carries out what the coordinator asks for, and tells what it did and what it turned away."""

    def __init__(self, keys):
        self.keys = keys
        self.done = []
        self.turned_away = []
        self.requests = []
        participant = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def carry_out(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path, _, query = self.path.partition("?")
                headers = {name.lower(): value for name, value in self.headers.items()}
                participant.requests.append((self.command, self.path, dict(self.headers.items()), body))
                try:
                    verified = is_the_coordinators(participant.keys, self.command, path, query, headers, body)
                    why = "not the coordinator's"
                except Exception as error:
                    verified, why = False, type(error).__name__
                if verified:
                    participant.done.append((self.command, self.path))
                    return self.answer(200, {"ok": True})
                participant.turned_away.append(why)
                self.answer(425, {"why": why}, {"Entente-Unverified": why})

            def answer(self, status, document, headers={}):
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = carry_out

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Coordinator:
    def __init__(self, folder, *flags):
        ports = folder / "ports"
        ports.unlink(missing_ok=True)
        self.log_file = folder / "log"
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [str(BUILD / "entente"), "serve", "--http", "127.0.0.1:0", "--grpc", "off", "--store",
                 f"sqlite:{folder}/entente.db", "--port-file", str(ports), *flags], stderr=log, stdout=log)
        deadline = time.monotonic() + 60
        while not ports.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self.log_file.read_text())
            time.sleep(0.02)
        self.port = json.loads(ports.read_text())["http"]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={} if body is None else {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null")

    def keys(self):
        """As the page says: each kid and the bytes of its x."""
        _, document = self.call("GET", "/v1/keys")
        return {key["kid"]: base64.urlsafe_b64decode(key["x"] + "=") for key in document["keys"]}


def saga(port, refuses=False):
    steps = [{"id": "one", "participant": "p", "action": {"put": "/one/${key}?dry=no%20way", "body": {"n": "${input.n}"}},
              "compensate": {"delete": "/one/${key}"}},
             {"id": "two", "participant": "p", "action": {"post": "/two"}, "compensate": {"delete": "/two"}}]
    return {"name": "signed", "mode": "saga", "participants": {"p": {"http": f"http://127.0.0.1:{port}/base"}},
            "steps": steps}


class Signatures(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-signed-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, *flags):
        coordinator = Coordinator(self.folder, *flags)
        self.addCleanup(coordinator.stop)
        return coordinator

    def participant(self, keys):
        participant = Participant(keys)
        self.addCleanup(participant.stop)
        return participant

    def submit(self, coordinator, participant, gid, wait="60s"):
        return coordinator.call("POST", "/v1/transactions", {"inline": saga(participant.port), "gid": gid,
                                                             "input": {"n": 1}, **({"wait": wait} if wait else {})})

    def until(self, condition, what):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    def test_the_documented_check_takes_the_coordinators_calls(self):
        coordinator = self.start("--sign-calls", "on")
        participant = self.participant(coordinator.keys())
        status, document = self.submit(coordinator, participant, "g1")
        self.assertEqual((status, document["status"]), (200, "COMMITTED"))
        self.assertEqual(participant.done, [("PUT", "/base/one/g1:one?dry=no%20way"), ("POST", "/base/two")])
        self.assertEqual(participant.turned_away, [])

    def test_a_stranger_is_turned_away_whatever_he_changes(self):
        coordinator = self.start("--sign-calls", "on")
        participant = self.participant(coordinator.keys())
        self.submit(coordinator, participant, "g1")
        method, target, headers, body = participant.requests[0]
        participant.done.clear()
        headers.pop("Content-Length")  # That of the body which is sent.

        def send(method, target, headers, body):
            connection = http.client.HTTPConnection("127.0.0.1", participant.port, timeout=60)
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status

        bare = {name: value for name, value in headers.items() if name not in ("Signature", "Signature-Input")}
        self.assertEqual(send(method, target, headers, body), 200)  # Recorded and sent again: a repeat.
        self.assertEqual(len(participant.done), 1)
        later = {**headers, "Signature-Input": headers["Signature-Input"].replace(";created=1", ";created=2")}
        changes = [(method, target, bare, body), ("DELETE", target, headers, body), (method, target + "1", headers, body),
                   (method, target, headers, body + b" "), (method, target, later, body),
                   (method, target, {**headers, "Entente-One-Phase": "true"}, body)]
        changes += [(method, target, {**headers, name: headers[name] + "1"}, body) for name in headers
                    if name.startswith("Entente-") or name in ("Idempotency-Key", "Content-Digest")]
        self.assertGreater(len(changes), 12)
        for change in changes:
            self.assertEqual(send(*change), 425, change)
        self.assertEqual(len(participant.done), 1)

    def test_keys_outlive_a_restart_and_take_over_under_load(self):
        coordinator = self.start("--sign-calls", "on")
        before = coordinator.keys()
        coordinator.stop()
        coordinator = self.start("--sign-calls", "on")
        self.assertEqual(coordinator.keys(), before)
        participant = self.participant(before)
        ended = collections.Counter()
        going = threading.Event()
        going.set()

        def load(worker):
            number = 0
            while going.is_set():
                number += 1
                _, document = self.submit(coordinator, participant, f"load-{worker}-{number}")
                ended[document["status"]] += 1

        threads = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        self.until(lambda: ended["COMMITTED"] > 10, "no load")
        status, rotated = coordinator.call("POST", "/v1/keys:rotate", {"notice": "1s"})
        self.assertEqual((status, len(rotated["keys"])), (200, 2))
        self.assertEqual([key["signing"] for key in rotated["keys"]], [True, False])
        participant.keys = coordinator.keys()  # Published before it signs.
        new = rotated["keys"][1]["kid"]
        self.until(lambda: any(f'keyid="{new}"' in headers.get("Signature-Input", "")
                               for _, _, headers, _ in list(participant.requests)), "the key never took over")
        count = ended["COMMITTED"]
        self.until(lambda: ended["COMMITTED"] > count + 10, "no load")
        going.clear()
        for thread in threads:
            thread.join()
        self.assertEqual(participant.turned_away, [])
        self.assertEqual(set(ended), {"COMMITTED"})

    def test_a_key_that_was_not_handed_on_aborts_nothing(self):
        coordinator = self.start("--sign-calls", "on")
        participant = self.participant({})
        self.submit(coordinator, participant, "g1", wait=None)

        def branch():
            _, document = coordinator.call("GET", "/v1/transactions/g1")
            return document, next(iter(document["branches"]), {})

        self.until(lambda: "participant.unverified" in json.dumps(branch()[1]), "the branch does not say why it waits")
        self.assertEqual(branch()[0]["status"], "ACTIVE")
        self.assertIn("call_unverified", coordinator.log_file.read_text())
        participant.keys = coordinator.keys()
        revision = branch()[0]["revision"]
        coordinator.call("POST", "/v1/transactions/g1:retry",
                         {"reason": "the key is known", "actor": "ops", "expectedRevision": revision})
        self.until(lambda: branch()[0]["status"] == "COMMITTED", "it did not go on")

    def test_without_being_asked_nothing_is_signed_and_no_key_is_told(self):
        coordinator = self.start()
        self.assertEqual(coordinator.call("GET", "/v1/keys"), (200, {"keys": []}))
        status, problem = coordinator.call("POST", "/v1/keys:rotate", {})
        self.assertEqual(problem["code"], "keys.off")
        self.assertEqual(status, 409)

    def test_a_step_that_leads_to_the_coordinator_itself_is_refused_there(self):
        """By a name that no list of listeners has: the test stands in for a balancer."""
        coordinator = self.start()
        forwarded = []

        class Balancer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                connection = http.client.HTTPConnection("127.0.0.1", coordinator.port, timeout=60)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                connection.request("POST", "/v1/transactions", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
                forwarded.append((answer.status, json.loads(text)["code"]))
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Balancer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        definition = {"name": "loop", "mode": "saga", "participants": {"p": {"http": f"http://127.0.0.1:{server.server_address[1]}"}},
                      "steps": [{"id": "one", "participant": "p", "action": {"post": "/x", "body": {"definition": "loop"}},
                                 "compensate": {"post": "/x"}}]}
        status, document = coordinator.call("POST", "/v1/transactions", {"inline": definition, "gid": "g1", "input": {}, "wait": "60s"})
        self.assertEqual(document["status"], "ABORTED")
        self.assertEqual(forwarded[0], (403, "address.own"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    arguments, rest = parser.parse_known_args()
    BUILD = arguments.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
