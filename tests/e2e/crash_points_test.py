#!/usr/bin/env python3
"""kill -9 at the coordinator's system calls, one after the other: each write, sync, truncation, rename, unlink and send.

A point is a call and its number: the coordinator is killed as one of its threads enters its n-th such call, before that
has any effect, which is also just after what came before it. Then it is started again, and every second time killed once
more on the way back. Whatever was acknowledged has to be there, every transaction has to end, as it was told if it was, and
the participant's ledger has to agree. A kind of call that was never reached fails the run.
"""

import argparse
import collections
import http.client
import itertools
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "chaos"), str(HERE.parents[1] / "examples" / "demo"),
                str(HERE.parent / "support")]

from agency import ApiError, Coordinator  # noqa: E402
from stage import Register  # noqa: E402

# What makes something durable, and what tells somebody of it.
DURABLE = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "rename")
SENDS = ("sendto",)
FREQUENT = 24  # Of a kind of call that comes more often, the first so many are points, then every `stride`-th.
MISSES = 2  # So many points in a row that are not reached end a kind.
WAIT = "20s"
ENDED = ("COMMITTED", "ABORTED")


class Killed(Exception):
    pass


class KilledAtPoint(Coordinator):
    """One that runs below strace, which kills it as a thread enters its `number`-th `call`."""

    def __init__(self, folder, build, point):
        call, number = point
        self.wrapper = folder / "traced"
        self.wrapper.write_text("#!/bin/sh\n"
                                'export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"\n'  # Leaks are looked for by tracing.
                                f"exec strace -D -f -qq -o /dev/null -e trace={call} "
                                f"-e inject={call}:signal=KILL:when={number} {build / 'entente'} \"$@\"\n")
        self.wrapper.chmod(0o755)
        try:
            super().__init__(folder, folder, {}, (), grpc="off", program="traced")
            self.started = True
        except RuntimeError:  # It died while it started.
            self.started = False


def definitions(url):
    participants = {"r": {"http": url, "timeout": "2s"}}
    put = {"put": "/registers/x/${key}", "body": {"refuse": False}}
    refused = {"put": "/registers/x/${key}", "body": {"refuse": "${input.refuse}"}}
    undo, finish = {"delete": "/registers/x/${key}"}, {"get": "/registers/x"}
    words = {"saga": ("action", "compensate"), "tcc": ("try", "cancel", "confirm"), "2pc": ("prepare", "rollback", "commit")}
    for mode, names in words.items():
        steps = [{"id": step, "participant": "r", **dict(zip(names, (forward, undo, finish)))}
                 for step, forward in (("a", put), ("b", refused))]
        yield {"name": mode, "mode": mode, "participants": participants, "steps": steps}
    child = {"transaction": {"definition": "tcc", "input": {"refuse": False}}}
    yield {"name": "family", "mode": "saga", "participants": participants, "steps": [
        {"id": "kid", "action": child, "compensate": None}, {"id": "b", "participant": "r", "action": put, "compensate": undo}]}
    child = {"transaction": {"definition": "saga", "input": {"refuse": False}}}
    yield {"name": "held", "mode": "saga", "participants": participants, "steps": [
        {"id": "kid", "action": child, "compensate": "child"},
        {"id": "b", "participant": "r", "action": refused, "compensate": undo}]}


ORDERS = [("saga", False), ("saga", True), ("tcc", False), ("tcc", True), ("2pc", False), ("family", False),
          ("held", False), ("held", True)]


