"""Which faults come when. The schedule is drawn from the seed alone, whatever happens meanwhile."""

import random
import signal

from links import HTTP_KINDS, TCP_KINDS

DISK_TROUBLES = {"failing-writes": 1, "failing-syncs": 2, "hung": 3}  # As trouble_shim.cpp numbers them.
GROUPS = {"network": tuple(TCP_KINDS), "http": tuple(HTTP_KINDS), "process": ("kill", "stop", "drain"), "disk": ("full", *DISK_TROUBLES),
          "clock": ("clock",)}
SERVICES = ("bank-a", "bank-b", "flights", "hotels", "register")
AMOUNTS = {"delay": (0.05, 1.5), "bandwidth": (300, 5000), "duplicate": (0, 3), "reorder": (0.1, 1.5), "overtaken": (0.1, 4),
           "clock": (-3600, 3600)}
ENDS = ("kill", "drain")  # Of a process, which is started again.
HOLD_SECONDS = (0.3, 5)
TWO_AT_ONCE = 0.3


def kinds_of(text):
    """`text`: groups or kinds, separated by commas; "all"."""
    known = {kind: (kind,) for group in GROUPS.values() for kind in group} | GROUPS | {"all": sum(GROUPS.values(), ())}
    words = [word for word in text.split(",") if word]
    unknown = [word for word in words if word not in known]
    if unknown or not words:
        raise ValueError(f"there is no fault {unknown or text}; there are {', '.join(known)}")
    return tuple(dict.fromkeys(kind for word in words for kind in known[word]))


def targets_of(kind, store, nodes):
    """`nodes`: the names of the coordinators. A target is a process, or a link by its name in stage.py."""
    clients = tuple(f"clients-of-{name}" for name in nodes)
    if kind in TCP_KINDS:
        stores = tuple(f"store-of-{name}" for name in nodes) if store == "postgres" else ()
        return (*clients, *SERVICES, *stores, *(f"nodes-to-{name}" for name in nodes if len(nodes) > 1))
    if kind in HTTP_KINDS:
        return (*clients, *SERVICES)
    if kind in GROUPS["disk"]:
        return () if store == "postgres" else ("disk",)
    if kind in ("drain", "clock"):
        return nodes
    return (*nodes, *nodes, *SERVICES, "books", *(("store",) if store == "postgres" else ()))


def schedule(seed, kinds, store, nodes):
    """Rounds without end; each is one fault or two of different targets, and how long they last."""
    dice = random.Random(seed)
    possible = [kind for kind in kinds if targets_of(kind, store, nodes)]
    if not possible:
        raise ValueError(f"none of these faults is one of {store}")
    while True:
        faults = []
        for _ in range(2 if dice.random() < TWO_AT_ONCE else 1):
            kind = dice.choice(possible)
            target = dice.choice(targets_of(kind, store, nodes))
            amount = round(dice.uniform(*AMOUNTS.get(kind, (0, 0))), 3)
            if target not in [other["target"] for other in faults]:
                faults.append({"kind": kind, "target": target, "amount": amount})
        yield {"faults": faults, "hold": round(dice.uniform(*HOLD_SECONDS), 3), "calm": round(dice.uniform(0.2, 1.5), 3)}


def inject(stage, fault):
    """False where there is no means for it on this machine."""
    kind, target = fault["kind"], fault["target"]
    if kind in TCP_KINDS:
        stage.links[target].inject(kind, fault["amount"])
    elif kind in HTTP_KINDS:
        stage.links[f"{target}/calls"].inject(kind, fault["amount"])
    elif kind == "kill":
        stage.kill(target)
    elif kind == "stop":
        stage.signal(target, signal.SIGSTOP)
    elif kind == "drain":
        stage.signal(target, signal.SIGTERM)
    elif kind == "clock":
        return stage.nodes[target].trouble(ahead_seconds=fault["amount"])
    elif kind in DISK_TROUBLES:
        return stage.nodes["coordinator"].trouble(disk=kind)
    elif not stage.disk.mounted:
        return False
    else:
        stage.disk.fill()
    return True


def heal(stage, fault):
    kind, target = fault["kind"], fault["target"]
    if kind in TCP_KINDS:
        stage.links[target].heal()
    elif kind in HTTP_KINDS:
        stage.links[f"{target}/calls"].heal()
    elif kind in ENDS:
        if kind == "drain":
            stage.wait_for_end(target)
        stage.start(target)
    elif kind == "stop":
        stage.signal(target, signal.SIGCONT)
    elif kind == "clock":
        stage.nodes[target].trouble(ahead_seconds=0)
    elif kind in DISK_TROUBLES:
        stage.nodes["coordinator"].trouble(disk="well")
    else:
        stage.disk.free()
