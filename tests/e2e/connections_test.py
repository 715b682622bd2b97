#!/usr/bin/env python3
"""A coordinator with few descriptors, and clients that open connections and say nothing: health answers, and what is
submitted commits."""

import argparse
import pathlib
import shutil
import socket
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "examples" / "demo"))

from agency import Coordinator, Http  # noqa: E402

BUILD = None
DEFINITION = {"name": "pauses", "participants": {}, "steps": [{"id": "pause", "wait": {"for": "10ms"}}]}


class Connections(unittest.TestCase):
    def start(self, descriptors):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        poor = folder / "entente-poor"
        poor.write_text(f'#!/bin/sh\nulimit -n {descriptors}\nexec {BUILD}/entente "$@"\n')
        poor.chmod(0o755)
        self.coordinator = Coordinator(BUILD, folder, {}, program=poor, arguments=("--workers", "2"))
        self.addCleanup(self.coordinator.process.stop)
        self.coordinator.put_definition(DEFINITION)

    def stay_silent(self, port, count):
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port))
            self.addCleanup(client.close)

    def check_that_it_works(self):
        for number in range(20):
            # A connection of its own each.
            api = Http("127.0.0.1", self.coordinator.ports["http"])
            self.assertEqual(200, api.request("GET", "/healthz")[0])
            ended = api.call("POST", "/v1/transactions",
                              {"definition": "pauses", "input": {}, "gid": f"g{number}", "wait": "30s"})
            self.assertEqual("COMMITTED", ended["status"])

    def test_silent_http_connections_shut_nobody_out(self):
        self.start(256)
        self.stay_silent(self.coordinator.ports["http"], 700)
        self.check_that_it_works()

    def test_whoever_comes_with_the_crowd_is_served(self):
        self.start(256)
        port = self.coordinator.ports["http"]
        statuses = []
        for _ in range(20):
            self.stay_silent(port, 35)
            client = socket.create_connection(("127.0.0.1", port), timeout=60)
            self.addCleanup(client.close)
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.stay_silent(port, 35)
            statuses.append(client.recv(12))
        self.assertEqual([b"HTTP/1.1 200"] * 20, statuses)

    def test_silent_grpc_connections_shut_nobody_out(self):
        self.start(256)
        self.stay_silent(self.coordinator.ports["grpc"], 700)
        self.check_that_it_works()


def main():
    global BUILD
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args()
    BUILD = arguments.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")


if __name__ == "__main__":
    main()
