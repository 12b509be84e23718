"""Who owns which field of an object, kept at every write.

A ``FieldManager`` is made once for a resource and holds the types of its versions. It serves the
two ways of writing:

* ``update`` after a create, update or patch: the writer owns what it changed, others lose it;
* ``apply`` for server-side apply: it makes the new object, see ``apply``.

Both are pure: they take the live and the new object and give back entries or an object. Ownership
is tracked from an object's creation; a client can end it by sending ``managedFields: []``, then it
begins again with the next apply, which gives all there is to ``before-first-apply``.

Never tracked are the fields by which objects are identified and those the server keeps. Where a
resource has a status subresource, writes through it own nothing but status, all others no status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from echelon.apiserver.errors import bad_request
from echelon.apiserver.patch import apply as applying
from echelon.apiserver.patch import last_applied
from echelon.apiserver.patch.apply import VersionedChanges
from echelon.apiserver.patch.comparison import NOTHING, Changes, compare
from echelon.apiserver.patch.fieldset import (
    EMPTY,
    SELF,
    FieldSet,
    difference,
    field_element,
    from_paths,
    has_path,
    union,
)
from echelon.apiserver.patch.managed import (
    APPLY,
    UPDATE,
    Entry,
    asks_for_reset,
    capped,
    encoded,
    managed_fields,
    recorded,
    requested,
)
from echelon.apiserver.patch.schema_tree import Lookup, Schema, no_references
from echelon.apiserver.patch.type_tree import Type, TypeTree
from echelon.apiserver.patch.typed import faults, field_set, reconciled
from echelon.apiserver.patch.values import Object, clone, json_kind

BEFORE_FIRST_APPLY = "before-first-apply"

UNNAMED = "unknown"
"""The manager of writes that name none."""

STATUS = field_element("status")
METADATA = field_element("metadata")

NAME = from_paths((METADATA, field_element("name")))
"""Named by every configuration, so that nobody's apply takes the metadata away."""

UNTRACKED = frozenset({METADATA, field_element("apiVersion"), field_element("kind")})

UNTRACKED_METADATA = frozenset(
    {
        SELF,
        field_element("name"),
        field_element("namespace"),
        field_element("creationTimestamp"),
        field_element("selfLink"),
        field_element("uid"),
        field_element("clusterName"),
        field_element("generation"),
        field_element("managedFields"),
        field_element("resourceVersion"),
    }
)


Convert = Callable[[Object, str], Object]
"""Gives an object, which may have no fields yet, at an ``apiVersion``; leaves the one it is given alone."""


def _as_it_is(obj: Object, api_version: str) -> Object:
    return obj


