"""What can go wrong in the store, as types with the fields a caller needs."""

from __future__ import annotations

from pathlib import Path

from echelon.apiserver.storage.record import Key


class StorageError(Exception):
    """The store could not do what was asked. On a write: nothing was stored, and a later write may work again."""


class StorageFull(StorageError):
    """The disk, or the quota of its user, is full."""


class Closed(StorageError):
    """The database was closed, or the keyspace dropped."""


class InUse(StorageError):
    """Another process, or this one, has the file open."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is in use by another server: stop it, or choose another file")
        self.path = path


class NewerFormat(StorageError):
    """The file was written by a newer release."""

    def __init__(self, path: Path, found: int, supported: int) -> None:
        super().__init__(
            f"{path} has format {found}, this release reads formats up to {supported}: use a newer release"
        )
        self.path = path
        self.found = found
        self.supported = supported


class RevisionMismatch(Exception):
    """A write expected another state than the newest one. ``found`` is 0 when there is no such record."""

    def __init__(self, key: Key, expected: int, found: int) -> None:
        super().__init__(f"{key} is at revision {found}, not {expected}")
        self.key = key
        self.expected = expected
        self.found = found


class Compacted(Exception):
    """History from ``requested`` on is no longer kept; it begins at ``oldest``."""

    def __init__(self, requested: int, oldest: int) -> None:
        super().__init__(f"history begins at revision {oldest}, {requested} was asked for")
        self.requested = requested
        self.oldest = oldest


class FutureRevision(Exception):
    """``requested`` has not been reached: the keyspace is at ``current``."""

    def __init__(self, requested: int, current: int) -> None:
        super().__init__(f"revision {requested} is in the future, the newest is {current}")
        self.requested = requested
        self.current = current
