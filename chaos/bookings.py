"""The ordinary load: bookings that must end rightly whatever else goes on."""

import http.client
import random
import threading
import time
import zlib

from agency import ApiError

CLIENTS = 6
PAUSE_SECONDS = 0.15  # Of each client between two bookings: the load is steady, not a benchmark.
REFUSAL_SECONDS = 1.0  # After which a submit without an answer is not taken for a refused one.
TRY_AGAIN = (408, 429, 500, 502, 503)


class Bookings:
    """Clients that submit, repeat with the same gid what was not answered, and remember what they were told."""

    def __init__(self, town, seed):
        self.town = town
        self.seed = seed
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.attempted = set()
        self.acknowledged = set()
        self.seen = {}
        self.failures = []
        self.refused = {}
        self.answers = []  # (begun, answered, whether it was accepted) of each submit that was answered.
        self.asking = {}  # gid -> since when its submit waits for an answer.
        self.threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(CLIENTS)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, client):
        rng = random.Random(f"{self.seed}/{client}")
        count = 0
        while not self.stop.is_set():
            gid = f"booking-{client}-{count}"
            count += 1
            with self.lock:
                self.attempted.add(gid)
            self._submit_until_told(gid, rng.choice([None, "300ms", "5s"]))
            if rng.random() < 0.1:
                self._cancel(gid)
            time.sleep(PAUSE_SECONDS)

    def _submit_until_told(self, gid, wait):
        data = {"traveller": gid, "city": f"City{zlib.crc32(gid.encode()) % 7}", "car": True}
        while True:
            begun = time.monotonic()
            with self.lock:
                self.asking[gid] = begun
            try:
                txn = self.town.coordinator.submit("travel-booking", data, gid=gid, wait=wait)
                with self.lock:
                    self.answers.append((begun, time.monotonic(), True))
                    self.acknowledged.add(gid)
                    self.seen.setdefault(gid, []).append(txn["status"])
                return
            except ApiError as error:
                with self.lock:
                    self.answers.append((begun, time.monotonic(), False))
                    self.refused[error.status] = self.refused.get(error.status, 0) + 1
                    if error.status not in TRY_AGAIN:
                        self.failures.append(f"the submit of {gid} was answered {error}")
                        return
            except (OSError, http.client.HTTPException):
                pass  # Whether it was accepted is unknown: the same gid again.
            finally:
                with self.lock:
                    del self.asking[gid]
            if self.stop.is_set():
                return
            time.sleep(0.2)

    def refused_throughout(self, begin, end):
        """Whether several submits were refused in that time, and none was accepted as far as can be told.

        One that waits for its end is answered long after it was accepted, where a refusal is told at once."""
        with self.lock:
            refused = sum(1 for _, at, accepted in self.answers if not accepted and begin <= at <= end)
            accepted = any(accepted and begun <= end and at >= begin for begun, at, accepted in self.answers)
            waits = any(since <= end - REFUSAL_SECONDS for since in self.asking.values())
        return refused >= 3 and not accepted and not waits

    def _cancel(self, gid):
        """Once: whether it was heard is left open, and so is whether it came in time."""
        try:
            self.town.coordinator.http.call("POST", f"/v1/transactions/{gid}:cancel", {"reason": "changed my mind"})
        except (ApiError, OSError, http.client.HTTPException):
            pass

    def settle(self, seconds):
        """Asks for the end of everything attempted: gid -> status."""
        statuses = {}
        deadline = time.monotonic() + seconds
        for gid in sorted(self.attempted):
            while gid not in statuses:
                try:
                    txn = self.town.coordinator.get(gid, wait="20s")
                except ApiError as error:
                    if error.status == 404:
                        break
                    if error.status not in TRY_AGAIN or time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
                    continue
                except (OSError, http.client.HTTPException):
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
                    continue
                if txn["status"] in ("COMMITTED", "ABORTED") or time.monotonic() > deadline:
                    statuses[gid] = txn["status"]
        return statuses
