"""Changes to objects: the four kinds of patch, and the smallest merge patch between two objects.

Echelon's structs name only the fields that it uses, so an object is not written back whole: what
changed between two values travels as a merge patch, which leaves all else as it is. Mind that a
merge patch replaces lists whole: fields of list items that the struct does not name are lost when
the list changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import msgspec


class MergePatch(msgspec.Struct, frozen=True):
    """RFC 7386: fields to set, None to remove."""

    content_type: ClassVar[str] = "application/merge-patch+json"
    content: Mapping[str, Any]


class JsonPatch(msgspec.Struct, frozen=True):
    """RFC 6902: operations in order."""

    content_type: ClassVar[str] = "application/json-patch+json"
    content: Sequence[Mapping[str, Any]]


class StrategicPatch(msgspec.Struct, frozen=True):
    """A merge patch that knows the keys of lists; for built-in kinds only."""

    content_type: ClassVar[str] = "application/strategic-merge-patch+json"
    content: Mapping[str, Any]


class ApplyPatch(msgspec.Struct, frozen=True):
    """Server-side apply: all that the field manager wants to own. ``force`` takes fields from other managers."""

    content_type: ClassVar[str] = "application/apply-patch+yaml"
    content: Mapping[str, Any]
    force: bool = False


Composite = Mapping[str, Any] | msgspec.Struct
COMPOSITE = (Mapping, msgspec.Struct)
Patch = MergePatch | JsonPatch | StrategicPatch | ApplyPatch

_APPLIED_METADATA = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")


def difference(old: Composite, new: Composite) -> dict[str, Any]:
    """The content of the merge patch that makes ``new`` of ``old``; empty when they are equal.

    Works on structs and mappings alike. A struct within another is compared field by field, never
    removed for having only defaults: it may hold, on the server, fields that the struct does not name.
    """
    if isinstance(old, msgspec.Struct) and type(old) is not type(new):
        old, new = _wire(old), _wire(new)
    before, after = _fields(old), _fields(new)
    changes: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key in before and before[key] == value:
            continue
        if isinstance(value, COMPOSITE) and isinstance(before.get(key), COMPOSITE):
            if nested := difference(before[key], value):
                changes[key] = nested
        elif key not in before or not _are_alike(before[key], value):
            changes[key] = _wire(value)
    return changes


def _are_alike(one: Any, other: Any) -> bool:
    """Whether values that are not equal arrive as the same, since a tuple and a list do."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def _wire(value: Any) -> Any:
    """A value as it arrives, in which a tuple and a list are the same."""
    return value if isinstance(value, str | int) else msgspec.json.decode(msgspec.json.encode(value))


def _fields(value: Composite) -> Mapping[str, Any]:
    """The fields by their name on the wire: those that are written, and all that have fields of their own."""
    if not isinstance(value, msgspec.Struct):
        return value
    fields = ((field, getattr(value, field.name)) for field in _fields_of(type(value)))
    return {
        field.encode_name: item
        for field, item in fields
        if isinstance(item, COMPOSITE) or not (item is None or _is_default(field, item))
    }


@cache
def _fields_of(type_: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a struct; looking them up evaluates all its annotations, which is slow."""
    return msgspec.structs.fields(type_)


def _is_default(field: msgspec.structs.FieldInfo, item: Any) -> bool:
    if field.default_factory is not msgspec.NODEFAULT:
        return bool(item == field.default_factory())
    return field.default is not msgspec.NODEFAULT and bool(item == field.default)


def applied(obj: Mapping[str, Any], subresource: str | None = None) -> dict[str, Any]:
    """What an applier sends of an object: no status (or nothing else), none of the metadata that the server owns."""
    kept = ("name", "namespace") if subresource else _APPLIED_METADATA
    metadata = {key: value for key, value in obj["metadata"].items() if key in kept}
    head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    if subresource:
        return head | {subresource: obj.get(subresource, {})}
    return head | {key: value for key, value in obj.items() if key not in head and key != "status"}
