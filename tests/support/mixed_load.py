"""Transfers in all three modes at once over the same two rows of one PostgreSQL service.

What is prepared holds its rows until the decision, and every other call waits for them: nothing of it
may stand still. Used by the end-to-end tests and by ./dev bench.
"""

import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "examples" / "demo"))

from world import World, wait_until  # noqa: E402

MODES = ("saga", "tcc", "2pc")
OPENING = 1_000_000
AMOUNT = 100
# Only a standstill takes so long, also on a machine that does ten other things.
PATIENCE_SECONDS = 400


def definition(mode):
    """As the example's, with no deadline of its own: what is unless stated has to do."""
    document = json.loads((ROOT / "examples" / "bank" / "definitions" / f"transfer-{mode}.json").read_text())
    del document["deadline"]
    return document


def open_bank(build):
    """A world with one bank, whose accounts all transfers share."""
    world = World(build, databases=("bank",))
    try:
        bank = world.add_on_postgres("bank", "bank",
                                     ["--account", f"alice={OPENING}", "--account", f"bob={OPENING}"])
        world.env = {"SENDER_URL": bank.url, "RECEIVER_URL": bank.url}
        world.start_coordinator()
        for mode in MODES:
            world.coordinator.put_definition(definition(mode))
    except BaseException:
        world.close()
        raise
    return world


def run(world, prefix, of_each):
    """Submits `of_each` transfers of each mode, then waits for all: (their rows, seconds)."""
    begin = time.monotonic()
    for number in range(of_each):
        for mode in MODES:
            world.coordinator.submit(f"transfer-{mode}", {"from": "alice", "to": "bob", "amount": AMOUNT},
                                     gid=f"{prefix}-{mode}-{number}")
    rows = wait_until(lambda: world.coordinator.list(q=prefix),
                      lambda found: len(found) == of_each * len(MODES)
                      and all(row["status"] in ("COMMITTED", "ABORTED") for row in found), seconds=PATIENCE_SECONDS)
    return rows, time.monotonic() - begin


def check(world, rows):
    """What is wrong with the bank's books after `rows`, in words; none: []."""
    summary = world.services["bank"].summary()
    moved = AMOUNT * sum(row["status"] == "COMMITTED" for row in rows)
    accounts = {name: (each["balance"], each["frozen"], each["incoming"]) for name, each in summary["accounts"].items()}
    wanted = {"alice": (OPENING - moved, 0, 0), "bob": (OPENING + moved, 0, 0)}
    wrong = [f"{name}: {accounts[name]}, not {wanted[name]}" for name in wanted if accounts[name] != wanted[name]]
    wrong += [f"{row['gid']} has an incident" for row in rows if row.get("incident")]
    return wrong + ([f"{summary['prepared']} are prepared"] if summary["prepared"] else [])
