#!/usr/bin/env python3
"""Compares what the models may do with the engine's transition tables.

tables.py PROGRAM: a program that prints the tables (tests/engine/print_tables.cpp). Every step of a model that writes names the
cell that it stands for (cells.inc); the engine has to have that action there. Then each of these cells is changed, and the step's
action, and each change has to be noticed."""

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODELS = ("saga", "tcc", "twopc")
MODE = {"twopc": "2pc"}  # Where the engine's name is another one.
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
OPTION = re.compile(r"^[ \t]*::", re.MULTILINE)  # Where one step ends and the next begins.
WRITES = re.compile(r"\bwrite_(?:phase|both|decision|end)\(|\bV\(\d\) = (?!ENLISTED)")
BRANCH = re.compile(r"\bTAKES\(\w+, (\w+), (\w+), (\w+), (\w+)\)")
TRANSACTION = re.compile(r"\bTAKES_TXN\((\w+), (\w+), (\w+)\)")


def word(text):
    """As the models write it: a name of Promela."""
    return text.lower().replace("-", "_")


def read_tables(text):
    """{(mode, course or "transaction", row, event): (kind, action)}; the program prints them in this order."""
    table = {}
    for line in text.splitlines():
        mode, course, row, event, kind, *name = line.split()
        table[(mode, word(course), word(row), word(event))] = (kind, word(name[0]) if name else "")
    return table


def steps_of(model, text):
    """(cell, action) of each step, and the steps that write without saying for which cell."""
    taken, silent = [], []
    mode = MODE.get(model, model)
    for step in OPTION.split(COMMENT.sub("", text))[1:]:
        cells = [((mode, course, phase, event), action) for course, phase, event, action in BRANCH.findall(step)]
        cells += [((mode, "transaction", row, event), action) for row, event, action in TRANSACTION.findall(step)]
        if WRITES.search(step) and not cells and "ADVANCES" not in step:
            silent.append(" ".join(step.split()))
        taken += cells
    return taken, silent


def compare(taken, table):
    """What is wrong with these steps."""
    wrong = []
    for cell, action in taken:
        name = " ".join(cell)
        kind, engine = table.get(cell, ("none", ""))
        if kind == "none":
            wrong.append(f"{name}: the engine has no such cell")
        elif kind != "act":
            wrong.append(f"{name}: the model does {action}, the engine nothing: {kind} {engine}".rstrip())
        elif engine != action:
            wrong.append(f"{name}: the model does {action}, the engine {engine}")
    return wrong


def missed_changes(taken, table):
    """Changes of one of the two that are not noticed."""
    for cell, action in dict(taken).items():
        for other in (("reject", "branch.not_stuck"), ("ignore", ""), ("act", f"{action}_otherwise")):
            if not compare(taken, {**table, cell: other}):
                yield f"{' '.join(cell)}: {' '.join(other)} in the engine"
        if not compare([(cell, f"{action}_otherwise")], table):
            yield f"{' '.join(cell)}: another action in the model"


def main():
    table = read_tables(subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout)
    wrong = []
    for model in MODELS:
        taken, silent = steps_of(model, (HERE / f"{model}.pml").read_text())
        wrong += [f"{model}: a step that writes says not for which cell: {step}" for step in silent]
        wrong += compare(taken, table)
        wrong += [f"not noticed: {change}" for change in missed_changes(taken, table)]
        cells = {cell for cell, _ in taken}
        legal = sum(1 for cell, (kind, _) in table.items() if cell[0] == MODE.get(model, model) and kind == "act")
        if not cells:
            wrong.append(f"{model}: takes no cell at all")
        print(f"{model}: takes {len(cells)} of the engine's {legal} cells with an action")
    for one in wrong:
        print("WRONG", one)
    if not wrong:
        print("as the engine does; every change to one of them is noticed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
