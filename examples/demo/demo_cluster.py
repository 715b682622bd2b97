"""Three coordinators on one PostgreSQL, which go and come back while travellers book."""

import http.client
import random
import signal
import threading
import time

from nodes import ApiError, ClusterAgency
from show import BOLD, GREEN, RED, RESET, defect, note, title

LEASE_SECONDS = 3


class Travellers:
    """They book at whichever coordinator answers, and again if none does."""

    def __init__(self, agency):
        self.agency, self.ending, self.lock = agency, threading.Event(), threading.Lock()
        self.told = {}  # gid -> status
        self.threads = [threading.Thread(target=self.book, args=(n,)) for n in range(4)]
        for thread in self.threads:
            thread.start()

    def book(self, n):
        rng, count = random.Random(n), 0
        while not self.ending.is_set():
            count += 1
            gid = f"traveller-{n}-{count}"
            data = {"traveller": gid, "city": f"City{count % 7}", "car": True}
            while gid not in self.told:
                try:
                    node = rng.choice(self.agency.nodes)
                    txn = node.coordinator.submit("travel-booking", data, gid=gid, wait="20s")
                    if txn["status"] in ("COMMITTED", "ABORTED"):
                        with self.lock:
                            self.told[gid] = txn["status"]
                except (ApiError, OSError, http.client.HTTPException):
                    time.sleep(0.05)

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def driven_elsewhere_after(agency, victim, action):
    """Seconds from `action`, by which the node goes, until all its shards are others'."""
    owner = victim.id()
    begin = time.monotonic()
    action()
    while True:
        shares = agency.shares()
        if owner not in shares and sum(shares.values()) == 64:
            return time.monotonic() - begin
        time.sleep(0.01)


def shards(agency):
    return ", ".join(f"{owner[:6]} has {count}" for owner, count in agency.shares().items())


def play(build, folder, secure):
    """Bookings go on while coordinators, and their database, go and come back."""
    agency = ClusterAgency(build, folder=folder, arguments=("--lease", f"{LEASE_SECONDS}s"), secure=secure)
    with agency:
        agency.services["hotels"].control(capacity=10_000)
        print(f"{BOLD}Three coordinators share one PostgreSQL; four travellers book at whichever answers.{RESET}")
        note(f"a coordinator keeps what it drives for {LEASE_SECONDS} s after it was last heard of (--lease)")
        travellers = Travellers(agency)
        try:
            faults(agency)
            time.sleep(1)
        finally:
            travellers.end()
        prove(agency, travellers.told)
        yield agency, ["build/entente nodes"]


def faults(agency):
    time.sleep(2)
    note(f"of 64 shards, {shards(agency)}")
    title(1, "kill -9 of a coordinator")
    seconds = driven_elsewhere_after(agency, agency.nodes[1], agency.nodes[1].kill)
    print(f"   all that it drove is driven by the others after {seconds:.1f} s: {shards(agency)}")
    agency.nodes[1].start()
    agency.wait_until_shared()
    print(f"   started again, it has its share: {shards(agency)}")

    title(2, "A coordinator stands still for longer than its lease, and goes on")
    victim = agency.nodes[2]
    seconds = driven_elsewhere_after(agency, victim, victim.pause)
    print(f"   SIGSTOP: driven by the others after {seconds:.1f} s")
    time.sleep(1)
    victim.resume()
    agency.wait_until_shared()
    print("   SIGCONT: it finds its leases over, does nothing more under them, and gets its share anew")

    title(3, "The database is restarted")
    begin = time.monotonic()
    agency.server.stop()
    agency.server.start()
    agency.wait_until_shared()
    print(f"   everything is driven again after {time.monotonic() - begin:.1f} s")

    title(4, "A coordinator is stopped properly (SIGTERM)")
    victim = agency.nodes[2]
    seconds = driven_elsewhere_after(agency, victim, lambda: victim.process.popen.send_signal(signal.SIGTERM))
    victim.stop()
    print(f"   driven by the others after {seconds:.2f} s: {shards(agency)}")


def prove(agency, told):
    """Whether the services hold exactly what the travellers were told."""
    title(5, "The services' own ledgers against what the travellers were told")
    wrong = 0
    for name, service in agency.services.items():
        held = {}
        for row in service.ledger():
            held[row["gid"]] = held.get(row["gid"], 0) + row["amount"]
        bad = [gid for gid, status in told.items() if (held.get(gid, 0) > 0) != (status == "COMMITTED")]
        bad += [gid for gid, amount in held.items() if amount != 0 and gid not in told]
        wrong += len(bad)
        verdict = f"{GREEN}ok{RESET}" if not bad else f"{RED}WRONG: {bad[:3]}{RESET}"
        print(f"   {name:<10}{sum(amount > 0 for amount in held.values()):>6} held now  {verdict}")
    booked = sum(status == "COMMITTED" for status in told.values())
    print(f"   {len(told)} trips, {booked} of them booked, {len(told) - booked} undone.")
    if wrong:
        defect(f"{wrong} entries are wrong")
