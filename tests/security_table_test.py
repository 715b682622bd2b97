#!/usr/bin/env python3
"""The tests that tests/security.md names are there."""

import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parent


def missing():
    text = (TESTS / "security.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| \d+[ .]", line)]
    for row in rows:
        named = re.findall(r"`([^`]+)` ([^;|]+?)\s*(?:;|\|)", row)
        if not named:
            yield f"no test is named: {row[:60]}"
        for file, name in named:
            path = TESTS / file
            if not path.exists() or name not in path.read_text():
                yield f"tests/{file} has no '{name}'"
    if len(rows) != 20 + 9:
        yield f"{len(rows)} rows, not 20 items and 9 attacks"


if __name__ == "__main__":
    wrong = list(missing())
    print("\n".join(wrong) or "every item has its tests")
    sys.exit(bool(wrong))
