"""Continue tokens: where a chunked list goes on, and at which revision.

A token is opaque to clients: URL-safe base64 of ``{"v":"meta.k8s.io/v1","rv":…,"start":"namespace/name"}``.
A revision of -1 goes on with what is current when the next chunk is asked for.
"""

from __future__ import annotations

import base64
import binascii

import msgspec
import orjson

from echelon.apiserver import json_syntax
from echelon.apiserver.errors import StatusError, bad_request, expired

CURRENT = -1
_VERSION = "meta.k8s.io/v1"
_INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, "
    "or deleted between the time the first chunk was returned and now may show up in the list."
)


class Continuation(msgspec.Struct, frozen=True):
    """The list at ``revision``, from behind ``after`` (namespace and name) on."""

    revision: int
    after: tuple[str, str]


def encode(continuation: Continuation) -> str:
    start = "/".join(continuation.after)
    text = orjson.dumps({"v": _VERSION, "rv": continuation.revision, "start": start})
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(token: str) -> Continuation:
    """Read a token.

    Raises:
        StatusError: 400 when it is not one of this server's.
    """
    try:
        text = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _refused("illegal base64 data at input byte 0") from None
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _refused(json_syntax.explain(text)) from None
    if not isinstance(fields, dict) or fields.get("v") != _VERSION:
        raise _refused("server does not recognize this encoded version")
    revision, start = fields.get("rv"), fields.get("start")
    if not isinstance(revision, int) or not isinstance(start, str) or revision < CURRENT or "/" not in start:
        raise _refused("incorrect encoded start resourceVersion or key")
    namespace, _, name = start.partition("/")
    return Continuation(revision, (namespace, name))


def _refused(why: str) -> StatusError:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")


class _WithToken(StatusError):
    def __init__(self, error: StatusError, token: str) -> None:
        super().__init__(error.code, error.reason, error.message, details=error.details)
        self._token = token

    def status(self) -> dict[str, object]:
        return super().status() | {"metadata": {"continue": self._token}}


def list_expired(continuation: Continuation) -> StatusError:
    """410 with a token by which the client may go on, on the current state."""
    return _WithToken(expired(_INCONSISTENT), encode(Continuation(CURRENT, continuation.after)))
