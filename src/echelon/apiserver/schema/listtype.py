"""Lists that are sets or maps (``x-kubernetes-list-type``): no element, or no key, twice."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from echelon.apiserver.schema import wording
from echelon.apiserver.schema.faults import LIST_TYPE, Check, Fault, Faults
from echelon.apiserver.schema.structural import Structural


def compile_list_type(node: Structural) -> Check | None:
    """The check of a list's kind; atomic lists have none."""
    if node.list_type == "set":
        return _check_set
    if node.list_type != "map":
        return None
    keys = tuple(node.list_map_keys)

    def check_map(value: list[Any], path: str, faults: Faults) -> None:
        _check_map(value, keys, path, faults)

    return check_map


def _check_set(value: list[Any], path: str, faults: Faults) -> None:
    for index in repeated(value):
        faults.append(Fault(wording.duplicate(f"{path}[{index}]", value[index]), LIST_TYPE))


def _check_map(value: list[Any], keys: Sequence[str], path: str, faults: Faults) -> None:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            detail = "must be an object for an array of list-type map"
            faults.append(Fault(wording.invalid(f"{path}[{index}]", item, detail), LIST_TYPE))
            return
    identities = [map_key(item, keys) for item in value]
    for index in repeated(identities):
        faults.append(Fault(wording.duplicate(f"{path}[{index}]", identities[index]), LIST_TYPE))


def map_key(item: dict[str, Any] | None, keys: Sequence[str]) -> dict[str, Any]:
    """The key of an element of a map list: its key fields, absent ones left out."""
    return {} if item is None else {key: item[key] for key in keys if key in item}


def repeated(values: Sequence[Any]) -> list[int]:
    """The index of the second appearance of every value that appears more than once."""
    if len(values) < 2:
        return []
    times: dict[Hashable, int] = {}
    second = []
    for index, value in enumerate(values):
        key = identity(value)
        times[key] = times.get(key, 0) + 1
        if times[key] == 2:
            second.append(index)
    return second


def identity(value: Any) -> Hashable:
    """A hashable stand-in for a JSON value, unequal for values of different types."""
    return wording.to_json(value) if isinstance(value, dict | list) else (type(value), value)
