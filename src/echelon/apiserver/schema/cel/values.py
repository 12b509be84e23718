"""Values as rules see them.

Rules name fields by escaped identifiers, and a number of type ``number`` is a double even when it
is written without a fraction. Most values need no change, so a node is compiled to ``None`` where
nothing below it does. Fields that rules cannot name are left out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import orjson

from echelon.apiserver.schema.cel.escaping import escape
from echelon.apiserver.schema.structural import Structural

Convert = Callable[[Any], Any]


_NUL, _STAND_IN = "\0", "\ufdd0"


def without_nul(value: Any) -> Any:
    """The value with a noncharacter for every NUL: the runtime would end a text there, and call it equal to less."""
    if b"\\u0000" not in orjson.dumps(value):
        return value
    return _replaced(value)


def _replaced(value: Any) -> Any:
    match value:
        case str():
            return value.replace(_NUL, _STAND_IN)
        case dict():
            return {_replaced(key): _replaced(item) for key, item in value.items()}
        case list():
            return [_replaced(item) for item in value]
    return value


def conversion_of(node: Structural | None) -> Convert | None:
    """How values of a node are changed for rules; ``None`` for not at all."""
    if node is None:
        return None
    conversion: Convert | None = node.compiled("conversion", _compile)
    return conversion


def _compile(node: Structural) -> Convert | None:
    if node.types == ("number",):
        return _to_double
    if node.types == ("string",) and node.format == "byte":
        return _to_bytes
    convert_object, convert_list = _compile_object(node), _compile_list(node)
    if convert_object is None and convert_list is None:
        return None

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return convert_object(value) if convert_object is not None else value
        if isinstance(value, list):
            return convert_list(value) if convert_list is not None else value
        return value

    return convert


def _to_double(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _to_bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else value
    except (binascii.Error, ValueError):
        return value


def _compile_object(node: Structural) -> Convert | None:
    identifiers = {name: escape(name) for name in node.properties}
    conversions = {name: each for name, child in node.properties.items() if (each := conversion_of(child))}
    others = conversion_of(node.additional)
    renames = any(identifier != name for name, identifier in identifiers.items())
    if not renames and not conversions and others is None:
        return None

    def convert(value: dict[str, Any]) -> dict[str, Any]:
        converted = {}
        for name, item in value.items():
            identifier = identifiers.get(name, name)
            if identifier is not None:
                change = conversions.get(name, None if name in identifiers else others)
                converted[identifier] = change(item) if change is not None else item
        return converted

    return convert


def _compile_list(node: Structural) -> Convert | None:
    change = conversion_of(node.items)
    return None if change is None else lambda value: [change(item) for item in value]
