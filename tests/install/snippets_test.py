#!/usr/bin/env python3
"""Compiles every C++ snippet of the documents, as far as its meaning goes (no code is made).

The ```cpp blocks of one document are one translation unit, in order. A block that begins with the
comment `// Inside a function.` becomes a function's body; all others stand at file scope.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```cpp[^\n]*\n(.*?)^```", re.S | re.M)
BODY = "// Inside a function."
INCLUDES = ["participant-sdk/include", ".", "/usr/include/postgresql"]


def documents():
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
                           cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name]


def unit_of(document):
    """The document's snippets as one source, with lines that a compiler's complaint points back to."""
    text = document.read_text()
    parts = []
    for number, match in enumerate(BLOCK.finditer(text)):
        line = text.count("\n", 0, match.start()) + 2
        snippet = match[1]
        body = snippet.startswith(BODY)
        if body:
            parts.append(f"[[maybe_unused]] static void Snippet{number}() {{")
        parts.append(f'#line {line} "{document.relative_to(ROOT)}"')
        parts.append(snippet)
        if body:
            parts.append("}")
    return "\n".join(parts)


def compile_unit(compiler, unit):
    flags = [f"-I{ROOT / path}" for path in INCLUDES]
    done = subprocess.run([compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable",
                           "-Wno-unused-function", "-Wno-unused-but-set-variable", "-Wno-missing-field-initializers", "-fsyntax-only", "-x", "c++", *flags, "-"],
                          input=unit, capture_output=True, text=True)
    return done.stderr if done.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="c++")
    arguments = parser.parse_args()
    units = {document: unit_of(document) for document in documents()}
    units = {document: unit for document, unit in units.items() if unit}
    if not units:
        sys.exit("no document has a snippet: the extraction is broken")
    if compile_unit(arguments.compiler, "int main() { return nonsense; }") is None:
        sys.exit("the compiler accepts nonsense: this test could not fail")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda item: (item[0], compile_unit(arguments.compiler, item[1])), units.items())
    failed = 0
    for document, problem in results:
        print(f"{document.relative_to(ROOT)}: {'ok' if problem is None else 'does not compile'}")
        if problem:
            failed += 1
            print(problem)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
