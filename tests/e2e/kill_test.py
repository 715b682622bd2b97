#!/usr/bin/env python3
"""kill -9 at random moments under load: afterwards the participants' ledgers show I1 to I5 intact."""

import argparse
import http.client
import pathlib
import random
import sys
import threading
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import Agency, ApiError  # noqa: E402
from checker import check  # noqa: E402

CLIENTS = 8
KILLS = 20
SETTLE_SECONDS = 120


class Load:
    """Clients that submit bookings, repeat what was not answered, and remember what they were told."""

    def __init__(self, agency, seed):
        self.agency = agency
        self.random = random.Random(seed)
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.acknowledged = set()
        self.attempted = set()
        self.seen = {}
        self.failures = []
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        count = 0
        while not self.stop.is_set():
            gid = f"load-{client}-{count}"
            count += 1
            with self.lock:
                self.attempted.add(gid)
                wait = self.random.choice([None, "200ms"])
                cancels = self.random.random() < 0.15
            self.submit_until_told(gid, wait)
            if cancels:
                self.cancel(gid)

    def cancel(self, gid):
        """Once: whether it was heard is left open, and so is whether it came in time."""
        try:
            self.agency.coordinator.http.call("POST", f"/v1/transactions/{gid}:cancel", {"reason": "changed my mind"})
        except (ApiError, OSError, http.client.HTTPException):
            pass

    def submit_until_told(self, gid, wait):
        data = {"traveller": gid, "city": f"City{zlib.crc32(gid.encode()) % 7}", "car": True}
        while True:
            try:
                txn = self.agency.coordinator.submit("travel-booking", data, gid=gid, wait=wait)
                with self.lock:
                    self.acknowledged.add(gid)
                    self.seen.setdefault(gid, []).append(txn["status"])
                return
            except ApiError as error:
                if error.status not in (429, 503):
                    with self.lock:
                        self.failures.append(f"submit of {gid}: {error}")
                    return
            except (OSError, http.client.HTTPException):
                pass  # Killed under us: whether it was accepted is unknown, so the same gid again.
            if self.stop.is_set():
                return
            time.sleep(0.02)

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def trouble(agency):
    """Services that are late, fail before or after the effect, and refuse now and then."""
    agency.services["flights"].control(fail_rate=0.05, fail_after_rate=0.05)
    agency.services["hotels"].control(fail_rate=0.05, fail_after_rate=0.05, capacity=400)
    agency.services["cars"].control(fail_after_rate=0.1, delay="5ms")
    agency.services["payments"].control(fail_rate=0.1, fail_after_rate=0.1)


def calm(agency):
    for service in agency.services.values():
        service.control(fail_rate=0, fail_after_rate=0, delay="0ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    print(f"seed {arguments.seed}, {arguments.kills} kills")
    with Agency(arguments.build) as agency:
        trouble(agency)
        load = Load(agency, arguments.seed)
        for _ in range(arguments.kills):
            time.sleep(rng.uniform(0.05, 0.8))
            agency.kill_coordinator()
            agency.start_coordinator(same_ports=True)
        time.sleep(0.5)
        load.join()
        calm(agency)

        # Whatever was attempted and not told is settled by asking again: the same outcome, always.
        statuses = {}
        deadline = time.monotonic() + SETTLE_SECONDS
        for gid in sorted(load.attempted):
            while gid not in statuses:
                try:
                    txn = agency.coordinator.get(gid, wait="30s")
                except ApiError as error:
                    if error.status != 404:
                        raise
                    break
                if txn["status"] in ("COMMITTED", "ABORTED") or time.monotonic() > deadline:
                    statuses[gid] = txn["status"]
        ledgers = {name: service.ledger() for name, service in agency.services.items()}
    violations = load.failures + check(ledgers, statuses, load.acknowledged, load.seen)
    committed = sum(1 for s in statuses.values() if s == "COMMITTED")
    aborted = sum(1 for s in statuses.values() if s == "ABORTED")
    print(f"{len(load.attempted)} attempted, {len(load.acknowledged)} acknowledged, {committed} committed, "
          f"{aborted} aborted, {sum(map(len, ledgers.values()))} effects")
    if committed == 0 or aborted == 0:
        violations.append("the load did not exercise both ends: nothing was proved")
    for violation in violations[:50]:
        print("VIOLATION", violation)
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
