"""Controllers: from changes of objects to calls of a reconcile function.

Sources turn changes into requests: ``For`` the changed object itself, ``Owns`` its controlling owner,
``Watches`` whatever a function makes of it (of both the old and the new object, so that the one that
is no longer concerned hears of it too). Requests go through a work queue, so that a burst of changes
is one pass, to workers. Requests found when a cache first fills have low priority: what users do
meanwhile goes before.

Failure policy: whatever a pass raises ends that pass only. It is logged in a line (with a traceback
if it is neither an ``ApiError`` nor ``Foreseen``), counted, and the request comes back with back-off; after a
``TerminalError`` it does not. ``BaseException`` is for the process, not for the controller: it ends
the controller, and by it the manager.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from echelon.api.meta import OwnerReference
from echelon.kube.backoff import Backoff
from echelon.kube.cache import SharedCache
from echelon.kube.client import Labels
from echelon.kube.errors import ApiError
from echelon.kube.informer import Change
from echelon.kube.kinds import Key, KindLike, kind_of
from echelon.kube.metrics import QUEUE_DEPTH, RECONCILE_SECONDS, RECONCILES
from echelon.kube.queue import BACKOFF, LOW, NORMAL, ShutDown, WorkQueue
from echelon.kube.tasks import cancel, failure_of

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Request(msgspec.Struct, frozen=True, order=True, gc=False):
    """What to reconcile: an object by name, not what happened to it."""

    namespace: str
    name: str

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Result(msgspec.Struct, frozen=True):
    """How a pass went well. ``requeue_after``: look again in so many seconds, for what time brings about."""

    requeue_after: float | None = None


class Foreseen(Exception):
    """A failure that belongs to the work and is tried again, such as an object that is refused: one line in the log."""


class TerminalError(Exception):
    """A failure that trying again does not mend; the object has to change first."""


Reconcile = Callable[[Request], Awaitable[Result | None]]
Predicate = Callable[[Change[Any]], bool]
Enqueue = Callable[[Request, int], None]


# Predicates: which changes matter. Those that compare let additions and deletions pass.


def generation_changed(change: Change[Any]) -> bool:
    """The spec has changed or deletion has begun; not the status, nor labels and annotations."""
    return _differs(change, "generation") or _differs(change, "deletion_timestamp")


def labels_changed(change: Change[Any]) -> bool:
    return _differs(change, "labels")


def annotations_changed(change: Change[Any]) -> bool:
    return _differs(change, "annotations")


def any_of(*predicates: Predicate) -> Predicate:
    """Changes that one of the predicates lets pass."""
    return lambda change: any(predicate(change) for predicate in predicates)


def _differs(change: Change[Any], field: str) -> bool:
    if change.old is None or change.new is None:
        return True
    old, new = change.kind.meta(change.old), change.kind.meta(change.new)
    return bool(getattr(old, field) != getattr(new, field))


class Source(Protocol):
    """Where requests come from."""

    def attach(self, cache: SharedCache, enqueue: Enqueue) -> None:
        """Enqueue requests from now on."""


class Watches:
    """The requests that ``map_`` makes of each changed object that all predicates let pass."""

    def __init__(
        self,
        kind: KindLike[T],
        map_: Callable[[T], Iterable[Request]],
        *predicates: Predicate,
        namespace: str | None = None,
        labels: Labels = None,
    ) -> None:
        self._kind = kind_of(kind)
        self._map: Callable[[Any], Iterable[Request]] = map_
        self._predicates = predicates
        self._namespace = namespace
        self._labels = labels

    def attach(self, cache: SharedCache, enqueue: Enqueue) -> None:
        def handle(change: Change[Any]) -> None:
            if all(predicate(change) for predicate in self._predicates):
                for obj in (change.old, change.new):
                    if obj is not None:
                        for request in self._map(obj):
                            enqueue(request, LOW if change.initial else NORMAL)

        cache.informer(self._kind, namespace=self._namespace, labels=self._labels).add_handler(handle)


class For:
    """A request for each changed object of a kind."""

    def __init__(
        self, kind: KindLike[Any], *predicates: Predicate, namespace: str | None = None, labels: Labels = None
    ) -> None:
        found = kind_of(kind)
        self._source = Watches(
            found, lambda obj: [Request(*found.key(obj))], *predicates, namespace=namespace, labels=labels
        )

    def attach(self, cache: SharedCache, enqueue: Enqueue) -> None:
        self._source.attach(cache, enqueue)


class Owns:
    """A request for the object of kind ``owner`` that controls a changed object."""

    def __init__(
        self,
        kind: KindLike[Any],
        *predicates: Predicate,
        owner: KindLike[Any],
        namespace: str | None = None,
        labels: Labels = None,
    ) -> None:
        found, owning = kind_of(kind), kind_of(owner).resource

        def is_owner(reference: OwnerReference) -> bool:
            group, _, _ = reference.api_version.rpartition("/")
            return reference.controller and reference.kind == owning.kind and group == owning.group

        def owners(obj: Any) -> Iterable[Request]:
            metadata = found.meta(obj)
            namespace_of_owner = metadata.namespace if owning.namespaced else ""
            return [
                Request(namespace_of_owner, reference.name)
                for reference in metadata.owner_references
                if is_owner(reference)
            ]

        self._source = Watches(found, owners, *predicates, namespace=namespace, labels=labels)

    def attach(self, cache: SharedCache, enqueue: Enqueue) -> None:
        self._source.attach(cache, enqueue)


class Controller:
    """Reconciles what its sources name, ``workers`` at a time.

    ``coalesce`` holds requests back for so many seconds, to make one pass of a burst; ``timeout``
    ends a pass that takes longer, as a failure.
    """

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        *sources: Source,
        workers: int = 1,
        backoff: Backoff = BACKOFF,
        coalesce: float = 0.0,
        timeout: float | None = None,
    ) -> None:
        self.name = name
        self.sources: Sequence[Source] = sources
        self.queue: WorkQueue[Request] = WorkQueue(backoff=backoff, on_depth=QUEUE_DEPTH.labels(name).inc)
        self._reconcile = reconcile
        self._workers = workers
        self._coalesce = coalesce
        self._timeout = timeout
        self._seconds = RECONCILE_SECONDS.labels(name)
        self._results = {result: RECONCILES.labels(name, result) for result in ("success", "error", "terminal")}

    def attach(self, cache: SharedCache) -> None:
        """Begin to collect requests; the manager does this."""
        for source in self.sources:
            source.attach(cache, self.enqueue)

    def enqueue(self, request: Request, priority: int = NORMAL) -> None:
        """Have a request reconciled; for sources that are no watch."""
        self.queue.add_after(request, self._coalesce, priority)

    async def run(self) -> None:
        """Reconcile until the queue is shut down, or a pass raises a BaseException."""
        workers = [asyncio.create_task(self._work(), name=f"{self.name}-{n}") for n in range(self._workers)]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await cancel(workers)
        if (error := failure_of(workers)) is not None:
            raise error

    async def _work(self) -> None:
        while True:
            try:
                request = await self.queue.get()
            except ShutDown:
                return
            try:
                await self._process(request)
            finally:
                self.queue.done(request)

    async def _process(self, request: Request) -> None:
        """One pass, and what follows from its end."""
        with structlog.contextvars.bound_contextvars(controller=self.name, request=str(request)), self._seconds.time():
            try:
                async with asyncio.timeout(self._timeout):
                    result = await self._reconcile(request)
            except TerminalError as error:
                self.queue.forget(request)
                self._results["terminal"].inc()
                log.error("reconcile failed for good", error=str(error))
            except Exception as error:
                self._results["error"].inc()
                self._retry(request, error)
            else:
                self.queue.forget(request)
                self._results["success"].inc()
                if result is not None and result.requeue_after is not None:
                    self.queue.add_after(request, result.requeue_after)

    def _retry(self, request: Request, error: Exception) -> None:
        known = isinstance(error, ApiError | Foreseen)
        wait = error.retry_after if isinstance(error, ApiError) else None
        delay = self.queue.add_failed(request, wait or 0.0)
        log.warning(
            "reconcile failed",
            error=str(error) or type(error).__name__,
            reason=error.reason if isinstance(error, ApiError) else type(error).__name__,
            retry_in=round(delay, 3),
            exc_info=None if known else error,
        )
