"""A queue of keys and one task that handles them.

A key waits at most once. Handling looks at the present state, so it may be repeated at any time; when
it fails, the key is tried again later, each time after twice the delay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

K = TypeVar("K", bound=Hashable)
log = structlog.get_logger(__name__)

_FIRST_DELAY, _LONGEST_DELAY = 0.05, 30.0


class Worker(Generic[K]):
    """Handles keys one after the other."""

    def __init__(self, name: str, handle: Callable[[K], Awaitable[None]]) -> None:
        self._name = name
        self._handle = handle
        self._waiting: dict[K, None] = {}
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, key: K) -> None:
        """Have a key handled, once, as soon as those before it are done."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._waiting[key] = None
        self._wake.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Stop; what is being handled is cut off."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            while self._waiting:
                key = next(iter(self._waiting))
                del self._waiting[key]
                await self._attempt(key)
            self._wake.clear()
            await self._wake.wait()

    async def _attempt(self, key: K) -> None:
        try:
            await self._handle(key)
        except Exception:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = min(_FIRST_DELAY * 2 ** (failures - 1), _LONGEST_DELAY)
            log.warning("will try again", worker=self._name, key=str(key), delay=delay, exc_info=True)
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self.add, key)
        else:
            self._failures.pop(key, None)
