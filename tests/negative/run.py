#!/usr/bin/env python3
"""Lets each planted bug live once and asks its check whether it notices.

run.py BUILD [NAME ...]: prints what was caught and ends with failure unless all were. Each check is
first run without any bug, where it has to pass. --seeds N: at most so many of the simulation's.
"""
import os
import pathlib
import re
import subprocess
import sys

from bugs import BUGS, ENGINE, Bug

SEEDS = 2500  # The slowest bug is found at some 1 900.


def run(build: pathlib.Path, bug: Bug, seeds: int, name: str) -> tuple[int, str]:
    command = [str(build / bug.program), *bug.arguments]
    if bug.program == "planted_simulation":
        command += ["--seeds", str(seeds), "--stop-after", "1", "--shrink", "0"]
    environment = dict(os.environ, ENTENTE_PLANT=name)
    done = subprocess.run(command, env=environment, capture_output=True, text=True,
                          errors="replace", timeout=900, check=False)
    return done.returncode, done.stdout + done.stderr


def found_at(output: str) -> str:
    seed = re.search(r"^seed (\d+): (.*)$", output, re.M)
    if seed:
        return f"seed {seed.group(1)}: {seed.group(2)}"
    line = re.search(r"^.*(check failed|FAILED|failed).*$", output, re.M)
    return line.group(0).strip() if line else ""


def is_caught(bug: Bug, code: int, output: str) -> bool:
    return code != 0 and (re.search(bug.notices, output) is not None or "check failed" in output)


def main() -> int:
    arguments = sys.argv[1:]
    seeds = SEEDS
    if "--seeds" in arguments:
        at = arguments.index("--seeds")
        seeds = int(arguments[at + 1])
        del arguments[at:at + 2]
    build = pathlib.Path(arguments[0])
    bugs = [bug for bug in BUGS if len(arguments) == 1 or bug.name in arguments[1:]]
    sound: dict[tuple, bool] = {}
    caught = 0
    by_simulation = 0
    for bug in bugs:
        check = (bug.program, bug.arguments)
        if check not in sound:
            code, output = run(build, bug, 100, "none")
            sound[check] = code == 0
            if code != 0:
                print(f"without a bug: {' '.join((bug.program, *bug.arguments))} fails\n{output}")
        code, output = run(build, bug, seeds, bug.name)
        ok = sound[check] and is_caught(bug, code, output)
        caught += ok
        by_simulation += ok and bug in ENGINE
        print(f"{'caught' if ok else 'MISSED':7} {bug.name:36} {found_at(output)[:110]}", flush=True)
    engine = len([bug for bug in bugs if bug in ENGINE])
    lost = (build / "tests" / "negative" / "planted" / "lost").read_text().split()
    for name in lost:
        print(f"LOST    {name}: the code where it goes has changed; see bugs.py")
    print(f"caught {caught} of {len(bugs)} planted bugs; "
          f"of the engine's {engine} the simulation alone caught {by_simulation}")
    return 0 if caught == len(bugs) else 1


if __name__ == "__main__":
    sys.exit(main())
