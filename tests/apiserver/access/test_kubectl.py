"""``kubectl auth`` and ``kubectl create token``, with each kubectl that is installed from 1.30 on."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, serve, summarize


def installed() -> list[Path]:
    found = shutil.which("kubectl")
    if found is None:
        return []
    beside = sorted(Path(found).resolve().parent.glob("kubectl.1.*"))
    return [path for path in beside if int(path.name.rpartition(".")[2]) >= 30] or [Path(found)]


KUBECTLS = installed()
pytestmark = pytest.mark.skipif(not KUBECTLS, reason="no kubectl on this machine")


class Kubectl:
    """Runs one kubectl as the administrator, or with another token."""

    def __init__(self, binary: Path, folder: Path, port: int) -> None:
        self._binary = binary
        self._folder = folder
        self._server = f"https://127.0.0.1:{port}"

    async def run(self, *arguments: str, token: str = "secret") -> tuple[int, str, str]:
        given = ("--server", self._server, "--token", token, "--insecure-skip-tls-verify", "--kubeconfig", "/dev/null")
        environment = {"HOME": str(self._folder), "PATH": "/usr/bin:/bin"}
        process = await asyncio.to_thread(
            subprocess.run,
            [self._binary, *given, *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            cwd=self._folder,
            env=environment,
        )
        return process.returncode, process.stdout, process.stderr

    async def __call__(self, *arguments: str, token: str = "secret") -> str:
        """The output; an exit status other than 0 fails the test."""
        status, output, error = await self.run(*arguments, token=token)
        assert status == 0, error
        return output


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS with a certificate that nobody issued; kubectl sends tokens over TLS only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    )
    pem = serialization.Encoding.PEM
    (folder / "tls.crt").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


@pytest.fixture(params=KUBECTLS, ids=lambda path: path.name)
async def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kubectl]:
    database = Database.open(None, summarize=summarize)
    authenticator = StaticTokens({"secret": User("admin", (MASTERS,))})
    server = ApiServer(database.keyspace("main"), authenticator=authenticator)
    await server.start()
    http = await serve(server, tls=server_context(tmp_path), before_stop=server.end_streams)
    yield Kubectl(request.param, tmp_path, http.port)
    await http.stop()
    await server.close()
    await database.close()


async def test_who_am_i(kubectl: Kubectl) -> None:
    assert re.search(r"Username +admin", await kubectl("auth", "whoami"))
    assert re.search(r"Groups +\[a system:authenticated\]", await kubectl("auth", "whoami", "--as=eve", "--as-group=a"))


async def test_a_token_of_a_service_account(kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "robot")
    token = (await kubectl("create", "token", "robot", "--duration=20m")).strip()
    review = json.loads(await kubectl("auth", "whoami", "-o", "json", token=token))
    assert review["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
    status, _, error = await kubectl.run("get", "pods", token=token)
    assert status == 1
    assert 'pods is forbidden: User "system:serviceaccount:default:robot" cannot list resource "pods"' in error
    await kubectl("create", "rolebinding", "robot", "--clusterrole=view", "--serviceaccount=default:robot")
    await kubectl("get", "pods", token=token)
    await kubectl("delete", "serviceaccount", "robot")
    status, _, error = await kubectl.run("get", "pods", token=token)
    assert status == 1
    assert "Unauthorized" in error or "logged in" in error
    status, _, error = await kubectl.run("create", "token", "robot")
    assert (status, error) == (1, 'error: failed to create token: serviceaccounts "robot" not found\n')


async def test_bound_tokens(kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "robot")
    await kubectl("create", "secret", "generic", "held")
    bound = ("--bound-object-kind=Secret", "--bound-object-name=held", "--audience=vault")
    assert (await kubectl("create", "token", "robot", *bound)).count(".") == 2
    status, _, error = await kubectl.run("create", "token", "robot", "--duration=5m")
    assert status == 1
    assert "may not specify a duration less than 10 minutes" in error


async def test_can_i(kubectl: Kubectl) -> None:
    assert await kubectl("auth", "can-i", "create", "nodes") == "yes\n"
    as_eve = ("--as=eve", "--namespace=default")
    assert (await kubectl.run("auth", "can-i", "list", "pods", *as_eve))[:2] == (1, "no\n")
    await kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log")
    await kubectl("create", "rolebinding", "eve", "--role=reader", "--user=eve")
    assert await kubectl("auth", "can-i", "list", "pods", *as_eve) == "yes\n"
    assert await kubectl("auth", "can-i", "get", "pods", "--subresource=log", *as_eve) == "yes\n"
    assert await kubectl("auth", "can-i", "get", "/version", *as_eve) == "yes\n"
    assert (await kubectl.run("auth", "can-i", "delete", "pods/x", *as_eve))[1] == "no\n"
    listed = await kubectl("auth", "can-i", "--list", *as_eve)
    assert re.search(r"^pods/log +\[\] +\[\] +\[get list\]$", listed, re.M)
    assert re.search(r"^selfsubjectreviews.authentication.k8s.io +\[\] +\[\] +\[create\]$", listed, re.M)


async def test_reconcile(kubectl: Kubectl, tmp_path: Path) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "boats"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    (tmp_path / "role.json").write_text(json.dumps(role))
    assert "reconciled" in await kubectl("auth", "reconcile", "-f", "role.json")
    assert "boats" in await kubectl("get", "clusterroles", "boats")
    assert re.search(r"pods +\[\] +\[\] +\[get\]", await kubectl("describe", "clusterrole", "boats"))