class Story:
    """One point: a fresh store, the orders, the kill, the way back, and what is left of it."""

    def __init__(self, runner, point):
        self.runner, self.point = runner, point
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-point-"))
        self.name = f"{point[0]}-{point[1]}-{runner.count}"
        self.acknowledged, self.told = set(), {}

    def gids(self):
        return {f"{self.name}-{mode}-{'no' if refuse else 'yes'}": (mode, refuse) for mode, refuse in ORDERS}

    def ask(self, coordinator):
        """Puts the definitions and everything in, and waits for its end. Raises Killed."""
        try:
            for document in self.runner.definitions:
                coordinator.put_definition(document)
            for gid, (mode, refuse) in self.gids().items():
                txn = coordinator.submit(mode, {"refuse": refuse}, gid=gid, wait=WAIT)
                self.acknowledged.add(gid)
                self.hear(gid, txn["status"])
        except (OSError, http.client.HTTPException) as error:
            raise Killed from error

    def hear(self, gid, status):
        if status in ENDED and self.told.setdefault(gid, status) != status:
            self.runner.wrong(f"{self.point}: {gid} was told to be {self.told[gid]}, and then {status}")

    def run_until_killed(self, point):
        """Whether the point was reached."""
        coordinator = KilledAtPoint(self.folder, self.runner.build, point)
        if coordinator.started:
            try:
                self.ask(coordinator)
            except Killed:
                pass
        code = coordinator.process.stop(signal.SIGTERM)
        if code not in (0, -signal.SIGKILL):
            self.runner.wrong(f"{self.point}: the coordinator ended with code {code}")
        return code == -signal.SIGKILL

    def play(self, again):
        """Whether the point was reached. `again`: killed at that point of the way back too, where it is reached."""
        try:
            reached = self.run_until_killed(self.point)
            if reached and again is not None:
                self.runner.again += self.run_until_killed(again)
            self.come_back()
            return reached
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def come_back(self):
        coordinator = Coordinator(self.runner.build, self.folder, {}, grpc="off")
        try:
            for gid in self.acknowledged:
                try:
                    self.hear(gid, coordinator.get(gid, wait=WAIT)["status"])
                except ApiError as error:
                    self.runner.wrong(f"{self.point}: {gid} was acknowledged and is answered {error}")
            self.ask(coordinator)
            for gid, (_, refuse) in self.gids().items():
                if self.told.get(gid) != ("ABORTED" if refuse else "COMMITTED"):
                    self.runner.wrong(f"{self.point}: {gid} is {self.told.get(gid)}")
        except Killed as error:
            self.runner.wrong(f"{self.point}: the coordinator that came back is gone: {error.__cause__}")
        finally:
            coordinator.process.stop()


class Runner:
    def __init__(self, build, stride):
        self.build, self.stride = pathlib.Path(build).resolve(), stride
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-points-"))
        self.register = Register(self.folder, None)
        self.definitions = list(definitions(f"http://127.0.0.1:{self.register.port}"))
        self.violations = []
        self.reached, self.again, self.count, self.orders = collections.Counter(), 0, 0, {}

    def wrong(self, text):
        self.violations.append(text)

    def numbers(self):
        yield from range(1, FREQUENT + 1)
        yield from itertools.count(FREQUENT + self.stride, self.stride)

    def kill_at_each(self, call):
        misses = 0
        for number in self.numbers():
            self.count += 1
            story = Story(self, (call, number))
            again = (DURABLE[self.count // 2 % 2], 1 + self.count % 11) if self.count % 2 else None
            reached = story.play(again)
            self.orders.update(story.gids())
            self.reached[call] += reached
            misses = 0 if reached else misses + 1
            if misses == MISSES:
                break
        if self.reached[call] == 0:
            self.wrong(f"{call} was never reached: it is no point of this program any more")

    def check_ledger(self):
        amounts, commands = collections.Counter(), collections.Counter()
        for row in self.register.ledger():
            amounts[row["gid"].split("~")[0]] += row["amount"]
            commands[row["gid"], row["branch"], row["operation"], row["key"]] += 1
        for command, count in commands.items():
            if count > 1:
                self.wrong(f"I5: {command} was carried out {count} times")
        for gid, (mode, refuse) in self.orders.items():
            wanted = 0 if refuse else 3 if mode in ("family", "held") else 2
            if amounts[gid] != wanted:
                self.wrong(f"I1: {gid} left {amounts[gid]} entries, not {wanted}")

    def close(self):
        self.register.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def may_trace():
    strace = shutil.which("strace")
    return strace and subprocess.run([strace, "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--stride", type=int, default=8, help="between the points of a call that comes often; 1: each of them")
    parser.add_argument("--calls", help="only these, separated by commas")
    arguments = parser.parse_args()
    if not may_trace():
        print("left out: there is no strace, or it may not trace here")
        return 0
    runner = Runner(arguments.build, arguments.stride)
    begin = time.monotonic()
    try:
        calls = arguments.calls.split(",") if arguments.calls else [*DURABLE, *SENDS]
        for call in calls:
            runner.kill_at_each(call)
            print(f"{call}: killed at {runner.reached[call]} points", flush=True)
        runner.check_ledger()
    finally:
        runner.close()
    print(f"{sum(runner.reached.values())} kills, {runner.again} more on the way back, {len(runner.orders)} transactions, "
          f"{time.monotonic() - begin:.0f} s")
    for violation in runner.violations[:50]:
        print("VIOLATION", violation)
    return 1 if runner.violations else 0


if __name__ == "__main__":
    sys.exit(main())
