#!/usr/bin/env python3
"""Mutation testing: changes the product in small ways, one at a time, and counts who notices.

mutate.py --build BUILD [--sample N] [--seed S] [--folder NAME ...] [FILE ...]

The sample is spread over the folders below, each with the programs that have to notice. All mutants of a folder are compiled at once,
each behind a switch that ENTENTE_MUTANT chooses, and linked in front of the libraries into those programs. So a sample costs one
compilation of its files, however large it is. Each test case is run once to see which mutants it comes through; then each mutant lives in
the cases that come through it, the shortest first, until one fails or does not end.

Prints every survivor, which somebody has to judge, and a table. A change that means the same can not be noticed: those are in
equivalent.json, each with its reason, and do not count. An entry that fits no mutant, or one that was noticed, is a failure.

What is changed: a comparison into its neighbour, `&&` into `||`, a negation dropped, a small number by one, a
condition inverted, a call whose result nobody uses left out.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

import changes
from programs import Programs

ROOT = pathlib.Path(__file__).resolve().parents[2]
EQUIVALENT = pathlib.Path(__file__).resolve().parent / "equivalent.json"
SIMULATION = "simulation_tests"
NOT_THE_PRODUCT = {"engine/core/invariants.cpp"}  # What only tests ask: a check that is weaker fails nowhere.
SEEDS = ((1, 50), (51, 250))  # The simulation's, as cases: the first of them and how many.


@dataclasses.dataclass
class Folder:
    name: str
    share: int  # Of the sample, per cent.
    files: list
    programs: list


FOLDERS = [
    Folder("engine", 30, ["engine/*.cpp", "engine/*/*.cpp"], ["test_engine", SIMULATION]),
    Folder("runtime", 25, ["runtime/*.cpp", "runtime/*/*.cpp"], ["test_runtime", SIMULATION]),
    Folder("storage", 20, ["storage/codec.cpp", "storage/journal*.cpp", "storage/list_order.cpp", "storage/summary_filter.cpp",
                           "storage/open.cpp", "storage/memory/*.cpp", "storage/sqlite/*.cpp", "storage/sqlite/files/*.cpp"],
           ["test_storage"]),
    Folder("participants", 15, ["coordinator/participants/*.cpp"], ["test_participants"]),
    Folder("barrier", 10, ["participant-sdk/src/core/barrier_rules.cpp", "participant-sdk/src/core/call.cpp",
                           "participant-sdk/src/sqlite/sqlite_barrier.cpp", "participant-sdk/src/sqlite/sqlite_support.cpp"],
           ["test_sdk_rules", "test_sdk_sqlite"]),
]


@dataclasses.dataclass
class Case:
    name: str
    command: list
    seconds: float = 0
    reached: frozenset = frozenset()

    def run(self, build: pathlib.Path, timeout: float, **environment) -> bool:
        """False: it failed, did not end, or was no case at all."""
        with tempfile.TemporaryFile() as output:  # Not a pipe, which a process that it left behind would hold open.
            try:
                done = subprocess.run(self.command, env=dict(os.environ, **environment), cwd=build, stdout=output,
                                      stderr=subprocess.DEVNULL, timeout=timeout, check=False)
            except subprocess.TimeoutExpired:
                return False
            output.seek(0)
            return done.returncode == 0 and b"No tests ran" not in output.read()

    def fails_with(self, build: pathlib.Path, number: int) -> bool:
        return not self.run(build, max(20, 10 * self.seconds), ENTENTE_MUTANT=str(number))


def cases_of(program: str, out: pathlib.Path) -> list:
    path = str(out / program)
    if program == SIMULATION:
        return [Case(f"{program} from {first}", [path, "--first", str(first), "--seeds", str(count), "--stop-after", "1", "--shrink", "0"])
                for first, count in SEEDS]
    # Catch2 2 and 3: names alone, one a line.
    listed = subprocess.run([path, "--list-test-names-only"], capture_output=True, text=True, check=False)
    if listed.returncode == 0 and not listed.stdout:
        listed = subprocess.run([path, "--list-tests", "--verbosity", "quiet"], capture_output=True, text=True, check=True)
    names = [line.strip() for line in listed.stdout.split("\n") if line.strip()]
    return [Case(f"{program} '{name}'", [path, re.sub(r"([\\,\[\]*])", r"\\\1", name), "--abort"]) for name in names]


def see_what_they_reach(cases: list, build: pathlib.Path, out: pathlib.Path, count: int) -> None:
    """Runs each case without any mutant."""
    marks = out / "reached"
    for case in cases:
        marks.write_bytes(bytes(count))
        begin = time.monotonic()
        if not case.run(build, 600, ENTENTE_MUTANT="-1", ENTENTE_MUTANTS_REACHED=str(marks)):
            sys.exit(f"mutate.py: {case.name} fails without any mutant")
        case.seconds = time.monotonic() - begin
        case.reached = frozenset(n for n, mark in enumerate(marks.read_bytes()) if mark)
    cases.sort(key=lambda case: case.seconds)


def expand(patterns: list) -> list:
    return sorted({str(file.relative_to(ROOT)) for pattern in patterns for file in ROOT.glob(pattern)})


def all_mutants(files: list) -> list:
    return [mutant for path in files for mutant in changes.mutants_of(path, changes.read(ROOT, path))]


def choose(folder, only: list, sample: int, seed: int) -> dict:
    """The folder's part of the sample, numbered."""
    wanted = set(expand(only))
    everything = all_mutants([path for path in expand(folder.files)
                              if path not in NOT_THE_PRODUCT and (not only or path in wanted)])
    random.Random(seed).shuffle(everything)
    chosen = enumerate(everything[:round(sample * folder.share / 100)])
    return {number: mutant for number, mutant in chosen if mutant.expression != "true"}  # After a loop without an end there is nothing.


