"""Services that embed the SDK, a PostgreSQL and a coordinator, as processes on free loopback ports.

Used by the demos and by the end-to-end tests, beside agency.py; only Python's standard library.
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from agency import ROOT, ApiError, Coordinator, Http, Process
from secured import Secured

sys.path.append(str(ROOT / "tests" / "support"))

from postgres import Cluster, free_port  # noqa: E402

WAIT_SECONDS = 60


class Service:
    """One program that embeds the SDK. It can be killed and started again, at the same addresses."""

    def __init__(self, name, world, program, arguments=()):
        self.name = name
        self.folder = world.folder
        self.secured = getattr(world, "secured", None)
        self.verifies = self.secured is not None
        self.command = [world.build / program, "--name", name, *arguments,
                        *(self.secured.service_flags(world.url) if self.secured else [])]
        self.ports = dict.fromkeys(("listen", "grpc", "control"), "127.0.0.1:0")
        self.start()

    def start(self):
        port_file = self.folder / f"{self.name}.ports"
        port_file.unlink(missing_ok=True)
        command = [*self.command, "--port-file", port_file]
        for port, address in self.ports.items():
            command += [f"--{port}", address]
        self.process = Process(self.name, command, self.folder / f"{self.name}.log",
                               {**os.environ, **self.secured.service_environment()} if self.secured else None)
        self.ports = dict(line.split("=", 1) for line in self.process.wait_for_file(port_file).split())
        host, port = self.ports["control"].rsplit(":", 1)
        self.http = Http(host, int(port))
        host, port = self.ports["listen"].rsplit(":", 1)
        self.rest = Http(host, int(port))

    @property
    def url(self):
        return "http://" + self.ports["listen"]

    @property
    def grpc(self):
        return self.ports["grpc"]

    def kill(self):
        """As a crash would: no warning."""
        self.process.stop(signal.SIGKILL)

    def control(self, **switches):
        return self.http.call("POST", "/control", {k.replace("_", "-"): v for k, v in switches.items()})

    def hanging(self):
        return self.http.call("GET", "/control")["hanging"]

    def summary(self):
        return self.http.call("GET", "/summary")

    def ledger(self):
        return self.http.call("GET", "/ledger")["rows"]

    def call(self, handler, operation, gid, branch, body=None):
        """An operation as a client calls it that drives the transaction itself: (status, answer)."""
        forward = operation in ("action", "try", "prepare")
        headers = {"Entente-Gid": gid, "Entente-Branch": branch, "Entente-Operation": operation,
                   "Idempotency-Key": f"{gid}:{branch}" + ("" if forward else f":{operation}")}
        path = f"/{handler}/{operation}"
        if self.secured and body is not None:
            body = json.dumps(body).encode()
        if self.secured:
            headers = self.secured.sign("POST", path, headers, body or b"")
        return self.rest.request("POST", path, body, headers)


class World:
    """A context manager: leaving it stops every process and removes every file it made."""

    def __init__(self, build, folder=None, databases=(), secure=False):
        self.build = pathlib.Path(build).resolve()
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="entente-"))
        self.secured = Secured(self.folder) if secure else None
        self.services = {}
        self.coordinator = None
        self.cluster = Cluster.create(databases) if databases else None
        self.coordinator_port = free_port()
        self.env = {}
        self.arguments = []

    def add(self, name, program, arguments=()):
        self.services[name] = Service(name, self, program, arguments)
        return self.services[name]

    def add_on_postgres(self, name, program, arguments=()):
        """A service with a database of the same name, which asks the coordinator what a crash left in doubt."""
        return self.add(name, program, ["--database", self.cluster.conninfo(name), "--coordinator", self.url,
                                        *arguments])

    @property
    def url(self):
        return f"{self.secured.scheme if self.secured else 'http'}://127.0.0.1:{self.coordinator_port}"

    def start_coordinator(self, definitions=()):
        self.coordinator = Coordinator(self.build, self.folder, self.env, self.arguments,
                                       http=f"127.0.0.1:{self.coordinator_port}", secured=self.secured)
        for path in definitions:
            self.coordinator.put_definition(json.loads(pathlib.Path(path).read_text()))
        return self.coordinator

    def kill_coordinator(self):
        """As a crash would: no warning, no drain."""
        self.coordinator.process.stop(signal.SIGKILL)

    def prepared(self):
        """How many transactions are prepared in each database."""
        summaries = {name: service.summary() for name, service in self.services.items()}
        return {name: summary["prepared"] for name, summary in summaries.items() if "prepared" in summary}

    def close(self):
        for process in [self.coordinator and self.coordinator.process, *(s.process for s in self.services.values())]:
            if process:
                process.stop()
        if self.cluster:
            self.cluster.destroy()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_until(ask, good=bool, seconds=WAIT_SECONDS):
    """Asks until the answer is good, and returns it. What can not be asked yet is asked again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = ask()
            if good(answer):
                return answer
        except (OSError, ValueError, ApiError) as error:
            answer = error
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {seconds} s: {answer}")
        time.sleep(0.02)
