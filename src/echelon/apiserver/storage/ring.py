"""Recent events of a bucket, and the watchers that read them.

A ``Ring`` holds the newest events of one bucket, bounded in number and in bytes. It is held once,
however many watch: a ``Watcher`` is a cursor into it. Publishing appends to the ring and wakes
those who wait, once for a batch of events; each then takes what lies behind its own cursor. A
watcher that does not keep up costs nothing; when the ring drops events it has not seen it is
told so (``Compacted``) and has to list anew.

Many watch one namespace each of a bucket. Such a watcher is woken by events of its namespace only
and misses nothing while others are dropped: a ``Lane`` notes where the newest event of a watched
namespace stands.

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


class Lane(Generic[S]):
    """What the watchers of one namespace share: the count behind its newest event, and who waits for the next."""

    __slots__ = ("newest", "users", "waiting")

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self.users = 0
        self.waiting: set[Watcher[S]] = set()


class Ring(Generic[S]):
    """The newest events of a bucket. ``end`` counts all events that ever were appended."""

    def __init__(self, floor: int, max_events: int, max_bytes: int) -> None:
        self.floor = floor
        self.end = 0
        self.bytes = 0
        self.watchers: set[Watcher[S]] = set()
        self.waiting: set[Watcher[S]] = set()
        self._lanes: dict[str, Lane[S]] = {}
        self._touched: set[Lane[S]] = set()
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
        lane = self._lanes.get(event.record.key.namespace)
        if lane is not None:
            self._note(lane)
        while len(events) > 1 and (len(events) > self._max_events or self.bytes > self._max_bytes):
            dropped = events.popleft()
            self.bytes -= len(dropped.record.value)
            self.floor = dropped.revision

    def _note(self, lane: Lane[S]) -> None:
        """Note the newest event as one of the lane; those who wait have missed nothing before it."""
        if lane not in self._touched:
            self._touched.add(lane)
            for watcher in lane.waiting:
                watcher.skip(self.end - 1)
        lane.newest = self.end

    def wake(self) -> None:
        """Wake all who wait for what was appended."""
        waiting = set(self.waiting)
        self.waiting.clear()
        for lane in self._touched:
            waiting |= lane.waiting
            lane.waiting.clear()
        self._touched.clear()
        for watcher in waiting:
            watcher.wake()

    def enter(self, namespace: str) -> Lane[S]:
        """The lane of a namespace, for one more watcher."""
        lane = self._lanes.get(namespace)
        if lane is None:
            lane = self._lanes[namespace] = Lane(self.end)
        lane.users += 1
        return lane

    def leave(self, namespace: str) -> None:
        """One watcher less; the last one takes the lane away."""
        lane = self._lanes[namespace]
        lane.users -= 1
        if not lane.users:
            del self._lanes[namespace]

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
    """A reader of a bucket's events, or of those of one namespace, from a revision on. Close it when done.

    Either iterate over it, or take events in bulk: ``await wait()``, then ``ready()``. Both raise
    ``Compacted`` when events were dropped that the watcher has not seen. At most one task waits.
    """

    def __init__(self, ring: Ring[S], after: int, newest: Callable[[], int], namespace: str | None = None) -> None:
        if after < ring.floor:
            raise Compacted(after, ring.floor)
        self.closed = False
        self._ring = ring
        self._newest = newest
        self._seen = after
        self._cursor = ring.position(after)
        self._taken: deque[Event[S]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._namespace = namespace
        self._lane = None if namespace is None else ring.enter(namespace)
        ring.watchers.add(self)

    @property
    def revision(self) -> int:
        """Every event up to this revision was taken; the newest revision of all when none is left.

        An iterator counts an event as taken once it was given out.
        """
        if self._taken:
            return self._seen
        if not self._behind and not self.closed:
            return max(self._newest(), self._seen)
        return self._seen

    def ready(self, max_bytes: int | None = None) -> list[Event[S]]:
        """Take the events that are there, possibly none, without waiting.

        With ``max_bytes``, take no more once their values have come to as much; the rest stays in the ring.
        """
        events = list(self._taken) + self._fetch(max_bytes) if self._taken else self._fetch(max_bytes)
        self._taken.clear()
        if events:
            self._seen = events[-1].revision
        return events

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for events, the watcher's end, or at most ``timeout`` seconds; whether ``ready`` has any."""
        if self._taken or self._behind or self.closed:
            return self._has_events()
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        waiting = self._ring.waiting if self._lane is None else self._lane.waiting
        waiting.add(self)
        timer = None if timeout is None else loop.call_later(timeout, self.wake)
        try:
            await waiter
        finally:
            self._waiter = None
            waiting.discard(self)
            if timer is not None:
                timer.cancel()
        return self._has_events()

    def skip(self, position: int) -> None:
        """Take as seen what stands before a count: it is of other namespaces."""
        self._cursor = position

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
        if self._namespace is not None:
            self._ring.leave(self._namespace)
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

    @property
    def _behind(self) -> bool:
        """Whether there are events that this watcher has not fetched, and perhaps wants."""
        return self._cursor < (self._ring.end if self._lane is None else self._lane.newest)

    def _has_events(self) -> bool:
        return not self.closed and (bool(self._taken) or self._behind)

    def _fetch(self, max_bytes: int | None = None) -> list[Event[S]]:
        ring = self._ring
        if self.closed or not self._behind:
            return []
        if self._cursor < ring.first:
            raise Compacted(self._seen, ring.floor)
        events = ring.since(self._cursor)
        if max_bytes is not None and len(events) > 1:
            events = leading(events, max_bytes)
        self._cursor += len(events)
        if self._namespace is None:
            return events
        return [event for event in events if event.record.key.namespace == self._namespace]


def leading(events: list[Event[S]], max_bytes: int) -> list[Event[S]]:
    """The first events, up to the one with which their values have come to so many bytes."""
    size = 0
    for count, event in enumerate(events, 1):
        size += len(event.record.value)
        if size >= max_bytes:
            return events[:count]
    return events
