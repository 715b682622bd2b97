#!/usr/bin/env python3
"""The verdict about one run, from what was seen outside: judge.py FOLDER

Reads FOLDER/history.jsonl (operations of clients, and the final look at each transaction), FOLDER/ledgers.json
(each participant's effects, in their order) and FOLDER/summaries.json (what they hold at the end). Shares no
code with the coordinator, the SDK or the clients, and goes once through each, so its time is linear.
"""

import collections
import json
import pathlib
import sys

ENDED = ("COMMITTED", "ABORTED")
UNDO = ("compensate", "cancel", "rollback")
HELD = ("frozen", "announced", "held")  # Effects after which something has to follow.


class Transaction:
    def __init__(self):
        self.expect = None
        self.register = None
        self.begun = None  # When it was first asked for.
        self.told = None  # When an answer first said COMMITTED.
        self.acknowledged = False
        self.may_exist = False
        self.seen = set()
        self.final = None
        self.output = None
        self.cancelled = False
        self.committed = False


class Judge:
    def __init__(self):
        self.violations = []
        self.transactions = collections.defaultdict(Transaction)
        self.counts = collections.Counter()

    def wrong(self, invariant, text):
        self.violations.append(f"{invariant}: {text}")

    # The history.

    def read_event(self, event):
        txn = self.transactions[event["gid"]]
        kind, op = event["type"], event["op"]
        self.counts[kind] += 1
        if kind == "invoke":
            if "expect" in event:
                txn.expect, txn.register = event["expect"], event.get("register")
                txn.begun = txn.begun or event["at"]
            return
        if op in ("submit", "begin") and kind != "fail":
            txn.may_exist = True
        if kind != "ok":
            return
        self.read_answer(txn, op, event)

    def read_answer(self, txn, op, event):
        gid, status = event["gid"], event.get("status")
        if op == "submit-another":
            self.wrong("I2", f"{gid} was submitted with another content and accepted")
            return
        txn.acknowledged = txn.acknowledged or op in ("submit", "begin")
        txn.cancelled = txn.cancelled or op in ("cancel", "abort")
        txn.committed = txn.committed or op == "commit"
        if op == "final":
            txn.final, txn.output = status, event.get("output")
        if status in ENDED or status == "MIXED":
            txn.seen.add(status)
            if status == "COMMITTED":
                txn.told = txn.told or event["at"]

    def check_answers(self):
        for gid, txn in self.transactions.items():
            if txn.acknowledged and txn.final is None:
                self.wrong("I2", f"{gid} was acknowledged and is unknown at the end")
            if txn.final is not None and txn.final not in ENDED:
                self.wrong("I9", f"{gid} is {txn.final} at the end")
            if len(txn.seen) > 1:
                self.wrong("I3", f"{gid} was seen as {sorted(txn.seen)}")
            if txn.cancelled and txn.final == "COMMITTED":
                self.wrong("I3", f"the cancel of {gid} was taken, and it is COMMITTED")
            if txn.committed and txn.final == "ABORTED":
                self.wrong("I3", f"the commit of {gid} was taken, and it is ABORTED")

    # The ledgers.

    def check_ledgers(self, ledgers):
        by_root = collections.defaultdict(lambda: collections.defaultdict(list))
        for service, rows in ledgers.items():
            commands = collections.Counter()
            undone = set()
            for row in rows:
                self.counts["effects"] += 1
                root = row["gid"].split("~")[0]
                by_root[root][service].append(row)
                self.check_row(service, row, commands, undone)
            for command, count in commands.items():
                if count > 1:
                    self.wrong("I5", f"{service} carried out {command} {count} times")
        for root, services in by_root.items():
            if root not in self.transactions or not self.transactions[root].may_exist:
                self.wrong("I11", f"{sorted(services)} have effects of {root}, which nobody asked for")
        for gid, txn in self.transactions.items():
            if txn.final in ENDED:
                self.check_effects(gid, txn, by_root.get(gid, {}))

    def check_row(self, service, row, commands, undone):
        branch = (row["gid"], row["branch"], row["key"].removesuffix(f":{row['operation']}"))
        commands[(*branch, row["operation"])] += 1
        if row["operation"] in UNDO:
            undone.add(branch)
        elif branch in undone:
            self.wrong("I6", f"{service} did {row['operation']} of {branch} after it was undone")

    def check_effects(self, gid, txn, services):
        if txn.final == "ABORTED":
            self.check_nothing_stands(gid, services)
            return
        net = collections.Counter()
        for service, rows in services.items():
            for row in rows:
                net[service, row["branch"]] += row["amount"]
        wanted = collections.Counter({(service, branch): amount for service, branch, amount, _ in txn.expect or ()})
        if dict(net) != dict(wanted):
            self.wrong("I1", f"{gid} is COMMITTED, with {show(net)} instead of {show(wanted)}")
        effects = {(service, branch): effect for service, branch, _, effect in txn.expect or ()}
        for service, rows in services.items():
            for branch, effect in {row["branch"]: row["effect"] for row in rows}.items():
                if effects.get((service, branch)) != effect:
                    self.wrong("I1", f"{gid} is COMMITTED, but the last of '{branch}' at {service} is '{effect}'")

    def check_nothing_stands(self, gid, services):
        for service, rows in services.items():
            amount = sum(row["amount"] for row in rows)
            if amount != 0:
                self.wrong("I1/I4", f"{gid} is ABORTED, but {service} still has {amount} of it")
            for (owner, branch), effect in {(row["gid"], row["branch"]): row["effect"] for row in rows}.items():
                if effect in HELD:
                    self.wrong("I1/I4", f"{owner} is ABORTED, but the last of '{branch}' at {service} is '{effect}'")

    # Registers: what was appended after an answer came, comes after what the answer was about.

    def check_registers(self, rows):
        version, appended = collections.Counter(), {}
        for row in rows:
            if row["effect"] != "appended":
                continue
            version[row["register"]] += 1
            if row["version"] != version[row["register"]]:
                self.wrong("I1", f"register {row['register']} went to version {row['version']} from {version[row['register']] - 1}")
            appended.setdefault(row["gid"], row)
        floor = collections.Counter()
        events = [(txn.begun, 1, gid) for gid, txn in self.transactions.items() if txn.begun and gid in appended]
        events += [(txn.told, 0, gid) for gid, txn in self.transactions.items() if txn.told and gid in appended]
        for _, is_begin, gid in sorted(events):
            row, txn = appended[gid], self.transactions[gid]
            if not is_begin:
                floor[row["register"]] = max(floor[row["register"]], row["version"])
            elif row["version"] <= floor[row["register"]]:
                self.wrong("I1", f"{gid} was begun after version {floor[row['register']]} of {row['register']} was reported, "
                                 f"and has {row['version']}")
            if txn.output and txn.final == "COMMITTED" and txn.output.get("version") != row["version"]:
                self.wrong("I1", f"{gid} says version {txn.output.get('version')}, the register {row['version']}")

    # What is held at the end.

    def check_summaries(self, summaries, ledgers, opening):
        total = 0
        for bank in ("bank-a", "bank-b"):
            summary = summaries[bank]
            total += summary["total"]
            moved = sum(row["amount"] for row in ledgers[bank])
            if summary["total"] != opening[bank] + moved:
                self.wrong("I1", f"{bank} has {summary['total']}, its ledger says {opening[bank] + moved}")
            if summary["prepared"]:
                self.wrong("I9", f"{bank} has {summary['prepared']} prepared transactions left")
            for name, account in summary["accounts"].items():
                if account["frozen"] or account["incoming"]:
                    self.wrong("I1", f"{bank} still holds {account} of {name}")
        if total != sum(opening.values()):
            self.wrong("I1", f"the banks have {total} together, not {sum(opening.values())}")
        for desk in ("flights", "hotels"):
            if summaries[desk]["held"]:
                self.wrong("I1", f"{desk} still holds {summaries[desk]['held']}")
        for name, register in summaries["register"]["registers"].items():
            net = sum(row["amount"] for row in ledgers["register"] if row["register"] == name)
            if net != register["standing"]:
                self.wrong("I1", f"register {name} has {register['standing']} entries, its ledger says {net}")


def show(counter):
    return ", ".join(f"{amount} by '{branch}' at {service}" for (service, branch), amount in sorted(counter.items())) or "nothing"


def judge(folder):
    """(violations, counts, transactions by their end)."""
    folder = pathlib.Path(folder)
    one = Judge()
    with open(folder / "history.jsonl", encoding="utf-8") as history:
        for line in history:
            one.read_event(json.loads(line))
    ledgers = json.loads((folder / "ledgers.json").read_text())
    summaries = json.loads((folder / "summaries.json").read_text())
    one.check_answers()
    one.check_ledgers(ledgers)
    one.check_registers(ledgers["register"])
    one.check_summaries(summaries["services"], ledgers, summaries["opening"])
    ends = collections.Counter(txn.final for txn in one.transactions.values() if txn.final)
    if not ends["COMMITTED"] or not ends["ABORTED"]:
        one.wrong("vacuous", f"the load did not come to both ends: {dict(ends)}")
    return one.violations, one.counts, ends


if __name__ == "__main__":
    found, seen, by_end = judge(sys.argv[1])
    print(*found, sep="\n")
    print(f"{dict(by_end)}, {dict(seen)}: {len(found)} violations")
    sys.exit(1 if found else 0)