class FieldManager:
    """Field ownership of one resource.

    ``versions`` are the schemas of whole objects by ``apiVersion``. ``convert`` gives an object at
    another version, where versions do not name and arrange their fields alike. ``status`` says
    whether there is a status subresource.
    """

    def __init__(
        self,
        versions: Mapping[str, Schema],
        lookup: Lookup = no_references,
        *,
        convert: Convert = _as_it_is,
        status: bool = False,
    ) -> None:
        self._convert = convert
        self._types = {version: TypeTree(lookup).root(schema) for version, schema in versions.items()}
        self._status = status

    def update(
        self, live: Object | None, new: Object, *, manager: str, api_version: str, time: str, subresource: str = ""
    ) -> list[Object]:
        """The ``managedFields`` of an object that was created, updated or patched; empty for none.

        The entries share their field sets with ``live``: like those, they are not to be changed.

        Args:
            live: the object before, None at creation.
            new: the object to be stored, with the ``managedFields`` the client sent, if any.
            manager: who writes; may be empty.
            api_version: the version of both objects.
            time: the moment of the write, as ``metav1.Time`` is written.
            subresource: through which the write came.
        """
        entries, as_stored = _entries_before(live, new, subresource)
        if live is not None and not entries:
            return []
        changes = self._changes(live or {}, new, subresource)
        delta = changes.at(api_version) or NOTHING
        if as_stored and live is not None and not delta.set and not delta.removed:
            return managed_fields(live) or []
        own = Entry(manager or UNNAMED, UPDATE, api_version, _tracked(delta.set), subresource, time)
        return encoded(capped(_with_update(entries, own, changes)))

    def apply(
        self,
        live: Object | None,
        applied: Object,
        *,
        manager: str,
        force: bool,
        api_version: str,
        time: str,
        subresource: str = "",
    ) -> Object:
        """The object that server-side apply makes of the live one, ``managedFields`` included.

        Defaults, pruning and validation come after. When the apply changes neither the object nor
        who owns what, the manager's entry keeps its time and the result equals the live object.

        Raises:
            StatusError: 409 with a cause for each conflict; 400 when the configuration does not fit
                the schema (Kubernetes answers 500 with the same words).
        """
        config = self._restricted(applied, subresource)
        kind = self._types[api_version]
        _check_type(config, kind)
        before = _without_entries(live) if live is not None else {}
        entries = [
            entry.with_fields(reconciled(entry.fields, self._types[entry.api_version]))
            for entry in recorded(live)
            if entry.api_version in self._types
        ]
        if live is not None and not entries:
            entries = self._before_first_apply(before, api_version, time)
        named = union(field_set(config, kind), NAME)
        mine = Entry(manager, APPLY, api_version, named, subresource, time)
        new, owners = self._merge(before, config, mine, entries, force=force)
        if manager == last_applied.MANAGER:
            new = last_applied.refreshed(new, applied)
        result = clone(new)
        if owners:
            result.setdefault("metadata", {})["managedFields"] = clone(encoded(owners))
        return result

    def _merge(
        self, live: Object, config: Object, mine: Entry, entries: Sequence[Entry], *, force: bool
    ) -> tuple[Object, list[Entry]]:
        """The merged object and the entries of its owners.

        Raises:
            StatusError: 409, there are conflicts and the apply is not forced.
        """
        new = applying.merged(live, config, mine, entries, self._types)
        changes = self._changes(live, new, mine.subresource)
        others = [entry for entry in entries if entry.identity != mine.identity]
        found = [] if force else applying.conflicts(others, changes)
        if found and mine.manager == last_applied.MANAGER:
            allowed = last_applied.upgradable(live, mine.api_version, self._types[mine.api_version])
            found = [conflict for conflict in found if not has_path(allowed, conflict.path)]
        if found:
            raise applying.conflict_error(found)
        owners = applying.after(others, changes)
        mine = mine.with_fields(_tracked(mine.fields))
        if mine.fields:
            previous = next((entry for entry in entries if entry.identity == mine.identity), None)
            same = previous is not None and (previous.api_version, previous.fields) == (mine.api_version, mine.fields)
            owners.append(previous if previous is not None and same and new == live else mine)
        return new, owners

    def _before_first_apply(self, live: Object, api_version: str, time: str) -> list[Entry]:
        """Of an object that was not tracked, everything belongs to a manager made up for it."""
        everything = self._changes({}, live, "").at(api_version) or NOTHING
        return [Entry(BEFORE_FIRST_APPLY, UPDATE, api_version, _tracked(everything.set), time=time)]

    def _changes(self, old: Object, new: Object, subresource: str) -> VersionedChanges:
        def compared(api_version: str) -> Changes:
            at = self._convert
            found = compare(at(old, api_version), at(new, api_version), self._types[api_version])
            return Changes(self._ownable(found.set, subresource), self._ownable(found.removed, subresource))

        return VersionedChanges(compared, self._types)

    def _ownable(self, fields: FieldSet, subresource: str) -> FieldSet:
        """The fields that a write through a subresource may own."""
        if not self._status or (STATUS not in fields and subresource != "status"):
            return fields
        if subresource == "status":
            return {STATUS: fields[STATUS]} if STATUS in fields else EMPTY
        return {element: node for element, node in fields.items() if element != STATUS}

    def _restricted(self, applied: Object, subresource: str) -> Object:
        """The part of a configuration that counts at a subresource."""
        if not self._status:
            return applied
        if subresource != "status":
            return {name: value for name, value in applied.items() if name != "status"}
        kept = {name: value for name, value in applied.items() if name in ("apiVersion", "kind", "status")}
        metadata = applied.get("metadata") or {}
        identity = ("name", "namespace", "uid", "resourceVersion")
        return {**kept, "metadata": {name: value for name, value in metadata.items() if name in identity}}


