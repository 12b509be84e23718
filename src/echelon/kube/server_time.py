"""The time as a server has it: the clock of this machine, put right by what the server's answers say.

Times that are compared on a server (heartbeats, the age of a token) have to be of that server's clock,
whatever the clock of the machine is on which a client runs. Every answer carries the server's time in
whole seconds; a clock that is off by no more than ``TOLERANCE`` is left as it is, so that answers
that were long under way change nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import structlog

from echelon.api.meta import Clock
from echelon.kube.transport import EMPTY, Response, Stream, Transport

TOLERANCE = timedelta(seconds=10)

log = structlog.get_logger(__name__)


class ServerClock:
    """The time of a server. Hand its transport through ``listening``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.skew = timedelta(0)
        """How far the server's clock is ahead of this machine's."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when the clock was put right."""

    def now(self) -> datetime:
        return self._clock.now() + self.skew

    def listening(self, transport: Transport) -> Transport:
        """A transport that listens for the time in all answers that pass."""
        return _Listening(transport, self._listen)

    def _listen(self, headers: Mapping[str, str]) -> None:
        moment = _moment(headers.get("date", ""))
        if moment is None:
            return
        off = moment - self._clock.now()
        skew = off if abs(off) > TOLERANCE else timedelta(0)
        if abs(skew - self.skew) > TOLERANCE:
            log.warning("the clocks of the server and of this machine differ", server_ahead_by=str(skew))
            self.skew = skew
            self.on_change()


class _Listening:
    def __init__(self, transport: Transport, listen: Callable[[Mapping[str, str]], None]) -> None:
        self._transport = transport
        self._listen = listen

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        answer = await self._transport.request(method, path, query=query, headers=headers, body=body, timeout=timeout)
        self._listen(answer.headers)
        return answer

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        timeout: float | None = None,
    ) -> AsyncIterator[Stream]:
        async with self._transport.stream(method, path, query=query, headers=headers, timeout=timeout) as stream:
            self._listen(stream.headers)
            yield stream

    async def close(self) -> None:
        await self._transport.close()


def _moment(date: str) -> datetime | None:
    """The time in a ``Date`` header, None when there is none that can be read."""
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except (ValueError, TypeError):
        return None
