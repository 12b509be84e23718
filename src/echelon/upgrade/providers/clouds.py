"""What all providers of clouds share: SDKs that may be missing or block, endpoints, windows.

SDKs are extras of the distribution and are imported when the first member needs them. Those without an
asynchronous client run in a few threads. SDKs are told not to try again by themselves: the caller of a
provider does that (see ``contract``).
"""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from echelon.rollout import Window
from echelon.upgrade import moments
from echelon.upgrade.providers.contract import Code, Finding, ProviderError

T = TypeVar("T")


def sdk(module: str, extra: str) -> Any:
    """A module of a cloud's SDK.

    Raises:
        ProviderError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"this hub lacks {module.partition('.')[0]}: install it with pip install 'echelon[{extra}]'"
        raise ProviderError(Code.UNSUPPORTED, f"{message} ({error})", retryable=True) from error


class Threads:
    """Runs calls that block, so many at a time."""

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="cloud")

    async def run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def is_rehearsal(endpoint: str) -> bool:
    """Whether an endpoint is a cloud that is played on this machine; nobody's credentials are shown to it.

    Raises:
        ProviderError: the endpoint is neither on this machine nor served by TLS.
    """
    parts = urlsplit(endpoint)
    if parts.scheme == "https" or not endpoint:
        return False
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return True
    raise ProviderError(Code.UNSUPPORTED, f"the endpoint {endpoint!r} is neither https://… nor http://127.0.0.1:…")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def retry_after(header: str | None, now: datetime) -> float | None:
    """The seconds that an HTTP header Retry-After asks for: a number of them, or a date."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def closed(window: Window | None, now: datetime, where: str) -> Finding | None:
    """What a maintenance window of the platform, the one that is open or opens next, has against an upgrade now."""
    if window is None or window.open_at(now):
        return None
    opening = moments.plain(window.opens_at)
    message = f"{where} opens at {opening}"
    return Finding(severity="Error", code=Code.WINDOW_CLOSED, message=message, not_before=window.opens_at)
