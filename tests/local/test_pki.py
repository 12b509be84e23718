"""The certificates of an embedded hub: kept, renewed in time, readable by their owner only."""

import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from echelon.local.pki import ensure_certificates, write_secret

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NAMES = ["127.0.0.1", "localhost"]


def test_a_server_certificate_that_clients_trust(tmp_path):
    files = ensure_certificates(tmp_path / "pki", NAMES, NOW)
    server = x509.load_pem_x509_certificate(files.server.read_bytes())
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(files.authority.read_bytes()))
    named = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in named.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert named.get_values_for_type(x509.DNSName) == ["localhost"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server, files.server_key)


def test_keys_are_private(tmp_path):
    files = ensure_certificates(tmp_path / "pki", NAMES, NOW)
    for key in (files.authority_key, files.server_key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


def test_what_is_good_is_kept(tmp_path):
    first = ensure_certificates(tmp_path, NAMES, NOW)
    before = (first.authority.read_bytes(), first.server.read_bytes())
    again = ensure_certificates(tmp_path, NAMES, NOW + timedelta(days=30))
    assert (again.authority.read_bytes(), again.server.read_bytes()) == before


@pytest.mark.parametrize(
    ("names", "later"),
    [(NAMES, timedelta(days=340)), ([*NAMES, "hub.example.com"], timedelta())],
    ids=["nearly expired", "another name"],
)
def test_the_server_certificate_is_renewed_under_the_same_authority(tmp_path, names, later):
    first = ensure_certificates(tmp_path, NAMES, NOW)
    authority, server = first.authority.read_bytes(), first.server.read_bytes()
    again = ensure_certificates(tmp_path, names, NOW + later)
    assert again.authority.read_bytes() == authority
    assert again.server.read_bytes() != server


def test_a_damaged_certificate_is_replaced(tmp_path):
    files = ensure_certificates(tmp_path, NAMES, NOW)
    files.server.write_bytes(b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
    ensure_certificates(tmp_path, NAMES, NOW)
    x509.load_pem_x509_certificate(files.server.read_bytes())


def test_a_secret_replaces_a_readable_file(tmp_path):
    path = tmp_path / "token"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_secret(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
