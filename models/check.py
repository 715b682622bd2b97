#!/usr/bin/env python3
"""Proves the models with SPIN, then breaks one rule at a time and demands that each break is found."""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
COMMON = ("NO_FENCE", "NO_SUSPENSION", "NULL_UNDO_LEAVES_NO_ROW")
MUTANTS = {
    "saga": (*COMMON, "UNKNOWN_IS_FAILED", "UNDO_IN_FORWARD_ORDER", "ENDS_BEFORE_UNDONE", "SEND_BEFORE_WRITE"),
    "tcc": (*COMMON, "UNKNOWN_IS_FAILED", "CONFIRM_BEFORE_DECISION", "CANCEL_BEFORE_DECISION", "DECIDES_ON_ONE",
            "ENDS_BEFORE_CONFIRMED"),
    "twopc": (*COMMON, "PRESUMED_COMMIT", "COMMITS_ON_ONE_VOTE", "COMMIT_BEFORE_DECISION", "FORGETS_BEFORE_ACKS",
              "IN_DOUBT_GIVES_UP"),
}
SUMMARY = re.compile(r"errors: (\d+)")
STATES = re.compile(r"([0-9.e+]+) states, stored")


def run(model, claim, defines=(), fair=False):
    """How many errors, and in how many states."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for file in (*HERE.glob("*.inc"), HERE / f"{model}.pml"):
            (folder / file.name).write_text(file.read_text())
        subprocess.run(["spin", "-a", *(f"-D{d}" for d in defines), f"{model}.pml"], cwd=folder, check=True,
                       capture_output=True)
        # Many processes: fairness counts them, and two bits more than it needs by default.
        subprocess.run(["gcc", "-w", "-O1", "-DNFAIR=4", "-o", "pan", "pan.c"], cwd=folder, check=True)
        result = subprocess.run(["./pan", "-a", *(["-f"] if fair else []), "-m1000000", "-w24", "-N", claim], cwd=folder,
                                capture_output=True, text=True)
        text = result.stdout + result.stderr
        errors, states = SUMMARY.search(text), STATES.search(text)
        if not errors or not states or "max search depth too small" in text:
            raise SystemExit(f"{model} {claim} {defines}: not searched to its end:\n{text}")
        return int(errors[1]), float(states[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3, help="take-overs and crashes in one run of the protocol")
    arguments = parser.parse_args()
    wrong, caught, planted = [], 0, 0
    for model, mutants in MUTANTS.items():
        begin = time.monotonic()
        errors, states = run(model, "all_or_nothing", [f"EPOCHS={arguments.epochs}", "PROVES_CELLS"])
        if errors:
            wrong.append(f"{model}: an invariant does not hold")
        stuck, live = run(model, "ends", ["EPOCHS=2"], fair=True)
        if stuck:
            wrong.append(f"{model}: it does not always come to an end")
        print(f"{model}: safe in {states:.0f} states, comes to an end in {live:.0f}, {time.monotonic() - begin:.1f} s", flush=True)
        for mutant in mutants:
            planted += 1
            errors, states = run(model, "all_or_nothing", [f"EPOCHS={arguments.epochs}", mutant])
            if not errors:  # Nothing wrong happens, perhaps because nothing happens any more.
                errors, states = run(model, "ends", ["EPOCHS=2", mutant], fair=True)
            if errors:
                caught += 1
                print(f"  {mutant}: found after {states:.0f} states")
            else:
                wrong.append(f"{model}: {mutant} was not found")
    print(f"{caught} of {planted} planted mistakes found")
    for one in wrong:
        print("WRONG", one)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
