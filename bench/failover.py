#!/usr/bin/env python3
"""How long a cluster's transactions stand still when a node goes.

    python3 bench/failover.py --build build [--runs 50] [--lease 5s]

Three coordinators on one PostgreSQL. In each run one of them is killed (kill -9), or stopped (SIGTERM), while
transactions of its shards wait for a signal; the time ends when all of them, signalled by way of another
node, have ended there.
"""

import argparse
import concurrent.futures
import http.client
import pathlib
import random
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "examples" / "demo")]

from nodes import ApiError, ClusterAgency  # noqa: E402

WAITS = {"name": "waits", "mode": "saga", "steps": [{"id": "w", "wait": {"signal": "go"}}]}
PROBES = 8


def end(node, gid):
    """Signals it and waits for its end, at a node that lives; again until that works."""
    while True:
        try:
            node.coordinator.http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go", "id": "1"})
            if node.coordinator.get(gid, wait="10s")["status"] == "COMMITTED":
                return
        except ApiError as error:
            if error.status not in (503, 504):
                raise
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.005)


def one_run(agency, pool, sig, rng):
    """Seconds from the signal to the end of the last of its transactions."""
    victim = rng.choice(agency.nodes)
    others = [node for node in agency.nodes if node is not victim]
    gids = [victim.coordinator.submit("waits", {})["gid"] for _ in range(PROBES)]
    begin = time.monotonic()
    victim.process.popen.send_signal(sig)
    waits = [pool.submit(end, others[n % 2], gid) for n, gid in enumerate(gids)]
    for wait in waits:
        wait.result()
    seconds = time.monotonic() - begin
    victim.process.popen.wait()
    victim.start()
    agency.wait_until_shared()
    return seconds


def row(name, values):
    values = sorted(values)
    at = lambda share: values[min(len(values) - 1, int(share * len(values)))]  # noqa: E731
    return f"| {name} | {len(values)} | {at(0.5):.2f} s | {at(0.99):.2f} s | {values[-1]:.2f} s |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--lease", default="5s")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with ClusterAgency(arguments.build, arguments=("--lease", arguments.lease)) as agency, \
            concurrent.futures.ThreadPoolExecutor(PROBES) as pool:
        agency.coordinator.put_definition(WAITS)
        print("| | runs | p50 | p99 | max |\n|---|---|---|---|---|")
        for name, sig in (("stopped (SIGTERM)", signal.SIGTERM), ("killed (kill -9)", signal.SIGKILL)):
            values = [one_run(agency, pool, sig, rng) for _ in range(arguments.runs)]
            print(row(name, values), flush=True)


if __name__ == "__main__":
    main()
