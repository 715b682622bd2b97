#!/usr/bin/env python3
"""Mutation testing: changes the product in small ways, one at a time, and counts who notices.

mutate.py --build BUILD [--sample N] [--seed S] [--seeds N] [FILE ...]

All mutants of all files are compiled at once, each behind a switch that ENTENTE_MUTANT chooses, and linked in
front of the libraries into the checks: test_engine and the simulation, or those that --check names. So a
sample costs one compilation of its files, however large it is. Prints the score and every survivor, which
somebody has to judge: a change that means the same can not be noticed.

What is changed: a comparison into its neighbour, `&&` into `||`, a negation dropped, a small number by one, a
condition inverted, a call whose result nobody uses left out.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFAULT = ["engine/actions/*.cpp", "engine/saga/advance.cpp", "engine/tcc/advance.cpp", "engine/twopc/advance.cpp",
           "engine/core/outstanding.cpp", "engine/core/durability.cpp"]
CHECKS = ["test_engine --abort", "simulation_tests --seeds {seeds} --stop-after 1 --shrink 0"]
SWITCH = """#include <cstdlib>
namespace entente {
inline bool IsMutant(int n) {
  static const int chosen = [] {
    const char* text = std::getenv("ENTENTE_MUTANT");
    return text == nullptr ? -1 : std::atoi(text);
  }();
  return chosen == n;
}
}  // namespace entente
#define MUTANT(n) ::entente::IsMutant(n)
"""

CONDITION = re.compile(r"^(\s*(?:\} else )?if \()(.*)(\) \{)$")
VALUE = re.compile(r"^(\s*(?:return|const bool \w+ =) )(.*)(;)$")
CALL = re.compile(r"^(\s+)((?!return|throw|delete|using|else|case|static_assert)[A-Za-z_][\w.:>\-\[\]]*\([^;]*\);)$")
OPERATORS = {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > ", " == ": " != ", " != ": " == ",
             " && ": " || ", " || ": " && "}


def changes(text: str, invert: bool):
    """Every small change of an expression, with its description."""
    for old, new in OPERATORS.items():
        for found in re.finditer(re.escape(old), text):
            yield f"{old.strip()} -> {new.strip()}", text[:found.start()] + new + text[found.end():]
    for found in re.finditer(r"(?<![\w!])!(?=[\w(])", text):
        yield "! dropped", text[:found.start()] + text[found.end():]
    for found in re.finditer(r"(?<![\w.])(\d+)(?![\w.])", text):
        yield f"{found[1]} -> {int(found[1]) + 1}", text[:found.start()] + str(int(found[1]) + 1) + text[found.end():]
    if invert:
        yield "inverted", f"!({text})"


def is_whole(text: str) -> bool:
    return text.count("(") == text.count(")") and text.count('"') % 2 == 0


def sites(path: str, lines: list[str]):
    """(line, kind, head, expression, tail) of every place that may be changed."""
    for number, line in enumerate(lines):
        if "constexpr" in line or "static_assert" in line or "ENTENTE_" in line:
            continue
        for pattern, invert in ((CONDITION, True), (VALUE, False)):
            found = pattern.match(line)
            if found and is_whole(found[2]) and ";" not in found[2] and not re.search(r"[^=!<>]=[^=]|\bauto\b|\[|\{", found[2]):
                yield number, found[1], found[2], found[3], list(changes(found[2], invert))
        call = CALL.match(line)
        if call and is_whole(call[2]):
            yield number, call[1], call[2], None, [("left out", "")]


def expand(patterns: list[str]) -> list[str]:
    return sorted({str(file.relative_to(ROOT)) for pattern in patterns for file in ROOT.glob(pattern)})


def choose(files: list[str], sample: int, seed: int):
    """The mutants: (file, line, what, head, expression, tail, changed)."""
    everything = []
    for path in files:
        lines = (ROOT / path).read_text().split("\n")
        for number, head, expression, tail, several in sites(path, lines):
            everything += [(path, number, what, head, expression, tail, changed) for what, changed in several]
    random.Random(seed).shuffle(everything)
    return everything[:sample]


def mutated(path: str, mutants) -> str:
    lines = (ROOT / path).read_text().split("\n")
    at: dict[int, list] = {}
    for number, mutant in enumerate(mutants):
        if mutant[0] == path:
            at.setdefault(mutant[1], []).append((number, mutant))
    for line, several in at.items():
        _, (_, _, _, head, expression, tail, _) = several[0]
        if tail is None:
            lines[line] = f"{head}if (!MUTANT({several[0][0]})) {{ {expression} }}"
        else:
            text = f"({expression})"
            for number, mutant in several:
                text = f"(MUTANT({number}) ? ({mutant[6]}) : {text})"
            lines[line] = f"{head}{text}{tail}"
    return SWITCH + f'#line 1 "{path}"\n' + "\n".join(lines)


def compile_all(build: pathlib.Path, out: pathlib.Path, mutants) -> list[pathlib.Path]:
    commands = {entry["file"]: entry for entry in json.loads((build / "compile_commands.json").read_text())}
    objects = []
    for path in sorted({mutant[0] for mutant in mutants}):
        source = out / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(mutated(path, mutants))
        entry = commands[str(ROOT / path)]
        command = shlex.split(entry["command"])
        command[command.index("-o") + 1] = str(source) + ".o"
        command = [str(source) if word.endswith(path) else word for word in command]
        for flag in ("-MD", "-Werror"):
            command = [word for word in command if word != flag]
        for flag in ("-MT", "-MF"):
            if flag in command:
                at = command.index(flag)
                del command[at:at + 2]
        done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"mutate.py: a mutant of {path} does not compile:\n{done.stderr[:3000]}")
        objects.append(pathlib.Path(str(source) + ".o"))
    return objects


def link(build: pathlib.Path, out: pathlib.Path, program: str, objects) -> None:
    """The program's own link command, with the mutants before everything else."""
    listed = subprocess.run(["ninja", "-C", str(build), "-t", "commands", "-s", program], capture_output=True,
                            text=True, check=True).stdout.strip().split("\n")[-1]
    command = next(part for part in listed.split("&&") if f"-o {program}" in part)
    words = shlex.split(command)
    at = words.index("-o")
    words[at + 1] = str(out / program)
    first = next(i for i, word in enumerate(words) if word.endswith(".o"))
    words[first:first] = ["-Wl,--allow-multiple-definition", *map(str, objects)]
    subprocess.run(words, cwd=build, check=True)


