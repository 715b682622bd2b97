"""Several coordinators on one PostgreSQL, and the travel agency's services. Used by the demo and by the
end-to-end tests."""

import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "support"))

from agency import Agency, ApiError, Coordinator  # noqa: E402
from postgres import Cluster  # noqa: E402


class Node:
    """One coordinator of a cluster, which keeps its ports and its folder when it is started anew."""

    def __init__(self, nodes, name, arguments):
        self.nodes, self.name, self.arguments = nodes, name, list(arguments)
        self.program = nodes.program
        self.folder = nodes.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.coordinator = None
        self.start()

    def start(self):
        http = grpc = "127.0.0.1:0"
        if self.coordinator is not None:
            http, grpc = (f"127.0.0.1:{self.coordinator.ports[which]}" for which in ("http", "grpc"))
        self.coordinator = Coordinator(self.nodes.build, self.folder, self.nodes.env, self.arguments, http, grpc,
                                       program=self.program, store=self.nodes.store, secured=self.nodes.secured)

    @property
    def process(self):
        return self.coordinator.process

    def id(self):
        """The name under which it owns shards, until it is started anew."""
        return next(node["id"] for node in self.coordinator.http.call("GET", "/v1/nodes")["nodes"] if node["self"])

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def stop(self):
        return self.process.stop()

    def pause(self):
        self.process.popen.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.popen.send_signal(signal.SIGCONT)

    def is_ready(self):
        try:
            return self.coordinator.http.request("GET", "/readyz")[0] == 200
        except OSError:
            return False


class ClusterAgency(Agency):
    """The agency with `count` coordinators. `coordinator` is the first of them. `program` is what they run: a name in
    `build`, or the path of another release's."""

    def __init__(self, build, count=3, arguments=("--lease", "2s"), folder=None, settings=None, program="entente",
                 secure=False):
        self.count, self.program = count, program
        self.nodes = []
        self.server = self.open_server(settings)
        try:
            self.store = self.open_store()
            super().__init__(build, folder, arguments, secure)
        except BaseException:
            self.server.destroy()
            raise

    def open_server(self, settings):
        return Cluster.create(settings=settings)

    def open_store(self):
        """The address of the store that all nodes share."""
        return f"postgres://entente@127.0.0.1:{self.server.port}/test"

    def start_coordinator(self, same_ports=False):
        self.nodes = [Node(self, f"node{n + 1}", self.arguments) for n in range(self.count)]
        self.coordinator = self.nodes[0].coordinator
        self.wait_until_shared()

    def add_node(self):
        self.nodes.append(Node(self, f"node{len(self.nodes) + 1}", self.arguments))
        return self.nodes[-1]

    def sql(self, text):
        return subprocess.run([self.server.bin / "psql", "-h", "127.0.0.1", "-p", str(self.server.port), "-U", "entente",
                               "-d", "test", "-Atc", text],
                              check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def shares(self):
        """How many shards each owner has whose lease has not ended."""
        rows = self.sql("SELECT owner, count(*) FROM entente_lease WHERE owner <> '' AND expires_at > clock_timestamp()"
                        " GROUP BY owner ORDER BY owner")
        return {owner: int(count) for owner, count in (row.split("|") for row in rows.splitlines())}

    def wait_until_shared(self, seconds=60):
        """Until every running node is ready and all shards have an owner, each as many as another."""
        deadline = time.monotonic() + seconds
        while True:
            running = [node for node in self.nodes if node.process.popen.poll() is None]
            counts = list(self.shares().values())
            if (all(node.is_ready() for node in running) and len(counts) == len(running) and sum(counts) == 64
                    and max(counts) - min(counts) <= 1):
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the nodes do not share: {counts} of {len(running)}")
            time.sleep(0.02)

    def close(self):
        for node in self.nodes:
            if node.coordinator is not None:
                node.resume() if node.process.popen.poll() is None else None
                node.process.stop()
        self.coordinator = None
        super().close()
        self.server.destroy()


__all__ = ["ApiError", "ClusterAgency", "Node"]
