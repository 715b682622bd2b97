#!/usr/bin/env python3
"""Measures the coordinator against the raw limit of the same machine, in one run, and prints a table.

R1  sagas/s x HTTP round trips per saga / round trips/s of the same client without a coordinator
R2  latency of one saga alone / (3 round trips + 4 fdatasyncs)
R3  seconds from start until every one of N open transactions is driven again after kill -9
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples" / "demo"))

from agency import Coordinator, Process  # noqa: E402

IN_FLIGHT = (1, 16, 64, 256)
ROUND_TRIPS = 3  # Calls to participants per saga; the submit is not counted.
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def definition(kind, name, hold=False):
    if kind == "http":
        participant = {"http": "${env.BENCH_URL}"}
        call = {"post": "/hold" if hold else "/do", "body": {"key": "${key}", "amount": "${input.amount}"}}
        undo = {"post": "/undo", "body": {"key": "${key}"}}
    else:
        participant = {"grpc": "${env.BENCH_ADDR}", "service": "entente.bench.v1.Bench"}
        call = undo = {"rpc": "Do", "body": {"key": "${key}", "amount": "${input.amount}"}}
    steps = [{"id": name_, "participant": "p", "action": call, "compensate": undo, **({"timeout": "10m"} if hold else {})}
             for name_ in ("flight", "hotel", "car")]
    return {"name": name, "mode": "saga", "participants": {"p": participant}, "steps": steps,
            "output": {"price": "${steps.flight.output.price + steps.car.output.price}"}}


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def idle_seconds():
    """Of all processors together, since the machine started; waiting for the disk is idle too."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / CLOCK_TICKS


def memory_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def fdatasync_ms(folder, count=300):
    """One 4 KiB write and fdatasync at a time, appended, as a log is written: the median."""
    path = folder / "fdatasync"
    block = b"x" * 4096
    times = []
    with open(path, "wb", buffering=0) as file:
        file.write(block * 2000)
        os.fdatasync(file.fileno())
        file.seek(0)
        for _ in range(count):
            begin = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1000)
    path.unlink()
    return statistics.median(times)


