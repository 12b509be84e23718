"""What changed between two objects, as field sets.

Runs at every write, so equal subtrees are skipped by one comparison each and only the path to a
change is walked: the cost is that of the changed part, not of the object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from echelon.apiserver.patch.fieldset import EMPTY, LEAF, SELF, FieldSet, field_element
from echelon.apiserver.patch.type_tree import ListShape, MapShape, Type
from echelon.apiserver.patch.typed import granular_list
from echelon.apiserver.patch.values import Object


class Changes(NamedTuple):
    """``set``: fields that were added or have another value; ``removed``: fields that are gone.

    An added container counts with all that is in it; one that is changed inside does not itself
    count as changed, unless it is atomic.
    """

    set: FieldSet
    removed: FieldSet


NOTHING = Changes(EMPTY, EMPTY)


def compare(old: Object, new: Object, root: Type) -> Changes:
    """The fields by which ``new`` differs from ``old``, both of the type ``root``."""
    assert root.map is not None
    return _compare_maps(old, new, root.map)


def _compare(old: Any, new: Any, kind: Type) -> Changes | None:
    """Changes below a value that differs; None when it changed as a whole."""
    if isinstance(new, dict) and isinstance(old, dict):
        if kind.map is not None and not kind.map.atomic:
            return _compare_maps(old, new, kind.map)
    elif isinstance(new, list) and isinstance(old, list):
        return _compare_lists(old, new, kind)
    return None


def _compare_maps(old: Object, new: Object, shape: MapShape) -> Changes:
    set_: dict[str, FieldSet] = {}
    removed: dict[str, FieldSet] = {}
    for name, value in new.items():
        if name in old:
            before = old[name]
            if before is not value and before != value:
                _record(field_element(name), before, value, shape.field(name), set_, removed)
        elif shape.always_present(name) and isinstance(value, dict):
            _record(field_element(name), {}, value, shape.field(name), set_, removed)
        else:
            set_[field_element(name)] = whole(value, shape.field(name))
    for name, before in old.items():
        if name not in new:
            if shape.always_present(name) and isinstance(before, dict):
                _record(field_element(name), before, {}, shape.field(name), set_, removed)
            else:
                removed[field_element(name)] = whole(before, shape.field(name))
    return Changes(set_, removed)


def _compare_lists(old: list[Any], new: list[Any], kind: Type) -> Changes | None:
    old_items, new_items = granular_list(old, kind), granular_list(new, kind)
    if old_items is None or new_items is None:
        return None
    shape = new_items[0]
    before, after = _by_element(old_items[1], old), _by_element(new_items[1], new)
    set_: dict[str, FieldSet] = {}
    removed: dict[str, FieldSet] = {}
    for element, items in after.items():
        earlier = before.get(element)
        if earlier is None:
            set_[element] = _whole_items(items, shape)
        elif earlier == items:
            continue
        elif len(earlier) == len(items) == 1:
            _record(element, earlier[0], items[0], shape.item, set_, removed)
        else:
            _record_duplicates(element, earlier, items, shape, set_, removed)
    for element, items in before.items():
        if element not in after:
            removed[element] = _whole_items(items, shape)
    return Changes(set_, removed)


def _record(
    element: str, old: Any, new: Any, kind: Type, set_: dict[str, FieldSet], removed: dict[str, FieldSet]
) -> None:
    """Enter a differing value into the sets of its container."""
    below = _compare(old, new, kind)
    if below is None:
        set_[element] = whole(new, kind)
        gone = _below(old, kind)
        if gone and not isinstance(new, type(old)):
            removed[element] = gone
        return
    if below.set:
        set_[element] = below.set
    if below.removed:
        removed[element] = below.removed


def _record_duplicates(
    element: str,
    old: list[Any],
    new: list[Any],
    shape: ListShape,
    set_: dict[str, FieldSet],
    removed: dict[str, FieldSet],
) -> None:
    """Items that cannot be told apart are owned together, as one field without fields of its own."""
    set_[element] = _whole_items(new, shape)
    gone = _below(old[0], shape.item) if len(old) == 1 else EMPTY
    if gone:
        removed[element] = gone


def _by_element(elements: list[str], items: list[Any]) -> Mapping[str, list[Any]]:
    indexed: dict[str, list[Any]] = {}
    for element, item in zip(elements, items, strict=True):
        indexed.setdefault(element, []).append(item)
    return indexed


def whole(value: Any, kind: Type) -> FieldSet:
    """The node of a value that came or went with all that is in it."""
    below = _below(value, kind)
    return {SELF: LEAF, **below} if below else LEAF


def _whole_items(items: list[Any], shape: ListShape) -> FieldSet:
    return whole(items[0], shape.item) if len(items) == 1 else LEAF


def _below(value: Any, kind: Type) -> FieldSet:
    if isinstance(value, dict) and kind.map is not None and not kind.map.atomic:
        return {field_element(name): whole(member, kind.map.field(name)) for name, member in value.items()}
    if (items := granular_list(value, kind)) is not None:
        shape, elements = items
        return {element: _whole_items(same, shape) for element, same in _by_element(elements, value).items()}
    return EMPTY
