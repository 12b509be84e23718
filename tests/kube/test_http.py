"""What only a socket shows: TLS, client certificates, renewed identities, proxies, dead peers."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from echelon.kube.client import Client
from echelon.kube.credentials import CredentialsError, Identity, StaticCredentials, bearer
from echelon.kube.errors import Unauthorized, Unreachable
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import Connection

Served = Callable[..., AbstractAsyncContextManager[int]]


class Authority:
    """A certificate authority for a test."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        certificate = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        certificate = certificate.add_extension(usage, critical=True)
        self.pem = certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, *names: x509.GeneralName) -> tuple[bytes, bytes]:
        """A certificate and its key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
        builder = self._builder(subject, key.public_key())
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority_key, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        plain = serialization.NoEncryption()
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
        )

    def _builder(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def tls(authority: Authority, tmp_path: Path) -> dict[str, Any]:
    """Options of a server whose certificate is for an address and for the name hub.internal."""
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("hub.internal")]
    certificate, key = authority.issue(*names)
    for name, content in (("server.pem", certificate), ("server.key", key), ("ca.pem", authority.pem)):
        (tmp_path / name).write_bytes(content)
    return {"ssl_certfile": str(tmp_path / "server.pem"), "ssl_keyfile": str(tmp_path / "server.key")}


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def get(connection: Connection) -> bytes:
    client = Client(HttpTransport(connection))
    try:
        return await client.get_raw("/version")
    finally:
        await client.close()


async def test_servers_certificate_is_checked(authority: Authority, served: Served, tls: dict[str, Any]) -> None:
    async with served(ok, **tls) as port:
        url = f"https://127.0.0.1:{port}"
        assert await get(Connection(url, authority=authority.pem)) == b"{}"
        assert await get(Connection(url, authority=authority.pem, server_name="hub.internal")) == b"{}"
        assert await get(Connection(url, insecure=True)) == b"{}"
        with pytest.raises(Unreachable, match="certificate"):
            await get(Connection(url))
        with pytest.raises(Unreachable, match="certificate"):
            await get(Connection(url, authority=Authority().pem))
        with pytest.raises(Unreachable, match=r"other\.internal"):
            await get(Connection(url, authority=authority.pem, server_name="other.internal"))


async def test_client_certificate(authority: Authority, served: Served, tls: dict[str, Any], tmp_path: Path) -> None:
    tls |= {"ssl_ca_certs": str(tmp_path / "ca.pem"), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    async with served(ok, **tls) as port:
        url = f"https://127.0.0.1:{port}"
        certificate, key = authority.issue()
        known = StaticCredentials(Identity(certificate=certificate, key=key))
        assert await get(Connection(url, authority=authority.pem, credentials=known)) == b"{}"
        with pytest.raises(Unreachable):
            await get(Connection(url, authority=authority.pem))


class Rotating:
    """Credentials of which the last identity is the right one."""

    def __init__(self, *identities: Identity) -> None:
        self.identities = list(identities)
        self.rejections = 0

    async def identity(self) -> Identity:
        return self.identities[0]

    def rejected(self, identity: Identity) -> bool:
        self.rejections += 1
        if len(self.identities) > 1 and self.identities[0] == identity:
            self.identities.pop(0)
        return True


async def only_t2(scope: Any, receive: Any, send: Any) -> None:
    allowed = dict(scope["headers"]).get(b"authorization") == b"Bearer t2"
    await send({"type": "http.response.start", "status": 200 if allowed else 401, "headers": []})
    await send({"type": "http.response.body", "body": b"{}\n"})


async def test_rejected_identity_is_renewed_once(served: Served) -> None:
    async with served(only_t2) as port:
        url = f"http://127.0.0.1:{port}"
        assert await get(Connection(url, credentials=Rotating(bearer("t1"), bearer("t2")))) == b"{}\n"
        transport = HttpTransport(Connection(url, credentials=Rotating(bearer("t1"), bearer("t2"))))
        async with transport.stream("GET", "/watch") as stream:
            assert stream.status == 200
        await transport.close()
        stubborn = Rotating(bearer("t1"))
        with pytest.raises(Unauthorized):
            await get(Connection(url, credentials=stubborn))
        assert stubborn.rejections == 1


async def test_no_identity_is_unauthorized() -> None:
    class Broken(StaticCredentials):
        async def identity(self) -> Identity:
            raise CredentialsError("login failed with exit code 1")

    with pytest.raises(Unauthorized, match="login failed with exit code 1"):
        await get(Connection("http://127.0.0.1:1", credentials=Broken()))


async def test_streams_outlive_a_new_client_certificate(
    authority: Authority, served: Served, tls: dict[str, Any]
) -> None:
    go_on = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one\n", "more_body": scope["path"] == "/watch"})
        if scope["path"] == "/watch":
            await go_on.wait()
            await send({"type": "http.response.body", "body": b"two\n"})

    identities = [Identity(certificate=certificate, key=key) for certificate, key in (authority.issue() for _ in "ab")]
    credentials = Rotating(*identities)
    async with served(slow, **tls) as port:
        connection = Connection(f"https://127.0.0.1:{port}", authority=authority.pem, credentials=credentials)
        transport = HttpTransport(connection)
        async with transport.stream("GET", "/watch") as stream:
            lines = stream.lines()
            assert await anext(lines) == b"one"
            credentials.identities.pop(0)
            assert (await transport.request("GET", "/version")).body == b"one\n"
            go_on.set()
            assert await anext(lines) == b"two"
        await transport.close()


async def test_requests_go_through_the_proxy(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        asked.append(dict(scope["headers"])[b"host"].decode())
        await ok(scope, receive, send)

    async with served(proxy) as port:
        proxied = f"http://127.0.0.1:{port}"
        assert await get(Connection("http://hub.invalid", proxy=proxied)) == b"{}"
        monkeypatch.setenv("http_proxy", proxied)
        assert await get(Connection("http://hub.invalid")) == b"{}"
        monkeypatch.setenv("no_proxy", "hub.invalid")
        with pytest.raises(Unreachable):
            await get(Connection("http://hub.invalid"))
    assert asked == ["hub.invalid"] * 2


async def test_headers_of_the_connection_are_sent(served: Served) -> None:
    seen: list[dict[bytes, bytes]] = []

    async def note(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["headers"]))
        await ok(scope, receive, send)

    async with served(note) as port:
        await get(Connection(f"http://127.0.0.1:{port}", headers={"Impersonate-User": "ann"}))
    assert seen[0][b"impersonate-user"] == b"ann"


async def test_sockets_notice_dead_peers() -> None:
    from echelon.kube.http import _open_socket

    opened = _open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1)))
    with opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
