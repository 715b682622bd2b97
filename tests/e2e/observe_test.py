#!/usr/bin/env python3
"""What the coordinator tells of itself: histograms, JSON log lines, traces, webhooks; also of what was killed in the middle."""

import argparse
import base64
import hashlib
import hmac
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
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "examples" / "demo"))

from agency import Coordinator  # noqa: E402
from world import wait_until  # noqa: E402

BUILD = None
TRIP = {
    "name": "trip", "participants": {"p": {"http": "${env.P_URL}"}},
    "steps": [
        {"id": "flight", "participant": "p", "action": {"post": "/flight"}, "compensate": {"post": "/flight/undo"},
         "retry": {"initial": "50ms", "max": "100ms", "attempts": 20}},
        {"id": "hotel", "participant": "p", "action": {"post": "/hotel"}, "alternatives": [{"post": "/hostel"}],
         "compensate": {"post": "/hotel/undo"}, "retry": {"initial": "50ms", "max": "100ms", "attempts": 20}},
        {"id": "car", "participant": "p", "action": {"post": "/car"}, "compensate": {"post": "/car/undo"}}]}


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, document=None):
        body = json.dumps(document or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):  # A coordinator that is killed resets its connections.
        pass

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Participant(Quiet):
    """A flight that is busy at first; no hotel; a hostel that hangs until it is let go; no car."""

    def do_POST(self):
        self.body()
        with self.server.lock:
            self.server.calls.append((self.path, self.headers["traceparent"]))
            seen = sum(path == self.path for path, _ in self.server.calls)
        if self.path == "/hostel":
            self.server.reached.set()
            self.server.go.wait()
        status = {"/flight": 200 if seen > 1 else 503, "/hotel": 409, "/car": 409}.get(self.path, 200)
        self.answer(status)


