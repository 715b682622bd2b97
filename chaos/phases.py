"""The phases of a run: each brings one kind of trouble, says what health should tell meanwhile, and heals what it did."""

import http.client
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading
import time

from hostile import post, request_bytes, send_raw
from watch import open_descriptors

# What the health pages have to say during a phase.
GREEN = "green"  # All the time: the trouble is somebody else's.
TRUE = "true"  # Not ready while, for TRUTH_SECONDS, nothing was accepted.
ANY = "any"  # No answer may come: the process is stopped, or gone.
TRUTH_SECONDS = 5


class Phase:
    """`run` brings the trouble for about `seconds`; `heal` ends it. Both are handed the town."""

    name = ""
    health = GREEN
    kills = False  # The coordinator is meant to end on the way.

    def __init__(self, rng):
        self.rng = rng
        self.notes = {}

    def note(self, word, count=1):
        self.notes[word] = self.notes.get(word, 0) + count

    def run(self, town, seconds):
        raise NotImplementedError

    def heal(self, town):
        pass


def in_threads(count, work, seconds):
    """Runs `work(rng_index, deadline)` in threads until the deadline."""
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(n, deadline), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Calm(Phase):
    name = "calm"

    def run(self, town, seconds):
        time.sleep(seconds)


class HostileSubmits(Phase):
    name = "hostile submits and answers"

    def run(self, town, seconds):
        def work(_, deadline):
            while time.monotonic() < deadline:
                with town.lock:
                    document = town.submits.draw(self.rng)
                self.note(f"answered {post(town.http_port, '/v1/transactions', document)}")
                time.sleep(0.05)
        in_threads(3, work, seconds)


class HostileBytes(Phase):
    name = "bytes that are not HTTP, smuggled requests"

    def run(self, town, seconds):
        host = f"127.0.0.1:{town.http_port}"

        def work(_, deadline):
            while time.monotonic() < deadline:
                with town.lock:
                    data = request_bytes(self.rng, host)
                answer = send_raw(town.http_port, data, 0.5)
                self.note(answer[9:12].decode(errors="replace") if answer.startswith(b"HTTP/1.1 ") else "closed")
        in_threads(3, work, seconds)
        status, _ = town.coordinator.http.request("GET", "/v1/transactions/smuggled-0")
        if status != 404:
            town.violations.append("a request inside another one's body was carried out")


class UnfinishedBodies(Phase):
    name = "unfinished bodies and slow headers"

    def run(self, town, seconds):
        sockets = []
        head = (f"POST /v1/transactions HTTP/1.1\r\nHost: 127.0.0.1:{town.http_port}\r\n"
                "Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n").encode()
        for n in range(300):
            try:
                raw = socket.create_connection(("127.0.0.1", town.http_port), timeout=2)
                raw.settimeout(0.2)
                raw.sendall(head if n % 3 else head[:40])
                if n % 3:
                    raw.sendall(b"[" + b"[]," * 600_000)
                sockets.append(raw)
            except OSError:
                self.note("refused")
        time.sleep(max(0, seconds - 5))
        for raw in sockets:
            raw.close()


class HangUps(Phase):
    name = "clients that hang up while they wait"

    def run(self, town, seconds):
        parked = {"inline": {"name": "parked", "mode": "saga", "participants": {}, "deadline": "2m",
                             "steps": [{"id": "w", "wait": {"signal": "never"}}]}, "gid": f"parked-{self.rng.getrandbits(40):x}"}
        post(town.http_port, "/v1/transactions", parked)
        request = (f"GET /v1/transactions/{parked['gid']}?wait=5m HTTP/1.1\r\nHost: 127.0.0.1:{town.http_port}\r\n\r\n").encode()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for _ in range(100):
                try:
                    with socket.create_connection(("127.0.0.1", town.http_port), timeout=2) as raw:
                        raw.sendall(request)
                        self.note("hung up")
                except OSError:
                    self.note("refused")
            time.sleep(0.5)
        left = open_descriptors(town.coordinator.process.popen.pid)
        self.notes["descriptors after"] = left
        if left > 1000:
            town.violations.append(f"{left} descriptors are held for clients that hung up")


