"""Functions on lists and sets. Values are equal as CEL has it: a number is never equal to a truth value."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

_LONGEST_RANGE = 10_000


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _among(value: Any, values: Sequence[Any]) -> bool:
    return any(_same(value, other) for other in values)


def is_sorted(values: Sequence[Any]) -> bool:
    return all(left <= right for left, right in pairwise(values))


def total(values: Sequence[Any]) -> Any:
    return sum(values)


def smallest(values: Sequence[Any]) -> Any:
    if not values:
        raise ValueError("min called on empty list")
    return min(values)


def largest(values: Sequence[Any]) -> Any:
    if not values:
        raise ValueError("max called on empty list")
    return max(values)


def index_of(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index, value in enumerate(values) if _same(value, wanted)), -1)


def last_index_of(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index in reversed(range(len(values))) if _same(values[index], wanted)), -1)


def distinct(values: Sequence[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if not _among(value, kept):
            kept.append(value)
    return kept


def flatten(values: Sequence[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise ValueError("level must be non-negative")
    flat: list[Any] = []
    for value in values:
        if isinstance(value, list) and depth > 0:
            flat += flatten(value, depth - 1)
        else:
            flat.append(value)
    return flat


def reverse(values: Sequence[Any]) -> list[Any]:
    return list(reversed(values))


def part(values: Sequence[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(values):
        raise ValueError(f"cannot slice({start}, {end}), list is length {len(values)}")
    return list(values[start:end])


def in_order(values: Sequence[Any]) -> list[Any]:
    return sorted(values)


def counting(count: int) -> list[int]:
    if count > _LONGEST_RANGE:
        raise ValueError(f"range of {count} is larger than {_LONGEST_RANGE}")
    return list(range(count))


def contains_all(values: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return all(_among(value, values) for value in wanted)


def equivalent(left: Sequence[Any], right: Sequence[Any]) -> bool:
    return contains_all(left, right) and contains_all(right, left)


def intersects(left: Sequence[Any], right: Sequence[Any]) -> bool:
    return any(_among(value, left) for value in right)
