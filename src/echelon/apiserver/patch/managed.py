"""The entries of ``metadata.managedFields``: who owns which fields, by what operation, since when.

An entry is known by its manager, operation and subresource, and for updates also by the version it
wrote: an applier has one entry, whatever versions it used. Entries that own nothing do not exist.
Field sets that the server wrote itself are used as they stand, without being decoded; only entries
that come from a client are checked and made canonical.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from echelon.apiserver.patch.fieldset import EMPTY, FieldSet, decode, union
from echelon.apiserver.patch.values import Object

APPLY = "Apply"
UPDATE = "Update"

MAX_UPDATE_ENTRIES = 10
"""More entries of updates than this are drawn together, the oldest first."""

ANCIENT = "ancient-changes"
"""The manager that stands for updaters whose entries were drawn together."""


class Entry(msgspec.Struct, frozen=True):
    """The fields of one manager. ``time`` is as written in the object, or None."""

    manager: str
    operation: str
    api_version: str
    fields: FieldSet
    subresource: str = ""
    time: str | None = None

    @property
    def identity(self) -> tuple[str, str, str, str]:
        version = self.api_version if self.operation == UPDATE else ""
        return self.manager, self.operation, version, self.subresource

    @property
    def identifier(self) -> str:
        """The identity as Kubernetes spells it, by which conflicts are sorted."""
        manager, operation, version, subresource = self.identity
        parts = {"manager": manager, "operation": operation, "apiVersion": version, "subresource": subresource}
        return orjson.dumps({name: value for name, value in parts.items() if value}).decode()

    def with_fields(self, fields: FieldSet) -> Entry:
        return self if fields is self.fields else msgspec.structs.replace(self, fields=fields)

    def describe(self) -> str:
        """The entry for people: ``"alice"``, ``"bob" with subresource "status" using apps/v1``."""
        text = orjson.dumps(self.manager).decode()
        if self.subresource:
            text += f" with subresource {orjson.dumps(self.subresource).decode()}"
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


def recorded(obj: Object | None) -> list[Entry]:
    """The entries of an object that the server stored."""
    entries = managed_fields(obj)
    return [_entry(entry, entry.get("fieldsV1") or EMPTY) for entry in entries] if entries else []


def requested(obj: Object) -> list[Entry]:
    """The entries of an object that a client sent.

    Raises:
        ValueError: they are no entries.
    """
    entries = managed_fields(obj)
    if not isinstance(entries, list):
        raise ValueError(f"want a list of entries, got {entries!r}")
    found = [_checked(entry) for entry in entries]
    return list({entry.identity: entry for entry in found}.values())


def managed_fields(obj: Object | None) -> Any:
    """The entries of an object as they stand in it; None when it has none."""
    metadata = obj.get("metadata") if obj else None
    return metadata.get("managedFields") if isinstance(metadata, dict) else None


def asks_for_reset(entries: object) -> bool:
    """Whether a client's entries say that nothing is to be managed any more: ``[]`` or ``[{}]``."""
    return isinstance(entries, list) and (not entries or (len(entries) == 1 and not any(_values(entries[0]))))


def _values(entry: object) -> Iterable[Any]:
    return entry.values() if isinstance(entry, dict) else (entry,)


def _checked(entry: object) -> Entry:
    if not isinstance(entry, dict):
        raise ValueError(f"want an entry, got {entry!r}")
    if entry.get("operation") not in (APPLY, UPDATE):
        raise ValueError("operation must be `Apply` or `Update`")
    if entry.get("fieldsType") != "FieldsV1":
        raise ValueError(f"fieldsType must be FieldsV1, got {entry.get('fieldsType')!r}")
    texts = {name: entry.get(name) or "" for name in ("manager", "apiVersion", "subresource", "time")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(f"manager, apiVersion, subresource and time must be text, got {texts!r}")
    if not texts["apiVersion"]:
        raise ValueError("apiVersion must not be empty")
    return _entry(entry, decode(entry.get("fieldsV1") or EMPTY))


def _entry(entry: Mapping[str, Any], fields: FieldSet) -> Entry:
    return Entry(
        entry.get("manager", ""),
        entry["operation"],
        entry["apiVersion"],
        fields,
        entry.get("subresource", ""),
        entry.get("time"),
    )


def encoded(entries: Iterable[Entry]) -> list[Object]:
    """The entries as an object holds them: appliers first, then by age."""
    return [_encoded(entry) for entry in sorted(entries, key=_order)]


def _order(entry: Entry) -> tuple[str, ...]:
    return entry.operation, entry.time or "", entry.manager, entry.api_version, entry.subresource


def _encoded(entry: Entry) -> Object:
    result: Object = {"manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version}
    if entry.time is not None:
        result["time"] = entry.time
    result["fieldsType"] = "FieldsV1"
    result["fieldsV1"] = entry.fields
    if entry.subresource:
        result["subresource"] = entry.subresource
    return result


def capped(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries, with the oldest updates of each version drawn together when there are too many."""
    updates = [entry for entry in entries if entry.operation == UPDATE]
    excess = len(updates) - MAX_UPDATE_ENTRIES
    if excess <= 0:
        return entries
    updates.sort(key=lambda entry: (entry.time or "", entry.identifier))
    kept = {entry.identity: entry for entry in entries}
    oldest: dict[str, Entry] = {}
    for entry in updates:
        if excess <= 0:
            break
        first = oldest.setdefault(entry.api_version, entry)
        if first is entry:
            continue
        bucket = Entry(ANCIENT, UPDATE, entry.api_version, EMPTY, time=entry.time)
        identities = dict.fromkeys((first.identity, bucket.identity, entry.identity))
        drawn = [kept.pop(identity) for identity in identities if identity in kept]
        for old in drawn:
            bucket = bucket.with_fields(union(bucket.fields, old.fields))
        kept[bucket.identity] = bucket
        excess -= len(drawn) - 1
    return list(kept.values())
