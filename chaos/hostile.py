"""What nobody should send: requests, definitions and answers that once broke some coordinator, and neighbours of them."""

import base64
import http.client
import http.server
import json
import pathlib
import socket
import socketserver
import subprocess
import tempfile
import threading
import time

KIB = 1024
NESTED = b"[" + b",".join([b"[]"] * 330_000) + b"]"  # Cheap as text, dear as a tree.
INSTANTS = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.9999999-05:00", "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:60Z", "10000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00+99:99",
            "-0001-01-01T00:00:00Z", "1970-01-01T00:00:00.0000000001Z", "")
SPANS = ("0.30000000000000004s", " -3.54s", "99999999999999999999s", "1e9s", "--1s", "1 s", "s", "315576000001s", "NaNs")
NUMBERS = ("18446744073709551616", "-9223372036854775809", "1e400", "0.1000000000000000055511151231257827", "1E+2", "-0")


class Answers(http.server.BaseHTTPRequestHandler):
    """A participant whose path says what it answers; /good keeps its promises."""

    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, *_):
        pass

    def _send(self, status, body=b"", kind="application/json", *headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _raw(self, data):
        self.wfile.write(data)
        self.close_connection = True

    def do_POST(self):
        try:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(self.path.split("/")[1], self.path.rpartition("/")[2])
        except (OSError, ValueError):
            self.close_connection = True

    do_PUT = do_DELETE = do_GET = do_POST

    def _answer(self, kind, detail):
        if kind == "nested":
            self._send(200, NESTED)
        elif kind == "instant":
            self._send(200, json.dumps({"at": INSTANTS[int(detail)]}).encode())
        elif kind == "number":
            self._send(200, b'{"n": ' + NUMBERS[int(detail)].encode() + b"}")
        elif kind == "deep":
            self._send(200, b"[" * 5000 + b"]" * 5000)
        elif kind == "votes":
            self._send(200, b"{}", "application/json", ("Entente-Vote", "yes"), ("Entente-Vote", "no"))
        elif kind == "text":
            self._send(200, "caf\u00e9 \u202e\u2028\x9b2J".encode(), "text/plain; charset=utf-8")
        elif kind == "poll-now":
            self._send(202, b"{}", "application/json", ("Location", "/poll-now/x"), ("Retry-After", "0"))
        elif kind == "lengths":
            self._raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\n12345")
        elif kind == "coding":
            self._raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        elif kind == "endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(2000):
                self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            self.close_connection = True
        elif kind == "secret":
            self._send(500, b"password=hunter2 " * 1000, "text/html")
        else:
            self._send(200, b'{"ok": true}')


class _Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass  # Callers hang up: that is what they are for.


class HostileParticipant:
    def __init__(self):
        self.server = _Threads(("127.0.0.1", 0), Answers)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def descriptor_set(**files):
    """What protoc makes of proto sources, as base64."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for path, text in files.items():
            (folder / f"{path}.proto").write_text(text)
        out = folder / "set"
        subprocess.run(["protoc", "-I", folder, "-I", "/usr/include", "--include_imports",
                        f"--descriptor_set_out={out}", *(folder / f"{path}.proto" for path in files)],
                       check=True, capture_output=True)
        return base64.b64encode(out.read_bytes()).decode()


KINDS = """syntax = "proto3"; package kinds;
import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/any.proto";
message All { google.protobuf.Timestamp at = 1; google.protobuf.Duration span = 2; google.protobuf.Any any = 3; double n = 4; int64 i = 5; }
service Kinds { rpc Echo(All) returns (All); }"""
REDEFINED = [
    """syntax = "proto3"; package google.protobuf; message Timestamp {}
message In { Timestamp at = 1; } service Evil { rpc Go(In) returns (In); }""",
    """syntax = "proto3"; package google.protobuf; message Any { int32 type_url = 1; int32 value = 2; }
message In { Any at = 1; } service Evil { rpc Go(In) returns (In); }""",
    """syntax = "proto3"; package google.protobuf; message Int64Value {}
message In { Int64Value at = 1; } service Evil { rpc Go(In) returns (In); }""",
    """syntax = "proto3"; package google.protobuf; message Struct { int32 fields = 1; }
message In { Struct at = 1; } service Evil { rpc Go(In) returns (In); }""",
    """syntax = "proto3"; package google.protobuf; message Value { string null_value = 1; }
message ListValue { string values = 1; }
message In { Value at = 1; ListValue of = 2; } service Evil { rpc Go(In) returns (In); }""",
    """syntax = "proto3"; package google.protobuf; message Duration { string seconds = 1; bytes nanos = 2; }
message In { Duration at = 1; } service Evil { rpc Go(In) returns (In); }""",
]


class Submits:
    """Inline transactions at hostile participants. None of them may cost anybody else anything."""

    def __init__(self, participant):
        self.url = participant.url
        self.kinds = descriptor_set(kinds=KINDS)
        self.evil = [descriptor_set(evil=text) for text in REDEFINED]

    def draw(self, rng):
        return rng.choice([self._instant, self._answered_instant, self._span, self._number, self._evil, self._nested,
                           self._answer, self._costly, self._empty_path, self._deep_input])(rng)

    def _inline(self, rng, participants, steps, data=None):
        document = {"name": "hostile", "mode": "saga", "participants": participants, "deadline": "20s",
                    "retry": {"initial": "50ms", "factor": 2, "max": "1s", "attempts": 3}, "steps": steps}
        return {"inline": document, "gid": f"hostile-{rng.getrandbits(48):x}", "input": data or {}}

    def _rest(self):
        return {"p": {"http": self.url, "timeout": "2s", "maxConcurrentCalls": 16}}

    def _grpc(self, descriptors, service):
        return {"g": {"grpc": "127.0.0.1:1", "service": service, "descriptorSet": descriptors, "timeout": "1s"}}

    def _to_kinds(self, rng, body, data=None):
        return self._inline(rng, self._grpc(self.kinds, "kinds.Kinds"),
                            [{"id": "s", "participant": "g", "action": {"rpc": "Echo", "body": body}, "compensate": None}],
                            data)

    def _instant(self, rng):
        return self._to_kinds(rng, {"at": "${input.at}"}, {"at": rng.choice(INSTANTS)})

    def _span(self, rng):
        return self._to_kinds(rng, {"span": "${input.at}"}, {"at": rng.choice(SPANS)})

    def _answered_instant(self, rng):
        steps = [{"id": "quote", "participant": "p", "action": {"post": f"/instant/{rng.randrange(len(INSTANTS))}"},
                  "compensate": {"post": "/good"}},
                 {"id": "s", "participant": "g", "compensate": None,
                  "action": {"rpc": "Echo", "body": {"at": "${steps.quote.output.at}"}}}]
        return self._inline(rng, self._rest() | self._grpc(self.kinds, "kinds.Kinds"), steps)

    def _number(self, rng):
        steps = [{"id": "quote", "participant": "p", "action": {"post": f"/number/{rng.randrange(len(NUMBERS))}"},
                  "compensate": {"post": "/good"}},
                 {"id": "s", "participant": "p", "action": {"post": "/good", "body": {"n": "${steps.quote.output.n}"}},
                  "compensate": {"post": "/good"}}]
        return self._inline(rng, self._rest(), steps)

    def _evil(self, rng):
        return self._inline(rng, self._grpc(rng.choice(self.evil), "google.protobuf.Evil"),
                            [{"id": "s", "participant": "g", "action": {"rpc": "Go", "body": {"at": "${input.at}"}},
                              "compensate": None}], {"at": rng.choice(["1s", 5, {"@type": "x/google.protobuf.In"}])})

    def _nested(self, rng):
        return self._inline(rng, self._rest(), [
            {"id": "s", "participant": "p", "forEach": "${input.items}", "maxParallel": 8,
             "action": {"post": "/nested"}, "compensate": {"post": "/good"}}], {"items": list(range(rng.randrange(1, 40)))})

    def _answer(self, rng):
        kind = rng.choice(["deep", "votes", "text", "poll-now", "lengths", "coding", "endless", "secret"])
        return self._inline(rng, self._rest(), [{"id": "s", "participant": "p", "action": {"post": f"/{kind}/x"},
                                                 "compensate": {"post": "/good"}}])

    def _costly(self, rng):
        text = "a" * rng.randrange(1000, 400_000)
        call = rng.choice(["${input.a.contains(input.b)}", "${input.a == input.b}", "${input.a.matches('(a*)*b')}",
                           "${input.a + input.b}", "${[1,2,3,4].map(i, input.a + input.b)}"])
        return self._inline(rng, self._rest(), [{"id": "s", "participant": "p", "compensate": {"post": "/good"},
                                                 "action": {"post": "/good", "body": {"x": call}}}],
                            {"a": text, "b": text[:-1] + "b"})

    def _empty_path(self, rng):
        return self._inline(rng, self._rest(), [{"id": "s", "participant": "p", "action": {"post": "/good"},
                                                 "compensate": {"delete": "/things/${input.id}"}},
                                                {"id": "t", "participant": "p", "action": {"post": "/votes/x"},
                                                 "compensate": {"post": "/good"}}],
                            {"id": rng.choice(["", ".", "..", "%2e%2e", None, "a/b"])})

    def _deep_input(self, rng):
        depth = rng.randrange(10, 80)
        data = "x"
        for _ in range(depth):
            data = [data]
        return self._inline(rng, self._rest(), [{"id": "s", "participant": "p", "action": {"post": "/good", "body": "${input}"},
                                                 "compensate": {"post": "/good"}}], {"x": data})


SMUGGLED = b'POST /v1/transactions:begin HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n' \
           b'{"mode":"saga","gid":"smuggled-0"}'
CODINGS = (b"xchunked", b"chunked, identity", b"identity", b"chunked chunked", b"\x0bchunked", b"gzip", b"chunked;q=1", b",",
           b"chunked, gzip", b"")


def request_bytes(rng, host):
    """One request as an attacker would write it."""
    host = host.encode()
    kind = rng.randrange(8)
    if kind == 0:
        return (b"GET /healthz HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: %s\r\n\r\n" % (host, rng.choice(CODINGS))) \
            + SMUGGLED % host
    if kind == 1:
        return b"GET /healthz HTTP/1.1\r\nHost: %s\r\nHost: evil\r\n\r\n" % host
    if kind == 2:
        return b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % rng.choice([b"localhost:1@evil", b"[::1", b"127.", b"", b"a b"])
    if kind == 3:
        return (b"POST /healthz HTTP/1.1\r\nHost: %s\r\nContent-Length: %s\r\n\r\n"
                % (host, rng.choice([b"+5", b"-1", b"5, 6", b"0x5", b"5 5", b"99999999999999999999"]))) + SMUGGLED % host
    if kind == 4:
        return b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (rng.choice([b"/%zz", b"http://evil/healthz", b"*", b"/a\x00b", b"//"]), host)
    if kind == 5:
        return b"POST /v1/transactions HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
    if kind == 6:
        return bytes(rng.getrandbits(8) for _ in range(rng.randrange(1, 400)))
    valid = bytearray(b"POST /v1/transactions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" % host)
    for _ in range(rng.randrange(1, 6)):
        valid[rng.randrange(len(valid))] = rng.getrandbits(8)
    return bytes(valid)


def send_raw(port, data, seconds=1.0):
    """Sends and reads what comes back, for a while."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as raw:
            raw.sendall(data)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and len(answer) < 64 * KIB:
                piece = raw.recv(8 * KIB)
                if not piece:
                    break
                answer += piece
    except OSError:
        pass
    return answer


def post(port, path, document, seconds=5):
    """The status, or None when there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
