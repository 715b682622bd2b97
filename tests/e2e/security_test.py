#!/usr/bin/env python3
"""A coordinator that asks who one is, as those meet it who start it, deploy to it, submit to it and watch it."""

import argparse
import base64
import http.client
import http.server
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BUILD = None
ASK = {"name": "ask", "mode": "saga", "participants": {}, "steps": [{"id": "ask", "wait": {"signal": "go"}}]}


def definition(name):
    return {**ASK, "name": name}


class Coordinator:
    def __init__(self, folder, *flags):
        self.folder = pathlib.Path(folder)
        self.ports_file = self.folder / "ports"
        self.log_file = self.folder / "log"
        self.ports_file.unlink(missing_ok=True)
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [str(BUILD / "entente"), "serve", "--grpc", "off", "--store",
                 f"sqlite:{self.folder}/entente.db", "--port-file", str(self.ports_file),
                 *([] if "--http" in flags else ["--http", "127.0.0.1:0"]), *flags],
                stderr=log, stdout=log, env=environment())
        deadline = time.monotonic() + 60
        while not self.ports_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self.log())
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{json.loads(self.ports_file.read_text())['http']}"

    def log(self):
        return self.log_file.read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def call(self, method, path, token=None, body=None):
        """(status, document)"""
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null")


def environment(token_file=None):
    env = {name: value for name, value in os.environ.items() if not name.startswith("ENTENTE_")}
    if token_file is not None:
        env["ENTENTE_TOKEN_FILE"] = str(token_file)
    return env


def certificates(folder):
    """An authority (ca.pem) and a certificate by it for localhost (cert.pem, key.pem), made on the spot."""
    folder.mkdir()
    (folder / "extensions").write_text("subjectAltName=DNS:localhost\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for command in (
            ["req", "-x509", *key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority"],
            ["req", *key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost"],
            ["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days",
             "2", "-out", "cert.pem", "-extfile", "extensions"]):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    return folder


def encoded(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class Provider:
    """An identity provider: publishes keys at a URL, and signs tokens by the latest."""

    def __init__(self):
        self.fetches, self.keys = 0, []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                provider.fetches += 1
                body = json.dumps(provider.published()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/keys"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.rotate()

    def rotate(self):
        self.keys.append(Ed25519PrivateKey.generate())

    def published(self):
        """The latest alone."""
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": str(len(self.keys)),
                          "x": encoded(self.keys[-1].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))}]}

    def token(self, **claims):
        body = {"iss": "https://id.example.org", "aud": "entente", "sub": "ann@example.org", "exp": int(time.time()) + 300,
                "groups": ["ops"], **claims}
        text = encoded({"alg": "EdDSA", "kid": str(len(self.keys))}) + "." + encoded(body)
        return text + "." + encoded(self.keys[-1].sign(text.encode()))

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def serve_fails(*flags):
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [str(BUILD / "entente"), "serve", "--grpc", "off", "--store", f"sqlite:{folder}/e.db", *flags],
            capture_output=True, text=True, timeout=60, env=environment())
    return ended.returncode, ended.stderr


