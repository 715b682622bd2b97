"""The independent checker: does what the participants did match what the coordinator says?

Shares no code with the engine. Ground truth is each service's append-only ledger, written in the same
local transaction as the effect. The invariants are those of a saga:

  I1  committed: every forward effect exactly once; aborted: net zero everywhere
  I2  an acknowledged submission is known after every crash and has ended
  I3  a decision that was seen never flips
  I4  an effect whose outcome was unknown is undone too (part of net zero)
  I5  at most one effect per command id (gid, branch, operation, key)
"""

import collections

ENDED = ("COMMITTED", "ABORTED")


def check(services, statuses, acknowledged, seen=None):
    """`services`: name -> ledger rows. `statuses`: gid -> final status, as the coordinator says.
    `acknowledged`: gids whose submit was answered. `seen`: gid -> statuses observed on the way.
    Returns a list of violations, empty when all holds."""
    violations = []
    for gid in acknowledged:
        if gid not in statuses:
            violations.append(f"I2: {gid} was acknowledged and is unknown now")
        elif statuses[gid] not in ENDED:
            violations.append(f"I2: {gid} was acknowledged and is {statuses[gid]}")
    for gid, words in (seen or {}).items():
        decided = {w for w in words if w in ENDED}
        if gid in statuses and statuses[gid] in ENDED:
            decided.add(statuses[gid])
        if len(decided) > 1:
            violations.append(f"I3: {gid} was seen as {sorted(decided)}")
    for name, rows in services.items():
        net = collections.Counter()
        by_key = collections.defaultdict(collections.Counter)
        effects = collections.Counter()
        for row in rows:
            net[row["gid"]] += row["amount"]
            by_key[row["gid"]][row["key"]] += row["amount"]
            effects[(row["gid"], row["branch"], row["operation"], row["key"])] += 1
            if row["gid"] not in statuses:
                violations.append(f"I1: {name} has an effect of {row['gid']}, which nobody submitted")
        for command, count in effects.items():
            if count > 1:
                violations.append(f"I5: {name} carried out {command} {count} times")
        for gid, status in statuses.items():
            # Each alternative has a key of its own: two that stand are one room too many.
            standing = sorted(key for key, amount in by_key[gid].items() if amount != 0)
            if status == "COMMITTED" and (len(standing) != 1 or net[gid] <= 0):
                violations.append(f"I1: {gid} is COMMITTED, but {name} holds {net[gid]} for it, by {standing}")
            if status == "ABORTED" and net[gid] != 0:
                violations.append(f"I1/I4: {gid} is ABORTED, but {name} still holds {net[gid]} for it")
    return violations
