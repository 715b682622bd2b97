#!/usr/bin/env python3
"""Checks the source text: formatting, layers, purity, and a short clang-tidy list."""

import argparse
import ast
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import layers  # noqa: E402

# What a pure folder must not touch: it computes with what it is handed.
PURE_FOLDERS = ("base", "dsl", "engine", "explore")
IMPURE = re.compile(
    r"\b(system_clock|steady_clock|high_resolution_clock|random_device|mt19937|std::rand|getenv|"
    r"std::thread|std::jthread|std::mutex|std::atomic_|sleep_for|ifstream|ofstream|fstream|fopen|"
    r"boost/asio|sqlite3|spdlog)\b|\b(?:::time|gettimeofday|clock_gettime)\s*\("
)
# The check handler ends the process and may print; nothing else in the pure folders may.
PURITY_EXCEPTIONS = {"base/check.cpp"}

TIDY_FOLDERS = ("base", "engine")
TIDY_CHECKS = ",".join([
    "-*", "bugprone-use-after-move", "bugprone-dangling-handle", "bugprone-infinite-loop",
    "bugprone-string-constructor", "bugprone-undefined-memory-manipulation", "bugprone-unused-raii",
    "bugprone-macro-parentheses", "bugprone-sizeof-expression", "misc-redundant-expression",
    "performance-for-range-copy", "performance-implicit-conversion-in-loop",
    "performance-move-const-arg", "modernize-use-override", "google-explicit-constructor",
])


def tracked(*suffixes):
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [n for n in names if n.endswith(suffixes) and (ROOT / n).is_file()]


def check_format(sources):
    """clang-format would change nothing."""
    problems = []
    for start in range(0, len(sources), 100):
        result = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources[start:start + 100]],
                                cwd=ROOT, capture_output=True, text=True)
        problems += sorted({line.split(":")[0] + ": not formatted; run clang-format -i"
                            for line in result.stderr.splitlines() if "error:" in line})
    return problems


def check_purity(sources):
    """base/, dsl/ and engine/ read no clock, draw no random number and touch no thread or file."""
    problems = []
    for name in sources:
        if not name.startswith(tuple(f + "/" for f in PURE_FOLDERS)) or name in PURITY_EXCEPTIONS:
            continue
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            code = line.split("//")[0]
            if IMPURE.search(code):
                problems.append(f"{name}:{number}: a pure folder must not use this: {code.strip()}")
    return problems


def check_text(names):
    """No trailing blanks, no tabs in sources, no markers of unfinished work."""
    problems = []
    marker = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    for name in names:
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1):
            if line != line.rstrip():
                problems.append(f"{name}:{number}: blanks at the end of the line")
            if marker.search(line):
                problems.append(f"{name}:{number}: finish it or file it; no markers in the source")
    return problems


def check_readmes():
    """Every library folder says in at most ten lines what it is."""
    problems = []
    for listing in tracked("CMakeLists.txt"):
        folder = pathlib.PurePosixPath(listing).parent
        text = (ROOT / listing).read_text()
        if "entente_library(" not in text or str(folder).startswith(("tests", "examples")):
            continue
        readme = ROOT / folder / "README.md"
        if not readme.is_file():
            problems.append(f"{folder}: has no README.md saying what it is and what it may use")
        elif len([l for l in readme.read_text().splitlines() if l.strip()]) > 10:
            problems.append(f"{folder}/README.md: is longer than ten lines")
    return problems


def check_python(names):
    problems = []
    for name in names:
        try:
            ast.parse((ROOT / name).read_text(), name)
        except SyntaxError as error:
            problems.append(f"{name}:{error.lineno}: {error.msg}")
    return problems


def check_json(names):
    problems = []
    for name in names:
        if "/cases/" in name:
            continue  # Some are wrong on purpose.
        try:
            json.loads((ROOT / name).read_text())
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return problems


def check_tidy(sources, build):
    """The curated clang-tidy list. A file whose text and whose headers did not change since it was
    last clean is not read again."""
    database = build / "compile_commands.json"
    if not database.is_file():
        return [f"{database}: missing; run ./dev build first"]
    entries = json.loads(database.read_text())
    known = {os.path.relpath(entry["file"], ROOT) for entry in entries}
    # clang can not read the compiler's precompiled headers; it reads what they were made of.
    own_database = build / "lint"
    own_database.mkdir(exist_ok=True)
    for entry in entries:
        entry["command"] = re.sub(r"-include \S+/cmake_pch\.hxx|-Winvalid-pch|-fpch-preprocess", "", entry["command"])
    (own_database / "compile_commands.json").write_text(json.dumps(entries))
    chosen = [s for s in sources if s.endswith(".cpp") and s.startswith(tuple(f + "/" for f in TIDY_FOLDERS))
              and s in known]
    headers = hashlib.sha256(TIDY_CHECKS.encode())
    for name in sorted(s for s in sources if s.endswith(".h")):
        headers.update((ROOT / name).read_bytes())
    stamps = build / "lint-stamps"
    stamps.mkdir(exist_ok=True)

    def run(name):
        key = hashlib.sha256(headers.digest() + (ROOT / name).read_bytes()).hexdigest()
        stamp = stamps / key
        if stamp.exists():
            return []
        result = subprocess.run(
            ["clang-tidy", "-p", str(own_database), "--quiet", f"--checks={TIDY_CHECKS}",
             "--warnings-as-errors=*", "--extra-arg=-Wno-unknown-warning-option",
             "--extra-arg=-Wno-everything", name],
            cwd=ROOT, capture_output=True, text=True)
        found = [l for l in result.stdout.splitlines() if "error:" in l or "warning:" in l]
        if result.returncode == 0 and not found:
            stamp.touch()
        return sorted(set(found)) or ([] if result.returncode == 0 else [f"{name}: clang-tidy failed"])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [problem for found in pool.map(run, chosen) for problem in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--no-tidy", action="store_true", help="leave clang-tidy out")
    arguments = parser.parse_args()
    sources = tracked(".cpp", ".h")
    checks = [
        ("formatting", lambda: check_format(sources)),
        ("layers", lambda: layers.check(ROOT, sources)),
        ("purity", lambda: check_purity(sources)),
        ("text", lambda: check_text(tracked(".cpp", ".h", ".py", ".proto", ".cmake", "CMakeLists.txt"))),
        ("readmes", check_readmes),
        ("python", lambda: check_python(tracked(".py"))),
        ("json", lambda: check_json(tracked(".json"))),
    ]
    if not arguments.no_tidy:
        checks.append(("clang-tidy", lambda: check_tidy(sources, ROOT / arguments.build)))
    failed = 0
    for name, check in checks:
        problems = check()
        failed += len(problems)
        print(f"lint: {name}: {'ok' if not problems else f'{len(problems)} problems'}", flush=True)
        for problem in problems[:40]:
            print("  " + problem)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