class Equivalents:
    """What means the same, by its file, code and change."""

    def __init__(self):
        self.entries = json.loads(EQUIVALENT.read_text())

    @staticmethod
    def key(mutant) -> tuple:
        return mutant.path, mutant.expression.strip(), mutant.what

    def reason(self, mutant) -> str:
        return next((one["reason"] for one in self.entries if (one["file"], one["code"], one["change"]) == self.key(mutant)), "")

    def lost(self) -> list:
        """The entries that fit no mutant of the tree any more."""
        there = {self.key(mutant) for mutant in all_mutants(sorted({one["file"] for one in self.entries if (ROOT / one["file"]).exists()}))}
        return [one for one in self.entries if (one["file"], one["code"], one["change"]) not in there]


def described(mutant) -> str:
    return f"{mutant.path}:{mutant.line + 1}: {mutant.what}: {mutant.expression.strip()}"


class Tally:
    """What became of the mutants."""

    def __init__(self, seed: int):
        self.seed = seed
        self.of: dict = {}
        self.wrong: list = []

    def add(self, folder, mutant, noticed_by: str, reached: bool, reason: str) -> None:
        counts = self.of.setdefault(folder.name, {"noticed": 0, "equivalent": 0, "survived": 0})
        if noticed_by and reason:
            self.wrong.append(f"NOT THE SAME {described(mutant)}  by {noticed_by}; see {EQUIVALENT.name}")
        if noticed_by:
            counts["noticed"] += 1
            print(f"noticed    {described(mutant)}  by {noticed_by}", flush=True)
        elif reason:
            counts["equivalent"] += 1
            print(f"equivalent {described(mutant)}  since {reason}", flush=True)
        else:
            counts["survived"] += 1
            print(f"SURVIVED   {described(mutant)}{'' if reached else '  and no test comes there'}", flush=True)

    def finish(self) -> float:
        """Prints the table; the score of all in per cent."""
        print("\n| folder | mutants | noticed | equivalent | survived | score | seed |\n|---|---|---|---|---|---|---|")
        for name, counts in self.of.items():
            self.row(name, counts)
        total = {key: sum(counts[key] for counts in self.of.values()) for key in ("noticed", "equivalent", "survived")}
        score = self.row("all", total)
        for line in self.wrong:
            print(line)
        print(f"{total['noticed']} of {total['noticed'] + total['survived']} mutants noticed ({score:.1f} %), "
              f"{total['equivalent']} more mean the same")
        return score

    def row(self, name: str, counts: dict) -> float:
        score = 100 * counts["noticed"] / max(counts["noticed"] + counts["survived"], 1)
        print(f"| {name} | {sum(counts.values())} | {counts['noticed']} | {counts['equivalent']} | {counts['survived']} | {score:.1f} % "
              f"| {self.seed} |")
        return score


def judge(folder, mutant, number: int, cases: list, build: pathlib.Path, equivalents, tally) -> None:
    through = [case for case in cases if number in case.reached]
    noticed_by = next((case.name for case in through if case.fails_with(build, number)), "")
    tally.add(folder, mutant, noticed_by, bool(through), equivalents.reason(mutant))


def judge_folder(folder, mutants: dict, build: pathlib.Path, equivalents, tally) -> None:
    out = build / "mutate" / folder.name
    out.mkdir(parents=True, exist_ok=True)
    programs = Programs(ROOT, build, out)
    left_out = programs.compile(mutants)
    print(f"{folder.name}: {len(mutants)} mutants, {len(left_out)} of them do not compile and are left out", flush=True)
    cases = []
    for program in folder.programs:
        programs.link(program)
        cases += cases_of(program, out)
    see_what_they_reach(cases, build, out, max(mutants) + 1)
    for number, mutant in mutants.items():
        if number not in left_out:
            judge(folder, mutant, number, cases, build, equivalents, tally)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, help="where the tests' programs have been built")
    parser.add_argument("--sample", type=int, default=250, help="mutants, over all folders; with --folder those of it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", action="append", choices=[folder.name for folder in FOLDERS], help="only this one")
    parser.add_argument("--at-least", type=float, default=0, metavar="PERCENT", help="fail when fewer are noticed")
    parser.add_argument("files", nargs="*", help="patterns: only these files")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    equivalents, tally = Equivalents(), Tally(arguments.seed)
    tally.wrong += [f"FITS NOTHING {one['file']}: {one['change']}: {one['code']}; see {EQUIVALENT.name}" for one in equivalents.lost()]
    for folder in FOLDERS:
        mutants = choose(folder, arguments.files, arguments.sample, arguments.seed)
        if mutants and (not arguments.folder or folder.name in arguments.folder):
            judge_folder(folder, mutants, build, equivalents, tally)
    score = tally.finish()
    return 0 if score >= arguments.at_least and not tally.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
