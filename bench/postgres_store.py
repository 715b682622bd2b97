"""One coordinator and two on one PostgreSQL: `./dev bench --store postgres`.

R1 as with the store in a file. R5: appends/s of all nodes, divided by those of a bare client that commits the same
rows to a database of the same server, all that are in flight at a time, and does nothing else (journal-probe). What
is compared is measured one after the other, within seconds.
"""

import concurrent.futures
import os
import signal
import subprocess
import time

from agency import Coordinator
from postgres import Cluster

IN_FLIGHT = (1, 16, 64, 256)
# Of a saga: its calls, and what is appended of it, its acceptance and each answer.
CALLS, APPENDS = 3, 4
START_SECONDS = 60


class Nodes:
    """`count` coordinators on a database of their own, until it is closed."""

    def __init__(self, bench, count, document):
        self.bench, self.coordinators = bench, []
        self.server = Cluster.create(["journal", "bare"], {"shared_buffers": "128MB"})
        try:
            for number in range(count):
                folder = bench.folder / f"{count}-{number}"
                folder.mkdir()
                self.coordinators.append(Coordinator(
                    bench.build, folder, bench.env, ["--log-level", "warn"], grpc="off",
                    store=f"postgres://entente@127.0.0.1:{self.server.port}/journal"))
            self._await_shares()
            self.coordinators[0].put_definition(document)
        except BaseException:
            self.close()
            raise

    def _await_shares(self):
        deadline = time.monotonic() + START_SECONDS
        while not all(each.http.request("GET", "/readyz")[0] == 200 for each in self.coordinators):
            if time.monotonic() > deadline:
                raise RuntimeError("the nodes do not come to have their shards")
            time.sleep(0.05)

    def load(self, name, in_flight):
        """Spread over the nodes: sagas/s of all, and the slower node's latencies."""
        options = ("--in-flight", max(in_flight // len(self.coordinators), 1), "--seconds", self.bench.seconds)
        with concurrent.futures.ThreadPoolExecutor(len(self.coordinators)) as pool:
            measured = list(pool.map(lambda each: self.bench.load("submit", each.url, "--definition", name, *options),
                                     self.coordinators))
        return {"transactions_per_second": sum(each["per_second"] for each in measured),
                "failed": sum(each["failed"] for each in measured),
                **{key: max(each[key] for each in measured) for key in ("p50_ms", "p99_ms")}}

    def bare(self, in_flight):
        """Appends/s of the bare client."""
        out = subprocess.run([self.bench.build / "journal-probe", "--postgres", "--seconds", str(self.bench.seconds),
                              "--in-flight", str(in_flight)], capture_output=True, text=True, check=True,
                             env={**os.environ, "ENTENTE_TEST_POSTGRES": self.server.conninfo("bare")}).stdout
        head, row = out.split("\n")[:2]
        return float(dict(zip(head.replace("in flight", "in-flight").replace("p50 us", "p50").split(), row.split()))["bare/s"])

    def close(self):
        for each in self.coordinators:
            each.process.stop(signal.SIGTERM)
        self.server.destroy()


def run(bench, document):
    """Prints the table; returns its rows."""
    rows = []
    print("| nodes | in flight | raw round trips/s | sagas/s | R1 | appends/s | bare client, appends/s | R5 | p50 ms | p99 ms |\n"
          + "|---" * 10 + "|")
    for count in (1, 2):
        nodes = Nodes(bench, count, document)
        try:
            for in_flight in IN_FLIGHT:
                raw = bench.load("raw-http", bench.url + "/do", "--in-flight", in_flight, "--seconds", bench.seconds)["per_second"]
                bare = nodes.bare(in_flight)
                row = {"nodes": count, "in_flight": in_flight, "raw_per_second": raw, "bare_per_second": bare,
                       **nodes.load(document["name"], in_flight)}
                row["appends_per_second"] = row["transactions_per_second"] * APPENDS
                row["r1"] = row["transactions_per_second"] * CALLS / max(raw, 1)
                row["r5"] = row["appends_per_second"] / max(bare, 1)
                rows.append(row)
                print(f"| {count} | {in_flight} | {raw:,.0f} | {row['transactions_per_second']:,.0f} | {row['r1']:.2f} | "
                      f"{row['appends_per_second']:,.0f} | {bare:,.0f} | {row['r5']:.2f} | {row['p50_ms']:.1f} | "
                      f"{row['p99_ms']:.1f} |", flush=True)
        finally:
            nodes.close()
    return rows
