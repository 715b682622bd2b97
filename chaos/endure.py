#!/usr/bin/env python3
"""Bookings go on while hostile input, exhaustion and faults come and go. At the end the services' ledgers must agree with
the coordinator, and on the way memory must stay below its bound and the health pages must have told the truth."""

import argparse
import json
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "chaos"), str(ROOT / "examples" / "demo"), str(ROOT / "tests" / "e2e")]

from agency import Agency, Coordinator  # noqa: E402
from bookings import Bookings  # noqa: E402
from checker import check  # noqa: E402
from hostile import HostileParticipant, Submits  # noqa: E402
from phases import ALL, ANY, GREEN, TRUE, TRUTH_SECONDS, Calm, Disk  # noqa: E402
from watch import Watch  # noqa: E402

PHASE_SECONDS = (15, 35)
HEAL_SECONDS = 30  # At most, from the end of a trouble until health is green again.
SETTLE_SECONDS = 300
MIB = 1 << 20


class Town(Agency):
    """The travel agency, with the coordinator's store on a disk of its own."""

    def __init__(self, build, folder, arguments=()):
        self.lock = threading.Lock()
        self.violations = []
        self.participant = HostileParticipant()
        self.disk = Disk(pathlib.Path(folder) / "store")
        self.submits = Submits(self.participant)
        super().__init__(build, folder, arguments)

    def start_coordinator(self, same_ports=False):
        http = f"127.0.0.1:{self.http_port}" if same_ports else "127.0.0.1:0"
        grpc = f"127.0.0.1:{self.coordinator.ports['grpc']}" if same_ports else "127.0.0.1:0"
        self.coordinator = Coordinator(self.build, self.disk.folder, self.env, self.arguments, http, grpc)
        self.http_port = self.coordinator.ports["http"]

    def close(self):
        super().close()
        self.participant.close()
        self.disk.close()


def judge(phase, samples, town, load):
    """Did health tell the truth while the trouble lasted?"""
    if phase.health == GREEN:
        wrong = [s for s in samples if not s.green]
        if wrong:
            town.violations.append(f"{phase.name}: {len(wrong)} of {len(samples)} looks at health were not green "
                                   f"(first: healthz {wrong[0].healthz}, readyz {wrong[0].readyz})")
    elif phase.health == TRUE:
        wrong = [s for s in samples if s.readyz == 200 and load.refused_throughout(s.at - TRUTH_SECONDS, s.at)]
        if wrong:
            town.violations.append(f"{phase.name}: ready in {len(wrong)} looks although every submit of the "
                                   f"{TRUTH_SECONDS} s before was refused")


def run_phase(phase, town, watch, load, seconds):
    begin = watch.enter(phase.name)
    process = town.coordinator.process.popen
    phase.run(town, seconds)
    samples = watch.since(begin)
    judge(phase, samples, town, load)
    phase.heal(town)
    watch.enter("healing")
    healed = watch.wait_green(HEAL_SECONDS)
    if healed is None:
        town.violations.append(f"{phase.name}: not healthy {HEAL_SECONDS} s after it was over")
    if not phase.kills and process.poll() is not None:
        town.violations.append(f"{phase.name}: the coordinator ended with code {process.poll()}")
        town.start_coordinator(same_ports=True)
    peak = max((s.rss for s in watch.since(begin)), default=0)
    health = {word: sum(1 for s in samples if pick(s)) for word, pick in (
        ("green", lambda s: s.green), ("not ready", lambda s: s.readyz == 503), ("no answer", lambda s: s.readyz is None))}
    print(f"{phase.name}: {seconds:.0f} s, {health['green']} green / {health['not ready']} not ready / "
          f"{health['no answer']} no answer, green again after {'-' if healed is None else f'{healed:.1f} s'}, "
          f"at most {peak / MIB:.0f} MiB; {phase.notes or ''}", flush=True)
    return {"phase": phase.name, "seconds": seconds, "health": health, "healed": healed, "rss": peak, "notes": phase.notes}


def rounds(rng, minutes):
    """Calm, then each trouble once in an order drawn anew, until the time is over."""
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        order = list(ALL)
        rng.shuffle(order)
        for kind in [Calm, *order]:
            if time.monotonic() >= end:
                return
            yield kind(random.Random(rng.getrandbits(64)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory-mib", type=int, default=1024, help="what the coordinator may hold at most")
    parser.add_argument("--report", type=pathlib.Path, help="where to write the figures as JSON")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-endure-"))
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes, logs in {folder}", flush=True)
    phases = []
    with Town(arguments.build, folder) as town:
        watch, load = Watch(town), Bookings(town, arguments.seed)
        watch.start()
        load.start()
        for phase in rounds(rng, arguments.minutes):
            phases.append(run_phase(phase, town, watch, load, rng.uniform(*PHASE_SECONDS)))
        watch.enter("settling")
        load.finish()
        statuses = load.settle(SETTLE_SECONDS)
        watch.finish()
        ledgers = {name: service.ledger() for name, service in town.services.items()}
        ours = {name: [r for r in rows if r["gid"].startswith("booking-")] for name, rows in ledgers.items()}
        violations = town.violations + load.failures + check(ours, statuses, load.acknowledged, load.seen)
        peak = max(sample.rss for sample in watch.samples)
        if peak > arguments.memory_mib * MIB:
            violations.append(f"memory: {peak / MIB:.0f} MiB, more than the bound of {arguments.memory_mib}")
    committed = sum(1 for s in statuses.values() if s == "COMMITTED")
    aborted = sum(1 for s in statuses.values() if s == "ABORTED")
    if not committed or not aborted:
        violations.append("the load did not come to both ends: nothing was shown")
    print(f"{len(phases)} phases, {len(load.attempted)} bookings attempted, {len(load.acknowledged)} acknowledged, "
          f"{committed} committed, {aborted} aborted, refused meanwhile {load.refused}, "
          f"{sum(map(len, ours.values()))} effects, at most {peak / MIB:.0f} MiB of {arguments.memory_mib}")
    for violation in violations[:50]:
        print("VIOLATION", violation)
    if arguments.report:
        arguments.report.write_text(json.dumps({"seed": arguments.seed, "phases": phases, "violations": violations,
                                                "committed": committed, "aborted": aborted, "rss": peak}, indent=1))
    if not violations:
        shutil.rmtree(folder, ignore_errors=True)
        print("everything held")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
