"""Strategic merge patch: a merge patch in which a schema says how lists are merged.

Objects merge member by member and ``null`` removes a member, as in a merge patch. A list is
replaced, unless its field says ``x-kubernetes-patch-strategy: merge``: then lists of objects merge
item by item, matched by ``x-kubernetes-patch-merge-key``, and lists of scalars become unions.
A field of which the schema says nothing replaces its list.

Directives, in the patch:

* ``$patch: replace`` or ``delete`` in an object: take the rest of the patch instead of merging, or
  leave an empty object; as an item of a merged list: drop all current items, or the one with that key;
* ``$retainKeys: [...]`` in an object: first drop all members not named;
* ``$deleteFromPrimitiveList/<field>: [...]``: drop these scalars from a list;
* ``$setElementOrder/<field>: [...]``: put the items of a merged list in this order.

In a merged list the items that the patch names stand in the patch's order (or in that of
``$setElementOrder``); the others keep their place before the first named item that used to follow them.

Malformed directives and contradictions between patch and schema are bad requests (400) in Kubernetes'
words; Kubernetes itself calls the latter internal errors (500).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from echelon.apiserver.errors import StatusError, bad_request
from echelon.apiserver.patch.json_patch import REJECTED
from echelon.apiserver.patch.schema_tree import Lookup, Schema, member, resolve
from echelon.apiserver.patch.values import Object, clone, go_text, go_type, json_kind

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_LIST = "$deleteFromPrimitiveList"
ELEMENT_ORDER = "$setElementOrder"

Items = list[Any]


def apply_strategic(obj: Object, patch: object, schema: Schema, lookup: Lookup) -> Object:
    """The document with the strategic merge patch laid over it.

    ``schema`` is the schema of the whole object; ``lookup`` resolves its references.

    Raises:
        StatusError: 400 or 422, when the patch contradicts itself or the schema.
    """
    if not isinstance(patch, dict):
        raise bad_request(f"json: cannot unmarshal {json_kind(patch)} into Go value of type map[string]interface {{}}")
    return _merge_object(clone(obj), clone(patch), resolve(schema, lookup), lookup)


# The functions below own what they are given: ``current`` is changed in place.


def _merge_object(current: Object, patch: Object, schema: Schema, lookup: Lookup) -> Object:
    if PATCH in patch:
        return _directed(patch)
    _retain_keys(current, patch)
    _delete_scalars(current, patch)
    ordered = _merge_ordered_lists(current, patch, schema, lookup)
    for name, change in patch.items():
        if name in ordered or _is_directive(name):
            continue
        if change is None:
            current.pop(name, None)
            continue
        field = member(schema, name)
        before = current.get(name)
        if isinstance(change, dict) and isinstance(before, dict) and _strategy(field) != "replace":
            current[name] = _merge_object(before, change, resolve(field, lookup), lookup)
        elif isinstance(change, list) and isinstance(before, list) and _strategy(field) == "merge":
            current[name] = _merge_list(before, change, field, lookup)
        elif isinstance(change, dict) and PATCH in change:
            current.pop(name, None)
        else:
            current[name] = _plain(change)
    return current


def _directed(patch: Object) -> Object:
    directive = patch.pop(PATCH)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    raise _unknown_directive(directive, {PATCH: directive, **patch})


def _retain_keys(current: Object, patch: Object) -> None:
    if RETAIN_KEYS not in patch:
        return
    retained = patch[RETAIN_KEYS]
    malformed = bad_request("invalid patch format of retainKeys")
    if not isinstance(retained, list):
        raise malformed
    for name, change in patch.items():
        if change is not None and not _is_directive(name) and name not in retained:
            raise malformed
    for name in [name for name in current if name not in retained]:
        del current[name]


def _delete_scalars(current: Object, patch: Object) -> None:
    for directive, dropped in patch.items():
        if not directive.startswith(DELETE_FROM_LIST):
            continue
        malformed = bad_request("invalid patch format of primitive list")
        name = _directed_field(directive, DELETE_FROM_LIST, malformed)
        if dropped is None:
            current.pop(name, None)
            continue
        items = current.get(name)
        if not isinstance(items, list):
            continue
        if not isinstance(dropped, list) or any(isinstance(item, dict) for item in [*items, *dropped]):
            raise malformed
        _check_alike(items, dropped)
        current[name] = [item for item in items if item not in dropped]


def _merge_ordered_lists(current: Object, patch: Object, schema: Schema, lookup: Lookup) -> set[str]:
    """Merge the lists for which the patch gives an order; the names of their fields."""
    done = set()
    for directive, order in patch.items():
        if not directive.startswith(ELEMENT_ORDER):
            continue
        name = _directed_field(directive, ELEMENT_ORDER, bad_request("invalid patch format of setElementOrder list"))
        before, change = current.get(name), patch.get(name)
        for value in (order, *([before] if name in current else []), *([change] if name in patch else [])):
            if not isinstance(value, list):
                raise _failed(f"expected a []interface {{}}, but received a {go_type(value)}")
        done.add(name)
        field = member(schema, name)
        if change is not None:
            _check_order(change, order, field)
        if before is None and change is None:
            continue
        if _strategy(field) != "merge":
            if change is not None:
                current[name] = _plain(change)
            continue
        merged = _merge_list(before or [], change or [], field, lookup)
        current[name] = _in_order(merged, order, before or [], _identity(field, [*merged, *order]))
    return done


def _merge_list(current: Items, patch: Items, field: Schema, lookup: Lookup) -> Items:
    _check_alike(current, patch)
    identity = _identity(field, [*current, *patch])
    if not any(isinstance(item, dict) for item in (*current, *patch)):
        union = list(dict.fromkeys([*current, *patch]))
        return _in_order(union, patch, current, identity)
    replaced, brought = _list_directives(current, patch, identity)
    if replaced is None:
        return [_plain(item) for item in brought]
    item_schema = resolve(field.get("items", {}), lookup)
    merged = list(replaced)
    places = {identity(item): place for place, item in reversed(list(enumerate(merged)))}
    for item in brought:
        place = places.setdefault(identity(item), len(merged))
        if place == len(merged):
            merged.append(_plain(item))
        else:
            merged[place] = _merge_object(merged[place], item, item_schema, lookup)
    return _in_order(merged, brought, replaced, identity)


def _list_directives(current: Items, patch: Items, identity: Callable[[Any], Hashable]) -> tuple[Items | None, Items]:
    """What the directives among a patch's items leave of the current ones (None: nothing), and the other items."""
    brought, deleted, replace = [], set(), False
    for item in patch:
        directive = item.get(PATCH)
        if PATCH not in item:
            brought.append(item)
        elif directive == "replace":
            replace = True
        elif directive == "delete":
            deleted.add(identity(item))
        elif directive == "merge":
            raise _failed("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown_directive(directive, item)
    for item in brought:
        identity(item)
    return (None if replace else [item for item in current if identity(item) not in deleted]), brought


def _in_order(merged: Items, named: Sequence[Any], before: Items, identity: Callable[[Any], Hashable]) -> Items:
    """Put the items that ``named`` lists in its order, the others where they stood before relative to those."""
    ranks = _ranks(named, identity)
    places = _ranks(before, identity)
    first = sorted((item for item in merged if identity(item) in ranks), key=lambda item: ranks[identity(item)])
    others = sorted(
        (item for item in merged if identity(item) not in ranks),
        key=lambda item: places.get(identity(item), len(places)),
    )
    result: Items = []
    for item in first:
        place = places.get(identity(item), -1)
        while others and places.get(identity(others[0]), len(places)) < place:
            result.append(others.pop(0))
        result.append(item)
    return result + others


def _ranks(items: Iterable[Any], identity: Callable[[Any], Hashable]) -> dict[Hashable, int]:
    ranks: dict[Hashable, int] = {}
    for rank, item in enumerate(items):
        if not (isinstance(item, dict) and PATCH in item):
            ranks.setdefault(identity(item), rank)
    return ranks


def _check_order(patch: Items, order: Items, field: Schema) -> None:
    """The items that the patch brings must stand in the order that it asks for."""
    identity = _identity(field, [*patch, *order])
    wanted = iter(identity(item) for item in order)
    for item in patch:
        if isinstance(item, dict) and PATCH in item:
            continue
        key = identity(item)
        if order and all(key != other for other in wanted):
            raise _failed(
                f"The order in patch list:\n{go_text(patch)}\n doesn't match {ELEMENT_ORDER} list:\n{go_text(order)}\n"
            )


def _check_alike(*lists: Items) -> None:
    """Items of a merged list are all objects or all scalars of one type."""
    types = {go_type(item) for items in lists for item in items}
    if "[]interface {}" in types:
        raise StatusError(422, "Invalid", REJECTED)
    if len(types) > 1:
        raise _failed(f"list element types are not identical: {go_text(list(lists))}")


def _identity(field: Schema, items: Iterable[Any]) -> Callable[[Any], Hashable]:
    """How items of a list are told apart: scalars by value, objects by the value of the merge key."""
    key = field.get("x-kubernetes-patch-merge-key")
    if key is None and any(isinstance(item, dict) and item.keys() - {PATCH} for item in items):
        raise _failed("cannot merge lists without merge key for struct")

    def identity(item: Any) -> Hashable:
        if not isinstance(item, dict):
            return _hashable(item)
        if key not in item:
            raise _failed(f"map: {go_text(item)} does not contain declared merge key: {key}")
        return _hashable(item[key])

    return identity


def _hashable(value: Any) -> Hashable:
    """Tells apart what JSON tells apart: True is not 1."""
    return (type(value), value) if isinstance(value, (bool, str, int, float)) else go_text(value)


def _plain(value: Any) -> Any:
    """A value that the patch brings anew: directives are of no use in it, nulls remove what is not there."""
    if isinstance(value, dict):
        return {
            name: _plain(item)
            for name, item in value.items()
            if item is not None and not _is_directive(name) and not (isinstance(item, dict) and PATCH in item)
        }
    if isinstance(value, list):
        return [_plain(item) for item in value if not (isinstance(item, dict) and PATCH in item)]
    return value


def _is_directive(name: str) -> bool:
    return name.startswith("$") and (name in (PATCH, RETAIN_KEYS) or name.startswith((DELETE_FROM_LIST, ELEMENT_ORDER)))


def _directed_field(directive: str, prefix: str, malformed: StatusError) -> str:
    head, slash, name = directive.partition("/")
    if head != prefix or not slash:
        raise malformed
    return name


def _strategy(field: Schema) -> str:
    """``merge``, ``replace`` or nothing; ``retainKeys`` only tells clients to send that directive."""
    strategies = field.get("x-kubernetes-patch-strategy", "").split(",")
    return next((strategy for strategy in strategies if strategy != "retainKeys"), "")


def _unknown_directive(directive: object, holder: Object) -> StatusError:
    return _failed(f"unknown patch type: {go_text(directive)} in map: {go_text(holder)}")


def _failed(message: str) -> StatusError:
    return bad_request(message)
