"""Failure answers become the exception that callers look for."""

from __future__ import annotations

import msgspec
import pytest

from echelon.kube import errors
from echelon.kube.errors import ApiError, from_status


def status(code: int, reason: str, **more: object) -> bytes:
    return msgspec.json.encode({"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, **more})


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.BadRequest),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Expired),
        (410, "Gone", errors.Expired),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.TooManyRequests),
        (500, "InternalError", errors.ServerError),
        (503, "ServiceUnavailable", errors.ServerError),
        (504, "Timeout", errors.ServerError),
        (405, "MethodNotAllowed", ApiError),
        (413, "RequestEntityTooLarge", ApiError),
    ],
)
def test_class_follows_reason_and_code(code: int, reason: str, kind: type[ApiError]) -> None:
    error = from_status(status(code, reason, message="no"), code)
    assert type(error) is kind
    assert (error.code, error.reason, error.message, str(error)) == (code, reason, "no", "no")


def test_details() -> None:
    causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.size"}]
    error = from_status(status(422, "Invalid", details={"causes": causes, "retryAfterSeconds": 7}), 422)
    assert error.causes == causes
    assert error.retry_after == 7
    assert from_status(b"", 429, retry_after=3).retry_after == 3


def test_event_of_a_watch_has_its_code_inside() -> None:
    error = from_status({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
    assert isinstance(error, errors.Expired)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the server answered 502"),
        (b"<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
        (b'["no status"]', '["no status"]'),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_answers_of_proxies(body: bytes, message: str) -> None:
    error = from_status(body, 502)
    assert isinstance(error, errors.ServerError)
    assert error.message == message
