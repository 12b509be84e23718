"""Processes that are killed before one of their writes, and started again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from echelon.kube.rest import BeforeWrite


class Killed(BaseException):
    """The process ends here."""


class Deaths:
    """Kills a process before its write number ``at``, counted from 1 over all its lives."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.writes = 0
        self.killed = False

    def before_write(self, method: str, path: str) -> None:
        self.writes += 1
        if self.writes == self.at:
            self.killed = True
            raise Killed


@asynccontextmanager
async def surviving(
    start: Callable[[BeforeWrite], Awaitable[asyncio.Task[None]]], deaths: Deaths
) -> AsyncIterator[None]:
    """A process that is started again each time it dies."""

    async def keep_alive() -> None:
        while True:
            process = await start(deaths.before_write)
            await asyncio.wait([process])
            assert isinstance(process.exception(), Killed), process.exception()

    keeper = asyncio.create_task(keep_alive())
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
