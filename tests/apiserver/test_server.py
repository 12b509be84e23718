"""HTTP over sockets: certificates, clean stops, large bodies."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from echelon.apiserver import AllowAll, ApiServer, Credentials, Database, FirstOf, StaticTokens, User, serve, summarize
from echelon.apiserver.storage import Bucket

from .conftest import Client

TOKEN = "secret"


def issue(name: str, folder: Path, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None) -> Any:
    """A certificate with its key, signed by the issuer or by itself, also as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key


class ByCertificate:
    """Takes the common name of a certificate for the user's."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        if credentials.certificate is None:
            return None
        certificate = x509.load_der_x509_certificate(credentials.certificate)
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return User(str(name.value))


@pytest.fixture
async def server() -> Any:
    database = Database.open(None, summarize=summarize)
    authenticator = FirstOf([StaticTokens({TOKEN: User("token-user")}), ByCertificate()])
    server = ApiServer(database.keyspace("main"), authenticator=authenticator)
    await server.start()
    yield server
    await server.close()
    await database.close()


async def ask(port: int, request: str, context: ssl.SSLContext | None = None, token: str = "") -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"{request} HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer.decode()


async def test_client_certificates_reach_the_authenticator(server: ApiServer, tmp_path: Path) -> None:
    authority = issue("authority", tmp_path, None)
    issue("server", tmp_path, authority)
    issue("jane", tmp_path, authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "authority.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    http = await serve(server, tls=context, before_stop=server.end_streams)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(tmp_path / "authority.crt")
    assert '\\"system:anonymous\\"' in await ask(http.port, "GET /api/v1/nodes", client)
    client.load_cert_chain(tmp_path / "jane.crt", tmp_path / "jane.key")
    assert '\\"jane\\"' in await ask(http.port, "GET /api/v1/nodes", client)
    assert '\\"token-user\\"' in await ask(http.port, "GET /api/v1/nodes", client, TOKEN)
    await http.stop()


async def test_stopping_ends_watches_and_frees_the_port(tmp_path: Path) -> None:
    database = Database.open(None, summarize=summarize)
    server = ApiServer(database.keyspace("main"), authorizer=AllowAll())
    await server.start()
    http = await serve(server, before_stop=server.end_streams)
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(b"GET /api/v1/namespaces?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    await http.stop()
    await http.stop()
    assert (await reader.read()).endswith(b"0\r\n\r\n")
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", http.port)
    await server.close()
    await database.close()


async def test_what_is_under_way_is_finished_before_it_stops(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that waits for its disk is acknowledged; who comes later is refused."""
    server.authorizer = AllowAll()
    waiting, goes_on, put = asyncio.Event(), asyncio.Event(), Bucket.put

    async def slow(bucket: Any, *arguments: Any, **rest: Any) -> Any:
        waiting.set()
        await goes_on.wait()
        return await put(bucket, *arguments, **rest)

    monkeypatch.setattr(Bucket, "put", slow)
    http = await serve(server, before_stop=server.end_streams)
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    body = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"late"}}'
    head = "POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await waiting.wait()
    stopping = asyncio.create_task(http.stop())
    await asyncio.sleep(0)
    assert (await Client(server).get("/api/v1/namespaces")).status == 503
    assert not stopping.done()
    goes_on.set()
    assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == b"201"
    await stopping
    writer.close()


async def test_a_taken_port_is_an_error(server: ApiServer) -> None:
    http = await serve(server)
    with pytest.raises(OSError, match="in use"):
        await serve(server, port=http.port)
    await http.stop()


async def test_chunked_bodies_are_limited(server: ApiServer) -> None:
    server.authorizer = AllowAll()
    http = await serve(server, before_stop=server.end_streams)
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n"
        b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    writer.write(chunk * 60 + b"0\r\n\r\n")
    status = await asyncio.wait_for(reader.readline(), 5)
    assert status.split()[1] == b"413"
    writer.close()
    await http.stop()
