"""What security costs: coordinators with nothing on, with tokens and signed calls, with these and TLS, and with a store
that is encrypted, by turns.

Each has a store and a process of its own, and what one round measures of one is followed at once by the others: a
noisy machine is noisy for all. What is shown is the median of the rounds' ratios to the one with nothing on.
"""

import base64
import os
import statistics

from against import Side, measure
from secured import Secured

KINDS = {"nothing": None, "tokens and signatures": ("tokens", "signatures"),
         "tokens, signatures and TLS": ("tokens", "signatures", "tls"), "encryption at rest": None}


def cost(bench, documents, in_flight, rounds, cpu_seconds):
    """Prints a table; returns its rows."""
    sides = {}
    rows = []
    print(f"What security costs at {in_flight} in flight:\n\n| participants | on | transactions/s | p50 ms | "
          "CPU us each | transactions/s, ratio | of the rounds |\n" + "|---" * 7 + "|")
    try:
        for name, what in KINDS.items():
            secured = Secured(bench.folder / name.replace(" ", "-").replace(",", ""), what) if what else None
            flags = encryption(bench.folder) if name == "encryption at rest" else []
            sides[name] = Side(bench.build / "entente", bench.folder / f"of {name}", bench.env, documents, secured, flags)
        for document in documents:
            rows += by_turns(bench, sides, document, in_flight, rounds, cpu_seconds)
    finally:
        for side in sides.values():
            side.close()
    print()
    return rows


def encryption(folder):
    keys = folder / "keys"
    keys.write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    keys.chmod(0o600)
    return ["--encryption-key-file", keys]


def by_turns(bench, sides, document, in_flight, rounds, cpu_seconds):
    options = ("--in-flight", in_flight, "--seconds", bench.seconds)
    measured = {name: [] for name in sides}
    for number in range(rounds):
        # Whoever is last finds a warmer machine: they take turns at that, too.
        for name in (list(sides) if number % 2 == 0 else reversed(sides)):
            measured[name].append(measure(bench, sides[name], document["name"], options, cpu_seconds))
    rows = []
    for name, figures in measured.items():
        ratios = sorted(one["per_second"] / max(base["per_second"], 1)
                        for one, base in zip(figures, measured["nothing"]))
        row = {"definition": document["name"], "on": name, "in_flight": in_flight, "ratios": ratios,
               "ratio": statistics.median(ratios), "failed": sum(one["failed"] for one in figures),
               **{key: statistics.median(one[key] for one in figures) for key in ("per_second", "p50_ms", "cpu_us")}}
        rows.append(row)
        print(f"| {document['name']} | {name} | {row['per_second']:,.0f} | {row['p50_ms']:.2f} | {row['cpu_us']:.0f} | "
              f"{row['ratio']:.3f} | {ratios[0]:.2f} to {ratios[-1]:.2f} |"
              + (f" {row['failed']} FAILED" if row["failed"] else ""), flush=True)
    return rows
