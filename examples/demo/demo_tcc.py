"""The travel agency with reservations: held, then all confirmed or all cancelled (try, confirm, cancel)."""

from agency import DEFINITIONS
from crash import crash
from show import BOLD, DIM, GREEN, RED, RESET, account, defect, effects, expect, note, title
from world import World, wait_until

KILLED_BOOKINGS = 30
# What a branch is called in the definition, and whose it is.
OWNERS = {"flight": "flights", "hotel": "hotels", "car": "cars", "pay": "payments"}
# The words of an enlisted branch: its participant written out, and what settles it.
SETTLE = {"confirm": {"post": "/hold/confirm"}, "cancel": {"post": "/hold/cancel"}}


def open_world(world):
    """Four desks, one of them over gRPC, and the coordinator."""
    world.add("flights", "travel-desk", ["--db", world.folder / "flights.db", "--unit-price", "12000"])
    world.add("hotels", "travel-desk", ["--db", world.folder / "hotels.db", "--unit-price", "9500"])
    world.add("cars", "travel-desk", ["--db", world.folder / "cars.db", "--unit-price", "4000"])
    world.add("payments", "travel-desk", ["--db", world.folder / "payments.db", "--capacity", "1000000000"])
    world.env = {"FLIGHTS_URL": world.services["flights"].url, "HOTELS_ADDR": world.services["hotels"].grpc,
                 "CARS_URL": world.services["cars"].url, "PAYMENTS_URL": world.services["payments"].url}
    world.start_coordinator([DEFINITIONS / "travel-tcc.json"])


def book(world, gid, city="Lisbon", wait="60s"):
    return world.coordinator.submit("travel-tcc", {"city": city, "car": True}, gid=gid, wait=wait)


def rooms(world):
    title(1, "Everything is free: all reserved, then all confirmed")
    expect(book(world, "trip-1"), "COMMITTED")
    account(world.coordinator, "trip-1")

    title(2, "One room of each kind is left: the first trip takes the sea view, the second the courtyard,")
    print("   and for the third there is none: what it had reserved is cancelled")
    hotels = world.services["hotels"]
    hotels.control(capacity=1)
    for gid, status in (("porto-1", "COMMITTED"), ("porto-2", "COMMITTED"), ("porto-3", "ABORTED")):
        expect(book(world, gid, "Porto"), status)
        account(world.coordinator, gid)
    hotels.control(capacity=1_000_000)


def time_outs(world):
    cars, flights, payments = (world.services[name] for name in ("cars", "flights", "payments"))
    title(3, "The car is reserved, but the answer never comes: cancelled all the same")
    note("two attempts of 1 s each")
    cars.control(hang_next=2, only="try")
    expect(book(world, "trip-3"), "ABORTED")
    account(world.coordinator, "trip-3")
    effects(cars, "trip-3")
    cars.control(release=True, only="all")

    title(4, "A seat held for 3 s, and a payment that takes longer: the reservations are cancelled in time,")
    print("   since a confirm could arrive when the seat is gone")
    flights.control(hold_for="3s")
    payments.control(delay="1500ms", only="try")
    expect(book(world, "trip-4"), "ABORTED")
    account(world.coordinator, "trip-4")
    effects(flights, "trip-4")
    flights.control(hold_for="5m")
    payments.control(delay="0ms", only="all")


def kill(world):
    title(5, f"kill -9 of the coordinator with {KILLED_BOOKINGS} bookings in flight, then a restart")
    crash(world, [f"crash-{n}" for n in range(KILLED_BOOKINGS)],
          book=lambda gid: book(world, gid, f"City{gid[-1]}", wait=None),
          restart=world.start_coordinator)


def reserve(world, gid, branch, pool="Rome"):
    """What a client does that drives its transaction itself: enlist first, then reserve."""
    service = world.services[OWNERS[branch]]
    world.coordinator.enlist(gid, {"id": branch, "participant": {"http": service.url}, **SETTLE})
    status, answer = service.call("hold", "try", gid, branch, {"pool": pool})
    if status != 200:
        defect(f"{service.name} answered {status}: {answer}")
    print(f"     {branch:<8}{answer['reservation']}, held until {answer['expires']}")


def client_driven(world):
    title(6, "No definition: a client begins, enlists and reserves branch by branch, and commits")
    world.coordinator.begin("tcc", "own-1")
    reserve(world, "own-1", "flight")
    reserve(world, "own-1", "car")
    expect(world.coordinator.commit("own-1", wait="30s"), "COMMITTED")
    account(world.coordinator, "own-1")

    title(7, "Another such client dies before it commits: its time limit of 2 s gives everything back")
    world.coordinator.begin("tcc", "own-2", time_limit="2s")
    reserve(world, "own-2", "flight")
    reserve(world, "own-2", "hotel")
    expect(world.coordinator.get("own-2", wait="30s"), "ABORTED")
    account(world.coordinator, "own-2")


def sums(world):
    """What the desks themselves say is booked, against what the coordinator says was committed."""
    title(8, "The services' own ledgers against the coordinator's word")
    wait_until(lambda: [s.summary()["held"] for s in world.services.values()], lambda held: not any(held))
    expected = {name: set() for name in world.services}
    for row in world.coordinator.list(status="COMMITTED"):
        for branch in world.coordinator.get(row["gid"])["branches"]:
            if branch["phase"] == "finished":
                expected[OWNERS[branch["id"]]].add(row["gid"])
    wrong = 0
    print(f"   {'service':<10}{'held':>7}{'given back':>12}{'expired':>9}{'booked':>8}{'should be':>11}{'units left over':>17}")
    for name, service in world.services.items():
        rows = service.ledger()
        count = {e: sum(r["effect"] == e for r in rows) for e in ("held", "released", "expired")}
        booked = {r["gid"] for r in rows if r["effect"] == "booked"}
        units = {}
        for row in rows:
            units[row["gid"]] = units.get(row["gid"], 0) + row["amount"]
        left_over = sum(n for gid, n in units.items() if gid not in booked)
        good = booked == expected[name] and left_over == 0 and all(units[gid] > 0 for gid in booked)
        wrong += not good
        print(f"   {name:<10}{count['held']:>7}{count['released']:>12}{count['expired']:>9}{len(booked):>8}"
              f"{len(expected[name]):>11}{left_over:>17}  {GREEN + 'ok' if good else RED + 'WRONG'}{RESET}")
    if wrong:
        defect(f"{wrong} services hold or lack what they should not")
    print("   Nothing is held that should not be, and nothing is missing.")


def play(build, folder, secure):
    """Plays all of it, then hands over what runs."""
    with World(build, folder, secure=secure) as world:
        open_world(world)
        print(f"{BOLD}Four desks reserve for a while: a seat, a room, a car, and money of a credit limit.{RESET}")
        print(f"{DIM}The coordinator is at {world.coordinator.url}; its definition is "
              f"examples/travel/definitions/travel-tcc.json.{RESET}")
        rooms(world)
        time_outs(world)
        kill(world)
        client_driven(world)
        sums(world)
        yield world, ["build/entente get trip-4",
                      "build/entente submit travel-tcc --wait --input '{\"city\":\"Rome\",\"car\":true}'"]
