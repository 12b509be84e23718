"""Random objects of any built-in type, made from the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from echelon.apiserver.builtin import notation

_SCALAR_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=5),
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "bytes": st.sampled_from(["", "aGk=", "AA=="]),
    "time": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00"]),
    "microtime": st.sampled_from(["2026-01-01T00:00:00.123456Z"]),
    "quantity": st.sampled_from(["1", "0.5", "1Gi", "100m"]),
    "intorstring": st.one_of(st.integers(0, 99), st.just("25%")),
    "json": st.sampled_from([1, "x", {"a": []}]),
    "raw": st.just({"apiVersion": "v1", "kind": "X"}),
    "fields": st.just({"f:metadata": {}}),
    "schema-or-list": st.just([{"type": "string"}]),
    "schema-or-bool": st.just(True),
    "schema-or-strings": st.just(["a"]),
}


@st.composite
def objects_of(draw: st.DrawFn, key: str, depth: int = 0) -> dict[str, Any]:
    """An object of a type: some of its fields, filled from the table."""
    obj: dict[str, Any] = {}
    fields = notation.find(key).fields
    for field in draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda field: field.name)):
        if field.inline:
            obj.update(draw(objects_of(field.type.name, depth + 1)))
            continue
        if depth > 5 and field.type.name not in notation.SCALARS:
            continue
        obj[field.name] = draw(_values(field.type, depth))
    return obj


def _values(reference: notation.Reference, depth: int) -> st.SearchStrategy[Any]:
    name = reference.name
    if name in notation.SCALARS:
        value = _SCALAR_VALUES[name]
    elif enum := notation.find_enum(name):
        value = st.sampled_from(enum.values)
    else:
        value = objects_of(name, depth + 1)
    for layer in reversed(reference.wrap):
        if layer == "[]":
            value = st.lists(value, min_size=1, max_size=2)
        elif layer == "{}":
            value = st.dictionaries(st.text(max_size=3), value, min_size=1, max_size=2)
        else:
            value = st.one_of(st.none(), value)
    return value


@pytest.fixture(scope="session")
def objects() -> Callable[[str], st.SearchStrategy[dict[str, Any]]]:
    """Makes a strategy for objects of a type of the table, by its key."""
    return objects_of
