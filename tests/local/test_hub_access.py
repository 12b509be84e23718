"""Getting into ``echelon up``: client certificates, keys and the audit log of its data folder."""

from __future__ import annotations

import json
import ssl
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from echelon.api.meta import SystemClock
from echelon.local.hub import CannotServe, EmbeddedHub, HubOptions
from echelon.local.members import MemberSpec

MEMBERS = (MemberSpec("one"),)
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def hub(data: Path) -> AsyncIterator[EmbeddedHub]:
    hub = await EmbeddedHub.start(HubOptions(data=data, members=MEMBERS))
    yield hub
    await hub.close()


def client_certificate(folder: Path, user: str, *groups: str) -> ssl.SSLContext:
    """TLS as a client with a certificate that the hub's authority has issued."""
    authority = x509.load_pem_x509_certificate((folder / "pki" / "ca.crt").read_bytes())
    authority_key: Any = serialization.load_pem_private_key((folder / "pki" / "ca.key").read_bytes(), None)
    key, now = ec.generate_private_key(ec.SECP256R1()), SystemClock().now()
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    both = certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "client.pem").write_bytes(both)
    context = ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))
    context.load_cert_chain(folder / "client.pem")
    return context


async def whoami(hub: EmbeddedHub, context: ssl.SSLContext, cluster: str = "hub") -> tuple[int, Any]:
    url = f"{hub.url(cluster)}/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with aiohttp.ClientSession() as session, session.post(url, json=REVIEW, ssl=context) as answer:
        return answer.status, await answer.json()


async def test_a_certificate_of_the_hub_is_a_user_of_all_clusters(hub: EmbeddedHub, data: Path) -> None:
    context = client_certificate(data, "eve", "developers")
    for cluster in ("hub", "one"):
        status, review = await whoami(hub, context, cluster)
        assert status == 201
        user = review["status"]["userInfo"]
        assert (user["username"], user["groups"]) == ("eve", ["developers", "system:authenticated"])
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{hub.url()}/api/v1/nodes", ssl=context) as answer:
            assert answer.status == 403
        master = client_certificate(data, "root", "system:masters")
        async with session.get(f"{hub.url()}/api/v1/nodes", ssl=master) as answer:
            assert answer.status == 200


async def test_without_certificate_or_token_one_is_nobody(hub: EmbeddedHub, data: Path) -> None:
    context = ssl.create_default_context(cafile=str(data / "pki" / "ca.crt"))
    assert (await whoami(hub, context))[0] == 403


async def test_no_token_is_in_any_log(data: Path) -> None:
    with structlog.testing.capture_logs() as said:
        hub = await EmbeddedHub.start(HubOptions(data=data, members=MEMBERS))
        tokens = [(data / "admin-token").read_text(), *hub.fleet.hub._clients.values()]
        await hub.close()
    lines = [json.loads(line) for line in (data / "audit.log").read_text().splitlines()]
    assert {line["cluster"] for line in lines} == {"hub", "one"}
    assert "system:fleet-agent:one" in {line["user"] for line in lines}
    text = json.dumps(lines) + repr(said)
    assert len(tokens) > 2
    assert not any(token in text for token in tokens)


async def test_only_the_owner_reads_keys_and_logs(hub: EmbeddedHub, data: Path) -> None:
    private = ["admin-token", "audit.log", "kubeconfig", "pki/service-accounts-hub.key", "pki/service-accounts-one.key"]
    assert {stat.S_IMODE((data / name).stat().st_mode) for name in private} == {0o600}


async def test_a_bad_key_is_said_in_a_line(data: Path) -> None:
    (data / "pki").mkdir(parents=True, mode=0o700)
    (data / "pki" / "service-accounts-hub.key").write_text("no key")
    with pytest.raises(CannotServe, match=r"service-accounts-hub\.key does not hold"):
        await EmbeddedHub.start(HubOptions(data=data, members=MEMBERS))


async def test_an_audit_log_that_cannot_be_written_is_said_in_a_line(data: Path) -> None:
    (data / "audit.log").mkdir(parents=True)
    with pytest.raises(CannotServe, match=r"cannot write the audit log .*audit\.log: Is a directory"):
        await EmbeddedHub.start(HubOptions(data=data, members=MEMBERS))
