"""Ten seats by key, in memory, with one fault of choice: what people get wrong in a participant."""

import http.server
import json
import select
import socket
import threading
import time

# What is wrong, by name; see the test for what each breaks.
FAULTS = ("twice", "silently-twice", "duplicate", "unseen", "late", "forgets", "undo-once", "no-undo", "undoes-all", "race",
          "busy", "breaks", "confirm-once", "confirm-refuses")
SEATS = 1000


class Seats:
    def __init__(self, fault=None):
        self.fault = fault
        self.lock = threading.Lock()
        self.taken = {}  # Seat -> key.
        self.keys = {}  # Key -> (state, seat).
        self.working = set()
        self.extra = 0  # Effects that nothing accounts for.

    def held(self):
        with self.lock:
            return {"seats": len(self.taken) + self.extra}

    def seat(self, key):
        seat = next(number for number in range(1, SEATS) if number not in self.taken)
        self.taken[seat] = key
        self.keys[key] = ("taken", seat)
        return 200, {"seat": seat}

    def take(self, key, is_gone):
        if self.fault == "race":
            return self.take_in_a_hurry(key)
        if self.fault in ("busy", "breaks"):
            return self.take_slowly(key, is_gone)
        with self.lock:
            state, seat = self.keys.get(key, ("new", None))
            if state == "new" or (state == "undone" and self.fault == "forgets"):
                return self.seat(key)
            if state == "undone":
                return 409, {"error": "undone"}
            if self.fault == "twice":
                return self.seat(key)
            if self.fault == "duplicate":
                return 409, {"error": "exists"}
            self.extra += self.fault == "silently-twice"
            return 200, {"seat": seat}

    def take_in_a_hurry(self, key):
        """Looks first and acts later, with nothing that holds the two together."""
        state, seat = self.keys.get(key, ("new", None))
        if state != "new":
            return (409, {"error": "undone"}) if state == "undone" else (200, {"seat": seat})
        time.sleep(0.1)
        with self.lock:
            return self.seat(key)

    def take_slowly(self, key, is_gone):
        with self.lock:
            state, seat = self.keys.get(key, ("new", None))
            if state != "new":
                return (409, {"error": "undone"}) if state == "undone" else (200, {"seat": seat})
            if key in self.working:
                return (409, {"error": "busy"}) if self.fault == "busy" else (503, {"error": "busy"})
            self.working.add(key)
        time.sleep(0.1)
        if self.fault == "breaks" and is_gone():
            return 500, {"error": "nobody is there"}  # And the key stays as one that is worked on.
        with self.lock:
            self.working.discard(key)
            return self.seat(key)

    def give_back(self, key):
        with self.lock:
            state, seat = self.keys.get(key, ("new", None))
            if state == "new" and self.fault == "unseen":
                return 404, {"error": "no such key"}
            if state == "undone" and self.fault == "undo-once":
                return 404, {"error": "no such key"}
            if state != "new" and self.fault == "no-undo":
                self.keys[key] = ("undone", seat)
                return 200, {}
            if self.fault == "undoes-all":
                self.taken.clear()
                self.keys = {other: ("undone", None) for other in self.keys}
            self.taken.pop(seat, None)
            if state != "new" or self.fault != "late":
                self.keys[key] = ("undone", None)
            return 200, {}

    def sell(self, key):
        with self.lock:
            state, seat = self.keys.get(key, ("new", None))
            if state == "taken" and self.fault != "confirm-refuses":
                self.keys[key] = ("sold", seat)
                return 200, {}
            return (200, {}) if state == "sold" and self.fault != "confirm-once" else (409, {"error": state})


def serve(fault=None):
    """Serves on a free port of loopback until the server that is returned is shut down."""
    seats = Seats(fault)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def is_gone(self):
            readable, _, _ = select.select([self.connection], [], [], 0)
            try:
                return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
            except OSError:
                return True

        def carry_out(self, operation):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(*operation(self.path.removeprefix("/seats/")))

        def answer(self, status, document):
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True

        def do_GET(self):
            self.answer(200, seats.held())

        def do_PUT(self):
            self.carry_out(lambda key: seats.take(key, self.is_gone))

        def do_DELETE(self):
            self.carry_out(seats.give_back)

        def do_POST(self):
            self.carry_out(seats.sell)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
