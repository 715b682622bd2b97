"""How the demos print: titles, accounts of transactions, and what ends them when something is wrong."""

import contextlib
import json
import sys
import textwrap

BOLD, DIM, GREEN, RED, YELLOW, RESET = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[33m", "\033[0m") if sys.stdout.isatty() else ("",) * 6
)
# What each phase of a branch means to somebody who has never seen one.
COMMON = {
    "refused": "refused, so it had no effect",
    "gave-up": "no answer; it may have happened",
    "skipped": "not wanted",
    "blocked": "not reached",
    "enlisted": "enlisted",
}
PHASES = {
    "saga": {"done": "done", "undone": "done, then given back"},
    "tcc": {"done": "reserved", "finished": "reserved, then confirmed", "undone": "cancelled"},
    "2pc": {"done": "voted yes", "finished": "voted yes, then committed", "undone": "rolled back",
            "read-only": "voted read-only: left out of the second phase", "refused": "voted no"},
}


def title(number, text):
    print(f"\n{BOLD}{number}. {text}{RESET}")


def note(text):
    print(f"   {DIM}{text}{RESET}")


def defect(text):
    sys.exit(f"demo: {text}: this is a defect")


def plain(message, width):
    """What a service said, without the JSON it was wrapped in; no longer than a line."""
    with contextlib.suppress(ValueError, KeyError):
        message = json.loads(message[message.index("{"):])["detail"]
    return textwrap.shorten(message, width, placeholder=" ...")


def branch_text(mode, branch):
    phase = branch["phase"]
    text = PHASES[mode].get(phase) or COMMON.get(phase, phase)
    if branch.get("alternative") and phase in ("done", "undone", "finished"):
        text += f", by alternative {branch['alternative']}"
    if phase == "undone" and branch.get("mayHaveHappened"):
        text = f"no answer, may have happened: {PHASES[mode]['undone'].split()[-1]}"
        if mode == "saga":
            text = "no answer, may have happened: undone"
    failure = branch.get("failure")
    if failure:
        text += f"  {DIM}({plain(failure['message'], 80)}){RESET}"
    return text


def account(coordinator, gid):
    """One line per branch, from what the coordinator knows."""
    txn = coordinator.get(gid)
    colour = GREEN if txn["status"] == "COMMITTED" else YELLOW if txn["status"] == "ABORTED" else RED
    print(f"   {colour}{txn['status']}{RESET}  {DIM}{gid}{RESET}")
    for branch in txn.get("branches", []):
        print(f"     {branch['id']:<8}{branch_text(txn.get('mode', 'saga'), branch)}")
    if txn["status"] == "COMMITTED" and txn.get("output"):
        print(f"     {DIM}output: {txn['output']}{RESET}")
    if txn.get("abort"):
        print(f"     {DIM}because: {plain(txn['abort'].get('message', txn['abort'].get('cause')), 100)}{RESET}")
    return txn


def expect(txn, status):
    if txn["status"] != status:
        defect(f"{txn['gid']} ended {txn['status']}, not {status}")


def effects(service, gid):
    """What a service's own ledger says about a transaction, in one line."""
    rows = [row for row in service.ledger() if row["gid"] == gid]
    note(f"  {service.name}' own ledger: " + (", ".join(f"{r['effect']} {r['amount']:+d}" for r in rows) or "nothing"))
    return rows
