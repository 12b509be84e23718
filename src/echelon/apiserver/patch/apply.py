"""Server-side apply: merging a configuration into an object by who owns what.

Two rules make it:

* a manager's configuration is laid over the object. Where it would change a field that another
  manager owns, that is a conflict, unless forced; forced, the others lose the field. To name the
  same value as another owner is no conflict: the field then has two owners.
* what a manager named last time and names no more is removed, unless others own it too. A field
  that nobody ever named stays.

This module has the algorithm on ``Entry`` values; ``FieldManager`` puts it to use. Types differ
between the versions of a kind, so everything about an entry is computed in the entry's version; an
entry of a version that is no longer served counts for nothing and goes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import msgspec

from echelon.apiserver.errors import StatusError
from echelon.apiserver.patch.comparison import Changes
from echelon.apiserver.patch.fieldset import (
    EMPTY,
    FieldSet,
    Path,
    covers,
    difference,
    intersection,
    path_text,
    paths,
    union,
)
from echelon.apiserver.patch.managed import Entry
from echelon.apiserver.patch.type_tree import Type
from echelon.apiserver.patch.typed import field_set, merge, with_declared_parents, without
from echelon.apiserver.patch.values import Object

Types = Mapping[str, Type]
"""The types of a kind, by ``apiVersion``."""


class VersionedChanges:
    """What a write changed, in terms of every version in which entries speak."""

    def __init__(self, compared: Callable[[str], Changes], versions: Container[str]) -> None:
        self._compared = compared
        self._versions = versions
        self._known: dict[str, Changes] = {}

    def at(self, api_version: str) -> Changes | None:
        """The changes in a version's terms; None for one that is not served."""
        known = self._known.get(api_version)
        if known is None and api_version in self._versions:
            known = self._known[api_version] = self._compared(api_version)
        return known


class Conflict(msgspec.Struct, frozen=True):
    """A field that an apply would change and another manager owns."""

    owner: Entry
    path: Path


def conflict_error(found: Sequence[Conflict]) -> StatusError:
    """409, with a cause for each conflict; conflicts with the same owner stand together."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {conflict.owner.describe()}",
            "field": path_text(conflict.path),
        }
        for conflict in found
    ]
    return StatusError(409, "Conflict", _conflict_message(found), details={"causes": causes})


def _conflict_message(found: Sequence[Conflict]) -> str:
    if len(found) == 1:
        owner, path = found[0].owner.describe(), path_text(found[0].path)
        return f"Apply failed with 1 conflict: conflict with {owner}: {path}"
    lines: list[str] = []
    for number, conflict in enumerate(found):
        if number == 0 or conflict.owner is not found[number - 1].owner:
            lines.append(f"conflicts with {conflict.owner.describe()}:")
        lines.append(f"- {path_text(conflict.path)}")
    return f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)


def merged(live: Object, applied: Object, mine: Entry, entries: Sequence[Entry], types: Types) -> Object:
    """The object after an apply: with what the configuration names, without what it names no more.

    ``mine`` is the manager's new entry, ``entries`` are those before the apply.
    """
    result: Object = merge(live, applied, types[mine.api_version])
    previous = next((entry for entry in entries if entry.identity == mine.identity), None)
    if previous is None or previous.api_version not in types or covers(mine.fields, previous.fields):
        return result
    others = [entry for entry in entries if entry.identity != mine.identity and entry.api_version in types]
    return _pruned(result, previous, [*others, mine], types)


def _pruned(obj: Object, previous: Entry, owners: Sequence[Entry], types: Types) -> Object:
    """The object less what ``previous`` owned and none of the ``owners`` does.

    A first try takes out all that was owned, with everything inside. Of that, what has an owner is
    kept, with what leads to it; and so is what was not owned, unless it is inside what goes.
    """
    kind = types[previous.api_version]
    last = with_declared_parents(previous.fields, kind)
    everything = _fields(obj, kind)
    candidate: Object = without(obj, last, kind)
    versions = {entry.api_version for entry in owners}
    for version in sorted(versions, key=lambda version: (version != previous.api_version, version)):
        owned: FieldSet = EMPTY
        for entry in owners:
            if entry.api_version == version:
                owned = union(owned, entry.fields)
        at_version = types[version]
        known = everything if at_version is kind else _fields(obj, at_version)
        gone = difference(known, _fields(candidate, at_version))
        candidate = without(obj, difference(gone, with_declared_parents(owned, at_version)), at_version)
    gone = difference(everything, _fields(candidate, kind))
    result: Object = without(obj, intersection(gone, last), kind)
    return result


def _fields(obj: Object, kind: Type) -> FieldSet:
    return with_declared_parents(field_set(obj, kind), kind)


def conflicts(entries: Iterable[Entry], changes: VersionedChanges) -> list[Conflict]:
    """The fields among the changes that ``entries`` own."""
    found: list[Conflict] = []
    for entry in sorted(entries, key=lambda entry: entry.identifier):
        delta = changes.at(entry.api_version)
        if delta is not None:
            found += [Conflict(entry, path) for path in paths(intersection(entry.fields, delta.set))]
    return found


def after(entries: Iterable[Entry], changes: VersionedChanges) -> list[Entry]:
    """What entries are left with once others have made these changes; those left with nothing go."""
    rest: list[Entry] = []
    for entry in entries:
        delta = changes.at(entry.api_version)
        if delta is None:
            continue
        fields = difference(difference(entry.fields, delta.set), delta.removed)
        if fields:
            rest.append(entry.with_fields(fields))
    return rest
