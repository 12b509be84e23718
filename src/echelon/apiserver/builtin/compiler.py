"""The checks of built-in types, made once per type from the table.

A node stands for a type and works on values in three passes:

* ``prune`` removes unknown fields and notes their paths;
* ``settle`` gives the value in the form in which it is stored (see ``schema``);
* ``check`` notes missing and unsupported values.

The first two refuse values of the wrong type with ``Mismatch``, worded as Go's decoder words it:
the struct that holds the field, the path from the root without list indices, the Go type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, Protocol

import orjson

from echelon.apiserver.builtin import computed, notation
from echelon.apiserver.builtin.openapi import flattened
from echelon.apiserver.builtin.scalars import SCALARS, Refused
from echelon.apiserver.errors import FieldError, required, unsupported_value

_ENFORCED = frozenset({"core", "apps", "batch", "networking", "rbac", "autoscaling2", "discovery", "storage"})
"""Packages whose required texts are insisted on here; of others Kubernetes asks less, or another module does."""

_MAY_BE_EMPTY = frozenset(
    {"HTTPHeader.value", "Sysctl.value", "TokenRequest.audience", "CSIStorageCapacity.storageClassName"}
)

_OPAQUE = frozenset({"json", "raw", "fields", "schema-or-list", "schema-or-bool", "schema-or-strings"})
"""Scalars of which even an empty value means something."""


class Mismatch(Exception):
    """A value that does not fit its field. ``path`` is filled in from the inside out."""

    def __init__(self, found: str, wanted: str, plain: str = "") -> None:
        super().__init__(found, wanted)
        self.found = found
        self.wanted = wanted
        self.plain = plain
        self.struct = ""
        self.path: list[str] = []

    def at(self, struct: str, name: str) -> None:
        """Note that the field at fault lies within this field of this struct."""
        self.struct = self.struct or struct
        self.path.append(name)

    def __str__(self) -> str:
        if self.plain:
            return self.plain
        place = f"struct field {self.struct}.{'.'.join(reversed(self.path))}" if self.path else "value"
        return f"json: cannot unmarshal {self.found} into Go {place} of type {self.wanted}"


class Node(Protocol):
    """What a field holds."""

    @property
    def go_type(self) -> str: ...
    def prune(self, value: Any, unknown: list[str]) -> None: ...
    def settle(self, value: Any) -> Any: ...
    def check(self, value: Any, path: str, faults: list[FieldError]) -> None: ...


def _json_word(value: Any) -> str:
    """What Go calls a JSON value in its errors."""
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
    return "number"


class ScalarNode:
    """A value without fields; an enumeration when it has ``choices``."""

    def __init__(self, name: str, go_type: str = "", choices: tuple[str, ...] = ()) -> None:
        scalar = SCALARS[name]
        self.go_type = go_type or scalar.go_type
        self.zero = scalar.zero
        self._choices = sorted(choices)
        self._read: Callable[[Any], Any] = scalar.read

    def _value(self, value: Any) -> Any:
        try:
            return self._read(value)
        except Refused as refused:
            found = refused.found or _json_word(value)
            raise Mismatch(found, self.go_type, refused.plain) from None

    def prune(self, value: Any, unknown: list[str]) -> None:
        self._value(value)

    def settle(self, value: Any) -> Any:
        return self.zero if value is None else self._value(value)

    def check(self, value: Any, path: str, faults: list[FieldError]) -> None:
        if self._choices and value and value not in self._choices:
            faults.append(unsupported_value(path, value, self._choices))


class ListNode:
    """A list of one kind of item."""

    def __init__(self, item: Node) -> None:
        self.item = item

    @property
    def go_type(self) -> str:
        return f"[]{self.item.go_type}"

    def prune(self, value: Any, unknown: list[str]) -> None:
        for index, item in enumerate(_of_type(value, list, self)):
            if item is not None:
                start = len(unknown)
                self.item.prune(item, unknown)
                if len(unknown) > start:
                    _prefix(unknown, start, f"[{index}]")

    def settle(self, value: Any) -> Any:
        if value is None:
            return []
        return [self.item.settle(item) for item in _of_type(value, list, self)]

    def check(self, value: Any, path: str, faults: list[FieldError]) -> None:
        for index, item in enumerate(value or ()):
            self.item.check(item, f"{path}[{index}]", faults)


class MapNode:
    """A map from strings to one kind of value."""

    def __init__(self, item: Node) -> None:
        self.item = item

    @property
    def go_type(self) -> str:
        return f"map[string]{self.item.go_type}"

    def prune(self, value: Any, unknown: list[str]) -> None:
        for key, item in _of_type(value, dict, self).items():
            if item is not None:
                start = len(unknown)
                self.item.prune(item, unknown)
                if len(unknown) > start:
                    _prefix(unknown, start, key)

    def settle(self, value: Any) -> Any:
        if value is None:
            return {}
        return {key: self.item.settle(item) for key, item in _of_type(value, dict, self).items()}

    def check(self, value: Any, path: str, faults: list[FieldError]) -> None:
        for key, item in (value or {}).items():
            self.item.check(item, f"{path}[{key}]", faults)


class UnionNode:
    """A JSON schema, or something else that stands for one: a list of schemas or of texts, or a bool."""

    go_type = "v1.JSONSchemaProps"

    def prune(self, value: Any, unknown: list[str]) -> None:
        if isinstance(value, dict):
            object_node(notation.SELF_CONTAINING).prune(value, unknown)

    def settle(self, value: Any) -> Any:
        return object_node(notation.SELF_CONTAINING).settle(value) if isinstance(value, dict) else value

    def check(self, value: Any, path: str, faults: list[FieldError]) -> None:
        return None


class FieldNode:
    """A field of an object, and what becomes of it when it is absent or zero."""

    def __init__(self, field: notation.Field, owner: notation.Type) -> None:
        self.name = field.name
        self.node = _node(field.type)
        bare = not field.type.wrap
        scalar = bare and isinstance(self.node, ScalarNode)
        opaque = field.type.name in _OPAQUE
        self.is_struct = bare and isinstance(self.node, ObjectNode)
        pointer = field.type.wrap[:1] == ("*",)
        kept = field.kept and field.default is None
        self.drops_zero = not (pointer or kept or self.is_struct or opaque)
        self.keeps_zero = scalar and kept and not opaque
        self.default = None if field.default is None else field.default.encode()
        self.needed = (
            bare
            and field.required
            and isinstance(self.node, ScalarNode)
            and self.node.zero == ""
            and owner.key.partition(".")[0] in _ENFORCED
            and f"{owner.name}.{field.name}" not in _MAY_BE_EMPTY
        )

    @property
    def fills(self) -> bool:
        """Whether an absent field is filled in."""
        return self.is_struct or self.keeps_zero or self.default is not None

    def fill(self) -> Any:
        """The value of an absent field; None for none."""
        if self.default is not None:
            return self.node.settle(orjson.loads(self.default))
        return self.node.settle(None)

    def check(self, value: Any, path: str, faults: list[FieldError]) -> None:
        if value is not None and value != "":
            self.node.check(value, path, faults)
        elif self.needed:
            faults.append(required(path))


class ObjectNode:
    """An object with known fields."""

    def __init__(self, entry: notation.Type) -> None:
        self._entry = entry
        self.go_type = f"{entry.version}.{entry.name}"

    @cached_property
    def fields(self) -> dict[str, FieldNode]:
        found = {field.name: FieldNode(field, self._entry) for field in flattened(self._entry)}
        if self._entry.kind:
            for name in ("apiVersion", "kind"):
                found[name] = FieldNode(notation.Field(name, 0, notation.Reference((), "string")), self._entry)
        return found

    @cached_property
    def _filled(self) -> list[FieldNode]:
        return [field for field in self.fields.values() if field.fills]

    @cached_property
    def _computed(self) -> list[Callable[[dict[str, Any]], None]]:
        return computed.defaults_of(self._entry)

    def prune(self, value: Any, unknown: list[str]) -> None:
        for name, item in list(_of_type(value, dict, self).items()):
            field = self.fields.get(name)
            if field is None:
                unknown.append(name)
                del value[name]
            elif item is not None:
                start = len(unknown)
                try:
                    field.node.prune(item, unknown)
                except Mismatch as fault:
                    fault.at(self._entry.name, name)
                    raise
                if len(unknown) > start:
                    _prefix(unknown, start, name)

    def settle(self, value: Any) -> Any:
        obj = {} if value is None else _of_type(value, dict, self)
        for name, item in list(obj.items()):
            field = self.fields.get(name)
            if field is not None:
                self._settle_field(obj, field, item)
        for field in self._filled:
            if field.name not in obj and (filling := field.fill()) is not None:
                obj[field.name] = filling
        for compute in self._computed:
            compute(obj)
        return obj

    def _settle_field(self, obj: dict[str, Any], field: FieldNode, item: Any) -> None:
        if item is None:
            del obj[field.name]
            return
        try:
            settled = field.node.settle(item)
        except Mismatch as fault:
            fault.at(self._entry.name, field.name)
            raise
        if field.drops_zero and not settled:
            del obj[field.name]
        elif settled is not item:
            obj[field.name] = settled

    def check(self, value: Any, path: str, faults: list[FieldError]) -> None:
        for field in self.fields.values():
            field.check(value.get(field.name), f"{path}.{field.name}", faults)


@cache
def object_node(key: str) -> ObjectNode:
    """The node of a type of the table."""
    return ObjectNode(notation.find(key))


def _node(reference: notation.Reference) -> Node:
    node = _named(reference.name)
    for layer in reversed(reference.wrap):
        if layer == "[]":
            node = ListNode(node)
        elif layer == "{}":
            node = MapNode(node)
    return node


def _named(name: str) -> Node:
    if name in SCALARS:
        return ScalarNode(name)
    if name in notation.SCALARS:
        return UnionNode()
    enum = notation.find_enum(name)
    if enum is not None:
        return ScalarNode("string", f"{enum.version}.{enum.name}", enum.values)
    return object_node(name)


def _of_type(value: Any, wanted: type, node: Node) -> Any:
    if not isinstance(value, wanted):
        raise Mismatch(_json_word(value), node.go_type)
    return value


def _prefix(paths: list[str], start: int, name: str) -> None:
    """Put a name before the paths from ``start`` on."""
    for place in range(start, len(paths)):
        rest = paths[place]
        paths[place] = f"{name}{rest}" if rest.startswith("[") else f"{name}.{rest}"
