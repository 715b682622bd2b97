#!/usr/bin/env python3
"""Writes copies of the product's sources with every bug of bugs.py in them, each behind a switch.

plant.py SOURCE OUT: only the files that have a bug are written, below OUT under their own names; OUT/lost
names the bugs whose place was not found exactly once, because the code there is another one by now.
plant.py SOURCE --list: says which files have bugs.
"""
import pathlib
import sys

from bugs import BUGS


def files(source: pathlib.Path) -> list[str]:
    return sorted({name for bug in BUGS for name, _, _ in bug.places if (source / name).exists()})


def planted(source: pathlib.Path) -> tuple[dict[str, str], list[str]]:
    texts = {name: (source / name).read_text() for name in files(source)}
    lost = []
    for bug in BUGS:
        if any(texts.get(name, "").count(find) != 1 for name, find, _ in bug.places):
            lost.append(bug.name)
            continue
        for name, find, replace in bug.places:
            texts[name] = texts[name].replace(find, replace.replace("PLANTED", f'PLANTED("{bug.name}")'))
    return texts, lost


def write(target: pathlib.Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def main() -> None:
    source = pathlib.Path(sys.argv[1])
    if sys.argv[2] == "--list":
        print("\n".join(files(source)))
        return
    out = pathlib.Path(sys.argv[2])
    texts, lost = planted(source)
    for name, text in texts.items():
        write(out / name, f'#include "tests/negative/planted.h"\n#line 1 "{name}"\n{text}')
    write(out / "lost", "\n".join(lost))


if __name__ == "__main__":
    main()
