"""Changes to objects: the four kinds of patch, and the smallest merge patch between two objects.

Echelon's structs name only the fields that it uses, so an object is not written back whole: what
changed between two values travels as a merge patch, which leaves all else as it is. Mind that a
merge patch replaces lists whole: fields of list items that the struct does not name are lost when
the list changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


Patch = MergePatch | JsonPatch | StrategicPatch | ApplyPatch

_APPLIED_METADATA = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the merge patch that makes ``new`` of ``old``; empty when they are equal."""
    changes: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if nested := difference(before, value):
                changes[key] = nested
        elif key not in old or value != before:
            changes[key] = value
    return changes


def applied(obj: Mapping[str, Any], subresource: str | None = None) -> dict[str, Any]:
    """What an applier sends of an object: no status (or nothing else), none of the metadata that the server owns."""
    kept = ("name", "namespace") if subresource else _APPLIED_METADATA
    metadata = {key: value for key, value in obj["metadata"].items() if key in kept}
    head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    if subresource:
        return head | {subresource: obj.get(subresource, {})}
    return head | {key: value for key, value in obj.items() if key not in head and key != "status"}
