"""JSON paths as printer columns and scale fields use them.

``.spec.colour``, ``.metadata.annotations.example\\.com/key``, ``['key']``, ``[0]``, ``[-1]``,
``[1:3]``, ``[*]``, ``..name`` and filters such as ``[?(@.type=="Ready")]``. A path is compiled once
to a chain of steps; each step takes the values found so far and gives the next ones.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterable[Any]]

_FIELD = re.compile(r"(?:[^.\[\]\\]|\\.)+")
_FILTER = re.compile(r"^\?\(\s*(@[^=!<>]*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*\)$", re.DOTALL)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class JSONPath:
    """A compiled path."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._steps = _steps(path)

    def find(self, value: Any) -> list[Any]:
        """Every value the path leads to."""
        found: list[Any] = [value]
        for step in self._steps:
            found = [result for item in found for result in step(item)]
        return found

    def first(self, value: Any) -> Any:
        """The first value the path leads to, or None."""
        found = self.find(value)
        return found[0] if found else None


@lru_cache(maxsize=4096)
def compile_path(path: str) -> JSONPath:
    """Compile a path, with or without braces around it.

    Raises:
        ValueError: the text is not a path this module knows.
    """
    return JSONPath(path)


def dotted(path: str) -> list[str] | None:
    """The field names of a simple path such as ``.spec.replicas``; None for anything richer."""
    names = path.strip("{}").removeprefix(".").split(".")
    return names if all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names) else None


def _steps(path: str) -> list[Step]:
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = text.removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        if text.startswith("..", at):
            steps.append(_descend)
            at += 1 if text.startswith("..[", at) else 2
            if at < len(text) and text[at] not in ".[":
                at = _field(text, at, path, steps)
        elif text[at] == "[":
            end = _closing(text, at, path)
            steps.append(_bracket(text[at + 1 : end].strip(), path))
            at = end + 1
        elif text[at] == "." and text[at + 1 : at + 2] in ("", "["):
            at += 1
        else:
            at = _field(text, at + 1 if text[at] == "." else at, path, steps)
    return steps


def _field(text: str, at: int, path: str, steps: list[Step]) -> int:
    match = _FIELD.match(text, at)
    if match is None:
        raise ValueError(f"{path!r} is not a JSON path: a field name is missing at position {at}")
    steps.append(_every if match[0] == "*" else _member(re.sub(r"\\(.)", r"\1", match[0])))
    return match.end()


def _closing(text: str, at: int, path: str) -> int:
    depth, quote = 0, ""
    for index in range(at, len(text)):
        character = text[index]
        if quote:
            quote = "" if character == quote and text[index - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
            if depth == 0:
                return index
    raise ValueError(f"{path!r} is not a JSON path: a bracket is not closed")


def _bracket(inner: str, path: str) -> Step:
    if inner == "*":
        return _every
    if inner[:1] in "'\"" and inner[:1]:
        return _member(inner[1:-1])
    if re.fullmatch(r"-?\d+", inner):
        return _element(int(inner))
    if re.fullmatch(r"(-?\d*):(-?\d*)(:\d+)?", inner):
        bounds = [int(part) if part else None for part in inner.split(":")]
        return _elements(slice(*bounds))
    match = _FILTER.match(inner)
    if match is None:
        raise ValueError(f"{path!r} is not a JSON path: cannot read [{inner}]")
    return _filter(match[1], match[2], match[3])


def _member(name: str) -> Step:
    def step(value: Any) -> Iterable[Any]:
        return (value[name],) if isinstance(value, dict) and name in value else ()

    return step


def _element(index: int) -> Step:
    def step(value: Any) -> Iterable[Any]:
        return (value[index],) if isinstance(value, list) and -len(value) <= index < len(value) else ()

    return step


def _elements(which: slice) -> Step:
    def step(value: Any) -> Iterable[Any]:
        return value[which] if isinstance(value, list) else ()

    return step


def _every(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for child in _every(value):
        yield from _descend(child)


def _filter(left: str, comparison: str | None, right: str | None) -> Step:
    path = JSONPath(left[1:])
    if comparison is None or right is None:
        return lambda value: [item for item in _every(value) if path.find(item)]
    compare = _COMPARISONS[comparison]
    wanted = _operand(right)

    def step(value: Any) -> Iterable[Any]:
        return [item for item in _every(value) if _holds(compare, path.find(item), wanted(item))]

    return step


def _operand(text: str) -> Callable[[Any], Any]:
    if text.startswith("@"):
        path = JSONPath(text[1:])
        return path.first
    literal: Any
    if text[0] in "'\"":
        literal = text[1:-1]
    elif text in ("true", "false"):
        literal = text == "true"
    else:
        literal = float(text) if "." in text else int(text)
    return lambda _: literal


def _holds(compare: Callable[[Any, Any], bool], found: list[Any], wanted: Any) -> bool:
    try:
        return bool(found) and compare(found[0], wanted)
    except TypeError:
        return False
