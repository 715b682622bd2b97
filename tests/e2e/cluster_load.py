"""Travellers who book at whichever node answers, and how it all ended."""

import http.client
import random
import threading
import time
import zlib

from nodes import ApiError

PATIENCE_SECONDS = 120


class Load:
    """Submits with gids of its own, each until it is acknowledged."""

    def __init__(self, agency, seed, threads=6):
        self.agency = agency
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.attempted, self.acknowledged, self.seen, self.failures = set(), set(), {}, []
        self.threads = [threading.Thread(target=self._run, args=(n, seed)) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self, n, seed):
        rng, count = random.Random(f"{seed}/{n}"), 0
        while not self.stop.is_set():
            count += 1
            gid = f"load-{n}-{count}"
            with self.lock:
                self.attempted.add(gid)
            self._submit(gid, rng)

    def _submit(self, gid, rng):
        data = {"traveller": gid, "city": f"City{zlib.crc32(gid.encode()) % 7}", "car": True}
        while True:
            node = rng.choice(self.agency.nodes)
            try:
                txn = node.coordinator.submit("travel-booking", data, gid=gid,
                                              wait=rng.choice((None, "5s", "20s")))
                with self.lock:
                    self.acknowledged.add(gid)
                    self.seen.setdefault(gid, []).append(txn["status"])
                return
            except ApiError as error:
                if error.status not in (429, 503, 504):  # 504: it may have been accepted.
                    with self.lock:
                        self.failures.append(f"submit of {gid} at {node.name}: {error}")
                    return
            except (OSError, http.client.HTTPException):
                pass  # Killed or stopped under us.
            if self.stop.is_set():
                return
            time.sleep(0.05)

    def acknowledged_so_far(self):
        with self.lock:
            return len(self.acknowledged)

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def settle(agency, gids, rng):
    """How each of them ended, as some node says; those that no node knows are left out."""
    statuses, deadline = {}, time.monotonic() + PATIENCE_SECONDS
    for gid in gids:
        while gid not in statuses:
            try:
                txn = rng.choice(agency.nodes).coordinator.get(gid, wait="30s")
            except ApiError as error:
                if error.status == 404:
                    break
                if error.status != 503 or time.monotonic() > deadline:
                    raise
                continue
            if txn["status"] in ("COMMITTED", "ABORTED") or time.monotonic() > deadline:
                statuses[gid] = txn["status"]
    return statuses
