#!/usr/bin/env python3
"""Which lines and branches of the program its tests take, by folder, from what gcov counted.

    coverage.py BUILD [--folders engine,dsl] [--list]

BUILD was configured with -DENTENTE_COVERAGE=ON, and its tests have been run. Branches that only an exception takes are
left out: the compiler makes one of every call. `--list` names what was never taken, as file:line.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = "engine,dsl,storage,runtime"
AT_ONCE = 16  # Objects that one gcov reads.


def objects_of(build, folders):
    found = [path for folder in folders for path in sorted((build / folder).rglob("*.gcda"))]
    if not found:
        sys.exit(f"coverage.py: nothing was counted in {build} for {', '.join(folders)}: run the tests there first")
    return found


def counts_of(build, folders):
    """(lines, branches): {(file, line[, function, place]): how often}. A header counts once, wherever it is compiled."""
    lines, branches = collections.Counter(), collections.Counter()
    objects = objects_of(build, folders)
    for first in range(0, len(objects), AT_ONCE):
        done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *objects[first:first + AT_ONCE]],
                              cwd=build, capture_output=True, text=True, check=True)
        for text in done.stdout.splitlines():
            for file in json.loads(text)["files"]:
                name = name_of(build, file["file"])
                if any(name.startswith(folder + "/") for folder in folders):
                    add(name, file["lines"], lines, branches)
    return lines, branches


def name_of(build, path):
    path = pathlib.Path(path)
    path = (path if path.is_absolute() else build / path).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def add(name, found, lines, branches):
    for line in found:
        lines[name, line["line_number"]] += line["count"]
        taken = [branch for branch in line["branches"] if not branch["throw"]]
        for place, branch in enumerate(taken):
            branches[name, line["line_number"], line.get("function_name", ""), place] += branch["count"]


def share(counter, folder):
    hits = [count > 0 for key, count in counter.items() if key[0].startswith(folder + "/")]
    return sum(hits), len(hits)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--folders", default=FOLDERS)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    folders = arguments.folders.split(",")
    lines, branches = counts_of(arguments.build, folders)
    for folder in folders:
        (line_hits, line_count), (branch_hits, branch_count) = share(lines, folder), share(branches, folder)
        print(f"{folder:22} lines {line_hits:6} of {line_count:6} ({100 * line_hits / max(line_count, 1):5.1f} %)   "
              f"branches {branch_hits:6} of {branch_count:6} ({100 * branch_hits / max(branch_count, 1):5.1f} %)")
    if arguments.list:
        missed = sorted({key[:2] for key, count in [*lines.items(), *branches.items()] if count == 0})
        print(*(f"{name}:{line}" for name, line in missed), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
