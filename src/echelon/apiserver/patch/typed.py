"""Operations on values along their types: what an object names, merging, taking fields out.

Applied configurations are checked against the type first (``faults``), since ownership of a field
that the schema does not know, or of items that cannot be told apart, would mean nothing. Live
objects are taken as they are: what does not fit its type is treated as one field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from echelon.apiserver.patch.fieldset import (
    EMPTY,
    LEAF,
    SELF,
    FieldSet,
    as_member,
    field_element,
    is_member,
    key_element,
    path_text,
    value_element,
)
from echelon.apiserver.patch.type_tree import DEDUCED, ListShape, MapShape, Type
from echelon.apiserver.patch.values import go_text, go_type


def item_element(item: Any, shape: ListShape) -> str:
    """The path element of an item of a list that is not atomic.

    Raises:
        ValueError: the item has nothing to tell it by.
    """
    if not shape.keys:
        if isinstance(item, dict):
            raise ValueError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise ValueError("not supported: associative list with lists as elements")
        if item is None:
            raise ValueError("associative list without keys has an element that's an explicit null")
        return value_element(item)
    if item is None:
        raise ValueError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise ValueError("associative list with keys may not have non-map elements")
    keys = {key: item[key] for key in shape.keys if key in item}
    if len(keys) < len(shape.keys):
        keys = {**shape.key_defaults, **keys}
    if not keys:
        names = " ".join(f'"{key}"' for key in shape.keys)
        raise ValueError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return key_element(keys)


def granular_list(value: Any, kind: Type) -> tuple[ListShape, list[str]] | None:
    """The shape of a list whose items can be owned one by one, and the items' path elements.

    None for any other value, lists with items that cannot be told apart by their keys included.
    """
    if not isinstance(value, list) or kind.list is None or kind.list.atomic:
        return None
    try:
        return kind.list, [item_element(item, kind.list) for item in value]
    except ValueError:
        return None


def granular_map(value: Any, kind: Type) -> MapShape | None:
    """The shape of an object whose members can be owned one by one; None for any other value."""
    if not isinstance(value, dict) or kind.map is None or kind.map.atomic:
        return None
    return kind.map


# What an applied configuration must keep to


def faults(value: Any, kind: Type, path: str = "") -> list[str]:
    """Where a configuration departs from its type, each as ``path: what is wrong``."""
    if value is None:
        return []
    if isinstance(value, dict) and kind.map is not None:
        return _map_faults(value, kind.map, path)
    if isinstance(value, list) and kind.list is not None:
        return _list_faults(value, kind.list, path)
    wrong = _scalar_fault(value, kind)
    return [f"{path}: {wrong}"] if wrong else []


def _map_faults(value: Mapping[str, Any], shape: MapShape, path: str) -> list[str]:
    found: list[str] = []
    for name, member in value.items():
        below = f"{path}.{name}"
        if name not in shape.declared and shape.others is None:
            found.append(f"{below}: field not declared in schema")
        else:
            found += faults(member, shape.field(name), below)
    return found


def _list_faults(items: list[Any], shape: ListShape, path: str) -> list[str]:
    found: list[str] = []
    seen = set()
    for index, item in enumerate(items):
        element = f"i:{index}"
        if not shape.atomic:
            try:
                element = item_element(item, shape)
            except ValueError as wrong:
                return [*found, f"{path}: element {index}: {wrong}"]
            if element in seen:
                found.append(f"{path}: duplicate entries for key {path_text((element,))}")
            seen.add(element)
        found += faults(item, shape.item, path + path_text((element,)))
    return found


def _scalar_fault(value: Any, kind: Type) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind.map is not None and kind.scalar is None:
        return f"expected map, got &{{{go_text(value)}}}"
    match kind.scalar:
        case "number" if not is_number:
            return f"expected numeric (int or float), got {go_type(value)}"
        case "string" if not isinstance(value, str):
            return f"expected string, got &value.valueUnstructured{{Value:{go_text(value)}}}"
        case "boolean" if not isinstance(value, bool):
            return f"expected boolean, got &{{{go_text(value)}}}"
        case "any" if isinstance(value, dict | list):
            return f"expected any scalar, got &{{{go_text(value)}}}"
        case None:
            return f"expected list, got &{{{go_text(value)}}}"
    return None


# What a configuration names


def field_set(value: Any, kind: Type) -> FieldSet:
    """The fields that a configuration names, below ``value`` itself.

    Leaves count, and items of lists, and members of maps, but not fields that the schema declares
    and that hold others: to name ``spec.replicas`` is not to own ``spec``.
    """
    return _named(value, kind) or EMPTY


def _named(value: Any, kind: Type) -> FieldSet | None:
    """The nodes below a value; None when it is a leaf."""
    if (objects := granular_map(value, kind)) is not None:
        nodes: dict[str, FieldSet] = {}
        for name, member in value.items():
            below = _named(member, objects.field(name))
            if below is None or member in (None, {}) or name not in objects.declared:
                nodes[field_element(name)] = as_member(below or LEAF)
            elif below:
                nodes[field_element(name)] = below
        return nodes
    if (items := granular_list(value, kind)) is not None:
        shape, elements = items
        nodes = {}
        for element, item in zip(elements, value, strict=True):
            nodes[element] = LEAF if element in nodes else as_member(_named(item, shape.item) or LEAF)
        return nodes
    return None


def with_declared_parents(fields: FieldSet, kind: Type) -> FieldSet:
    """The set, with every declared field in it that has members below."""
    result: dict[str, FieldSet] = {}
    for element, node in fields.items():
        if element == SELF:
            result[SELF] = LEAF
            continue
        below = with_declared_parents(node, _type_at(kind, element)) if node else node
        declared = element[0] == "f" and kind.map is not None and element[2:] in kind.map.declared
        result[element] = as_member(below) if declared else below
    return result


def _type_at(kind: Type, element: str) -> Type:
    if element[0] == "f":
        return kind.map.field(element[2:]) if kind.map is not None else DEDUCED
    return kind.list.item if kind.list is not None else DEDUCED


def reconciled(fields: FieldSet, kind: Type) -> FieldSet:
    """A set that was recorded under an older schema: below what has become atomic nothing is owned by itself."""
    result: dict[str, FieldSet] = {}
    for element, node in fields.items():
        if not node:
            result[element] = node
            continue
        below = _type_at(kind, element)
        only_map = below.map if below.list is None else None
        only_list = below.list if below.map is None else None
        if (only_map is not None and only_map.atomic) or (only_list is not None and only_list.atomic):
            result[element] = LEAF
        else:
            result[element] = reconciled(node, below)
    return result


# Merging and taking out


def merge(live: Any, applied: Any, kind: Type) -> Any:
    """The live value with the applied one laid over it; nothing is removed.

    Items of lists come in the applied order; those that are live only keep their place before the
    next item that both have.
    """
    objects = granular_map(applied, kind)
    if objects is not None and isinstance(live, dict):
        merged = dict(live)
        for name, value in applied.items():
            merged[name] = merge(live[name], value, objects.field(name)) if name in live else value
        return merged
    items = granular_list(applied, kind)
    earlier = granular_list(live, kind) if items is not None or applied is None else None
    if items is not None and earlier is not None:
        shape, elements = items
        return _merge_lists(dict(zip(elements, applied, strict=True)), live, earlier[1], shape)
    if applied is None and live and (earlier is not None or granular_map(live, kind) is not None):
        return live
    return applied


def _merge_lists(after: dict[str, Any], live: list[Any], before: list[str], shape: ListShape) -> list[Any]:
    """``after`` are the applied items by element, ``before`` the elements of the live ones."""
    repeated = {element for element in before if before.count(element) > 1} if len(set(before)) < len(before) else ()
    earlier = dict(zip(before, live, strict=True))
    merged: list[Any] = []
    shared = iter([element for element in after if element in earlier])
    expected = next(shared, None)
    position = 0
    for element, item in after.items():
        while position < len(before) and before[position] != element:
            here = before[position]
            if here not in after:
                merged.append(live[position])
            elif here == expected:
                break
            position += 1
        if position < len(before) and before[position] == element:
            position += 1
        mergeable = element in earlier and element not in repeated
        merged.append(merge(earlier[element], item, shape.item) if mergeable else item)
        if element == expected:
            expected = next(shared, None)
    merged += [live[index] for index in range(position, len(before)) if before[index] not in after]
    return merged


def without(value: Any, fields: FieldSet, kind: Type) -> Any:
    """The value less the members of a set, each with all that is in it."""
    if not fields:
        return value
    if (objects := granular_map(value, kind)) is not None:
        rest: dict[str, Any] = {}
        for name, member in value.items():
            node = fields.get(field_element(name))
            if node is None:
                rest[name] = member
            elif not is_member(node):
                rest[name] = without(member, node, objects.field(name))
        return rest
    if (items := granular_list(value, kind)) is not None:
        shape, elements = items
        kept: list[Any] = []
        for element, item in zip(elements, value, strict=True):
            node = fields.get(element)
            if node is None:
                kept.append(item)
            elif not is_member(node):
                kept.append(without(item, node, shape.item))
        return kept
    return value
