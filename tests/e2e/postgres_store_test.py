#!/usr/bin/env python3
"""A coordinator whose store is a PostgreSQL: its tables, its end, and the server's."""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "demo"), str(HERE.parent / "support")]

from agency import ApiError, Coordinator  # noqa: E402
from postgres import Cluster  # noqa: E402

BUILD = None
SERVER = None
WAITS = {"name": "waits", "mode": "saga", "steps": [{"id": "w", "wait": {"signal": "go"}}]}


class PostgresStore(unittest.TestCase):
    count = 0

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        PostgresStore.count += 1
        self.schema = f"store_{PostgresStore.count}"
        self.sql(f"CREATE SCHEMA {self.schema}")
        self.store = (f"postgres://entente:precious@127.0.0.1:{SERVER.port}/test"
                      f"?options=-csearch_path%3D{self.schema}")

    def sql(self, text):
        return subprocess.run(["psql", "-h", "127.0.0.1", "-p", str(SERVER.port), "-U", "entente", "-d", "test", "-Atc", text],
                              check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def start(self, *arguments):
        coordinator = Coordinator(BUILD, self.folder, {}, arguments, store=self.store)
        self.addCleanup(coordinator.process.stop)
        return coordinator

    def start_when_free(self, *arguments):
        """As whatever keeps it running does: a lease that the last one did not give up ends by itself."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.start(*arguments)
            except RuntimeError:
                self.assertLess(time.monotonic(), deadline)

    def entente(self, *arguments):
        return subprocess.run([str(BUILD / "entente"), *map(str, arguments), "--store", self.store], capture_output=True,
                              text=True, timeout=120, env={})

    def until(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it never came true")
            time.sleep(0.05)

    def is_signalled(self, coordinator, gid):
        """False while the shard is its last owner's, or is being read: the answer says to try again, and no other may come."""
        try:
            coordinator.http.call("POST", f"/v1/transactions/{gid}:signal", {"name": "go"})
        except ApiError as error:
            self.assertEqual(503, error.status, error)
            self.assertIn(error.code, ("shard.lost", "transaction.reloading", "cluster.unreachable"))
            return False
        return True

    def test_what_was_accepted_is_driven_on_by_the_next_coordinator(self):
        first = self.start("--lease", "2s")
        first.put_definition(WAITS)
        for n in range(20):
            first.submit("waits", {}, gid=f"t{n}")
        first.process.popen.kill()
        first.process.popen.wait()
        second = self.start_when_free("--lease", "2s")
        for n in range(20):
            self.until(lambda gid=f"t{n}": self.is_signalled(second, gid))
            self.assertEqual("COMMITTED", second.get(f"t{n}", wait="30s")["status"])
        self.assertEqual({f"t{n}" for n in range(20)}, {row["gid"] for row in second.list(status="COMMITTED")})
        self.assertEqual("20", self.sql(f"SELECT count(*) FROM {self.schema}.entente_txn_1"))
        self.assertNotIn("precious", pathlib.Path(second.process.log).read_text())

    def test_a_stopped_coordinator_leaves_its_shards_at_once(self):
        first = self.start("--lease", "10m")
        first.put_definition(WAITS)
        first.submit("waits", {}, gid="a")
        first.process.stop()
        second = self.start("--lease", "10m")
        second.http.call("POST", "/v1/transactions/a:signal", {"name": "go"})
        self.assertEqual("COMMITTED", second.get("a", wait="30s")["status"])

    def test_the_tables_are_made_by_migrate_where_serve_may_not(self):
        refused = self.entente("serve", "--store-migrate", "no", "--http", "127.0.0.1:0", "--grpc", "off")
        self.assertEqual(1, refused.returncode)
        self.assertIn("entente migrate", refused.stderr + refused.stdout)
        migrated = self.entente("migrate")
        self.assertEqual(0, migrated.returncode, migrated.stderr)
        self.assertNotIn("precious", migrated.stdout)
        self.start("--store-migrate", "no").process.stop()
        self.sql(f"UPDATE {self.schema}.entente_schema SET version = version + 2")
        self.assertIn("[store.wrong_version]", self.entente("migrate").stderr)

    def test_a_store_in_a_file_moves_into_the_database_and_is_driven_on(self):
        first = Coordinator(BUILD, self.folder, {})
        self.addCleanup(first.process.stop)
        first.put_definition(WAITS)
        for n in range(20):
            first.submit("waits", {}, gid=f"t{n}")
        for n in range(10):
            first.http.call("POST", f"/v1/transactions/t{n}:signal", {"name": "go"})
            self.assertEqual("COMMITTED", first.get(f"t{n}", wait="30s")["status"])
        name = first.http.call("GET", "/v1/transactions/nobody/decision")["coordinator"]
        file = f"sqlite:{self.folder / 'entente.db'}"
        self.assertIn("[store.in_use]", self.entente("import", file).stderr)
        first.process.stop()
        for _ in range(2):
            moved = self.entente("import", file)
            self.assertEqual(0, moved.returncode, moved.stderr)
            self.assertIn("imported and verified 1 versions of definitions, 10 open and 10 finished", moved.stdout)
            self.assertNotIn("precious", moved.stdout)

        second = self.start()
        self.assertEqual(name, second.http.call("GET", "/v1/transactions/nobody/decision")["coordinator"])
        for n in range(10, 20):
            second.http.call("POST", f"/v1/transactions/t{n}:signal", {"name": "go"})
            self.assertEqual("COMMITTED", second.get(f"t{n}", wait="30s")["status"])
        self.assertEqual(20, len(second.list(status="COMMITTED")))
        self.assertIn("[store.in_use]", self.entente("import", file).stderr)

    def test_a_server_that_is_started_anew_is_found_again(self):
        coordinator = self.start()
        coordinator.put_definition(WAITS)
        coordinator.submit("waits", {}, gid="before")
        SERVER.stop()
        try:
            with self.assertRaises(ApiError) as refused:
                coordinator.submit("waits", {}, gid="during")
            self.assertEqual((503, "store.unavailable"), (refused.exception.status, refused.exception.code))
            self.until(lambda: coordinator.http.request("GET", "/readyz")[0] == 503)
        finally:
            SERVER.start()
        self.until(lambda: coordinator.http.request("GET", "/readyz")[0] == 200)
        coordinator.submit("waits", {}, gid="after")
        self.assertEqual({"before", "after"}, {row["gid"] for row in coordinator.list()})


class SecuredStore(unittest.TestCase):
    """A server that takes nobody without TLS and a password, which stands in a file."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entente-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = Cluster.create()
        self.addCleanup(self.server.destroy)
        for name in ("ca", "stranger"):
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                         f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
                     "-keyout", "server.key", "-out", "server.csr")
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        self.openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                     "-extfile", "names", "-out", "server.pem")
        self.sql("ALTER ROLE entente PASSWORD 'precious'", sslmode="disable")
        self.server.stop()
        owner = self.server.data.stat()
        for name in ("server.key", "server.pem"):
            copy = self.server.data / name
            shutil.copy(self.folder / name, copy)
            copy.chmod(0o600)
            shutil.chown(copy, owner.st_uid, owner.st_gid)
        (self.server.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        self.server.start({"ssl": "on", "ssl_cert_file": "server.pem", "ssl_key_file": "server.key"})

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder, timeout=60)

    def sql(self, text, sslmode="require"):
        address = f"{self.server.conninfo()} password=precious sslmode={sslmode}"
        return subprocess.run(["psql", "-d", address, "-Atc", text], check=True, capture_output=True, text=True,
                              timeout=60).stdout.strip()

    def store(self, root="ca", password="precious"):
        passwords = self.folder / ("right" if password == "precious" else "wrong")
        passwords.write_text(f"127.0.0.1:*:test:entente:{password}\n")
        passwords.chmod(0o600)
        return (f"postgres://entente@127.0.0.1:{self.server.port}/test?sslmode=verify-full"
                f"&sslrootcert={self.folder / root}.pem&passfile={passwords}")

    def test_a_store_is_reached_by_tls_and_a_password_file_and_nobody_else_is_believed(self):
        coordinator = Coordinator(BUILD, self.folder, {}, (), store=self.store())
        self.addCleanup(coordinator.process.stop)
        coordinator.put_definition(WAITS)
        self.assertEqual("ACTIVE", coordinator.submit("waits", {}, gid="a")["status"])
        self.assertEqual("t", self.sql("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                                       " WHERE application_name = 'entente'"))
        for store, said in ((self.store(root="stranger"), "certificate verify failed"),
                            (self.store(password="guessed"), "password authentication failed"),
                            (self.store().replace("verify-full", "disable"), "no encryption")):
            with self.subTest(said):
                refused = subprocess.run([str(BUILD / "entente"), "migrate", "--store", store], capture_output=True,
                                         text=True, timeout=120, env={})
                self.assertEqual(1, refused.returncode)
                self.assertIn(said, refused.stderr)
                for secret in ("precious", "guessed"):
                    self.assertNotIn(secret, refused.stderr + refused.stdout)
        self.assertNotIn("precious", pathlib.Path(coordinator.process.log).read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=lambda path: pathlib.Path(path).resolve())
    known, rest = parser.parse_known_args()
    BUILD = known.build
    SERVER = Cluster.create()
    try:
        unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
    finally:
        SERVER.destroy()
