#!/usr/bin/env python3
"""The store's files under a running coordinator: backups, full disks, and files that change."""

import argparse
import http.client
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import ApiError, Coordinator  # noqa: E402

BUILD = None
WAITS = {"name": "waits", "mode": "saga", "steps": [{"id": "w", "wait": {"signal": "go"}}]}


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.database = self.folder / "entente.db"
        self.coordinator = self.start(self.folder)
        self.coordinator.put_definition(WAITS)

    def start(self, folder, *arguments):
        coordinator = Coordinator(BUILD, folder, {}, arguments)
        self.addCleanup(coordinator.process.stop)
        return coordinator

    def entente(self, *arguments):
        return subprocess.run([str(BUILD / "entente"), *map(str, arguments)], capture_output=True, text=True,
                              timeout=120, env={})

    def id_of(self, coordinator):
        return coordinator.http.call("GET", "/v1/transactions/nobody/decision")["coordinator"]

    def until(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it never came true")
            time.sleep(0.05)

    def status_of(self, path):
        return self.coordinator.http.request("GET", path)[0]

    def test_a_backup_under_load_holds_what_was_acknowledged_and_is_another_coordinator(self):
        stop, done = threading.Event(), []

        def load(thread):
            n = 0
            while not stop.is_set():
                self.coordinator.submit("waits", {}, gid=f"g{thread}-{n}")
                done.append(f"g{thread}-{n}")
                n += 1

        threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        self.until(lambda: len(done) > 200)
        acknowledged = list(done)
        copy = self.folder / "copy"
        copy.mkdir()
        result = self.entente("backup", copy / "entente.db", "--store", f"sqlite:{self.database}")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn("verified", result.stdout)

        other = self.start(copy)
        self.assertNotEqual(self.id_of(self.coordinator), self.id_of(other))
        kept = {row["gid"] for row in other.list()}
        self.assertEqual(set(), set(acknowledged) - kept)
        self.assertIn("event=store_copied", pathlib.Path(other.process.log).read_text())

    def test_a_restored_backup_can_go_on_as_the_original(self):
        self.coordinator.submit("waits", {}, gid="a")
        backup = self.folder / "backup.db"
        self.assertEqual(0, self.entente("backup", backup, "--store", f"sqlite:{self.database}").returncode)
        original = self.id_of(self.coordinator)
        self.coordinator.process.stop()
        for path in self.folder.glob("entente.db*"):
            path.unlink()
        backup.rename(self.database)
        restored = self.start(self.folder, "--store-identity", "keep")
        self.assertEqual(original, self.id_of(restored))
        restored.http.call("POST", "/v1/transactions/a:signal", {"name": "go"})
        self.assertEqual("COMMITTED", restored.get("a", wait="10s")["status"])

    def test_compact_is_refused_while_the_coordinator_runs(self):
        self.assertIn("[store.in_use]", self.entente("compact", "--store", f"sqlite:{self.database}").stderr)
        self.coordinator.process.stop()
        result = self.entente("compact", "--store", f"sqlite:{self.database}")
        self.assertEqual(0, result.returncode, result.stderr)
        self.start(self.folder)

    def test_a_store_that_is_deleted_stops_the_coordinator(self):
        self.database.unlink()
        self.assertEqual(3, self.coordinator.process.popen.wait(timeout=30))
        self.assertIn("event=store_failed reason=store.file_changed",
                      pathlib.Path(self.coordinator.process.log).read_text())

    def test_a_log_that_is_cut_stops_the_coordinator_although_writes_go_on(self):
        for suffix in ("-wal", "-log"):
            with self.subTest(suffix):
                folder = self.folder / suffix
                folder.mkdir()
                coordinator = self.start(folder)
                coordinator.put_definition(WAITS)
                coordinator.submit("waits", {}, gid="before")
                with open(folder / f"entente.db{suffix}", "r+b") as log:
                    log.truncate(0)
                with self.assertRaises((OSError, ApiError)):
                    while True:  # Without a gid: nothing is read from what was cut.
                        coordinator.submit("waits", {})
                self.assertEqual(3, coordinator.process.popen.wait(timeout=30))

    def test_a_file_that_is_mapped_and_cut_stops_the_coordinator_with_a_word_and_blames_no_transaction(self):
        for suffix, size in (("-shm", 0), ("-shm", 1), ("-shm", 4096), ("-shm", 32768), ("-marks", 0)):
            with self.subTest(suffix=suffix, size=size):
                folder = self.folder / f"{suffix}{size}"
                folder.mkdir()
                coordinator = self.start(folder)
                coordinator.put_definition(WAITS)
                coordinator.submit("waits", {}, gid="before")
                for _ in range(3):
                    with open(folder / f"entente.db{suffix}", "r+b") as mapped:
                        mapped.truncate(size)
                    with self.assertRaises((OSError, http.client.HTTPException, ApiError)):
                        while True:
                            coordinator.submit("waits", {})
                    self.assertEqual(3, coordinator.process.popen.wait(timeout=30))
                    self.assertIn("event=store_failed reason=store.file_changed",
                                  pathlib.Path(coordinator.process.log).read_text())
                    coordinator = self.start(folder)
                    self.assertFalse(coordinator.get("before").get("incident", False))
                coordinator.process.stop()

    def test_health_turns_red_while_the_disk_is_full_and_green_by_itself(self):
        pid = self.coordinator.process.popen.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (24 << 20, limits[1]))
        accepted, refused = [], []

        def red_after_one_more():
            # Whoever goes on submitting finds the last room too: a log that is moved makes some more.
            gid = f"g{len(accepted) + len(refused)}"
            try:
                self.coordinator.submit("waits", {"padding": "x" * 700_000}, gid=gid)
                accepted.append(gid)
            except ApiError as error:
                refused.append(error)
            # The log takes some more after the tables have found no room.
            red = self.status_of("/readyz") == 503 and self.status_of("/healthz") == 503
            return red and len(refused) >= 3

        self.until(red_after_one_more)
        self.assertEqual({(503, "store.unavailable")}, {(e.status, e.code) for e in refused})
        self.assertIn("the store fails", self.coordinator.http.request("GET", "/readyz")[1]["reason"])
        metrics = self.coordinator.http.request("GET", "/metrics", raw=True)[1].decode()
        failed = [line for line in metrics.splitlines() if line.startswith("entente_store_failed_commits_total ")]
        self.assertGreaterEqual(float(failed[0].split()[1]), 3)

        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        self.until(lambda: self.status_of("/readyz") == 200 and self.status_of("/healthz") == 200)
        self.assertEqual(set(accepted), {row["gid"] for row in self.coordinator.list()})
        log = pathlib.Path(self.coordinator.process.log).read_text()
        self.assertIn("event=store_failing", log)
        self.assertIn("event=store_well", log)

    def test_the_port_file_is_not_written_through_a_symbolic_link(self):
        self.coordinator.process.stop()
        victim = self.folder / "victim"
        victim.write_text("precious")
        (self.folder / "entente.ports.tmp").symlink_to(victim)
        ports = self.start(self.folder).port_file
        self.assertEqual("precious", victim.read_text())
        self.assertEqual(0o600, ports.stat().st_mode & 0o777)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=lambda path: pathlib.Path(path).resolve())
    known, rest = parser.parse_known_args()
    BUILD = known.build
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
