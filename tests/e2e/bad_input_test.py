#!/usr/bin/env python3
"""Bad input of every kind: a clear error that says what, where and what to do, and nothing that was
accepted is lost."""

import argparse
import base64
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import Coordinator  # noqa: E402

BUILD = None


class Nasty(http.server.BaseHTTPRequestHandler):
    """A participant whose path says how it behaves."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.path.split("/")[1]
        if kind == "good":
            self.answer(200, b'{"ok": true}', Content_Type="application/json")
        elif kind == "garbage":
            self.answer(200, b"\x00\xff<html>not json", Content_Type="application/json")
        elif kind == "latin1":
            self.answer(409, b"x" * 299 + b"\xc3\xa9 caf\xe9 \xff\xfe\x00 " + b"\xe9" * 400, Content_Type="text/plain")
        elif kind == "elsewhere":
            self.answer(202, Location="/jobs/\xff\xfe")
        elif kind == "html":
            self.answer(200, b"<html>welcome</html>", Content_Type="text/html")
        elif kind == "redirect":
            self.answer(302, Location="http://127.0.0.1:1/elsewhere")
        elif kind == "never":
            time.sleep(5)
            self.close_connection = True
        elif kind == "endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            except OSError:
                self.close_connection = True
        elif kind == "broken":
            self.wfile.write(b"HTTP/9.9 what\r\n\r\n")
            self.close_connection = True
        else:
            self.answer(404)


class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


def definition(kind, **more):
    return {
        "name": f"nasty-{kind}", "mode": "saga",
        "participants": {"p": {"http": "${env.NASTY_URL}", "timeout": "400ms"}},
        "steps": [{"id": "call", "participant": "p", "action": {"post": f"/{kind}", "body": {}},
                   "retry": {"initial": "10ms", "factor": 1, "max": "10ms", "attempts": 2},
                   "compensate": {"post": "/good"}, **more}],
    }


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-bad-"))
        cls.server = Threads(("127.0.0.1", 0), Nasty)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.env = {"NASTY_URL": f"http://127.0.0.1:{cls.server.server_port}"}
        cls.coordinator = Coordinator(BUILD, cls.folder, cls.env)
        cls.coordinator.put_definition(definition("good"))
        cls.keep = cls.coordinator.submit("nasty-good", {}, gid="keep", wait="10s")

    @classmethod
    def tearDownClass(cls):
        # Whatever was thrown at it: the process lives, and what was accepted is as it was.
        after = cls.coordinator.get("keep")
        code = cls.coordinator.process.stop()
        cls.server.shutdown()
        shutil.rmtree(cls.folder, ignore_errors=True)
        assert after == cls.keep, (after, cls.keep)
        assert code == 0, code

    def refused(self, status, code, method, path, body=None, headers=None):
        got, problem = self.coordinator.http.request(method, path, body, headers)
        self.assertEqual(status, got, problem)
        self.assertIsInstance(problem, dict, problem)
        for member in ("title", "detail", "code"):
            self.assertTrue(problem.get(member), problem)
        if code:
            self.assertEqual(code, problem["code"], problem)
        return problem

    def submit_raw(self, body, status, code=None):
        return self.refused(status, code, "POST", "/v1/transactions", body, {"Content-Type": "application/json"})

    # ---- requests ----

    def test_malformed_json_says_where(self):
        problem = self.submit_raw('{"definition": "nasty-good",\n "input": }', 400)
        self.assertIn("line 2", problem["detail"])

    def test_duplicate_keys_deep_nesting_and_bad_utf8_are_refused(self):
        self.submit_raw('{"definition": "a", "definition": "b"}', 400)
        self.submit_raw('{"definition": "nasty-good", "input": ' + "[" * 5000 + "]" * 5000 + "}", 400)
        self.submit_raw(b'{"definition": "nasty-good", "input": "\xff\xfe"}', 400)

    def test_an_oversized_body_is_refused(self):
        self.submit_raw(b'{"definition": "nasty-good", "input": "' + b"x" * (3 << 20) + b'"}', 413)

    def test_unknown_and_mistyped_fields_are_named(self):
        problem = self.submit_raw('{"definiton": "nasty-good", "input": {}}', 400)
        self.assertIn("definiton", json.dumps(problem))
        problem = self.submit_raw('{"definition": "nasty-good", "input": {}, "wait": 5}', 400)
        self.assertIn("wait", json.dumps(problem))

    def test_an_unknown_definition_or_version_is_not_found(self):
        self.submit_raw('{"definition": "nowhere", "input": {}}', 404, "definition.not_found")
        self.submit_raw('{"definition": "nasty-good", "version": 99, "input": {}}', 404, "definition.not_found")

    def test_an_unknown_transaction_and_an_unknown_route_are_not_found(self):
        self.refused(404, "transaction.not_found", "GET", "/v1/transactions/nobody")
        self.refused(404, None, "GET", "/v1/nothing")
        self.refused(405, None, "DELETE", "/v1/transactions/keep")

    def test_the_same_gid_with_another_body_is_a_conflict(self):
        self.submit_raw('{"definition": "nasty-good", "gid": "keep", "input": {"x": 1}}', 409,
                        "transaction.content_differs")

    def test_a_bad_gid_is_refused(self):
        for gid in ("a b", "a/b", "a:cancel", "~x", "x" * 300):
            self.submit_raw(json.dumps({"definition": "nasty-good", "gid": gid, "input": {}}), 400)

    def test_a_cancel_of_something_finished_says_so(self):
        self.refused(409, "transaction.finished", "POST", "/v1/transactions/keep:cancel", {"reason": "late"})

    def test_a_forged_completion_token_is_unknown(self):
        self.refused(404, "completion.unknown_token", "POST", "/v1/completions/AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                     {"outcome": "done"})

    def test_a_definition_with_several_mistakes_reports_them_all(self):
        wrong = {"name": "wrong", "mode": "sage", "participants": {"p": {"http": "http://x"}},
                 "steps": [{"id": "a", "participant": "q", "action": {"post": "/x"}},
                           {"id": "b", "particpant": "p", "after": ["z"], "action": {"post": "${steps.c.output}"}}]}
        problem = self.refused(422, "definition.invalid", "PUT", "/v1/definitions/wrong", wrong)
        problems = problem["problems"]
        self.assertGreaterEqual(len(problems), 5, problems)
        for one in problems:
            self.assertTrue(one["pointer"] and one["line"] and one["column"] and one["message"], one)
        self.refused(404, "definition.not_found", "GET", "/v1/definitions/wrong")

    def test_a_descriptor_set_that_can_not_be_used_is_refused_with_the_definition(self):
        document = {"name": "undescribed", "mode": "saga",
                    "participants": {"p": {"grpc": "127.0.0.1:1", "service": "a.v1.B",
                                           "descriptorSet": base64.b64encode(b"no descriptors").decode()}},
                    "steps": [{"id": "a", "participant": "p", "action": {"rpc": "C"},
                               "compensate": None}]}
        problem = self.refused(422, "definition.invalid", "PUT", "/v1/definitions/undescribed", document)
        self.assertEqual(["/participants/p/descriptorSet"], [one["pointer"] for one in problem["problems"]])

    def test_the_coordinator_never_calls_itself(self):
        """Its own API, called from loopback, would take any order of whoever may write a definition."""
        ports = self.coordinator.ports
        attack = {"mode": "saga", "steps": [
            {"id": "a", "participant": "p", "action": {"post": "/v1/transactions/keep:resolve",
                                                       "body": {"outcome": "COMMITTED", "reason": "x", "expectedRevision": 1}},
             "compensate": None}]}
        for address in (f"127.0.0.1:{ports['http']}", f"127.9.9.9:{ports['http']}", f"[::ffff:127.0.0.1]:{ports['http']}"):
            document = {"name": "self", "participants": {"p": {"http": f"http://{address}"}}, **attack}
            problem = self.refused(422, "definition.invalid", "PUT", "/v1/definitions/self", document)
            self.assertEqual(["/participants/p/http"], [one["pointer"] for one in problem["problems"]])
        # A name tells only when it is called.
        document = {"name": "self", "participants": {"p": {"http": f"http://localhost:{ports['http']}"}}, **attack}
        self.coordinator.put_definition(document)
        done = self.coordinator.submit("self", {}, wait="10s")
        self.assertEqual("ABORTED", done["status"], done)
        self.assertIn("this coordinator's own", json.dumps(done))
        done = self.coordinator.http.call("POST", "/v1/transactions", {"inline": {
            "name": "self-grpc", "mode": "saga",
            "participants": {"p": {"grpc": f"localhost:{ports['grpc']}", "service": "entente.v1.Coordinator"}},
            "steps": [{"id": "a", "participant": "p", "action": {"rpc": "ListDefinitions", "body": {}}, "compensate": None}]},
            "wait": "10s"})
        self.assertEqual("ABORTED", done["status"], done)

    def test_input_that_does_not_match_its_schema_is_refused(self):
        document = definition("good")
        document["name"] = "typed"
        document["input"] = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
        self.coordinator.put_definition(document)
        problem = self.submit_raw('{"definition": "typed", "input": {"n": "one"}}', 422, "input.invalid")
        self.assertIn("/n", json.dumps(problem))

    def test_a_request_from_a_foreign_page_or_name_is_refused(self):
        got, _ = self.coordinator.http.request("POST", "/v1/transactions", {"definition": "nasty-good"},
                                               {"Origin": "https://evil.example"})
        self.assertEqual(403, got)
        got, _ = self.coordinator.http.request("GET", "/v1/transactions", headers={"Host": "evil.example"})
        self.assertEqual(421, got)

    def test_bytes_that_are_not_http_get_an_answer_or_a_close(self):
        for garbage in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header\r\n\r\n",
                        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.coordinator.ports["http"]), timeout=10) as raw:
                raw.sendall(garbage)
                answer = raw.recv(4096)
                self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer)

    def gauge(self, name):
        _, text = self.coordinator.http.request("GET", "/metrics", raw=True)
        text = text.decode() if isinstance(text, bytes) else text
        return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(name + " ")))

    def until(self, holds, what):
        deadline = time.monotonic() + 60
        while not holds():
            self.assertLess(time.monotonic(), deadline, what)

    def test_clients_that_hang_up_while_they_wait_free_their_connections(self):
        self.coordinator.http.call("POST", "/v1/transactions:begin", {"mode": "tcc", "gid": "waited-for", "timeLimit": "1h"})
        port = self.coordinator.ports["http"]
        asks = f"GET /v1/transactions/waited-for?wait=5m HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()
        others = self.gauge("entente_http_connections")
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for client in clients:
            client.sendall(asks)
        self.until(lambda: self.gauge("entente_http_connections") >= others + 200, "they are connected")
        # One closes only its sending half, and is there to read.
        clients[0].shutdown(socket.SHUT_WR)
        clients[0].settimeout(60)
        self.assertTrue(clients[0].recv(100).startswith(b"HTTP/1.1 202 "))
        for client in clients:
            client.close()
        self.until(lambda: self.gauge("entente_http_connections") <= others + 5, "they are gone, and so are their connections")

    def test_bodies_that_are_never_ended_do_not_fill_the_memory(self):
        port = self.coordinator.ports["http"]
        head = (f"POST /v1/transactions HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: 2000000\r\n\r\n").encode()
        clients = []
        try:
            for _ in range(60):
                clients.append(socket.create_connection(("127.0.0.1", port)))
                clients[-1].settimeout(60)
                clients[-1].sendall(head)
                try:
                    clients[-1].sendall(b" " * 1_900_000)
                except OSError:
                    pass  # Refused.
            self.until(lambda: self.gauge("entente_http_requests_refused_total") > 0, "some are refused")
            self.assertLessEqual(self.gauge("entente_http_request_bytes"), 64 << 20)
            # Ordinary requests are served all the while.
            self.assertEqual(200, self.coordinator.http.request("GET", "/v1/transactions/keep")[0])
            again = self.coordinator.submit("nasty-good", {"a": "b" * 5000}, wait="10s")
            self.assertEqual("COMMITTED", again["status"])
        finally:
            for client in clients:
                client.close()
        self.until(lambda: self.gauge("entente_http_request_bytes") == 0, "what they held is let go of")

    # ---- participants ----

    def test_participants_that_misbehave_end_in_an_abort_and_not_in_a_crash(self):
        for kind in ("garbage", "html", "redirect", "never", "endless", "broken"):
            with self.subTest(kind):
                self.coordinator.put_definition(definition(kind))
                txn = self.coordinator.submit(f"nasty-{kind}", {}, wait="30s")
                self.assertEqual("ABORTED", txn["status"], txn)
                # It may have happened, so it was undone.
                self.assertEqual("undone", txn["branches"][0]["phase"], txn)
                self.assertTrue(txn["abort"]["message"], txn)

    def test_what_a_participant_says_can_be_read_back_after_a_crash_whatever_bytes_it_sent(self):
        folder = self.folder / "bytes"
        folder.mkdir()
        coordinator = Coordinator(BUILD, folder, self.env)
        try:
            for kind in ("latin1", "elsewhere"):
                document = definition(kind, alternatives=[{"post": "/good"}] if kind == "latin1" else [])
                # Still open when the coordinator dies, so that it has to be rebuilt.
                document["steps"].append({"id": "wait", "after": [], "wait": {"signal": "go"}})
                coordinator.put_definition(document)
                coordinator.submit(f"nasty-{kind}", {}, gid=kind, wait="1s")
            coordinator.process.stop(signal.SIGKILL)
            coordinator = Coordinator(BUILD, folder, self.env)
            for kind in ("latin1", "elsewhere"):
                status, history = coordinator.http.request("GET", f"/v1/transactions/{kind}/history")
                self.assertEqual(200, status, history)
            coordinator.http.call("POST", "/v1/transactions/latin1:signal", {"name": "go"})
            self.assertEqual("COMMITTED", coordinator.get("latin1", wait="30s")["status"])
            self.assertEqual("ABORTED", coordinator.get("elsewhere", wait="30s")["status"])
        finally:
            coordinator.process.stop()

    def test_an_absent_participant_certainly_did_nothing(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            document = definition("good")
            document["name"] = "absent"
            document["participants"]["p"]["http"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
            self.coordinator.put_definition(document)
            txn = self.coordinator.submit("absent", {}, wait="30s")
        self.assertEqual(("ABORTED", "refused"), (txn["status"], txn["branches"][0]["phase"]), txn)

    # ---- starting ----

    def start(self, *arguments, env=None):
        return subprocess.run([f"{BUILD}/entente", *arguments], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **(env or {})})

    def assert_cannot_start(self, result, *words):
        self.assertNotEqual(0, result.returncode)
        for word in words:
            self.assertIn(word, result.stderr)

    def serve(self, *arguments, **more):
        return self.start("serve", "--http", "127.0.0.1:0", "--grpc", "off", *arguments, **more)

    def test_bad_flags_and_settings_are_named(self):
        result = self.start("serve", "--htpp", "x")
        self.assertNotEqual(0, result.returncode)
        self.assertIn("--htpp", result.stderr + result.stdout)
        result = self.start("serve", "--store", "memory:", "extra")
        self.assertNotEqual(0, result.returncode)
        self.assertIn("extra", result.stderr)
        self.assertNotIn("--store", result.stderr)
        self.assert_cannot_start(self.start("serve", "--http", "nonsense"), "--http", "nonsense")
        self.assert_cannot_start(self.start("serve", "--http", "0.0.0.0:0"), "authentication")
        self.assert_cannot_start(self.serve("--store", "oracle:x"), "oracle", "sqlite:")
        self.assert_cannot_start(self.serve("--workers", "many"), "--workers", "many")
        self.assert_cannot_start(self.serve(env={"ENTENTE_RETENTION": "soon"}), "ENTENTE_RETENTION", "soon")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write('{"htpp": "x"}')
            file.flush()
            self.assert_cannot_start(self.serve("--config", file.name), file.name, "htpp")

    def test_a_port_in_use_is_named(self):
        port = self.coordinator.ports["http"]
        store = self.folder / "other.db"
        self.assert_cannot_start(
            self.start("serve", "--http", f"127.0.0.1:{port}", "--grpc", "off", "--store", f"sqlite:{store}"),
            str(port), "in use")

    def test_a_second_coordinator_on_the_same_file_refuses_to_start(self):
        self.assert_cannot_start(self.serve("--store", f"sqlite:{self.folder / 'entente.db'}"), "entente.db")

    def test_stores_that_are_not_ours_or_are_damaged_are_refused(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "text.db").write_text("this is not a database, but a text of some length\n" * 100)
            self.assert_cannot_start(self.serve("--store", f"sqlite:{folder / 'text.db'}"), "text.db")
            other = sqlite3.connect(folder / "other.db")
            other.execute("create table t(x)")
            other.commit()
            other.close()
            self.assert_cannot_start(self.serve("--store", f"sqlite:{folder / 'other.db'}"), "other.db")
            self.assert_cannot_start(self.serve("--store", f"sqlite:{folder / 'no' / 'such' / 'e.db'}"), "such")
            self.assert_cannot_start(self.serve("--store", f"sqlite:{folder}"), name)

    def test_a_full_disk_refuses_what_is_new_and_keeps_what_was_accepted(self):
        if os.geteuid() != 0:
            self.skipTest("mounting a small tmpfs needs root")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-full-"))
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)])
        if mounted.returncode != 0:
            self.skipTest("tmpfs can not be mounted here")
        small = None
        try:
            small = Coordinator(BUILD, folder, self.env)
            small.put_definition(definition("good"))
            accepted, refused = [], None
            for n in range(400):
                status, answer = small.http.request(
                    "POST", "/v1/transactions",
                    {"definition": "nasty-good", "gid": f"full-{n}", "input": {"pad": "x" * 20000}, "wait": "10s"})
                if status == 503:
                    refused = answer
                    break
                self.assertIn(status, (200, 202), answer)
                accepted.append(f"full-{n}")
            self.assertIsNotNone(refused, "the disk never became full")
            self.assertIn("full", refused["detail"])
            self.assertTrue(accepted)
            # Room again: it goes on without a restart.
            subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
            deadline = time.monotonic() + 30
            while small.http.request("POST", "/v1/transactions",
                                     {"definition": "nasty-good", "gid": "again", "input": {}, "wait": "10s"})[0] != 200:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
            for gid in accepted:
                self.assertEqual("COMMITTED", small.get(gid, wait="30s")["status"])
        finally:
            if small is not None:
                small.process.stop()
            subprocess.run(["umount", str(folder)])
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = pathlib.Path(known.build).resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
