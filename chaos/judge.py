#!/usr/bin/env python3
"""The verdict about one run, from what was seen outside: judge.py FOLDER

Reads FOLDER/history.jsonl (operations of clients, and the final look at each transaction), FOLDER/listed.json (all
transactions as the coordinator lists them), FOLDER/ledgers.json (each participant's effects, in their order) and
FOLDER/summaries.json (what they hold at the end). Shares no code with the coordinator, the SDK or the clients, and
goes once through each, so its time is linear.
"""

import collections
import datetime
import json
import math
import pathlib
import sys

ENDED = ("COMMITTED", "ABORTED")
UNDO = ("compensate", "cancel", "rollback")
ENOUGH = 30  # Of one kind of transaction, for that some of them have to commit.
HELD = ("frozen", "announced", "held")  # Effects after which something has to follow.


PHASES = {"ACTIVE": 0, "COMMITTING": 1, "ABORTING": 1, "COMMITTED": 2, "ABORTED": 2, "MIXED": 2}
DECISIONS = {"COMMITTING": "COMMITTED", "COMMITTED": "COMMITTED", "ABORTING": "ABORTED", "ABORTED": "ABORTED", "MIXED": "MIXED"}


class Transaction:
    def __init__(self):
        self.order = {}  # What was asked for: workloads.py, order_of().
        self.begun = None  # When it was first asked for.
        self.told = None  # When an answer first said COMMITTED.
        self.aborting = None  # When an answer first said that it is undone.
        self.may = set()  # Operations that may have been taken,
        self.did = set()  # and those that were.
        self.phase = 0  # The latest that was told.
        self.decisions = set()  # All that were told.
        self.outputs = set()
        self.abort = {}
        self.final = None
        self.found = None  # Whether the last look found it; None: it had no answer.

    @property
    def may_exist(self):
        return bool(self.may & {"submit", "begin"})


