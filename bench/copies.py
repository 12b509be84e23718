"""Makes many placements of one: the way to a hub that is as full as one that has grown for long.

The objects are real. One placement is made by the controllers and the agents of an embedded fleet, until it
is available everywhere. Then, with the hub stopped, everything on it that carries the placement's name is
written again under other names, with identifiers and times of its own, the same members and the hash that its content
has. What the hub finds at its next start it cannot tell from what its controllers would have written. The
members are given to agents elsewhere, who are silent, so the hub alone is what starts.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson

from echelon.api import names
from echelon.api.meta import format_time, parse_time
from echelon.api.snapshot import ClusterResourceSnapshot
from echelon.apiserver import Database, summarize
from echelon.local.naming import HUB, FleetNames
from echelon.placement.snapshot import content_hash

_MOMENT = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_VERSION = re.compile(rb'"resourceVersion":"\d+"')


class _Original(msgspec.Struct, frozen=True):
    """One object of the placement."""

    bucket: str
    namespace: str
    name: str
    value: bytes


async def multiply(path: Path, name: str, copies: Sequence[str]) -> None:
    """Copy a placement, in the database of a hub that is stopped, under each of these names of the same length."""
    database: Database[Any] = Database.open(path, summarize=summarize)
    fleet = FleetNames()
    try:
        for space in database.keyspaces():
            if space != fleet.keyspace(HUB):
                await database.drop(space)
        keyspace = database.keyspace(fleet.keyspace(HUB))
        records = [record for bucket in keyspace.buckets() for record in bucket.list()]
        for record in records:
            if b"simulated://" in record.value:
                moved = record.value.replace(b"simulated://", b"elsewhere://")
                bucket = keyspace.bucket(record.key.bucket)
                await bucket.put(record.key.namespace, record.key.name, _encoder(moved), expected=record.revision)
        originals = [
            _Original(record.key.bucket, record.key.namespace, record.key.name, record.value)
            for record in records
            if name in record.key.name or name in record.key.namespace
        ]
        uids = [orjson.loads(each.value)["metadata"]["uid"] for each in originals]
        for number, other in enumerate(copies, 1):
            given = {uid: _uid(uid, other) for uid in uids} | {name: other}
            writes = []
            for each in originals:
                value = _hashed(_later(_replaced(each.value, given), number), each.bucket)
                space, own = each.namespace.replace(name, other), each.name.replace(name, other)
                writes.append(keyspace.bucket(each.bucket).put(space, own, _encoder(value), expected=0))
            await asyncio.gather(*writes)
    finally:
        await database.close()


def _later(value: bytes, seconds: int) -> bytes:
    """The text with all its moments later by so many seconds: no two placements were made at the same time."""
    pause = timedelta(seconds=seconds)

    def later(found: re.Match[bytes]) -> bytes:
        return format_time(parse_time(found[0].decode()) + pause).encode()

    return _MOMENT.sub(later, value)


def _uid(uid: str, other: str) -> str:
    return str(uuid.UUID(bytes=hashlib.md5(f"{uid}{other}".encode()).digest(), version=4))


def _replaced(value: bytes, given: Mapping[str, str]) -> bytes:
    """The text with what is to be replaced; most identifiers do not occur in it."""
    found = set(_TOKEN.findall(value))
    for text, other in given.items():
        if len(text) != 36 or text.encode() in found:
            value = value.replace(text.encode(), other.encode())
    return value


_TOKEN = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _hashed(value: bytes, bucket: str) -> bytes:
    """A snapshot with the hash of what it holds now."""
    if not bucket.endswith(f"/{ClusterResourceSnapshot.resource.plural}"):
        return value
    snapshot = orjson.loads(value)
    annotations = snapshot["metadata"]["annotations"]
    annotations[names.RESOURCE_HASH] = content_hash(snapshot["spec"]["selectedResources"])
    return orjson.dumps(snapshot)


def _encoder(value: bytes) -> Any:
    return lambda revision: _VERSION.sub(b'"resourceVersion":"%d"' % revision, value, count=1)
