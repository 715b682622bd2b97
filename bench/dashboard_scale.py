#!/usr/bin/env python3
"""How the lists and the page do with much in the store: what docs/dashboard.md tells.

    bench/dashboard_scale.py --build build [--transactions 100000] [--no-browser]
"""

import argparse
import concurrent.futures
import json
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "examples" / "demo")]

from agency import Agency  # noqa: E402

THREADS = 16
ROUNDS = 20
# The most steps that a definition may have, and the most branches that one of them may have.
STEPS, ITEMS = 256, 10_000

NAP = {"name": "nap", "mode": "saga", "participants": {}, "steps": [{"id": "nap", "wait": {"for": "1us"}}]}
ASK = {"name": "ask", "mode": "saga", "participants": {}, "steps": [{"id": "ask", "wait": {"signal": "go"}}]}
STUCK = {"name": "stuck", "mode": "saga",
         "participants": {"flights": {"http": "${env.FLIGHTS_URL}"}, "payments": {"http": "${env.PAYMENTS_URL}"}},
         "steps": [{"id": "go", "participant": "flights", "pivot": True,
                    "action": {"put": "/bookings/${key}", "body": {"who": "Ann", "to": "Oslo"}}},
                   {"id": "pay", "participant": "payments", "action": {"put": "/charges/${key}", "body": {"amount": 0}}}]}
LONG = {"name": "long", "mode": "saga", "participants": {},
        "steps": [{"id": f"step_{n:03}", "after": [f"step_{n // 2 - 1:03}"] if n > 1 else [], "wait": {"for": "1us"}}
                  for n in range(STEPS)]}
WIDE = {"name": "wide", "mode": "saga", "participants": {"payments": {"http": "${env.PAYMENTS_URL}"}},
        "steps": [{"id": "pay", "participant": "payments", "forEach": {"items": "${input.items}", "maxParallel": 64},
                   "action": {"put": "/charges/${key}", "body": {"amount": "${item}"}}, "compensate": {"delete": "/charges/${key}"}}]}


def fill(coordinator, count):
    """All but one in a hundred have ended; of those one in ten waits for a person."""
    def one(n):
        name = "stuck" if n % 1000 == 0 else "ask" if n % 100 == 0 else "nap"
        coordinator.submit(name, {}, gid=f"t-{n:07}", labels={"tier": f"{n % 50}"})
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(count), chunksize=64))


def timed(call):
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def lists(coordinator, count):
    queries = {
        "the newest 100": "limit=100",
        "incidents": "incident=true&limit=100",
        "one status, rare": "status=ACTIVE&limit=100",
        "one status, common": "status=COMMITTED&limit=100",
        "one definition": "definition=ask&limit=100",
        "one label": "label=tier%3D7&limit=100",
        "a gid's beginning": f"q=t-{count // 2:07}"[:12] + "&limit=100",
        "error text, found": "incident=true&error=amount&limit=100",
        "error text, in all": "error=amount&limit=100",
        "error text, nowhere": "error=nowhere&limit=100",
        "attempts, nowhere": "attempts=5&limit=100",
        "incidents at a participant": "incident=true&participant=payments&code=http.422&limit=100",
        "paused, none": "paused=true&limit=100",
        "unchanged for long": "unchangedSince=2020-01-01T00:00:00Z&limit=100",
    }
    http = coordinator.http
    cursor = ""
    for _ in range(50):
        found = http.call("GET", f"/v1/transactions?limit=100{'&cursor=' + cursor if cursor else ''}")
        cursor = found["nextCursor"]
    queries["the 50th page"] = f"limit=100&cursor={cursor}"
    rows = [(name, [timed(lambda q=query: http.call("GET", f"/v1/transactions?{q}")) for _ in range(ROUNDS)])
            for name, query in queries.items()]
    for name, query in (("counts of each state", ""), ("of one definition", "?definition=ask"), ("of one label", "?label=tier%3D7"),
                        ("of an error's text, nowhere", "?error=nowhere")):
        rows.append((f"counts {name}".replace("counts counts", "counts"),
                     [timed(lambda q=query: http.call("GET", f"/v1/transactions:count{q}")) for _ in range(ROUNDS)]))
    print(f"\n| list, {count} transactions | median, ms | worst, ms |\n|---|---|---|")
    for name, times in rows:
        print(f"| {name} | {statistics.median(times):.0f} | {max(times):.0f} |")


FRAMES = """
    const [box, done] = [document.querySelector(arguments[0]), arguments[1]];
    const long = []; let last = performance.now(); let n = 0;
    const step = now => {
      if (now - last > 50) long.push(Math.round(now - last));
      last = now; box.scrollTop += 400; if (++n < 200) requestAnimationFrame(step); else done([n, long]);
    };
    requestAnimationFrame(step);"""


def pages(coordinator):
    from browser import Browser  # Selenium is Debian's, and may not be there.
    browser = Browser(coordinator.url)
    try:
        browser.load()
        print("\n| page | complete after, ms | nodes |\n|---|---|---|")
        for name, fragment in (("transactions", "transactions"), (f"{STEPS} steps", "transaction/long"),
                               (f"forEach of {ITEMS}", "transaction/wide?branch=pay"), ("incidents", "incidents")):
            spent = timed(lambda f=fragment: browser.open(f))
            nodes = browser.run("return document.querySelectorAll('*').length")
            print(f"| {name} | {spent:.0f} | {nodes} |")
        print()
        for name, fragment, box in (("the list", "transactions", ".tbody"), (f"{STEPS} steps", "transaction/long", "html"),
                                    (f"a forEach of {ITEMS}", "transaction/wide?branch=pay", "html")):
            browser.open(fragment)
            frames, late = browser.driver.execute_async_script(FRAMES, box)
            print(f"scrolling {name}: {len(late)} of {frames} frames took longer than 50 ms: {late}")
    finally:
        browser.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--transactions", type=int, default=100_000)
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    with Agency(options.build) as agency:
        coordinator = agency.coordinator
        for definition in (NAP, ASK, STUCK, LONG, WIDE):
            coordinator.put_definition(definition)
        begun = time.perf_counter()
        fill(coordinator, options.transactions)
        print(f"filled in {time.perf_counter() - begun:.0f} s")
        coordinator.submit("long", {}, gid="long", wait="60s")
        coordinator.submit("wide", {"items": [5] * ITEMS}, gid="wide")
        print(json.dumps({name: coordinator.get(name, wait="5m")["status"] for name in ("long", "wide")}))
        lists(coordinator, options.transactions)
        if not options.no_browser:
            pages(coordinator)


if __name__ == "__main__":
    main()
