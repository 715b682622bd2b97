#!/usr/bin/env python3
"""A store that is encrypted: what was planted in payloads is in none of its files and tables, after kill -9 too; keys are
rotated while transactions run, and through crashes; and whoever has not the key does not start."""

import argparse
import base64
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo"), str(HERE.parent / "support")]

from agency import ApiError, Coordinator  # noqa: E402
from planted_test import Listener  # noqa: E402
from postgres import Cluster  # noqa: E402

BUILD = None
SERVER = None
RETRY = {"attempts": 2, "initial": "1ms"}


def new_key():
    return base64.b64encode(secrets.token_bytes(32)).decode()


def definition(name, url, path, planted, **more):
    """What was planted is in the definition, in what is sent, and in what comes back."""
    step = {"id": "s", "participant": "bank", "compensate": None, "retry": RETRY,
            "action": {"post": f"/{path}/x", "body": {"sent": "${input.what}", "own": planted}}, **more}
    wait = {"id": "w", "wait": {"signal": "go"}}
    return {"name": name, "mode": "saga", "participants": {"bank": {"http": url}},
            "steps": [step, {"id": "each", "participant": "bank", "compensate": None, "forEach": "${input.all}",
                             "action": {"post": "/well/y", "body": {"item": "${item}", "of": "${steps.s.output}"}}}, wait],
            "output": "${steps.s.output}"}


