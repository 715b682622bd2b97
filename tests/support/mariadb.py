#!/usr/bin/env python3
"""A private MariaDB server for a test.

    python3 mariadb.py COMMAND...

starts one with a data directory and a socket of its own, and no port, runs COMMAND with the socket's path as
ENTENTE_TEST_MARIADB in its environment, and stops and removes the server whatever happens. The server's user
`root` needs no password. Root runs it as `nobody`, since the server should not have root's rights.
"""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE_SECONDS = 120


class Server:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="entente-mariadb-"))
        self.socket = self.directory / "socket"
        self.log = self.directory / "log"
        self.process = None
        try:
            self._start()
        except BaseException:
            self.destroy()
            raise

    def _start(self):
        for program in ("mariadb-install-db", "mariadbd"):
            if not find(program):
                sys.exit("mariadb.py: no MariaDB server is installed; run ./dev setup")
        if os.geteuid() == 0:
            owner = pwd.getpwnam("nobody")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        data = f"--datadir={self.directory / 'data'}"
        with open(self.log, "wb") as log:
            made = subprocess.run([*as_owner(), find("mariadb-install-db"), "--no-defaults", "--basedir=/usr", data,
                                   "--auth-root-authentication-method=normal", "--skip-test-db"],
                                  stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=self.directory)
            if made.returncode != 0:
                raise RuntimeError("MariaDB makes no data directory:\n" + self.log.read_text(errors="replace"))
            self.process = subprocess.Popen(
                [*as_owner(), find("mariadbd"), "--no-defaults", data, f"--socket={self.socket}", "--skip-networking",
                 f"--pid-file={self.directory / 'pid'}", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M",
                 "--innodb-flush-log-at-trx-commit=1"],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=self.directory)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "ready for connections" not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("MariaDB does not start:\n" + self.log.read_text(errors="replace"))
            time.sleep(0.05)

    def destroy(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def find(program):
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def as_owner():
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server = Server()
    try:
        return subprocess.run(sys.argv[1:], env={**os.environ, "ENTENTE_TEST_MARIADB": str(server.socket)}).returncode
    finally:
        server.destroy()


if __name__ == "__main__":
    sys.exit(main())
