#!/usr/bin/env python3
"""The travel agency at work: what Entente does when all goes well, and when it does not."""

import argparse
import contextlib
import pathlib
import sys
import tempfile
import time

import demo_2pc
import demo_bank
import demo_cluster
import demo_tcc
from agency import Agency
from crash import crash
from secured import show_strangers
from show import BOLD, DIM, GREEN, RED, RESET, account, expect, title

KILLED_BOOKINGS = 50


def book(agency, gid, city="Lisbon", car=True, wait="60s"):
    return agency.coordinator.submit(
        "travel-booking", {"traveller": "Ada", "city": city, "car": car}, gid=gid, wait=wait)


def scenarios(agency):
    hotels, payments = agency.services["hotels"], agency.services["payments"]

    title(1, "Everything is free: booked")
    expect(book(agency, "trip-1"), "COMMITTED")
    account(agency.coordinator, "trip-1")

    title(2, "No room of 4 stars: the alternative of 3 stars is taken")
    hotels.control(capacity_of={"Lisbon/4": 0})
    expect(book(agency, "trip-2"), "COMMITTED")
    account(agency.coordinator, "trip-2")

    title(3, "No room at all: flight and car are given back")
    hotels.control(capacity_of={"Porto/4": 0, "Porto/3": 0, "Porto/2": 0})
    expect(book(agency, "trip-3", city="Porto"), "ABORTED")
    account(agency.coordinator, "trip-3")

    title(4, "The payment charges, but its answer never comes: refunded, and all given back")
    print(f"   {DIM}three attempts of 2 s each{RESET}")
    payments.control(hang_next=3, only="forward")
    expect(book(agency, "trip-4"), "ABORTED")
    account(agency.coordinator, "trip-4")
    rows = [r for r in payments.ledger() if r["gid"] == "trip-4"]
    print(f"     {DIM}the payment service's own ledger: "
          + ", ".join(f"{r['effect']} {r['amount']:+d}" for r in rows) + RESET)
    payments.control(hang_next=0)


def kill(agency):
    title(5, f"kill -9 with {KILLED_BOOKINGS} bookings in flight, then a restart")
    crash(agency, [f"crash-{n}" for n in range(KILLED_BOOKINGS)],
          book=lambda gid: book(agency, gid, city=f"City{gid[-1]}", wait=None),
          restart=lambda: agency.start_coordinator(same_ports=True))


def sums(agency):
    """What the services themselves say they hold, against what the coordinator says was committed."""
    title(6, "The services' own ledgers against the coordinator's word")
    committed = {t["gid"] for t in agency.coordinator.list(status="COMMITTED")}
    wrong = 0
    print(f"   {'service':<10}{'done':>7}{'undone':>9}{'held now':>10}{'should be':>11}")
    for name, service in agency.services.items():
        net = {}
        forward = undone = 0
        for row in service.ledger():
            net[row["gid"]] = net.get(row["gid"], 0) + row["amount"]
            if row["amount"] > 0:
                forward += 1
            else:
                undone += 1
        held = {gid for gid, amount in net.items() if amount != 0}
        stray = held - committed
        missing = committed - held
        wrong += len(stray) + len(missing)
        verdict = f"{GREEN}ok{RESET}" if not stray and not missing else f"{RED}WRONG{RESET}"
        print(f"   {name:<10}{forward:>7}{undone:>9}{len(held):>10}{len(committed):>11}  {verdict}")
    if wrong:
        sys.exit(f"demo: {wrong} effects are held or missing that should not be: this is a defect")
    print("   Nothing is held that should not be, and nothing is missing.")


def saga(build, folder, secure):
    """Books at four services that know nothing of Entente."""
    agency = Agency(build, folder, secure=secure)
    with agency:
        print(f"{BOLD}A package is a flight, a room, a car and a payment, owned by four companies.{RESET}")
        print(f"{DIM}The coordinator is at {agency.coordinator.url}; its definition is "
              f"examples/travel/definitions/travel-booking.json.{RESET}")
        scenarios(agency)
        kill(agency)
        sums(agency)
        yield agency, ["build/entente get trip-4",
                       "build/entente submit travel-booking --wait "
                       "--input '{\"traveller\":\"Grace\",\"city\":\"Rome\",\"car\":true}'"]


DEMOS = {"saga": saga, "tcc": demo_tcc.play, "2pc": demo_2pc.play, "bank": demo_bank.play, "cluster": demo_cluster.play}


def keep_running(world, hints):
    print(f"\n{BOLD}Left running{RESET} in {world.folder}; Ctrl-C ends it. Try:\n"
          f"  export ENTENTE_SERVER={world.coordinator.url}")
    for name, value in (world.secured.environment() if world.secured else {}).items():
        print(f"  export {name}={value}")
    print("  build/entente list")
    for hint in hints:
        print(f"  {hint}")
    for name, service in world.services.items():
        print(f"  curl {service.http.host}:{service.http.port}/summary   # {name}")
    try:
        world.coordinator.process.popen.wait()
    except KeyboardInterrupt:
        print()


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("name", nargs="?", default="saga", choices=DEMOS, help="which demo; saga if none is named")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--secure", action="store_true",
                        help="with tokens, TLS and signed calls, and services of the SDK that verify them")
    arguments = parser.parse_args()
    begin = time.monotonic()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-demo-")) if arguments.keep else None
    # A demo plays, then hands over what runs, and stops it when it is resumed or closed.
    with contextlib.closing(DEMOS[arguments.name](arguments.build, folder, arguments.secure)) as demo:
        world, hints = next(demo)
        if arguments.secure:
            show_strangers(world)
        print(f"\n{DIM}{time.monotonic() - begin:.0f} s in all.{RESET}")
        if arguments.keep:
            keep_running(world, hints)


if __name__ == "__main__":
    main()
