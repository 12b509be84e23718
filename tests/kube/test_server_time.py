"""The time of a server, as its answers tell it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from echelon.kube.server_time import ServerClock
from echelon.kube.transport import Response, Stream

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Clock:
    def now(self) -> datetime:
        return NOW


class Server:
    """Answers with a date."""

    date = ""
    closed = False

    async def request(self, method: str, path: str, **_: Any) -> Response:
        return Response(200, {"date": self.date}, b"")

    @asynccontextmanager
    async def stream(self, method: str, path: str, **_: Any) -> AsyncIterator[Stream]:
        async def nothing() -> bytes:
            return b""

        yield Stream(200, {"date": self.date}, nothing)

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("seconds", [-7200, -11, 11, 3600 * 24])
async def test_a_clock_that_is_off_is_put_right(seconds: int) -> None:
    server, clock = Server(), ServerClock(Clock())
    transport = clock.listening(server)
    server.date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    await transport.request("GET", "/")
    assert clock.now() == NOW + timedelta(seconds=seconds)
    server.date = format_datetime(NOW, usegmt=True)
    async with transport.stream("GET", "/"):
        assert clock.now() == NOW
    await transport.close()
    assert server.closed


@pytest.mark.parametrize("date", ["", "yesterday", format_datetime(NOW + timedelta(seconds=9), usegmt=True)])
async def test_small_differences_and_answers_without_a_time_change_nothing(date: str) -> None:
    server, clock = Server(), ServerClock(Clock())
    server.date = date
    await clock.listening(server).request("GET", "/")
    assert clock.now() == NOW
