"""Which folder may include which: dependencies run downward only.

Two checks. Includes: a file may include only what its folder may use. Targets: a folder may include
only what its CMake target declares, so that no link works by accident.
"""

import re

# Folder -> folders it may include from. The most specific prefix of a file's path counts.
ALLOWED = {
    "base": {"base"},
    "dsl/cel": {"dsl/cel", "base"},
    "dsl/schema": {"dsl/schema", "base"},
    "dsl": {"dsl", "dsl/cel", "dsl/schema", "base"},
    "engine": {"engine", "dsl", "dsl/cel", "dsl/schema", "base"},
    "explore": {"explore", "engine", "dsl", "dsl/cel", "dsl/schema", "base"},
    "storage": {"storage", "storage/postgres", "base"},
    "storage/postgres": {"storage/postgres", "storage", "net/postgres", "base"},
    "dashboard": {"dashboard", "base"},
    "marks": {"marks", "base"},
    "net/core": {"net/core", "base"},
    "net/dns": {"net/dns", "net/core", "base"},
    "net/http": {"net/http", "net/core", "base"},
    "net/grpc": {"net/grpc", "net/core", "marks", "base"},
    "net/postgres": {"net/postgres", "base"},
    "net/signing": {"net/signing", "net/core", "base"},
    "observe": {"observe", "base"},
    "runtime": {"runtime", "observe", "marks", "engine", "dsl", "dsl/cel", "dsl/schema", "storage", "base"},
    "runtime/shard": {"runtime/shard", "runtime", "observe", "marks", "engine", "dsl", "dsl/cel", "dsl/schema", "storage", "base"},
    "runtime/node": {"runtime/node", "runtime/shard", "runtime", "observe", "marks", "engine", "dsl", "dsl/cel", "dsl/schema", "storage",
                     "base"},
    "coordinator/identity": {"coordinator/identity", "runtime", "storage", "base"},
    "coordinator/audit": {"coordinator/audit", "runtime", "storage", "base"},
    "coordinator/participants": {"coordinator/participants", "observe", "marks", "runtime",
                                 "net/core", "net/dns", "net/http", "net/grpc", "net/signing", "engine", "dsl", "dsl/cel", "dsl/schema",
                                 "base"},
    "coordinator/probe": {"coordinator/probe", "coordinator/participants", "runtime", "explore",
                          "net/core", "net/http", "net/grpc", "engine", "dsl", "dsl/cel", "dsl/schema", "base"},
    "coordinator/cluster": {"coordinator/cluster", "runtime", "runtime/shard", "runtime/node", "net/core", "net/http", "engine", "dsl", "storage",
                            "base"},
    "coordinator/outlets": {"coordinator/outlets", "observe", "runtime", "net/core", "net/http",
                            "engine", "dsl", "dsl/cel", "dsl/schema", "storage", "base"},
    "coordinator/api": {"coordinator/api", "coordinator/audit", "coordinator/identity", "dashboard", "observe", "runtime", "net/core", "net/http", "engine", "dsl",
                        "dsl/cel", "dsl/schema", "storage", "base"},
    "coordinator/api/json": {"coordinator/api/json", "coordinator/api", "coordinator/audit", "coordinator/identity", "observe", "runtime",
                             "engine", "dsl", "storage", "base"},
    **{f"coordinator/api/{transport}": {f"coordinator/api/{transport}", "coordinator/api/json", "coordinator/api", "coordinator/audit",
                                        "coordinator/identity", "dashboard", "observe", "runtime", "net/core", "net/http", "net/grpc",
                                        "engine", "dsl", "storage", "base"} for transport in ("rest", "grpc")},
    "coordinator": {"coordinator", "coordinator/audit", "coordinator/identity", "marks", "coordinator/api", "coordinator/api/rest", "coordinator/api/grpc", "coordinator/api/json", "coordinator/cluster", "observe", "coordinator/outlets",
                    "coordinator/participants", "coordinator/probe", "runtime", "runtime/node", "net/core", "net/dns", "net/http", "net/grpc", "net/signing", "storage", "dsl", "engine",
                    "base", "cli"},
    "participant-sdk/include": {"participant-sdk/include", "base"},
    "participant-sdk": {"participant-sdk", "participant-sdk/include", "net/core", "net/http", "net/postgres", "net/signing",
                        "base"},
    "cli": {"cli", "participant-sdk", "participant-sdk/include", "explore", "engine", "dsl", "dsl/cel", "dsl/schema", "base"},
    # Complete services of other companies: nothing of ours.
    "examples": {"examples"},
    # Services that embed the SDK, by its public headers alone.
    **dict.fromkeys(("examples/service", "examples/desk", "examples/inventory", "examples/bank"),
                    {"examples", "examples/service", "examples/desk", "examples/inventory", "examples/bank",
                     "participant-sdk/include"}),
}
UNCHECKED = ("tests/", "bench/", "chaos/", "cmake/", "tools/mutate/")
# The SDK's public headers are included as an installed user would.
PUBLIC = re.compile(r"^entente/(base/)?[a-z_]+\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
GENERATED = re.compile(r"\.(grpc\.)?pb\.h$")


def folder_of(path):
    best = ""
    for folder in ALLOWED:
        if path.startswith(folder + "/") and len(folder) > len(best):
            best = folder
    return best


def check(root, sources):
    problems = []
    for name in sources:
        if name.startswith(UNCHECKED):
            continue
        folder = folder_of(name)
        if not folder:
            problems.append(f"{name}: lies in no folder that tools/lint/layers.py knows")
            continue
        for number, line in enumerate((root / name).read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match or GENERATED.search(match[1]):
                continue
            target = match[1]
            if PUBLIC.match(target):
                target = "participant-sdk/include/" + target
            if not (root / target).is_file():
                if folder == "examples" or (root / name).parent.joinpath(target).is_file():
                    continue
                target_folder = ""
            else:
                target_folder = folder_of(target)
            if target_folder not in ALLOWED[folder]:
                problems.append(f"{name}:{number}: {folder}/ may not use {match[1]}")
    return problems