class Encryption(unittest.TestCase):
    count = 0

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-encryption-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.store_folder = self.folder / "store"
        self.store_folder.mkdir()
        self.keys = self.folder / "keys"
        self.bank = Listener()
        self.addCleanup(self.bank.server_close)
        self.addCleanup(self.bank.shutdown)
        self.planted = "planted" + secrets.token_hex(12)
        self.store, self.schema = None, None
        self.coordinator = None

    def use_postgres(self):
        Encryption.count += 1
        self.schema = f"encryption_{Encryption.count}"
        self.sql(f"CREATE SCHEMA {self.schema}")
        self.store = f"postgres://entente:precious@127.0.0.1:{SERVER.port}/test?options=-csearch_path%3D{self.schema}"

    def sql(self, text):
        return subprocess.run(["psql", "-h", "127.0.0.1", "-p", str(SERVER.port), "-U", "entente", "-d", "test", "-Atc", text],
                              check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def write_keys(self, *lines):
        self.keys.write_text("\n".join(lines) + "\n")
        self.keys.chmod(0o600)

    def start(self, *flags, encrypted=True):
        arguments = (["--encryption-key-file", str(self.keys)] if encrypted else []) + ["--sign-calls", "on", "--lease", "2s", *flags]
        deadline = time.monotonic() + 60
        while True:
            try:
                self.coordinator = Coordinator(BUILD, self.store_folder, {}, arguments, store=self.store)
                break
            except RuntimeError:
                # A lease that was not given up ends by itself.
                if self.schema is None or time.monotonic() > deadline:
                    raise
        self.addCleanup(self.coordinator.process.stop, signal.SIGKILL)

    def refused(self, encrypted=True):
        """Why it does not start."""
        ended = subprocess.run(
            [BUILD / "entente", "serve", "--http", "127.0.0.1:0", "--grpc", "off", "--store",
             self.store or f"sqlite:{self.store_folder}/entente.db",
             *(["--encryption-key-file", self.keys] if encrypted else [])], capture_output=True, text=True, timeout=60)
        self.assertEqual(1, ended.returncode, ended.stderr)
        return ended.stderr

    def until(self, condition, what):
        deadline = time.monotonic() + 120
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)

    def log(self):
        return (self.store_folder / "entente.log").read_text()

    def key_name(self):
        return [line for line in self.log().splitlines() if "event=store_encrypted" in line][-1].split(" key=")[1].split()[0]

    def needed(self):
        metrics = self.coordinator.http.request("GET", "/metrics", raw=True)[1].decode()
        return {line.split('key="')[1].split('"')[0] for line in metrics.splitlines() if line.startswith("entente_store_key_needed{")}

    def is_rewritten(self):
        """By the process that runs."""
        lines = self.log().splitlines()
        started = max(at for at, line in enumerate(lines) if "event=store_encrypted" in line)
        return any("event=store_rewritten " in line for line in lines[started:])

    def places(self):
        """Where of the store what was planted can be read. The log has what participants answer."""
        text = self.planted.encode()
        found = [path.name for path in self.store_folder.iterdir() if path.suffix != ".log" and text in path.read_bytes()]
        if self.schema:
            tables = self.sql(f"SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = '{self.schema}'").split()
            found += [table for table in tables if self.sql(
                f"SELECT count(*) FROM {self.schema}.{table} AS t WHERE strpos(t::text, '{self.planted}') > 0 "
                f"OR strpos(t::text, '{text.hex()}') > 0") != "0"]
        return found

    def submit(self, gid, name="well", **more):
        return self.coordinator.submit(name, {"what": self.planted, "all": [{"n": self.planted}, 2]}, gid=gid, **more)

    def plant(self):
        for name, path, more in (("well", "well", {}), ("refused", "refuse", {}),
                                 ("stuck", "break", {"compensate": {"post": "/undo", "body": {"u": "${input.what}"}}, "compensateRetry": RETRY})):
            self.coordinator.put_definition(definition(name, self.bank.url, path, self.planted, **more))
        self.submit("stuck", "stuck")
        self.submit("refused", "refused", wait="20s")
        self.submit("open")
        self.submit("done")
        self.until(lambda: self.coordinator.get("stuck").get("incident"), "no incident")
        self.until(lambda: self.waits("done") and self.waits("open"), "they do not wait")
        self.coordinator.http.call("POST", "/v1/transactions/done:signal", {"name": "go", "payload": {"p": self.planted}})
        self.assertEqual("COMMITTED", self.coordinator.get("done", wait="20s")["status"])
        revision = self.coordinator.get("stuck")["revision"]
        self.coordinator.http.call("POST", "/v1/transactions/stuck:edit", {
            "branch": "s", "body": {"of": self.planted}, "reason": f"for {self.planted}", "expectedRevision": revision})
        self.until(lambda: self.coordinator.get("stuck").get("incident"), "no incident")

    def waits(self, gid):
        return any(entry["type"] == "wait-started" for entry in self.coordinator.history(gid))

    def is_served(self):
        """False while one of their shards is that of a process that was killed."""
        try:
            for gid in ("open", "done", "refused", "stuck"):
                self.coordinator.history(gid)
        except ApiError as error:
            self.assertEqual(503, error.status, error)
            return False
        return True

    def check(self):
        """All of it is read."""
        self.until(self.is_served, "they are not served")
        for gid in ("open", "done", "refused", "stuck"):
            self.assertIn(self.planted, str(self.coordinator.history(gid)))
        self.assertIn(self.planted, self.coordinator.http.call("GET", "/v1/definitions/well")["source"])
        self.assertEqual({"refused", "stuck"}, {row["gid"] for row in self.coordinator.list(error=self.planted[:12].upper())})
        self.assertEqual(1, len(self.coordinator.http.call("GET", "/v1/incidents")["incidents"]))

    def is_signalled(self):
        """False while its shard is that of the process that was killed."""
        try:
            self.coordinator.http.call("POST", "/v1/transactions/open:signal", {"name": "go"})
        except ApiError as error:
            self.assertEqual(503, error.status, error)
            return False
        return True

    def nothing_is_found(self):
        self.start()
        self.plant()
        self.check()
        self.assertEqual([], self.places())
        self.coordinator.process.stop(signal.SIGKILL)
        self.assertEqual([], self.places())
        self.start()
        self.check()
        self.coordinator.process.stop(signal.SIGKILL)
        self.start()
        self.until(self.is_signalled, "it takes no signal")
        self.assertEqual("COMMITTED", self.coordinator.get("open", wait="20s")["status"])
        self.coordinator.process.stop()
        self.assertEqual([], self.places())
        self.assertIn(self.planted, "".join(self.bank.bodies))

    def test_nothing_that_was_planted_is_in_a_file(self):
        self.write_keys(new_key())
        self.nothing_is_found()
        backup = self.store_folder / "backup.db"
        subprocess.run([BUILD / "entente", "backup", backup, "--store", f"sqlite:{self.store_folder}/entente.db"], check=True,
                       capture_output=True, timeout=60)
        self.assertEqual([], self.places())
        key = self.keys.read_text().strip()
        for path in self.store_folder.iterdir():
            self.assertNotIn(key.encode(), path.read_bytes())
            self.assertNotIn(base64.b64decode(key), path.read_bytes())

    def test_nothing_that_was_planted_is_in_a_table(self):
        self.use_postgres()
        self.write_keys(new_key())
        self.nothing_is_found()

    def test_who_has_not_the_key_does_not_start_and_is_told_which(self):
        first, second = new_key(), new_key()
        self.write_keys(first)
        self.start()
        name = self.key_name()
        self.coordinator.process.stop()
        self.assertIn(f"by key {name}", self.refused(encrypted=False))
        self.write_keys(second)
        self.assertIn(f"by key {name}", self.refused())
        self.write_keys(second, first)
        self.keys.chmod(0o644)
        self.assertIn("chmod 600", self.refused())
        self.write_keys("no key")
        self.assertIn("line 1", self.refused())
        self.assertNotIn(second, self.log())

    def rotate_while_transactions_run(self):
        """From plain, by way of two keys, to plain, with kill -9 in the midst of each. In a store that several may share a
        key stays needed until two looks, ten minutes apart, found nothing under it: there it stays in the file. And who was
        killed holds up those that write with another key for some twenty minutes: there only the last is killed."""
        first, second = new_key(), new_key()
        self.start(encrypted=False)
        self.plant()
        ended, failed, done = threading.Event(), [], []

        def load():
            while not ended.is_set():
                try:
                    self.submit(f"load-{len(done)}")
                    done.append(1)
                except (ApiError, OSError) as error:
                    # It is being started anew.
                    failed.append(error)
                    time.sleep(0.05)

        loads = [threading.Thread(target=load)]
        for each in loads:
            each.start()
        try:
            rotations = [(first,), (second, first), ("plain", second)][:2 if self.schema else 3]
            for lines in rotations:
                self.coordinator.process.stop()
                self.write_keys(*lines)
                self.start()
                if not self.schema or lines == rotations[-1]:
                    # Somewhere in the midst, or before or behind it.
                    time.sleep(0.3)
                    self.coordinator.process.stop(signal.SIGKILL)
                    self.start()
                writing = self.key_name()
                before = len(done)
                if self.schema:
                    self.until(self.is_rewritten, f"{lines[0][:5]}: {self.needed()}")
                    self.assertIn(writing, self.needed())
                else:
                    self.until(lambda: self.needed() == {writing}, f"{lines[0][:5]}: {self.needed()}")
                self.until(lambda: len(done) > before, "no load")
                self.check()
                if lines[0] != "plain" and self.schema:
                    self.assertEqual([], self.places())
                if not self.schema:  # The keys behind the first are of no use any more.
                    self.write_keys(lines[0] if lines[0] != "plain" else second)
        finally:
            ended.set()
            for each in loads:
                each.join()
        self.coordinator.process.stop()
        self.start(encrypted=self.schema is not None)
        self.check()
        for gid in ("load-0", f"load-{len(done) - 1}"):
            self.assertIn(self.planted, str(self.coordinator.history(gid)))

    def test_keys_are_rotated_while_transactions_run_in_a_file(self):
        self.rotate_while_transactions_run()

    def test_keys_are_rotated_while_transactions_run_in_tables(self):
        self.use_postgres()
        self.rotate_while_transactions_run()

    def test_what_was_plain_is_gone_from_a_file_after_a_compact(self):
        self.start(encrypted=False)
        self.plant()
        self.coordinator.process.stop()
        self.assertNotEqual([], self.places())
        self.write_keys(new_key())
        self.start()
        writing = self.key_name()
        self.until(lambda: self.needed() == {writing}, "it is not encrypted")
        self.assertIn("event=store_rewritten", self.log())
        self.check()
        self.coordinator.process.stop()
        subprocess.run([BUILD / "entente", "compact", "--store", f"sqlite:{self.store_folder}/entente.db"], check=True,
                       capture_output=True, timeout=60)
        self.assertEqual([], self.places())
        self.start()
        self.check()

    def test_it_leaves_no_core_file(self):
        self.write_keys(new_key())
        self.start()
        # Whose files in /proc are not its user's can not be dumped (prctl(2), PR_SET_DUMPABLE).
        status = pathlib.Path(f"/proc/{self.coordinator.process.popen.pid}")
        self.assertEqual(0, (status / "coredump_filter").stat().st_uid)
        if os.getuid() != 0:
            with self.assertRaises(PermissionError):
                (status / "mem").open("rb")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    known, rest = parser.parse_known_args()
    BUILD = known.build.resolve()
    SERVER = Cluster.create()
    try:
        unittest.main(argv=[sys.argv[0], *rest], warnings="ignore")
    finally:
        SERVER.destroy()
