"""The defaulting pass: fill in defaults, and drop nulls where null is no value.

As in Kubernetes a null in a field that is not nullable counts as absent: it takes the field's
default, or goes when there is none. In a list such a null takes the default of the items or stays,
for validation to refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from echelon.apiserver.schema.known import LONG, digest_of, known_of
from echelon.apiserver.schema.structural import Structural

Fill = Callable[[Any], None]


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_json(item) for item in value]
    return value


def fill_of(node: Structural) -> Fill | None:
    """The pass of a node, ``None`` when no value of it can need anything."""
    if node.shared:

        def fill_shared(value: Any) -> None:
            fill = node.compiled("defaulting", _compile)
            if fill is not None:
                fill(value)

        return fill_shared
    compiled: Fill | None = node.compiled("defaulting", _compile)
    return compiled


def _compile(node: Structural) -> Fill | None:
    fill_object, fill_list = _compile_object(node), _compile_list(node)

    def fill(value: Any) -> None:
        kind = type(value)
        if kind is dict:
            if fill_object is not None:
                fill_object(value)
        elif kind is list and fill_list is not None:
            fill_list(value)

    return fill if fill_object is not None or fill_list is not None else None


def _compile_object(node: Structural) -> Fill | None:
    defaults = [(name, child.raw["default"]) for name, child in node.properties.items() if child.has_default]
    known = node.properties
    fills = {name: fill for name, child in known.items() if (fill := fill_of(child)) is not None}
    additional = node.additional
    others = fill_of(additional) if additional is not None else None
    if not known and additional is None:
        return None

    def fill_object(value: dict[str, Any]) -> None:
        if None in value.values():
            _settle_nulls(value, node)
        for name, default in defaults:
            if name not in value:
                value[name] = copy_json(default)
        for name, item in value.items():
            fill = fills.get(name)
            if fill is None and others is not None and name not in known:
                fill = others
            if fill is not None:
                fill(item)

    return fill_object


def _settle_nulls(value: dict[str, Any], node: Structural) -> None:
    for name in [name for name, item in value.items() if item is None]:
        child = node.child(name)
        if child is None or child.nullable:
            continue
        if child.has_default:
            value[name] = copy_json(child.raw["default"])
        else:
            del value[name]


def _compile_list(node: Structural) -> Fill | None:
    items = node.items
    if items is None:
        return None
    fill = fill_of(items)
    fills_nulls = items.has_default and not items.nullable
    if fill is None and not fills_nulls:
        return None

    def fill_list(value: list[Any]) -> None:
        if fills_nulls:
            value[:] = [copy_json(items.raw["default"]) if item is None else item for item in value]
        if fill is not None:
            known = known_of(items) if len(value) >= LONG else None
            for item in value:
                if known is None or not known.has(digest_of(item)):
                    fill(item)

    return fill_list
