"""Three PostgreSQL servers that Patroni keeps, with etcd, for a test: private ports, folders of their own.

Needs the programs `patroni` and `etcd` (Debian: patroni, etcd-server); `is_there` says whether they are.
"""

import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from postgres import Cluster, as_postgres, find_bin, free_port

SETTLE_SECONDS = 120
SCOPE = "entente"
TRUST = ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]


def is_there():
    return shutil.which("patroni") is not None and shutil.which("etcd") is not None


class Member:
    """One server and the Patroni that minds it."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.port, self.rest = free_port(), free_port()
        self.data = cluster.directory / name
        self.config = cluster.directory / f"{name}.yml"  # JSON is YAML.
        self.config.write_text(json.dumps(self._settings()))
        self.process = None

    def _settings(self):
        address = f"127.0.0.1:{self.port}"
        return {
            "scope": SCOPE, "name": self.name,
            "restapi": {"listen": f"127.0.0.1:{self.rest}", "connect_address": f"127.0.0.1:{self.rest}"},
            "etcd3": {"host": f"127.0.0.1:{self.cluster.etcd_port}"},
            "bootstrap": {
                # The shortest that Patroni takes: so long after the leader was last heard of another one is chosen.
                "dcs": {"ttl": 20, "loop_wait": 1, "retry_timeout": 3, "synchronous_mode": True, "synchronous_mode_strict": True,
                        "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 100, "wal_log_hints": "on"}}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "no-sync"], "pg_hba": TRUST},
            "postgresql": {
                "listen": address, "connect_address": address, "data_dir": str(self.data), "bin_dir": str(self.cluster.bin),
                "pg_hba": TRUST, "pgpass": str(self.cluster.directory / f"{self.name}.pass"),
                "authentication": {"superuser": {"username": "entente"}, "replication": {"username": "copy"},
                                   "rewind": {"username": "entente"}},
                "parameters": {"unix_socket_directories": str(self.cluster.directory), "shared_buffers": "32MB"}}}

    def start(self):
        self.process = self.cluster.run(["patroni", self.config], self.name)

    def server(self):
        """Its PostgreSQL, for what one does to a process."""
        server = Cluster(self.cluster.directory / self.name, self.port)
        server.data = self.data
        return server

    def kill(self):
        """As a machine that is gone: Patroni and every process of the server."""
        self.process.kill()
        self.process.wait()
        self.server().kill()

    def ask(self, path):
        """What its Patroni says, or nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}{path}", timeout=3) as answer:
                return json.loads(answer.read())
        except (OSError, ValueError, urllib.error.URLError):
            return None


class PatroniCluster:
    """To a ClusterAgency it is as a Cluster: `port` is the primary's, whoever that is."""

    def __init__(self, count=3):
        self.bin = find_bin()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="entente-patroni-"))
        self.directory.chmod(0o777)
        self.etcd_port, self.etcd = free_port(), None
        self.members = []
        try:
            self._start_etcd()
            self.members = [Member(self, f"server{n + 1}") for n in range(count)]
            for member in self.members:
                member.start()
            self.await_settled(count)
            subprocess.run([self.bin / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "entente", "test"], check=True)
        except BaseException:
            self.destroy()
            raise

    def run(self, command, name):
        with open(self.directory / f"{name}.log", "ab") as log:
            return subprocess.Popen([*as_postgres(), *map(str, command)], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")

    def _start_etcd(self):
        clients, peers = (f"http://127.0.0.1:{port}" for port in (self.etcd_port, free_port()))
        self.etcd = self.run(["etcd", "--data-dir", self.directory / "etcd", "--listen-client-urls", clients, "--advertise-client-urls",
                              clients, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster",
                              f"default={peers}"], "etcd")

    def states(self):
        """The role of each member, as the first Patroni that answers knows it."""
        for member in self.members:
            told = member.ask("/cluster")
            if told is not None:
                return {each["name"]: (each["role"], each.get("state")) for each in told["members"]}
        return {}

    def leader(self):
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            roles = self.states()
            for member in self.members:
                if roles.get(member.name, ("",))[0] == "leader" and member.ask("/primary") is not None:
                    return member
            time.sleep(0.2)
        raise RuntimeError(f"no server is the leader: {self.states()}; {self._logs()}")

    def await_settled(self, count):
        """Until one leads, one is its synchronous standby, and all others follow."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            roles = sorted(role for role, state in self.states().values() if state in ("running", "streaming"))
            if len(roles) == count and "leader" in roles and "sync_standby" in roles:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the servers do not settle: {self.states()}; {self._logs()}")
            time.sleep(0.2)

    def _logs(self):
        return "\n".join(path.read_text(errors="replace")[-1500:] for path in self.directory.glob("*.log"))

    @property
    def port(self):
        return self.leader().port

    def lose(self, member):
        """Kills it for good."""
        member.kill()
        self.members.remove(member)
        shutil.rmtree(member.data, ignore_errors=True)

    def ports(self):
        return [member.port for member in self.members]

    def destroy(self):
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.process.send_signal(signal.SIGKILL)
                member.process.wait()
            member.server().kill()
        if self.etcd is not None:
            self.etcd.kill()
            self.etcd.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
