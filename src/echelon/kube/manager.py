"""Runs controllers: first the caches, then, where there is an election, leadership, then the work.

A standby replica has its caches warm. Stopping goes backwards: controllers take no new requests and
finish their passes, those that take longer than ``grace`` seconds are cancelled; then runnables and
caches stop; then the lease is released. Nothing that waits in a queue is lost by that: the next
start derives it again.

Whatever fails that should not (a runnable that raises, leadership lost) stops everything, in order,
and is then raised from ``run``. A ``BaseException`` of a pass ends everything at once, in no order,
like the end of the process that it stands for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import msgspec
import structlog

from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Controller
from echelon.kube.leader import LeaderElector
from echelon.kube.tasks import cancel, failure_of

Run = Callable[[], Awaitable[None]]

GRACE = 10.0

log = structlog.get_logger(__name__)


class _Runnable(msgspec.Struct, frozen=True):
    name: str
    run: Run
    needs_leader: bool


class Manager:
    """The controllers of one process against one API server, with the cache they share.

    ``elector`` needs a client of its own (see ``leader``). Let the manager's client refuse writes
    when leadership is in doubt: ``Client(..., before_write=elector.before_write)``.
    """

    def __init__(
        self,
        client: Client,
        *,
        elector: LeaderElector | None = None,
        grace: float = GRACE,
        rng: Random | None = None,
    ) -> None:
        self.client = client
        self.cache = SharedCache(client, rng=rng)
        self._elector = elector
        self._grace = grace
        self._controllers: list[Controller] = []
        self._runnables: list[_Runnable] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()

    def add(self, *controllers: Controller) -> None:
        """Add controllers; before ``run``."""
        for controller in controllers:
            controller.attach(self.cache)
            self._controllers.append(controller)

    def add_runnable(self, name: str, run: Run, *, needs_leader: bool = True) -> None:
        """Add something to run beside the controllers, until it is cancelled or returns; before ``run``."""
        self._runnables.append(_Runnable(name, run, needs_leader))

    @property
    def ready(self) -> bool:
        """Whether the caches have synced and, if there is an election, this process leads or stands by."""
        return self._ready.is_set()

    async def wait_until_ready(self) -> None:
        await self._ready.wait()

    def stop(self) -> None:
        """Make ``run`` stop everything and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until ``stop``, a failure, or cancellation, which is a stop too."""
        self._spawn("start", self._start)
        abrupt = False
        try:
            await self._stopping.wait()
            if (error := failure_of(self._tasks)) is not None:
                abrupt = not isinstance(error, Exception)
                log.error("stopping because of a failure", error=repr(error))
                raise error
        finally:
            self._ready.clear()
            if not abrupt:
                await self._stop_in_order()
            await cancel(self._tasks)

    async def _start(self) -> None:
        self._spawn("cache", self.cache.run)
        self._spawn_runnables(needs_leader=False)
        await self.cache.wait_for_sync()
        self._ready.set()
        if self._elector is not None:
            self._spawn("leader election", self._elector.run)
            await self._elector.wait_until_leading()
        self._spawn_runnables(needs_leader=True)
        for controller in self._controllers:
            self._spawn(controller.name, controller.run)
        log.info("running", controllers=[controller.name for controller in self._controllers])

    def _spawn_runnables(self, *, needs_leader: bool) -> None:
        for runnable in self._runnables:
            if runnable.needs_leader == needs_leader:
                self._spawn(runnable.name, runnable.run)

    def _spawn(self, name: str, run: Run) -> None:
        async def running() -> None:
            await run()

        task = asyncio.create_task(running(), name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if failure_of([task]) is not None:
            self._stopping.set()

    async def _stop_in_order(self) -> None:
        await cancel(self._tasks[:1])  # it may not have started everything yet
        for controller in self._controllers:
            controller.queue.shut_down()
        try:
            async with asyncio.timeout(self._grace):
                await asyncio.gather(*(controller.queue.join() for controller in self._controllers))
        except TimeoutError:
            log.warning("some reconciles did not end in time", grace=self._grace)
        for task in reversed(self._tasks):
            await cancel([task])
