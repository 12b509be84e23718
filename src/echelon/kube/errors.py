"""What a request to an API server can fail with.

Every failure is an ``ApiError``: the server's ``Status`` as a typed exception, or ``Unreachable``
when there was no answer at all. Callers catch the class that they can do something about
(``NotFound``, ``Conflict``, ``AlreadyExists``) and let the rest go up to the controller, which
retries with back-off.

``Unreachable`` says nothing about whether a write took place: the connection may have been lost
after the server stored it. Controllers bear that because object names are derived, not random, so
the next pass meets its own earlier write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec


class ApiError(Exception):
    """A request failed; also the class of failures that have none of their own (405, 413, 415, …)."""

    default_code: ClassVar[int] = 0
    default_reason: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        self.reason = self.default_reason if reason is None else reason
        self.details: Mapping[str, Any] = details or {}
        self.retry_after = retry_after

    @property
    def causes(self) -> Sequence[Mapping[str, Any]]:
        """The single faults of an ``Invalid`` or ``Conflict``: ``reason``, ``message`` and ``field`` of each."""
        return self.details.get("causes") or ()


class BadRequest(ApiError):
    """400: the server could not make sense of the request."""

    default_code = 400
    default_reason = "BadRequest"


class Unauthorized(ApiError):
    """401: the credentials are missing, wrong or expired."""

    default_code = 401
    default_reason = "Unauthorized"


class Forbidden(ApiError):
    """403: known, and not allowed to."""

    default_code = 403
    default_reason = "Forbidden"


class NotFound(ApiError):
    """404: no such object, or no such resource."""

    default_code = 404
    default_reason = "NotFound"


class AlreadyExists(ApiError):
    """409: an object of that name is there."""

    default_code = 409
    default_reason = "AlreadyExists"


class Conflict(ApiError):
    """409: the object has changed since it was read, or another applier owns a field."""

    default_code = 409
    default_reason = "Conflict"


class Expired(ApiError):
    """410: the resource version, or the page, is too old; list anew."""

    default_code = 410
    default_reason = "Expired"


class Invalid(ApiError):
    """422: the object breaks a rule; ``causes`` has one entry a field."""

    default_code = 422
    default_reason = "Invalid"


class TooManyRequests(ApiError):
    """429: come back after ``retry_after`` seconds."""

    default_code = 429
    default_reason = "TooManyRequests"


class ServerError(ApiError):
    """5xx: the server failed, is starting, or is out of some resource."""

    default_code = 500
    default_reason = "InternalError"


class Unreachable(ApiError):
    """No whole answer: connection refused, reset or timed out. A write may have taken place."""

    default_reason = "Unreachable"


class Undecodable(ApiError):
    """The answer is not what its kind should look like."""

    default_reason = "Undecodable"


_BY_REASON: Mapping[str, type[ApiError]] = {"Gone": Expired} | {
    kind.default_reason: kind for kind in (AlreadyExists, Conflict, Expired)
}
_BY_CODE: Mapping[int, type[ApiError]] = {
    kind.default_code: kind
    for kind in (BadRequest, Unauthorized, Forbidden, NotFound, Conflict, Expired, Invalid, TooManyRequests)
}


def from_status(status: bytes | Mapping[str, Any], code: int = 0, retry_after: float | None = None) -> ApiError:
    """The error that a failure answer stands for.

    ``status`` is the body: a ``Status`` object, or whatever a proxy on the way put there instead.
    ``code`` is the HTTP status, absent for an ERROR event of a watch; ``retry_after`` the header of
    that name in seconds.
    """
    fields = _fields(status)
    code = code or fields.get("code") or 0
    details = fields.get("details") or {}
    if retry_after is None:
        retry_after = details.get("retryAfterSeconds")
    reason = fields.get("reason") or ""
    error = _BY_REASON.get(reason) or _BY_CODE.get(code) or (ServerError if code >= 500 else ApiError)
    message = fields.get("message") or f"the server answered {code}"
    return error(message, code=code, reason=reason or None, details=details, retry_after=retry_after)


def _fields(status: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(status, Mapping):
        return status
    try:
        decoded = msgspec.json.decode(status)
    except msgspec.DecodeError:
        decoded = None
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return decoded
    text = status[:200].decode(errors="replace").strip()
    return {"message": text} if text else {}
