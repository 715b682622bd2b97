#!/usr/bin/env python3
"""Writes the dashboard's files as a C++ source, the same bytes for the same files."""

import argparse
import gzip
import hashlib
import pathlib

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml"}
ABSENT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Entente</title></head><body>
<h1>The dashboard is not in this build</h1>
<p>npm and Node.js (18 or later) were not found when it was built. On Debian: <code>./dev setup</code>, then build again.</p>
<p>Everything the page shows and does, the command line does too: <code>entente --help</code>.
The API is described at <a href="/openapi.json">/openapi.json</a>.</p>
</body></html>
"""
PIECE = 8 * 1024  # A compiler need not take longer literals than 64 KiB.


def literal(data):
    """A string literal for any bytes, in pieces that a compiler joins."""
    pieces = [data[at:at + PIECE] for at in range(0, len(data), PIECE)] or [b""]
    return "\n    ".join('"' + "".join(f"\\{byte:03o}" for byte in piece) + '"' for piece in pieces)


def assets(folder):
    if folder is None:
        return [("/", TYPES[".html"], ABSENT.encode())]
    found = []
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            name = "/" + file.relative_to(folder).as_posix()
            found.append(("/" if name == "/index.html" else name, TYPES[file.suffix], file.read_bytes()))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, help="what Vite built; without it a page that says what is missing")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    lines = ['#include "dashboard/assets.h"', "", "namespace entente::dashboard {", "namespace {", "",
             "using std::string_view_literals::operator\"\"sv;", "", "constexpr Asset kAssets[] = {"]
    for path, kind, body in assets(arguments.folder):
        packed = gzip.compress(body, 9, mtime=0)
        etag = hashlib.sha256(body).hexdigest()[:16]
        lines.append(f'  {{"{path}"sv, "{kind}"sv,\n    std::string_view({literal(body)}, {len(body)}),\n'
                     f'    std::string_view({literal(packed)}, {len(packed)}), "\\"{etag}\\""sv}},')
    lines += ["};", "", "}  // namespace", "", "std::span<const Asset> Assets() {", "  return kAssets;", "}", "",
              "}  // namespace entente::dashboard", ""]
    arguments.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
