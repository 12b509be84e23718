"""What goes wrong at AKS, as codes of our own. Messages keep Azure's code and words.

Azure's codes are many and no list of them is complete, so families are told by what their names have in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from echelon.api.meta import Clock
from echelon.upgrade.providers.clouds import retry_after, sdk
from echelon.upgrade.providers.contract import Code, ProviderError

_FAMILIES: Sequence[tuple[re.Pattern[str], Code]] = [
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"drain|evict", Code.PDB_BLOCKED),
        (r"quota", Code.QUOTA),
        (r"toomanyrequests|throttl", Code.THROTTLED),
        (r"allocationfailed|skunotavailable|overconstrained|subnetisfull|insufficientsubnet|capacity", Code.CAPACITY),
        (r"deprecated", Code.DEPRECATED_API),
        (r"version.*(notsupported|notallowed|invalid)|(invalid|unsupported).*version", Code.INVALID_VERSION),
        (r"authoriz|authentic|forbidden|credential", Code.AUTH),
        (r"notfound", Code.NOT_FOUND),
        (r"nodesnotready|vmextension|agentsnotready|notready", Code.NODE_NOT_READY),
        (r"timeout|timedout|deadline", Code.TIMEOUT),
        (r"cancel|abort|preempted", Code.ABORTED),
        (r"conflict|inprogress|etag|precondition", Code.CONFLICT),
    )
]


def code_of(azure_code: str, message: str = "", status: int = 0) -> Code:
    """Our code for one of Azure's; ``status`` is that of the answer, if it came as one."""
    if azure_code == "OperationNotAllowed":  # says too little by itself
        return Code.QUOTA if "quota" in message.lower() else Code.CONFLICT if status == 409 else Code.UNSUPPORTED
    for pattern, code in _FAMILIES:
        if pattern.search(azure_code):
            return code
    by_status = {401: Code.AUTH, 403: Code.AUTH, 404: Code.NOT_FOUND, 409: Code.CONFLICT, 412: Code.CONFLICT}
    return by_status.get(status, Code.THROTTLED if status == 429 else Code.UNKNOWN)


_PASSING = frozenset({Code.THROTTLED, Code.CONFLICT, Code.AUTH, Code.NETWORK, Code.TIMEOUT})


@contextmanager
def told(what: str, clock: Clock) -> Iterator[None]:
    """Failures of the SDK as ``ProviderError``; ``what`` says what was asked about."""
    exceptions = sdk("azure.core.exceptions", "azure")
    try:
        yield
    except exceptions.HttpResponseError as error:
        raise _refused(what, error, clock) from error
    except (exceptions.ServiceRequestError, exceptions.ServiceResponseError) as error:
        raise ProviderError(Code.NETWORK, f"{what}: Azure cannot be reached: {error}", retryable=True) from error
    except exceptions.AzureError as error:  # credentials that are missing or cannot be used, among others
        raise ProviderError(Code.UNKNOWN, f"{what}: {error}", retryable=True) from error


def _refused(what: str, error: Any, clock: Clock) -> ProviderError:
    status = error.status_code or 0
    if not status:  # no answer of Azure but of a source of credentials
        return ProviderError(Code.AUTH, f"{what}: {error.message}", retryable=True)
    azure_code = getattr(error.error, "code", None) or error.reason or str(status)
    message = getattr(error.error, "message", None) or error.message
    code = code_of(azure_code, message, status)
    pause = retry_after(error.response.headers.get("Retry-After"), clock.now())
    retryable = status >= 500 or code in _PASSING
    return ProviderError(code, f"{what}: {azure_code}: {message}", retryable=retryable, retry_after=pause)
