"""JSON Web Tokens: signed with one key (ES256), read back, and published for others to verify.

A token is text from outside until ``Signer.read`` has found this key's signature on it. Only the
algorithm of the key is accepted, whatever the token claims to be signed with.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

ALGORITHM = "ES256"
_COORDINATE = 32  # bytes of a number on the curve P-256
_SIGNATURE = ec.ECDSA(hashes.SHA256())
_LONGEST = 16 * 1024


class BadKey(Exception):
    """A key file cannot be used; the message names it."""


class NotOurs(Exception):
    """A text is not a token signed with this key."""


class _Header(msgspec.Struct, gc=False):
    alg: str = ""
    kid: str = ""


_decode_header = msgspec.json.Decoder(_Header).decode


class Signer:
    """Signs and recognises tokens. ``key_id`` is the hash of the public key, as Kubernetes names keys."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | None = None) -> None:
        """Raises: BadKey: the key is not on the curve P-256."""
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        if not isinstance(self._key.curve, ec.SECP256R1):
            raise BadKey(f"the key is on the curve {self._key.curve.name}; want P-256 (prime256v1)")
        self._public = self._key.public_key()
        digest = hashes.Hash(hashes.SHA256())
        digest.update(
            self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        self.key_id = _encode(digest.finalize())
        self._header = _encode(orjson.dumps({"alg": ALGORITHM, "kid": self.key_id}))

    @classmethod
    def from_file(cls, path: Path) -> Signer:
        """The signer of a PEM key file, which is made, for its owner only, when absent.

        Raises:
            BadKey: the file cannot be read or holds no private key on P-256.
        """
        try:
            if not path.exists():
                _write_key(path)
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except OSError as error:
            raise BadKey(f"the key file {path} cannot be used: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise BadKey(f"the key file {path} does not hold an unencrypted PEM private key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise BadKey(f"the key file {path} does not hold an elliptic-curve key; want one on P-256")
        return cls(key)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token that makes these claims."""
        body = f"{self._header}.{_encode(orjson.dumps(claims))}"
        r, s = utils.decode_dss_signature(self._key.sign(body.encode(), _SIGNATURE))
        return f"{body}.{_encode(r.to_bytes(_COORDINATE) + s.to_bytes(_COORDINATE))}"

    def read(self, token: str) -> bytes:
        """The claims of a token, as JSON.

        Raises:
            NotOurs: the text is not a token, or not signed with this key.
        """
        body, _, signature = token.rpartition(".")
        header, dot, claims = body.partition(".")
        if not dot or len(token) > _LONGEST or "." in claims:
            raise NotOurs("the text is not a signed token")
        try:
            head, raw = _decode_header(_decode(header)), _decode(signature)
            if head.alg != ALGORITHM or (head.kid and head.kid != self.key_id) or len(raw) != 2 * _COORDINATE:
                raise NotOurs("the token is signed with another key")
            pair = int.from_bytes(raw[:_COORDINATE]), int.from_bytes(raw[_COORDINATE:])
            self._public.verify(utils.encode_dss_signature(*pair), body.encode(), _SIGNATURE)
            return _decode(claims)
        except (ValueError, msgspec.MsgspecError, InvalidSignature) as error:
            raise NotOurs("the token does not bear a signature of this key") from error

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        point = self._public.public_numbers()
        key = {
            "use": "sig",
            "kty": "EC",
            "kid": self.key_id,
            "crv": "P-256",
            "alg": ALGORITHM,
            "x": _encode(point.x.to_bytes(_COORDINATE)),
            "y": _encode(point.y.to_bytes(_COORDINATE)),
        }
        return {"keys": [key]}


def _write_key(path: Path) -> None:
    """Write a new key, whole or not at all."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Raises: ValueError: the text is not base64url."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
