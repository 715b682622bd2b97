#!/usr/bin/env python3
"""Measures the coordinator against the raw limit of the same machine, in one run, and prints a table.

R1  transactions/s x round trips per transaction / round trips/s of the same client without a coordinator
R2  latency of one transaction alone / (the round trips and fdatasyncs that it does one after another)
R3  seconds from start until every one of N open sagas is driven again after kill -9
what the SDK's barrier costs a participant's call, on SQLite and PostgreSQL, and how long transfers in all three
modes take over the same two rows of one PostgreSQL service.
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
sys.path[:0] = [str(HERE.parent / "examples" / "demo"), str(HERE.parent / "tests" / "support")]

import against  # noqa: E402
from agency import Coordinator, Process  # noqa: E402
import mixed_load  # noqa: E402
import postgres_store  # noqa: E402
import security_cost  # noqa: E402
from postgres import Cluster  # noqa: E402

IN_FLIGHT = (1, 16, 64, 256)
# Mode -> the operations of its steps: forward, the one that finishes (if any), the one that undoes.
OPERATIONS = {"saga": ("action", None, "compensate"), "tcc": ("try", "confirm", "cancel"),
              "2pc": ("prepare", "commit", "rollback")}
STEPS = ("flight", "hotel", "car")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def round_trips(mode):
    """Calls to participants per transaction, and how many of them follow each other: what finishes is called
    at all participants at once. The submit is not counted."""
    return (3, 3) if mode == "saga" else (6, 4)


def definition(kind, mode, hold=False):
    if kind == "http":
        participant = {"http": "${env.BENCH_URL}"}
        call = {"post": "/hold" if hold else "/do", "body": {"key": "${key}", "amount": "${input.amount}"}}
        settle = {"post": "/undo", "body": {"key": "${key}"}}
    else:
        participant = {"grpc": "${env.BENCH_ADDR}", "service": "entente.bench.v1.Bench"}
        call = settle = {"rpc": "Do", "body": {"key": "${key}", "amount": "${input.amount}"}}
    forward, finish, undo = OPERATIONS[mode]
    operations = {forward: call, undo: settle, **({finish: settle} if finish else {})}
    steps = [{"id": name, "participant": "p", **operations, **({"timeout": "10m"} if hold else {})} for name in STEPS]
    return {"name": f"bench-{mode}-{kind}" + ("-hold" if hold else ""), "mode": mode, "participants": {"p": participant},
            "steps": steps, "output": {"price": "${steps.flight.output.price + steps.car.output.price}"}}


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

    def throughput(self, mode, kind):
        """A row for each number in flight: raw and coordinated by turns, so that both see the same machine."""
        document = definition(kind, mode)
        self.coordinator.put_definition(document)
        rows = []
        raw_target = self.url + "/do" if kind == "http" else self.address
        calls, in_turn = round_trips(mode)
        for in_flight in IN_FLIGHT:
            options = ("--in-flight", in_flight, "--seconds", self.seconds)
            raw = self.load(f"raw-{kind}", raw_target, *options)
            pid = self.coordinator.process.popen.pid
            cpu, appends = cpu_seconds(pid), self.metric("entente_journal_appends_total")
            idle, begin = idle_seconds(), time.perf_counter()
            measured = self.load("submit", self.coordinator.url, "--definition", document["name"], *options)
            busy = 1 - (idle_seconds() - idle) / (time.perf_counter() - begin) / os.cpu_count()
            done = max(measured["sent"], 1)
            appends_each = (self.metric("entente_journal_appends_total") - appends) / done
            rows.append({
                "mode": mode, "participants": kind, "in_flight": in_flight, "raw_per_second": raw["per_second"],
                "raw_p50_ms": raw["p50_ms"], "transactions_per_second": measured["per_second"],
                "p50_ms": measured["p50_ms"], "p99_ms": measured["p99_ms"], "p999_ms": measured["p999_ms"],
                "failed": measured["failed"], "cpu_us_each": (cpu_seconds(pid) - cpu) / done * 1e6,
                "appends_each": appends_each, "round_trips": calls, "round_trips_in_turn": in_turn,
                "ratio": measured["per_second"] * calls / max(raw["per_second"], 1),
                "processors_busy": busy,
            })
            print_row(rows[-1])
        return rows

    def recovery(self, count):
        """kill -9 with `count` open transactions, each with a call that is never answered: as many on the wire
        as the participant may have at once, the others waiting for their turn."""
        document = definition("http", "saga", hold=True)
        self.coordinator.put_definition(document)
        self.load("open", self.coordinator.url, "--definition", document["name"], "--count", count,
                  "--in-flight", 256)
        open_before = self.metric("entente_transactions_open")
        memory = memory_mib(self.coordinator.process.popen.pid)
        self.coordinator.process.stop(signal.SIGKILL)
        begin = time.perf_counter()
        self.start()
        ready = time.perf_counter() - begin
        while self.metric("entente_calls_asked_total") < open_before:
            time.sleep(0.01)
            if time.perf_counter() - begin > 120:
                break
        driven = time.perf_counter() - begin
        return {"open": open_before, "ready_seconds": ready, "driven_seconds": driven,
                "memory_mib_before": memory, "memory_mib_after": memory_mib(self.coordinator.process.popen.pid)}

    def fsyncs_each(self, mode, in_flight):
        """Counted by strace in a run of its own, because it slows what it counts."""
        if shutil.which("strace") is None:
            return None
        trace = self.folder / "strace.out"
        tracer = subprocess.Popen(["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", trace, "-p",
                                   str(self.coordinator.process.popen.pid)], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        measured = self.load("submit", self.coordinator.url, "--definition", f"bench-{mode}-http", "--in-flight",
                             in_flight, "--seconds", 2, "--warm-up", 0)
        tracer.send_signal(signal.SIGINT)
        try:
            tracer.wait(timeout=20)
        except subprocess.TimeoutExpired:
            tracer.kill()
            return None
        calls = sum(int(line.split()[3]) for line in trace.read_text().splitlines()
                    if line.endswith(("fsync", "fdatasync")))
        return calls / max(measured["sent"], 1)

    def event_streams(self, rate=400):
        """Sagas at a fixed rate while so many streams of all events are read."""
        document = definition("http", "saga")
        self.coordinator.put_definition(document)
        rows = []
        for count in (0, 50, 200):
            seconds = max(self.seconds, 4)
            readers = subprocess.Popen(
                [self.build / "bench-load", "streams", "--target", self.coordinator.url, "--count", str(count),
                 "--seconds", str(seconds + 3)], stdout=subprocess.PIPE, text=True)
            time.sleep(0.5)
            pid = self.coordinator.process.popen.pid
            cpu = cpu_seconds(pid)
            measured = self.load("submit", self.coordinator.url, "--definition", document["name"], "--rate", rate,
                                 "--seconds", seconds)
            cpu = (cpu_seconds(pid) - cpu) / (seconds + 1)
            read = json.loads(readers.communicate()[0])
            rows.append({"streams": count, **{k: measured[k] for k in ("per_second", "p50_ms", "p99_ms", "failed")},
                         "megabytes_per_second": read["megabytes_per_second"], "ended": read["ended"],
                         "processors": cpu, "memory_mib": memory_mib(pid)})
        return rows

    def security(self, rounds):
        """What tokens, signed calls and TLS cost a saga, of participants over REST and over gRPC."""
        documents = [definition(kind, "saga") for kind in ("http", "grpc")]
        return security_cost.cost(self, documents, 64, rounds, cpu_seconds)

    def barrier(self):
        """What the barrier costs a participant's call: its own program, below a PostgreSQL of its own."""
        figures = self.folder / "barrier.json"
        cluster = Cluster.create(["bench"])
        try:
            subprocess.run([self.build / "barrier-probe", "--dir", self.folder, "--seconds", str(self.seconds),
                            "--json", figures], check=True, stdout=subprocess.DEVNULL,
                           env={**os.environ, "ENTENTE_TEST_POSTGRES": cluster.conninfo("bench")})
        finally:
            cluster.destroy()
        return json.loads(figures.read_text())

    def mixed(self, of_each=50):
        """2PC beside TCC and sagas, on rows that all of them need."""
        world = mixed_load.open_bank(self.build)
        try:
            rows, seconds = mixed_load.run(world, "mixed", of_each)
            wrong = mixed_load.check(world, rows)
        finally:
            world.close()
        committed = sum(row["status"] == "COMMITTED" for row in rows)
        return {"transfers": len(rows), "committed": committed, "seconds": seconds, "wrong": wrong}

    def close(self):
        for process in (self.coordinator.process if self.coordinator else None, self.participant):
            if process:
                process.stop(signal.SIGKILL)


def print_table(header):
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")


def print_row(row):
    print(f"| {row['mode']} | {row['participants']} | {row['in_flight']} | {row['raw_per_second']:,.0f} | "
          f"{row['transactions_per_second']:,.0f} | {row['ratio']:.2f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} | "
          f"{row['p999_ms']:.2f} | {row['cpu_us_each']:.0f} | {row['appends_each']:.2f} | "
          f"{row['processors_busy']:.0%} |", flush=True)


def print_streams(rows):
    print("400 sagas/s while streams of all events are read:\n")
    print_table(["streams", "sagas/s", "p50 ms", "p99 ms", "failed", "read MB/s", "streams ended", "processors used",
                 "memory MiB"])
    for row in rows:
        print(f"| {row['streams']} | {row['per_second']:,.0f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} "
              f"| {row['failed']} | {row['megabytes_per_second']:.1f} | {row['ended']} | {row['processors']:.2f} "
              f"| {row['memory_mib']:.0f} |")
    print()


def print_barrier(rows):
    print_table(["store", "call", "p50 us", "p99 us", "times the bare write"])
    for row in rows:
        print(f"| {row['store']} | {row['case']} | {row['p50Micros']:.0f} | {row['p99Micros']:.0f} | "
              f"{row['timesBareWrite']:.2f} |")


