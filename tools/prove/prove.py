#!/usr/bin/env python3
"""The long proof, in one command: seeds of the simulation, crash points, planted bugs, mutants, models, fuzzing, chaos on both
stores, soak. Two things go on at a time: the simulation on all processors at low priority, and the others one after the other.

Each part's output is OUT/PART.log. OUT/report.md and report.json have what was run, on which commit, and its figures; they are
written anew after each part, so that a run that is cut short says what it did. Parts that this commit has passed are not run
again (--again runs them)."""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS_AT_ONCE = 500  # A lot is played to its end when the time is over.
FIGURES = 12  # At most, of one part: the last ones.
MUTANTS_NOTICED = 95  # Per cent; fewer is a failure.


@dataclasses.dataclass
class Part:
    name: str
    shows: str
    command: list
    figures: str  # A pattern of the lines of its output that are worth keeping.
    minutes: float  # After which it has failed.


CHAOS_FIGURES = r"^(injected: .*|checked: .*|recovery: .*|  the slowest .*|VIOLATION.*|verdict: .*)$"


def parts_of(arguments):
    build, out = str(arguments.build), arguments.out
    python = sys.executable
    chaos = [python, str(ROOT / "chaos" / "run"), "--build", build, "--seed", str(arguments.seed), "--minutes"]
    each = arguments.chaos_minutes / 3
    return [
        Part("planted", "every planted bug is caught", [python, str(ROOT / "tests/negative/run.py"), build],
             r"^(MISSED.*|LOST.*|caught \d+ of .*)$", 60),
        Part("models", "the protocols' models hold, and their mutants do not", [python, str(ROOT / "models/check.py")],
             r"^(\w+: safe in .*|\d+ of \d+ planted mistakes found|WRONG.*)$", 30),
        Part("crash-points", "killed at every system call that writes, and again on the way back",
             [python, str(ROOT / "tests/e2e/crash_points_test.py"), "--build", build, "--stride", str(arguments.stride)],
             r"^(\d+ kills, .*|VIOLATION.*)$", 90),
        Part("mutants", "how many small changes to the product are noticed",
             [python, str(ROOT / "tools/mutate/mutate.py"), "--build", build, "--sample", str(arguments.mutants),
              "--at-least", str(MUTANTS_NOTICED)], r"^(SURVIVED.*|NOT THE SAME.*|FITS NOTHING.*|\| \w+ \| \d+ .*|\d+ of \d+ mutants noticed.*)$", 120),
        Part("fuzzing", "what bytes of strangers reach", [str(arguments.build / "entente-fuzz"), "--corpus",
             str(ROOT / "tests/fuzz/corpus"), "--seconds", str(arguments.fuzz_seconds)], r"^(\w+ +\d+ of the corpus, \d+ mutations)$", 90),
        Part("chaos-sqlite", "real processes and faults, one coordinator on SQLite",
             [*chaos, f"{each:g}", "--store", "sqlite"], CHAOS_FIGURES, each + 20),
        Part("chaos-postgres", "the same on PostgreSQL", [*chaos, f"{each:g}", "--store", "postgres"],
             CHAOS_FIGURES, each + 20),
        Part("chaos-cluster", "the same with three coordinators", [*chaos, f"{each:g}", "--store", "postgres", "--nodes", "3"],
             CHAOS_FIGURES, each + 20),
        Part("soak", "hours of load and trouble, and nothing grows",
             [python, str(ROOT / "chaos/soak.py"), "--build", build, "--seed", str(arguments.seed), "--minutes",
              f"{arguments.soak_minutes:g}", "--report", str(out / "soak.json"), "--picture", str(out / "soak.svg")],
             r"^(\d+ phases.*|VIOLATION.*|everything held.*)$", arguments.soak_minutes + 20),
    ]


class Report:
    def __init__(self, out, commit):
        self.out, self.commit = out, commit
        self.lock = threading.Lock()
        self.results = {}
        try:
            before = json.loads((out / "report.json").read_text())
        except (OSError, ValueError):
            return
        if before["commit"] == commit:
            self.results = before["results"]

    def passed(self, name):
        return self.results.get(name, {}).get("passed", False)

    def add(self, name, shows, passed, seconds, figures):
        with self.lock:
            self.results[name] = {"shows": shows, "passed": passed, "seconds": round(seconds), "figures": figures}
            (self.out / "report.json").write_text(json.dumps({"commit": self.commit, "results": self.results}, indent=1))
            lines = [f"# What was run on {self.commit}", "", "| part | shows | result | minutes | figures |", "|---|---|---|---|---|"]
            lines += [f"| {name} | {one['shows']} | {'passed' if one['passed'] else '**failed**'} | {one['seconds'] / 60:.1f} | "
                      f"{'; '.join(one['figures']) or '-'} |" for name, one in self.results.items()]
            (self.out / "report.md").write_text("\n".join(lines) + "\n")
            print(f"{name}: {'passed' if passed else 'FAILED'} after {seconds / 60:.1f} min; {'; '.join(figures)}", flush=True)


