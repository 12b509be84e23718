"""Paths of fields in a schema, as ``fieldPath`` of rules and ``jsonPath`` of selectable fields name them.

``.spec.items`` or ``.metadata['example.com/key']``: only fields and keys of maps, no elements of
lists. A path must lead to something the schema has.
"""

from __future__ import annotations

import re

from echelon.apiserver.schema.structural import Structural

_TOKEN = re.compile(r"\.|\[|\]|'(?:[^'\\]|\\.)*'|[^.\[\]']+", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class FieldPathError(ValueError):
    """A path that is malformed or leads nowhere."""


def resolve_field_path(path: str, node: Structural, *, brackets: bool = True) -> tuple[str, Structural]:
    """The path as errors print it, and the schema it leads to.

    Raises:
        FieldPathError: it cannot be followed.
    """
    tokens = iter(_TOKEN.findall(path))
    printed = ""
    for token in tokens:
        if token == ".":
            name = next(tokens, None)
            if name is None:
                raise FieldPathError("unexpected end of JSON path")
        elif token == "[":
            if not brackets:
                raise FieldPathError("array notation is not allowed")
            name = _quoted(next(tokens, ""))
            closing = next(tokens, None)
            if closing != "]":
                raise FieldPathError(
                    "unexpected end of JSON path" if closing is None else f"expected ] but got {closing}"
                )
        else:
            raise FieldPathError(f"expected [ or . but got: {token}")
        if node.properties:
            printed += f".{name}" if printed else name
            child = node.properties.get(name)
        else:
            printed += f"[{name}]"
            child = node.additional
        if child is None:
            raise FieldPathError("does not refer to a valid field")
        node = child
    return printed, node


def _quoted(token: str) -> str:
    if not token:
        raise FieldPathError("unexpected end of JSON path")
    if len(token) < 2 or not token.startswith("'") or not token.endswith("'"):
        raise FieldPathError(f"expected single quoted string but got {token}")

    def plain(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise FieldPathError(f"invalid string literal: invalid escape char {found[0]}")
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", plain, token[1:-1], flags=re.DOTALL)
