"""Stored bytes into answer bytes, without decoding them where that can be avoided.

A stored object always begins with ``{"apiVersion":…,"kind":…,"metadata":…``, in this order and
without spaces. So another version is another beginning, and lists and watch events are made by
putting stored bytes side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from echelon.apiserver.definitions import Object
from echelon.apiserver.negotiate import Form
from echelon.apiserver.registry import Served
from echelon.apiserver.table import table


@lru_cache(maxsize=4096)
def head(api_version: str, kind: str) -> bytes:
    """How the stored bytes of a kind begin."""
    return f'{{"apiVersion":"{api_version}","kind":"{kind}",'.encode()


def as_version(value: bytes, served: Served) -> bytes:
    """A stored object as it is served at a version, whichever version it was stored at."""
    if served.version.conversion is not None:
        return orjson.dumps(served.read(orjson.loads(value)))
    wanted = head(served.api_version, served.definition.kind)
    return value if value.startswith(wanted) else wanted + _body(value)


def _body(value: bytes) -> bytes:
    """What follows ``apiVersion`` and ``kind``; neither of them can hold a quotation mark."""
    return value[value.index(b'"metadata":') :]


class _Partial(msgspec.Struct, gc=False):
    metadata: msgspec.Raw


_decode_partial = msgspec.json.Decoder(_Partial).decode


def as_partial(value: bytes, api_version: str) -> bytes:
    """A stored object with nothing but its metadata."""
    return head(api_version, "PartialObjectMetadata") + b'"metadata":' + bytes(_decode_partial(value).metadata) + b"}"


def as_table(
    values: Iterable[bytes], served: Served, form: Form, metadata: Object, *, now: datetime, include: str
) -> bytes:
    """Stored objects as a Table."""
    objects = (orjson.loads(as_version(value, served)) for value in values)
    return orjson.dumps(
        table(served.version, objects, metadata, now=now, include=include, api_version=form.api_version)
    )


def one(value: bytes, served: Served, form: Form, *, now: datetime, include: str = "Metadata") -> bytes:
    """A single object in the form asked for, as JSON."""
    if not form.as_:
        return as_version(value, served)
    if form.as_ == "Table":
        metadata = {"resourceVersion": revision_of(value)}
        return as_table([value], served, form, metadata, now=now, include=include)
    return as_partial(as_version(value, served), form.api_version)


def revision_of(value: bytes) -> str:
    """The resourceVersion of an object; empty when it has none."""
    revision: str = orjson.loads(value)["metadata"].get("resourceVersion", "")
    return revision


def many(
    values: Sequence[bytes], served: Served, form: Form, metadata: Object, *, now: datetime, include: str = "Metadata"
) -> bytes:
    """A list in the form asked for, as JSON."""
    if form.as_ == "Table":
        return as_table(values, served, form, metadata, now=now, include=include)
    if form.as_:
        items = [as_partial(as_version(value, served), form.api_version) for value in values]
        return _list(form.api_version, "PartialObjectMetadataList", metadata, items)
    return _list(served.api_version, served.definition.list_kind, metadata, _items(values, served))


def _items(values: Sequence[bytes], served: Served) -> Sequence[bytes]:
    """Items of a list: those of built-in kinds do not repeat ``apiVersion`` and ``kind``."""
    if served.version.conversion is not None or not served.definition.builtin:
        values = [as_version(value, served) for value in values]
    return [b"{" + _body(value) for value in values] if served.definition.builtin else values


def _list(api_version: str, kind: str, metadata: Object, items: Sequence[bytes]) -> bytes:
    start = head(api_version, kind) + b'"metadata":' + orjson.dumps(metadata) + b',"items":['
    return start + b",".join(items) + b"]}"


def with_revision(value: bytes, old: int, new: int) -> bytes:
    """A stored object with another resourceVersion.

    The first unescaped occurrence is that of the metadata, which stands before everything else.
    """
    return value.replace(b'"resourceVersion":"%d"' % old, b'"resourceVersion":"%d"' % new, 1)


def event(type_: str, obj: bytes) -> bytes:
    """A line of a watch stream."""
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), obj)


def bookmark(served: Served, form: Form, revision: int, *, initial_end: bool = False) -> bytes:
    """A BOOKMARK line; ``initial_end`` marks the end of the initial events."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    if form.as_ == "Table":
        body: Object = {"kind": "Table", "apiVersion": form.api_version, "metadata": metadata, "rows": []}
        body["columnDefinitions"] = []
    elif form.as_:
        body = {"kind": "PartialObjectMetadata", "apiVersion": form.api_version, "metadata": metadata}
    else:
        body = {"kind": served.definition.kind, "apiVersion": served.api_version, "metadata": metadata}
    return event("BOOKMARK", orjson.dumps(body))
