#!/usr/bin/env python3
"""Participants whose endpoints SRV records name: the whole program with a DNS server that changes its mind, fails and
talks nonsense."""

import argparse
import pathlib
import random
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import ApiError, Coordinator  # noqa: E402
from dns_server import SERVER_FAILURE, DnsServer  # noqa: E402
from wiring_test import Recorder  # noqa: E402

BUILD = None
NAME = "_booking._tcp.example.test"
SAGA = {"name": "book", "participants": {"booking": {"http": f"http+srv://{NAME}", "timeout": "20s"}},
        "retry": {"initial": "10ms", "factor": 1, "max": "10ms", "attempts": 5},
        "steps": [{"id": "book", "participant": "booking", "action": {"put": "/seats/1"},
                   "compensate": {"delete": "/seats/1"}}]}


class ServiceRecords(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="entente-dns-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.dns = DnsServer()
        self.addCleanup(self.dns.close)
        self.services = [Recorder(), Recorder()]
        for service in self.services:
            service.answer = lambda call, n: (200, {"Connection": "close"}, {})  # Each call is a connection's.
            self.addCleanup(service.close)
        self.submitted = 0

    def start(self, *arguments):
        self.coordinator = Coordinator(BUILD, self.folder, {}, ["--dns-server", self.dns.address, "--workers", "1",
                                                                *arguments])
        self.addCleanup(self.coordinator.process.stop)
        self.coordinator.put_definition(SAGA)

    def name(self, *records):
        """Each: (service, priority), or what stands in a record."""
        self.dns.records[NAME] = [record if len(record) == 4 else
                                  (record[1], 0, self.services[record[0]].server.server_port, "localhost")
                                  for record in records]

    def submit(self):
        self.submitted += 1
        return self.coordinator.submit("book", {}, gid=f"t{self.submitted}", wait="60s")

    def commit(self, times=1):
        for _ in range(times):
            self.assertEqual("COMMITTED", self.submit()["status"])

    def calls(self):
        return [len(service.of("/seats/1", "PUT")) for service in self.services]

    def until_called(self, which, times=1):
        """Submits until one of the services has had more calls."""
        wanted, limit = self.calls()[which] + times, time.monotonic() + 60
        while self.calls()[which] < wanted:
            self.assertLess(time.monotonic(), limit, f"service {which} was not called")
            self.commit()

    def failure(self):
        ended = self.submit()
        self.assertEqual("ABORTED", ended["status"])
        branch = ended["branches"][0]
        self.assertEqual(branch["maxAttempts"], branch["attempt"])  # It was tried as often as any other.
        return branch["failure"]

    def test_all_endpoints_are_called_and_one_that_is_gone_is_left_out(self):
        self.name((0, 0), (1, 0))
        self.start()
        self.commit(10)
        self.assertEqual([5, 5], self.calls())
        self.assertEqual("example.test", self.services[0].calls[0]["headers"]["host"])
        self.services[0].close()
        self.commit(10)
        self.assertEqual([5, 15], self.calls())
        shown = self.coordinator.http.call("GET", "/v1/participants")["participants"]
        self.assertEqual({f"http+srv://{NAME}"}, {each["service"] for each in shown})
        self.assertEqual({f"http://localhost:{service.server.server_port}" for service in self.services},
                         {each["address"] for each in shown})

    def test_records_that_change_are_followed_also_by_priority(self):
        self.name((0, 1), (1, 2))
        self.start()
        self.commit(4)
        self.assertEqual([4, 0], self.calls())
        self.name((0, 3), (1, 2))
        self.until_called(1)
        self.name((0, 0))
        self.until_called(0)

    def test_an_answer_goes_on_being_used_while_lookups_fail(self):
        self.name((0, 0))
        self.start()
        self.commit()
        self.dns.code = SERVER_FAILURE
        asked = len(self.dns.asked)
        while len(self.dns.asked) == asked:  # Its second is over.
            self.commit()
        self.commit()
        self.dns.code, self.dns.records = 0, {}
        asked = len(self.dns.asked)
        while len(self.dns.asked) == asked:
            self.commit()
        self.commit()

    def test_a_service_that_is_not_known_is_named_and_ends_nothing_but_its_attempts(self):
        self.start()
        error = self.failure()
        self.assertEqual("dns.failed", error["code"])
        self.assertIn(NAME, error["message"])
        self.assertIn("NXDOMAIN", error["message"])
        self.name((0, 0))
        # A lookup that failed is made again after a pause.
        self.coordinator.put_definition({**SAGA, "retry": {"initial": "100ms", "factor": 1, "max": "100ms",
                                                           "attempts": 100}})
        self.commit()

    def test_a_large_answer_comes_over_tcp(self):
        self.name((0, 0), *[(9, 0, 1, f"host-{n}.with-a-long-name.example.test") for n in range(40)])
        self.start()
        self.commit()
        self.assertEqual({False, True}, {tcp for _, tcp in self.dns.asked})

    def test_no_record_leads_where_nothing_may_be_called(self):
        self.name((0, 0, 80, "169.254.169.254"))
        self.start()
        self.assertEqual("address.blocked", self.failure()["code"])

        self.name((0, 0, self.coordinator.ports["http"], "localhost"))
        limit = time.monotonic() + 60
        while (code := self.failure()["code"]) != "address.own":
            self.assertEqual("address.blocked", code)
            self.assertLess(time.monotonic(), limit)

    def test_a_list_of_participants_holds_for_every_host_and_for_the_service(self):
        self.name((0, 5), (0, 0, 80, "elsewhere.test"))
        self.start("--allow-participants", "example.test", "--allow-participants", "localhost")
        self.commit()
        with self.assertRaises(ApiError) as refused:
            self.coordinator.put_definition({**SAGA, "name": "other",
                                             "participants": {"booking": {"http": "http+srv://_a._tcp.other.test"}}})
        self.assertEqual("definition.invalid", refused.exception.code)

    def test_nonsense_is_lived_through(self):
        chance = random.Random(7)

        def nonsense(query, tcp):
            self.dns.answer = None
            reply = bytearray(self.dns.reply(query, tcp))
            self.dns.answer = nonsense
            kind = chance.randrange(4)
            if kind == 0:
                return query[:2] + chance.randbytes(chance.randrange(200))
            if kind == 1:
                return bytes(reply[:chance.randrange(len(reply))])
            for _ in range(3):
                reply[chance.randrange(2, len(reply))] = chance.randrange(256)
            return bytes(reply)

        self.dns.answer = nonsense
        self.start()
        self.name((0, 0))
        # Each asks after a service of its own: an answer may be one after all, and hold for minutes.
        for n in range(12):
            name = f"_n{n}._tcp.example.test"
            self.dns.records[name] = self.dns.records[NAME]
            self.coordinator.put_definition({**SAGA, "name": f"n{n}",
                                             "participants": {"booking": {"http": f"http+srv://{name}"}}})
            ended = self.coordinator.submit(f"n{n}", {}, gid=f"n{n}", wait="60s")
            self.assertIn(ended["status"], ("COMMITTED", "ABORTED"))
        self.assertGreaterEqual(len({name for name, _ in self.dns.asked}), 12)
        self.dns.answer = None
        self.commit()


def main():
    global BUILD
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args()
    BUILD = arguments.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")


if __name__ == "__main__":
    main()
