"""Writes side by side: as many at once as a server takes gladly, and all of them before the first failure is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

AT_ONCE = 16


async def side_by_side(writes: Iterable[Awaitable[object]], limit: int = AT_ONCE) -> None:
    """Wait for writes of which at most ``limit`` are under way at a time.

    One that fails keeps none of the others, so a pass that is repeated finds less left to do.

    Raises:
        BaseException: what the first of those that failed has raised; the end of the process before all else.
    """
    room = asyncio.Semaphore(limit)

    async def one(write: Awaitable[object]) -> None:
        async with room:
            await write

    outcomes = await asyncio.gather(*(one(write) for write in writes), return_exceptions=True)
    failures = [outcome for outcome in outcomes if outcome is not None]
    for failure in sorted(failures, key=lambda failure: isinstance(failure, Exception)):
        raise failure