def is_noticed(out: pathlib.Path, build: pathlib.Path, checks: list[str], number: int) -> str:
    environment = dict(os.environ, ENTENTE_MUTANT=str(number))
    for check in checks:
        program, *arguments = shlex.split(check)
        try:
            done = subprocess.run([str(out / program), *arguments], env=environment, cwd=build, capture_output=True,
                                  timeout=300, check=False)
        except subprocess.TimeoutExpired:
            return f"{program} (does not end)"
        if done.returncode != 0:
            return program
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=150, help="of the simulation, for each mutant")
    parser.add_argument("--check", action="append", help="a program of the build, with its arguments")
    parser.add_argument("--at-least", type=float, default=0, metavar="PERCENT", help="fail when fewer are noticed")
    parser.add_argument("files", nargs="*", default=DEFAULT)
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    out = build / "mutate"
    checks = [check.format(seeds=arguments.seeds) for check in arguments.check or CHECKS]
    mutants = choose(expand(arguments.files), arguments.sample, arguments.seed)
    objects = compile_all(build, out, mutants)
    for program in {shlex.split(check)[0] for check in checks}:
        link(build, out, program, objects)
    if failed := is_noticed(out, build, checks, -1):
        sys.exit(f"mutate.py: {failed} fails without any mutant")
    noticed = 0
    for number, (path, line, what, _, expression, _, _) in enumerate(mutants):
        by = is_noticed(out, build, checks, number)
        noticed += bool(by)
        print(f"{'noticed ' if by else 'SURVIVED'} {path}:{line + 1}: {what}: {expression.strip()[:70]}"
              f"{'  by ' + by if by else ''}", flush=True)
    score = 100 * noticed / max(len(mutants), 1)
    print(f"{noticed} of {len(mutants)} mutants noticed ({score:.0f} %)")
    return 0 if score >= arguments.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
