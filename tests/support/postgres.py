#!/usr/bin/env python3
"""A private PostgreSQL cluster for a test, a demo or a measurement.

    python3 postgres.py run [--databases a,b] [--set name=value]... -- COMMAND...

starts one on a free loopback port with a data directory of its own, runs COMMAND with PGHOST, PGPORT,
PGUSER, PGDATABASE and ENTENTE_TEST_POSTGRES (a conninfo string) in its environment, and stops and
removes the cluster whatever happens. The command may stop, kill and start the server by

    python3 postgres.py stop | kill | start

which find it through ENTENTE_TEST_POSTGRES_CLUSTER. PostgreSQL refuses to run as root; root runs it as
the user `postgres`. Programs may import `Cluster` instead.
"""

import argparse
import glob
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

MAX_PREPARED = 64


def find_bin():
    """The newest installed server's programs, where Debian keeps them."""
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[-2]))
    for place in reversed(places):
        if os.path.exists(os.path.join(place, "initdb")):
            return pathlib.Path(place)
    found = shutil.which("initdb")
    if found:
        return pathlib.Path(found).resolve().parent
    sys.exit("postgres.py: no PostgreSQL server is installed; run ./dev setup")


def as_postgres():
    """What to put before a command that must not run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_folder():
    """Not made yet: whoever is ended before it can be removed again leaves nothing."""
    return pathlib.Path(tempfile.gettempdir()) / f"entente-postgres-{os.getpid()}-{secrets.token_hex(4)}"


def is_alive(pid):
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class Cluster:
    """One cluster. `settings` override postgresql.conf; a restart may bring others."""

    def __init__(self, directory, port=None):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self.port = port or free_port()
        self.bin = find_bin()

    @classmethod
    def create(cls, databases=(), settings=None):
        cluster = cls(own_folder())
        try:
            cluster._initialize(databases, settings or {})
        except BaseException:
            cluster.destroy()
            raise
        return cluster

    @classmethod
    def standby_of(cls, primary, name, settings=None):
        """A streaming standby of a running cluster, which knows it as `name` (synchronous_standby_names)."""
        cluster = cls(own_folder())
        try:
            cluster._own_directory()
            primary_address = f"{primary.conninfo('postgres')} application_name={name}"
            cluster._as_owner([cluster.bin / "pg_basebackup", "-d", primary_address, "-D", cluster.data, "-R", "-X", "stream",
                               "-c", "fast", "--no-sync"])
            cluster._start_on_a_free_port(settings or {})
        except BaseException:
            cluster.destroy()
            raise
        return cluster

    def promote(self):
        """Makes a standby a primary; returns when it can be written to."""
        self._as_owner([self.bin / "pg_ctl", "promote", "-D", self.data, "-w", "-t", "60"])

    def _own_directory(self):
        self.directory.mkdir(mode=0o700)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.directory, account.pw_uid, account.pw_gid)

    def _initialize(self, databases, settings):
        self._own_directory()
        self._as_owner([self.bin / "initdb", "-D", self.data, "-U", "entente", "-A", "trust",
                        "-E", "UTF8", "--locale=C", "--no-sync"])
        self._start_on_a_free_port(settings)
        for name in ("test", *databases):
            subprocess.run([self.bin / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "entente",
                            name], check=True)

    def _start_on_a_free_port(self, settings):
        for _ in range(5):  # Somebody else may take it first.
            try:
                return self.start(settings)
            except subprocess.CalledProcessError:
                self.port = free_port()
        raise RuntimeError("PostgreSQL does not start:\n" + self.log.read_text(errors="replace"))

    def _as_owner(self, command):
        # A server that starts keeps its standard output open: it must not be a pipe.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run([*as_postgres(), *map(str, command)], stdout=output, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, cwd="/")
            if done.returncode != 0:
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace"))
                raise subprocess.CalledProcessError(done.returncode, command)

    def start(self, settings=None):
        """Starts the server and waits until it answers. Raises CalledProcessError if it can not."""
        chosen = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "",
                  "max_prepared_transactions": MAX_PREPARED, "max_connections": 100, "fsync": "on",
                  "shared_buffers": "32MB", "deadlock_timeout": "100ms", **(settings or {})}
        options = " ".join(f"-c {name}='{value}'" for name, value in chosen.items())
        self._as_owner([self.bin / "pg_ctl", "start", "-D", self.data, "-l", self.log, "-w", "-t", "60",
                        "-o", options])

    def stop(self, mode="fast"):
        self._as_owner([self.bin / "pg_ctl", "stop", "-D", self.data, "-m", mode, "-w", "-t", "60"])

    def pid(self):
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def signal(self, number):
        """Sends a signal to the postmaster and all its children; who they are."""
        pid = self.pid()
        if pid is None:
            return []
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
        processes = [pid, *map(int, children.stdout.split())]
        for one in processes:
            try:
                os.kill(one, number)
            except ProcessLookupError:
                pass  # A child that has ended meanwhile.
        return processes

    def kill(self):
        """As a power cut: the postmaster and, since it can not tell them, all its children."""
        for one in self.signal(signal.SIGKILL):
            while is_alive(one):
                time.sleep(0.01)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def destroy(self):
        if self.pid() is not None:
            try:
                self.stop("immediate")
            except subprocess.CalledProcessError:
                self.kill()
        deadline = time.monotonic() + 30
        while self.directory.exists() and time.monotonic() < deadline:
            for pid in self._strays():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            shutil.rmtree(self.directory, ignore_errors=True)  # What is being killed may still write.

    def _strays(self):
        """What a start that was interrupted has left: a server that has not written its own number yet."""
        for place in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                words = pathlib.Path(place).read_bytes().split(b"\0")
            except OSError:
                continue
            if str(self.data).encode() in words:
                yield int(place.split("/")[2])

    def conninfo(self, database="test"):
        return f"host=127.0.0.1 port={self.port} user=entente dbname={database}"

    def environment(self):
        return {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "entente",
                "PGDATABASE": "test", "ENTENTE_TEST_POSTGRES": self.conninfo(),
                "ENTENTE_TEST_POSTGRES_CLUSTER": f"{self.directory}:{self.port}",
                "ENTENTE_TEST_POSTGRES_TOOL": f"{sys.executable} {os.path.abspath(__file__)}"}


def setting(text):
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form name=value")
    return name, value


def run(arguments):
    cluster = Cluster.create([d for d in arguments.databases.split(",") if d], dict(arguments.set))
    child = None

    def pass_on(number, _frame):
        if child is not None:
            child.send_signal(number)
        else:
            raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    try:
        child = subprocess.Popen(arguments.command, env=cluster.environment())
        status = child.wait()
        if status < 0:
            sys.stderr.write(f"postgres.py: the command ended by signal {-status}\n")
        return status if status >= 0 else 128 - status
    finally:
        cluster.destroy()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    runner = verbs.add_parser("run")
    runner.add_argument("--databases", default="", help="further databases, separated by commas")
    runner.add_argument("--set", action="append", default=[], type=setting, metavar="NAME=VALUE")
    runner.add_argument("command", nargs=argparse.REMAINDER)
    for verb in ("start", "stop", "kill"):
        one = verbs.add_parser(verb)
        one.add_argument("--set", action="append", default=[], type=setting, metavar="NAME=VALUE")
    arguments = parser.parse_args()
    if arguments.verb == "run":
        if arguments.command[:1] == ["--"]:
            arguments.command = arguments.command[1:]
        if not arguments.command:
            parser.error("run: give a command after --")
        return run(arguments)
    place = os.environ.get("ENTENTE_TEST_POSTGRES_CLUSTER", "")
    directory, _, port = place.rpartition(":")
    if not directory:
        parser.error("ENTENTE_TEST_POSTGRES_CLUSTER is not set: this runs below `postgres.py run`")
    cluster = Cluster(directory, int(port))
    if arguments.verb == "start":
        cluster.start(dict(arguments.set))
    elif arguments.verb == "stop":
        cluster.stop()
    else:
        cluster.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
