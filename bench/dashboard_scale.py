#!/usr/bin/env python3
"""How the lists and the page do with much in the store: what docs/dashboard.md tells.

    bench/dashboard_scale.py --build build [--transactions 100000] [--no-browser] [--no-load]
"""

import argparse
import concurrent.futures
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "examples" / "demo")]

from agency import Agency, Http, Process  # noqa: E402
from bench import cpu_seconds, definition  # noqa: E402

THREADS = 16
ROUNDS = 20
# The most steps that a definition may have, and the most branches that one of them may have.
STEPS, ITEMS = 512, 10_000

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
        "incidents at a step": "step=pay&limit=100",
        "the oldest first": "sort=oldest&limit=100",
        "changed last": "sort=changed&limit=100",
        "active, longest unchanged": "sort=unchanged&status=ACTIVE&limit=100",
        "most attempts": "sort=attempts&limit=100",
        "most attempts, with an error": "sort=attempts&error=amount&limit=100",
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


ROUND_SECONDS = 8
LOAD_ROUNDS = 6
COUNT_SHARE, FLOOD_EVENTS = 200, 1_000  # As the page has them.
# What a page asks for, and every how many seconds; None: as the page does, by how long it takes.
FRAME = {"/v1/incidents?limit=100": 5}
EVENTS, METRICS, PARTICIPANTS = "/v1/events", "/metrics", "/v1/participants?limit=1000"
OVERVIEW = {**FRAME, "/healthz": 2, METRICS: 2, "/v1/incidents?limit=200": 3, PARTICIPANTS: 3, "/v1/nodes": 5}
LIST = {**FRAME, EVENTS: 0, "/v1/transactions:count": None}
INCIDENTS = {**FRAME, EVENTS: 0, "/v1/incidents?limit=200": 10, PARTICIPANTS: 5}
CALLED = {**FRAME, PARTICIPANTS: 2, METRICS: 5}
NODES = {**FRAME, "/v1/nodes": 2, "/healthz": 2, METRICS: 5}
PAGES = [OVERVIEW] * 3 + [LIST] * 4 + [INCIDENTS, CALLED, NODES]


class Looking:
    """Ten pages, as the coordinator sees them: what they ask, and the streams of events that they read. No browser: ten of them
    would take the processors from what is measured."""

    def __init__(self, coordinator):
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.follow if path == EVENTS else self.ask, args=(coordinator, path, every), daemon=True)
                        for page in PAGES for path, every in page.items()]
        for thread in self.threads:
            thread.start()

    def ask(self, coordinator, path, every):
        http = Http("127.0.0.1", coordinator.ports["http"])
        while True:
            spent = timed(lambda: http.request("GET", path, raw=True)) / 1000
            if self.over.wait(every or min(20, max(1, COUNT_SHARE * spent))):
                return

    def follow(self, coordinator, path, _):
        """Events, until there are too many; what is shown is then read again every five seconds, for half a minute."""
        http = Http("127.0.0.1", coordinator.ports["http"])
        while not self.over.is_set():
            with urllib.request.urlopen(coordinator.url + path, timeout=60) as stream:
                events = 0
                while events < FLOOD_EVENTS and not self.over.is_set():
                    events += stream.readline().startswith(b"data:")
            for _ in range(6):
                if self.over.wait(5):
                    return
                http.request("GET", "/v1/transactions?limit=100", raw=True)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def load(build, agency):
    """Sagas of three steps, 64 in flight, by turns with and without ten pages that look on."""
    ports = agency.folder / "participant.ports"
    participant = Process("participant", [build / "bench-participant", ports], agency.folder / "participant.log")
    url = f"http://127.0.0.1:{json.loads(participant.wait_for_file(ports))['http']}"
    document = definition("http", "saga")
    document["participants"]["p"]["http"] = url
    coordinator, pid = agency.coordinator, agency.coordinator.process.popen.pid
    coordinator.put_definition(document)
    seen = {False: [], True: []}
    for turn in range(2 * LOAD_ROUNDS):
        looked_at = turn % 2 == 1
        pages = Looking(coordinator) if looked_at else None
        cpu = cpu_seconds(pid)
        measured = json.loads(subprocess.run(
            [build / "bench-load", "submit", "--target", coordinator.url, "--definition", document["name"], "--in-flight", "64",
             "--seconds", str(ROUND_SECONDS)], capture_output=True, text=True, check=True).stdout)
        cpu = cpu_seconds(pid) - cpu
        seen[looked_at].append((measured["per_second"], 1e6 * cpu / (measured["per_second"] * (ROUND_SECONDS + 1))))
        if pages:
            pages.stop()
    print("\n| 64 in flight | sagas a second, median | of each round | us of processor each |\n|---|---|---|---|")
    for looked_at, rounds in seen.items():
        rates = [rate for rate, _ in rounds]
        print(f"| {'ten pages' if looked_at else 'nobody looks'} | {statistics.median(rates):.0f} | "
              f"{', '.join(f'{rate:.0f}' for rate in rates)} | {statistics.median(cpu for _, cpu in rounds):.0f} |")
    participant.stop()


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
    parser.add_argument("--no-load", action="store_true")
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
        if not options.no_load:
            load(pathlib.Path(options.build).resolve(), agency)
        if not options.no_browser:
            pages(coordinator)


if __name__ == "__main__":
    main()
