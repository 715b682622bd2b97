"""A scene that the demos share: the coordinator is killed with transactions in flight, and started again."""

import concurrent.futures
import time

from agency import ApiError
from show import defect

CLIENTS = 16  # How many submit at once.


def crash(world, gids, book, restart):
    """Kills and restarts the coordinator of `world` while each of `gids` is booked by `book(gid)`, and
    shows how those end that were accepted."""
    for service in world.services.values():
        service.control(delay="150ms")

    def accepted(gid):
        try:
            book(gid)
            return True
        except (OSError, ApiError):
            return False

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        open_gids = [gid for gid, ok in zip(gids, pool.map(accepted, gids)) if ok]
    time.sleep(0.2)
    world.kill_coordinator()
    print(f"   killed: {len(open_gids)} bookings accepted, none of them told how it ends")
    for service in world.services.values():
        service.control(delay="0ms")
    begin = time.monotonic()
    restart()
    ready = time.monotonic() - begin
    ended = [world.coordinator.get(gid, wait="60s")["status"] for gid in open_gids]
    counts = ", ".join(f"{ended.count(status)} {status}" for status in sorted(set(ended)))
    print(f"   restarted and ready after {ready:.2f} s; all {len(open_gids)} ended "
          f"{time.monotonic() - begin:.2f} s after the restart: {counts}")
    if set(ended) - {"COMMITTED", "ABORTED"}:
        defect("a booking did not end")
