"""What waits to be done: each item once, now or later, and never by two workers at a time.

An item is in one of four places: nowhere; waiting, in a lane; processing, with a worker; or both
processing and dirty, when it was added while a worker had it: then it waits again as soon as the
worker is done. Apart from that an item may have one timer, which adds it when it fires; of two
delays the earlier wins. Of the lanes, the one of highest priority is emptied first; an item that is
added again with a higher priority moves up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from echelon.kube.backoff import Backoff

Item = TypeVar("Item", bound=Hashable)

BACKOFF = Backoff(first=0.005, cap=1000.0)
NORMAL, LOW = 0, -1  # priorities: what has just happened, and what was found at the start


class ShutDown(Exception):
    """The queue gives out nothing more."""


class WorkQueue(Generic[Item]):
    """A queue for workers of one event loop. ``on_depth`` hears by how much the number of waiting items changes."""

    def __init__(self, *, backoff: Backoff = BACKOFF, on_depth: Callable[[int], None] | None = None) -> None:
        self._backoff = backoff
        self._on_depth = on_depth
        self._lanes: dict[int, dict[Item, None]] = {}
        self._priorities: dict[Item, int] = {}  # of waiting items: their lane
        self._processing: set[Item] = set()
        self._dirty: dict[Item, int] = {}  # processing items to be done again: with what priority
        self._timers: dict[Item, tuple[float, asyncio.Handle]] = {}  # with the time at which it fires
        self._failures: dict[Item, int] = {}
        self._workers: deque[asyncio.Future[None]] = deque()
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        """The number of items that wait, timers aside."""
        return len(self._priorities)

    @property
    def processing(self) -> int:
        """The number of items that workers have."""
        return len(self._processing)

    def add(self, item: Item, priority: int = NORMAL) -> None:
        """Have an item done."""
        if self._closed:
            return
        if item in self._processing:
            self._dirty[item] = max(priority, self._dirty.get(item, priority))
        else:
            self._put(item, priority)

    def add_after(self, item: Item, delay: float, priority: int = NORMAL) -> None:
        """Have an item done ``delay`` seconds from now, or earlier if an earlier time is set already."""
        if self._closed:
            return
        if delay <= 0:
            self.add(item, priority)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + delay
        timer = self._timers.get(item)
        if timer is not None:
            if timer[0] <= when:
                return
            timer[1].cancel()
        self._timers[item] = when, loop.call_at(when, self._fire, item, priority)

    def add_failed(self, item: Item, at_least: float = 0.0) -> float:
        """Have an item done again that has failed: the more often in a row, the later. Gives the delay."""
        failures = self._failures.get(item, 0)
        self._failures[item] = failures + 1
        delay = max(at_least, self._backoff.delay(failures))
        self.add_after(item, delay)
        return delay

    def forget(self, item: Item) -> None:
        """An item has succeeded: its next failure is its first."""
        self._failures.pop(item, None)

    async def get(self) -> Item:
        """The next item, which is the caller's until ``done``.

        Raises:
            ShutDown: there is no next item.
        """
        while not self._priorities:
            if self._closed:
                raise ShutDown
            worker = asyncio.get_running_loop().create_future()
            self._workers.append(worker)
            try:
                await worker
            except asyncio.CancelledError:
                if not worker.cancelled():
                    self._wake_one()  # it was this worker's turn: pass it on
                raise
        item = self._take()
        self._processing.add(item)
        return item

    def done(self, item: Item) -> None:
        """The worker that has an item is through with it."""
        self._processing.remove(item)
        if item in self._dirty:
            self._put(item, self._dirty.pop(item))
        if not self._processing and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def shut_down(self, *, drain: bool = False) -> None:
        """Take nothing more, drop the timers, and unless ``drain`` what waits; ``get`` then raises."""
        self._closed = True
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if not drain:
            self._dirty.clear()
            self._moved(-len(self._priorities))
            self._priorities.clear()
            self._lanes.clear()
        for worker in self._workers:
            if not worker.done():
                worker.set_result(None)
        self._workers.clear()

    async def join(self) -> None:
        """Wait until no worker has an item."""
        while self._processing:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    def _put(self, item: Item, priority: int) -> None:
        lane = self._priorities.get(item)
        if lane is not None:
            if lane >= priority:
                return
            del self._lanes[lane][item]
        else:
            self._moved(1)
        self._priorities[item] = priority
        self._lanes.setdefault(priority, {})[item] = None
        self._wake_one()

    def _take(self) -> Item:
        lane = self._lanes[max(priority for priority, lane in self._lanes.items() if lane)]
        item = next(iter(lane))
        del lane[item]
        del self._priorities[item]
        self._moved(-1)
        return item

    def _fire(self, item: Item, priority: int) -> None:
        del self._timers[item]
        self.add(item, priority)

    def _wake_one(self) -> None:
        while self._workers:
            worker = self._workers.popleft()
            if not worker.done():
                worker.set_result(None)
                return

    def _moved(self, count: int) -> None:
        if self._on_depth is not None:
            self._on_depth(count)
