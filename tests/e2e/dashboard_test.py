#!/usr/bin/env python3
"""The dashboard in a real Chromium, against a real coordinator with the travel services."""

import argparse
import http.server
import json
import os
import pathlib
import shlex
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "examples" / "demo")]

from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from agency import Agency, Coordinator  # noqa: E402
from browser import Browser  # noqa: E402

BUILD = None
README = ("undone", "incidents", "participant")  # Pages that the documents show; ENTENTE_UPDATE_PICTURES=1 takes their pictures.
HTML = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"


def charge(name, **more):
    """One payment that an operator is called for at once."""
    return {"name": name, "mode": "saga", "participants": {"payments": {"http": "${env.PAYMENTS_URL}", "timeout": "2s"}},
            "steps": [{"id": "pay", "participant": "payments", "pivot": True, "retry": {"attempts": 1},
                       "action": {"put": "/charges/${key}", "body": {"amount": 5}}}], **more}


def owed(url):
    """A step whose participant has to say later how it ended, and one that reads what it says."""
    return {"name": "owed", "mode": "saga", "participants": {"depot": {"http": url}},
            "steps": [{"id": "pack", "participant": "depot", "action": {"put": "/packs/${key}"}, "compensate": {"delete": "/packs/${key}"}}],
            "output": {"parcel": "${steps.pack.output.parcel}"}}