class Bench:
    def __init__(self, arguments, folder):
        self.build = pathlib.Path(arguments.build).resolve()
        self.seconds = arguments.seconds
        self.folder = folder
        port_file = folder / "participant.ports"
        self.participant = Process("participant", [self.build / "bench-participant", port_file],
                                   folder / "participant.log")
        ports = json.loads(self.participant.wait_for_file(port_file))
        self.url = f"http://127.0.0.1:{ports['http']}"
        self.address = f"127.0.0.1:{ports['grpc']}"
        self.env = {"BENCH_URL": self.url, "BENCH_ADDR": self.address}
        self.coordinator = None

    def start(self):
        self.coordinator = Coordinator(self.build, self.folder, self.env, ["--log-level", "warn"])

    def load(self, mode, target, *arguments):
        out = subprocess.run([self.build / "bench-load", mode, "--target", target, *map(str, arguments)],
                             capture_output=True, text=True, check=True).stdout
        return json.loads(out)

    def metric(self, name):
        _, text = self.coordinator.http.request("GET", "/metrics", raw=True)
        for line in text.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return 0.0

    def throughput(self, kind):
        """A row for each number in flight: raw and saga by turns, so that both see the same machine."""
        self.coordinator.put_definition(definition(kind, f"bench-{kind}"))
        rows = []
        raw_target = self.url + "/do" if kind == "http" else self.address
        for in_flight in IN_FLIGHT:
            options = ("--in-flight", in_flight, "--seconds", self.seconds)
            raw = self.load(f"raw-{kind}", raw_target, *options)
            pid = self.coordinator.process.popen.pid
            cpu, appends = cpu_seconds(pid), self.metric("entente_journal_appends_total")
            idle, begin = idle_seconds(), time.perf_counter()
            saga = self.load("saga", self.coordinator.url, "--definition", f"bench-{kind}", *options)
            busy = 1 - (idle_seconds() - idle) / (time.perf_counter() - begin) / os.cpu_count()
            done = max(saga["sent"], 1)
            rows.append({
                "participants": kind, "in_flight": in_flight, "raw_per_second": raw["per_second"],
                "raw_p50_ms": raw["p50_ms"], "sagas_per_second": saga["per_second"],
                "p50_ms": saga["p50_ms"], "p99_ms": saga["p99_ms"], "p999_ms": saga["p999_ms"],
                "failed": saga["failed"],
                "cpu_us_per_saga": (cpu_seconds(pid) - cpu) / done * 1e6,
                "appends_per_saga": (self.metric("entente_journal_appends_total") - appends) / done,
                "ratio": saga["per_second"] * ROUND_TRIPS / max(raw["per_second"], 1),
                "processors_busy": busy,
            })
            print_row(rows[-1])
        return rows

    def recovery(self, count):
        """kill -9 with `count` open transactions, each with a call that is never answered: as many on the wire
        as the participant may have at once, the others waiting for their turn."""
        self.coordinator.put_definition(definition("http", "bench-hold", hold=True))
        self.load("open", self.coordinator.url, "--definition", "bench-hold", "--count", count,
                  "--in-flight", 256)
        open_before = self.metric("entente_transactions_open")
        memory = memory_mib(self.coordinator.process.popen.pid)
        self.coordinator.process.stop(signal.SIGKILL)
        begin = time.perf_counter()
        self.start()
        ready = time.perf_counter() - begin
        while self.metric("entente_calls_total") < open_before:
            time.sleep(0.01)
            if time.perf_counter() - begin > 120:
                break
        driven = time.perf_counter() - begin
        return {"open": open_before, "ready_seconds": ready, "driven_seconds": driven,
                "memory_mib_before": memory, "memory_mib_after": memory_mib(self.coordinator.process.popen.pid)}

    def fsyncs_per_saga(self, in_flight):
        """Counted by strace in a run of its own, because it slows what it counts."""
        if shutil.which("strace") is None:
            return None
        trace = self.folder / "strace.out"
        tracer = subprocess.Popen(["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", trace, "-p",
                                   str(self.coordinator.process.popen.pid)], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        saga = self.load("saga", self.coordinator.url, "--definition", "bench-http", "--in-flight", in_flight,
                         "--seconds", 2, "--warm-up", 0)
        tracer.send_signal(signal.SIGINT)
        try:
            tracer.wait(timeout=20)
        except subprocess.TimeoutExpired:
            tracer.kill()
            return None
        calls = sum(int(line.split()[3]) for line in trace.read_text().splitlines()
                    if line.endswith(("fsync", "fdatasync")))
        return calls / max(saga["sent"], 1)

    def close(self):
        for process in (self.coordinator.process if self.coordinator else None, self.participant):
            if process:
                process.stop(signal.SIGKILL)


def print_row(row):
    print(f"| {row['participants']} | {row['in_flight']} | {row['raw_per_second']:,.0f} | "
          f"{row['sagas_per_second']:,.0f} | {row['ratio']:.2f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} | "
          f"{row['p999_ms']:.2f} | {row['cpu_us_per_saga']:.0f} | {row['appends_per_saga']:.2f} | "
          f"{row['processors_busy']:.0%} |", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--open", type=int, default=100_000, help="transactions open at the kill")
    parser.add_argument("--folder", help="on the disk to measure (default: a new one here)")
    parser.add_argument("--json", default="build/bench.json", help="where the figures go")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.folder or tempfile.mkdtemp(prefix="bench-", dir="build"))
    bench = Bench(arguments, folder)
    try:
        sync = fdatasync_ms(folder)
        print(f"fdatasync of 4 KiB: {sync:.3f} ms (median); {os.cpu_count()} processors\n")
        bench.start()
        idle = memory_mib(bench.coordinator.process.popen.pid)
        print("| participants | in flight | raw round trips/s | sagas/s | R1 ratio | p50 ms | p99 ms | p99.9 ms | "
              "CPU us/saga | appends/saga | processors busy |\n|---|---|---|---|---|---|---|---|---|---|---|")
        rows = bench.throughput("http") + bench.throughput("grpc")
        fsyncs = {n: bench.fsyncs_per_saga(n) for n in (1, 64)}
        alone = rows[0]
        floor = 3 * alone["raw_p50_ms"] + 4 * sync
        r2 = alone["p50_ms"] / floor
        recovery = bench.recovery(arguments.open)
        per_open = (recovery["memory_mib_before"] - idle) / max(recovery["open"], 1) * 1024
        r1 = {row["participants"]: row["ratio"] for row in rows if row["in_flight"] == 64}
        print(f"\nR1 at 64 in flight: REST {r1['http']:.2f}, gRPC {r1['grpc']:.2f} (objective 0.6)")
        print(f"R2: {alone['p50_ms']:.2f} ms / {floor:.2f} ms = {r2:.2f} (objective at most 1.5)")
        print(f"R3: {recovery['open']:,.0f} open; ready after {recovery['ready_seconds']:.2f} s, all driven again after "
              f"{recovery['driven_seconds']:.2f} s (objective 3 s)")
        print(f"memory: {idle:.0f} MiB idle, {recovery['memory_mib_before']:.0f} MiB with them open "
              f"({per_open:.1f} KiB each), {recovery['memory_mib_after']:.0f} MiB after recovery")
        print("fsyncs per saga: " + ", ".join(f"{n} in flight: " + (f"{f:.2f}" if f is not None else "strace is missing")
                                              for n, f in fsyncs.items()))
        pathlib.Path(arguments.json).write_text(json.dumps(
            {"fdatasync_ms": sync, "rows": rows, "r1": r1, "r2": r2, "recovery": recovery,
             "memory_idle_mib": idle, "fsyncs_per_saga": fsyncs}, indent=2) + "\n")
        print(f"\nThe figures are in {arguments.json}.")
    finally:
        bench.close()
        if not arguments.folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
