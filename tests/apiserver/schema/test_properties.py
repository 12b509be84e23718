"""Laws of compiled schemas, over generated schemas and values."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.schema import compile_schema
from echelon.apiserver.schema.cel.escaping import RESERVED, escape, unescape

Spec = dict[str, Any]
NAMES = st.sampled_from(["a", "b", "c", "d"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 12), st.sampled_from([0.5, 2.0, -1.5]), st.text("abx1", max_size=4)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def scalar_schemas() -> st.SearchStrategy[Spec]:
    integer = st.fixed_dictionaries(
        {"type": st.just("integer")},
        optional={
            "minimum": st.integers(-2, 2),
            "maximum": st.integers(3, 8),
            "exclusiveMinimum": st.booleans(),
            "multipleOf": st.sampled_from([2, 3]),
            "enum": st.just([1, 2, 4]),
            "default": st.integers(0, 9),
        },
    )
    text = st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(2, 4),
            "pattern": st.sampled_from(["^a", "b$", "^[ab]*$"]),
            "nullable": st.booleans(),
            "default": st.text("ab", max_size=2),
        },
    )
    return st.one_of(
        integer,
        text,
        st.just({"type": "boolean"}),
        st.just({"type": "number", "minimum": 0}),
        st.just({"x-kubernetes-int-or-string": True}),
    )


def composed(inner: st.SearchStrategy[Spec]) -> st.SearchStrategy[Spec]:
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, min_size=1, max_size=3)},
        optional={
            "required": st.lists(NAMES, max_size=2, unique=True),
            "minProperties": st.integers(0, 1),
            "maxProperties": st.integers(1, 3),
            "x-kubernetes-preserve-unknown-fields": st.just(True),
            "nullable": st.booleans(),
        },
    )
    maps = st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner})
    lists = st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner},
        optional={"minItems": st.integers(0, 1), "maxItems": st.integers(1, 3), "uniqueItems": st.booleans()},
    )
    return objects | maps | lists


NODES = st.recursive(scalar_schemas(), composed, max_leaves=6)
SCHEMAS = st.dictionaries(NAMES, NODES, min_size=1, max_size=3).map(lambda p: {"type": "object", "properties": p})
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def fits(schema: Spec, value: Any) -> bool:
    """JSON Schema, written down plainly, for the keywords generated above."""
    if value is None:
        return not (schema.get("type") or schema.get("x-kubernetes-int-or-string")) or bool(schema.get("nullable"))
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, str) or (
            isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
        )
    if "enum" in schema and not any(same(value, each) for each in schema["enum"]):
        return False
    match schema.get("type"):
        case "boolean":
            return isinstance(value, bool)
        case "integer" | "number" as kind:
            return is_number(value, kind) and number_fits(schema, value)
        case "string":
            return isinstance(value, str) and text_fits(schema, value)
        case "array":
            return isinstance(value, list) and list_fits(schema, value)
    return isinstance(value, dict) and object_fits(schema, value)


def is_number(value: Any, kind: str) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and (kind == "number" or value % 1 == 0)


def number_fits(schema: Spec, value: float) -> bool:
    low = schema.get("minimum", value)
    above = value > low if schema.get("exclusiveMinimum") and "minimum" in schema else value >= low
    return above and value <= schema.get("maximum", value) and value % schema.get("multipleOf", 1) in (0, value % 1)


def text_fits(schema: Spec, value: str) -> bool:
    long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 9)
    return long_enough and re.search(schema.get("pattern", ""), value) is not None


def list_fits(schema: Spec, value: list[Any]) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 9):
        return False
    if schema.get("uniqueItems") and any(item in value[:index] for index, item in enumerate(value)):
        return False
    return all(fits(schema["items"], item) for item in value)


def object_fits(schema: Spec, value: Spec) -> bool:
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", 9):
        return False
    if any(name not in value for name in schema.get("required", ())):
        return False
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    return all(fits(properties.get(name, others), item) for name, item in value.items() if properties.get(name, others))


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_validation_is_that_of_json_schema(schema: Spec, obj: Spec) -> None:
    assert (compile_schema(schema).validate(obj) == []) == fits(schema, obj)


@settings(max_examples=100, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_pruning_and_defaulting_are_idempotent(schema: Spec, obj: Spec) -> None:
    compiled = compile_schema(schema)
    compiled.prune(obj)
    compiled.default(obj)
    once = copy.deepcopy(obj)
    assert compiled.prune(obj) == []
    compiled.default(obj)
    assert obj == once


@settings(max_examples=100, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_an_object_that_is_settled_and_valid_stays_so(schema: Spec, obj: Spec) -> None:
    compiled = compile_schema(schema)
    compiled.prune(obj)
    compiled.default(obj)
    before = compiled.validate(obj)
    compiled.prune(obj)
    compiled.default(obj)
    assert compiled.validate(obj) == before
    assert compiled.validate(obj, copy.deepcopy(obj)) == []


@settings(max_examples=100, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_pruning_removes_only_what_is_unknown(schema: Spec, obj: Spec) -> None:
    before = copy.deepcopy(obj)
    removed = compile_schema(schema).prune(obj)
    assert sorted(removed) == removed
    assert sorted(unknown(schema, before, "")) == removed
    assert known(schema, before) == obj


def unknown(schema: Spec, value: Any, path: str) -> list[str]:
    if isinstance(value, list):
        if kept_whole(schema):
            return []
        return [p for i, item in enumerate(value) for p in unknown(schema.get("items", {}), item, f"{path}[{i}]")]
    if not isinstance(value, dict):
        return []
    paths = []
    for name, item in value.items():
        at = f"{path}.{name}" if path else name
        child = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if child is not None:
            paths += unknown(child, item, at)
        elif not schema.get("x-kubernetes-preserve-unknown-fields"):
            paths.append(at)
    return paths


def kept_whole(schema: Spec) -> bool:
    """Whether a list keeps all it holds: unknown fields are preserved and nothing is said of its items."""
    return "items" not in schema and bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def known(schema: Spec, value: Any) -> Any:
    if isinstance(value, list):
        if kept_whole(schema):
            return value
        return [known(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        child = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if child is not None:
            kept[name] = known(child, item)
        elif schema.get("x-kubernetes-preserve-unknown-fields"):
            kept[name] = item
    return kept


@given(st.text("ab_-./1", min_size=1, max_size=8) | st.sampled_from(sorted(RESERVED)))
def test_escaped_names_come_back(name: str) -> None:
    identifier = escape(name)
    if identifier is None:
        assert name[0].isdigit()
    else:
        assert identifier.isidentifier()
        if "___" not in name:
            assert unescape(identifier) == name


@pytest.mark.parametrize("name", ["", "1a", "a b", "é"])
def test_names_that_rules_cannot_say(name: str) -> None:
    assert escape(name) is None
