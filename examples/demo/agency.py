"""The travel agency and a coordinator, as processes on free loopback ports.

Used by the demo and by the end-to-end tests; only Python's standard library. It shares no code with
the coordinator: it talks to it over REST, and reads the services' own ledgers.
"""

import atexit
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

from secured import Secured

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT / "examples" / "travel" / "definitions"
SERVICES = ("flights", "hotels", "cars", "payments")
START_SECONDS = 60
KEEP_SECONDS = 2  # An idle connection is not used again after this long.


class ApiError(Exception):
    """An answer of 400 or more; `problem` is its RFC 9457 document."""

    def __init__(self, status, problem):
        super().__init__(f"HTTP {status}: {problem}")
        self.status = status
        self.problem = problem

    @property
    def code(self):
        return self.problem.get("code", "") if isinstance(self.problem, dict) else ""


class Http:
    """Kept-alive JSON over HTTP to one host; one connection per thread."""

    def __init__(self, host, port, timeout=60, context=None):
        self.host, self.port, self.timeout = host, port, timeout
        self.context = context  # Of TLS; none: plain text.
        self.headers = {}  # Sent with every request.
        self._local = threading.local()

    def request(self, method, path, body=None, headers=None, raw=False):
        """Returns (status, document). Raises OSError or HTTPException when the connection breaks."""
        connection = getattr(self._local, "connection", None)
        if connection is not None and time.monotonic() - self._local.used > KEEP_SECONDS:
            connection.close()  # The other side may be about to do the same.
            connection = None
        if connection is None:
            connection = self._connection()
            self._local.connection = connection
        self._local.used = time.monotonic()
        fields = {**self.headers, **(headers or {})}
        data = None
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            fields.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, data, fields)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._local.connection = None
            raise
        if raw:
            return response.status, text
        try:
            document = json.loads(text) if text else None
        except ValueError:
            document = text.decode(errors="replace")
        return response.status, document

    def _connection(self):
        if self.context is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.context)

    def call(self, method, path, body=None, headers=None):
        """Returns the document; raises ApiError for 400 and above. A GET whose kept-alive connection
        turns out to be dead is asked again."""
        try:
            status, document = self.request(method, path, body, headers)
        except (OSError, http.client.HTTPException):
            if method != "GET":
                raise
            status, document = self.request(method, path, body, headers)
        if status >= 400:
            raise ApiError(status, document)
        return document


SANITIZER_REPORTS = ("Sanitizer: ", "runtime error: ")


