"""Users by TLS client certificate: the common name is the user, each organization a group.

The certificate has to be issued by the authority, directly, for client authentication, and to be
valid at this moment. What was found about a certificate is remembered until it runs out.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import datetime

import msgspec
import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from echelon.apiserver.authentication import Credentials, User, with_authenticated
from echelon.apiserver.clock import Clock

_REMEMBERED = 1024
_CREDENTIAL = "authentication.kubernetes.io/credential-id"

log = structlog.get_logger(__name__)


class _Known(msgspec.Struct, frozen=True):
    user: User
    not_before: datetime
    not_after: datetime


class _Unacceptable(Exception):
    """A certificate that does not identify a user; the message says why."""


class ClientCertificates:
    """Satisfies ``apiserver.Authenticator``."""

    def __init__(self, authorities: bytes, clock: Clock) -> None:
        """``authorities`` are certificates in PEM form.

        Raises:
            ValueError: there is none.
        """
        self._authorities = x509.load_pem_x509_certificates(authorities)
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def authenticate(self, credentials: Credentials) -> User | None:
        if credentials.certificate is None:
            return None
        digest = hashlib.sha256(credentials.certificate).digest()
        known = self._known.get(digest)
        if known is None:
            try:
                known = self._examine(credentials.certificate, digest.hex())
            except _Unacceptable as error:
                log.info("client certificate refused", reason=str(error))
                return None
            self._known[digest] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known.user if known.not_before <= self._clock.now() <= known.not_after else None

    def _examine(self, encoded: bytes, digest: str) -> _Known:
        """Raises: _Unacceptable: the certificate was not issued to a user by an authority."""
        try:
            certificate = x509.load_der_x509_certificate(encoded)
            if not any(_issued(authority, certificate) for authority in self._authorities):
                raise _Unacceptable("it was not issued by the authority for client certificates")
            if not _is_for_clients(certificate):
                raise _Unacceptable("it is not meant for client authentication")
            names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
            groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        except ValueError as error:
            raise _Unacceptable(f"it cannot be read: {error}") from error
        if not names or not names[-1]:
            raise _Unacceptable("its subject has no common name")
        user = User(
            names[-1],
            tuple(str(group.value) for group in groups),
            extra={_CREDENTIAL: [f"X509SHA256={digest}"]},
        )
        return _Known(with_authenticated(user), certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_for_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage
