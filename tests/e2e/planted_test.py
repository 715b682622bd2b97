#!/usr/bin/env python3
"""Secrets and sensitive values, planted wherever one may stand and sent back by participants in every way, are searched
for in all that a coordinator writes, tells and shows, after successes, refusals, time-outs, incidents and kill -9."""

import argparse
import base64
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "examples" / "demo"))

from agency import ApiError, Coordinator  # noqa: E402
from secured import Secured  # noqa: E402
from world import wait_until  # noqa: E402

BUILD = None
RETRY = {"attempts": 2, "initial": "1ms"}


class Listener(http.server.ThreadingHTTPServer):
    """Keeps what it is sent. As a participant it sends that back: in bodies, headers and errors, or too late."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies, self.heads, self.release = [], [], threading.Event()
        self.session = secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):  # A coordinator that is killed resets its connections.
        pass

    def text(self):
        return "\n".join(self.bodies)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.bodies.append(body)
        self.server.heads.append(str(self.headers) + self.path)
        echo = {"sent": body, "with": self.headers.get("Authorization"), "at": urllib.parse.unquote(self.path),
                "key": self.headers.get("X-Key"), "pin": self.headers.get("X-Pin"), "session": self.server.session}
        way = self.path.split("/")[1]
        if way == "hang":
            self.server.release.wait(60)
        status = {"refuse": 422, "break": 500, "undo": 500}.get(way, 200)
        # Long enough to be cut, at every place of what was sent.
        text = json.dumps(echo) if status == 200 else "x" * (len(self.server.bodies) * 7 % 400) + json.dumps(echo)
        self.answer(status, text, self.headers.get("Authorization"))

    def answer(self, status, text, echoed):
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "text/plain")
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("X-Echo", echoed or "")
        self.send_header("X-Session", self.server.session)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def definition(name, url, path, **more):
    """One step that sends the secret and the sensitive value on every way, and gives back what it was answered."""
    step = {"id": "s", "participant": "bank", "compensate": None, "timeout": "400ms", "retry": RETRY,
            "action": {"post": f"/{path}/${{input.card}}", "body": {"card": "${input.card}", "note": "of ${input.card}"},
                       "headers": {"X-Card": "${input.card}", "X-Pin": "${input.pin}"}}, **more}
    return {"name": name, "mode": "saga",
            "input": {"required": ["city"], "properties": {"card": {"type": "string", "sensitive": True, "maxLength": 60}}},
            "participants": {"bank": {"http": url, "sensitiveHeaders": ["x-key", "X-Pin", "X-Session"],
                                      "headers": {"Authorization": "Bearer ${secret.BANK}", "X-Key": "Basic ${env.BANK_KEY}"}}},
            "steps": [step, {"id": "after", "participant": "bank", "compensate": None, "retry": RETRY,
                             "action": {"post": "/well", "body": {"is": "${steps.s.output}", "by": "${steps.s.headers['x-session']}"}}}],
            "output": {"said": "${steps.s.output}", "card": "${input.card}"}}


class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="entente-planted-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.store, self.held = self.root / "store", self.root / "held"
        for each in (self.store, self.held):
            each.mkdir()
        self.bank, self.collector, self.receiver = Listener(), Listener(), Listener()
        for listener in (self.bank, self.collector, self.receiver):
            self.addCleanup(listener.server_close)
            self.addCleanup(listener.shutdown)
        self.addCleanup(self.bank.release.set)
        self.planted = {name: secrets.token_hex(16) for name in ("bank", "webhook", "collector", "environment")}
        self.named = {"key": secrets.token_hex(16), "pin": secrets.token_hex(16), "session": self.bank.session}
        self.card = f"4111 {secrets.token_hex(8)}/\"é"
        (self.held / "BANK").write_text(self.planted["bank"] + "\n")
        (self.held / "BANK.hosts").write_text(self.bank.url + "\n")
        (self.root / "webhook").write_text(self.planted["webhook"])
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.root / "signing.pem"], check=True)
        self.secured = Secured(self.root, ("tokens", "signatures", "tls"))
        self.shown, self.source = {}, None
        self.coordinator = None
        self.start()

    def start(self):
        self.coordinator = Coordinator(
            BUILD, self.store, {"UNREAD": self.planted["environment"], "BANK_KEY": self.named["key"]},
            ["--allow-env", "BANK_KEY", "--secrets-dir", self.held, "--otlp-endpoint", self.collector.url + "/v1/traces",
             "--otlp-header", f"Authorization: {self.planted['collector']}", "--webhook", self.receiver.url + "/hook",
             "--webhook-secret-file", self.root / "webhook", "--signing-key", self.root / "signing.pem",
             "--log-level", "debug"], secured=self.secured)
        self.addCleanup(self.coordinator.process.stop, signal.SIGKILL)

    def show(self, where, text):
        self.shown.setdefault(where, []).append(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False))

    def cli(self, *arguments):
        ended = subprocess.run([BUILD / "entente", *arguments, "--server", self.coordinator.url], capture_output=True,
                               text=True, timeout=60, env={**os.environ, **self.secured.environment()})
        self.show(f"entente {' '.join(arguments)}", ended.stdout + ended.stderr)

    def get(self, path):
        status, text = self.coordinator.http.request("GET", path, raw=True)
        self.show(f"GET {path}", text.decode())
        return status

    def submit(self, name, card=None, wait="20s", gid=None, **more):
        try:
            done = self.coordinator.submit(name, {"card": card or self.card, "city": "Rome", "pin": self.named["pin"]}, gid=gid or name, wait=wait,
                                           **more)
            self.show(f"submit {name}", done)
            return done
        except ApiError as error:
            self.show(f"submit {name}", error.problem)
            return error.problem

    def watch(self, path, until):
        """What an event stream tells, up to a line with `until`."""
        http_client = self.coordinator.http
        connection = http.client.HTTPSConnection(http_client.host, http_client.port, timeout=60,
                                                 context=http_client.context)
        connection.request("GET", path, headers=http_client.headers)
        lines, answer = [], connection.getresponse()
        while not lines or until not in lines[-1]:
            lines.append(answer.readline().decode())
        connection.close()
        self.show(f"GET {path}", "".join(lines))

    def test_nothing_that_was_planted_is_shown(self):
        for name, path, more in (
                ("well", "well", {}), ("refused", "refuse", {}), ("broken", "break", {}), ("late", "hang", {}),
                ("killed", "hang", {"timeout": "30s"}),
                ("stuck", "break", {"compensate": {"post": "/undo/${input.card}", "body": "${input.card}"}, "compensateRetry": RETRY}),
                ("wrong", "well", {"when": "${int(input.card) > 1}"}),
                ("edited", "break", {"compensate": {"post": "/undo", "body": {"of": "${input.card}"}}, "compensateRetry": RETRY})):
            self.coordinator.put_definition(definition(name, self.bank.url, path, **more))
        live = threading.Thread(target=self.watch, args=("/v1/events", "COMMITTED"))
        live.start()
        for name in ("refused", "broken", "late", "wrong"):
            self.submit(name)
        for name in ("stuck", "edited"):
            self.submit(name, wait=None)
            wait_until(lambda: self.coordinator.get(name).get("incident"))
        ended = self.submit("well")
        self.assertEqual("COMMITTED", ended["status"], ended)
        live.join()
        refused = self.submit("well", card="much too long: " + self.card * 3, gid="long")
        self.assertEqual("input.invalid", refused.get("code"), refused)
        revision = self.coordinator.get("edited")["revision"]
        status, answer = self.coordinator.http.request(
            "POST", "/v1/transactions/edited:edit",
            {"branch": "s", "body": {"of": self.card}, "reason": "a test", "expectedRevision": revision})
        self.assertEqual(200, status, answer)
        self.show("edit", answer)
        self.submit("killed", wait=None)
        wait_until(lambda: any("/hang/" in head and "killed" in head for head in self.bank.heads))
        self.coordinator.process.stop(signal.SIGKILL)
        self.start()
        self.look()
        wait_until(lambda: "refused" in self.collector.text() and "stuck" in self.receiver.text())
        os.kill(self.coordinator.process.popen.pid, signal.SIGABRT)
        self.coordinator.process.popen.wait(60)
        self.search()

    def look(self):
        """At everything there is to look at."""
        self.source = self.coordinator.http.call("GET", "/v1/definitions/well")["source"]
        gids = ("well", "refused", "broken", "late", "stuck", "wrong", "edited", "killed")
        for gid in gids:
            for what in ("", "/history", "/branches", "/branches/s/call"):
                self.get(f"/v1/transactions/{gid}{what}")
            self.watch(f"/v1/transactions/{gid}/events", "data:")
            for command in ("get", "history"):
                self.cli(command, gid)
                self.cli(command, gid, "--json")
        self.assertEqual(200, self.get("/v1/transactions/stuck/branches/s/call"))
        for path in ("/v1/transactions", "/v1/transactions?q=4111", "/v1/incidents", "/v1/participants", "/v1/definitions",
                     "/v1/definitions/well", "/v1/audit", "/v1/nodes", "/v1/tokens", "/v1/keys", "/v1/dead-letters",
                     "/metrics", "/healthz", "/readyz", "/v1/transactions:count", "/v1/bulk"):
            self.get(path)
        for command in (("list",), ("list", "--json"), ("incidents",), ("participants",), ("audit", "--export"),
                        ("doctor",), ("definitions", "get", "well"), ("tokens", "list"), ("keys", "list")):
            self.cli(*command)

    def search(self):
        self.show("log", (self.store / "entente.log").read_text(errors="replace"))
        self.show("traces", self.collector.text())
        self.show("webhooks", self.receiver.text())
        # It was all there to be found: the calls had it.
        self.assertIn(self.planted["bank"], "".join(self.bank.heads))
        self.assertIn(json.dumps(self.card)[1:8], "".join(self.bank.bodies))
        self.assertIn(self.planted["collector"], "".join(self.collector.heads))
        self.assertIn("[sensitive]", "".join(self.shown["GET /v1/transactions/well"]))
        self.assertIn("[sensitive]", "".join(self.shown["GET /v1/incidents"]))
        self.assertIn("[secret]", "".join(self.shown["GET /v1/transactions/broken/history"]))
        self.assertIn("event=", "".join(self.shown["log"]))
        token = self.secured.token_file.read_text().strip().split("_", 2)[2]
        seed = "".join((self.root / "signing.pem").read_text().splitlines()[1:-1])
        nowhere = {**self.planted, "token": token, "signing key": base64.b64decode(seed)[-32:], "signing key's text": seed,
                   "TLS key": (self.root / "secured" / "key.pem").read_text().splitlines()[1]}
        # The least that could be made use of: half of a secret, and what a value has that no other text has.
        for name, value in nowhere.items():
            value = value if isinstance(value, bytes) else value.encode()
            self.search_shown(name, value[:len(value) // 2])
            for path in self.store.iterdir():
                self.assertNotIn(value[:len(value) // 2], path.read_bytes(), f"{name} is in {path.name}")
        self.search_shown("card", self.card[5:15].encode())
        for name, value in self.named.items():
            self.assertIn(value, "".join(self.bank.bodies + self.bank.heads))
            self.search_shown(name, value[:len(value) // 2].encode())
        # Whoever has a definition could try what it read of the environment until it fits this one.
        read = json.dumps({"BANK_KEY": self.named["key"]}, separators=(",", ":"))
        self.search_shown("unkeyed digest", hashlib.sha256(f"{self.source}\n{read}".encode()).hexdigest()[:12].encode())

    def search_shown(self, name, value):
        for where, texts in self.shown.items():
            for text in texts:
                at = text.encode().find(value)
                self.assertEqual(-1, at, f"{name} is in {where}: ...{text.encode()[max(at - 200, 0):at + 60]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args()
    BUILD = arguments.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
