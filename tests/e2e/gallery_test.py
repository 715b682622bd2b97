#!/usr/bin/env python3
"""Every definition of examples/gallery: validated, explored, and run to a good and to bad ends against small services."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
GALLERY = HERE.parents[1] / "examples" / "gallery"
sys.path[:0] = [str(HERE.parents[1] / "examples" / "demo"), str(GALLERY)]

import services  # noqa: E402
from agency import ApiError, Coordinator  # noqa: E402

BUILD = None
SECONDS = 60
# What explore is told of answers where it would not make up what the definition compares.
ANSWERS = {"loan-quotes": {"quote.action": [{"done": {"bank": "north", "rate": 5}}, {"done": {"bank": "south", "rate": 12}}]}}


class Gallery(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.services = services.Services()
        server = services.serve(cls.services)
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = tempfile.TemporaryDirectory(prefix="entente-gallery-")
        cls.addClassCleanup(folder.cleanup)
        cls.coordinator = Coordinator(BUILD, pathlib.Path(folder.name),
                                      {"GALLERY_URL": f"http://127.0.0.1:{server.server_port}"})
        cls.addClassCleanup(cls.coordinator.process.stop)
        for path in sorted(GALLERY.glob("*.json")):
            cls.coordinator.put_definition(json.loads(path.read_text()))
        cls.tried = set()

    @classmethod
    def tearDownClass(cls):
        missed = {path.stem for path in GALLERY.glob("*.json")} - cls.tried
        assert not missed or len(sys.argv) > 1, f"not run: {missed}"

    def setUp(self):
        self.services.__init__()

    def begin(self, name, data):
        self.tried.add(name)
        self.gid = f"{name}-{self._testMethodName[5:]}-{time.monotonic_ns()}"
        self.coordinator.submit(name, data, gid=self.gid)

    def end(self):
        end = self.coordinator.get(self.gid, wait=f"{SECONDS}s")
        self.assertFalse(end.get("incident"), end)
        return end

    def run_to(self, status, name, data):
        self.begin(name, data)
        end = self.end()
        self.assertEqual(end["status"], status, end)
        if status == "ABORTED":
            self.assertEqual(self.services.standing(), [])
        return end

    def commit(self, name, data):
        return self.run_to("COMMITTED", name, data)

    def abort(self, name, data, code=None):
        """Why it was aborted."""
        end = self.run_to("ABORTED", name, data)
        if code is not None:
            self.assertEqual(end["abort"]["code"], code, end)
        return end

    def send(self, signal, payload):
        """As soon as it is waited for."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return self.coordinator.http.call("POST", f"/v1/transactions/{self.gid}:signal",
                                                  {"name": signal, "payload": payload})
            except ApiError as error:
                if time.monotonic() > deadline:
                    raise AssertionError(error) from error

    def kinds(self):
        return sorted({"/".join(name.split("/")[:2]) for name in self.services.standing()})

    # ---- each is checked without a coordinator ----

    def explore(self, path):
        command = [BUILD / "entente", "explore", path, "--json", "--max-paths", "20000"]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as answers:
            if path.stem in ANSWERS:
                json.dump(ANSWERS[path.stem], answers)
                answers.flush()
                command += ["--answers", answers.name]
            return subprocess.run(command, capture_output=True, text=True, timeout=120)

    def test_all_are_valid_and_nothing_is_wrong_with_any(self):
        for path in sorted(GALLERY.glob("*.json")):
            with self.subTest(path.stem):
                run = subprocess.run([BUILD / "entente", "validate", path], capture_output=True, text=True, timeout=60)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                run = self.explore(path)
                report = json.loads(run.stdout)
                self.assertEqual((run.returncode, report["findings"], report["notes"]), (0, [], []), run.stdout)
                self.assertFalse([line for line in report["leftOut"] if "never reached" in line], report["leftOut"])
                self.assertGreater(report["outcomes"]["COMMITTED"], 0)

    def test_the_definitions_of_the_coming_from_pages_too(self):
        pages = sorted((HERE.parents[1] / "docs" / "coming-from").glob("*.md"))
        blocks = [(page.stem, block) for page in pages
                  for block in re.findall(r"^```json\n(.*?)^```", page.read_text(), re.S | re.M)]
        self.assertGreaterEqual(len(blocks), len(pages) - 1)
        for name, block in blocks:
            with self.subTest(name):
                run = subprocess.run([BUILD / "entente", "explore", "-", "--max-paths", "20000"], input=block,
                                     capture_output=True, text=True, timeout=120)
                self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout)

    def test_those_of_the_readme_are_those_there_are(self):
        readme = (GALLERY / "README.md").read_text()
        for path in GALLERY.glob("*.json"):
            self.assertIn(f"`{path.stem}`", readme)
            self.assertEqual(json.loads(path.read_text())["name"], path.stem)

    # ---- and run ----

    def test_travel(self):
        name = "travel-payment-choice"
        for by, kind in (("card", "payments/charges"), ("invoice", "payments/invoices"), ("points", "payments/points")):
            with self.subTest(by):
                self.setUp()
                self.assertEqual(self.commit(name, {"traveller": "Ada", "by": by})["output"]["paid"], by)
                self.assertEqual(self.kinds(), ["flights/bookings", "hotels/rooms", kind])
        self.setUp()
        self.services.answers["customers/standing"] = {"good": False}
        self.abort(name, {"traveller": "Ada", "by": "invoice"}, "no-invoice")
        self.setUp()
        self.services.refuse = {"hotels/rooms:4"}
        self.commit(name, {"traveller": "Ada", "by": "card"})
        self.setUp()
        self.services.refuse = {"hotels/rooms"}
        self.abort(name, {"traveller": "Ada", "by": "card"})

    def test_order(self):
        lines = [{"sku": "red", "count": 2, "price": 5}, {"sku": "blue", "count": 1, "price": 7}]
        self.services.refuse = {"near/stock:red"}
        self.commit("order-from-stocks", {"customer": "Ada", "lines": lines})
        self.assertEqual(self.kinds(), ["far/stock", "near/stock", "parcels/parcels", "payments/charges"])
        self.setUp()
        self.services.refuse = {"near/stock:red", "payments/charges"}
        self.abort("order-from-stocks", {"customer": "Ada", "lines": lines})

    def test_notice(self):
        data = {"customer": "Ada", "amount": 5}
        self.services.refuse = {"loyalty/points"}
        end = self.commit("order-with-notice", data)
        self.assertEqual(end["output"]["points"], 0)
        self.assertEqual(self.kinds(), ["mail/thanks", "payments/charges", "stock/goods"])
        self.setUp()
        self.services.refuse = {"payments/charges"}
        self.begin("order-with-notice", data)
        self.assertEqual(self.end()["status"], "ABORTED")
        self.assertEqual(self.kinds(), ["mail/regrets"])

    def test_approval(self):
        self.commit("purchase-approval", {"who": "Ada", "amount": 20})
        for approved, status in ((True, "COMMITTED"), (False, "ABORTED")):
            with self.subTest(approved):
                self.setUp()
                self.begin("purchase-approval", {"who": "Ada", "amount": 2000})
                self.send("answer", {"approved": approved, "by": "Grace"})
                end = self.end()
                self.assertEqual(end["status"], status)
                self.assertEqual(bool(self.services.standing()), approved)
        self.assertEqual((end["abort"]["code"], end["abort"]["message"]), ("declined", "declined by Grace"))

    def test_transcoding(self):
        self.assertIn("https://", self.commit("video-transcoding", {"video": "v1"})["output"]["url"])
        self.setUp()
        self.services.answers["jobs/slow"] = {"state": "FAILED"}
        self.abort("video-transcoding", {"video": "v1"}, "transcoding-failed")

    def test_print_run(self):
        self.commit("print-run", {"chapters": ["one", "two", "three"]})
        self.assertEqual(len(self.services.standing()), 4)
        self.setUp()
        self.services.refuse = {"presses/sheets:two"}
        self.abort("print-run", {"chapters": ["one", "two", "three"]})

    def test_sub_flow(self):
        self.commit("book-room", {"city": "Oslo", "breakfast": True})
        self.commit("give-room-back", {"booking": self.gid})
        self.setUp()
        self.commit("conference-trip", {"city": "Oslo"})
        self.assertEqual(self.kinds(), ["hotels/breakfasts", "hotels/rooms", "tickets/tickets"])
        self.assertEqual(self.end_of_child("hotel"), "COMMITTED")
        self.setUp()
        self.services.refuse = {"tickets/tickets"}
        self.abort("conference-trip", {"city": "Oslo"})
        self.assertEqual(self.end_of_child("hotel"), "ABORTED")
        self.setUp()
        self.services.refuse = {"hotels/breakfasts"}
        self.abort("book-room", {"city": "Oslo", "breakfast": True})
        self.abort("conference-trip", {"city": "Oslo"})

    def end_of_child(self, step):
        return self.coordinator.get(f"{self.gid}~{step}", wait=f"{SECONDS}s")["status"]

    def token(self):
        deadline = time.monotonic() + SECONDS
        while not self.services.tokens and time.monotonic() < deadline:
            time.sleep(0.01)
        (token,) = self.services.tokens.values()
        return token

    def test_checkout(self):
        for event, status in (("paid", "COMMITTED"), ("declined", "ABORTED")):
            with self.subTest(event):
                self.setUp()
                self.begin("hosted-checkout", {"amount": 5})
                callback = f"/v1/callbacks/{self.token()}"
                self.coordinator.http.call("POST", callback, {"event": "created"})
                with self.assertRaises(ApiError) as refused:
                    self.coordinator.http.call("POST", callback, {"type": "paid"})
                self.assertEqual(refused.exception.code, "completion.not_understood")
                self.coordinator.http.call("POST", callback + "?attempt=2", {"event": event, "receipt": "r1"})
                end = self.end()
                self.assertEqual(end["status"], status)
                if event == "paid":
                    self.assertEqual(end["output"]["receipt"], "r1")
                self.coordinator.http.call("POST", callback, {"event": "archived"})
        self.assertEqual(end["abort"]["code"], "declined")

    def test_lines(self):
        lines = [{"sku": sku, "gift": sku < "c"} for sku in "abcdef"]
        self.assertEqual(self.commit("parcel-per-line", {"lines": lines})["output"]["parcels"], 6)
        self.assertEqual(len([name for name in self.services.standing() if "/wraps/" in name]), 2)
        self.assertEqual(len(self.services.standing()), 6 * 3 + 1)
        self.setUp()
        self.services.refuse = {"stock/goods:f"}
        self.abort("parcel-per-line", {"lines": lines})
        self.setUp()
        self.services.refuse = {"parcels/trucks"}
        self.abort("parcel-per-line", {"lines": lines})

    def test_webhook(self):
        for outcome, status in (({"outcome": "done", "output": {"receipt": "r1"}}, "COMMITTED"),
                                ({"outcome": "refused", "code": "no-money"}, "ABORTED")):
            with self.subTest(status):
                self.setUp()
                self.begin("payment-webhook", {"amount": 5})
                self.coordinator.http.call("POST", f"/v1/completions/{self.token()}", outcome)
                self.assertEqual(self.end()["status"], status)

    def test_transfer(self):
        data = {"from": "a", "to": "b", "amount": 5}
        self.commit("money-transfer", data)
        self.setUp()
        self.abort("money-transfer", {**data, "to": "a"}, "same-account")
        self.services.answers["gateway/credits"] = {"state": "DENIED"}
        self.begin("money-transfer", data)
        self.assertEqual(self.end()["status"], "ABORTED")

    def test_tickets(self):
        self.commit("theatre-tickets", {"show": "Nora", "table": True})
        self.assertEqual(set(self.services.things.values()), {"final"})
        self.setUp()
        self.services.refuse = {"bank/holds"}
        self.abort("theatre-tickets", {"show": "Nora", "table": True})

    def test_trial(self):
        self.begin("trial-subscription", {"user": "Ada"})
        self.send("cancel", {"why": "no time"})
        end = self.end()
        self.assertEqual((end["status"], end["abort"]["code"]), ("ABORTED", "trial-ended"))
        self.setUp()
        self.begin("trial-subscription", {"user": "Ada"})
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not self.services.standing():
            time.sleep(0.01)
        # Thirty days are over: a person vouches for it.
        self.skip_the_wait("trial")
        self.assertEqual(self.end()["status"], "COMMITTED")
        self.assertEqual(self.kinds(), ["accounts/trials", "payments/charges"])

    def skip_the_wait(self, branch):
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                revision = self.coordinator.get(self.gid)["revision"]
                return self.coordinator.http.call("POST", f"/v1/transactions/{self.gid}:skip", {
                    "branch": branch, "output": None, "actor": "test", "reason": "the time is over",
                    "expectedRevision": revision})
            except ApiError as error:
                if time.monotonic() > deadline:
                    raise AssertionError(error) from error

    def test_onboarding(self):
        self.commit("employee-onboarding", {"name": "Ada", "laptop": True})
        self.assertEqual(len(self.services.standing()), 5)
        self.setUp()
        self.services.refuse = {"doors/badges"}
        self.abort("employee-onboarding", {"name": "Ada", "laptop": True})

    def test_quotes(self):
        end = self.commit("loan-quotes", {"amount": 1000, "banks": ["north", "south", "east"]})
        self.assertEqual(end["output"]["bank"], "south")
        self.setUp()
        self.abort("loan-quotes", {"amount": 1000, "banks": ["east"]}, "too-dear")

    def test_couriers(self):
        end = self.commit("first-courier", {"order": "o1"})
        self.assertEqual(self.kinds(), sorted(["shop/labels", "shop/parcels", f"{end['output']['courier']}/pickups"]))
        self.setUp()
        self.services.refuse = {"swift/pickups"}
        self.assertEqual(self.commit("first-courier", {"order": "o1"})["output"]["courier"], "thrift")
        self.setUp()
        self.services.refuse = {"shop/labels"}
        self.abort("first-courier", {"order": "o1"})
        self.setUp()
        self.services.refuse = {"swift/pickups", "thrift/pickups"}
        self.abort("first-courier", {"order": "o1"})

    def test_signatures(self):
        self.begin("two-signatures", {"deed": "house"})
        self.send("seller", {"name": "Ada"})
        self.send("buyer", {"name": "Grace"})
        self.assertEqual(self.end()["status"], "COMMITTED")
        self.setUp()
        self.begin("two-signatures", {"deed": "house"})
        self.send("seller", {"name": "Ada"})
        self.coordinator.http.call("POST", f"/v1/transactions/{self.gid}:cancel", {"actor": "test", "reason": "changed"})
        self.assertEqual(self.end()["status"], "ABORTED")
        self.assertEqual(self.services.standing(), [])

    def test_refund(self):
        self.commit("order-refund", {"order": "o1", "opened": False})
        self.assertEqual(self.kinds(), ["mail/messages", "orders/returns", "payments/refunds", "stock/goods"])
        self.setUp()
        self.services.answers["orders/orders"] = {"age": 40, "total": 50}
        self.abort("order-refund", {"order": "o1", "opened": True}, "too-old")
        self.setUp()
        self.services.refuse = {"payments/refunds"}
        self.abort("order-refund", {"order": "o1", "opened": True})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=pathlib.Path)
    known, rest = parser.parse_known_args()
    BUILD = known.build.resolve()
    sys.argv = [sys.argv[0], *rest]
    unittest.main()
