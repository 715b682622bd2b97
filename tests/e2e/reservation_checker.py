"""The independent checker for reservations and two-phase commits: no mixed outcome, nothing left open.

Shares no code with the engine or the services. Ground truth are the services' own tables, read from their
databases and files: the append-only ledger, written in the same local transaction as the effect, and
PostgreSQL's list of prepared transactions.
"""

import collections
import json
import sqlite3
import subprocess

ENDED = ("COMMITTED", "ABORTED")
OPEN_LEDGER = "SELECT gid, branch, operation, effect, amount FROM ledger ORDER BY sequence"


def query(cluster, database, sql):
    """The rows of a statement, as dictionaries, through PostgreSQL's own client."""
    done = subprocess.run(
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", f"SELECT coalesce(json_agg(r), '[]') FROM ({sql}) r",
         cluster.conninfo(database)], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def read_ledgers(world):
    """Service name -> its ledger."""
    ledgers = {}
    for name in world.services:
        file = world.folder / f"{name}.db"
        if file.exists():
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
                database.row_factory = sqlite3.Row
                ledgers[name] = [dict(row) for row in database.execute(OPEN_LEDGER)]
        else:
            ledgers[name] = query(world.cluster, name, OPEN_LEDGER)
    return ledgers


def prepared(world):
    """The names of all transactions that are prepared anywhere in the cluster."""
    return [row["gid"] for row in query(world.cluster, "postgres", "SELECT gid FROM pg_prepared_xacts")]


def effect_of(rows):
    """What a service's rows about one transaction come to: "done", "nothing" or what is wrong with them."""
    count = collections.Counter(row["effect"] for row in rows)
    amount = sum(row["amount"] for row in rows)
    if any(number > 1 for number in count.values()):
        return f"repeated: {dict(count)}"
    if count["held"] == 0:  # A transaction of the database: there is a row, or there is none.
        return "done" if count["sold"] == 1 else "nothing" if amount == 0 and not count else f"strange: {dict(count)}"
    if count["booked"]:
        return "done" if amount > 0 and not count["released"] and not count["expired"] else f"mixed: {dict(count)}"
    return "nothing" if amount == 0 else "left open"


def check(ledgers, statuses, takes_part):
    """`statuses`: gid -> final status, as the coordinator says. `takes_part`: gid -> the services that a commit of
    it changes. Returns a list of violations, empty when all holds."""
    violations = []
    by_gid = {name: collections.defaultdict(list) for name in ledgers}
    for name, rows in ledgers.items():
        for row in rows:
            by_gid[name][row["gid"]].append(row)
            if row["gid"] not in statuses:
                violations.append(f"{name} has an effect of {row['gid']}, which nobody asked for")
    for gid, status in statuses.items():
        if status not in ENDED:
            violations.append(f"{gid} is {status}: it has not ended")
            continue
        for name in ledgers:
            want = "done" if status == "COMMITTED" and name in takes_part[gid] else "nothing"
            got = effect_of(by_gid[name][gid])
            if got != want:
                violations.append(f"{gid} is {status}, but at {name} it is '{got}'")
    return violations
