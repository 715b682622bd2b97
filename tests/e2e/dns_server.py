"""A DNS server on loopback that knows SRV records (RFC 1035, RFC 2782), over UDP and TCP."""

import socket
import socketserver
import struct
import threading

SRV, INTERNET = 33, 1
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME, REFUSED = 0, 2, 3, 5
MOST_BYTES_OF_UDP = 512


def name(dotted):
    labels = [label.encode() for label in dotted.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(query):
    """(name, its bytes with type and class)."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), query[12:at + 5]


class DnsServer:
    """`records`: name -> [(priority, weight, port, target)]; `answer`, if it is set, says what is sent back for a
    query in place of them: bytes, or None for silence."""

    def __init__(self):
        self.records, self.ttl, self.code, self.answer = {}, 1, NO_ERROR, None
        self.asked = []  # (name, whether over TCP)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        owner = self

        class OverTcp(socketserver.StreamRequestHandler):
            def handle(self):
                query = self.rfile.read(struct.unpack(">H", self.rfile.read(2))[0])
                reply = owner.reply(query, tcp=True)
                if reply is not None:
                    self.wfile.write(struct.pack(">H", len(reply)) + reply)

        self.tcp = self._on_one_port(OverTcp)
        threading.Thread(target=self.tcp.serve_forever, daemon=True).start()
        threading.Thread(target=self._over_udp, daemon=True).start()

    def _on_one_port(self, handler):
        for _ in range(100):
            self.udp.bind(("127.0.0.1", 0))
            try:
                return socketserver.ThreadingTCPServer(self.udp.getsockname(), handler)
            except OSError:
                self.udp.close()
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        raise RuntimeError("no port is free for both protocols")

    @property
    def address(self):
        return "127.0.0.1:%d" % self.udp.getsockname()[1]

    def _over_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            reply = self.reply(query, tcp=False)
            if reply is not None:
                self.udp.sendto(reply, peer)

    def reply(self, query, tcp):
        asked, repeated = question(query)
        self.asked.append((asked, tcp))
        if self.answer is not None:
            return self.answer(query, tcp)
        records = self.records.get(asked, [])
        code = NO_SUCH_NAME if not records and self.code == NO_ERROR else self.code
        rows = b"".join(self._row(*record) for record in records) if code == NO_ERROR else b""
        truncated = not tcp and 12 + len(repeated) + len(rows) > MOST_BYTES_OF_UDP
        flags = 0x8180 | code | (0x0200 if truncated else 0)
        count = 0 if truncated or code != NO_ERROR else len(records)
        return query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + repeated + (rows if count else b"")

    def _row(self, priority, weight, port, target):
        data = struct.pack(">HHH", priority, weight, port) + name(target)
        return b"\xc0\x0c" + struct.pack(">HHIH", SRV, INTERNET, self.ttl, len(data)) + data

    def close(self):
        self.udp.close()
        self.tcp.shutdown()
        self.tcp.server_close()
