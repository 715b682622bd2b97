#!/usr/bin/env python3
"""Installs the SDK into an empty folder and uses it from there, as a project of its own."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A project that wants one component must get by without what the others need.
ALONE = {
    "Client": ("#include <entente/global_transaction.h>\n#include <entente/outbox.h>",
               "entente::sdk::Client client; return client.last_problem().is_null() ? 0 : 1;"),
    "Participant": ("#include <entente/participant_server.h>",
                    "entente::sdk::Participant participant;\n"
                    "  return entente::sdk::HttpServer::Start(participant).ok() ? 0 : 1;"),
    "Sqlite": ("#include <entente/sqlite_barrier.h>\n#include <sqlite3.h>",
               "return entente::sdk::SqliteBarrier({.table = \"1\"}).CreateSchema(nullptr).ok() ? 1 : 0;"),
    # libpq's own header is the service's to include.
    "Postgres": ("#include <entente/postgres_resource.h>\n#include <libpq-fe.h>",
                 'entente::sdk::PostgresResource resource({.node = "n"});\n'
                 '  return resource.NameOf({}, "db").empty() || PQlibVersion() == 0 ? 1 : 0;'),
    "Mysql": ("#include <entente/mysql_barrier.h>\n#include <mysql.h>",
              "return entente::sdk::MysqlBarrier({.table = \"1\"}).CreateSchema(nullptr).ok() || mysql_get_client_version() == 0;"),
}
# What a component's users need not have.
WITHOUT = {
    "Client": ("Protobuf", "SQLite3", "PostgreSQL", "PkgConfig"),
    "Participant": ("Protobuf", "SQLite3", "PostgreSQL", "PkgConfig"),
    "Sqlite": ("Protobuf", "PostgreSQL", "PkgConfig"),
    "Postgres": ("Protobuf", "SQLite3", "PkgConfig"),
    "Mysql": ("Protobuf", "SQLite3", "PostgreSQL"),
}


def run(*command, **more):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **more)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def check(condition, what):
    if not condition:
        sys.exit("wrong: " + what)


def headers_compile_alone(prefix, compiler):
    """Each installed header is included by itself, with nothing of this source tree in reach."""
    include = prefix / "include"
    headers = sorted(include.glob("entente/*.h")) + sorted(include.glob("entente/base/*.h"))
    check(len(headers) > 15, f"only {len(headers)} headers are installed")
    check(set(include.iterdir()) == {include / "entente"}, "a header stands outside of entente/")

    def compile_one(header):
        name = header.relative_to(include)
        # Included twice: a header must guard itself.
        source = f"#include <{name}>\n#include <{name}>\n"
        done = subprocess.run([compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++",
                               f"-I{include}", "-"], input=source, capture_output=True, text=True)
        return f"{name} does not compile alone:\n{done.stderr}" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [p for p in pool.map(compile_one, headers) if p]
    check(not problems, "\n".join(problems))
    print(f"{len(headers)} headers compile alone")


def build(cmake, source, build_dir, prefix, without=()):
    run(cmake, "-S", source, "-B", build_dir, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Debug",
        # Without pkg-config its module is still there, and finds nothing.
        *("-DPKG_CONFIG_EXECUTABLE=/bin/false" if package == "PkgConfig"
          else f"-DCMAKE_DISABLE_FIND_PACKAGE_{package}=ON" for package in without))
    run(cmake, "--build", build_dir)


def components_stand_alone(cmake, prefix, scratch):
    for component, (includes, body) in ALONE.items():
        project = scratch / component.lower()
        project.mkdir()
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(alone LANGUAGES CXX)\n"
            f"find_package(Entente REQUIRED COMPONENTS {component})\n"
            f"add_executable(alone main.cpp)\ntarget_link_libraries(alone PRIVATE Entente::{component})\n"
            "target_include_directories(alone BEFORE PRIVATE ${CMAKE_SOURCE_DIR})\n")
        # Its own folder is searched first, and has a header where the source tree of Entente has one.
        (project / "base").mkdir()
        for header in ("check", "ids", "json", "limits", "status", "time"):
            (project / "base" / f"{header}.h").write_text(f"#pragma once\nnamespace mine {{ struct {header} {{}}; }}\n")
        own = "".join(f'#include "base/{header}.h"\n' for header in ("status", "json"))
        (project / "main.cpp").write_text(f"{own}{includes}\n\nint main() {{\n  mine::status own;\n  (void)own;\n"
                                          f"  {body}\n}}\n")
        build(cmake, project, project / "build", prefix, WITHOUT[component])
        run(project / "build" / "alone")
        print(f"component {component} builds and runs alone")
    project = scratch / "unknown"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(unknown LANGUAGES CXX)\n"
        "find_package(Entente REQUIRED COMPONENTS Nonsense)\n")
    done = subprocess.run([cmake, "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
                          capture_output=True, text=True)
    check(done.returncode != 0 and "no component 'Nonsense'" in done.stderr, "an unknown component was found")


def pkg_config_works(prefix, compiler, scratch):
    (pkgconfig,) = prefix.rglob("pkgconfig")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(pkgconfig)}
    for component, (includes, body) in ALONE.items():
        source = scratch / f"{component.lower()}.cpp"
        source.write_text(f"{includes}\n\nint main() {{\n  {body}\n}}\n")
        flags = run("pkg-config", "--cflags", "--libs", f"entente-{component.lower()}", env=environment).split()
        program = scratch / f"by-pkg-config-{component.lower()}"
        run(compiler, "-std=c++20", source, "-o", program, *flags)
        run(program)
    run("pkg-config", "--exists", "--print-errors", "entente-participant-grpc", env=environment)
    print("pkg-config names what each component needs")


class Seats:
    """The example service, running."""

    def __init__(self, program, database):
        self.process = subprocess.Popen([program, database], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[1]
        self.process.stdout.readline()

    def post(self, operation, gid):
        request = urllib.request.Request(
            f"{self.url}/seats/{operation}", data=b"{}", method="POST",
            headers={"Entente-Gid": gid, "Entente-Branch": "seat", "Entente-Operation": operation,
                     "Entente-Epoch": "1", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error).get("code")

    def stop(self):
        self.process.terminate()
        check(self.process.wait(timeout=60) == 0, "the service did not end cleanly")

    def kill(self):
        self.process.kill()
        self.process.wait()


def example_works(program, scratch):
    seats = Seats(program, scratch / "seats.db")
    try:
        check(seats.post("action", "g1") == (200, {"seat": 1}), "the first seat is sold")
        check(seats.post("action", "g1") == (200, {"seat": 1}), "a repeat is given the same seat")
        check(seats.post("try", "g2") == (200, {"seat": 2}), "a seat is held")
        check(seats.post("compensate", "g3") == (200, None), "an undo without its action is harmless")
        check(seats.post("action", "g3") == (409, "barrier.suspended"), "the late action is refused")
        check(seats.post("action", "g4") == (200, {"seat": 3}), "the last seat")
        check(seats.post("action", "g5") == (409, "sold_out"), "no seat is left")
        check(seats.post("confirm", "g5") == (409, "barrier.not_tried"), "nothing to confirm")
        seats.kill()
        seats = Seats(program, scratch / "seats.db")
        check(seats.post("confirm", "g2") == (200, {"seat": 2}), "what was held before a crash is sold")
        check(seats.post("confirm", "g2") == (200, {"seat": 2}), "a repeat of it")
        check(seats.post("compensate", "g1") == (200, {"seat": 1}), "a seat is given back")
        check(seats.post("action", "g5") == (409, "sold_out"), "a late copy of what was refused stays refused")
        check(seats.post("action", "g6") == (200, {"seat": 1}), "and sold again")
        seats.stop()
    finally:
        if seats.process.poll() is None:
            seats.kill()
    print("the example works against the installed tree")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--compiler", default="c++")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entente-install-") as name:
        scratch = pathlib.Path(name)
        prefix = scratch / "prefix"
        run(arguments.cmake, "--install", arguments.build, "--prefix", prefix, "--component", "sdk")
        headers_compile_alone(prefix, arguments.compiler)
        components_stand_alone(arguments.cmake, prefix, scratch)
        pkg_config_works(prefix, arguments.compiler, scratch)
        build(arguments.cmake, ROOT / "examples" / "embed", scratch / "embed", prefix)
        example_works(scratch / "embed" / "seats", scratch)


if __name__ == "__main__":
    main()
