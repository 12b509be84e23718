"""Errors as the Kubernetes API gives them: a ``Status`` object with a code, a reason and details.

Raise a ``StatusError`` wherever the fact is known; the server turns it into the answer. Reasons,
codes and wording follow ``k8s.io/apimachinery/pkg/api/errors``, since clients switch on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with one field.

    ``reason`` is the cause's reason (``FieldValueInvalid``, ``FieldValueRequired``, …), ``field``
    the path from the object's root (``spec.stages[0].name``) and ``detail`` the text behind the
    path in messages, kind of fault included (``Invalid value: "x": must be …``).
    """

    reason: str
    field: str
    detail: str

    def __str__(self) -> str:
        return f"{self.field}: {self.detail}"


class StatusError(Exception):
    """A request that is answered with a failure ``Status``."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        """The body of the answer: a ``v1.Status``."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        details = dict(self.details or {})
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        if details:
            body["details"] = details
        body["code"] = self.code
        return body


def in_words(value: Any) -> str:
    """A value as it stands in messages: text in quotes, the rest as JSON."""
    if value is None:
        return "null"
    return orjson.dumps(value).decode()


def invalid_value(field: str, value: Any, why: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, f"Invalid value: {in_words(value)}: {why}")


def required(field: str, why: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, f"Required value: {why}" if why else "Required value")


def forbidden_field(field: str, why: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, f"Forbidden: {why}")


def unsupported_value(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    known = ", ".join(f'"{choice}"' for choice in supported)
    return FieldError(
        "FieldValueNotSupported", field, f"Unsupported value: {in_words(value)}: supported values: {known}"
    )


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def qualified(resource: str, group: str) -> str:
    """``deployments.apps``, or the bare resource for the core group."""
    return f"{resource}.{group}" if group else resource


def _about(group: str, resource: str, name: str) -> dict[str, Any]:
    details = {"name": name} if name else {}
    if group:
        details["group"] = group
    return details | {"kind": resource}


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, resource: str, name: str, why: str) -> StatusError:
    subject = f'{qualified(resource, group)} "{name}"' if name else qualified(resource, group)
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {why}", details=_about(group, resource, name))


def not_found(group: str, resource: str, name: str) -> StatusError:
    return StatusError(
        404, "NotFound", f'{qualified(resource, group)} "{name}" not found', details=_about(group, resource, name)
    )


def no_such_resource() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", details={})


def method_not_allowed() -> StatusError:
    return StatusError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={}
    )


def already_exists(group: str, resource: str, name: str) -> StatusError:
    return StatusError(
        409,
        "AlreadyExists",
        f'{qualified(resource, group)} "{name}" already exists',
        details=_about(group, resource, name),
    )


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(group: str, resource: str, name: str, why: str = MODIFIED) -> StatusError:
    return StatusError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}',
        details=_about(group, resource, name),
    )


def not_acceptable(available: str) -> StatusError:
    message = f"406: Not Acceptable\n\nAvailable representations: {available}"
    return StatusError(406, "NotAcceptable", message, details={})


def unsupported_media_type(accepted: Sequence[str]) -> StatusError:
    return StatusError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}",
        details={},
    )


def too_large(limit: int) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}", details={})


def too_large_resource_version(asked: int, current: int) -> StatusError:
    """504: the revision asked for lies in the future."""
    return StatusError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
        retry_after=1,
    )


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422 with a cause per error; the message names each fault once, several of them in brackets."""
    faults = list(dict.fromkeys(map(str, errors)))
    text = faults[0] if len(faults) == 1 else "[" + ", ".join(faults) + "]"
    return StatusError(
        422,
        "Invalid",
        f'{qualified(kind, group)} "{name}" is invalid: {text}',
        details=_about(group, kind, name)
        | {"causes": [{"reason": e.reason, "message": e.detail, "field": e.field} for e in errors]},
    )
