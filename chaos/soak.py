#!/usr/bin/env python3
"""Hours of bookings, with every trouble of endure.py that leaves the coordinator running. What it holds is sampled all the
time: nothing may grow that should not. Each booking's end is read while it is kept, and the ledgers must agree with it."""

import argparse
import collections
import http.client
import json
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "chaos"), str(ROOT / "examples" / "demo"), str(ROOT / "tests" / "e2e")]

from agency import ApiError  # noqa: E402
from bookings import Bookings  # noqa: E402
from checker import check  # noqa: E402
from endure import MIB, Town, rounds, run_phase  # noqa: E402
from growth import grown, picture  # noqa: E402
from phases import Calm  # noqa: E402
from watch import Watch, open_descriptors, resident_bytes  # noqa: E402

RETENTION = "5m"  # So that what is finished comes and goes many times over.
SAMPLE_SECONDS = 5
READ_AFTER_SECONDS = 30
SETTLE_SECONDS = 300
ENDED = ("COMMITTED", "ABORTED", "MIXED")


class KeptBookings(Bookings):
    """Reads how each booking ended before it is purged, and knows how long submits took."""

    def __init__(self, town, seed):
        super().__init__(town, seed)
        self.statuses = {}
        self.waiting = collections.deque()  # (when it was acknowledged, gid)
        self.took = collections.deque(maxlen=200)
        self.threads.append(threading.Thread(target=self._read_ends, daemon=True))

    def _submit_until_told(self, gid, wait):
        begin = time.monotonic()
        super()._submit_until_told(gid, None)
        with self.lock:
            if gid in self.acknowledged:
                self.took.append(time.monotonic() - begin)
                self.waiting.append((time.monotonic(), gid))

    def _read_ends(self):
        while not self.stop.is_set():
            time.sleep(0.02)
            with self.lock:
                due = bool(self.waiting) and time.monotonic() - self.waiting[0][0] > READ_AFTER_SECONDS
                gid = self.waiting.popleft()[1] if due else None
            if gid and not self._read_end(gid):
                with self.lock:
                    self.waiting.append((time.monotonic(), gid))

    def _read_end(self, gid):
        try:
            status = self.town.coordinator.get(gid)["status"]
        except (ApiError, OSError, http.client.HTTPException):
            return False
        if status in ENDED:
            self.statuses[gid] = status
        return status in ENDED

    def settle(self, seconds):
        deadline = time.monotonic() + seconds
        known = {gid for _, gid in self.waiting} | set(self.statuses)
        for gid in self.attempted - known:  # Whether it was accepted was never told.
            self._read_end(gid)
        while self.waiting and time.monotonic() < deadline:
            gid = self.waiting.popleft()[1]
            if not self._read_end(gid):
                self.waiting.append((0, gid))
                time.sleep(0.05)
        return self.statuses

    def median(self):
        with self.lock:
            return statistics.median(self.took) if self.took else None


def open_count(town):
    """From the metrics, without those that wait for an operator, who never comes; None while there is no answer."""
    try:
        text = town.coordinator.http.request("GET", "/metrics", raw=True)[1].decode()
    except (OSError, http.client.HTTPException):
        return None
    values = dict(line.split()[:2] for line in text.splitlines() if line.startswith(("entente_transactions_open ", "entente_incidents_open ")))
    return float(values["entente_transactions_open"]) - float(values["entente_incidents_open"]) if len(values) == 2 else None


def disk_bytes(folder):
    return sum(path.stat().st_blocks * 512 for path in folder.iterdir() if path.name.startswith("entente.db"))


class Samples(threading.Thread):
    def __init__(self, town, watch, load):
        super().__init__(daemon=True)
        self.town, self.watch, self.load = town, watch, load
        self.begin = time.monotonic()
        self.all = []  # (seconds, phase, values)
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(SAMPLE_SECONDS):
            pid = self.town.coordinator.process.popen.pid
            try:
                disk = disk_bytes(self.town.disk.folder)
            except OSError:
                disk = None
            self.all.append((time.monotonic() - self.begin, self.watch.phase, {
                "resident memory": resident_bytes(pid), "descriptors": open_descriptors(pid), "store on disk": disk,
                "open transactions": open_count(self.town), "time to accept": self.load.median()}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=pathlib.Path, help="where to write the figures as JSON")
    parser.add_argument("--picture", type=pathlib.Path, help="where to draw them, as SVG")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-soak-"))
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes, logs in {folder}", flush=True)
    with Town(arguments.build, folder, ["--retention", RETENTION]) as town:
        watch, load = Watch(town), KeptBookings(town, arguments.seed)
        samples = Samples(town, watch, load)
        for thread in (watch, load, samples):
            thread.start()
        phases = 0
        for phase in rounds(rng, arguments.minutes):
            if not phase.kills:
                run_phase(phase, town, watch, load, rng.uniform(15, 35))
                phases += 1
                run_phase(Calm(rng), town, watch, load, 20)
        watch.enter("settling")
        load.finish()
        statuses = load.settle(SETTLE_SECONDS)
        samples.ended.set()
        samples.join()
        watch.finish()
        ours = {name: [row for row in service.ledger() if row["gid"].startswith("booking-")]
                for name, service in town.services.items()}
    violations = town.violations + load.failures + check(ours, statuses, load.acknowledged, load.seen)
    calm = [(at, values) for at, phase, values in samples.all if phase == Calm.name]
    violations += grown(calm)
    if arguments.picture:
        arguments.picture.write_text(picture([(at, values) for at, _, values in samples.all],
                                             f"{arguments.minutes:g} minutes, seed {arguments.seed}"))
    figures = {"seed": arguments.seed, "minutes": arguments.minutes, "phases": phases, "acknowledged": len(load.acknowledged),
               "ended": dict(collections.Counter(statuses.values())), "effects": sum(map(len, ours.values())),
               "rss": max((values["resident memory"] for _, _, values in samples.all), default=0), "violations": violations,
               "samples": samples.all}
    print(f"{phases} phases of trouble, {figures['acknowledged']} bookings, ended {figures['ended']}, {figures['effects']} "
          f"effects, at most {figures['rss'] / MIB:.0f} MiB")
    for violation in violations[:50]:
        print("VIOLATION", violation)
    if arguments.report:
        arguments.report.write_text(json.dumps(figures, indent=1))
    if not violations:
        shutil.rmtree(folder, ignore_errors=True)
        print("everything held, nothing grew")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
