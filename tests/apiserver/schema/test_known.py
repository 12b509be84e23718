"""Long lists, of which each write changes little: what is remembered changes nothing of what is found."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.schema import compile_schema
from echelon.apiserver.schema.known import LONG, digest_of

ITEM = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 3},
        "state": {"type": "string", "default": "New", "enum": ["New", "Old"]},
    },
}
LIST = {"type": "object", "properties": {"items": {"type": "array", "items": ITEM}}}

items = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b", "long"]),
        "state": st.sampled_from(["New", "Old", "Odd"]),
        "unknown": st.integers(0, 1),
    },
)


def through(schema: Any, value: list[Any]) -> tuple[Any, ...]:
    """What the three passes make of a list, and what they say."""
    obj = {"items": [dict(item) for item in value]}
    removed = schema.prune(obj)
    schema.default(obj)
    return obj, removed, schema.validate(obj)


@settings(max_examples=60)
@given(st.lists(st.lists(items, min_size=LONG, max_size=LONG + 4), min_size=2, max_size=4))
def test_a_schema_that_remembers_finds_what_a_fresh_one_finds(lists: list[list[Any]]) -> None:
    remembering = compile_schema(LIST)
    for value in lists:
        assert through(remembering, value) == through(compile_schema(LIST), value)


def test_what_is_no_json_is_not_remembered() -> None:
    assert digest_of({"a": 1 << 80}) is None
    assert digest_of(["a"]) is None