class Judge:
    def __init__(self):
        self.violations = []
        self.transactions = collections.defaultdict(Transaction)
        self.counts = collections.Counter()
        self.clocks_set_at = math.inf  # From then on deadlines may come early: a clock that steps forward is followed.
        self.asked = {}  # Number of an operation without an answer -> (gid, operation, phase told before it).

    def wrong(self, invariant, text):
        self.violations.append(f"{invariant}: {text}")

    # The history.

    def read_event(self, event):
        gid, op, kind = event["gid"], event["op"], event["type"]
        txn = self.transactions[gid]
        self.counts[kind] += 1
        if kind == "invoke":
            self.asked[event["n"]] = (gid, op, txn.phase)
            if "order" in event:
                txn.order = event["order"]
                txn.begun = txn.begun or event["at"]
            return
        _, _, phase = self.asked.pop(event["n"])
        if kind != "fail":
            txn.may.add(op)
        if kind == "ok":
            txn.did.add(op)
            self.read_answer(gid, txn, event, phase)
        elif op == "final" and kind == "fail":
            txn.final, txn.found = None, False

    def read_answer(self, gid, txn, event, phase_before):
        status = event.get("status")
        if event["op"] == "submit-another":
            self.wrong("I2", f"{gid} was submitted with another content and accepted")
        if event["op"] == "final":
            txn.final, txn.found = status, True
        if status not in PHASES:
            return
        if PHASES[status] < phase_before:
            self.wrong("I3", f"{gid} was answered {status} to who asked after it had been further")
        txn.phase = max(txn.phase, PHASES[status])
        if status in DECISIONS:
            txn.decisions.add(DECISIONS[status])
        if status == "COMMITTED":
            txn.told = txn.told or event["at"]
            txn.outputs.add(json.dumps(event.get("output"), sort_keys=True))
        if DECISIONS.get(status) == "ABORTED":
            txn.aborting = txn.aborting or event["at"]
            txn.abort = event.get("abort") or txn.abort

    def check_answers(self):
        for gid, op, _ in self.asked.values():
            self.transactions[gid].may.add(op)
        for gid, txn in self.transactions.items():
            self.check_existence(gid, txn)
            if len(txn.decisions) > 1:
                self.wrong("I3", f"{gid} was seen as {sorted(txn.decisions)}")
            if txn.did & {"cancel", "abort"} and txn.final == "COMMITTED":
                self.wrong("I3", f"the cancel of {gid} was taken, and it is COMMITTED")
            votes = txn.order.get("definition", "").endswith("-2pc")  # There a commit only begins to prepare.
            if "commit" in txn.did and not votes and txn.final == "ABORTED":
                self.wrong("I3", f"the commit of {gid} was taken, and it is ABORTED")
            if txn.final == "COMMITTED":
                self.check_permission(gid, txn)
            if txn.abort:
                self.check_cause(gid, txn)

    def check_existence(self, gid, txn):
        if txn.found is None and txn.may_exist:
            self.wrong("I9", f"what became of {gid} could not be read at the end")
        elif txn.did and not txn.found:
            self.wrong("I2", f"{gid} was acknowledged and is unknown at the end")
        if txn.found and not txn.may_exist:
            self.wrong("I2", f"{gid} was refused, and is there")
        if txn.final is not None and txn.final not in ENDED:
            self.wrong("I9", f"{gid} is {txn.final} at the end")

    def check_permission(self, gid, txn):
        """What only a client may decide, a client decided."""
        if "begin" in txn.may and "commit" not in txn.may:
            self.wrong("I3", f"{gid} is COMMITTED, and its client did not ask for that")
        if txn.order.get("definition") == "signal" and "signal" not in txn.may:
            self.wrong("I3", f"{gid} is COMMITTED, and nobody sent the signal that it waits for")

    def check_cause(self, gid, txn):
        cause, code = txn.abort.get("cause"), txn.abort.get("code")
        if cause == "cancelled" and not txn.may & {"cancel", "abort"}:
            self.wrong("I3", f"{gid} was cancelled, and nobody asked for that")
        if code == "wait.timeout" and "signal" in txn.did:
            self.wrong("I2", f"{gid} gave up waiting for a signal that had been taken")
        if (cause == "deadline" or code == "wait.timeout") and txn.aborting < self.clocks_set_at:
            passed = txn.aborting - txn.begun
            if passed < txn.order["seconds"]:
                self.wrong("I3", f"{gid} ran out of time {passed:.1f} s after it was asked for, and had {txn.order['seconds']} s")

    def check_both_ends(self):
        """Kinds of transactions that never commit would show nothing but that they are undone."""
        ends = collections.defaultdict(collections.Counter)
        for txn in self.transactions.values():
            ends[txn.order.get("definition"), "begin" in txn.may][txn.final] += 1
        for (definition, led), counted in ends.items():
            if sum(counted.values()) >= ENOUGH and not counted["COMMITTED"]:
                self.wrong("vacuous", f"none of {definition}{', led by its client,' if led else ''} is COMMITTED: {dict(counted)}")

    def check_list(self, listed):
        statuses = collections.defaultdict(list)
        for gid, status in listed:
            statuses[gid].append(status)
            if "~" in gid and status not in ENDED:
                self.wrong("I9", f"{gid} is {status} at the end")
            if gid.split("~")[0] not in self.transactions:
                self.wrong("I11", f"{gid} is listed, and nobody asked for it")
        for gid, txn in self.transactions.items():
            if statuses.get(gid, []) != ([txn.final] if txn.final else []):
                self.wrong("I13", f"{gid} is {txn.final or 'unknown'}, and listed as {statuses.get(gid, 'nothing')}")

    # The ledgers.

    def check_ledgers(self, ledgers):
        by_root = collections.defaultdict(lambda: collections.defaultdict(list))
        for service, rows in ledgers.items():
            commands = collections.Counter()
            undone, epochs = set(), {}
            for row in rows:
                self.counts["effects"] += 1
                root = row["gid"].split("~")[0]
                by_root[root][service].append(row)
                self.check_row(service, row, commands, undone)
                self.check_epoch(service, row, epochs)
            for command, count in commands.items():
                if count > 1:
                    self.wrong("I5", f"{service} carried out {command} {count} times")
        for root, services in by_root.items():
            if root not in self.transactions or not self.transactions[root].may_exist:
                self.wrong("I11", f"{sorted(services)} have effects of {root}, which nobody asked for")
            elif self.transactions[root].found is False:
                self.wrong("I2", f"{sorted(services)} have effects of {root}, which is unknown at the end")
        for gid, txn in self.transactions.items():
            if txn.final in ENDED:
                self.check_effects(gid, txn, by_root.get(gid, {}))
                if txn.order.get("chain"):
                    self.check_order(gid, txn.order["chain"], by_root.get(gid, {}))

    def check_row(self, service, row, commands, undone):
        branch = (row["gid"], row["branch"], row["key"].removesuffix(f":{row['operation']}"))
        commands[(*branch, row["operation"])] += 1
        if row["operation"] in UNDO:
            undone.add(branch)
        elif branch in undone:
            self.wrong("I6", f"{service} did {row['operation']} of {branch} after it was undone")

    def check_epoch(self, service, row, epochs):
        """A client's own calls have none, or 0."""
        branch, epoch = (row["gid"], row["branch"]), row.get("epoch") or 0
        if epoch and epoch < epochs.get(branch, 0):
            self.wrong("I7", f"{service} did {row['operation']} of {branch} for epoch {epoch} after epoch {epochs[branch]}")
        epochs[branch] = max(epoch, epochs.get(branch, 0))

    def check_effects(self, gid, txn, services):
        if txn.final == "ABORTED":
            self.check_nothing_stands(gid, services)
            return
        self.check_output(gid, txn, services)
        net = collections.Counter()
        for service, rows in services.items():
            for row in rows:
                net[service, row["branch"]] += row["amount"]
        expect = txn.order.get("expect", ())
        wanted = collections.Counter({(service, branch): amount for service, branch, amount, *_ in expect})
        if dict(net) != dict(wanted):
            self.wrong("I1", f"{gid} is COMMITTED, with {show(net)} instead of {show(wanted)}")
        effects = {(service, branch): effect for service, branch, _, effect, _ in expect}
        for service, rows in services.items():
            for branch, effect in {row["branch"]: row["effect"] for row in rows}.items():
                if effects.get((service, branch)) != effect:
                    self.wrong("I1", f"{gid} is COMMITTED, but the last of '{branch}' at {service} is '{effect}'")

    def check_output(self, gid, txn, services):
        if len(txn.outputs) > 1:
            self.wrong("I3", f"{gid} was answered with several outputs: {sorted(txn.outputs)}")
        versions = {row["branch"]: row["version"] for row in services.get("register", ()) if row["effect"] == "appended"}
        wanted = txn.order.get("output")
        if wanted:
            wanted = {name: filled(one, versions) for name, one in wanted.items()}
        for output in map(json.loads, txn.outputs):
            if output != wanted:
                self.wrong("I1", f"{gid} is COMMITTED with the output {output} instead of {wanted}")

    def check_order(self, gid, chain, services):
        """Each step comes after those that it builds upon, and is undone before they are (I8)."""
        opened, closed = collections.defaultdict(lambda: -math.inf), collections.defaultdict(lambda: math.inf)
        moments = collections.defaultdict(list)
        for rows in services.values():
            for row in rows:
                step, at, undo = step_of(gid, row), instant(row["at"]), is_undo(gid, row)
                for name in {step, step.partition(":")[0]}:  # An element of a forEach, and all of them.
                    moments[name].append(at)
                    if undo:
                        closed[name] = min(closed[name], at)
                    else:
                        opened[name] = max(opened[name], at)
        for before, after in zip(chain, chain[1:]):
            for at in moments[after]:
                if not opened[before] <= at <= closed[before]:
                    self.wrong("I8", f"{gid}: '{after}' was done or undone before '{before}' was done, or after it was undone")

    def check_nothing_stands(self, gid, services):
        for service, rows in services.items():
            amount, own = sum(row["amount"] for row in rows), collections.Counter()
            if amount != 0:
                self.wrong("I1/I4", f"{gid} is ABORTED, but {service} still has {amount} of it")
            for row in rows:  # A child's are undone by another child's.
                own[row["branch"]] += row["amount"] if row["gid"] == gid else 0
            for branch, left in own.items():
                if left != 0:
                    self.wrong("I1/I4", f"{gid} is ABORTED, but {service} still has {left} of '{branch}'")
            for (owner, branch), effect in {(row["gid"], row["branch"]): row["effect"] for row in rows}.items():
                if effect in HELD:
                    self.wrong("I1/I4", f"{owner} is ABORTED, but the last of '{branch}' at {service} is '{effect}'")

    # Registers: what was appended after an answer came, comes after what the answer was about.

    def check_registers(self, rows):
        version, appended = collections.Counter(), {}
        for row in rows:
            expect = self.transactions[row["gid"]].order.get("expect", ())
            wanted = [place for service, branch, _, _, place in expect if (service, branch) == ("register", row["branch"])]
            if row["register"] not in wanted:
                self.wrong("I11", f"{row['gid']} is about {wanted}, and has {row['effect']} in {row['register']}")
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

    # What is held at the end.

    def check_summaries(self, summaries, ledgers, opening):
        total, moves = 0, self.moves()
        for bank in ("bank-a", "bank-b"):
            summary = summaries[bank]
            total += summary["total"]
            moved = sum(row["amount"] for row in ledgers[bank])
            begin = sum(opening[bank].values())
            if summary["total"] != begin + moved:
                self.wrong("I1", f"{bank} has {summary['total']}, its ledger says {begin + moved}")
            if summary["prepared"]:
                self.wrong("I9", f"{bank} has {summary['prepared']} prepared transactions left")
            for name, account in summary["accounts"].items():
                if account["frozen"] or account["incoming"]:
                    self.wrong("I1", f"{bank} still holds {account} of {name}")
                wanted = opening[bank].get(name, 0) + moves[bank, name]
                if account["balance"] != wanted:
                    self.wrong("I11", f"account {name} has {account['balance']}, and {wanted} by what is COMMITTED")
        begin = sum(sum(accounts.values()) for accounts in opening.values())
        if total != begin:
            self.wrong("I1", f"the banks have {total} together, not {begin}")
        for desk in ("flights", "hotels"):
            if summaries[desk]["held"]:
                self.wrong("I1", f"{desk} still holds {summaries[desk]['held']}")
        for name, register in summaries["register"]["registers"].items():
            net = sum(row["amount"] for row in ledgers["register"] if row["register"] == name)
            if net != register["standing"]:
                self.wrong("I1", f"register {name} has {register['standing']} entries, its ledger says {net}")


    def moves(self):
        """(service, account) -> what everything that is COMMITTED was to bring there."""
        moved = collections.Counter()
        for txn in self.transactions.values():
            if txn.final == "COMMITTED":
                for service, _, amount, _, place in txn.order.get("expect", ()):
                    moved[service, place] += amount
        return moved


def filled(one, versions):
    """What is to be answered, with the versions that the register gave."""
    if isinstance(one, list):
        return [filled(each, versions) for each in one]
    return versions.get(one["version"]) if isinstance(one, dict) else one


def step_of(gid, row):
    """The step of transaction `gid` that did this: a child's gid has it behind a tilde."""
    return row["branch"] if row["gid"] == gid else row["gid"].removeprefix(f"{gid}~").partition(":")[0]


def is_undo(gid, row):
    """A child's gid says so where the child is an undo: GID~STEP:compensate, with a number should it be run again."""
    return row["operation"] in UNDO if row["gid"] == gid else not set(row["gid"].split(":")).isdisjoint(UNDO)


def instant(at):
    """Seconds, from seconds or from PostgreSQL's text."""
    return datetime.datetime.fromisoformat(at).timestamp() if isinstance(at, str) else at


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
    one.clocks_set_at = summaries.get("clocks_set_at") or math.inf
    one.check_answers()
    one.check_both_ends()
    one.check_list(json.loads((folder / "listed.json").read_text()))
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
