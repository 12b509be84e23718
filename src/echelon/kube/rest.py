"""Requests to one API server, with typed failures: the layer between transport and client.

Its failure policy: a 429 whose ``Retry-After`` is short is waited out a few times, since the server
has done nothing yet; everything else is raised at once, as a retry is the business of controllers
and reflectors. Each request is counted; each write passes the fault point first.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from echelon.kube.errors import ApiError, TooManyRequests, Unreachable, from_status
from echelon.kube.transport import EMPTY, Response, Stream, Transport

BeforeWrite = Callable[[str, str], None]

JSON = "application/json"
READS = frozenset({"get", "list", "watch"})
TIMEOUT = 30.0  # seconds for a whole answer
MAX_PATIENCE = 30.0  # seconds in all that a request waits because of 429
MAX_TRIES = 5

requests_made: Counter[tuple[str, int]] = Counter()
"""How many requests this process has made, by verb and status; ``metrics`` shows them. Status 0: no answer."""


class RateLimit:
    """A token bucket: ``burst`` requests at once, ``per_second`` in the long run."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1.0 / per_second
        self._window = self._interval * (burst - 1)
        self._next = float("-inf")

    async def wait(self) -> None:
        """Take a token, or wait for one; first come, first served."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - self._window)
        delay = self._next - now
        self._next += self._interval
        if delay > 0:
            await asyncio.sleep(delay)


class Rest:
    """Sends requests and turns failures into ``ApiError``.

    ``before_write`` is called with the method and path of every write, before it is sent; what it
    raises goes up. It is the fault point of crash tests and the place to check for leadership.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        before_write: BeforeWrite | None = None,
        rate_limit: RateLimit | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._transport = transport
        self._before_write = before_write
        self._rate_limit = rate_limit
        self._timeout = timeout
        self._warnings: set[str] = set()

    async def request(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        content: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Response:
        """One request; ``content`` is sent as JSON, bytes as they are.

        Raises:
            ApiError: the server refused, failed, or could not be reached.
        """
        headers = {"accept": accept}
        body = None
        if content is not None:
            body = content if isinstance(content, bytes) else msgspec.json.encode(content)
            headers["content-type"] = content_type
        patience = MAX_PATIENCE
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                return await self._once(verb, method, path, query, headers, body)
            except TooManyRequests as error:
                delay = error.retry_after
                if delay is None or delay > patience or not tries_left:
                    raise
                patience -= delay
                await asyncio.sleep(delay)
        raise AssertionError("unreachable")

    async def _once(
        self,
        verb: str,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Response:
        if self._rate_limit is not None:
            await self._rate_limit.wait()
        if self._before_write is not None and verb not in READS:
            self._before_write(method, path)
        try:
            response = await self._transport.request(
                method, path, query=query, headers=headers, body=body, timeout=self._timeout
            )
        except Unreachable:
            requests_made[verb, 0] += 1
            raise
        requests_made[verb, response.status] += 1
        if response.status >= 300:
            raise failure(response.status, response.headers, response.body)
        if "warning" in response.headers:
            self._warn(response.headers["warning"])
        return response

    @asynccontextmanager
    async def stream(
        self, verb: str, path: str, *, query: Mapping[str, str] = EMPTY, timeout: float | None = None
    ) -> AsyncIterator[Stream]:
        """One GET whose answer is read as it comes; ``timeout`` is the longest silence.

        Raises:
            ApiError: the server refused, failed, or could not be reached.
        """
        if self._rate_limit is not None:
            await self._rate_limit.wait()
        call = self._transport.stream("GET", path, query=query, headers={"accept": JSON}, timeout=timeout)
        try:
            stream = await call.__aenter__()
        except Unreachable:
            requests_made[verb, 0] += 1
            raise
        try:
            requests_made[verb, stream.status] += 1
            if stream.status >= 300:
                raise failure(stream.status, stream.headers, await stream.read())
            yield stream
        finally:
            await call.__aexit__(None, None, None)

    def _warn(self, header: str) -> None:
        """Log a server's warning, once. A ``Warning`` header reads ``299 - "text"``, several with commas."""
        if header in self._warnings:
            return
        self._warnings.add(header)
        import structlog  # here, since it takes a third of a second that commands of the CLI can do without

        structlog.get_logger(__name__).warning("the API server warns", warning=header)


def failure(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error that an answer stands for."""
    retry_after = headers.get("retry-after", "")
    return from_status(body, status, float(retry_after) if retry_after.isdecimal() else None)
