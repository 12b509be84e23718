"""The objects of a kind, kept in memory and watched over: a store, a reflector and who wants to know.

Versions decide what is news. Resource versions of one kind are numbers that only grow, so:

- a watch event about an object that is held at the same or a later version is passed over;
- an object learnt otherwise, as the answer to a write, is taken (``observe``) if it is newer than
  what is held *and* newer than the watch's position. Up to its position the watch has told
  everything; what it does not hold from before was deleted since;
- a list removes what it does not name, unless that is newer than the list.

A list that is older than the watch's position means that the server lost its history (restored from
a backup, begun anew): then the list is the truth, whatever is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Generic, Literal, TypeVar

import msgspec
import structlog

from echelon.api.meta import LabelSelector
from echelon.kube.client import Client, EventType, Labels
from echelon.kube.kinds import Key, Kind, Name, key_of, version_number
from echelon.kube.metrics import CACHED_OBJECTS
from echelon.kube.reflector import Reflector
from echelon.kube.store import Indexer, Store

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Change(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """What has become of an object. ``initial``: it was there when the cache, or the handler, came."""

    kind: Kind[T]
    old: T | None
    new: T | None
    initial: bool = False

    @property
    def type(self) -> Literal["ADDED", "MODIFIED", "DELETED"]:
        if self.new is None:
            return "DELETED"
        return "ADDED" if self.old is None else "MODIFIED"

    @property
    def object(self) -> T:
        """The object now, or as it was last."""
        found = self.old if self.new is None else self.new
        assert found is not None
        return found


Handler = Callable[[Change[T]], None]


class Informer(Generic[T]):
    """Reads are of the moment and never wait; before ``has_synced`` they do not see everything."""

    def __init__(
        self,
        client: Client,
        kind: Kind[T],
        *,
        namespace: str | None = None,
        labels: Labels = None,
        fields: str = "",
        rng: Random | None = None,
    ) -> None:
        self.kind = kind
        self._namespace = namespace
        self._labels = LabelSelector(match_labels=labels) if isinstance(labels, Mapping) else labels
        self._fields = fields
        self._store: Store[T] = Store()
        self._handlers: list[Handler[T]] = []
        self._position = 0
        self._synced = asyncio.Event()
        self._held = CACHED_OBJECTS.labels(kind.resource.plural)
        self._reflector = Reflector(
            client, kind, self, namespace=namespace, labels=self._labels, fields=fields, rng=rng
        )

    def __repr__(self) -> str:
        return f"Informer({self.kind}, namespace={self._namespace!r}, {len(self._store)} objects)"

    # Reading

    @property
    def has_synced(self) -> bool:
        """Whether everything that the server has was here once."""
        return self._synced.is_set()

    async def wait_for_sync(self) -> None:
        await self._synced.wait()

    def get(self, name: Name) -> T | None:
        return self._store.get(key_of(name))

    def list(self, namespace: str | None = None) -> Sequence[T]:
        """All objects, or those of one namespace, in no particular order."""
        return self._store.list(namespace)

    def by_index(self, index: str, value: str) -> Sequence[T]:
        """The objects that an index has under a value. Raises LookupError for an index that is not there."""
        return self._store.by_index(index, value)

    def add_index(self, name: str, indexer: Indexer[T]) -> None:
        """Keep an index; ``indexer`` gives the values that an object is found under."""
        self._store.add_index(name, indexer)

    def add_handler(self, handler: Handler[T]) -> None:
        """Call ``handler`` with each change from now on, and first with each object there is, as ADDED."""
        self._handlers.append(handler)
        for obj in self._store.list():
            self._tell(handler, Change(self.kind, None, obj, initial=True))

    # Writing

    async def run(self) -> None:
        """Keep up to date until cancelled."""
        try:
            await self._reflector.run()
        finally:
            self._held.dec(len(self._store))  # the objects stay: better to read old ones than none

    def observe(self, obj: T) -> None:
        """Take an object that somebody got as the answer to a write, if it is news here."""
        metadata = self.kind.meta(obj)
        version = version_number(metadata.resource_version)
        if not self.has_synced or self._fields or version <= self._position:
            return
        if self._namespace is not None and metadata.namespace != self._namespace:
            return
        if self._labels is not None and not self._labels.matches(metadata.labels):
            return
        if version > self._version_held((metadata.namespace, metadata.name)):
            self._put((metadata.namespace, metadata.name), obj)

    def replace(self, objects: Sequence[T], resource_version: str) -> None:
        listed_at = version_number(resource_version)
        rewritten = listed_at < self._position
        if rewritten:
            log.warning("the server has lost its history", resource=self.kind.resource.plural, listed_at=listed_at)
        listed = {self.kind.key(obj): obj for obj in objects}
        for key in self._store:
            if key not in listed and (rewritten or self._version_held(key) <= listed_at):
                self._remove(key)
        for key, obj in listed.items():
            if rewritten or self._is_newer(key, obj):
                self._put(key, obj)
        self._position = listed_at
        self._synced.set()

    def changed(self, type_: EventType, obj: T) -> None:
        key = self.kind.key(obj)
        version = version_number(self.kind.meta(obj).resource_version)
        if type_ == "DELETED":
            if self._version_held(key) <= version:
                self._remove(key)
        elif self._is_newer(key, obj):
            self._put(key, obj)
        self._position = max(self._position, version)

    def advanced(self, resource_version: str) -> None:
        self._position = max(self._position, version_number(resource_version))

    def _version_held(self, key: Key) -> int:
        held = self._store.get(key)
        return -1 if held is None else version_number(self.kind.meta(held).resource_version)

    def _is_newer(self, key: Key, obj: T) -> bool:
        return version_number(self.kind.meta(obj).resource_version) > self._version_held(key)

    def _put(self, key: Key, obj: T) -> None:
        held = self._store.get(key)
        if held is not None and self.kind.meta(held).uid != self.kind.meta(obj).uid:
            self._remove(key)  # another object of the same name: handlers are to see that the first is gone
        old = self._store.put(key, obj)
        if old is None:
            self._held.inc()
        self._notify(Change(self.kind, old, obj, initial=not self.has_synced))

    def _remove(self, key: Key) -> None:
        old = self._store.remove(key)
        if old is not None:
            self._held.dec()
            self._notify(Change(self.kind, old, None))

    def _notify(self, change: Change[T]) -> None:
        for handler in self._handlers:
            self._tell(handler, change)

    def _tell(self, handler: Handler[T], change: Change[T]) -> None:
        try:
            handler(change)
        except Exception:
            log.exception(
                "a handler failed", resource=self.kind.resource.plural, object="/".join(self.kind.key(change.object))
            )
