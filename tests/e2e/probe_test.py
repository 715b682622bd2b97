#!/usr/bin/env python3
"""`entente probe` finds what is wrong with a participant, and nothing with those that keep their promises."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import DEFINITIONS, Agency  # noqa: E402
from seats_service import FAULTS, serve  # noqa: E402
from world import World  # noqa: E402

BUILD = None
SAGA = {
    "name": "seat", "participants": {"seats": {"http": "${env.SEATS_URL}", "timeout": "5s"}},
    "steps": [{"id": "seat", "participant": "seats", "action": {"put": "/seats/${key}", "body": {"who": "${input.who}"}},
               "compensate": {"delete": "/seats/${key}"}}],
}
TCC = {
    "name": "hold", "mode": "tcc", "participants": SAGA["participants"],
    "steps": [{"id": "seat", "participant": "seats", "try": {"put": "/seats/${key}"},
               "confirm": {"post": "/seats/${key}"}, "cancel": {"delete": "/seats/${key}"}}],
}
# What each fault is found as, if nothing but the answers is seen.
SEEN = {
    "twice": "repeat.differs", "duplicate": "repeat.refused", "unseen": "undo.unseen", "late": "undo.late",
    "forgets": "undo.late", "undo-once": "undo.again", "undoes-all": "undo.others", "race": "together.acts",
    "busy": "together.refused", "breaks": "cut.unsettled", "confirm-once": "finish.again",
    "confirm-refuses": "finish.fails",
}
# And what is only seen in what the service holds.
OBSERVED = {"silently-twice": "repeat.acts", "no-undo": "undo.nothing"}


def probe(definition, participant, *arguments, env=None):
    """The exit code, and the report as JSON."""
    run = subprocess.run([BUILD / "entente", "probe", "-", "--participant", participant, "--json", *map(str, arguments)],
                         input=json.dumps(definition), capture_output=True, text=True, timeout=240, env={**os.environ, **(env or {})})
    if not run.stdout:
        raise AssertionError(run.stderr)
    return run.returncode, json.loads(run.stdout)


class Probe(unittest.TestCase):
    def serve(self, fault=None):
        server = serve(fault)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def found(self, fault, observe):
        """The codes of what is found in a seat service with the fault, as a saga's and as a TCC's."""
        url = self.serve(fault)
        codes = set()
        for definition in (SAGA, TCC):
            code, report = probe(definition, "seats", "--at", url, *(["--observe", url + "/held"] if observe else []))
            self.assertEqual(code, 1 if report["faults"] else 0, report)
            codes |= {one["code"] for one in report["faults"]}
            for one in report["faults"]:
                self.assertTrue(one["says"] and one["seen"] and one["costs"], one)
        return codes

    def test_each_fault_is_found(self):
        self.assertEqual(set(FAULTS), set(SEEN) | set(OBSERVED))
        for fault, code in SEEN.items():
            with self.subTest(fault):
                self.assertIn(code, self.found(fault, observe=False))

    def test_what_the_service_holds_shows_what_its_answers_hide(self):
        for fault, code in OBSERVED.items():
            with self.subTest(fault):
                self.assertNotIn(code, self.found(fault, observe=False))
                self.assertIn(code, self.found(fault, observe=True))

    def test_nothing_is_found_in_a_service_that_keeps_its_promises(self):
        self.assertEqual(self.found(None, observe=False), set())
        self.assertEqual(self.found(None, observe=True), set())

    def test_the_address_comes_from_the_environment(self):
        code, report = probe(SAGA, "seats", env={"SEATS_URL": self.serve()})
        self.assertEqual((code, report["faults"]), (0, []))

    def test_a_service_that_does_not_answer_and_a_name_that_is_not_there_are_told(self):
        run = subprocess.run([BUILD / "entente", "probe", "-", "--participant", "seats", "--at", "http://127.0.0.1:1"],
                             input=json.dumps(SAGA), capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 1)
        self.assertIn("probe.unreachable", run.stderr)
        run = subprocess.run([BUILD / "entente", "probe", "-", "--participant", "chairs"],
                             input=json.dumps(SAGA), capture_output=True, text=True, timeout=60)
        self.assertIn("probe.no_participant", run.stderr)

    def test_the_report_is_for_people(self):
        run = subprocess.run([BUILD / "entente", "probe", "-", "--participant", "seats", "--at", self.serve("duplicate")],
                             input=json.dumps(SAGA), capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 1)
        self.assertIn("BROKEN  seat [repeat.refused], promise 2 of docs/participants.md", run.stdout)
        self.assertIn("costs: an answer is lost", run.stdout)


class Examples(unittest.TestCase):
    """The services of examples/ break nothing."""

    def test_those_that_embed_the_sdk(self):
        definition = json.loads((DEFINITIONS / "travel-tcc.json").read_text())
        with World(BUILD) as world:
            for name, address in (("flights", "url"), ("hotels", "grpc")):
                with self.subTest(name):
                    service = world.add(name, "travel-desk", ["--db", world.folder / f"{name}.db"])
                    code, report = probe(definition, name, "--at", getattr(service, address),
                                         "--input", json.dumps({"city": "Rome", "car": True}))
                    self.assertEqual((code, report["faults"]), (0, []), report)

    def test_those_that_know_nothing_of_a_coordinator(self):
        definition = json.loads((DEFINITIONS / "travel-booking.json").read_text())
        # What others answer before: a car is asked for from the airport on.
        answers = DEFINITIONS.parent / "answers.json"
        with Agency(BUILD) as agency:
            for name in agency.services:
                with self.subTest(name):
                    code, report = probe(definition, name, "--answers", answers, "--input",
                                         json.dumps({"traveller": "Ada", "city": "Lisbon", "car": True}), env=agency.env)
                    self.assertEqual((code, report["faults"]), (0, []), report)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=pathlib.Path)
    known, rest = parser.parse_known_args()
    BUILD = known.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
