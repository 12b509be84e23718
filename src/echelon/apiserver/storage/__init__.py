"""Storage of the API server: keys, bytes and revisions; nothing of Kubernetes.

A ``Database`` has keyspaces, each the data of one API server with a revision counter of its own; a
``Keyspace`` has buckets, one for each resource; a ``Bucket`` has records, which are listed, written
with compare-and-swap, and watched. What readers and watchers see is durable.
"""

from echelon.apiserver.storage.backup import restore
from echelon.apiserver.storage.database import Database, Stats
from echelon.apiserver.storage.errors import (
    Closed,
    Compacted,
    FutureRevision,
    InUse,
    NewerFormat,
    RevisionMismatch,
    StorageError,
    StorageFull,
)
from echelon.apiserver.storage.keyspace import BatchSizes, Bucket, BucketStats, Keyspace, Limits, StoreStats
from echelon.apiserver.storage.record import Event, EventType, Key, Page, Record
from echelon.apiserver.storage.ring import Watcher

__all__ = [
    "BatchSizes",
    "Bucket",
    "BucketStats",
    "Closed",
    "Compacted",
    "Database",
    "Event",
    "EventType",
    "FutureRevision",
    "InUse",
    "Key",
    "Keyspace",
    "Limits",
    "NewerFormat",
    "Page",
    "Record",
    "RevisionMismatch",
    "Stats",
    "StorageError",
    "StorageFull",
    "StoreStats",
    "Watcher",
    "restore",
]
