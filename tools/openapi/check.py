#!/usr/bin/env python3
"""Runs schemathesis against a coordinator and the OpenAPI document that it serves: requests that the
document allows and requests that it does not, within a bound of time. Exit 0: nothing found, or the
client could not be had from PyPI; 1: findings, which it prints."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = "4.32.5"


def client(folder):
    """The path of the pinned client, installed in `folder` if need be; None: it can not be had."""
    program = folder / "bin" / "schemathesis"
    if program.exists():
        return program
    try:
        venv.create(folder, with_pip=True, clear=True)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"openapi-check: skipped: no Python environment can be made here ({error})")
        return None
    made = subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check",
                           f"schemathesis=={VERSION}"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        print("openapi-check: skipped: schemathesis can not be installed; is PyPI reachable?")
        print(made.stderr.strip().splitlines()[-1] if made.stderr.strip() else "")
        return None
    return program


def serve(build, folder):
    """A coordinator of its own, and the URL it is at."""
    ports = folder / "ports"
    process = subprocess.Popen(
        [build / "entente", "serve", "--http", "127.0.0.1:0", "--grpc", "off", "--store",
         f"sqlite:{folder / 'entente.db'}", "--port-file", ports],
        stdout=subprocess.DEVNULL, stderr=(folder / "log").open("w"))
    deadline = time.monotonic() + 60
    while not ports.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("openapi-check: the coordinator did not start:\n" + (folder / "log").read_text())
        time.sleep(0.01)
    return process, f"http://127.0.0.1:{json.loads(ports.read_text())['http']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--seconds", type=int, default=120, help="bound of the run [120]")
    parser.add_argument("--seed", type=int, default=1, help="of the requests [1]")
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()  # The client runs in a folder of its own.
    program = client(arguments.build / "openapi-check")
    if program is None:
        return 0
    with tempfile.TemporaryDirectory(prefix="entente-openapi-") as name:
        folder = pathlib.Path(name)
        process, url = serve(arguments.build, folder)
        try:
            found = subprocess.run(
                [program, "--config-file", ROOT / "tools" / "openapi" / "schemathesis.toml", "run",
                 url + "/openapi.json", "--phases", "examples,coverage,fuzzing", "--max-examples", "50",
                 "--max-time", str(arguments.seconds), "--seed", str(arguments.seed),
                 "--continue-on-failure", "--warnings", "off"],
                cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            print(found.stdout)
            if process.poll() is not None:
                print(f"openapi-check: the coordinator ended with {process.returncode}:\n" + (folder / "log").read_text())
                return 1
            if "No test cases were generated" in found.stdout:
                print("openapi-check: the time was up before anything was tried; give it more with --seconds")
                return 1
            return 0 if found.returncode == 0 else 1
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
