#!/usr/bin/env python3
"""What a participant is really sent by the whole program, over retries and restarts; and what the
program does with what it was configured with. Units that each do their part may still be wired
together wrongly: a key that is another one after a restart, an epoch that does not grow."""

import argparse
import collections
import http.server
import json
import pathlib
import signal
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import ApiError, Coordinator  # noqa: E402

BUILD = None


class Recorder:
    """A participant that keeps what it is sent. `answer(call, n)` says how the n-th call to a path is
    answered: (status, headers, body), or None to hold it until the caller is gone."""

    def __init__(self):
        self.calls = []
        self.answer = lambda call, n: (200, {}, {})
        self.lock = threading.Lock()
        self.released = threading.Event()
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                call = {"method": self.command, "path": self.path, "at": time.monotonic(),
                        "headers": {k.lower(): v for k, v in self.headers.items()}}
                with recorder.lock:
                    recorder.calls.append(call)
                    n = len([c for c in recorder.calls
                             if (c["method"], c["path"]) == (self.command, self.path)])
                answer = recorder.answer(call, n)
                if answer is None:
                    recorder.released.wait(60)
                    self.close_connection = True
                    return
                status, headers, body = answer
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def of(self, path, method=None):
        with self.lock:
            return [c for c in self.calls if c["path"] == path and method in (None, c["method"])]

    def wait_for(self, path, count, method=None):
        limit = time.monotonic() + 60
        while len(self.of(path, method)) < count:
            if time.monotonic() > limit:
                raise AssertionError(f"{len(self.of(path, method))} of {count} calls to {path} came")
            time.sleep(0.01)
        return self.of(path, method)

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def definition(name, mode, steps, **more):
    return {"name": name, "mode": mode, "participants": {"p": {"http": "${env.P_URL}", "timeout": "20s"}},
            "retry": {"initial": "10ms", "factor": 1, "max": "10ms", "attempts": 9},
            "steps": steps, **more}


SAGA = definition("saga", "saga", [
    {"id": "a", "participant": "p", "action": {"put": "/a/${key}"}, "compensate": {"delete": "/a/${key}"}},
    {"id": "b", "participant": "p", "action": {"put": "/b/${key}"}, "compensate": {"delete": "/b/${key}"}},
])


