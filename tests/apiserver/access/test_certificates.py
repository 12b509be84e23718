"""Users by client certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from echelon.apiserver import AccessOptions, ApiServer, Database, StaticTokens, User, summarize

REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class Authority:
    """Issues certificates."""

    def __init__(self, clock: Any, name: str = "authority") -> None:
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key, timedelta(days=365))
        ca = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = builder.add_extension(ca, critical=True).sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: x509.Name, key: Any, life: timedelta) -> x509.CertificateBuilder:
        now = self._clock.now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + life)
        )

    def issue(self, user: str, *groups: str, usage: Any = ExtendedKeyUsageOID.CLIENT_AUTH) -> bytes:
        """A certificate in DER form, good for an hour."""
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        if user:
            names.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        builder = self._builder(x509.Name(names), ec.generate_private_key(ec.SECP256R1()), timedelta(hours=1))
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.fixture
def authority(clock: Any) -> Authority:
    return Authority(clock)


Ask = Callable[..., Any]


@pytest.fixture
async def ask(authority: Authority, clock: Any, api: Any) -> AsyncIterator[Ask]:
    """Asks a server that trusts the authority who one is, with a certificate and perhaps a token."""
    database = Database.open(None, summarize=summarize)
    server = ApiServer(
        database.keyspace("main"),
        authenticator=StaticTokens({"secret": User("by-token")}),
        access=AccessOptions(client_authority=authority.pem),
        clock=clock,
    )
    await server.start()

    async def send(certificate: bytes | None, token: str | None = None) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if certificate is not None:
                scope["extensions"] = {"tls": {"peer_certificate": certificate}}
            await server(scope, receive, send)

        reply = await type(api)(app, token=token).post(REVIEWS, REVIEW)
        return reply.json["status"]["userInfo"] if reply.status == 201 else reply.status

    yield send
    await server.close()
    await database.close()


async def test_name_and_groups(ask: Ask, authority: Authority) -> None:
    user = await ask(authority.issue("eve", "developers", "operators"))
    assert (user["username"], user["groups"]) == ("eve", ["developers", "operators", "system:authenticated"])
    (credential,) = user["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")


async def test_a_certificate_goes_before_a_token(ask: Ask, authority: Authority) -> None:
    assert (await ask(authority.issue("eve"), "secret"))["username"] == "eve"
    assert (await ask(None, "secret"))["username"] == "by-token"


async def test_a_certificate_runs_out(ask: Ask, authority: Authority, clock: Any) -> None:
    certificate = authority.issue("eve")
    clock.forward(minutes=59)
    assert (await ask(certificate))["username"] == "eve"
    clock.forward(minutes=2)
    assert await ask(certificate) == 401
    assert (await ask(certificate, "secret"))["username"] == "by-token"


async def test_a_certificate_is_not_good_yet(ask: Ask, authority: Authority, clock: Any) -> None:
    clock.forward(hours=1)
    certificate = authority.issue("eve")
    clock.forward(hours=-1)
    assert await ask(certificate) == 401


async def test_certificates_that_are_refused(ask: Ask, authority: Authority, clock: Any) -> None:
    assert await ask(Authority(clock).issue("eve")) == 401  # of another authority with the same name
    assert await ask(Authority(clock, "other").issue("eve")) == 401
    assert await ask(authority.issue("eve", usage=ExtendedKeyUsageOID.SERVER_AUTH)) == 401
    assert await ask(authority.issue("eve", usage=None)) == 401
    assert await ask(authority.issue("", "developers")) == 401
    assert await ask(b"no certificate") == 401


async def test_without_either_one_is_nobody(ask: Ask) -> None:
    assert await ask(None) == 403


def test_an_authority_is_wanted(server: ApiServer) -> None:
    options = AccessOptions(client_authority=b"nothing")
    with pytest.raises(ValueError, match="PEM"):
        ApiServer(server.objects.keyspace, access=options)