class Security(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.coordinator = None

    def start(self, *flags):
        if self.coordinator:
            self.coordinator.stop()
        self.coordinator = Coordinator(self.folder, *flags)
        self.addCleanup(self.coordinator.stop)

    def start_asking(self, *flags):
        self.start("--auth", "token", "--allow-participants", "*", *flags)

    def cli(self, token_file, *arguments, expect=0, ca=None, own=None):
        env = environment(token_file)
        if ca:
            env["ENTENTE_CA_FILE"] = str(ca)
        if own:
            env |= {"ENTENTE_CERTIFICATE_FILE": str(own / "cert.pem"), "ENTENTE_KEY_FILE": str(own / "key.pem")}
        ended = subprocess.run([str(BUILD / "entente"), *arguments, "--server", self.coordinator.url],
                               capture_output=True, text=True, timeout=60, env=env)
        self.assertEqual(expect, ended.returncode, f"{arguments}: {ended.stdout}{ended.stderr}")
        return ended.stdout + ended.stderr if expect else ended.stdout

    def make(self, name, *arguments):
        """A token made by the administrator, in a file."""
        path = self.folder / f"{name}-{secrets.token_hex(4)}.token"
        path.write_text(self.cli(self.admin_file, "tokens", "create", name, *arguments))
        return path

    @property
    def admin_file(self):
        return self.folder / "entente.db-admin-token"

    def put(self, token_file, document, expect=0):
        path = self.folder / f"{document['name']}.json"
        path.write_text(json.dumps(document))
        return self.cli(token_file, "definitions", "put", str(path), expect=expect)

    def test_on_loopback_nobody_is_asked_and_the_log_says_so_once(self):
        self.start()
        self.assertEqual(200, self.coordinator.call("GET", "/v1/transactions")[0])
        lines = [line for line in self.coordinator.log().splitlines() if "event=authentication" in line]
        self.assertEqual(1, len(lines))
        self.assertIn("mode=none", lines[0])
        self.assertFalse(self.admin_file.exists())

    def test_beyond_loopback_it_asks_or_does_not_start(self):
        code, text = serve_fails("--http", "0.0.0.0:0", "--auth", "none", "--allow-participants", "*")
        self.assertNotEqual(0, code, text)
        self.assertIn("--auth", text)
        code, text = serve_fails("--http", "0.0.0.0:0")
        self.assertNotEqual(0, code, text)
        self.assertIn("--allow-participants", text)
        code, text = serve_fails("--http", "127.0.0.1:0", "--auth", "tokens")
        self.assertNotEqual(0, code, text)
        self.start("--http", "0.0.0.0:0", "--allow-participants", "*")
        self.assertEqual(401, self.coordinator.call("GET", "/v1/transactions")[0])
        self.assertEqual(200, self.coordinator.call("GET", "/healthz")[0])

    def test_from_the_first_start_to_a_submit(self):
        self.start_asking()
        self.assertIn(str(self.admin_file), self.coordinator.log())
        self.assertEqual(0o600, stat.S_IMODE(self.admin_file.stat().st_mode))
        self.assertIn("token.missing", self.cli(None, "list", expect=1))
        deployer = self.make("ci", "--role", "deployer", "--definition", "ask*")
        submitter = self.make("shop", "--role", "submitter", "--definition", "ask*")
        operator = self.make("ann", "--role", "operator")
        self.put(deployer, definition("ask"))
        self.assertIn("access.scope", self.put(deployer, definition("other"), expect=1))
        self.assertIn("access.denied", self.put(submitter, definition("ask"), expect=1))
        self.put(self.admin_file, definition("other"))

        self.cli(submitter, "submit", "ask", "--gid", "mine")
        self.assertIn("definition.not_found", self.cli(submitter, "submit", "other", expect=1))
        self.cli(self.admin_file, "submit", "other", "--gid", "theirs")
        self.assertIn("transaction.not_found", self.cli(submitter, "get", "theirs", expect=1))
        listed = json.loads(self.cli(submitter, "list", "--json"))["transactions"]
        self.assertEqual(["mine"], [one["gid"] for one in listed])
        self.assertIn("access.denied", self.cli(submitter, "pause", "mine", expect=1))
        self.assertIn("event=refused code=access.denied method=pause peer=127.0.0.1", self.coordinator.log())
        self.assertIn("reason: is required", self.cli(operator, "pause", "mine", expect=1))
        self.cli(operator, "pause", "mine", "--actor", "ceo", "--reason", "lunch")
        history = json.loads(self.cli(operator, "history", "mine", "--json"))["entries"]
        self.assertEqual(["ann"], [one["actor"]["name"] for one in history if one["type"] == "paused"])

    def test_tokens_outlive_a_restart_and_a_revocation_does_too(self):
        self.start_asking()
        admin = self.admin_file.read_text().strip()
        viewer = self.make("eve", "--role", "viewer")
        again = self.make("eve", "--role", "viewer")
        token_id = viewer.read_text().split("_")[1]
        self.cli(viewer, "list")
        self.assertIn("revoked by admin", self.cli(self.admin_file, "tokens", "revoke", token_id))
        self.assertIn("token.rejected", self.cli(viewer, "list", expect=1))
        self.cli(again, "list")
        self.start_asking()
        self.assertEqual(admin, self.admin_file.read_text().strip())
        self.assertIn("token.rejected", self.cli(viewer, "list", expect=1))
        self.cli(again, "list")
        listed = self.cli(self.admin_file, "tokens", "list")
        self.assertEqual(2, listed.count("eve"))
        # Whoever lost the token but has the machine gets another.
        other = self.folder / "other-token"
        self.start_asking("--admin-token-file", str(other))
        self.assertNotEqual(admin, other.read_text().strip())
        self.cli(other, "tokens", "list")

    def test_a_token_is_in_no_file_and_no_log(self):
        self.start_asking()
        submitter = self.make("shop", "--role", "submitter")
        self.put(self.admin_file, ASK)
        self.cli(submitter, "submit", "ask", "--gid", "mine")
        self.assertIn("access.denied", self.cli(submitter, "pause", "mine", expect=1))
        self.coordinator.process.kill()
        self.coordinator.process.wait()
        tokens = [path.read_text().strip().split("_", 2)[2].encode() for path in (submitter, self.admin_file)]
        for path in self.folder.iterdir():
            if path.suffix != ".token" and path != self.admin_file:
                for secret in tokens:
                    self.assertNotIn(secret, path.read_bytes(), path)

    def test_a_file_that_is_written_again_is_the_token_from_then_on(self):
        self.start_asking()
        self.put(self.admin_file, ASK)
        self.cli(self.admin_file, "submit", "ask", "--gid", "mine")
        shown = self.folder / "shown.token"
        shown.write_text("nothing that is a token\n")
        self.assertIn("does not hold one token", self.cli(shown, "list", expect=2))
        shown.write_text(self.make("eve", "--role", "viewer").read_text())
        self.cli(shown, "list")
        self.assertIn("mine", self.cli(shown, "get", "mine"))
        # What it may not look at is not called wrong.
        self.assertIn("definitions can not be looked at", self.cli(shown, "doctor"))

    def provider(self):
        provider = Provider()
        self.addCleanup(provider.stop)
        return provider, ("--jwt-issuer", "https://id.example.org", "--jwt-audience", "entente", "--jwt-role-claim", "groups",
                          "--jwt-role", "ops=operator", "--jwt-role", "all=viewer")

    def token_file(self, text):
        path = self.folder / f"{secrets.token_hex(4)}.token"
        path.write_text(text + "\n")
        return path

    def test_a_provider_s_token_is_taken_and_names_its_bearer(self):
        provider, flags = self.provider()
        self.start_asking("--jwt-keys", provider.url, *flags)
        self.put(self.admin_file, ASK)
        self.cli(self.admin_file, "submit", "ask", "--gid", "mine")
        self.cli(self.token_file(provider.token()), "pause", "mine", "--reason", "lunch")
        listed = json.loads(self.cli(self.admin_file, "history", "mine", "--json"))["entries"]
        self.assertEqual(["ann@example.org"], [one["actor"]["name"] for one in listed if one["type"] == "paused"])
        self.assertIn("ann@example.org", self.cli(self.admin_file, "audit", "--action", "pause"))
        ask = self.coordinator.call
        self.assertEqual(403, ask("POST", "/v1/transactions/mine:resume", provider.token(groups="all"), {})[0])
        self.assertEqual(403, ask("GET", "/v1/tokens", provider.token())[0])
        for claims in ({"aud": "other"}, {"exp": int(time.time()) - 60}, {"groups": []}, {"iss": "https://evil.example.org"}):
            status, problem = ask("POST", "/v1/transactions/mine:resume", provider.token(**claims), {})
            self.assertEqual((401, "token.rejected"), (status, problem["code"]), claims)
        self.assertTrue(json.loads(self.cli(self.admin_file, "get", "mine", "--json"))["paused"])

    def test_a_provider_s_keys_are_taken_again_when_they_change(self):
        provider, flags = self.provider()
        keys = self.folder / "keys.json"
        keys.write_text(json.dumps(provider.published()))
        for place in (str(keys), provider.url):
            self.start_asking("--jwt-keys", place, *flags)
            before = provider.token()
            self.assertEqual(200, self.coordinator.call("GET", "/v1/transactions", before)[0])
            provider.rotate()
            if place == str(keys):
                keys.write_text("{")
                self.await_log("event=provider_keys_kept")
                self.assertEqual(200, self.coordinator.call("GET", "/v1/transactions", before)[0])
                keys.write_text(json.dumps(provider.published()))
            after = provider.token()
            deadline = time.monotonic() + 60
            while self.coordinator.call("GET", "/v1/transactions", after)[0] != 200 and time.monotonic() < deadline:
                time.sleep(0.2)
            self.assertEqual(200, self.coordinator.call("GET", "/v1/transactions", after)[0])
            self.assertEqual(401, self.coordinator.call("GET", "/v1/transactions", before)[0])

    def test_a_provider_that_is_away_keeps_nobody_from_starting(self):
        provider, flags = self.provider()
        provider.stop()
        self.start_asking("--jwt-keys", provider.url, *flags)
        self.await_log("event=provider_keys_kept")
        self.assertEqual(401, self.coordinator.call("GET", "/v1/transactions", provider.token())[0])
        self.cli(self.admin_file, "list")
        self.assertIn("--jwt-audience", serve_fails("--auth", "token", "--allow-participants", "*", "--jwt-keys", provider.url)[1])
        self.assertIn("--auth", serve_fails("--jwt-keys", provider.url, *flags)[1])
        self.assertIn("https", serve_fails("--auth", "token", "--jwt-keys", "http://id.example.org/keys", *flags)[1])

    def await_log(self, text):
        deadline = time.monotonic() + 60
        while text not in self.coordinator.log() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertIn(text, self.coordinator.log())

    def test_a_bulk_action_touches_what_its_author_reaches(self):
        self.start_asking()
        for name in ("ask-a", "ask-b"):
            self.put(self.admin_file, definition(name))
            self.cli(self.admin_file, "submit", name, "--gid", f"{name}-1")
        scoped = self.make("ann", "--role", "operator", "--definition", "ask-a").read_text().strip()
        admin = self.admin_file.read_text().strip()
        status, action = self.coordinator.call(
            "POST", "/v1/bulk", scoped, {"verb": "pause", "filter": "status=ACTIVE", "reason": "a test"})
        self.assertEqual((201, 1), (status, action["matched"]))
        path = f"/v1/bulk/{action['id']}"
        deadline = time.monotonic() + 60
        while action["state"] == "running" and time.monotonic() < deadline:
            action = self.coordinator.call("GET", path, scoped)[1]
        self.assertEqual(("finished", 1), (action["state"], action["done"]))
        paused = {gid: self.coordinator.call("GET", f"/v1/transactions/{gid}", admin)[1].get("paused", False)
                  for gid in ("ask-a-1", "ask-b-1")}
        self.assertEqual({"ask-a-1": True, "ask-b-1": False}, paused)
        other = self.make("bob", "--role", "operator", "--definition", "ask-b").read_text().strip()
        self.assertEqual(404, self.coordinator.call("GET", path, other)[0])
        self.assertEqual(404, self.coordinator.call("POST", path + ":stop", other, {})[0])
        self.assertEqual([], self.coordinator.call("GET", "/v1/bulk", other)[1]["actions"])
        self.assertEqual(1, len(self.coordinator.call("GET", "/v1/bulk", admin)[1]["actions"]))
        # What it may reach outlives the process that was told.
        self.start_asking()
        self.assertEqual(404, self.coordinator.call("GET", path, other)[0])
        self.assertEqual(200, self.coordinator.call("GET", path, scoped)[0])

    def test_over_tls_with_a_certificate_that_is_replaced(self):
        first, second = (certificates(self.folder / name) for name in ("first", "second"))
        shown = self.folder / "shown"
        shutil.copytree(first, shown)
        self.start_asking("--listen-tls-certificate", str(shown / "cert.pem"), "--listen-tls-key",
                          str(shown / "key.pem"))
        self.coordinator.url = self.coordinator.url.replace("http://127.0.0.1", "https://localhost")
        self.cli(self.admin_file, "list", ca=first / "ca.pem")
        self.assertIn("client.unreachable", self.cli(self.admin_file, "list", ca=second / "ca.pem", expect=1))
        port = int(self.coordinator.url.rsplit(":", 1)[1])
        # What it speaks, and that plain text gets no answer.
        context = ssl.create_default_context(cafile=first / "ca.pem")
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(OSError), socket.create_connection(("localhost", port), 60) as plain:
            context.wrap_socket(plain, server_hostname="localhost")
        with self.assertRaises((http.client.HTTPException, OSError)):
            plain = http.client.HTTPConnection("localhost", port, timeout=60)
            plain.request("GET", "/healthz")
            plain.getresponse()
        # A connection that is open goes on; a new one is shown the other certificate.
        kept = http.client.HTTPSConnection("localhost", port, timeout=60,
                                           context=ssl.create_default_context(cafile=first / "ca.pem"))
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        for name in ("cert.pem", "key.pem"):
            shutil.copy(second / name, shown / name)
        deadline = time.monotonic() + 60
        while "event=certificate_taken" not in self.coordinator.log() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.cli(self.admin_file, "list", ca=second / "ca.pem")
        self.assertIn("client.unreachable", self.cli(self.admin_file, "list", ca=first / "ca.pem", expect=1))
        kept.request("GET", "/healthz")
        self.assertEqual(200, kept.getresponse().status)
        kept.close()

    def test_calls_show_a_certificate_that_is_replaced(self):
        own, first = (certificates(self.folder / name) for name in ("own", "first"))
        second = self.folder / "second"
        shutil.copytree(first, second)
        subprocess.run(["openssl", "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
                        "-CAcreateserial", "-days", "2", "-out", "cert.pem", "-extfile", "extensions"], cwd=second,
                       check=True, capture_output=True)
        shown = self.folder / "shown"
        shutil.copytree(first, shown)
        serials = {}
        for folder in (first, second):
            said = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", str(folder / "cert.pem")], check=True,
                                  capture_output=True, text=True).stdout
            serials[said.strip().removeprefix("serial=")] = folder.name
        seen = []

        class Participant(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                seen.append(serials[self.connection.getpeercert()["serialNumber"]])
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Participant)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own / "cert.pem", own / "key.pem")
        context.load_verify_locations(first / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.start("--tls-ca", str(own / "ca.pem"), "--tls-certificate", str(shown / "cert.pem"), "--tls-key",
                   str(shown / "key.pem"))

        def run():
            body = self.coordinator.call("POST", "/v1/transactions", None, {
                "wait": "60s", "input": {}, "inline": {
                    "name": "call", "mode": "saga",
                    "participants": {"p": {"http": f"https://localhost:{server.server_address[1]}"}},
                    "steps": [{"id": "a", "participant": "p", "compensate": None, "action": {"post": "/a", "body": {}}}]}})[1]
            self.assertEqual("COMMITTED", body.get("status"), body)

        run()
        for name in ("cert.pem", "key.pem"):
            shutil.copy(second / name, shown / name)
        deadline = time.monotonic() + 60
        while "event=call_certificate_taken" not in self.coordinator.log() and time.monotonic() < deadline:
            time.sleep(0.1)
        run()
        self.assertEqual(["first", "second"], seen)

    def test_over_tls_with_certificates_of_clients(self):
        own, clients = (certificates(self.folder / name) for name in ("own", "clients"))
        self.start_asking("--listen-tls-certificate", str(own / "cert.pem"), "--listen-tls-key",
                          str(own / "key.pem"), "--listen-tls-client-ca", str(clients / "ca.pem"))
        self.coordinator.url = self.coordinator.url.replace("http://127.0.0.1", "https://localhost")
        self.cli(self.admin_file, "list", ca=own / "ca.pem", expect=1)
        self.cli(self.admin_file, "list", ca=own / "ca.pem", own=clients)
        self.cli(self.admin_file, "list", ca=own / "ca.pem", own=own, expect=1)

    def test_certificates_of_clients_say_who_they_are(self):
        own, clients = (certificates(self.folder / name) for name in ("own", "clients"))
        roles = self.folder / "roles.json"
        roles.write_text(json.dumps([{"san": "DNS:localhost", "role": "operator", "definitions": ["ask"]}]))
        self.start_asking("--listen-tls-certificate", str(own / "cert.pem"), "--listen-tls-key", str(own / "key.pem"),
                          "--listen-tls-client-ca", str(clients / "ca.pem"), "--client-roles", str(roles))
        self.coordinator.url = self.coordinator.url.replace("http://127.0.0.1", "https://localhost")

        def ask(*arguments, token=None, expect=0):
            return self.cli(token, *arguments, ca=own / "ca.pem", own=clients, expect=expect)

        for name in ("ask", "other"):
            path = self.folder / f"{name}.json"
            path.write_text(json.dumps(definition(name)))
            ask("definitions", "put", str(path), token=self.admin_file)
            ask("submit", name, "--gid", name, token=self.admin_file)
        ask("pause", "ask", "--reason", "lunch")
        self.assertIn("transaction.not_found", ask("pause", "other", expect=1))
        self.assertIn("access.denied", ask("definitions", "put", str(self.folder / "ask.json"), expect=1))
        self.assertIn("DNS:localhost", ask("audit", "--action", "pause", token=self.admin_file))
        roles.write_text("[")
        self.await_log("event=client_roles_kept")
        ask("resume", "ask", "--reason", "back")
        roles.write_text("[]")
        self.await_log("event=client_roles_taken")
        self.assertIn("token.missing", ask("list", expect=1))
        wrong = self.folder / "wrong.token"
        wrong.write_text("ent_x\n")
        roles.write_text(json.dumps([{"san": "DNS:localhost", "role": "admin"}]))
        deadline = time.monotonic() + 60
        while self.coordinator.log().count("event=client_roles_taken") < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        ask("tokens", "list")
        self.assertIn("token.rejected", ask("list", token=wrong, expect=1))
        self.assertIn("--listen-tls-client-ca", serve_fails("--auth", "token", "--allow-participants", "*", "--client-roles",
                                                            str(roles))[1])

    def test_the_audit_outlives_the_process_and_what_was_done(self):
        self.start_asking()
        operator = self.make("ann", "--role", "operator")
        self.put(self.admin_file, ASK)
        self.cli(self.admin_file, "submit", "ask", "--gid", "mine")
        self.cli(operator, "pause", "mine", "--reason", "lunch")
        self.cli(operator, "audit", expect=1)
        for _ in range(3):
            self.assertEqual(401, self.coordinator.call("POST", "/v1/transactions/mine:pause", "ent_x", {})[0])
        self.assertIn("refused token.rejected x3", self.cli(self.admin_file, "audit", "--outcome", "refused"))
        self.coordinator.process.kill()
        self.coordinator.process.wait()
        self.start_asking()
        exported = [json.loads(line) for line in self.cli(self.admin_file, "audit", "--export").splitlines()]
        self.assertEqual(["pause", "audit", "pause", "define", "create-token", "create-token"],
                         [one["action"] for one in sorted(exported, key=lambda one: one["at"], reverse=True)])
        done = next(one for one in exported if one["action"] == "pause" and one["outcome"] == "done")
        self.assertEqual(("ann", "lunch", "transaction/mine", "127.0.0.1"),
                         (done["actor"], done["reason"], done["subject"], done["peer"]))
        self.assertEqual((None, True), (done["before"].get("paused"), done["after"].get("paused")))
        denied = next(one for one in exported if one["action"] == "audit")
        self.assertEqual(("ann", "refused", "access.denied"), (denied["actor"], denied["outcome"], denied["code"]))
        self.assertEqual("entente-serve", min(exported, key=lambda one: one["at"])["actor"])
        self.assertIn("lunch", self.cli(self.admin_file, "audit", "--actor", "ann", "--action", "pause"))

    def test_the_audit_is_kept_for_as_long_as_it_is_told(self):
        self.start_asking()
        self.make("ann", "--role", "operator")
        self.start_asking("--audit-retention", "1ms")
        deadline = time.monotonic() + 60
        while "event=audit_purged" not in self.coordinator.log() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual("", self.cli(self.admin_file, "audit", "--export"))

    def test_a_secret_reaches_its_participant_and_nothing_else(self):
        seen, answers = [], {"/pay": (200, '{"echo": "%s"}'), "/fail": (422, "no: %s"), "/break": (500, "broken: %s")}

        class Bank(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                token = self.headers["Authorization"].removeprefix("Bearer ")
                seen.append(token)
                status, text = answers[self.path]
                body = (text % token).encode()
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        bank = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bank)
        threading.Thread(target=bank.serve_forever, daemon=True).start()
        self.addCleanup(bank.server_close)
        self.addCleanup(bank.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        held = pathlib.Path(folder.name)
        values = [secrets.token_hex(16), secrets.token_hex(16)]
        (held / "BANK").write_text(values[0] + "\n")
        (held / "BANK.hosts").write_text(f"http://127.0.0.1:{bank.server_address[1]}\n")
        (held / "OTHER").write_text(values[0])
        (held / "OTHER.hosts").write_text("other.example.org\n")
        self.start_asking("--secrets-dir", str(held))
        shown = []
        for name, path, secret in (("pay", "/pay", "BANK"), ("fail", "/fail", "BANK"), ("break", "/break", "BANK"),
                                   ("lost", "/pay", "OTHER")):
            self.put(self.admin_file, {
                "name": name, "mode": "saga",
                "participants": {"bank": {"http": f"http://127.0.0.1:{bank.server_address[1]}",
                                          "headers": {"Authorization": f"Bearer ${{secret.{secret}}}"}}},
                "steps": [{"id": "s", "participant": "bank", "action": {"post": path}, "compensate": None,
                           "retry": {"attempts": 2, "initial": "1ms"}}],
                "output": {"said": "${steps.s.output}"}})
            self.cli(self.admin_file, "submit", name, "--gid", name)
            self.cli(self.admin_file, "get", name, "--wait", "30s")
            for command in (("get", name), ("history", name), ("get", name, "--json"), ("history", name, "--json"),
                            ("definitions", "get", name)):
                shown.append(self.cli(self.admin_file, *command))
        self.assertEqual({values[0]}, set(seen))
        self.assertEqual(4, len(seen))  # One each, and the one that broke twice; the lost one not at all.
        self.assertIn("secret.not_for", "".join(shown))
        self.assertIn("[secret]", "".join(shown))
        # One that is rotated reaches what is under way.
        (held / "BANK").write_text(values[1])
        self.cli(self.admin_file, "submit", "pay", "--gid", "again", "--wait", "30s")
        self.assertEqual(values[1], seen[-1])
        for page in ("/v1/transactions", "/v1/incidents", "/v1/participants", "/v1/definitions", "/v1/audit"):
            shown.append(json.dumps(self.coordinator.call("GET", page, self.admin_file.read_text().strip())[1]))
        self.coordinator.process.kill()
        self.coordinator.process.wait()
        shown += [path.read_bytes().decode(errors="replace") for path in self.folder.iterdir() if path.is_file()]
        for value in values:
            self.assertFalse([text[:200] for text in shown if value in text])

    def test_an_event_stream_ends_outside(self):
        self.start_asking()
        self.put(self.admin_file, definition("ask-a"))
        self.cli(self.admin_file, "submit", "ask-a", "--gid", "mine")
        outside = self.make("bob", "--role", "viewer", "--definition", "ask-b").read_text().strip()
        self.assertEqual(404, self.coordinator.call("GET", "/v1/transactions/mine/events", outside)[0])
        self.assertEqual(404, self.coordinator.call("GET", "/v1/transactions/mine/history", outside)[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args()
    BUILD = arguments.build
    unittest.main(argv=[sys.argv[0], *rest])
