#!/usr/bin/env python3
"""Requests whose end is in doubt, behind the proxies that people put in front: nginx and haproxy let
nobody through to the path that begins transactions, and no request gets there inside another one."""

import argparse
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo")]

from agency import Coordinator  # noqa: E402

BUILD = None

FORBIDDEN = "/v1/transactions:begin"

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ignore_invalid_headers off; proxy_request_buffering off;
  upstream coordinator {{ server 127.0.0.1:{port}; keepalive 2; }}
  server {{
    listen 127.0.0.1:{listen};
    location = {forbidden} {{ return 403; }}
    location / {{
      proxy_pass http://coordinator; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""

HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  http-reuse always
frontend front
  bind 127.0.0.1:{listen}
  option accept-invalid-http-request
  http-request deny deny_status 403 if {{ path {forbidden} }}
  default_backend coordinator
backend coordinator
  option accept-invalid-http-response
  server one 127.0.0.1:{port}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def exchange(port, data, half_close=False, patience=0.2):
    """Everything that comes back until the other side closes, or says nothing for as long as `patience`."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as peer:
        peer.sendall(data)
        if half_close:
            peer.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while piece := peer.recv(65536):
                got += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return got


def smuggled(gid):
    body = json.dumps({"mode": "saga", "gid": gid}).encode()
    return (f"POST {FORBIDDEN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def cases(inner, through_a_gateway=True):
    """The request that hides `inner`, in each way in which two readers may differ on its end."""
    size = len(inner)
    chunks = b"0\r\n\r\n" + inner
    as_chunk = b"%x\r\n" % size + inner + b"\r\n0\r\n\r\n"
    fields = [
        (b"Transfer-Encoding: xchunked", chunks), (b"Transfer-Encoding: x", inner),
        (b"Transfer-Encoding: chunked, identity", chunks), (b"Transfer-Encoding: identity, chunked", chunks),
        (b"Transfer-Encoding: identity", inner), (b"Transfer-Encoding: gzip, chunked", chunks),
        (b"Transfer-Encoding: \x0bchunked", chunks), (b"Transfer-Encoding: chunked\x0b", chunks),
        (b"Transfer-Encoding : chunked", chunks), (b" Transfer-Encoding: chunked", chunks),
        (b"Transfer-Encoding:\r\n chunked", chunks), (b"Transfer-Encoding: \"chunked\"", chunks),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", chunks),
        (b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", chunks),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", chunks),
        (b"X: y\nTransfer-Encoding: chunked", chunks), (b"X: y\rTransfer-Encoding: chunked", chunks),
        (b"Transfer-Encoding: chunke\x00d", chunks),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", chunks),
        (b"Transfer-Encoding: chunked\r\nContent-Length: %d" % (size + 5), chunks),
        (b"Transfer-Encoding: x\r\nContent-Length: 0", inner),
        (b"Content-Length: 0\r\nContent-Length: %d" % size, inner),
        (b"Content-Length: %d\r\nContent-Length: 0" % size, inner),
        (b"Content-Length: 0, %d" % size, inner), (b"Content-Length: +%d" % size, inner),
        (b"Content-Length: -1", inner), (b"Content-Length: 0x0", inner), (b"Content-Length: 0 %d" % size, inner),
        (b"Content-Length : %d" % size, inner), (b"Content-Length:\r\n %d" % size, inner),
        (b"X: y\nContent-Length: %d" % size, inner),
        (b"Content-Length: 18446744073709551616", inner), (b"Expect: x\r\nContent-Length: %d" % size, inner),
        # Well-formed: the whole of it is a body, and nothing else.
        (b"Content-Length: %d" % size, inner), (b"Transfer-Encoding: chunked", as_chunk),
    ]
    if through_a_gateway:
        # To us fields as any other, and what follows the next request; to some gateways the field of the other name.
        fields += [(b"Transfer_Encoding: chunked", chunks), (b"Content_Length: %d" % size, inner)]
    for version in (b"1.1", b"1.0"):
        for field, body in fields:
            for method in (b"GET /healthz", b"POST /v1/transactions"):
                yield (method + b" HTTP/" + version + b"\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                       field + b"\r\n\r\n" + body)
    endings = [b"0\n\r\n", b"0\r\n\n", b"0x0\r\n\r\n", b"0;\n=\"\r\n\r\n", b"+0\r\n\r\n", b"1\r\nab\r\n0\r\n\r\n",
               b"2\r\nab0\r\n\r\n", b"100000000\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nX: y\n\r\n"]
    if through_a_gateway:
        endings += [b"0;a\r\n\r\n", b"00\r\n\r\n"]  # In order, and not what everybody expects.
    for chunk in endings:
        yield (b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n" + chunk + inner)


class Proxy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-proxy-"))
        cls.coordinator = Coordinator(BUILD, cls.folder, {})

    @classmethod
    def tearDownClass(cls):
        code = cls.coordinator.process.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)
        assert code == 0, code

    def begin(self, name, command, config):
        listen = free_port()
        path = self.folder / f"{name}.conf"
        path.write_text(config.format(folder=self.folder, port=self.coordinator.http.port, listen=listen,
                                      forbidden=FORBIDDEN))
        proxy = subprocess.Popen([*command, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def stop():
            proxy.terminate()
            proxy.wait(10)
        self.addCleanup(stop)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.assertIsNone(proxy.poll(), f"{name} ended; is its configuration right?")
            try:
                if b" 200 " in self.ask(listen, b"/healthz"):
                    return listen
            except ConnectionRefusedError:
                time.sleep(0.01)
        self.fail(f"{name} does not answer")

    def ask(self, port, path):
        return exchange(port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                        patience=30)

    def check(self, name, port):
        # The guard itself: what names the path is refused by the proxy.
        self.assertIn(b" 403 ", exchange(port, smuggled(f"{name}-plain")).split(b"\r\n")[0])
        self.assert_absent(f"{name}-plain")
        for request in cases(smuggled(name)):
            exchange(port, request)
        # Nobody else's answer was put off by any of it.
        for _ in range(20):
            self.assertIn(b" 404 ", self.ask(port, b"/v1/transactions/nobody").split(b"\r\n")[0])
            self.assertIn(b'"status"', self.ask(port, b"/healthz"))
        self.assert_absent(name)

    def assert_absent(self, gid):
        status, _ = self.coordinator.http.request("GET", f"/v1/transactions/{gid}")
        self.assertEqual(404, status, f"{gid} was begun although the proxy lets nobody do that")

    def test_nginx(self):
        self.check("nginx", self.begin("nginx", ["nginx", "-e", str(self.folder / "nginx.log"), "-c"], NGINX))

    def test_haproxy(self):
        self.check("haproxy", self.begin("haproxy", ["haproxy", "-db", "-f"], HAPROXY))

    def test_without_a_proxy(self):
        for request in cases(smuggled("direct"), through_a_gateway=False):
            answers = exchange(self.coordinator.http.port, request, half_close=True, patience=30)
            self.assertRegex(answers, rb"^HTTP/1\.1 (200|400|411|413|417|415|501) ", request)
            self.assertEqual(1, len(re.findall(rb"HTTP/1\.1 \d{3} ", answers)), (request, answers))
        self.assert_absent("direct")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args()
    BUILD = arguments.build
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