class EventStreams(Phase):
    name = "event streams that nobody reads"

    def run(self, town, seconds):
        request = f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{town.http_port}\r\n\r\n".encode()
        sockets = []
        for _ in range(100):
            try:
                raw = socket.socket()
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                raw.settimeout(2)
                raw.connect(("127.0.0.1", town.http_port))
                raw.sendall(request)
                sockets.append(raw)
            except OSError:
                self.note("refused")
        time.sleep(seconds)
        for raw in sockets:
            raw.close()


class FewDescriptors(Phase):
    name = "no descriptors left"
    health = ANY  # A limit that shrinks under a running process takes its reserve away.

    def run(self, town, seconds):
        pid = town.coordinator.process.popen.pid
        self.limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        now = open_descriptors(pid)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (now + 8, self.limit[1]))
        sockets = []
        for _ in range(64):
            try:
                sockets.append(socket.create_connection(("127.0.0.1", town.http_port), timeout=1))
            except OSError:
                self.note("refused")
        time.sleep(seconds)
        for raw in sockets:
            raw.close()

    def heal(self, town):
        resource.prlimit(town.coordinator.process.popen.pid, resource.RLIMIT_NOFILE, self.limit)


FILLER = {"name": "filler", "mode": "saga", "steps": [{"id": "rest", "wait": {"for": "1s"}}]}


class DiskFull(Phase):
    name = "the disk is full"
    health = TRUE

    def run(self, town, seconds):
        if not town.disk.mounted:
            self.note("left out: no file system of its own")
            self.health = GREEN
            return
        town.disk.fill()
        # The store has set room aside, and goes on for as long as that lasts: large inputs use it up.
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status, _ = town.coordinator.http.request("POST", "/v1/transactions", {"inline": FILLER, "input": "x" * 200_000})
            self.note(f"large submits answered {status}")
            time.sleep(0.01 if status < 300 else 0.5)

    def heal(self, town):
        if town.disk.mounted:
            town.disk.free()


class Stopped(Phase):
    name = "stopped and continued"
    health = ANY

    def run(self, town, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            process = town.coordinator.process.popen
            process.send_signal(signal.SIGSTOP)
            time.sleep(self.rng.uniform(0.5, 6))
            process.send_signal(signal.SIGCONT)
            time.sleep(self.rng.uniform(1, 4))
            self.note("stops")


class Killed(Phase):
    name = "kill -9 under load"
    health = ANY
    kills = True

    def run(self, town, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(self.rng.uniform(0.2, 3))
            town.kill_coordinator()
            town.start_coordinator(same_ports=True)
            self.note("kills")


class Participants(Phase):
    name = "participants that are late, fail before or after the effect, or are gone"

    def run(self, town, seconds):
        services = town.services
        services["flights"].control(fail_rate=0.2, fail_after_rate=0.2)
        services["hotels"].control(fail_rate=0.2, fail_after_rate=0.2)
        services["cars"].control(fail_after_rate=0.3, delay="20ms")
        services["payments"].control(fail_rate=0.3, fail_after_rate=0.2)
        stopped = services[self.rng.choice(sorted(services))].process.popen
        time.sleep(seconds / 2)
        stopped.send_signal(signal.SIGSTOP)
        time.sleep(min(seconds / 2, 8))
        stopped.send_signal(signal.SIGCONT)

    def heal(self, town):
        for service in town.services.values():
            service.control(fail_rate=0, fail_after_rate=0, delay="0ms")


ALL = (HostileSubmits, HostileBytes, UnfinishedBodies, HangUps, EventStreams, FewDescriptors, DiskFull, Stopped, Killed,
       Participants)


class Disk:
    """A small file system for the store alone, where the kernel lets us have one."""

    ROOM = "4g"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self.ROOM}", "tmpfs", self.folder], capture_output=True).returncode == 0

    def _resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)

    def fill(self):
        room = os.statvfs(self.folder)
        self._resize((room.f_blocks - room.f_bfree) * room.f_frsize + 64 * 1024)

    def free(self):
        self._resize(self.ROOM)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", self.folder])
