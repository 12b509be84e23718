"""Resource snapshots: what a placement selected at one moment, kept under an index.

A snapshot is one master object and, when the selection is too large for one, numbered parts. The
master carries the hash of the whole selection, so that equal content is recognised without reading
it again. An object that no API server would store in a snapshot is refused by name. Pure: the caller
lists, creates and trims.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import orjson

from echelon.api import names
from echelon.placement.selection import BadSelector, Object

# An API server refuses requests beyond about 1.5 MiB; a part leaves room for what is added on the way. An object
# that is larger than a part is one by itself, up to what an API server stores with what surrounds it there.
PART_LIMIT = 800 * 1024
OBJECT_LIMIT = 1_415_578


class SnapshotPart(msgspec.Struct, frozen=True):
    """One object to be stored: the master when ``sub_index`` is None."""

    name: str
    sub_index: int | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    resources: Sequence[Object]


def content_hash(resources: Sequence[Object]) -> str:
    """The hash of a selection: the same objects in the same order give the same text.

    Raises:
        BadSelector: an object is nested too deeply to be written.
    """
    try:
        encoded = orjson.dumps({"selectedResources": resources}, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        for resource in resources:
            _size(resource)  # says which one it is
        raise
    return hashlib.sha256(encoded).hexdigest()


def split(resources: Sequence[Object], limit: int = PART_LIMIT) -> list[list[Object]]:
    """The selection in parts of at most ``limit`` bytes of JSON, in order; a larger object has a part of its own.

    There is always a first part, empty for an empty selection.

    Raises:
        BadSelector: an object is too large for any part.
    """
    parts: list[list[Object]] = [[]]
    size = 0
    for resource in resources:
        length = _size(resource)
        if parts[-1] and size + length > limit:
            parts.append([])
            size = 0
        parts[-1].append(resource)
        size += length
    return parts


def _size(resource: Object) -> int:
    """Bytes of an object as it is stored."""
    try:
        size = len(orjson.dumps(resource))
    except orjson.JSONEncodeError as error:
        raise BadSelector(f"{_name(resource)} cannot be stored in a resource snapshot: {error}") from error
    if size > OBJECT_LIMIT:
        raise BadSelector(
            f"{_name(resource)} has {size} bytes; an object in a resource snapshot has at most {OBJECT_LIMIT} bytes"
        )
    return size


def _name(resource: Object) -> str:
    metadata = resource["metadata"]
    where = "/".join(part for part in (metadata.get("namespace", ""), metadata["name"]) if part)
    return f"{resource['apiVersion']} {resource['kind']} {where}"


def build(placement: str, index: int, resources: Sequence[Object], limit: int = PART_LIMIT) -> Iterator[SnapshotPart]:
    """The objects of a snapshot, master first.

    The master alone is marked as the latest and carries the hash and the number of parts.
    """
    parts = split(resources, limit)
    labels = {names.PARENT_PLACEMENT: placement, names.RESOURCE_INDEX: str(index)}
    envelopes = sum(
        1 for resource in resources if resource.get("kind") in ("ClusterResourceEnvelope", "ResourceEnvelope")
    )
    yield SnapshotPart(
        name=names.resource_snapshot(placement, index),
        sub_index=None,
        labels=labels | {names.IS_LATEST_SNAPSHOT: "true"},
        annotations={
            names.RESOURCE_HASH: content_hash(resources),
            names.NUMBER_OF_SNAPSHOTS: str(len(parts)),
            names.NUMBER_OF_ENVELOPES: str(envelopes),
        },
        resources=parts[0],
    )
    for number, part in enumerate(parts[1:]):
        yield SnapshotPart(
            name=names.resource_snapshot_part(placement, index, number),
            sub_index=number,
            labels=labels,
            annotations={names.SUB_INDEX: str(number)},
            resources=part,
        )
