"""What `--secure` adds to a demo: a token for whoever asks the coordinator something, TLS on its way, signed calls.

Everything is made on the spot by the openssl program: an authority, and a certificate by it for this machine.
"""

import base64
import hashlib
import json
import ssl
import subprocess
import time

from show import GREEN, RED, RESET, defect, note

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Secured:
    """The files of a secured coordinator, in `folder`. `what` is to be on: "tokens", "tls", "signatures"."""

    def __init__(self, folder, what=("tokens", "tls", "signatures")):
        self.folder = folder / "secured"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.what = what
        self.token_file = self.folder / "admin.token"
        self.service_token_file = self.folder / "services.token"
        self.ca_file = self.folder / "ca.pem"
        self.context = None
        if "signatures" in what:
            self._make_client_key()
        if "tls" in what:
            self._make_certificates()
            self.context = ssl.create_default_context(cafile=self.ca_file)

    def _make_certificates(self):
        (self.folder / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        for command in (
                ["req", "-x509", *KEY, "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "2", "-subj", "/CN=the demo"],
                ["req", *KEY, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=the coordinator"],
                ["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
                 "-days", "2", "-out", "cert.pem", "-extfile", "extensions"]):
            self._openssl(*command)

    def _make_client_key(self):
        """Of a client that calls participants itself: they trust it beside the coordinator's."""
        self._openssl("genpkey", "-algorithm", "ed25519", "-out", "client-key.pem")
        self._openssl("pkey", "-in", "client-key.pem", "-pubout", "-out", "client.pem")
        x = self._openssl("pkey", "-in", "client-key.pem", "-pubout", "-outform", "DER")[-32:]
        jwk = '{"crv":"Ed25519","kty":"OKP","x":"' + base64.urlsafe_b64encode(x).decode().rstrip("=") + '"}'
        self.client_key = base64.urlsafe_b64encode(hashlib.sha256(jwk.encode()).digest()).decode().rstrip("=")

    def _openssl(self, *command):
        return subprocess.run(["openssl", *command], cwd=self.folder, check=True, capture_output=True).stdout

    def sign(self, method, path, headers, body):
        """`headers` and what makes them, and the rest of the call, a signed one (docs/security.md)."""
        digest = "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
        covered = {"@method": method, "@path": path, "@query": "?", "content-digest": digest,
                   **{name.lower(): value for name, value in headers.items()}}
        given = (f"({' '.join(json.dumps(name) for name in covered)});created={int(time.time())};"
                 f'keyid="{self.client_key}";alg="ed25519";tag="entente-call"')
        base = "".join(f'"{name}": {value}\n' for name, value in covered.items()) + f'"@signature-params": {given}'
        (self.folder / "base").write_text(base)
        signature = self._openssl("pkeyutl", "-sign", "-inkey", "client-key.pem", "-rawin", "-in", "base")
        return {**headers, "Content-Digest": digest, "Signature-Input": f"entente={given}",
                "Signature": f"entente=:{base64.b64encode(signature).decode()}:"}

    @property
    def scheme(self):
        return "https" if self.context else "http"

    def flags(self):
        """Of `entente serve`. Whoever starts first finds no token file, and writes it."""
        flags = []
        if "tokens" in self.what:
            flags += ["--auth", "token", "--allow-participants", "127.0.0.1", "--admin-token-file", self.token_file]
        if "tls" in self.what:
            flags += ["--listen-tls-certificate", self.folder / "cert.pem", "--listen-tls-key", self.folder / "key.pem"]
        if "signatures" in self.what:
            flags += ["--sign-calls", "on"]
        return flags

    def let_in(self, http):
        """Makes `http`, of a coordinator that has started, an administrator's; the first time, a token for services."""
        if "tokens" not in self.what:
            return
        http.headers["Authorization"] = f"Bearer {self.token_file.read_text().strip()}"
        if not self.service_token_file.exists():
            made = http.call("POST", "/v1/tokens", {"name": "services", "role": "participant"})
            self.service_token_file.write_text(made["token"] + "\n")

    def environment(self):
        """Of whoever administers the coordinator."""
        return {"ENTENTE_TOKEN_FILE": str(self.token_file), "ENTENTE_CA_FILE": str(self.ca_file)}

    def service_environment(self):
        """Of services, which ask what was decided. They read the file whenever they need the token."""
        return {"ENTENTE_TOKEN_FILE": str(self.service_token_file)}

    def service_flags(self, url):
        """Of a service that embeds the SDK, of the coordinator at `url`."""
        return ["--only-signed-by", url, "--coordinator-ca", self.ca_file, "--trusted-key", self.folder / "client.pem"]


def show_strangers(world):
    """That nobody but whom it concerns is let in: neither at the coordinator, nor at a service that verifies."""
    host, port = world.coordinator.http.host, world.coordinator.http.port
    stranger = type(world.coordinator.http)(host, port, context=world.secured.context)
    print("\n   A stranger, who has no token and no key:")
    tell("asks the coordinator for its transactions", stranger.request("GET", "/v1/transactions")[0], 401)
    tell("pauses one", stranger.request("POST", "/v1/transactions/any:pause", {})[0], 401)
    verifying = {name: service for name, service in world.services.items() if service.verifies}
    for name, service in verifying.items():
        before = service.ledger()
        forged = {"Entente-Gid": "any", "Entente-Branch": "b", "Idempotency-Key": "any:b:commit",
                  "Entente-Operation": "commit", "Entente-Epoch": str(2 ** 63 - 1)}
        tell(f"commits something at {name}", service.rest.request("POST", "/any/commit", {}, forged)[0], 425)
        if service.ledger() != before:
            defect(f"{name} did what a stranger asked for")
    if not verifying:
        note("these services know nothing of Entente: calls come signed, and they do not look")


def tell(what, status, expected):
    print(f"     {what:<45}{GREEN if status == expected else RED}{status}{RESET}")
    if status != expected:
        defect(f"the answer is {status}, not {expected}")