class Wiring(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="entente-wiring-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.recorder = Recorder()
        self.addCleanup(self.recorder.close)
        self.coordinator = None
        self.addCleanup(self.stop)

    def start(self, *arguments):
        self.coordinator = Coordinator(BUILD, self.folder, {"P_URL": self.recorder.url},
                                       list(arguments))
        return self.coordinator

    def stop(self, sig=signal.SIGTERM):
        if self.coordinator is not None:
            self.coordinator.process.stop(sig)
            self.coordinator = None

    def facts(self, calls, name):
        return [call["headers"].get(name) for call in calls]

    def test_every_attempt_has_the_same_key_and_counts_also_after_a_crash(self):
        path = "/a/t1:a"
        self.recorder.answer = lambda call, n: (
            (503, {}, {}) if n == 1 else None if n == 2 else (200, {}, {}))
        self.start().put_definition(SAGA)
        self.coordinator.submit("saga", {}, gid="t1")
        self.recorder.wait_for(path, 2)  # The second is out when the process dies.
        # That it began is a lazy record, which a crash may take along; what is told is durable.
        self.assertEqual(2, self.coordinator.get("t1")["branches"][0]["attempt"])
        self.stop(signal.SIGKILL)
        self.start()
        self.assertEqual("COMMITTED", self.coordinator.get("t1", wait="30s")["status"])
        calls = self.recorder.of(path)
        self.assertEqual(["t1:a"] * 3, self.facts(calls, "idempotency-key"))
        self.assertEqual(["1", "2", "3"], self.facts(calls, "entente-attempt"))
        self.assertEqual(["t1"] * 3, self.facts(calls, "entente-gid"))
        self.assertEqual(["a"] * 3, self.facts(calls, "entente-branch"))
        self.assertEqual(["action"] * 3, self.facts(calls, "entente-operation"))

    def test_the_epoch_grows_with_each_process_and_only_then(self):
        self.start().put_definition(SAGA)
        for process in range(3):
            for n in range(2):
                gid = f"t{process}-{n}"
                self.coordinator.submit("saga", {}, gid=gid, wait="30s")
            self.stop(signal.SIGKILL if process == 1 else signal.SIGTERM)
            self.start()
        # Those of one shard, whose epochs can be compared: one transaction over three processes.
        self.recorder.answer = lambda call, n: (
            None if call["path"] == "/a/long:a" and n < 3 else (200, {}, {}))
        self.coordinator.submit("saga", {}, gid="long")
        for process in range(2):
            self.recorder.wait_for("/a/long:a", process + 1)
            self.stop(signal.SIGKILL)
            self.start()
        self.assertEqual("COMMITTED", self.coordinator.get("long", wait="30s")["status"])
        epochs = [int(e) for e in self.facts(self.recorder.of("/a/long:a"), "entente-epoch")]
        self.assertEqual(3, len(epochs))
        self.assertLess(epochs[0], epochs[1])
        self.assertLess(epochs[1], epochs[2])
        last = self.facts(self.recorder.of("/b/long:b"), "entente-epoch")
        self.assertEqual([str(epochs[2])], last)

    def test_an_undo_has_a_key_of_its_own_and_keeps_it(self):
        self.recorder.answer = lambda call, n: (
            (409, {}, {}) if call["path"].startswith("/b/")
            else (503, {}, {}) if call["method"] == "DELETE" and n < 3 else (200, {}, {}))
        self.start().put_definition({**SAGA, "compensateRetry": SAGA["retry"]})
        self.assertEqual("ABORTED", self.coordinator.submit("saga", {}, gid="t1", wait="30s")["status"])
        undos = self.recorder.of("/a/t1:a", "DELETE")
        self.assertEqual(["t1:a:compensate"] * 3, self.facts(undos, "idempotency-key"))
        self.assertEqual(["1", "2", "3"], self.facts(undos, "entente-attempt"))
        self.assertEqual(["compensate"] * 3, self.facts(undos, "entente-operation"))

    def test_nobody_is_called_again_sooner_than_it_asked(self):
        self.recorder.answer = lambda call, n: (
            (503, {"Retry-After": "2"}, {}) if n == 1 and "/a/" in call["path"] else (200, {}, {}))
        self.start().put_definition(SAGA)
        self.assertEqual("COMMITTED", self.coordinator.submit("saga", {}, gid="t1", wait="30s")["status"])
        first, second = self.recorder.of("/a/t1:a")
        self.assertGreaterEqual(second["at"] - first["at"], 1.95)

    def test_only_who_is_alone_is_told_to_decide_by_itself(self):
        def step(name, **more):
            return {"id": name, "after": [], "participant": "p", "prepare": {"put": f"/{name}/p"},
                    "commit": {"put": f"/{name}/c"}, "rollback": {"delete": f"/{name}"}, **more}
        self.start().put_definition(definition("alone", "2pc", [step("a", onePhase=True)]))
        self.coordinator.put_definition(
            definition("both", "2pc", [step("b", onePhase=True), step("c", onePhase=True)]))
        self.coordinator.submit("alone", {}, gid="t1", wait="30s")
        self.coordinator.submit("both", {}, gid="t2", wait="30s")
        self.assertEqual(["true"], self.facts(self.recorder.of("/a/c"), "entente-one-phase"))
        self.assertEqual([], self.recorder.of("/a/p"))
        for path in ("/b/p", "/b/c", "/c/p", "/c/c"):
            self.assertEqual([None], self.facts(self.recorder.of(path), "entente-one-phase"), path)

    def test_a_vote_that_holds_nothing_back_is_left_alone(self):
        def step(name):
            return {"id": name, "after": [], "participant": "p", "prepare": {"put": f"/{name}/p"},
                    "commit": {"put": f"/{name}/c"}, "rollback": {"delete": f"/{name}"}}
        self.recorder.answer = lambda call, n: (
            (200, {"Entente-Vote": "read-only"}, {}) if call["path"] == "/a/p" else (200, {}, {}))
        self.start().put_definition(definition("votes", "2pc", [step("a"), step("b")]))
        self.assertEqual("COMMITTED", self.coordinator.submit("votes", {}, gid="t1", wait="30s")["status"])
        self.assertEqual([], self.recorder.of("/a/c"))
        self.assertEqual(1, len(self.recorder.of("/b/c")))

    def test_a_finished_transaction_goes_after_its_time_and_an_open_one_stays(self):
        self.recorder.answer = lambda call, n: (
            None if call["path"] == "/a/open:a" else (200, {}, {}))
        self.start("--retention", "1s").put_definition(SAGA)
        self.coordinator.submit("saga", {}, gid="open")
        self.coordinator.submit("saga", {}, gid="ended", wait="30s", labels={"tier": "gold"})
        limit = time.monotonic() + 120
        while True:
            try:
                self.coordinator.get("ended")
            except ApiError as error:
                self.assertEqual(404, error.status)
                break
            self.assertLess(time.monotonic(), limit, "it is kept for ever")
            time.sleep(0.2)
        self.assertEqual([], self.coordinator.list(label="tier=gold"))
        self.assertEqual("ACTIVE", self.coordinator.get("open")["status"])
        self.assertEqual(["open"], [row["gid"] for row in self.coordinator.list()])

    def test_what_is_kept_for_a_week_is_there_after_many_purges(self):
        self.start().put_definition(SAGA)
        self.coordinator.submit("saga", {}, gid="ended", wait="30s")
        for _ in range(3):
            self.stop(signal.SIGKILL)
            self.start()
        self.assertEqual("COMMITTED", self.coordinator.get("ended")["status"])

    def test_paths_are_each_called_once_where_nothing_fails(self):
        self.start().put_definition(SAGA)
        for n in range(20):
            self.coordinator.submit("saga", {}, gid=f"t{n}", wait="30s")
        counts = collections.Counter(call["path"] for call in self.recorder.calls)
        self.assertEqual({1}, set(counts.values()))
        self.assertEqual(40, len(counts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    options, rest = parser.parse_known_args()
    BUILD = pathlib.Path(options.build).resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