def figures_in(text, pattern):
    found = [" ".join(match[0].split()).replace("|", "/") for match in re.finditer(pattern, text, re.MULTILINE)]
    return found[-FIGURES:]


def run_part(part, report):
    begin = time.monotonic()
    log = report.out / f"{part.name}.log"
    with open(log, "wb") as out:
        try:
            code = subprocess.run(part.command, stdout=out, stderr=subprocess.STDOUT, timeout=part.minutes * 60, check=False,
                                  cwd=ROOT).returncode
        except subprocess.TimeoutExpired:
            code = None
    text = log.read_text(errors="replace")
    figures = figures_in(text, part.figures)
    if code is None:
        figures.append(f"ended after {part.minutes:g} minutes")
    report.add(part.name, part.shows, code == 0, time.monotonic() - begin, figures)


def run_seeds(arguments, report, stop):
    """In lots, one process for each processor, until all are played or there is no time left."""
    begin = time.monotonic()
    lots = iter(range(arguments.first, arguments.first + arguments.seeds, SEEDS_AT_ONCE))
    lock, failed, played = threading.Lock(), [], [0]
    log = report.out / "simulation.log"
    log.write_text("")

    def work():
        while not stop.is_set():
            with lock:
                first = next(lots, None)
            if first is None:
                return
            count = min(SEEDS_AT_ONCE, arguments.first + arguments.seeds - first)
            done = subprocess.run(["nice", "-n", "10", str(arguments.build / "simulation_tests"), "--first", str(first), "--seeds",
                                   str(count)], capture_output=True, text=True, errors="replace", check=False)
            with lock, open(log, "a") as out:
                played[0] += count
                if done.returncode != 0:
                    failed.append(first)
                    out.write(f"seeds from {first}:\n{done.stdout}{done.stderr}\n")

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in range(os.cpu_count()):
            pool.submit(work)
    figures = [f"{played[0]} seeds from {arguments.first}", f"{len(failed)} lots with a violation"]
    if played[0] < arguments.seeds:
        figures.append(f"of {arguments.seeds} that were asked for; there was no time for the others")
    report.add("simulation", "whole coordinators in a world of dice", not failed and played[0] >= arguments.seeds,
               time.monotonic() - begin, figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "prove", help="where logs and the report go")
    parser.add_argument("--minutes", type=float, default=180, help="after which no more seeds are begun")
    parser.add_argument("--seeds", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--seed", type=int, default=1, help="of chaos and soak")
    parser.add_argument("--chaos-minutes", type=float, default=60, help="over the three kinds of store")
    parser.add_argument("--soak-minutes", type=float, default=90)
    parser.add_argument("--fuzz-seconds", type=int, default=60, help="for each target")
    parser.add_argument("--mutants", type=int, default=250, help="over all folders that tools/mutate knows")
    parser.add_argument("--stride", type=int, default=1, help="between crash points of a call that comes often")
    parser.add_argument("--only", default="", help="parts, separated by commas: simulation, planted, models, crash-points, "
                                                   "mutants, fuzzing, chaos-sqlite, chaos-postgres, chaos-cluster, soak")
    parser.add_argument("--again", action="store_true", help="also what this commit has passed")
    arguments = parser.parse_args()
    arguments.build, arguments.out = arguments.build.resolve(), arguments.out.resolve()
    parts = parts_of(arguments)
    only = set(filter(None, arguments.only.split(",")))
    unknown = only - {"simulation"} - {part.name for part in parts}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
                            check=False).stdout.strip() or "unknown"
    report = Report(arguments.out, commit)

    def wanted(name):
        return (not only or name in only) and (arguments.again or not report.passed(name))

    stop = threading.Event()
    clock = threading.Timer(arguments.minutes * 60, stop.set)
    clock.daemon = True
    clock.start()
    seeds = threading.Thread(target=run_seeds, args=(arguments, report, stop))
    if wanted("simulation"):
        seeds.start()
    for part in parts:
        if wanted(part.name):
            run_part(part, report)
    if seeds.ident is not None:
        seeds.join()
    failed = [name for name, one in report.results.items() if not one["passed"] and (not only or name in only)]
    print(f"the report is {arguments.out / 'report.md'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
