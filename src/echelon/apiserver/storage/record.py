"""The values of the store: keys, records, events and pages.

They are created once for every write and held by the hundred thousand, so they are kept out of the
garbage collector's sight (``gc=False``): a summary must not refer back to its record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec

S = TypeVar("S")
"""The summary of a value: what ``summarize`` makes of its bytes."""

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class Key(NamedTuple):
    """Where a record is. ``namespace`` is empty for what has none. Keys sort by bucket, namespace, name."""

    bucket: str
    namespace: str
    name: str


class Record(msgspec.Struct, Generic[S], frozen=True, gc=False):
    """One state of one object."""

    key: Key
    value: bytes
    revision: int
    created: int
    """The revision that created the object; a later object of the same key has another."""
    summary: S


class Event(msgspec.Struct, Generic[S], eq=False, gc=False):
    """One change. A ``DELETED`` event carries the last state, at the revision of the deletion.

    ``encoded`` belongs to whoever sends events on: the first of many watchers that encodes the
    event leaves the result here for the others.
    """

    type: EventType
    record: Record[S]
    previous: Record[S] | None
    revision: int
    encoded: bytes | None = None


class Page(msgspec.Struct, Generic[S], frozen=True):
    """A part of a list at one revision, and how many records of that list come after it."""

    records: Sequence[Record[S]]
    remaining: int