class Process:
    """One program under our care, with its output in a log file. A program built with a sanitizer that
    reports something makes the whole run end with an exit code, however it went otherwise."""

    reports = []
    started = []  # All there were; also those whose start was interrupted, which nobody else knows.

    def __init__(self, name, arguments, log, env=None):
        self.name = name
        self.log = log
        with open(log, "ab") as out:
            self.log_begins = out.tell()
            self.popen = subprocess.Popen(
                [str(a) for a in arguments], stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env
            )
        Process.started.append(self)

    def wait_for_file(self, path):
        deadline = time.monotonic() + START_SECONDS
        while not path.exists():
            if self.popen.poll() is not None or time.monotonic() > deadline:
                tail = pathlib.Path(self.log).read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} did not start; its log ends with:\n{tail}")
            time.sleep(0.01)
        return path.read_text()

    def stop(self, sig=signal.SIGTERM):
        """Returns the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
        try:
            code = self.popen.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            code = self.popen.wait()
        self._look_for_reports()
        return code

    def _look_for_reports(self):
        with open(self.log, "rb") as log:
            log.seek(self.log_begins)
            text = log.read().decode(errors="replace")
        found = [text.index(word) for word in SANITIZER_REPORTS if word in text]
        if found:
            Process.reports.append(f"{self.name}: {text[max(min(found) - 200, 0):][:6000]}")


@atexit.register
def fail_if_a_sanitizer_reported():
    if Process.reports:
        print(*Process.reports, sep="\n", file=sys.stderr, flush=True)
        os._exit(66)


class Service:
    """One of the four services."""

    verifies = False  # Whose calls it gets.

    def __init__(self, name, build, folder):
        self.name = name
        port_file = folder / f"{name}.ports"
        arguments = [build / f"travel-{name}", "--listen", "127.0.0.1:0", "--db", folder / f"{name}.db",
                     "--port-file", port_file]
        if name == "hotels":
            arguments += ["--control", "127.0.0.1:0"]
        self.process = Process(name, arguments, folder / f"{name}.log")
        ports = dict(line.split("=", 1) for line in self.process.wait_for_file(port_file).split())
        self.address = ports["listen"]
        host, port = ports["control"].rsplit(":", 1)
        self.http = Http(host, int(port))

    def control(self, **switches):
        self.http.call("POST", "/control", {k.replace("_", "-"): v for k, v in switches.items()})

    def summary(self):
        return self.http.call("GET", "/summary")

    def ledger(self):
        rows, after = [], 0
        while True:
            page = self.http.call("GET", f"/ledger?after={after}&limit=1000")
            page = page["rows"] if isinstance(page, dict) else page
            rows += page
            if len(page) < 1000:
                return rows
            after = page[-1]["sequence"]


class Coordinator:
    """`entente serve`, and its REST API; with `secured` (secured.py) as that says."""

    def __init__(self, build, folder, env, arguments=(), http="127.0.0.1:0", grpc="127.0.0.1:0",
                 program="entente", store=None, secured=None):
        self.port_file = folder / "entente.ports"
        self.port_file.unlink(missing_ok=True)
        command = [build / program, "serve", "--http", http, "--grpc", grpc,
                   "--store", store or f"sqlite:{folder / 'entente.db'}", "--port-file", self.port_file]
        for name in env:
            command += ["--allow-env", name]
        command += secured.flags() if secured else []
        self.process = Process("entente", command + list(arguments), folder / "entente.log",
                               {**os.environ, **env})
        self.ports = json.loads(self.process.wait_for_file(self.port_file))
        self.scheme = secured.scheme if secured else "http"
        self.http = Http("127.0.0.1", self.ports["http"], context=secured and secured.context)
        if secured:
            secured.let_in(self.http)

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.ports['http']}"

    def put_definition(self, document):
        return self.http.call("PUT", f"/v1/definitions/{document['name']}", document)

    def submit(self, definition, data, gid=None, wait=None, **more):
        body = {"definition": definition, "input": data, **more}
        if gid:
            body["gid"] = gid
        if wait:
            body["wait"] = wait
        return self.http.call("POST", "/v1/transactions", body)

    def begin(self, mode, gid=None, time_limit=None):
        body = {"mode": mode, **({"gid": gid} if gid else {}), **({"timeLimit": time_limit} if time_limit else {})}
        return self.http.call("POST", "/v1/transactions:begin", body)

    def enlist(self, gid, branch):
        return self.http.call("POST", f"/v1/transactions/{urllib.parse.quote(gid)}/branches", branch)

    def commit(self, gid, wait=None):
        return self._end(gid, "commit", wait)

    def abort(self, gid, wait=None):
        return self._end(gid, "abort", wait)

    def _end(self, gid, verb, wait):
        return self.http.call("POST", f"/v1/transactions/{urllib.parse.quote(gid)}:{verb}",
                              {"wait": wait} if wait else {})

    def decision(self, gid):
        return self.http.call("GET", f"/v1/transactions/{urllib.parse.quote(gid)}/decision")["decision"]

    def history(self, gid):
        return self.http.call("GET", f"/v1/transactions/{urllib.parse.quote(gid)}/history")["entries"]

    def get(self, gid, wait=None):
        query = f"?wait={wait}" if wait else ""
        return self.http.call("GET", f"/v1/transactions/{urllib.parse.quote(gid)}{query}")

    def list(self, **filters):
        """All rows that match."""
        rows, cursor = [], ""
        while True:
            query = urllib.parse.urlencode({**filters, "limit": 500, **({"cursor": cursor} if cursor else {})})
            page = self.http.call("GET", f"/v1/transactions?{query}")
            rows += page.get("transactions", [])
            cursor = page.get("nextCursor", "")
            if not cursor:
                return rows


class Agency:
    """All of it, in one folder. A context manager: leaving it stops every process."""

    def __init__(self, build, folder=None, arguments=(), secure=False):
        self.build = pathlib.Path(build).resolve()
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="entente-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.secured = Secured(self.folder) if secure else None
        self.arguments = list(arguments)
        self.services = {}
        self.coordinator = None
        try:
            for name in SERVICES:
                self.services[name] = Service(name, self.build, self.folder)
            self.env = {
                "FLIGHTS_URL": "http://" + self.services["flights"].address,
                "HOTELS_ADDR": self.services["hotels"].address,
                "CARS_URL": "http://" + self.services["cars"].address,
                "PAYMENTS_URL": "http://" + self.services["payments"].address,
            }
            self.start_coordinator()
            for path in sorted(DEFINITIONS.glob("travel-booking*.json")):
                self.coordinator.put_definition(json.loads(path.read_text()))
        except BaseException:
            self.close()
            raise

    def start_coordinator(self, same_ports=False):
        http = grpc = "127.0.0.1:0"
        if same_ports and self.coordinator:
            http = f"127.0.0.1:{self.coordinator.ports['http']}"
            grpc = f"127.0.0.1:{self.coordinator.ports['grpc']}"
        self.coordinator = Coordinator(self.build, self.folder, self.env, self.arguments, http, grpc,
                                       secured=self.secured)

    def kill_coordinator(self):
        """As a crash would: no warning, no drain."""
        self.coordinator.process.stop(signal.SIGKILL)

    def close(self):
        processes = [s.process for s in self.services.values()]
        if self.coordinator:
            processes.insert(0, self.coordinator.process)
        for process in processes:
            process.stop()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
