"""Recent events of a bucket, and the watchers that read them.

A ``Ring`` holds the newest events of one bucket, bounded in number and in bytes. It is held once,
however many watch: a ``Watcher`` is a cursor into it. Publishing appends to the ring and wakes
those who wait, once for a batch of events; each then takes what lies behind its own cursor. A
watcher that does not keep up costs nothing; when the ring drops events it has not seen it is
told so (``Compacted``) and has to list anew.

What always holds: the ring has every event of the bucket with a revision above ``floor``, in order
of revision, and nothing that is not durable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Generic

from echelon.apiserver.storage.errors import Compacted
from echelon.apiserver.storage.record import Event, S


class Ring(Generic[S]):
    """The newest events of a bucket. ``end`` counts all events that ever were appended."""

    def __init__(self, floor: int, max_events: int, max_bytes: int) -> None:
        self.floor = floor
        self.end = 0
        self.bytes = 0
        self.watchers: set[Watcher[S]] = set()
        self.waiting: set[Watcher[S]] = set()
        self._events: deque[Event[S]] = deque()
        self._max_events = max_events
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._events)

    @property
    def first(self) -> int:
        """The count at which the oldest event held stands."""
        return self.end - len(self._events)

    def append(self, event: Event[S]) -> None:
        """Add the newest event and drop the oldest ones beyond the bounds; the newest always stays."""
        events = self._events
        events.append(event)
        self.end += 1
        self.bytes += len(event.record.value)
        while len(events) > 1 and (len(events) > self._max_events or self.bytes > self._max_bytes):
            dropped = events.popleft()
            self.bytes -= len(dropped.record.value)
            self.floor = dropped.revision

    def wake(self) -> None:
        """Wake all who wait."""
        waiting, self.waiting = self.waiting, set()
        for watcher in waiting:
            watcher.wake()

    def position(self, revision: int) -> int:
        """The count of the first event after a revision, which must not lie below the floor."""
        position = self.end
        for event in reversed(self._events):
            if event.revision <= revision:
                break
            position -= 1
        return position

    def since(self, position: int) -> list[Event[S]]:
        """The events from a count on, which must not lie below ``first``."""
        wanted = self.end - position
        if wanted * 2 > len(self._events):
            return list(islice(self._events, len(self._events) - wanted, None))
        newest = list(islice(reversed(self._events), wanted))
        newest.reverse()
        return newest

    def close(self) -> None:
        """End all watchers."""
        for watcher in list(self.watchers):
            watcher.close()


class Watcher(Generic[S]):
    """A reader of a bucket's events, from a revision on. Close it when done.

    Either iterate over it, or take events in bulk: ``await wait()``, then ``ready()``. Both raise
    ``Compacted`` when events were dropped that the watcher has not seen. At most one task waits.
    """

    def __init__(self, ring: Ring[S], after: int, newest: Callable[[], int]) -> None:
        if after < ring.floor:
            raise Compacted(after, ring.floor)
        self.closed = False
        self._ring = ring
        self._newest = newest
        self._seen = after
        self._cursor = ring.position(after)
        self._taken: deque[Event[S]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        ring.watchers.add(self)

    @property
    def revision(self) -> int:
        """Every event up to this revision was taken; the newest revision of all when none is left.

        An iterator counts an event as taken once it was given out.
        """
        if self._taken:
            return self._seen
        if self._cursor == self._ring.end and not self.closed:
            return max(self._newest(), self._seen)
        return self._seen

    def ready(self) -> list[Event[S]]:
        """Take the events that are there, possibly none, without waiting."""
        events = list(self._taken) + self._fetch() if self._taken else self._fetch()
        self._taken.clear()
        if events:
            self._seen = events[-1].revision
        return events

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for events, the watcher's end, or at most ``timeout`` seconds; whether ``ready`` has any."""
        if self._taken or self._cursor != self._ring.end or self.closed:
            return self._has_events()
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        self._ring.waiting.add(self)
        timer = None if timeout is None else loop.call_later(timeout, self.wake)
        try:
            await waiter
        finally:
            self._waiter = None
            self._ring.waiting.discard(self)
            if timer is not None:
                timer.cancel()
        return self._has_events()

    def wake(self) -> None:
        """Let ``wait`` return."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """End the watcher: it gives no further events, and iteration over it stops. Repeating it is harmless."""
        if self.closed:
            return
        self._seen = self.revision
        self.closed = True
        self._taken.clear()
        self._ring.watchers.discard(self)
        self.wake()

    def __aiter__(self) -> Watcher[S]:
        return self

    async def __anext__(self) -> Event[S]:
        while not self._taken:
            self._taken.extend(self._fetch())
            if self.closed:
                raise StopAsyncIteration
            if not self._taken:
                await self.wait()
        event = self._taken.popleft()
        self._seen = event.revision
        return event

    def _has_events(self) -> bool:
        return not self.closed and (bool(self._taken) or self._cursor != self._ring.end)

    def _fetch(self) -> list[Event[S]]:
        ring = self._ring
        if self.closed or self._cursor == ring.end:
            return []
        if self._cursor < ring.first:
            raise Compacted(self._seen, ring.floor)
        events = ring.since(self._cursor)
        self._cursor = ring.end
        return events
