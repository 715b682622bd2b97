#!/usr/bin/env python3
"""A transaction at which the coordinator crashes, throws or runs out of memory harms only itself: the
process dies at most twice of it, then holds it back and serves everybody else until an operator releases it."""

import argparse
import http.client
import http.server
import pathlib
import shutil
import socketserver
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import ApiError, Coordinator  # noqa: E402

BUILD = None
OTHERS = [f"other-{n}" for n in range(20)]
DEFINITION = {
    "name": "poisoned", "mode": "saga", "participants": {"p": {"http": "${env.ECHO_URL}"}},
    "steps": [{"id": "call", "participant": "p", "action": {"post": "/call"}, "compensate": None},
              {"id": "wait", "wait": {"signal": "go"}}]}


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class PoisonTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-poison-"))
        self.server = Threads(("127.0.0.1", 0), Echo)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.coordinator = None

    def tearDown(self):
        if self.coordinator is not None:
            self.coordinator.process.stop()
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, program="entente-poisoned"):
        """Leaves no coordinator if it dies before it is ready."""
        url = f"http://127.0.0.1:{self.server.server_port}"
        self.coordinator = None
        try:
            self.coordinator = Coordinator(BUILD, self.folder, {"ECHO_URL": url}, program=program)
        except RuntimeError:
            pass

    def begin(self):
        """A coordinator with transactions of others that wait."""
        self.start()
        self.coordinator.put_definition(DEFINITION)
        for gid in OTHERS:
            self.coordinator.submit("poisoned", {}, gid=gid)

    def submit_poison(self, gid):
        try:
            self.coordinator.submit("poisoned", {}, gid=gid)
        except (OSError, http.client.HTTPException):
            pass  # It died of it before the answer was out.

    def wait_for(self, condition):
        deadline = time.monotonic() + 60
        while (result := condition()) is None:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        return result

    def settled(self, gid):
        """True: it holds the transaction back; False: it died; None: neither yet."""
        if self.coordinator is None or self.coordinator.process.popen.poll() is not None:
            return False
        try:
            return "quarantine" in self.coordinator.get(gid) or None
        except (OSError, http.client.HTTPException, ApiError):
            return None

    def restart_until_it_stays(self, gid):
        """How often it died."""
        deaths = 0
        while not self.wait_for(lambda: self.settled(gid)):
            if self.coordinator is not None:
                self.assertNotEqual(0, self.coordinator.process.popen.wait())
            deaths += 1
            self.assertLess(deaths, 4)
            self.start()
        return deaths

    def check_quarantine(self, gid):
        shown = self.coordinator.get(gid)
        self.assertEqual((True, True), (shown["incident"], shown["paused"]), shown)
        incidents = self.wait_for(  # Until it is in the store.
            lambda: self.coordinator.http.call("GET", "/v1/incidents")["incidents"] or None)
        self.assertEqual([(gid, "quarantined")], [(one["gid"], one["code"]) for one in incidents])
        _, metrics = self.coordinator.http.request("GET", "/metrics", raw=True)
        self.assertIn(b"entente_transactions_quarantined 1\n", metrics)
        self.assertIn(b"entente_incidents_open 1\n", metrics)
        with self.assertRaises(ApiError) as refused:
            self.coordinator.http.call("POST", f"/v1/transactions/{gid}:cancel", {"reason": "enough"})
        self.assertEqual("transaction.quarantined", refused.exception.code)

    def finish_others(self):
        for gid in OTHERS:
            self.coordinator.http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go"})
        for gid in OTHERS:
            self.assertEqual("COMMITTED", self.coordinator.get(gid, wait="30s")["status"])

    def release_and_finish(self, gid, verb):
        """With a program that is mended."""
        self.coordinator.process.stop()
        self.start(program="entente")
        self.assertIn("quarantine", self.coordinator.get(gid))
        released = self.coordinator.http.call("POST", f"/v1/transactions/{gid}:{verb}", {"reason": "mended"})
        self.assertNotIn("quarantine", released)
        self.coordinator.http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go"})
        self.assertEqual("COMMITTED", self.coordinator.get(gid, wait="30s")["status"])
        self.assertEqual([], self.coordinator.http.call("GET", "/v1/incidents")["incidents"])

    def check_crash(self, gid, verb):
        self.assertEqual(2, self.restart_until_it_stays(gid))
        self.check_quarantine(gid)
        self.finish_others()
        self.release_and_finish(gid, verb)

    def test_a_reply_that_crashes_it(self):
        self.begin()
        self.submit_poison("poison-reply")
        self.check_crash("poison-reply", "retry")

    def test_a_reply_at_which_it_reads_what_is_not_there(self):
        self.begin()
        self.submit_poison("poison-access")
        self.check_crash("poison-access", "resume")

    def test_a_recovery_that_crashes_it(self):
        self.begin()
        self.submit_poison("poison-recovery")
        self.assertEqual(0, self.coordinator.process.stop())
        self.start()
        self.check_crash("poison-recovery", "retry")

    def test_an_exception_does_not_end_it_at_all(self):
        self.begin()
        self.submit_poison("poison-exception")
        self.assertEqual(0, self.restart_until_it_stays("poison-exception"))
        self.check_quarantine("poison-exception")
        self.finish_others()
        self.release_and_finish("poison-exception", "retry")

    def test_a_quarantined_transaction_that_is_released_too_early_costs_one_crash_more(self):
        self.begin()
        self.submit_poison("poison-reply")
        self.assertEqual(2, self.restart_until_it_stays("poison-reply"))
        try:
            self.coordinator.http.call("POST", "/v1/transactions/poison-reply:retry", {"reason": "hope"})
        except (OSError, http.client.HTTPException):
            pass
        self.wait_for(self.coordinator.process.popen.poll)
        self.assertEqual(1, self.restart_until_it_stays("poison-reply"))
        self.finish_others()

    def test_memory_that_was_short_for_a_moment_costs_only_time(self):
        self.begin()
        self.submit_poison("poison-memory")
        self.coordinator.http.call("POST", "/v1/transactions/other-0:signal", {"name": "go"})
        self.assertEqual("COMMITTED", self.coordinator.get("other-0", wait="30s")["status"])
        # By its id it is taken once, also if an answer of the kind "try again" hid that it was taken.
        self.wait_for(lambda: self.coordinator.http.request(
            "POST", "/v1/transactions/poison-memory:signal", {"name": "go", "id": "once"})[0] == 200 or None)
        self.assertEqual("COMMITTED", self.coordinator.get("poison-memory", wait="30s")["status"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = pathlib.Path(known.build).resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
