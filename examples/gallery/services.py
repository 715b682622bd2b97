#!/usr/bin/env python3
"""Every service of the gallery in one small program, in memory: python3 services.py 7100

PUT /<service>/<kind>/<key> makes a thing once and DELETE takes it back; POST /<service>/<kind> makes one by its Idempotency-Key;
POST /<service>/<kind>/<key>/confirm makes it final; GET reads. It keeps what docs/participants.md asks for.
"""

import http.server
import json
import sys
import threading

# What the services answer beside the id, by "<service>/<kind>".
ANSWERS = {
    "flights/bookings": {"price": 120}, "hotels/rooms": {"price": 80}, "customers/standing": {"good": True},
    "jobs/slow": {"state": "READY", "url": "https://videos.example.org/1"}, "gateway/debits": {"state": "DONE"},
    "gateway/credits": {"state": "DONE"}, "seats/holds": {"price": 60}, "orders/orders": {"age": 3, "total": 50},
}
RATES = {"north": 4.5, "south": 3.5}


class Services:
    """`refuse` holds kinds ("hotels/rooms") that are refused, or kinds with a word of the body ("near/stock:red")."""

    def __init__(self):
        self.lock = threading.Lock()
        self.refuse = set()
        self.answers = {kind: dict(answer) for kind, answer in ANSWERS.items()}
        self.things = {}  # "<service>/<kind>/<key>" -> "stands", "final" or "undone".
        self.polls = {}
        self.tokens = {}  # Key -> the token that completes the call, as a header or as the body's reference.

    def standing(self):
        with self.lock:
            return sorted(name for name, state in self.things.items() if state in ("stands", "final"))

    def answer(self, kind, key):
        return {"id": key, **self.answers.get(kind, {})}

    def make(self, kind, key, body, headers):
        name = f"{kind}/{key}"
        state = self.things.get(name)
        if state == "undone":
            return 409, {"error": "it was taken back"}, {}
        if state is None:
            if any(kind == word.split(":")[0] and word.split(":")[-1] in (kind, *map(str, body.values())) for word in self.refuse):
                return 409, {"error": "there is none left"}, {}
            self.things[name] = "stands"
        if kind.endswith("/slow"):
            return 202, {}, {"Location": f"/{name}"}
        if kind.endswith("/later"):
            self.tokens[key] = headers["Entente-Completion-Token"]
            return 202, {}, {"Entente-Pending": self.tokens[key]}
        if "reference" in body:
            self.tokens[key] = body["reference"]
        return 200, self.answer(kind, key), {}

    def read(self, kind, key):
        if kind.endswith("/slow"):
            self.polls[key] = self.polls.get(key, 0) + 1
            if self.polls[key] < 3:
                return 202, {}, {}
        if kind == "quotes/rates":
            return 200, {"bank": key, "rate": self.answers.get(kind, RATES).get(key, 20.5)}, {}
        return 200, self.answer(kind, key), {}

    def carry_out(self, method, path, body, headers):
        service, kind, *rest = path.split("?")[0].strip("/").split("/")
        kind = f"{service}/{kind}"
        with self.lock:
            if method == "GET":
                return self.read(kind, "/".join(rest))
            if method == "POST" and rest[1:] == ["confirm"]:
                self.things[f"{kind}/{rest[0]}"] = "final"
                return 200, {}, {}
            if method == "DELETE":
                self.things[f"{kind}/{rest[0]}"] = "undone"
                return 200, {}, {}
            return self.make(kind, rest[0] if rest else headers["Idempotency-Key"], body, headers)


def serve(services, port=0):
    """Serves on loopback; a port of 0 is a free one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def carry_out(self):
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, document, headers = services.carry_out(self.command, self.path, json.loads(text or b"{}"), self.headers)
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = carry_out

        def log_message(self, *_):
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    serve(Services(), int(sys.argv[1])).serve_forever()