class Receiver(http.server.ThreadingHTTPServer):
    """Takes webhooks, or answers what it is told to; accepts every call of a participant, and never says what became of it."""

    def __init__(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_PUT(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(202)
                self.send_header("Entente-Pending", self.headers["Entente-Completion-Token"])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.status = 200
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.receiver = Receiver()
        cls.agency = Agency(BUILD, arguments=("--webhook", f"{cls.receiver.url}/hook"))
        cls.coordinator = cls.agency.coordinator
        cls.coordinator.put_definition(charge("charge"))
        cls.coordinator.put_definition({
            "name": "delivery", "mode": "saga", "participants": {
                "flights": {"http": "${env.FLIGHTS_URL}"}, "payments": {"http": "${env.PAYMENTS_URL}"}},
            "steps": [{"id": "go", "participant": "flights", "pivot": True,
                       "action": {"put": "/bookings/${key}", "body": {"who": "Ann", "to": "Oslo"}}},
                      {"id": "pay", "participant": "payments", "action": {"put": "/charges/${key}", "body": {"amount": 5}}}]})
        cls.coordinator.put_definition({
            "name": "billing", "mode": "saga", "participants": {
                "flights": {"http": "${env.FLIGHTS_URL}"}, "payments": {"http": "${env.PAYMENTS_URL}"}},
            "steps": [{"id": "go", "participant": "flights", "pivot": True,
                       "action": {"put": "/bookings/${key}", "body": {"who": "Ann", "to": "Oslo"}}},
                      {"id": "pay", "participant": "payments",
                       "action": {"put": "/charges/${key}", "body": {"amount": "${input.amount}", "order": "${input.order}"}}}]})
        approval = {
            "name": "approval", "mode": "saga", "participants": {},
            "input": {"type": "object", "required": ["who"], "properties": {
                "who": {"type": "string", "description": "Who asks"}, "amount": {"type": "integer"}}},
            "steps": [{"id": "ask", "wait": {"signal": "approve"}}]}
        cls.coordinator.put_definition(approval)
        cls.coordinator.put_definition({**approval, "deadline": "2h"})  # Its second version.
        cls.coordinator.put_definition({
            "name": "narrow", "mode": "saga", "participants": {"till": {"http": "${env.FLIGHTS_URL}", "maxConcurrentCalls": 1}},
            "steps": [{"id": "go", "participant": "till", "pivot": True,
                       "action": {"put": "/bookings/${key}", "body": {"who": "Ann", "to": "Oslo"}}}]})
        cls.coordinator.put_definition(owed(cls.receiver.url))
        cls.browser = Browser(cls.coordinator.url)
        cls.browser.load()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.agency.close()
        cls.receiver.shutdown()

    def tearDown(self):
        self.receiver.status = 200
        self.agency.services["payments"].control(fail_rate=0)
        self.agency.services["flights"].control(delay="0ms")
        self.assertEqual([], self.browser.complaints())

    def payments_fail(self, rate=1):
        self.agency.services["payments"].control(fail_rate=rate)

    def stick(self, *gids):
        """Charges that wait for an operator."""
        self.payments_fail()
        for gid in gids:
            self.coordinator.submit("charge", {}, gid=gid)
        for gid in gids:
            self.browser.until(lambda g=gid: self.coordinator.get(g)["incident"], f"{gid} is an incident")

    def test_a_booking_is_watched_to_its_end(self):
        self.agency.services["flights"].control(delay="1500ms")
        self.browser.open("transactions")
        self.browser.sees("Transactions")
        self.coordinator.submit("travel-booking", {"traveller": "Ann", "city": "Oslo", "car": True}, gid="watched")
        self.browser.open("transaction/watched")
        self.browser.sees("Calls flights for flight.")
        self.browser.sees("Committed in", "flight", "hotel", "car", "pay")
        self.assertEqual(1, self.browser.text().count("accepted"))

    def test_an_incident_is_found_understood_and_retried_to_success(self):
        self.stick("trouble")
        self.browser.open("incidents")
        self.browser.sees("1 at payments", "http.503", "A retry calls payments once.")
        self.payments_fail(0)
        self.browser.button("Retry now", "section.group")
        self.browser.sees("Calls again at once")
        self.browser.type("Reason", "payments are back")
        self.browser.button("Retry now", "dialog")
        self.browser.sees("Nothing waits for a person.")
        self.assertEqual("COMMITTED", self.coordinator.get("trouble", wait="10s")["status"])

    def test_an_incident_is_found_understood_edited_and_retried_to_success(self):
        order = 12345678901234567890  # More digits than a browser's numbers have.
        self.coordinator.submit("billing", {"amount": 0, "order": order}, gid="misbilled")
        self.browser.until(lambda: self.coordinator.get("misbilled")["incident"], "it is refused after the pivot")
        self.browser.open("incidents")
        self.browser.sees("1 at payments", "a charge needs 'amount'")
        self.browser.find("section.group a[href*='misbilled'][href*='branch=pay']").click()
        self.browser.settled("transaction/misbilled?branch=pay")
        self.browser.find(".branch details summary").click()
        self.browser.sees("action payments PUT /charges/misbilled:pay", str(order))
        self.browser.button("Edit and retry", ".branch")
        sent = self.browser.until(lambda: self.browser.run("return document.querySelector('dialog textarea')?.value"), "what it sends")
        self.browser.type("What is sent", sent.replace('"amount": 0', '"amount": 700'))
        self.browser.type("Reason", "the amount was lost")
        self.browser.button("Edit and retry", "dialog")
        self.browser.sees("Committed in", "operator-edited")
        edited = [e for e in self.coordinator.history("misbilled") if e["type"] == "operator-edited"]
        self.assertEqual([{"before": {"amount": 0, "order": order}, "body": {"amount": 700, "order": order}}],
                         [e["payload"] for e in edited])
        self.assertEqual("the amount was lost", edited[0]["actor"]["reason"])

    def test_two_hundred_are_retried_at_once_after_one_was_tried(self):
        # Refused after the point of no return: that is an incident, and no reason to hold the participant's other calls back.
        gids = [f"many-{n:03}" for n in range(200)]
        self.agency.services["payments"].control(refuse_next=len(gids))
        for gid in gids:
            self.coordinator.submit("delivery", {}, gid=gid)
        self.browser.until(lambda: len(self.coordinator.list(incident="true", definition="delivery")) == 200, "200 are incidents")
        self.browser.open("incidents")
        self.browser.sees("200 at payments")
        self.browser.button("Retry one first")
        self.browser.button("Retry now", "dialog")
        self.browser.sees("199 at payments")
        self.browser.button("Retry all 199")
        self.browser.button("Retry now: 199", "dialog")
        self.browser.sees("199 done.")
        for gid in gids:
            self.assertEqual("COMMITTED", self.coordinator.get(gid, wait="10s")["status"])

    def test_a_booking_is_cancelled_and_seen_undone(self):
        self.agency.services["flights"].control(delay="5s")
        self.coordinator.submit("travel-booking", {"traveller": "Bob", "city": "Rome", "car": True}, gid="regretted")
        self.browser.open("transaction/regretted")
        self.browser.button("Cancel")
        self.browser.sees("Undoes it properly")
        self.browser.type("Reason", "changed my mind")
        self.browser.button("Cancel", "dialog")
        self.browser.sees("Undone in", "somebody cancelled it.", "changed my mind")

    def test_a_resolve_has_to_be_typed_out_and_shows_mixed(self):
        self.stick("forced")
        self.browser.open("transaction/forced")
        self.browser.button("Resolve")
        self.browser.sees("Stops without undoing")
        self.browser.type("Reason", "paid by hand")
        resolve = [b for b in self.browser.driver.find_elements("css selector", "dialog button") if b.text == "Resolve"]
        self.assertFalse(resolve[0].is_enabled(), "nothing was typed yet")
        self.browser.type("Type the name", "forced")
        self.browser.button("Resolve", "dialog")
        self.browser.sees("mixed", "Forced to COMMITTED")
        self.assertEqual("MIXED", self.coordinator.get("forced")["status"])

    def test_a_dialog_that_is_open_says_when_the_transaction_moved_on(self):
        self.stick("moving")
        self.browser.open("transaction/moving")
        self.browser.button("Retry now")
        self.coordinator.http.call("POST", "/v1/transactions/moving:pause", {"reason": "somebody else"})
        self.browser.sees("It has moved on since you opened this")
        resumed = self.coordinator.http.call("POST", "/v1/transactions/moving:resume", {})
        self.browser.sees(f"then {resumed['revision']}.")
        self.payments_fail(0)
        self.assertTrue(self.browser.run("return document.querySelector('dialog button[type=submit]').disabled"))
        self.browser.button("I have looked", "dialog")
        self.browser.button("Retry now", "dialog")
        self.browser.sees("Committed in")

    def test_more_tabs_than_a_browser_has_connections_all_work(self):
        driver = self.browser.driver
        first = driver.current_window_handle
        for n in range(8):
            driver.switch_to.new_window("tab")
            self.browser.load("transactions")
            self.browser.sees("Transactions")
        for handle in driver.window_handles:
            if handle != first:
                driver.switch_to.window(handle)
                driver.close()
        driver.switch_to.window(first)

    def test_html_in_a_payload_stays_text(self):
        self.coordinator.submit("approval", {"who": HTML}, gid="html", labels={"note": HTML[:60]})
        self.browser.open("transaction/html")
        self.browser.sees("<b>bold</b>", "Waits for the signal approve.")
        self.assertNotEqual("owned", self.browser.driver.title)
        self.assertEqual([], self.browser.driver.find_elements("css selector", "main img, main b"))

    def test_a_signal_is_sent_to_the_step_that_waits_for_it(self):
        self.coordinator.submit("approval", {"who": "Kim"}, gid="asked")
        self.browser.open("transaction/asked?branch=ask")
        self.browser.button("Send a signal", ".branch")
        self.browser.type("Payload", '{"by": "Lee"}')
        self.browser.button("Send a signal", "dialog")
        self.browser.sees("Committed in")

    def test_an_operation_that_its_participant_left_pending_is_completed(self):
        for gid, press, status in (("packed", (), "COMMITTED"), ("unpacked", ("refused",), "ABORTED")):
            self.coordinator.submit("owed", {}, gid=gid)
            self.browser.open(f"transaction/{gid}?branch=pack")
            self.browser.sees("Waits for depot to finish pack.")
            self.browser.button("Complete", ".branch")
            self.browser.sees("You say how this operation ended, as depot should have done.")
            for outcome in press:
                self.browser.run("const s = document.querySelector('dialog select'); s.value = arguments[0]; s.dispatchEvent(new Event('change', {bubbles: true}))", outcome)
                self.browser.type("Why, in a word", "depot.full")
            if not press:
                self.browser.type("Output as JSON", '{"parcel": 12345678901234567890}')
            self.assertFalse(self.browser.run("return [...document.querySelectorAll('dialog button')].pop().disabled === false"), "no reason was given")
            self.browser.type("Reason", "rang the depot")
            self.browser.button("Complete", "dialog")
            self.browser.sees("Committed in" if not press else "Undone in", "operator-completed")
            self.assertEqual(status, self.coordinator.get(gid)["status"])
            history = [entry for entry in self.coordinator.history(gid) if entry["type"] == "operator-completed"]
            self.assertEqual([("pack", "rang the depot")], [(entry["branch"], entry["actor"]["reason"]) for entry in history])
        self.assertEqual({"parcel": 12345678901234567890}, self.coordinator.get("packed")["output"])
        self.assertEqual("depot.full", self.coordinator.get("unpacked")["abort"]["code"])
        entries = self.coordinator.http.call("GET", "/v1/audit?action=complete-branch&subject=transaction%2Fpacked")["entries"]
        self.assertEqual([("done", "rang the depot", "ACTIVE", "COMMITTED")],
                         [(one["outcome"], one["reason"], one["before"]["status"], one["after"]["status"]) for one in entries])

    def test_a_transaction_is_started_from_the_form_of_its_schema(self):
        self.browser.open("definitions/approval")
        self.browser.type("who", "Max")
        self.browser.type("amount", "12")
        self.browser.type("Name", "from-a-form")
        self.browser.button("Start a transaction")
        self.browser.sees("Waits for the signal approve.")
        self.assertEqual({"who": "Max", "amount": 12}, self.coordinator.get("from-a-form")["input"])

    def test_a_definition_is_played_without_calling_anybody(self):
        calls = lambda: sum(value for name, value in self.metrics().items() if name.startswith("entente_participant_calls_total"))
        before = calls()
        self.browser.open("definitions/travel-booking")
        self.browser.find("details.dry > summary").click()
        for label, text in (("traveller", "Ann"), ("city", "Oslo")):
            self.browser.run("""const field = [...document.querySelectorAll('details.dry label')].find(l => l.innerText.startsWith(arguments[0])).querySelector('input');
                field.value = arguments[1]; field.dispatchEvent(new Event('input', {bubbles: true}))""", label, text)
        prices = {f"{step}.action": [{"done": {"price": 5}}] for step in ("flight", "hotel")}
        self.browser.type("Answers, by step", json.dumps(prices))
        self.browser.button("Play", "details.dry")
        self.browser.sees("committed", "operation-succeeded pay", "call flight action #1 PUT")
        self.browser.type("Answers, by step", json.dumps({**prices, "pay.action": [{"refused": "http.409"}]}))
        self.browser.button("Play", "details.dry")
        self.browser.sees("undone", "operation-refused pay http.409", "call flight compensate #1")
        self.browser.type("Answers, by step", '{"pai.action": []}')
        self.browser.button("Play", "details.dry")
        self.browser.sees("pai.action")
        self.assertEqual(before, calls(), "a participant was called")

    def metrics(self):
        _, text = self.coordinator.http.request("GET", "/metrics", raw=True)
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines() if not line.startswith("#")}

    def test_what_differs_between_two_versions_is_shown_by_step(self):
        self.browser.open("definitions/approval?version=2&compare=1")
        self.browser.sees("Compared with version 1", "deadline", '"2h"')

    def test_rows_change_in_place_and_newer_ones_wait_behind_a_pill(self):
        self.coordinator.submit("approval", {"who": "a"}, gid="row-1")
        self.browser.open("transactions?definition=approval")
        self.browser.sees("row-1")
        self.coordinator.submit("approval", {"who": "b"}, gid="row-2")
        self.browser.sees("newer")
        self.assertNotIn("row-2", self.browser.text())
        self.coordinator.http.call("POST", "/v1/transactions/row-1:pause", {})
        self.browser.sees("paused")
        self.browser.find("button.pill").click()
        self.browser.sees("row-2")

    def test_a_coordinator_that_restarts_under_the_page_is_seen_again_without_a_gap(self):
        self.coordinator.submit("approval", {"who": "c"}, gid="survives")
        self.browser.open("transaction/survives")
        self.browser.sees("Waits for the signal approve.")
        self.agency.kill_coordinator()
        self.browser.sees("Reconnecting")
        self.agency.start_coordinator(same_ports=True)
        type(self).coordinator = self.agency.coordinator
        self.coordinator.http.call("POST", "/v1/transactions/survives:signal", {"name": "approve"})
        self.browser.sees("Committed in")
        self.browser.until(lambda: "Reconnecting" not in self.browser.text(), "the page is live again")
        revisions = self.browser.driver.execute_script(
            "return [...document.querySelectorAll('.history summary .num')].map(e => Number(e.textContent))")
        self.assertEqual(list(range(1, len(revisions) + 1)), revisions)

    def test_what_is_served_can_be_kept_and_is_asked_for_again_by_its_tag(self):
        http = self.coordinator.http
        status, page = http.request("GET", "/", raw=True)
        self.assertEqual(200, status)
        self.assertIn(b"assets/app.js", page)
        self.assertNotIn(b"<style", page)
        self.assertNotIn(b"style=", page)
        status, script = http.request("GET", "/assets/app.js", headers={"Accept-Encoding": "gzip"}, raw=True)
        self.assertEqual(b"\x1f\x8b", script[:2], "it goes out packed")
        self.assertLessEqual(len(script), 150 * 1024)
        status, _ = http.request("GET", "/assets/none.js")
        self.assertEqual(404, status)
        status, _ = http.request("POST", "/", {})
        self.assertEqual(405, status)

    def test_what_an_empty_page_teaches_works(self):
        with tempfile.TemporaryDirectory() as folder:
            empty = Coordinator(BUILD, pathlib.Path(folder), {})
            try:
                for fragment, first in (("definitions", "PUT"), ("", "POST")):
                    self.browser.driver.get(f"{empty.url}/#/{fragment}")
                    self.browser.settled(fragment)
                    words = shlex.split(self.browser.find(".command pre").text.replace("\\\n", " "))
                    url = next(word for word in words if word.startswith("http"))
                    body = json.loads(words[words.index("-d") + 1])
                    status, answer = empty.http.request(first, url.removeprefix(empty.url), body)
                    self.assertIn(status, (200, 201), answer)
            finally:
                empty.process.stop()
                self.browser.load()

    def test_states_are_counted_and_lead_to_what_they_count(self):
        for n in range(3):
            self.coordinator.submit("approval", {"who": "d"}, gid=f"counted-{n}", labels={"batch": "counted"})
        self.browser.open("transactions?label=batch%3Dcounted")
        self.browser.until(lambda: "active 3" in self.chips(), "three are active")
        self.coordinator.http.call("POST", "/v1/transactions/counted-0:pause", {})
        self.browser.until(lambda: "paused 1" in self.chips(), "one is paused, and it is seen without asking")
        self.browser.find(".chips a[href*='paused=true']").click()
        self.browser.settled("transactions?label=batch%3Dcounted&paused=true")
        self.assertEqual(["counted-0"], self.browser.run("return [...document.querySelectorAll('.tbody a.mono')].map(a => a.textContent)"))

    def test_all_that_match_are_cancelled_by_the_coordinator(self):
        for n in range(30):
            self.coordinator.submit("approval", {"who": "e"}, gid=f"mass-{n:02}", labels={"batch": "mass"})
        self.browser.open("transactions?label=batch%3Dmass")
        self.browser.button("All that match ...")
        self.browser.run("const s = document.querySelector('dialog select'); s.value = 'cancel'; s.dispatchEvent(new Event('change'))")
        self.browser.sees("Acts on 30 open transactions")
        self.browser.type("Reason", "wrong batch")
        self.browser.button("Cancel: 30", "dialog")
        self.browser.sees("Finished: 30 of 30 done, 0 refused.")
        self.browser.open("bulk")
        self.browser.sees("label=batch=mass", "wrong batch", "Finished")
        self.assertEqual("ABORTED", self.coordinator.get("mass-00", wait="10s")["status"])

    def chips(self):
        return self.browser.run("return [...document.querySelectorAll('.chips a')].map(a => a.innerText.replace(/\\s+/g, ' '))")

    def see_one_that_waits(self, gids):
        """Whose turn comes next is not promised: one that has had it is passed over."""
        for gid in reversed(gids):
            self.browser.open(f"transaction/{gid}?branch=go")
            try:
                return self.browser.sees("Waits for a free call to till for go.", "1 of 1 calls are out.", seconds=4)
            except AssertionError:
                continue
        self.fail("nobody is seen to wait")

    def test_who_is_held_back_by_a_participant_is_named_with_its_limits_and_latencies(self):
        self.agency.services["flights"].control(delay="3s")
        gids = [f"narrow-{n:02}" for n in range(12)]  # One at a time: some wait for half a minute.
        for gid in gids:
            self.coordinator.submit("narrow", {}, gid=gid)
        self.see_one_that_waits(gids)
        self.browser.open("participants?of=till")
        self.browser.sees("Who is held back", "1/1")
        held = lambda: self.browser.run("return [...document.querySelectorAll('.held a')].map(a => a.textContent)")
        self.browser.until(lambda: held() and set(held()) <= set(gids), "those that wait are named")
        self.browser.find(".held a").click()
        self.browser.until(lambda: "/transaction/narrow-" in self.browser.driver.current_url, "its own page is one press away")
        self.agency.services["flights"].control(delay="0ms")
        for gid in gids:
            self.coordinator.get(gid, wait="20s")
        self.browser.open("participants?of=till")
        self.browser.sees("No call waits here.", "How long calls take", "action")
        self.browser.until(lambda: self.browser.run("return document.querySelectorAll('.bars.large rect').length"), "latencies are drawn")

    def test_the_nodes_page_says_who_drives_what_and_how_the_one_that_answers_fares(self):
        self.browser.open("nodes")
        self.browser.sees("has its store for itself", "ready", "64", "Memory for open transactions")
        self.browser.open("")
        self.browser.sees("1 of 1 nodes ready, 64 of 64 shards driven")

    def test_webhooks_that_were_not_taken_are_seen_and_sent_again(self):
        self.receiver.status = 410
        self.coordinator.submit("travel-booking", {"traveller": "Zoe", "city": "Genf"}, gid="untold", wait="10s")
        self.browser.open("")
        self.browser.sees("webhooks did not take")
        self.browser.open("webhooks")
        self.browser.sees("410", "untold", "ended")
        self.receiver.status = 200
        self.browser.button("Send again", ".group td")
        self.browser.sees("The receiver took everything.")
        self.assertEqual([], self.coordinator.http.call("GET", "/v1/dead-letters")["deadLetters"])

    def test_an_action_is_run_from_the_keyboard_alone(self):
        self.coordinator.submit("approval", {"who": "key"}, gid="typed")
        self.browser.open("transaction/typed")
        self.browser.sees("Waits for the signal approve.")
        keys = lambda *typed: ActionChains(self.browser.driver).send_keys(*typed).perform()
        keys("/")
        self.browser.until(lambda: self.browser.run("return document.querySelector('dialog input') === document.activeElement"), "it can be typed")
        keys("pause: ty")
        self.browser.until(lambda: "Pause: typed" in self.browser.run("return document.querySelector('.choices .chosen').innerText"), "it is found")
        keys(Keys.ENTER)
        self.browser.sees("Nothing more is sent.")
        keys("lunch", Keys.ENTER)
        self.browser.sees("Paused by an operator", "lunch")
        self.assertTrue(self.coordinator.get("typed")["paused"])

    def test_what_went_wrong_is_found_by_its_text(self):
        self.stick("worded")
        self.browser.open("transactions?error=TOLD+to+fail&q=worded")
        self.browser.sees("worded")
        self.browser.open("transactions?error=another+thing&q=worded")
        self.browser.sees("No transaction matches.")
        self.payments_fail(0)
        self.coordinator.http.call("POST", "/v1/transactions/worded:retry", {})

    def test_a_downloaded_history_is_read_again(self):
        self.coordinator.submit("travel-booking", {"traveller": "Eve", "city": "Bern"}, gid="exported", wait="10s")
        source = self.coordinator.http.call("GET", "/v1/definitions/travel-booking")["source"]
        file = self.agency.folder / "exported.json"
        file.write_text(json.dumps({"transaction": self.coordinator.get("exported"), "source": source,
                                    "entries": self.coordinator.history("exported")}))
        self.browser.open("imported")
        self.browser.find("input[type=file]").send_keys(str(file))
        self.browser.sees("nothing here is live", "Committed in", "operation-succeeded")
        self.assertEqual([], self.browser.run("return [...document.querySelectorAll('main button')].filter(b => /Cancel|Pause|Resolve/.test(b.innerText))"))
        file = self.agency.folder / "another.json"  # The same one again would be no change.
        file.write_text("[]")
        self.browser.find("input[type=file]").send_keys(str(file))
        self.browser.sees("This is no history")

    def test_a_list_is_sorted_by_pressing_on_a_column(self):
        for gid in ("sorted-1", "sorted-2", "sorted-3"):
            self.coordinator.submit("approval", {"who": gid}, gid=gid)
        self.coordinator.http.call("POST", "/v1/transactions/sorted-2:pause", {})
        rows = lambda: self.browser.run("return [...document.querySelectorAll('.tbody a.mono')].map(a => a.textContent)")
        press = lambda column: self.browser.button(column, ".trow.head")
        self.browser.open("transactions?q=sorted-")
        self.browser.until(lambda: rows() == ["sorted-3", "sorted-2", "sorted-1"], "the newest are first")
        press("Started ↓")
        self.browser.until(lambda: rows() == ["sorted-1", "sorted-2", "sorted-3"], "the oldest are first")
        press("Changed")
        self.browser.until(lambda: rows()[0] == "sorted-2", "what changed last is first")
        press("Changed ↓")
        self.browser.settled("transactions?q=sorted-&sort=unchanged")
        self.browser.until(lambda: rows() == ["sorted-1", "sorted-3", "sorted-2"], "what has stood still longest is first")
        self.browser.run("document.querySelector('details.show').open = true")
        self.browser.sees("entente list --gid-prefix 'sorted-' --sort 'unchanged'")

    def test_who_did_what_is_found_read_and_exported(self):
        self.coordinator.submit("approval", {"who": "audited"}, gid="audited")
        self.coordinator.http.call("POST", "/v1/transactions/audited:pause", {"reason": HTML})
        self.coordinator.http.call("POST", "/v1/transactions/audited:resume", {"reason": "lunch is over"})
        self.browser.open("transaction/audited")
        self.browser.run("[...document.querySelectorAll('main a')].find(a => a.innerText === 'What people did to it').click()")
        self.browser.settled("audit?subject=transaction%2Faudited")
        self.browser.sees("resume", "lunch is over", "<b>bold</b>")
        self.assertEqual([], self.browser.driver.find_elements("css selector", "main img, main b"))
        self.browser.type("Did", "pause")
        self.browser.run("document.activeElement.blur()")
        self.browser.until(lambda: "lunch is over" not in self.browser.text(), "only what was asked for is shown")
        ActionChains(self.browser.driver).send_keys("j", Keys.ENTER).perform()
        self.browser.run("document.querySelector('details.show').open = true")
        self.browser.sees("Before", '"revision": 3', "After", '"paused": true', "127.0.0.1", "entente audit --action 'pause' --subject 'transaction/audited'")
        self.assertEqual([], self.browser.accessibility((ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js").read_text()))
        self.coordinator.http.call("POST", "/v1/transactions/audited:pause", {"reason": "again"})
        self.assertNotIn("again", self.browser.run("return document.querySelector('tbody').innerText"))
        self.browser.sees("1 newer")
        self.browser.find("button.pill").click()
        self.browser.sees("again")
        self.browser.run("""const real = URL.createObjectURL;
            URL.createObjectURL = (blob) => { blob.text().then(text => { window.exported = text; }); return real(blob); };""")
        self.browser.button("Export as JSON lines")
        lines = self.browser.until(lambda: self.browser.run("return window.exported"), "a file is made").splitlines()
        self.assertEqual(["again", HTML], [json.loads(line)["reason"] for line in lines])
        self.browser.find("td a[href='#/transaction/audited']").click()
        self.browser.settled("transaction/audited")

    # Named so that it runs last, over what the others left behind.
    def test_z_every_page_in_both_themes_and_widths(self):
        self.agency.services["payments"].control(refuse_next=1)
        self.coordinator.submit("travel-booking", {"traveller": "Ida", "city": "Wien", "car": True}, gid="given-back", wait="10s")
        self.receiver.status = 410
        self.stick("pictured")
        self.browser.until(lambda: self.coordinator.http.call("GET", "/v1/dead-letters")["deadLetters"], "a webhook is dead")
        axe = (ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js").read_text()
        pages = {"overview": "", "transactions": "transactions", "transaction": "transaction/watched?branch=hotel", "undone": "transaction/given-back?branch=hotel",
                 "stuck": "transaction/pictured?branch=pay", "incidents": "incidents", "participants": "participants",
                 "participant": "participants?of=payments", "nodes": "nodes", "webhooks": "webhooks", "audit": "audit",
                 "definitions": "definitions", "definition": "definitions/travel-booking", "compared": "definitions/approval?version=2&compare=1", "imported": "imported", "bulk": "bulk"}
        for theme, language in (("light", "en"), ("dark", "en"), ("light", "ko")):
            self.browser.theme(theme)
            self.browser.language(language)
            for width, height in ((1280, 800), (390, 844)):
                self.browser.size(width, height)
                for name, fragment in pages.items():
                    with self.subTest(f"{name} {width} {theme} {language}"):
                        self.browser.open(fragment)
                        self.browser.save(BUILD / "dashboard-pictures" / f"{name}-{width}-{theme if language == 'en' else language}.png")
                        if theme == "light" and language == "en" and width == 1280 and name in README and "ENTENTE_UPDATE_PICTURES" in os.environ:
                            self.browser.save_small(ROOT / "docs" / "pictures" / f"{name}.webp")
                        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), width,
                                             "the page is wider than the window")
                        self.assertEqual([], self.browser.accessibility(axe))
                        self.assertEqual(language, self.browser.run("return document.documentElement.lang"))
        self.browser.language("en")
        self.browser.size(1280, 800)


class Tokens(unittest.TestCase):
    """Those who may not see everything."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        cls.coordinator = Coordinator(BUILD, folder, {}, ("--auth", "token", "--allow-participants", "*"))
        cls.coordinator.http.headers["Authorization"] = f"Bearer {(folder / 'entente.db-admin-token').read_text().strip()}"
        for name in ("ours", "theirs"):
            cls.coordinator.put_definition({"name": name, "mode": "saga", "participants": {}, "steps": [{"id": "ask", "wait": {"signal": "go"}}]})
            cls.coordinator.submit(name, {"secret": "x"}, gid=f"{name}-1", labels={"team": name})
        cls.receiver = Receiver()
        cls.coordinator.put_definition(owed(cls.receiver.url))
        cls.coordinator.submit("owed", {}, gid="owed-1")
        cls.browser = Browser(cls.coordinator.url)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.coordinator.process.stop()
        cls.receiver.shutdown()
        cls.folder.cleanup()

    def tearDown(self):
        self.assertEqual([], self.browser.complaints())

    def enter(self, name, role, **more):
        """Shows the page a token of that role."""
        token = self.coordinator.http.call("POST", "/v1/tokens", {"name": name, "role": role, **more})["token"]
        self.browser.driver.get(f"{self.coordinator.url}/")
        self.browser.run("sessionStorage.setItem('entente-token', arguments[0])", token)
        self.browser.load()

    def asked(self, path):
        return self.browser.run("return performance.getEntriesByType('resource').filter(e => new URL(e.name).pathname === arguments[0]).length", path)

    def test_a_token_is_asked_for_and_another_one_after_it_was_revoked(self):
        self.browser.driver.get(f"{self.coordinator.url}/")
        self.browser.run("sessionStorage.clear()")
        self.browser.driver.refresh()
        self.browser.sees("This coordinator asks for a token.")

    def test_what_a_scoped_token_may_not_see_is_said_and_asked_for_once(self):
        self.enter("team", "submitter", definitions=["ours"])
        for page, path, own in (("nodes", "/v1/nodes", True), ("participants", "/v1/participants", False), ("webhooks", "/v1/dead-letters", False),
                                ("", "/metrics", True)):
            self.browser.open(page)
            self.browser.sees("Your token reaches some definitions or labels only")
            self.assertEqual(1, self.browser.text().count("Your token reaches"), page)
            self.assertNotIn("Try again", self.browser.text())
            if own:  # What it may see goes on: by the time that this was asked for twice more, the other would have been, too.
                before = self.asked("/healthz")
                self.browser.until(lambda: self.asked("/healthz") >= before + 3, "health is asked for again")
            self.assertEqual(1, self.asked(path), path)
        self.browser.open("transactions")
        self.browser.sees("ours-1")
        self.assertNotIn("theirs-1", self.browser.text())
        self.browser.open("audit")
        self.browser.sees("'team' is a submitter and may not audit")
        refused = self.coordinator.http.call("GET", "/v1/audit?actor=team&outcome=refused")["entries"]
        self.assertEqual({1}, {one.get("times", 1) for one in refused}, refused)

    def test_the_list_of_a_token_with_labels_is_read_again_instead_of_told(self):
        self.enter("label", "operator", labels={"team": "ours"})
        self.browser.open("transactions?q=ours-1")
        self.browser.sees("active")
        self.coordinator.http.call("POST", "/v1/transactions/ours-1:pause", {"reason": "a test"})
        self.browser.until(lambda: "paused" in self.browser.run("return document.querySelector('.tbody').innerText"), "it is seen to be paused")
        self.assertEqual(1, self.asked("/v1/events"))
        self.assertNotIn("Reconnecting", self.browser.text())
        self.coordinator.http.call("POST", "/v1/transactions/ours-1:resume", {"reason": "a test"})

    def buttons(self):
        """What can be pressed on the page, of what acts."""
        acts = {"Retry now", "Pause", "Resume", "Cancel", "Resolve", "Send a signal", "Complete", "Skip", "Edit and retry", "Start a transaction",
                "All that match ...", "Validate a definition"}
        return sorted(set(self.browser.run("return [...document.querySelectorAll('main button, main summary')].map(b => b.innerText.trim())")) & acts)

    def test_what_a_token_may_not_do_is_not_offered_but_said(self):
        standing = ["Pause", "Resolve", "Cancel"]
        cases = {
            "viewer": {"transaction/owed-1?branch=pack": [], "definitions/ours": [], "definitions": [], "transactions?q=owed": []},
            "submitter": {"transaction/owed-1?branch=pack": ["Cancel"], "definitions/ours": ["Start a transaction"], "definitions": [], "transactions?q=owed": []},
            "operator": {"transaction/owed-1?branch=pack": sorted([*standing, "Complete", "Skip"]), "definitions/ours": [], "definitions": [],
                         "transactions?q=owed": ["All that match ..."]},
            "deployer": {"definitions/ours": ["Start a transaction"], "definitions": ["Validate a definition"]}}
        for role, pages in cases.items():
            self.enter(f"some-{role}", role)
            for page, offered in pages.items():
                with self.subTest(f"{role} {page}"):
                    self.browser.open(page)
                    self.browser.until(lambda: self.buttons() == offered, f"just {offered} is offered")
                    if page.startswith("transaction/"):
                        self.assertEqual(role != "operator", f"Your token ({role}) does not allow: " in self.browser.text())
            self.assertEqual(1, self.asked("/v1/session"), "who one is is asked for once")
            self.browser.sees(f"some-{role}, {role}")
        self.enter("some-viewer", "viewer")
        self.browser.open("transactions")
        self.assertEqual([], self.browser.driver.find_elements("css selector", "main input[type=checkbox]"))
        ActionChains(self.browser.driver).send_keys("j", "x", "r").perform()
        self.assertEqual([], self.browser.driver.find_elements("css selector", "dialog"))
        refused = self.coordinator.http.call("GET", "/v1/audit?actor=some-viewer&outcome=refused")["entries"]
        self.assertLessEqual({one["action"] for one in refused}, {"audit"}, refused)

    def test_every_page_of_a_viewer_says_what_it_leaves_out(self):
        self.enter("guest", "viewer")
        axe = (ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js").read_text()
        for page in ("", "transactions", "transaction/ours-1?branch=ask", "incidents", "participants", "definitions", "definitions/ours", "nodes", "webhooks", "bulk", "audit"):
            with self.subTest(page):
                self.browser.open(page)
                self.assertNotIn("could not be read", self.browser.text())
                self.assertNotIn("secret", self.browser.text())
                self.assertEqual([], self.browser.accessibility(axe))
                self.assertEqual(page == "audit", "'guest' is a viewer and may not audit" in self.browser.text(), page)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    known, rest = parser.parse_known_args()
    BUILD = pathlib.Path(known.build).resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
