#!/usr/bin/env python3
"""Writes what a program is made of, as a CycloneDX 1.5 document: the shared libraries that it is linked to and the Debian
packages they come from, the libraries of headers that are compiled into it, and the npm packages of its dashboard."""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import urllib.parse
import uuid

# Compiled into the program, so that nothing of the file says so.
HEADER_PACKAGES = ("libboost-dev", "libboost1.74-dev", "libcli11-dev", "nlohmann-json3-dev", "libspdlog-dev")


def quote(text):
    """As a purl's parts are."""
    return urllib.parse.quote(text, safe="/.-_~")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def linked(program):
    """The files of the shared libraries that the program loads, by the loader's word."""
    found = re.findall(r"=> (/\S+) \(", output("ldd", str(program)))
    return sorted({str(pathlib.Path(path).resolve()) for path in found})


def query(*arguments):
    """What dpkg knows; what it does not know of it says nothing about."""
    try:
        return subprocess.run(["dpkg-query", *arguments], capture_output=True, text=True).stdout.splitlines()
    except FileNotFoundError:
        return []  # Of another system than Debian: the libraries' files stand for themselves.


def packages_of(files):
    """{package: [file]}; a file of no package stands for itself."""
    owners = {}
    for line in query("-S", *files, *(file.removeprefix("/usr") for file in files)):  # A merged /usr is recorded either way.
        owner, file = line.split(": ", 1)
        owners[file] = owner.split(":")[0]
    packages = {}
    for file in files:
        owner = owners.get(file) or owners.get(file.removeprefix("/usr")) or pathlib.Path(file).name
        packages.setdefault(owner, []).append(file)
    return packages


def installed(packages):
    """{package: (version, source package, architecture)}"""
    found = {}
    form = "${db:Status-Abbrev}|${Package}|${Version}|${source:Package}|${Architecture}\n"
    for line in query("-W", "-f", form, *packages):
        status, package, *about = line.split("|")
        if status.startswith("ii"):
            found[package] = tuple(about)
    return found


def debian_component(package, known, files):
    component = {"type": "library", "name": package}
    if known:
        version, source, architecture = known
        component |= {
            "version": version,
            "purl": f"pkg:deb/debian/{quote(package)}@{quote(version)}?arch={architecture}",
            "properties": [{"name": "debian:source", "value": source}],
        }
    component["bom-ref"] = component.get("purl", f"file:{package}")
    if files:
        component.setdefault("properties", []).extend({"name": "linked", "value": pathlib.Path(file).name} for file in files)
    return component


def npm_components(lock):
    """What the dashboard is built from, without what only builds or tests it."""
    found = []
    for path, about in sorted(json.loads(lock.read_text())["packages"].items()):
        if not path or about.get("dev"):
            continue
        name = path.rsplit("node_modules/", 1)[-1]
        purl = f"pkg:npm/{quote(name)}@{quote(about['version'])}"
        component = {"type": "library", "name": name, "version": about["version"], "purl": purl, "bom-ref": purl}
        if "license" in about:
            component["licenses"] = [{"expression": about["license"]}]
        found.append(component)
    return found


def document(program, version, lock):
    packages = packages_of(linked(program))
    known = installed([*packages, *HEADER_PACKAGES])
    packages |= {package: [] for package in HEADER_PACKAGES if package in known}
    components = [debian_component(package, known.get(package), files) for package, files in sorted(packages.items())]
    components += npm_components(lock)
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    main = {"type": "application", "name": "entente", "version": version, "bom-ref": f"entente@{version}",
            "hashes": [{"alg": "SHA-256", "content": digest}]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        # The same program gives the same document.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "metadata": {"component": main},
        "components": components,
        "dependencies": [{"ref": main["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--lock", type=pathlib.Path, required=True, help="the dashboard's package-lock.json")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    given = parser.parse_args()
    try:
        text = json.dumps(document(given.program, given.version, given.lock), indent=1) + "\n"
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"sbom: {error}")
    given.out.write_text(text)


if __name__ == "__main__":
    main()
