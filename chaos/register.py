#!/usr/bin/env python3
"""A participant without the SDK: registers to which each transaction appends its key, in one SQLite file.

    register.py --listen HOST:PORT --db FILE [--break RULE]

`PUT /registers/NAME/KEY` appends (a body {"refuse": true} is refused), `DELETE` takes back. `GET /registers/NAME`
tells the version, which grows by one with every append, and the keys that stand; `GET /ledger` and `/summary` are
for the judge. `--break` drops one of the rules of docs/participants.md, so that a judge can be seen to notice.
"""

import argparse
import http.server
import json
import sqlite3
import threading
import time

BREAKS = ("repeats", "undo")


class Registers:
    def __init__(self, file, broken):
        self.broken = broken
        self.lock = threading.Lock()
        self.db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, state TEXT, attempt INTEGER, answer TEXT)")
        self.db.execute("CREATE TABLE IF NOT EXISTS registers (name TEXT PRIMARY KEY, version INTEGER)")
        self.db.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT, name TEXT)")
        self.db.execute("CREATE TABLE IF NOT EXISTS ledger (sequence INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, gid TEXT,"
                        " branch TEXT, operation TEXT, attempt INTEGER, epoch INTEGER, key TEXT, effect TEXT, amount INTEGER,"
                        " register TEXT, version INTEGER)")

    def carry_out(self, work):
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                answer = work()
                self.db.execute("COMMIT")  # The effect and its key in one transaction, and only then the answer.
                return answer
            except Exception as error:
                self.db.execute("ROLLBACK")
                return 503, {"error": str(error)}

    def recall(self, key):
        row = self.db.execute("SELECT state, attempt, answer FROM calls WHERE key = ?", [key]).fetchone()
        return row or ("unseen", 0, "null")

    def remember(self, key, state, attempt, answer):
        self.db.execute("REPLACE INTO calls VALUES (?, ?, ?, ?)", [key, state, attempt, json.dumps(answer)])

    def record(self, call, effect, amount, name, version):
        self.db.execute("INSERT INTO ledger (at, gid, branch, operation, attempt, epoch, key, effect, amount, register, version)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        [time.time(), call["gid"], call["branch"], call["operation"], call["attempt"], call["epoch"],
                         call["idempotency"], effect, amount, name, version])

    def append(self, name, key, call, refuse):
        state, refused_attempt, answer = self.recall(key)
        if state == "appended" and self.broken != "repeats":
            return 200, json.loads(answer)
        if state == "undone":
            return 409, {"error": "this key was undone"}
        if state == "refused" and call["attempt"] <= refused_attempt:
            return 409, json.loads(answer)  # A late copy of what was refused: nobody would undo it.
        if refuse:
            answer = {"error": "as asked for"}
            self.remember(key, "refused", call["attempt"], answer)
            return 409, answer
        self.db.execute("INSERT INTO registers VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET version = version + 1", [name])
        version = self.version(name)
        self.db.execute("INSERT INTO entries VALUES (?, ?)", [key, name])
        self.remember(key, "appended", call["attempt"], {"version": version})
        self.record(call, "appended", 1, name, version)
        return 200, {"version": version}

    def remove(self, name, key, call):
        state, _, _ = self.recall(key)
        if state == "appended" and self.broken != "undo":
            self.db.execute("DELETE FROM entries WHERE key = ?", [key])
            self.record(call, "removed", -1, name, self.version(name))
        self.remember(key, "undone", call["attempt"], None)
        return 200, {}

    def version(self, name):
        row = self.db.execute("SELECT version FROM registers WHERE name = ?", [name]).fetchone()
        return row[0] if row else 0

    def read(self, name):
        keys = [key for (key,) in self.db.execute("SELECT key FROM entries WHERE name = ? ORDER BY rowid", [name])]
        return 200, {"version": self.version(name), "keys": keys}

    def ledger(self):
        cursor = self.db.execute("SELECT * FROM ledger ORDER BY sequence")
        names = [column[0] for column in cursor.description]
        return 200, {"rows": [dict(zip(names, row)) for row in cursor]}

    def summary(self):
        rows = self.db.execute("SELECT name, version, (SELECT count(*) FROM entries e WHERE e.name = r.name) FROM registers r")
        return 200, {"registers": {name: {"version": version, "standing": standing} for name, version, standing in rows}}


def serve(address, registers):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def carry_out(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = self.path.strip("/").split("/")
            call = {"gid": self.headers.get("Entente-Gid"), "branch": self.headers.get("Entente-Branch"),
                    "operation": self.headers.get("Entente-Operation"), "idempotency": self.headers.get("Idempotency-Key"),
                    "attempt": int(self.headers.get("Entente-Attempt") or 1), "epoch": int(self.headers.get("Entente-Epoch") or 0)}
            if self.command == "GET":
                work = {1: getattr(registers, parts[0], None) if parts[0] in ("ledger", "summary") else None,
                        2: lambda: registers.read(parts[-1])}.get(len(parts))
            elif len(parts) == 3 and self.command == "PUT":
                work = lambda: registers.append(parts[1], parts[2], call, (json.loads(body or b"{}") or {}).get("refuse"))
            elif len(parts) == 3 and self.command == "DELETE":
                work = lambda: registers.remove(parts[1], parts[2], call)
            else:
                work = None
            self.answer(*(registers.carry_out(work) if work else (404, {"error": "no such path"})))

        do_GET = do_PUT = do_DELETE = carry_out

        def answer(self, status, document):
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, *_):
            pass  # Callers hang up: that is what the links are for.

    host, port = address.rsplit(":", 1)
    server = Server((host, int(port)), Handler)
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--db", required=True)
    parser.add_argument("--break", dest="broken", choices=BREAKS)
    arguments = parser.parse_args()
    serve(arguments.listen, Registers(arguments.db, arguments.broken))