def check_applied(applied: object, *, name: str, api_version: str, kind: str) -> Object:
    """A configuration sent to be applied to the object ``name``, once its frame is known to be right.

    Raises:
        StatusError: 400, it is for another kind or object, or brings ``managedFields``.
    """
    if not isinstance(applied, dict):
        raise bad_request(f"error decoding YAML: cannot unmarshal {json_kind(applied)} into an object")
    if (applied.get("apiVersion"), applied.get("kind")) != (api_version, kind):
        raise bad_request(f"invalid object type: {_version_and_kind(applied)}")
    metadata = applied.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request(f"error decoding YAML: cannot unmarshal {json_kind(metadata)} into metadata")
    if metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    named = metadata.get("name") or name
    if named != name:
        raise bad_request(f"the name of the object ({named}) does not match the name on the URL ({name})")
    if "metadata" in applied and applied["metadata"] is None:
        return {field: value for field, value in applied.items() if field != "metadata"}
    return applied


def unchanged(live: Object, new: Object) -> bool:
    """Whether two objects are equal but for the times in their ``managedFields``: then nothing need be written."""
    if live.keys() != new.keys() or any(live[name] != new[name] for name in live if name != "metadata"):
        return False
    before, after = dict(live["metadata"]), dict(new["metadata"])
    entries = _timeless(before.pop("managedFields", None)), _timeless(after.pop("managedFields", None))
    return before == after and entries[0] == entries[1]


def _timeless(entries: Sequence[Object] | None) -> list[Object]:
    return [{name: value for name, value in entry.items() if name != "time"} for entry in entries or ()]


def _entries_before(live: Object | None, new: Object, subresource: str) -> tuple[list[Entry], bool]:
    """The entries that an update starts from, and whether they are those that are stored.

    A client may set them through the main resource. What it sends is ignored when it is no list of
    entries: a client that does not know what it sends must not undo what others own.
    """
    sent = managed_fields(new)
    if subresource or sent is None or sent == managed_fields(live):
        return recorded(live), True
    if asks_for_reset(sent):
        return [], False
    try:
        return requested(new), False
    except ValueError:
        return recorded(live), True


def _with_update(entries: Sequence[Entry], own: Entry, changes: VersionedChanges) -> list[Entry]:
    """The entries once the writer has made its changes: it owns them beside what it owned before."""
    rest = applying.after((entry for entry in entries if entry.identity != own.identity), changes)
    previous = next((entry for entry in entries if entry.identity == own.identity), None)
    if previous is not None:
        delta = changes.at(own.api_version) or NOTHING
        kept = difference(previous.fields, delta.removed)
        own = own.with_fields(union(kept, own.fields)) if own.fields else previous.with_fields(kept)
    return [*rest, own] if own.fields else rest


def _tracked(fields: FieldSet) -> FieldSet:
    """The set less what is never tracked."""
    rest = {element: node for element, node in fields.items() if element not in UNTRACKED}
    metadata = fields.get(METADATA, EMPTY)
    below = {element: node for element, node in metadata.items() if element not in UNTRACKED_METADATA}
    return {METADATA: below, **rest} if below else rest


def _without_entries(obj: Object) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def _check_type(config: Object, kind: Type) -> None:
    found = faults(config, kind)
    if not found:
        return
    metadata = config.get("metadata") or {}
    subject = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {_version_and_kind(config)}"
    text = found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])
    raise bad_request(f"failed to create typed patch object ({subject}): {text}")


def _version_and_kind(obj: Object) -> str:
    version = str(obj.get("apiVersion", ""))
    return f"{version if '/' in version else f'/{version}'}, Kind={obj.get('kind', '')}"
