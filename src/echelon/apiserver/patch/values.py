"""JSON values as the patch functions see them: what ``orjson.loads`` gives, and nothing else.

Every public function of this package leaves its arguments alone, and but for ``apply_merge`` the objects
it makes share no dict or list with them, so that a caller may default and prune them in place.
"""

from __future__ import annotations

from typing import Any, TypeVar

import orjson

Object = dict[str, Any]

_V = TypeVar("_V")


def clone(value: _V) -> _V:
    """A deep copy of a JSON value (the way through bytes is more than twice as fast as recursion)."""
    copied: _V = orjson.loads(orjson.dumps(value))
    return copied


def go_type(value: object) -> str:
    """The name of the type that Go's ``encoding/json`` decodes such a value to, for messages."""
    match value:
        case None:
            return "nil"
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case dict():
            return "map[string]interface {}"
        case _:
            return "[]interface {}"


def go_text(value: object) -> str:
    """A value as Go's ``%v`` prints it, for messages: ``map[a:1 b:[x y]]``."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(map(go_text, value)) + "]"
        case _:
            return str(value)


def json_kind(value: object) -> str:
    """What JSON calls a value, as ``encoding/json`` does in its errors."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"
