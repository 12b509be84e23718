"""What goes wrong at GKE, as codes of our own. Messages keep Google's status and words.

Google has few codes and tells much in words only, so some words are looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from echelon.api.meta import Clock
from echelon.upgrade.providers.clouds import retry_after, sdk
from echelon.upgrade.providers.contract import Code, ProviderError

STATUS: Mapping[int, str] = {
    1: "CANCELLED",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
_CODES: Mapping[str, Code] = {
    "CANCELLED": Code.ABORTED,
    "DEADLINE_EXCEEDED": Code.TIMEOUT,
    "NOT_FOUND": Code.NOT_FOUND,
    "PERMISSION_DENIED": Code.AUTH,
    "RESOURCE_EXHAUSTED": Code.CAPACITY,
    "ABORTED": Code.CONFLICT,
    "UNAVAILABLE": Code.NETWORK,
    "UNAUTHENTICATED": Code.AUTH,
}
_WORDS: Sequence[tuple[re.Pattern[str], Code]] = [
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"disruption ?budget|evict|drain", Code.PDB_BLOCKED),
        (r"quota", Code.QUOTA),
        (r"stockout|does not have enough resources|resource_pool_exhausted", Code.CAPACITY),
        (r"incompatible operation|is in progress|currently (up|being)", Code.CONFLICT),
        (r"deprecated api", Code.DEPRECATED_API),
        (r"version", Code.INVALID_VERSION),
    )
]
_PASSING = frozenset({Code.THROTTLED, Code.CONFLICT, Code.AUTH, Code.NETWORK, Code.TIMEOUT})


def code_of(status: str, message: str) -> Code:
    """Our code for a status of Google's with a message."""
    if status in ("UNAUTHENTICATED", "NOT_FOUND", "CANCELLED"):
        return _CODES[status]
    for words, code in _WORDS:
        if words.search(message):
            return code
    return _CODES.get(status, Code.UNKNOWN)


@contextmanager
def told(what: str, clock: Clock) -> Iterator[None]:
    """Failures of the SDK as ``ProviderError``; ``what`` says what was asked about."""
    exceptions = sdk("google.api_core.exceptions", "gcp")
    credentials, requests = sdk("google.auth.exceptions", "gcp"), sdk("requests.exceptions", "gcp")
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        raise _refused(what, error, clock) from error
    except (credentials.TransportError, requests.RequestException, exceptions.RetryError) as error:
        raise ProviderError(Code.NETWORK, f"{what}: Google cannot be reached: {error}", retryable=True) from error
    except credentials.GoogleAuthError as error:
        raise ProviderError(Code.AUTH, f"{what}: {error}", retryable=True) from error


def _refused(what: str, error: Any, clock: Clock) -> ProviderError:
    http, (status, message) = int(error.code or 0), _said(error)
    code = Code.THROTTLED if http == 429 else code_of(status, message)
    headers = getattr(error.response, "headers", None) or {}
    pause = retry_after(headers.get("Retry-After"), clock.now())
    retryable = http >= 500 or code in _PASSING
    return ProviderError(code, f"{what}: {status}: {message}", retryable=retryable, retry_after=pause)


def _said(error: Any) -> tuple[str, str]:
    """Status and message as Google answered them; the SDK's own message begins with the whole request."""
    try:
        answered = error.response.json()["error"]
        return str(answered["status"]), str(answered["message"])
    except (AttributeError, KeyError, TypeError, ValueError):  # some proxy's answer, or none
        return str(int(error.code or 0)), str(error.message)
