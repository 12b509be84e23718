"""Sets of fields, in the form in which Kubernetes stores them: ``FieldsV1`` tries.

A field set is a dict from path elements to nodes. A path element is a string:

* ``f:<name>``  a member of an object
* ``k:{"name":"a"}``  the item of a list of objects that has these keys
* ``v:"a"``  the item of a set that has this value
* ``i:0``  the item of a list at this position

A node is ``{}`` for a member of the set with nothing below it, ``{".": {}, ...}`` for a member with
members below it, and a dict without ``.`` for a path that is no member itself. An empty dict in the
place of a whole set is the empty set. Elements are canonical (compact JSON, sorted keys), so equal
fields are equal strings and equal sets are equal dicts.

Sets are values: no function here changes its arguments, results share their unchanged parts with
them, and an operation without effect returns its first argument itself, so that callers can see
that nothing changed by ``is``. The cost of ``union`` and ``difference`` is that of the second set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

FieldSet = Mapping[str, Any]
Path = tuple[str, ...]

SELF = "."
LEAF: FieldSet = {}
EMPTY: FieldSet = {}

_KINDS = "fkvi"


def field_element(name: str) -> str:
    return "f:" + name


def key_element(keys: Mapping[str, object]) -> str:
    canonical = {name: _number(value) for name, value in keys.items()}
    return "k:" + orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS).decode()


def value_element(value: object) -> str:
    return "v:" + orjson.dumps(_number(value)).decode()


def _number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_member(node: FieldSet) -> bool:
    """Whether the path that leads to a node is itself in the set."""
    return not node or SELF in node


def as_member(node: FieldSet) -> FieldSet:
    """The node of a path that is in the set, with what is below it."""
    return node if is_member(node) else {SELF: LEAF, **node}


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in either set."""
    result: dict[str, Any] | None = None
    for element, node in other.items():
        if element == SELF:
            continue
        before = one.get(element)
        after = node if before is None else _node_union(before, node)
        if after is not before:
            result = dict(one) if result is None else result
            result[element] = after
    return one if result is None else result


def _node_union(one: FieldSet, other: FieldSet) -> FieldSet:
    if not one:
        return as_member(other)
    merged = union(one, other)
    return as_member(merged) if is_member(other) else merged


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in the first set and not in the second; a path in the second does not cover those below it."""
    result: dict[str, Any] | None = None
    for element, node in other.items():
        if element == SELF or (before := one.get(element)) is None:
            continue
        after = _node_difference(before, node)
        if after is before:
            continue
        result = dict(one) if result is None else result
        if after is None:
            del result[element]
        else:
            result[element] = after
    return one if result is None else result


def _node_difference(one: FieldSet, other: FieldSet) -> FieldSet | None:
    if not one:
        return None if is_member(other) else one
    rest = difference(one, other)
    if SELF in rest and is_member(other):
        rest = {element: node for element, node in rest.items() if element != SELF}
    if not rest:
        return None
    return LEAF if len(rest) == 1 and SELF in rest else rest


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both sets."""
    common: dict[str, Any] = {}
    for element, node in other.items():
        if element == SELF or (mine := one.get(element)) is None:
            continue
        below = intersection(mine, node)
        if is_member(mine) and is_member(node):
            common[element] = {SELF: LEAF, **below} if below else LEAF
        elif below:
            common[element] = below
    return common


def covers(one: FieldSet, other: FieldSet) -> bool:
    """Whether everything in the second set is in the first."""
    return not difference(other, one)


def has_path(fields: FieldSet, path: Path) -> bool:
    """Whether a path is in a set."""
    for element in path:
        node = fields.get(element)
        if node is None:
            return False
        fields = node
    return is_member(fields)


def paths(fields: FieldSet) -> Iterator[Path]:
    """All members: at each level first the members themselves, then those below, each in order."""
    elements = sorted((element for element in fields if element != SELF), key=_rank)
    for element in elements:
        if is_member(fields[element]):
            yield (element,)
    for element in elements:
        for below in paths(fields[element]):
            yield (element, *below)


def _rank(element: str) -> tuple[int, str]:
    return _KINDS.index(element[0]), element


def path_text(path: Path) -> str:
    """A path for people: ``.spec.containers[name="web"].image``."""
    return "".join(map(_element_text, path))


def _element_text(element: str) -> str:
    kind, text = element[0], element[2:]
    if kind == "f":
        return f".{text}"
    if kind == "k":
        keys = orjson.loads(text)
        return "[" + ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in keys.items()) + "]"
    return f"[={text}]" if kind == "v" else f"[{text}]"


def from_paths(*members: Path) -> FieldSet:
    """The set of these paths."""
    fields: FieldSet = EMPTY
    for path in members:
        node: FieldSet = LEAF
        for element in reversed(path[1:]):
            node = {element: node}
        fields = union(fields, {path[0]: node})
    return fields


def decode(fields: object) -> FieldSet:
    """A set as a client wrote it, made canonical; elements of kinds not known are left out.

    Raises:
        ValueError: this is no field set.
    """
    if not isinstance(fields, Mapping):
        raise ValueError(f"want an object of path elements, got {fields!r}")
    result: dict[str, Any] = {}
    for element, node in fields.items():
        if element == SELF or (canonical := _canonical(element)) is None:
            continue
        below = decode(node)
        result[canonical] = {SELF: LEAF, **below} if below and SELF in node else below
    return result


def _canonical(element: str) -> str | None:
    kind, text = element[:2], element[2:]
    if len(kind) < 2 or kind[1] != ":":
        raise ValueError(f"want a path element such as f:name, got {element!r}")
    if kind == "f:":
        return element
    if kind == "i:":
        return f"i:{int(text)}"
    if kind == "v:":
        return value_element(orjson.loads(text))
    if kind == "k:":
        keys = orjson.loads(text)
        if not isinstance(keys, dict):
            raise ValueError(f"want keys as an object, got {element!r}")
        return key_element(keys)
    return None
