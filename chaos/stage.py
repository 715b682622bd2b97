"""The processes of a run, each behind the links of links.py: coordinator, store, banks, desks and a register."""

import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

from agency import ROOT, Coordinator, Http, Process
from faults import DISK_TROUBLES
from grpc_link import GrpcLink
from links import HttpLink, Loop, TcpLink
from phases import Disk
from postgres import Cluster
from workloads import ACCOUNTS, CAPACITY, OPENING, definitions
from world import Service

START_SECONDS = 90
FAIL_STOP = 3  # The exit code of a coordinator whose store has failed: whoever keeps it running starts it again.
LEASE = "3s"


def node_names(count):
    return ["coordinator"] if count == 1 else [f"node-{n}" for n in range(1, count + 1)]


def quiet_port():
    """A free port that no outgoing connection is given, as a listener that comes and goes needs."""
    while True:
        port = random.SystemRandom().randrange(15_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Register:
    """The participant without the SDK (register.py)."""

    def __init__(self, folder, broken):
        self.port = quiet_port()
        self.folder = folder
        self.command = [sys.executable, ROOT / "chaos" / "register.py", "--listen", f"127.0.0.1:{self.port}", "--db",
                        folder / "register.db", *(["--break", broken] if broken else [])]
        self.http = Http("127.0.0.1", self.port)
        self.start()

    def start(self):
        self.process = Process("register", self.command, self.folder / "register.log")
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def ledger(self):
        return self.http.call("GET", "/ledger")["rows"]

    def summary(self):
        return self.http.call("GET", "/summary")


class Node:
    """One coordinator, at the same addresses whenever it is started, in a folder of its own."""

    def __init__(self, stage, name):
        self.stage, self.name, self.port = stage, name, quiet_port()
        self.folder = stage.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store, self.arguments = stage.open_store(name), ["--lease", LEASE]
        self.client_port = stage.link(f"clients-of-{name}", self.port, HttpLink)
        self.coordinator = None
        self.ahead_seconds, self.disk, self.env = 0, "well", {}
        shim = stage.build / "chaos" / "libtrouble_shim.so"
        if shim.exists():  # Not in a build with a sanitizer.
            self.env = {"LD_PRELOAD": str(shim), "ENTENTE_TROUBLE": str(self.folder / "trouble")}
            (self.folder / "trouble").write_bytes(bytes(16))

    def trouble(self, **what):
        """`ahead_seconds` of its time of day, `disk`; they stay until they are set again. False where there are no means for it."""
        vars(self).update(what)
        if self.env:
            with open(self.env["ENTENTE_TROUBLE"], "r+b") as file:  # In place: it is mapped.
                file.write(struct.pack("=qq", int(self.ahead_seconds * 1e9), DISK_TROUBLES.get(self.disk, 0)))
        return bool(self.env)

    def join(self):
        """Listens for the other nodes behind a link, so that they can lose each other."""
        port = quiet_port()
        link = self.stage.link(f"nodes-to-{self.name}", port)
        self.arguments += ["--cluster", f"127.0.0.1:{port}", "--cluster-advertise", f"127.0.0.1:{link}"]

    def start(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.coordinator = Coordinator(self.stage.build, self.folder, self.env, self.arguments, grpc="off",
                                               http=f"127.0.0.1:{self.port}", store=self.store)
                return
            except RuntimeError:  # Its store does not answer, or is its last owner's: as a supervisor, again.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    @property
    def process(self):
        return self.coordinator.process

    def kill(self):
        self.process.stop(signal.SIGKILL)


class Stage:
    """`nodes` coordinators; more than one share a PostgreSQL."""

    def __init__(self, build, folder, store, nodes, seed, broken=None):
        self.build, self.folder = pathlib.Path(build).resolve(), pathlib.Path(folder)
        self.violations, self.exits = [], 0
        self.loop, self.links, self.services, self.clusters = Loop(), {}, {}, {}
        self.nodes, self.disk, self.seed = {}, None, seed
        try:
            if store == "sqlite":
                self.disk = Disk(self.folder / "store")
            else:
                self.clusters["store"] = Cluster.create(["journal"])
            self.nodes = {name: Node(self, name) for name in node_names(nodes)}
            self.client_ports = [node.client_port for node in self.nodes.values()]
            self._open_services(self.client_ports[0], broken)
            for node in self.nodes.values():
                if nodes > 1:
                    node.join()
                node.start()
            for document in definitions(self.urls):
                next(iter(self.nodes.values())).coordinator.put_definition(document)
        except BaseException:
            self.close()
            if self.disk:
                self.disk.close()
            raise

    def open_store(self, name):
        """The address of the store for a node, which has its own link to a database."""
        if self.disk:
            return f"sqlite:{self.disk.folder / 'entente.db'}"
        port = self.link(f"store-of-{name}", self.clusters["store"].port)
        return f"postgres://entente@127.0.0.1:{port}/journal"

    def _open_services(self, coordinator_port, broken):
        self.clusters["books"] = Cluster.create(ACCOUNTS, {"max_connections": 200})
        asked = f"http://127.0.0.1:{coordinator_port}"
        for bank, accounts in ACCOUNTS.items():
            self.services[bank] = Service(bank, self, "bank", [
                "--database", self.clusters["books"].conninfo(bank), "--coordinator", asked,
                *(word for account in accounts for word in ("--account", f"{account}={OPENING}"))])
        for desk in ("flights", "hotels"):
            # What is held outlasts every fault: an expiry would be the desk's own decision, and an incident.
            self.services[desk] = Service(desk, self, "travel-desk", ["--db", self.folder / f"{desk}.db", "--hold-for", "1h"])
            self.services[desk].control(capacity=CAPACITY)
        self.services["register"] = Register(self.folder, broken)
        self.urls = {name: f"http://127.0.0.1:{self.link(name, self._port_of(name), GrpcLink if name == 'hotels' else HttpLink)}"
                     for name in self.services}
        self.urls["hotels"] = self.urls["hotels"].removeprefix("http://")

    def _port_of(self, name):
        if name == "register":
            return self.services[name].port
        return int(self.services[name].ports["grpc" if name == "hotels" else "listen"].rsplit(":", 1)[1])

    def link(self, name, port, calls=None):
        """The port to connect to: a link of bytes, before one of the kind `calls` where calls are to be told apart."""
        if calls:
            self.links[f"{name}/calls"] = calls(self.loop, name, ("127.0.0.1", port), self.seed)
            port = self.links[f"{name}/calls"].port
        self.links[name] = TcpLink(self.loop, name, ("127.0.0.1", port), self.seed)
        return self.links[name].port

    def mind(self):
        """Starts again what ended by itself. Only a failed store is a reason to end."""
        for node in self.nodes.values():
            code = node.process.popen.poll()
            if code is not None:
                self.exits += 1
                if code != FAIL_STOP:
                    self.violations.append(f"{node.name} ended with code {code}")
                node.start()

    # Faults of processes.

    def owner(self, target):
        return self.nodes.get(target) or self.clusters.get(target) or self.services[target]

    def signal(self, target, number):
        owner = self.owner(target)
        owner.signal(number) if target in self.clusters else owner.process.popen.send_signal(number)

    def kill(self, target):
        self.owner(target).kill()

    def wait_for_end(self, name):
        """Of a coordinator that was asked to stop."""
        try:
            code = self.nodes[name].process.popen.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill(name)
            code = f"none in {START_SECONDS} s"
        if code not in (0, FAIL_STOP):
            self.violations.append(f"{name} was asked to stop and ended with code {code}")

    def start(self, target):
        deadline = time.monotonic() + START_SECONDS
        while True:  # A service needs its database, which may be down as well.
            try:
                self.owner(target).start()
                break
            except (RuntimeError, subprocess.CalledProcessError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        if target in ("flights", "hotels"):
            self.services[target].control(capacity=CAPACITY)

    def close(self):
        """Ends every process. A database first goes on, should a fault have stopped it: whoever stops waits for it."""
        for name, cluster in self.clusters.items():
            self.signal(name, signal.SIGCONT)
        for owner in [*self.nodes.values(), *self.services.values()]:
            if not isinstance(owner, Node) or owner.coordinator:
                owner.process.popen.send_signal(signal.SIGCONT)
                owner.process.stop()
        for process in Process.started:
            if process.popen.poll() is None:  # Its start was interrupted.
                process.stop(signal.SIGKILL)
        for link in self.links.values():
            link.close()
        for cluster in self.clusters.values():
            cluster.destroy()
        self.loop.close()

    def keep_store(self):
        """Moves the store off its own small file system, which would be in memory for as long as it is mounted."""
        if self.disk and self.disk.mounted:
            shutil.copytree(self.disk.folder, self.folder / "store-kept")
            self.disk.close()

    def remove(self):
        if self.disk:
            self.disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)
