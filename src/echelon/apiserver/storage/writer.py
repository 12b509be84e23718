"""The thread that writes: one for a database, with group commit.

Writes are queued by the event loop and taken by the thread as many as there are, up to a bound;
they become one transaction with one fsync, whichever keyspaces they belong to. The batch is then
handed back to the loop in one call. So a lone writer waits for one fsync, and many share it.

When a batch fails, so does everything queued behind it up to the moment the loop has heard of it,
because those writes may build on failed ones. Each write carries the ``generation`` in which it
was queued; the loop starts a new one when it is told of the failure, and the thread passes over
what is left of the old one.

Between two batches the thread does one step of compaction, so no write waits longer than that.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVarTuple, Unpack

import structlog

from echelon.apiserver.storage.compaction import Compactor
from echelon.apiserver.storage.errors import StorageError
from echelon.apiserver.storage.keyspace import BatchSizes, Write, finish, publish
from echelon.apiserver.storage.log import Log, Row, Space
from echelon.apiserver.storage.record import S

BATCH_WRITES = 512
BATCH_BYTES = 8 * 1024 * 1024

TRUSTED, DOUBTED = 5.0, 1.0
"""How long it stands, in seconds, that the last write went well, or that it failed."""

_NO_BATCHES = BatchSizes()

Ts = TypeVarTuple("Ts")

logger = structlog.get_logger(__name__)


class Task:
    """Something else for the thread to do, in its turn among the writes."""

    __slots__ = ("future", "last", "run")

    def __init__(self, run: Callable[[], None], future: asyncio.Future[None], last: bool) -> None:
        self.run = run
        self.future = future
        self.last = last


class Writer(Generic[S]):
    """Owns the log and the thread. Its public methods belong to the event loop's thread.

    ``abandon`` is called after a failure, before the writers are told: it resets the state in
    memory to what is durable.
    """

    def __init__(self, log: Log, compactor: Compactor, abandon: Callable[[], None]) -> None:
        self._log = log
        self._compactor = compactor
        self._abandon = abandon
        self._queue: SimpleQueue[Write[S] | Task] = SimpleQueue()
        self._under_way: deque[Write[S]] = deque()
        self._generation = 1
        self._failed_generation = 0  # the thread's
        self._batch_counts = list(_NO_BATCHES.counts)  # the thread's
        self._written = 0  # the thread's
        self._outcome: tuple[float, StorageError | None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name=f"store {log.path.name}", daemon=True)
        self._thread.start()

    @property
    def under_way(self) -> int:
        """How many writes wait to become durable."""
        return len(self._under_way)

    def submit(self, write: Write[S]) -> None:
        """Queue a write."""
        write.generation = self._generation
        self._under_way.append(write)
        self._queue.put(write)

    def batches(self) -> BatchSizes:
        """How many commits there were of each size."""
        return BatchSizes(counts=tuple(self._batch_counts), writes=self._written)

    async def check(self) -> None:
        """Raises ``StorageError`` unless the file can be written to, by the last write or by one for this purpose."""
        loop = asyncio.get_running_loop()
        if self._outcome is not None:
            moment, error = self._outcome
            if loop.time() - moment < (TRUSTED if error is None else DOUBTED):
                if error is not None:
                    raise type(error)(*error.args)
                return
        if self._checking is None or self._checking.done():
            self._checking = loop.create_task(self._perform(self._log.touch))
        try:
            await asyncio.shield(self._checking)
        except StorageError as failure:
            self._outcome = (loop.time(), failure)
            raise
        self._outcome = (loop.time(), None)

    async def drop(self, space: Space) -> None:
        """Drop a keyspace, durably; its rows are removed later."""

        def forget() -> None:
            if space.id in self._log.spaces:
                self._log.forget(space.id)
                self._compactor.dropped(space.id)

        await self._perform(forget)

    async def close(self) -> None:
        """Finish what is queued, close the file and end the thread."""
        await self._perform(self._log.close, last=True)
        self._thread.join()

    async def _perform(self, run: Callable[[], None], last: bool = False) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(Task(run, future, last))
        await future

    def _settle(self, count: int) -> None:
        """On the loop: the oldest ``count`` writes are durable."""
        self._outcome = (asyncio.get_running_loop().time(), None)
        publish([self._under_way.popleft() for _ in range(count)])

    def _fail(self, error: StorageError) -> None:
        """On the loop: the oldest writes failed, and with them all that are under way."""
        self._generation += 1
        self._outcome = (asyncio.get_running_loop().time(), error)
        self._abandon()
        failed = list(self._under_way)
        self._under_way.clear()
        for write in failed:
            own = type(error)(*error.args)  # one each, since raising adds a traceback
            own.__cause__ = error.__cause__
            finish(write.future, own)
        logger.error("writes to the store failed", error=str(error), writes=len(failed))

    def _run(self) -> None:
        """The thread."""
        task: Task | None = None
        while task is None or not task.last:
            writes, task = self._take(wait=not self._compactor.due)
            if writes:
                self._commit(writes)
            if task is not None:
                self._run_task(task)
            else:
                self._compactor.step()

    def _take(self, wait: bool) -> tuple[list[Write[S]], Task | None]:
        """The next writes, up to the bounds of a batch, and the task behind them, if one was met."""
        writes: list[Write[S]] = []
        size = 0
        try:
            while len(writes) < BATCH_WRITES and size < BATCH_BYTES:
                item = self._queue.get(block=wait and not writes)
                if isinstance(item, Task):
                    return writes, item
                if item.generation != self._failed_generation:
                    writes.append(item)
                    size += len(item.record.value)
        except Empty:
            pass
        return writes, None

    def _commit(self, writes: list[Write[S]]) -> None:
        rows: list[Row] = []
        new_spaces: dict[int, Space] = {}
        for write in writes:
            space = write.bucket.keyspace.space
            if space.id not in self._log.spaces:
                new_spaces[space.id] = space
            rows.append(write.row())
        try:
            self._log.append(rows, list(new_spaces.values()))
        except Exception as error:
            # Whatever it is, the writers must hear of it and the thread must live; so the log, which may
            # be on the same full disk, is left to the loop.
            self._failed_generation = writes[-1].generation
            failure = error if isinstance(error, StorageError) else StorageError(f"{self._log.path}: {error!r}")
            post(writes[-1].future, self._fail, failure)
        else:
            self._batch_counts[bisect_left(_NO_BATCHES.bounds, len(writes))] += 1
            self._written += len(writes)
            post(writes[-1].future, self._settle, len(writes))
            self._compactor.wrote({write.bucket.keyspace.space for write in writes})

    def _run_task(self, task: Task) -> None:
        try:
            task.run()
        except Exception as error:
            failure = error if isinstance(error, StorageError) else StorageError(f"{self._log.path}: {error!r}")
            post(task.future, finish, task.future, failure)
        else:
            post(task.future, finish, task.future)


def post(future: asyncio.Future[None], call: Callable[[Unpack[Ts]], None], *arguments: *Ts) -> None:
    """Have the loop of a future call something. Nobody is left to hear of it once that loop is closed."""
    with contextlib.suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(call, *arguments)