def print_ratios(rows, sync):
    """R1 and R2 of each mode."""
    ratios = []
    print()
    for mode in OPERATIONS:
        busy = {row["participants"]: row["ratio"] for row in rows if row["mode"] == mode and row["in_flight"] == 64}
        alone = next(row for row in rows if (row["mode"], row["participants"], row["in_flight"]) == (mode, "http", 1))
        trips, syncs = alone["round_trips_in_turn"], round(alone["appends_each"])
        floor = trips * alone["raw_p50_ms"] + syncs * sync
        ratios.append({"mode": mode, "r1": busy, "r2": alone["p50_ms"] / floor})
        print(f"{mode}: R1 at 64 in flight: REST {busy['http']:.2f}, gRPC {busy['grpc']:.2f} (objective 0.6)")
        print(f"{mode}: R2: {alone['p50_ms']:.2f} ms / ({trips} round trips + {syncs} fdatasyncs = {floor:.2f} ms) = "
              f"{ratios[-1]['r2']:.2f} (objective at most 1.5)")
    return ratios


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--open", type=int, default=100_000, help="transactions open at the kill")
    parser.add_argument("--folder", help="on the disk to measure (default: a new one here)")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite",
                        help="postgres: only R1 and R5, of one node and of two on one PostgreSQL")
    parser.add_argument("--against", type=pathlib.Path, metavar="BINARY",
                        help="only compare, by turns, with this entente of another build")
    parser.add_argument("--security", action="store_true",
                        help="only what tokens, signatures and TLS cost, at 64 in flight")
    parser.add_argument("--rounds", type=int, default=5, help="of --against and of what security costs")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64], help="of --against")
    parser.add_argument("--modes", nargs="+", default=list(OPERATIONS), choices=list(OPERATIONS), help="of --against")
    parser.add_argument("--kinds", nargs="+", default=["http"], choices=["http", "grpc"], help="of --against")
    parser.add_argument("--json", default="build/bench.json", help="where the figures go")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.folder or tempfile.mkdtemp(prefix="bench-", dir="build"))
    bench = Bench(arguments, folder)
    try:
        if arguments.against:
            documents = [definition(kind, mode) for kind in arguments.kinds for mode in arguments.modes]
            rows = against.compare(bench, arguments.against, documents, arguments, cpu_seconds)
            pathlib.Path(arguments.json).write_text(json.dumps({"against": rows}, indent=2) + "\n")
            return
        if arguments.security:
            rows = bench.security(arguments.rounds)
            pathlib.Path(arguments.json).write_text(json.dumps({"security": rows}, indent=2) + "\n")
            return
        if arguments.store == "postgres":
            rows = postgres_store.run(bench, definition("http", "saga"))
            pathlib.Path(arguments.json).write_text(json.dumps({"postgres": rows}, indent=2) + "\n")
            return
        sync = fdatasync_ms(folder)
        print(f"fdatasync of 4 KiB: {sync:.3f} ms (median); {os.cpu_count()} processors\n")
        bench.start()
        idle = memory_mib(bench.coordinator.process.popen.pid)
        print_table(["mode", "participants", "in flight", "raw round trips/s", "transactions/s", "R1 ratio", "p50 ms",
                     "p99 ms", "p99.9 ms", "CPU us each", "appends each", "processors busy"])
        rows = [row for mode in OPERATIONS for kind in ("http", "grpc") for row in bench.throughput(mode, kind)]
        ratios = print_ratios(rows, sync)
        fsyncs = {mode: {n: bench.fsyncs_each(mode, n) for n in (1, 64)} for mode in OPERATIONS}
        for mode, counts in fsyncs.items():
            print(f"{mode}: fsyncs each: " + ", ".join(
                f"{n} in flight: " + (f"{f:.2f}" if f is not None else "strace is missing") for n, f in counts.items()))
        # Before so many calls are left open that the participant takes no more.
        security = bench.security(arguments.rounds)
        streams = bench.event_streams()
        print_streams(streams)
        recovery = bench.recovery(arguments.open)
        per_open = (recovery["memory_mib_before"] - idle) / max(recovery["open"], 1) * 1024
        print(f"R3: {recovery['open']:,.0f} open; ready after {recovery['ready_seconds']:.2f} s, all driven again after "
              f"{recovery['driven_seconds']:.2f} s (objective 3 s)")
        print(f"memory: {idle:.0f} MiB idle, {recovery['memory_mib_before']:.0f} MiB with them open "
              f"({per_open:.1f} KiB each), {recovery['memory_mib_after']:.0f} MiB after recovery\n")
        barrier = bench.barrier()
        print_barrier(barrier)
        mixed = bench.mixed()
        print(f"\nmixed load on two rows: {mixed['transfers']} transfers in {mixed['seconds']:.1f} s, "
              f"{mixed['committed']} committed" + "".join(f"; WRONG: {each}" for each in mixed["wrong"]))
        pathlib.Path(arguments.json).write_text(json.dumps(
            {"fdatasync_ms": sync, "rows": rows, "ratios": ratios, "recovery": recovery, "memory_idle_mib": idle,
             "fsyncs_each": fsyncs, "barrier": barrier, "mixed": mixed, "event_streams": streams,
             "security": security}, indent=2) + "\n")
        print(f"\nThe figures are in {arguments.json}.")
    finally:
        bench.close()
        if not arguments.folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
