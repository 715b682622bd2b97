"""The travel agency with two real PostgreSQL databases and a SQLite file in one two-phase commit."""

from agency import DEFINITIONS
from show import BOLD, DIM, GREEN, RED, RESET, account, defect, expect, note, title
from world import World, wait_until

STOCK = 50
CITIES = ("Lisbon", "Rome", "Oslo", "Porto")


def open_world(world):
    """Flights and hotels in databases of their own, payments in a file, and the coordinator."""
    items = [word for city in CITIES for word in ("--item", f"{city}={0 if city == 'Porto' else STOCK}")]
    world.add_on_postgres("flights", "travel-inventory",
                          ["--unit-price", "12000", *items, "--item", "Faro=9"])
    world.add_on_postgres("hotels", "travel-inventory",
                          ["--unit-price", "9500", *items, "--item", "Faro=0"])
    world.add("payments", "travel-desk", ["--db", world.folder / "payments.db", "--capacity", "1000000000"])
    world.env = {"FLIGHTS_URL": world.services["flights"].url, "HOTELS_URL": world.services["hotels"].url,
                 "PAYMENTS_URL": world.services["payments"].url}
    world.start_coordinator([DEFINITIONS / "travel-2pc.json"])


def book(world, gid, city="Lisbon", seats=2, wait="60s"):
    return world.coordinator.submit("travel-2pc", {"city": city, "seats": seats}, gid=gid, wait=wait)


def votes(world):
    title(1, "All vote yes: committed on all three")
    expect(book(world, "trip-1"), "COMMITTED")
    account(world.coordinator, "trip-1")

    title(2, "There is no room in Faro: one votes no, and all is rolled back")
    expect(book(world, "trip-2", "Faro"), "ABORTED")
    account(world.coordinator, "trip-2")

    title(3, "No seat is wanted: the flights only look, and are left out of the second phase")
    expect(book(world, "trip-3", "Rome", seats=0), "COMMITTED")
    account(world.coordinator, "trip-3")


def show_prepared(world):
    prepared = world.prepared()
    note("prepared in PostgreSQL: " + ", ".join(f"{count} at {name}" for name, count in prepared.items()))
    return prepared


def wait_for_hang(service, gid, operation):
    wait_until(service.hanging, lambda calls: any(c["gid"] == gid and c["operation"] == operation for c in calls))


def coordinator_crashes(world):
    payments = world.services["payments"]
    title(4, "kill -9 of the coordinator after all have voted, before it has decided")
    payments.control(hang_next=1, only="prepare")
    book(world, "trip-4", "Oslo", wait=None)
    wait_for_hang(payments, "trip-4", "prepare")
    world.kill_coordinator()
    show_prepared(world)
    payments.control(release=True)
    world.start_coordinator()
    expect(world.coordinator.get("trip-4", wait="60s"), "COMMITTED")
    print("   restarted: it asks again, is given the same votes, and decides")
    account(world.coordinator, "trip-4")

    title(5, "kill -9 of the coordinator after it has decided, before anybody has heard of it")
    for service in world.services.values():
        service.control(hang_before_next=1, only="commit")
    book(world, "trip-5", "Rome", wait=None)
    for service in world.services.values():
        wait_for_hang(service, "trip-5", "commit")
    print(f"   the decision: {world.coordinator.decision('trip-5')}")
    world.kill_coordinator()
    show_prepared(world)
    for service in world.services.values():
        service.control(release=True)
    world.start_coordinator()
    expect(world.coordinator.get("trip-5", wait="60s"), "COMMITTED")
    print("   restarted: what was decided stands, and everyone is told")
    account(world.coordinator, "trip-5")


def postgres_crash(world):
    title(6, "kill -9 of PostgreSQL while both databases are prepared")
    payments = world.services["payments"]
    payments.control(hang_before_next=1, only="prepare")
    book(world, "trip-6", "Lisbon", wait=None)
    wait_for_hang(payments, "trip-6", "prepare")
    show_prepared(world)
    world.cluster.kill()
    world.cluster.start()
    wait_until(world.prepared)
    print("   restarted: what is prepared has survived")
    show_prepared(world)
    payments.control(release=True, only="all")
    expect(world.coordinator.get("trip-6", wait="60s"), "COMMITTED")
    account(world.coordinator, "trip-6")


def sums(world):
    """What each database says was sold, against what the coordinator says was committed."""
    title(7, "What the databases themselves say against the coordinator's word")
    wait_until(world.prepared, lambda prepared: not any(prepared.values()))
    branches = {"flight": "flights", "hotel": "hotels", "pay": "payments"}
    expected = {name: set() for name in world.services}
    for row in world.coordinator.list(status="COMMITTED"):
        for branch in world.coordinator.get(row["gid"])["branches"]:
            if branch["phase"] == "finished":
                expected[branches[branch["id"]]].add(row["gid"])
    wrong = 0
    print(f"   {'service':<10}{'committed':>10}{'should be':>11}{'units':>9}{'still prepared':>16}")
    for name, service in world.services.items():
        net = {}
        for row in service.ledger():
            net[row["gid"]] = net.get(row["gid"], 0) + row["amount"]
        done = {gid for gid, units in net.items() if units}
        prepared = service.summary().get("prepared", 0)
        good = done == expected[name] and prepared == 0
        wrong += not good
        print(f"   {name:<10}{len(done):>10}{len(expected[name]):>11}{sum(net.values()):>9}{prepared:>16}"
              f"  {GREEN + 'ok' if good else RED + 'WRONG'}{RESET}")
    stock = world.services["flights"].summary()
    if sum(stock["stock"].values()) + stock["net"] != STOCK * 3 + 9:
        defect(f"seats are missing: {stock}")
    if wrong:
        defect(f"{wrong} services hold or lack what they should not")
    print("   Nothing is prepared any more, and everywhere is what was decided.")


def play(build, folder, secure):
    """Plays all of it, then hands over what runs."""
    with World(build, folder, databases=("flights", "hotels"), secure=secure) as world:
        open_world(world)
        print(f"{BOLD}Flights and hotels are PostgreSQL databases, payments a SQLite file: one two-phase commit.{RESET}")
        print(f"{DIM}The coordinator is at {world.coordinator.url}; its definition is "
              f"examples/travel/definitions/travel-2pc.json.{RESET}")
        votes(world)
        coordinator_crashes(world)
        postgres_crash(world)
        sums(world)
        yield world, ["build/entente history trip-5",
                      "build/entente submit travel-2pc --wait --input '{\"city\":\"Rome\",\"seats\":1}'"]
