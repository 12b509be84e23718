"""One informer for each kind that anybody reads, shared by all controllers of a manager.

An informer is asked for once, before the cache runs or later; then reads are synchronous::

    bindings = cache.informer(ClusterResourceBinding)
    bindings.add_index("placement", lambda binding: [binding.metadata.labels[PLACEMENT]])
    ...
    cache.get(ClusterResourceBinding, "crp-1-member1")
    cache.by_index(ClusterResourceBinding, "placement", "crp-1")

Informers with a label or field selector hold a part of the objects, so they are read by themselves,
not by way of the cache. The cache observes its client: whatever is written with it, the cache holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

from echelon.kube.client import Client, Labels
from echelon.kube.informer import Informer
from echelon.kube.kinds import Kind, KindLike, Name, key_of, kind_of, selector_text
from echelon.kube.tasks import cancel, failure_of

T = TypeVar("T")


class NoInformer(LookupError):
    """A read of a kind that the cache does not hold."""


class SharedCache:
    """The informers of one client."""

    def __init__(self, client: Client, *, rng: Random | None = None) -> None:
        self._client = client
        self._rng = rng
        self._informers: dict[tuple[Kind[Any], str | None, str, str], Informer[Any]] = {}
        self._tasks: dict[Informer[Any], asyncio.Task[None]] = {}
        self._running = False
        self._task_added = asyncio.Event()
        client.observers.append(self._observe)

    def informer(
        self, kind: KindLike[T], *, namespace: str | None = None, labels: Labels = None, fields: str = ""
    ) -> Informer[T]:
        """The informer of a kind, or of a part of it; made, and started if the cache runs, when it is new."""
        found = kind_of(kind)
        key = (found, namespace, selector_text(labels), fields)
        informer: Informer[T] | None = self._informers.get(key)
        if informer is None:
            informer = Informer(self._client, found, namespace=namespace, labels=labels, fields=fields, rng=self._rng)
            self._informers[key] = informer
            if self._running:
                self._start(informer)
        return informer

    async def drop(self, informer: Informer[Any]) -> None:
        """Stop an informer that nobody needs any more; its handlers hear nothing of it."""
        self._informers = {key: held for key, held in self._informers.items() if held is not informer}
        if task := self._tasks.pop(informer, None):
            await cancel([task])

    # Reading

    def get(self, kind: KindLike[T], name: Name) -> T | None:
        """An object, or None."""
        key = key_of(name)
        return self._whole(kind, key[0] or None).get(key)

    def list(self, kind: KindLike[T], namespace: str | None = None) -> Sequence[T]:
        """All objects of a kind, or those of one namespace, in no particular order."""
        return self._whole(kind, namespace).list(namespace)

    def by_index(self, kind: KindLike[T], index: str, value: str) -> Sequence[T]:
        """The objects that an index of the kind's informer has under a value."""
        return self._whole(kind, None).by_index(index, value)

    def _whole(self, kind: KindLike[T], namespace: str | None) -> Informer[T]:
        """The informer that holds all objects of a kind, or all of a namespace."""
        found = kind_of(kind)
        informer = self._informers.get((found, None, "", "")) or self._informers.get((found, namespace, "", ""))
        if informer is None:
            where = f" in namespace {namespace}" if namespace else ""
            raise NoInformer(f"nothing holds all {found.resource.plural}{where}: ask for an informer of it first")
        return informer

    # Running

    @property
    def has_synced(self) -> bool:
        """Whether all informers have."""
        return all(informer.has_synced for informer in self._informers.values())

    async def wait_for_sync(self) -> None:
        """Wait for the informers there are now."""
        for informer in list(self._informers.values()):
            await informer.wait_for_sync()

    async def run(self) -> None:
        """Run all informers, also those to come, until cancelled."""
        self._running = True
        try:
            for informer in self._informers.values():
                self._start(informer)
            while True:
                self._task_added.clear()
                added = asyncio.ensure_future(self._task_added.wait())
                try:
                    await asyncio.wait({added, *self._tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    added.cancel()
                if (error := failure_of(self._tasks.values())) is not None:
                    raise error
        finally:
            self._running = False
            await cancel(self._tasks.values())
            self._tasks.clear()

    def _start(self, informer: Informer[Any]) -> None:
        self._tasks[informer] = asyncio.create_task(informer.run(), name=repr(informer))
        self._task_added.set()

    def _observe(self, kind: Kind[T], obj: T) -> None:
        for (held, *_), informer in self._informers.items():
            if held == kind:
                informer.observe(obj)
