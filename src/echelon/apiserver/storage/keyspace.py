"""Keyspaces and buckets: the state in memory, as readers and as writers see it.

A bucket holds the durable records in a dict and their keys in a sorted list. Writes under way are
laid over them: a writer compares with the newest state of all (``latest``), so that two writers
that saw the same record cannot both replace it, while readers, lists and watches know a write only
once it is durable. When writes fail, all that are under way in the database fail together, since a
later one may build on an earlier one; the overlay and the revisions they took are given up as if
they had never been.

Revisions are given out when a write starts and become durable in the same order, so a keyspace's
``revision`` only moves forward, and everything up to it is visible.

Everything here runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections.abc import Awaitable, Callable, Iterable, Sequence
from heapq import merge
from sys import intern
from typing import Generic, Protocol

import msgspec

from echelon.apiserver.storage.errors import Closed, Compacted, FutureRevision, RevisionMismatch, StorageError
from echelon.apiserver.storage.log import Row, Space
from echelon.apiserver.storage.record import Event, EventType, Key, Page, Record, S
from echelon.apiserver.storage.ring import Ring, Watcher


class Limits(msgspec.Struct, frozen=True):
    """How much history is kept: revisions of each keyspace in the file, events of each bucket in memory."""

    history: int = 10_000
    ring_events: int = 4096
    ring_bytes: int = 16 * 1024 * 1024


class BucketStats(msgspec.Struct, frozen=True):
    """What a bucket holds."""

    objects: int
    ring_events: int
    ring_bytes: int
    watchers: int


class BatchSizes(msgspec.Struct, frozen=True):
    """How many commits there were of so many writes: one count for each bound, and one beyond the last."""

    bounds: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    counts: tuple[int, ...] = (0,) * 11
    writes: int = 0


class StoreStats(msgspec.Struct, frozen=True):
    """Figures of the file that keyspaces share; all 0 in memory only. ``bytes`` include those of the WAL."""

    rows: int = 0
    bytes: int = 0
    wal_bytes: int = 0
    under_way: int = 0
    batches: BatchSizes = BatchSizes()


class Write(Generic[S]):
    """A write under way. Its future ends once it is durable and visible, or has failed."""

    __slots__ = ("bucket", "deleted", "future", "generation", "record")

    def __init__(self, bucket: Bucket[S], record: Record[S], deleted: bool) -> None:
        self.bucket = bucket
        self.record = record
        self.deleted = deleted
        self.generation = 0
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def row(self) -> Row:
        record = self.record
        bucket, namespace, name = record.key
        space = self.bucket.keyspace.space.id
        return Row(space, record.revision, bucket, namespace, name, self.deleted, record.created, record.value)


class Backend(Protocol[S]):
    """What a keyspace needs of its database."""

    limits: Limits
    persistent: bool
    summarize: Callable[[bytes], S]

    def commit(self, write: Write[S]) -> None:
        """Begin to make a write durable, then ``publish`` it."""

    def store_stats(self) -> StoreStats:
        """Figures of the file."""

    def check_writable(self) -> Awaitable[None]:
        """Raises ``StorageError`` unless the file can be written to."""

    def read_state(
        self, space: Space, after: Key, revision: int, namespace: str | None, limit: int | None
    ) -> Awaitable[Page[S]]:
        """Read what memory no longer has, behind the key ``after``. Raises ``Compacted`` where the file has not either.

        Not called when nothing is ``persistent``.
        """


class Bucket(Generic[S]):
    """The records of one resource."""

    def __init__(self, keyspace: Keyspace[S], name: str, limits: Limits) -> None:
        self.keyspace = keyspace
        self.name = name
        self.ring: Ring[S] = Ring(keyspace.floor, limits.ring_events, limits.ring_bytes)
        self._records: dict[tuple[str, str, str], Record[S]] = {}
        self._keys: list[Key] = []
        self._pending: dict[tuple[str, str, str], Write[S]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, namespace: str, name: str) -> Record[S] | None:
        """The durable record: what readers see."""
        return self._records.get((self.name, namespace, name))

    def latest(self, namespace: str, name: str) -> Record[S] | None:
        """The record with the writes under way applied: what a writer builds on."""
        key = (self.name, namespace, name)
        write = self._pending.get(key)
        if write is None:
            return self._records.get(key)
        return None if write.deleted else write.record

    def list(self, namespace: str | None = None) -> Sequence[Record[S]]:
        """The durable records, of all namespaces or of one, sorted by namespace and name."""
        records = self._records
        if namespace is None:
            return [records[key] for key in self._keys]
        low, high = self._range(*self._bounds(namespace, None))
        return [records[key] for key in self._keys[low:high]]

    async def list_at(
        self,
        revision: int,
        namespace: str | None = None,
        *,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> Page[S]:
        """What ``list`` gave at a revision, behind the key ``after`` (namespace, name), ``limit`` records at most.

        Recent revisions are answered from memory, older ones from the file. Raises ``Compacted``
        when the revision is kept in neither, ``FutureRevision`` when it is not reached yet.
        """
        if revision > self.keyspace.revision:
            raise FutureRevision(revision, self.keyspace.revision)
        if revision >= self.ring.floor:
            return self._list_from_memory(revision, namespace, after, limit)
        if not self.keyspace.persistent:
            raise Compacted(revision, self.ring.floor)
        return await self.keyspace.read_state(self.name, revision, namespace, after, limit)

    async def put(self, namespace: str, name: str, encode: Callable[[int], bytes], *, expected: int) -> Record[S]:
        """Create or replace a record; it is durable when this returns.

        ``expected`` is the revision of the record to be replaced, 0 when there must be none; else
        ``RevisionMismatch`` is raised at once. ``encode`` is given the new revision and returns the
        value. Raises ``StorageError`` when the write fails: nothing was stored then. A cancelled
        write may or may not happen.
        """
        previous = self._check(namespace, name, expected)
        revision = self.keyspace.next_revision
        value = encode(revision)
        created = revision if previous is None else previous.created
        key = Key(self.name, namespace, name) if previous is None else previous.key
        record = Record(key, value, revision, created, self.keyspace.summarize(value))
        return await self._write(Write(self, record, deleted=False))

    async def delete(
        self, namespace: str, name: str, encode_last: Callable[[int], bytes], *, expected: int
    ) -> Record[S]:
        """Delete the record at revision ``expected``; the deletion is durable when this returns.

        ``encode_last`` is given the deletion's revision and returns the last state, for the event.
        Errors are those of ``put``; deleting what does not exist is a ``RevisionMismatch``.
        """
        previous = self._check(namespace, name, expected)
        if previous is None:
            raise RevisionMismatch(Key(self.name, namespace, name), expected, 0)
        revision = self.keyspace.next_revision
        value = encode_last(revision)
        record = Record(previous.key, value, revision, previous.created, self.keyspace.summarize(value))
        return await self._write(Write(self, record, deleted=True))

    def watch(self, after: int, namespace: str | None = None) -> Watcher[S]:
        """Watch the events with a revision above ``after``, of all namespaces or of one.

        Raises ``Compacted`` when memory no longer has them all, ``FutureRevision`` when ``after``
        is not reached yet.
        """
        keyspace = self.keyspace
        keyspace.check_open()
        if after > keyspace.revision:
            raise FutureRevision(after, keyspace.revision)
        return Watcher(self.ring, after, lambda: keyspace.revision, namespace)

    def stats(self) -> BucketStats:
        return BucketStats(len(self._records), len(self.ring), self.ring.bytes, len(self.ring.watchers))

    def settle(self, write: Write[S]) -> None:
        """Make a write visible that has become durable. The caller wakes the ring's watchers."""
        record = write.record
        key = record.key
        if self._pending.get(key) is write:
            del self._pending[key]
        previous = self._records.get(key)
        if write.deleted:
            del self._keys[bisect_left(self._keys, key)]
        elif previous is None:
            insort(self._keys, key)
        self._replace(record, previous, write.deleted)
        self.ring.append(event_of(record, previous, write.deleted))

    def replay(self, record: Record[S], deleted: bool) -> None:
        """Take over the next state from the log. The caller calls ``replayed`` after the last one."""
        previous = self._records.get(record.key)
        self._replace(record, previous, deleted)
        if record.revision > self.keyspace.floor:
            self.ring.append(event_of(record, previous, deleted))

    def replayed(self) -> None:
        self._keys = sorted(record.key for record in self._records.values())

    def abandon(self) -> None:
        """Give up the writes under way."""
        self._pending.clear()

    def _check(self, namespace: str, name: str, expected: int) -> Record[S] | None:
        self.keyspace.check_open()
        previous = self.latest(namespace, name)
        found = 0 if previous is None else previous.revision
        if found != expected:
            raise RevisionMismatch(Key(self.name, namespace, name), expected, found)
        return previous

    def _replace(self, record: Record[S], previous: Record[S] | None, deleted: bool) -> None:
        if not deleted:
            self._records[record.key] = record
        elif previous is not None:
            del self._records[record.key]

    async def _write(self, write: Write[S]) -> Record[S]:
        self._pending[write.record.key] = write
        self.keyspace.next_revision = write.record.revision + 1
        self.keyspace.commit(write)
        await write.future
        return write.record

    def _bounds(self, namespace: str | None, after: tuple[str, str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Tuples that enclose, exclusively, the keys behind ``after`` in a namespace or in all."""
        low: tuple[str, ...] = (self.name, namespace or "")
        if after is not None:
            low = max(low, (self.name, *after))
        high = (self.name + "\0",) if namespace is None else (self.name, namespace + "\0")
        return low, high

    def _range(self, low: tuple[str, ...], high: tuple[str, ...]) -> tuple[int, int]:
        return bisect_right(self._keys, low), bisect_left(self._keys, high)

    def _list_from_memory(
        self, revision: int, namespace: str | None, after: tuple[str, str] | None, limit: int | None
    ) -> Page[S]:
        """Take the current list and undo what happened since."""
        low, high = self._bounds(namespace, after)
        start, end = self._range(low, high)
        then: dict[Key, Record[S] | None] = {}
        for event in self.ring.since(self.ring.position(revision)):
            then.setdefault(event.record.key, event.previous)
        inside = {key: record for key, record in then.items() if low < key < high}
        added = sum(1 for key, record in inside.items() if record is None and key in self._records)
        removed = sorted(key for key, record in inside.items() if record is not None and key not in self._records)
        total = end - start + len(removed) - added
        count = total if limit is None else min(limit, total)
        records: list[Record[S]] = []
        for key in merge(self._keys[start : min(end, start + count + added)], removed):
            if len(records) == count:
                break
            record = inside[key] if key in inside else self._records[key]
            if record is not None:
                records.append(record)
        return Page(records, total - count)


class Keyspace(Generic[S]):
    """Buckets that share a revision counter: all the data of one API server."""

    def __init__(self, space: Space, backend: Backend[S]) -> None:
        self.space = space
        self.name = space.name
        self.floor = space.compacted
        """History up to here was gone when the keyspace was opened."""
        self.revision = space.compacted
        """The newest durable revision; 0 before the first write."""
        self.next_revision = self.revision + 1
        self.summarize = backend.summarize
        self.commit = backend.commit
        self.persistent = backend.persistent
        self.store_stats = backend.store_stats
        self.check_writable = backend.check_writable
        self._backend = backend
        self._buckets: dict[str, Bucket[S]] = {}
        self._open = True

    def bucket(self, name: str) -> Bucket[S]:
        """The bucket of a name; an empty one when nothing was stored under it."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self, name, self._backend.limits)
        return bucket

    def buckets(self) -> Iterable[Bucket[S]]:
        """All buckets asked for or stored so far, empty ones included."""
        return list(self._buckets.values())

    def stats(self) -> dict[str, BucketStats]:
        """What each bucket holds, by its name."""
        return {bucket.name: bucket.stats() for bucket in self._buckets.values()}

    def load(self, row: Row) -> None:
        """Take over the next row of the log. The caller calls ``loaded`` after the last one."""
        bucket = self.bucket(row.bucket)
        previous = bucket.get(row.namespace, row.name)
        key = Key(bucket.name, intern(row.namespace), row.name) if previous is None else previous.key
        bucket.replay(record_of(row, key, self.summarize), row.deleted)
        self.revision = max(self.revision, row.revision)  # rows may all lie below the mark
        self.next_revision = self.revision + 1

    def loaded(self) -> None:
        for bucket in self._buckets.values():
            bucket.replayed()

    async def read_state(
        self, bucket: str, revision: int, namespace: str | None, after: tuple[str, str] | None, limit: int | None
    ) -> Page[S]:
        """Read a bucket's state at a revision from the file."""
        self.check_open()
        start = max((namespace or "", ""), after or ("", ""))
        return await self._backend.read_state(self.space, Key(bucket, *start), revision, namespace, limit)

    def check_open(self) -> None:
        if not self._open:
            raise Closed(f"keyspace {self.name} is closed")

    def abandon(self) -> None:
        """Give up the writes under way; none of them became durable."""
        self.next_revision = self.revision + 1
        for bucket in self._buckets.values():
            bucket.abandon()

    def close(self) -> None:
        """Refuse writes and watches from now on. What is in memory can still be read."""
        self._open = False
        for bucket in self._buckets.values():
            bucket.ring.close()


def record_of(row: Row, key: Key, summarize: Callable[[bytes], S]) -> Record[S]:
    return Record(key, row.value, row.revision, row.created, summarize(row.value))


def event_of(record: Record[S], previous: Record[S] | None, deleted: bool) -> Event[S]:
    type: EventType = "DELETED" if deleted else "ADDED" if previous is None else "MODIFIED"
    return Event(type, record, previous, record.revision)


def publish(writes: Sequence[Write[S]]) -> None:
    """Make durable writes visible, in their order, then wake watchers and writers."""
    rings: set[Ring[S]] = set()
    for write in writes:
        bucket = write.bucket
        bucket.settle(write)
        bucket.keyspace.revision = write.record.revision
        rings.add(bucket.ring)
    for ring in rings:
        ring.wake()
    for write in writes:
        finish(write.future)


def finish(future: asyncio.Future[None], error: StorageError | None = None) -> None:
    """End a future, unless who waited for it has gone."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
