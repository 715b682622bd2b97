"""A transfer between two banks, in each of the three modes."""

from agency import ROOT
from show import BOLD, DIM, GREEN, RED, RESET, account, defect, expect, note, title
from world import World, wait_until

DEFINITIONS = ROOT / "examples" / "bank" / "definitions"
OPENING = {"alice": 100_000, "bob": 100_000}
# What the modes call the call that is held up, and what it leaves at the moment of the crash.
MODES = {
    "saga": ("action", "the debit is done, and anyone can see it"),
    "tcc": ("try", "the debit is frozen: no longer Alice's to spend, not yet gone"),
    "2pc": ("prepare", "the debit is prepared: nobody can see it, and its row is locked"),
}


def open_world(world):
    """Two banks, each with a database of its own, and the coordinator."""
    world.add_on_postgres("bank-a", "bank", ["--account", f"alice={OPENING['alice']}"])
    world.add_on_postgres("bank-b", "bank", ["--account", f"bob={OPENING['bob']}"])
    world.env = {"SENDER_URL": world.services["bank-a"].url, "RECEIVER_URL": world.services["bank-b"].url}
    world.start_coordinator(sorted(DEFINITIONS.glob("*.json")))


def transfer(world, mode, gid, receiver="bob", amount=2_500, wait="60s"):
    return world.coordinator.submit(f"transfer-{mode}", {"from": "alice", "to": receiver, "amount": amount},
                                    gid=gid, wait=wait)


def balances(world):
    """Prints what both banks hold; returns (money, promised or prepared)."""
    a = world.services["bank-a"].summary()
    b = world.services["bank-b"].summary()
    alice, bob = a["accounts"]["alice"], b["accounts"]["bob"]
    note(f"Alice {alice['balance']} + {alice['frozen']} frozen, Bob {bob['balance']} + {bob['incoming']} incoming, "
         f"prepared {a['prepared']} and {b['prepared']}; in all {a['total'] + b['total']} cents")
    return a["total"] + b["total"], alice["frozen"] + bob["incoming"] + a["prepared"] + b["prepared"]


def check(world):
    """After the end of a transfer everything adds up, and nothing is held."""
    total, held = balances(world)
    if total != sum(OPENING.values()) or held:
        defect(f"the banks hold {total} cents, {held} of something open")


def play_mode(world, number, mode):
    operation, meanwhile = MODES[mode]
    receiver = world.services["bank-b"]
    title(number, f"As a {mode}" if mode == "saga" else f"As a {mode.upper()}")
    print("   Alice sends Bob 25.00")
    expect(transfer(world, mode, f"{mode}-1"), "COMMITTED")
    account(world.coordinator, f"{mode}-1")
    check(world)

    print("   Alice sends 25.00 to somebody who has no account there: nothing stays taken")
    expect(transfer(world, mode, f"{mode}-2", receiver="nobody"), "ABORTED")
    account(world.coordinator, f"{mode}-2")
    check(world)

    print("   Alice sends Bob 25.00, and the coordinator is killed in the middle of it")
    receiver.control(hang_before_next=1, only=operation)
    transfer(world, mode, f"{mode}-3", wait=None)
    wait_until(receiver.hanging)
    world.kill_coordinator()
    note(f"killed: {meanwhile}")
    balances(world)
    receiver.control(release=True, only="all")
    world.start_coordinator()
    expect(world.coordinator.get(f"{mode}-3", wait="60s"), "COMMITTED")
    account(world.coordinator, f"{mode}-3")
    check(world)


def sums(world, number):
    title(number, "The banks' own ledgers: what each transfer changed")
    wrong = 0
    nets = {name: {} for name in world.services}
    for name, service in world.services.items():
        for row in service.ledger():
            nets[name][row["gid"]] = nets[name].get(row["gid"], 0) + row["amount"]
    print(f"   {'transfer':<10}{'outcome':<12}{'bank-a':>8}{'bank-b':>8}")
    for row in sorted(world.coordinator.list(), key=lambda each: each["gid"]):
        gid, committed = row["gid"], row["status"] == "COMMITTED"
        moved = [nets[name].get(gid, 0) for name in ("bank-a", "bank-b")]
        good = moved == ([-2_500, 2_500] if committed else [0, 0])
        wrong += not good
        print(f"   {gid:<10}{row['status']:<12}{moved[0]:>8}{moved[1]:>8}  {GREEN + 'ok' if good else RED + 'WRONG'}{RESET}")
    check(world)
    if wrong:
        defect(f"{wrong} transfers changed what they should not")
    print("   No cent was made or lost.")


def play(build, folder, secure):
    """Plays all of it, then hands over what runs."""
    with World(build, folder, databases=("bank-a", "bank-b"), secure=secure) as world:
        open_world(world)
        print(f"{BOLD}Alice has an account at one bank, Bob at another; each bank has its own PostgreSQL database.{RESET}")
        print(f"{DIM}The coordinator is at {world.coordinator.url}; its definitions are in "
              f"examples/bank/definitions.{RESET}")
        for number, mode in enumerate(MODES, 1):
            play_mode(world, number, mode)
        sums(world, len(MODES) + 1)
        yield world, ["build/entente get tcc-3",
                      "build/entente submit transfer-2pc --wait "
                      "--input '{\"from\":\"alice\",\"to\":\"bob\",\"amount\":100}'"]
