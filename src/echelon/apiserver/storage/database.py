"""A store: keyspaces in one file, or in memory only.

Opening takes the lock, replays the log into memory and starts the writer. From then on reads are
answered from memory; the file is read again only for history that memory no longer has.

In memory only, a write is durable, as far as that goes, at once; history is what the rings hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic

import msgspec

from echelon.apiserver.storage.backup import copy
from echelon.apiserver.storage.compaction import Compactor
from echelon.apiserver.storage.errors import Closed, StorageError
from echelon.apiserver.storage.keyspace import BucketStats, Keyspace, Limits, StoreStats, Write, publish, record_of
from echelon.apiserver.storage.lock import FileLock
from echelon.apiserver.storage.log import Log, Space, Synchronous, create_folder, read_state
from echelon.apiserver.storage.record import Key, Page, S
from echelon.apiserver.storage.writer import Writer


class Stats(msgspec.Struct, frozen=True):
    """Figures for /metrics. ``rows`` and ``bytes`` are of the file, 0 in memory only."""

    rows: int
    bytes: int
    under_way: int
    keyspaces: dict[str, dict[str, BucketStats]]


class Database(Generic[S]):
    """Open one with ``Database.open``; everything else belongs to one event loop."""

    def __init__(self, summarize: Callable[[bytes], S], limits: Limits, persistent: bool) -> None:
        self.summarize = summarize
        self.limits = limits
        self.persistent = persistent
        self._keyspaces: dict[str, Keyspace[S]] = {}
        self._next_space = 1
        self._closed = False
        self._log: Log | None = None
        self._lock: FileLock | None = None
        self._writer: Writer[S] | None = None

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        summarize: Callable[[bytes], S],
        synchronous: Synchronous = "FULL",
        limits: Limits | None = None,
    ) -> Database[S]:
        """Open the store at ``path``, created when absent, or one in memory only.

        ``summarize`` makes of a value what is wanted often of it; it is called once for each state,
        in any thread, and its result lives as long as the record. Loading takes about 10 us an object
        beyond that, and may be done in a thread.
        Raises ``InUse``, ``NewerFormat``, or ``StorageError`` for what is damaged or no store.
        """
        database = cls(summarize, limits or Limits(), persistent=path is not None)
        if path is not None:
            database._load(path.resolve(), synchronous)
        return database

    def keyspace(self, name: str) -> Keyspace[S]:
        """The keyspace of a name, created when absent. An empty one is not kept in the file."""
        keyspace = self._keyspaces.get(name)
        if keyspace is None:
            if self._closed:
                raise Closed("the store is closed")
            keyspace = self._keyspaces[name] = Keyspace(Space(self._next_space, name), self)
            self._next_space += 1
        return keyspace

    def keyspaces(self) -> list[str]:
        """The names of all keyspaces, sorted."""
        return sorted(self._keyspaces)

    async def drop(self, name: str) -> None:
        """Remove a keyspace with all it holds, after the writes under way. Its watchers end at once.

        The name is free when this returns. When it fails (``StorageError``) the keyspace stays
        closed, and is there again after a restart unless dropping is repeated.
        """
        keyspace = self._keyspaces.get(name)
        if keyspace is None:
            return
        keyspace.close()
        if self._writer is not None:
            await self._writer.drop(keyspace.space)
        if self._keyspaces.get(name) is keyspace:
            del self._keyspaces[name]

    async def backup(self, path: Path) -> None:
        """Write a consistent copy of the store, with everything acknowledged by now, to a file (mode 0600)."""
        if self._log is None:
            raise StorageError("a store in memory only cannot be backed up")
        await asyncio.to_thread(copy, self._log.path, path)

    async def close(self) -> None:
        """Finish the writes under way, end all watchers and close the file. Repeating it is harmless."""
        if self._closed:
            return
        self._closed = True
        for keyspace in self._keyspaces.values():
            keyspace.close()
        if self._writer is not None:
            await self._writer.close()
        if self._lock is not None:
            self._lock.release()

    def stats(self) -> Stats:
        """Figures of the moment."""
        keyspaces = {name: keyspace.stats() for name, keyspace in self._keyspaces.items()}
        if self._log is None or self._writer is None:
            return Stats(0, 0, 0, keyspaces)
        return Stats(self._log.rows, self._log.size(), self._writer.under_way, keyspaces)

    def store_stats(self) -> StoreStats:
        """Figures of the file."""
        if self._log is None or self._writer is None:
            return StoreStats()
        log, writer = self._log, self._writer
        return StoreStats(log.rows, log.size(), log.wal_size(), writer.under_way, writer.batches())

    async def check_writable(self) -> None:
        """Raises ``StorageError`` unless the file can be written to. Seldom asked, it writes; else it remembers."""
        if self._closed:
            raise Closed("the store is closed")
        if self._writer is not None:
            await self._writer.check()

    def commit(self, write: Write[S]) -> None:
        """For buckets: make a write durable."""
        if self._writer is None:
            publish((write,))
        else:
            self._writer.submit(write)

    async def read_state(
        self, space: Space, after: Key, revision: int, namespace: str | None, limit: int | None
    ) -> Page[S]:
        """For buckets: read history from the file."""
        assert self._log is not None
        path = self._log.path

        def read() -> Page[S]:
            rows, remaining = read_state(path, space.id, after, revision, namespace, limit)
            return Page([record_of(row, row.key, self.summarize) for row in rows], remaining)

        return await asyncio.to_thread(read)

    def _load(self, path: Path, synchronous: Synchronous) -> None:
        create_folder(path.parent)
        lock = FileLock(path)
        try:
            log = Log(path, synchronous)
            try:
                self._replay(log)
                self._writer = Writer(log, Compactor(log, self.limits.history), self._abandon)
            except BaseException:
                log.close()
                raise
        except BaseException:
            lock.release()
            raise
        self._log = log
        self._lock = lock

    def _replay(self, log: Log) -> None:
        keyspaces = {space.id: Keyspace(space, self) for space in log.spaces.values()}
        for row in log.replay():
            keyspaces[row.space].load(row)
        for keyspace in keyspaces.values():
            keyspace.loaded()
            self._keyspaces[keyspace.name] = keyspace
        self._next_space = log.next_space()

    def _abandon(self) -> None:
        for keyspace in self._keyspaces.values():
            keyspace.abandon()
