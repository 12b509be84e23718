"""ARM's form of a failure, and what a failure of the hub is called in it.

Every body is ``{"error": {"code", "message", "target"?, "details"?}}``; ``target`` is the path of a property
of the body, ``properties.group``, or the name of a parameter. The paths in the hub's own complaints are those
of its kinds; they are rewritten to those of the resource that the client knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from echelon.kube.errors import ApiError


class Detail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault among several."""

    code: str
    message: str
    target: str = ""


class ArmError(Exception):
    """A request cannot be served; becomes the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str = "",
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details
        self.headers: Mapping[str, str] = headers or {}

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target:
            error["target"] = self.target
        if self.details:
            error["details"] = [msgspec.to_builtins(detail) for detail in self.details]
        return {"error": error}


def invalid(message: str, target: str = "") -> ArmError:
    """400: something of the request cannot be as it is."""
    return ArmError(400, "InvalidParameter", message, target=target)


def not_allowed(message: str) -> ArmError:
    """409: the resource is not in a state for this."""
    return ArmError(409, "OperationNotAllowed", message)


def not_found(what: str) -> ArmError:
    """404: no resource of this id."""
    return ArmError(404, "ResourceNotFound", f"The resource {what} was not found.")


def precondition_failed(message: str) -> ArmError:
    """412: the resource is not the one that the client has seen."""
    return ArmError(412, "PreconditionFailed", message)


def from_hub(error: ApiError, fields: Mapping[str, str]) -> ArmError:
    """A failure of the hub as the client is told of it.

    ``fields`` says where the fields of the hub's kind stand in the resource: ``{"spec": "properties"}``.
    """
    match error.code:
        case 401:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return ArmError(401, "InvalidAuthenticationToken", error.message, headers=challenge)
        case 403:
            return ArmError(403, "AuthorizationFailed", error.message)
        case 404:
            return ArmError(404, "ResourceNotFound", error.message)
        case 400 | 422:
            return _from_causes(error, fields)
        case 413:
            return ArmError(413, "RequestEntityTooLarge", error.message)
        case 409 | 410:
            message = f"The resource changed while the request was under way: {error.message}"
            return ArmError(409, "Conflict", message)
        case 429:
            return ArmError(429, "TooManyRequests", error.message, headers=_retry_after(error))
        case _:
            return ArmError(
                503, "ServerUnavailable", f"The hub does not answer: {error.message}", headers=_retry_after(error)
            )


def _retry_after(error: ApiError) -> Mapping[str, str]:
    return {"Retry-After": str(max(1, round(error.retry_after or 1)))}


def _from_causes(error: ApiError, fields: Mapping[str, str]) -> ArmError:
    details = [
        Detail(
            code="InvalidParameter",
            message=cause.get("message", ""),
            target=_translated(cause.get("field", ""), fields),
        )
        for cause in error.causes
    ]
    if not details:
        return invalid(error.message)
    first = details[0]
    summary = f"{first.target}: {first.message}" if first.target else first.message
    if len(details) > 1:
        summary += f" (and {len(details) - 1} more, see details)"
    return ArmError(400, "InvalidParameter", summary, target=first.target, details=details if len(details) > 1 else ())


def _translated(field: str, fields: Mapping[str, str]) -> str:
    for old, new in _longest_first(fields):
        if re.match(re.escape(old) + r"($|[.\[])", field):
            return new + field[len(old) :]
    return field


def _longest_first(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from sorted(fields.items(), key=lambda pair: -len(pair[0]))
