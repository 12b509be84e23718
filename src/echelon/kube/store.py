"""Objects in memory, by key, namespace and whatever index is asked for.

Indexes are kept up to date with each change, so a lookup costs what it finds. A store knows nothing
of versions or of where objects come from; see ``informer`` for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from echelon.kube.kinds import Key

T = TypeVar("T")
Indexer = Callable[[T], Iterable[str]]


class _Index(Generic[T]):
    def __init__(self, indexer: Indexer[T]) -> None:
        self._values_of = indexer
        self._keys: dict[str, dict[Key, None]] = {}

    def add(self, key: Key, obj: T) -> None:
        for value in self._values_of(obj):
            self._keys.setdefault(value, {})[key] = None

    def discard(self, key: Key, obj: T) -> None:
        for value in self._values_of(obj):
            keys = self._keys.get(value)
            if keys is None:
                continue
            keys.pop(key, None)
            if not keys:
                del self._keys[value]

    def keys(self, value: str) -> Iterable[Key]:
        return self._keys.get(value, ())


class Store(Generic[T]):
    """Objects by key. What it gives are copies, in no particular order; the objects are shared."""

    def __init__(self) -> None:
        self._objects: dict[Key, T] = {}
        self._namespaces: dict[str, dict[Key, None]] = {}
        self._indexes: dict[str, _Index[T]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> T | None:
        return self._objects.get(key)

    def __iter__(self) -> Iterator[Key]:
        return iter([*self._objects])

    def list(self, namespace: str | None = None) -> Sequence[T]:
        """All objects, or those of one namespace."""
        if namespace is None:
            return [*self._objects.values()]
        return [self._objects[key] for key in self._namespaces.get(namespace, ())]

    def by_index(self, name: str, value: str) -> Sequence[T]:
        """The objects that an index has under a value.

        Raises:
            LookupError: there is no index of that name.
        """
        index = self._indexes.get(name)
        if index is None:
            raise LookupError(f"no index {name!r}; there is {', '.join(sorted(self._indexes)) or 'none'}")
        return [self._objects[key] for key in index.keys(value)]

    def add_index(self, name: str, indexer: Indexer[T]) -> None:
        """Keep an index. ``indexer`` gives the values that an object is found under, each once.

        Raises:
            ValueError: the name is taken by another indexer.
        """
        if name in self._indexes:
            raise ValueError(f"there is an index {name!r} already")
        index = _Index(indexer)
        for key, obj in self._objects.items():
            index.add(key, obj)
        self._indexes[name] = index

    def put(self, key: Key, obj: T) -> T | None:
        """Add or replace an object; gives the one that it replaces."""
        old = self._objects.get(key)
        self._objects[key] = obj
        if old is None:
            self._namespaces.setdefault(key[0], {})[key] = None
        for index in self._indexes.values():
            if old is not None:
                index.discard(key, old)
            index.add(key, obj)
        return old

    def remove(self, key: Key) -> T | None:
        """Remove an object; gives it, if it was there."""
        old = self._objects.pop(key, None)
        if old is None:
            return None
        keys = self._namespaces[key[0]]
        del keys[key]
        if not keys:
            del self._namespaces[key[0]]
        for index in self._indexes.values():
            index.discard(key, old)
        return old
