"""Looks at the coordinator from outside: health pages, memory, descriptors."""

import http.client
import os
import pathlib
import threading
import time

SAMPLE_SECONDS = 0.25
ANSWER_SECONDS = 5


class Sample:
    def __init__(self, phase, healthz, readyz, rss, descriptors):
        self.at = time.monotonic()
        self.phase = phase
        self.healthz = healthz  # A status, or None: no answer.
        self.readyz = readyz
        self.rss = rss
        self.descriptors = descriptors

    @property
    def green(self):
        return self.healthz == 200 and self.readyz == 200


class Watch:
    """Samples all the time, each with a connection of its own, as a probe would."""

    def __init__(self, town):
        self.town = town
        self.phase = "start"
        self.samples = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def finish(self):
        self._stop.set()
        self._thread.join()

    def enter(self, phase):
        self.phase = phase
        return time.monotonic()

    def since(self, instant):
        return [sample for sample in list(self.samples) if sample.at >= instant]

    def wait_green(self, seconds):
        """How long it takes until three samples in a row are green; None if it takes longer than `seconds`."""
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            latest = self.since(begin)[-3:]
            if len(latest) == 3 and all(sample.green for sample in latest):
                return time.monotonic() - begin
            time.sleep(0.05)
        return None

    def _run(self):
        while not self._stop.is_set():
            phase = self.phase
            pid = self.town.coordinator.process.popen.pid
            self.samples.append(Sample(phase, self._ask("/healthz"), self._ask("/readyz"), resident_bytes(pid),
                                       open_descriptors(pid)))
            self._stop.wait(SAMPLE_SECONDS)

    def _ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.town.http_port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def resident_bytes(pid):
    try:
        pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def open_descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0
