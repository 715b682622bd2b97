"""Two builds of the coordinator by turns, on the same machine in the same minutes: `./dev bench --against BINARY`.

Each has a store and a process of its own; the load and the participant are the same. What one round measures of the
first is followed at once by the same of the second, so that a noisy machine is noisy for both; the median over the
rounds is shown, and the ratio is the median of the rounds' ratios.
"""

import pathlib
import signal
import statistics

from agency import Coordinator

# What is measured: name, unit, and whether more is better.
FIGURES = (("per_second", "transactions/s", True), ("p50_ms", "p50 ms", False), ("cpu_us", "CPU us each", False),
           ("kib_written", "KiB written each", False), ("switches", "context switches each", False))


class Side:
    """One of the two: its process, and what it has used so far."""

    def __init__(self, program, folder, env, definitions, secured=None, flags=()):
        folder.mkdir()
        self.coordinator = Coordinator(pathlib.Path("/"), folder, env, ["--log-level", "warn", *flags],
                                       program=str(program.resolve())[1:], secured=secured)
        self.options = ["--token-file", secured.token_file] if secured else []
        self.options += ["--ca", secured.ca_file] if secured and secured.context else []
        self.pid = self.coordinator.process.popen.pid
        for document in definitions:
            self.coordinator.put_definition(document)

    def used(self, cpu_seconds):
        proc = pathlib.Path(f"/proc/{self.pid}")
        written = int(next(line for line in (proc / "io").read_text().splitlines()
                           if line.startswith("write_bytes")).split()[1])
        switches = sum(int(line.split()[1]) for task in (proc / "task").iterdir()
                       for line in (task / "status").read_text().splitlines() if "ctxt_switches" in line)
        return {"cpu_us": cpu_seconds(self.pid) * 1e6, "kib_written": written / 1024, "switches": switches}

    def close(self):
        self.coordinator.process.stop(signal.SIGKILL)


def measure(bench, side, name, options, cpu_seconds):
    before = side.used(cpu_seconds)
    measured = bench.load("submit", side.coordinator.url, "--definition", name, *options, *side.options)
    after = side.used(cpu_seconds)
    done = max(measured["sent"], 1)
    return {"per_second": measured["per_second"], "p50_ms": measured["p50_ms"], "failed": measured["failed"],
            **{key: (after[key] - before[key]) / done for key in before}}


def compare(bench, other, definitions, arguments, cpu_seconds):
    """Prints a table for each definition and number in flight; returns its rows."""
    sides = [Side(bench.build / "entente", bench.folder / "this", bench.env, definitions)]
    rows = []
    try:
        sides.append(Side(other, bench.folder / "other", bench.env, definitions))
        print("| definition | in flight | figure | other | this | this / other | of the rounds |\n" + "|---" * 7 + "|")
        for document in definitions:
            for in_flight in arguments.in_flight:
                rows += by_turns(bench, sides, document["name"], in_flight, arguments, cpu_seconds)
    finally:
        for side in sides:
            side.close()
    return rows


def by_turns(bench, sides, name, in_flight, arguments, cpu_seconds):
    options = ("--in-flight", in_flight, "--seconds", arguments.seconds)
    rounds = []
    for number in range(arguments.rounds):
        # Whoever is second finds a warmer machine: they take turns at that, too.
        order = (0, 1) if number % 2 == 0 else (1, 0)
        measured = {which: measure(bench, sides[which], name, options, cpu_seconds) for which in order}
        rounds.append((measured[0], measured[1]))
    rows = []
    for key, label, _ in FIGURES:
        ratios = sorted(this[key] / max(other[key], 1e-9) for this, other in rounds)
        row = {"definition": name, "in_flight": in_flight, "figure": label,
               "this": statistics.median(this[key] for this, _ in rounds),
               "other": statistics.median(other[key] for _, other in rounds),
               "ratio": statistics.median(ratios), "ratios": ratios}
        rows.append(row)
        print(f"| {name} | {in_flight} | {label} | {row['other']:,.2f} | {row['this']:,.2f} | {row['ratio']:.3f} | "
              f"{ratios[0]:.2f} to {ratios[-1]:.2f} |", flush=True)
    failed = sum(one["failed"] for pair in rounds for one in pair)
    if failed:
        print(f"{name}, {in_flight} in flight: {failed} FAILED")
    return rows