class Collector(Quiet):
    """Takes OTLP over HTTP as JSON; fails as often as it is told to."""

    def do_POST(self):
        body = json.loads(self.body())
        with self.server.lock:
            if self.server.failures:
                self.answer(self.server.failures.pop(0))
                return
            self.server.requests.append((self.path, dict(self.headers)))
            for resource in body["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    self.server.spans += scope["spans"]
        self.answer(200)


def attributes(span):
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


class Receiver(Quiet):
    """Takes webhooks; answers as it is told to, and hangs while it is held."""

    def do_POST(self):
        body = self.body()
        with self.server.lock:
            status = self.server.answers.pop(0) if self.server.answers else self.server.status
            self.server.seen.append((self.headers["webhook-id"], status))
            if status == 200:
                self.server.taken.append((dict(self.headers), body))
        self.answer(status)


class Observed(unittest.TestCase):
    arguments = ()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-observe-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.participant = Server(Participant)
        self.participant.calls = []
        self.participant.reached, self.participant.go = threading.Event(), threading.Event()
        self.addCleanup(self.participant.shutdown)
        self.addCleanup(self.participant.go.set)
        self.collector = Server(Collector)
        self.collector.spans, self.collector.requests, self.collector.failures = [], [], []
        self.addCleanup(self.collector.shutdown)

    def start(self, *arguments):
        self.coordinator = Coordinator(BUILD, self.folder, {"P_URL": self.participant.url}, arguments)
        self.addCleanup(self.coordinator.process.stop, signal.SIGKILL)

    def metrics(self, accept="*/*"):
        return self.coordinator.http.request("GET", "/metrics", headers={"Accept": accept}, raw=True)[1].decode()


class Traces(Observed):
    TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

    def flags(self):
        return "--otlp-endpoint", self.collector.url, "--otlp-header", "Authorization: Bearer x"

    def spans(self, gid):
        with self.collector.lock:
            return [s for s in self.collector.spans if attributes(s)["entente.gid"] == gid]

    def ended(self, gid):
        wait_until(lambda: any("parentSpanId" not in s or s["parentSpanId"] == self.CALLER for s in self.spans(gid)))

    def test_a_saga_that_was_killed_in_the_middle_is_one_complete_trace(self):
        self.start(*self.flags())
        self.coordinator.put_definition(TRIP)
        self.coordinator.http.call("POST", "/v1/transactions", {"definition": "trip", "gid": "t", "input": {}},
                                   {"traceparent": f"00-{self.TRACE}-{self.CALLER}-01"})
        self.assertTrue(self.participant.reached.wait(30))
        self.coordinator.process.stop(signal.SIGKILL)
        self.participant.go.set()
        self.start(*self.flags())
        self.assertEqual("ABORTED", self.coordinator.get("t", wait="30s")["status"])
        self.ended("t")
        spans = self.spans("t")
        by_id = {span["spanId"]: span for span in spans}
        self.assertEqual(len(spans), len(by_id), "no span comes twice")
        self.assertEqual({self.TRACE}, {span["traceId"] for span in spans})
        roots = [span for span in spans if span.get("parentSpanId") not in by_id]
        self.assertEqual([self.CALLER], [root.get("parentSpanId") for root in roots])
        attempts = sorted((a["entente.branch"], a["entente.operation"], a.get("entente.alternative", "0"),
                           a["entente.attempt"]) for a in map(attributes, spans) if "entente.attempt" in a)
        self.assertEqual([("car", "action", "0", "1"),
                          ("flight", "action", "0", "1"), ("flight", "action", "0", "2"), ("flight", "compensate", "0", "1"),
                          ("hotel", "action", "0", "1"), ("hotel", "action", "1", "1"), ("hotel", "action", "1", "2"),
                          ("hotel", "compensate", "1", "1")], attempts)
        # What participants were told is a span of this trace: theirs hang below it.
        for path, traceparent in self.participant.calls:
            _, trace, span, flags = traceparent.split("-")
            self.assertEqual((self.TRACE, "01"), (trace, flags))
            self.assertEqual("3", str(by_id[span]["kind"]), path)
        for span in spans:
            self.assertLessEqual(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
        path, headers = self.collector.requests[-1]
        self.assertEqual(("/v1/traces", "Bearer x", "application/json"),
                         (path, headers["Authorization"], headers["Content-Type"]))

    def test_a_child_is_of_its_parents_trace_below_the_branch_that_started_it(self):
        self.start(*self.flags())
        self.coordinator.put_definition({"name": "inner", "participants": {}, "steps": [{"id": "nap", "wait": {"for": "10ms"}}]})
        self.coordinator.put_definition({"name": "outer", "participants": {}, "steps": [
            {"id": "run", "action": {"transaction": {"definition": "inner", "input": {}}}, "compensate": None}]})
        self.coordinator.submit("outer", {}, gid="o", wait="30s")
        self.ended("o")
        wait_until(lambda: self.spans("o~run"))
        parent, child = self.spans("o"), self.spans("o~run")
        self.assertEqual(1, len({span["traceId"] for span in parent + child}))
        branch = next(s for s in parent if s["name"] == "run")
        root = next(s for s in child if s["name"] == "inner")
        self.assertEqual(branch["spanId"], root["parentSpanId"])
        self.assertIn(root["spanId"], [link["spanId"] for span in parent for link in span.get("links", [])])

    def test_a_collector_that_stumbles_gets_them_later_and_one_that_is_not_asked_gets_nothing(self):
        self.start(*self.flags())
        self.collector.failures += [503, 429]
        self.coordinator.put_definition({"name": "nap", "participants": {}, "steps": [{"id": "nap", "wait": {"for": "1ms"}}]})
        self.coordinator.http.call("POST", "/v1/transactions", {"definition": "nap", "gid": "not-sampled", "input": {}, "wait": "9s"},
                                   {"traceparent": f"00-{self.TRACE}-{self.CALLER}-00"})
        self.coordinator.submit("nap", {}, gid="sampled", wait="9s")
        self.ended("sampled")
        self.assertEqual([], self.spans("not-sampled"))
        self.assertIn("\nentente_spans_dropped_total 0\n", self.metrics())
        self.assertIn("\nentente_spans_sent_total 2\n", self.metrics())

    def test_what_a_collector_refuses_is_counted_and_said(self):
        self.start(*self.flags())
        self.collector.failures += [400]
        self.coordinator.put_definition({"name": "nap", "participants": {}, "steps": [{"id": "nap", "wait": {"for": "1ms"}}]})
        self.coordinator.submit("nap", {}, gid="lost", wait="9s")
        wait_until(lambda: "\nentente_spans_dropped_total 2\n" in self.metrics())
        self.assertIn("event=traces_dropped", (self.folder / "entente.log").read_text())


class Measurements(Observed):
    def test_times_to_the_end_and_of_calls_are_histograms_with_exemplars(self):
        self.start()
        self.coordinator.put_definition(TRIP)
        self.participant.go.set()
        self.coordinator.submit("trip", {}, gid="m", wait="30s")
        text = self.metrics()
        for sample in ('entente_transaction_duration_seconds_count{definition="trip",status="ABORTED"} 1',
                       'entente_call_duration_seconds_count{participant="p",operation="action"} 5',
                       'entente_call_duration_seconds_count{participant="p",operation="compensate"} 2'):
            self.assertIn(f"\n{sample}\n", text)
        for name in ("entente_journal_append_duration_seconds", "entente_journal_append_size_records",
                     "entente_journal_gathering_seconds"):
            self.assertGreater(int(re.search(rf"^{name}_count (\d+)$", text, re.M)[1]), 0)
        wait_until(lambda: "\nentente_worker_lag_seconds_count 0\n" not in self.metrics()
                   and "\nentente_worker_lag_seconds_count " in self.metrics())
        self.assertNotIn("# {", text)
        self.assertRegex(self.metrics("application/openmetrics-text"),
                         r'entente_transaction_duration_seconds_bucket\{[^}]*\} 1 # \{trace_id="[0-9a-f]{32}",gid="m"\} ')


class Lines(Observed):
    def test_as_json_every_line_is_an_object_with_what_is_known(self):
        self.start("--log-format", "json")
        self.coordinator.put_definition({"name": "ask", "participants": {}, "steps": [{"id": "ask", "wait": {"signal": "go"}}]})
        self.coordinator.submit("ask", {}, gid="0192f3a1-0000-7000-8000-000000000001")
        self.coordinator.http.call("POST", "/v1/transactions/0192f3a1-0000-7000-8000-000000000001:cancel",
                                   {"actor": "ann", "reason": 'because "x"\n{}'})
        self.assertEqual(0, self.coordinator.process.stop())
        lines = [json.loads(line) for line in (self.folder / "entente.log").read_text().splitlines()]
        for line in lines:
            self.assertTrue({"time", "level", "event"} <= set(line), line)
        action = next(line for line in lines if line["event"] == "operator_action")
        self.assertEqual(("info", "cancel", "0192f3a1000070008000000000000001", "ann", 'because "x"\n{}'),
                         (action["level"], action["action"], action["trace_id"], action["actor"], action["reason"]))


class Webhooks(Observed):
    SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    NAP = {"name": "nap", "participants": {}, "steps": [{"id": "nap", "wait": {"for": "1ms"}}]}
    STUCK = {"name": "stuck", "participants": {"p": {"http": "${env.P_URL}"}}, "steps": [
        {"id": "car", "participant": "p", "pivot": True, "action": {"post": "/other"}},
        {"id": "late", "participant": "p", "action": {"post": "/car"}}]}

    def setUp(self):
        super().setUp()
        self.receiver = Server(Receiver)
        self.receiver.answers, self.receiver.status, self.receiver.seen, self.receiver.taken = [], 200, [], []
        self.addCleanup(self.receiver.shutdown)
        self.secret = self.folder / "secret"
        self.secret.write_text(self.SECRET + "\n")

    def follow(self, *more):
        self.start("--webhook", self.receiver.url + "/hook", "--webhook-secret-file", str(self.secret), *more)

    def taken(self):
        with self.receiver.lock:
            return [json.loads(body) for _, body in self.receiver.taken]

    def ids(self):
        with self.receiver.lock:
            return [headers["webhook-id"] for headers, _ in self.receiver.taken]

    def test_ends_and_incidents_are_told_once_and_signed(self):
        self.follow()
        self.coordinator.put_definition(self.NAP)
        self.coordinator.put_definition(self.STUCK)
        self.coordinator.submit("nap", {}, gid="n", wait="9s")
        self.coordinator.submit("stuck", {}, gid="s")
        wait_until(lambda: len(self.taken()) == 2)
        ended, incident = sorted(self.taken(), key=lambda one: one["gid"])
        self.assertEqual(("ended", "COMMITTED", "nap"), (ended["type"], ended["status"], ended["definition"]))
        self.assertEqual(("incident", "late", "http.409"), (incident["type"], incident["branch"], incident["code"]))
        for headers, body in self.receiver.taken:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            code = hmac.new(base64.b64decode(self.SECRET[len("whsec_"):]), signed, hashlib.sha256).digest()
            self.assertEqual("v1," + base64.b64encode(code).decode(), headers["webhook-signature"])
        # After a stop in good order nothing is told again.
        self.assertEqual(0, self.coordinator.process.stop())
        self.follow()
        self.coordinator.submit("nap", {}, gid="n2", wait="9s")
        wait_until(lambda: len(self.taken()) == 3)
        self.assertEqual("n2", self.taken()[-1]["gid"])

    def test_what_a_killed_process_had_not_told_is_told_by_the_next_one(self):
        self.follow()
        self.coordinator.put_definition(self.NAP)
        self.receiver.status = 503
        gids = [f"k{n}" for n in range(20)]
        for gid in gids:
            self.coordinator.submit("nap", {}, gid=gid, wait="9s")
        wait_until(lambda: self.receiver.seen)
        self.coordinator.process.stop(signal.SIGKILL)
        self.assertEqual([], self.taken())
        self.receiver.status = 200
        self.follow()
        wait_until(lambda: {one["gid"] for one in self.taken()} == set(gids))
        self.assertEqual(len(gids), len(set(self.ids())))
        # And what ends while nobody listens, again and again.
        for n in range(3):
            gid = f"again{n}"
            self.coordinator.submit("nap", {}, gid=gid, wait="9s")
            self.coordinator.process.stop(signal.SIGKILL)
            self.follow()
            wait_until(lambda: gid in {one["gid"] for one in self.taken()})

    def test_a_receiver_that_stumbles_is_asked_again_and_a_refused_event_is_a_dead_letter_until_the_next_start(self):
        self.follow("--webhook-event", "ended")
        self.coordinator.put_definition(self.NAP)
        self.receiver.answers += [503, 200, 400]
        self.coordinator.submit("nap", {}, gid="first", wait="9s")
        wait_until(lambda: len(self.taken()) == 1)
        self.coordinator.submit("nap", {}, gid="second", wait="9s")
        wait_until(lambda: "\nentente_webhooks_dead 1\n" in self.metrics())
        self.assertIn("\nentente_webhooks_failed_total 2\n", self.metrics())
        self.assertIn("event=webhook_dead id=second:", (self.folder / "entente.log").read_text())
        self.coordinator.process.stop(signal.SIGKILL)
        self.follow("--webhook-event", "ended")
        wait_until(lambda: "second" in {one["gid"] for one in self.taken()})
        wait_until(lambda: "\nentente_webhooks_dead 0\n" in self.metrics())

    def dead(self):
        return self.coordinator.http.call("GET", "/v1/dead-letters")["deadLetters"]

    def test_dead_letters_say_what_the_receiver_said_and_are_told_again_when_asked(self):
        self.follow("--webhook-event", "ended")
        self.coordinator.put_definition(self.NAP)
        self.receiver.status = 400
        for gid in ("one", "two"):
            self.coordinator.submit("nap", {}, gid=gid, wait="9s")
        wait_until(lambda: len(self.dead()) == 2)
        letter = next(one for one in self.dead() if one["gid"] == "one")
        self.assertEqual(("ended", "nap", f"one:{letter['revision']}"), (letter["type"], letter["definition"], letter["id"]))
        self.assertIn("400", letter["why"])
        # It is refused again, for another reason, and stays.
        self.receiver.status = 410
        self.assertEqual(1, self.coordinator.http.call("POST", "/v1/dead-letters:send", {"ids": [letter["id"]]})["count"])
        wait_until(lambda: "410" in next(one for one in self.dead() if one["gid"] == "one")["why"])
        # Taken, as it would have been the first time; the other one stays until it is asked for.
        self.receiver.status = 200
        program = BUILD / "entente"
        server = ("--server", self.coordinator.url)
        self.assertIn("410", subprocess.check_output([program, "dead-letters", "list", *server], text=True))
        subprocess.check_call([program, "dead-letters", "send", letter["id"], *server])
        wait_until(lambda: self.ids() == [letter["id"]])
        wait_until(lambda: [one["gid"] for one in self.dead()] == ["two"])
        self.assertEqual(1, self.coordinator.http.call("POST", "/v1/dead-letters:send", {})["count"])
        wait_until(lambda: self.dead() == [])
        self.assertEqual({"one", "two"}, {one["gid"] for one in self.taken()})
        self.assertIn("\nentente_webhooks_dead 0\n", self.metrics())
        # It left the store, too.
        self.coordinator.process.stop(signal.SIGKILL)
        self.follow("--webhook-event", "ended")
        self.assertEqual([], self.dead())

    def test_nobody_is_asked_to_tell_again_what_is_told_to_nobody(self):
        self.start()
        self.assertEqual([], self.dead())
        status, problem = self.coordinator.http.request("POST", "/v1/dead-letters:send", {})
        self.assertEqual((409, "webhooks.none"), (status, problem["code"]))

    def test_only_what_is_asked_for_is_told(self):
        self.follow("--webhook-event", "incident")
        self.coordinator.put_definition(self.NAP)
        self.coordinator.put_definition(self.STUCK)
        self.coordinator.submit("nap", {}, gid="n", wait="9s")
        self.coordinator.submit("stuck", {}, gid="s")
        wait_until(self.taken)
        self.assertEqual(["s"], [one["gid"] for one in self.taken()])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=lambda p: pathlib.Path(p).resolve())
    options, rest = parser.parse_known_args()
    BUILD = options.build
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
