"""Compiles the files that have mutants, all of them in it, and links them into the tests' programs."""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import changes

SWITCH = pathlib.Path(__file__).resolve().parent / "switch.h"
ROUNDS = 6  # Of leaving out what does not compile.
FLAGS = ("-w", "-O1")  # It runs for seconds, and is compiled anew for each sample.


def write(file: pathlib.Path, text: str) -> None:
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def library_of(entry) -> str:
    return "lib" + re.search(r"CMakeFiles/(\w+)\.dir/", entry["command"].split(" -o ", 1)[1])[1] + ".a"


def is_blamed(mutant, errors: str) -> bool:
    return any(re.search(rf"\b{re.escape(mutant.path)}:{line + 1}[:,]", errors)
               for line in range(mutant.line, mutant.line + mutant.lines))


class Programs:
    """The programs of a build with mutants in them, in a folder of their own."""

    def __init__(self, root: pathlib.Path, build: pathlib.Path, out: pathlib.Path):
        self.root, self.build, self.out = root, build, out
        self.objects: dict = {}  # And the libraries that they are otherwise in.
        self.units = {}  # Of each file: how the unit is compiled that it is part of, and that unit's files.
        for entry in json.loads((build / "compile_commands.json").read_text()):
            if "_planted.dir/" in entry["command"]:
                continue  # The same files once more, with the bugs of tests/negative.
            files = [entry["file"]]
            if re.search(r"/unity_\d+_cxx\.cxx$", entry["file"]) and pathlib.Path(entry["file"]).exists():
                files = re.findall(r'^#include "(.*)"', pathlib.Path(entry["file"]).read_text(), re.MULTILINE)
            for file in files:
                self.units[file] = (entry, files)

    def compile(self, mutants: dict) -> set:
        """Takes the mutants by their numbers; returns the numbers of those that do not compile, which are left out."""
        units = {}  # By its source: its own command, the files in it and the mutants of those.
        for mutant in mutants.values():
            entry, files = self.units[str(self.root / mutant.path)]
            names = [os.path.relpath(file, self.root) for file in files]
            units[self.unit_of(entry)] = (entry, names, {number: one for number, one in mutants.items() if one.path in names})
        left_out: set = set()
        for _ in range(ROUNDS):
            for unit, (_, names, here) in units.items():
                self.write_unit(unit, names, {number: mutant for number, mutant in here.items() if number not in left_out})
            errors = self.run_ninja({unit: entry for unit, (entry, _, _) in units.items()})
            if not errors:
                self.objects = {f"{unit}.o": library_of(entry) for unit, (entry, _, _) in units.items()}
                return left_out
            wrong = {number for number, mutant in mutants.items() if number not in left_out and is_blamed(mutant, errors)}
            if not wrong:
                break
            left_out |= wrong
        sys.exit(f"mutate.py: files with mutants do not compile:\n{errors[:3000]}")

    def unit_of(self, entry) -> pathlib.Path:
        return self.out / (os.path.relpath(entry["file"], self.root).replace("/", "_") + ".unit.cpp")

    def write_unit(self, unit: pathlib.Path, names: list[str], mutants: dict) -> None:
        includes = []
        for name in names:
            here = {number: mutant for number, mutant in mutants.items() if mutant.path == name}
            source = self.root / name
            if here:
                source = self.out / name
                source.parent.mkdir(parents=True, exist_ok=True)
                write(source, changes.with_mutants(name, changes.read(self.root, name), here))
            includes.append(f'#include "{source}"\n')
        write(unit, f'#include "{SWITCH}"\n' + "".join(includes))

    def run_ninja(self, entries: dict) -> str:
        """Compiles what has changed; returns the errors."""
        lines = ["rule compile", "  command = cd $folder && $how -MD -MF $out.d", "  depfile = $out.d", "  deps = gcc"]
        for unit, entry in entries.items():
            words = [word for word in shlex.split(entry["command"]) if word not in ("-MD", "-Werror")]
            for flag in ("-MT", "-MF"):
                if flag in words:
                    at = words.index(flag)
                    del words[at:at + 2]
            words[words.index("-o") + 1] = f"{unit}.o"
            words[words.index(entry["file"])] = str(unit)
            how = shlex.join([*words, *FLAGS]).replace("$", "$$")
            lines += [f"build {unit}.o: compile {unit}", f"  how = {how}", f"  folder = {entry['directory']}"]
        write(self.out / "build.ninja", "\n".join(lines) + "\n")
        done = subprocess.run(["ninja", "-C", str(self.out), "-k", "0"], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def link(self, program: str) -> None:
        """The program's own link command, with the mutants of the libraries that it has before everything else."""
        listed = subprocess.run(["ninja", "-C", str(self.build), "-t", "commands", "-s", program], capture_output=True,
                                text=True, check=True).stdout.strip().split("\n")[-1]
        command = next(part for part in listed.split("&&") if f"-o {program}" in part)
        words = shlex.split(command)
        words[words.index("-o") + 1] = str(self.out / program)
        first = next(i for i, word in enumerate(words) if word.endswith(".o"))
        libraries = {os.path.basename(word) for word in words}
        words[first:first] = ["-Wl,--allow-multiple-definition",
                              *(name for name, library in self.objects.items() if library in libraries)]
        subprocess.run(words, cwd=self.build, check=True)
