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
    if root.map is None:
        return NOTHING
    return _compare_maps(old, new, root.map)


class _Tally:
    """Collects the changes inside one container."""

    __slots__ = ("removed", "set")

    def __init__(self) -> None:
        self.set: dict[str, FieldSet] = {}
        self.removed: dict[str, FieldSet] = {}

    def differs(self, element: str, old: Any, new: Any, kind: Type) -> None:
        """Enter a value that is not what it was: what changed in it, or all of it."""
        below = _compare(old, new, kind)
        if below is None:
            below = Changes(whole(new, kind), _below(old, kind))
            self.set[element] = below.set
        elif below.set:
            self.set[element] = below.set
        if below.removed:
            self.removed[element] = below.removed

    def changes(self) -> Changes:
        return Changes(self.set, self.removed)


def _compare(old: Any, new: Any, kind: Type) -> Changes | None:
    """Changes inside a value that differs; None when it changed as a whole."""
    if isinstance(new, dict) and isinstance(old, dict):
        if kind.map is not None and not kind.map.atomic:
            return _compare_maps(old, new, kind.map)
    elif isinstance(new, list) and isinstance(old, list):
        return _compare_lists(old, new, kind)
    return None


def _compare_maps(old: Object, new: Object, shape: MapShape) -> Changes:
    tally = _Tally()
    for name, value in new.items():
        if name in old:
            before = old[name]
            if before is not value and before != value:
                tally.differs(field_element(name), before, value, shape.field(name))
        elif isinstance(value, dict) and shape.always_present(name):
            tally.differs(field_element(name), {}, value, shape.field(name))
        else:
            tally.set[field_element(name)] = whole(value, shape.field(name))
    for name, before in old.items():
        if name in new:
            continue
        if isinstance(before, dict) and shape.always_present(name):
            tally.differs(field_element(name), before, {}, shape.field(name))
        else:
            tally.removed[field_element(name)] = whole(before, shape.field(name))
    return tally.changes()


def _compare_lists(old: list[Any], new: list[Any], kind: Type) -> Changes | None:
    """Changes among the items of a list; items that cannot be told apart are one field with nothing inside."""
    old_items, new_items = granular_list(old, kind), granular_list(new, kind)
    if old_items is None or new_items is None:
        return None
    shape = new_items[0]
    before, after = _by_element(old_items[1], old), _by_element(new_items[1], new)
    tally = _Tally()
    for element, items in after.items():
        earlier = before.get(element)
        if earlier is None:
            tally.set[element] = _whole_items(items, shape)
        elif earlier == items:
            continue
        elif len(earlier) == len(items) == 1:
            tally.differs(element, earlier[0], items[0], shape.item)
        else:
            tally.set[element] = _whole_items(items, shape)
            if len(earlier) == 1 and (gone := _below(earlier[0], shape.item)):
                tally.removed[element] = gone
    for element, items in before.items():
        if element not in after:
            tally.removed[element] = _whole_items(items, shape)
    return tally.changes()


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
