"""The merge patch between two objects makes the second of the first, and is empty when they are equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.kube.patches import applied, difference
from echelon.kube.testing import merge

plain = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("xyz"), plain, max_size=3)


@settings(max_examples=300, deadline=None)
@given(objects, objects)
def test_difference_leads_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    changes = difference(old, new)
    assert bool(changes) == (old != new)
    assert merge(_copy(old), changes) == new


class Part(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    part_name: str = ""
    tags: Mapping[str, str] = {}


class Whole(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    size: int = 0
    main_part: Part = Part()
    spare: Part | None = None
    parts: Sequence[Part] = ()


parts = st.builds(Part, st.sampled_from(["", "x", "y"]), st.dictionaries(st.sampled_from("ab"), st.sampled_from("cd")))
wholes = st.builds(Whole, st.integers(0, 2), parts, st.none() | parts, st.lists(parts, max_size=2).map(tuple))


@settings(max_examples=300, deadline=None)
@given(wholes, wholes)
def test_difference_of_structs_spares_what_they_do_not_name(old: Whole, new: Whole) -> None:
    stored = msgspec.to_builtins(old)
    stored["colour"] = "red"
    stored.setdefault("mainPart", {})["colour"] = "blue"
    changes = difference(old, new)
    assert bool(changes) == (old != new)
    changed = merge(stored, changes)
    assert msgspec.convert(changed, Whole) == msgspec.convert(msgspec.json.decode(msgspec.json.encode(new)), Whole)
    assert changed["colour"] == "red"
    assert changed["mainPart"]["colour"] == "blue"


def test_sequences_of_any_type_are_equal() -> None:
    assert difference(Whole(parts=[Part("a")]), Whole(parts=(Part("a"),))) == {}
    assert difference({"x": [1, (2,)]}, {"x": (1, [2])}) == {}


def test_field_that_may_be_absent_is_removed() -> None:
    assert difference(Whole(spare=Part("a")), Whole()) == {"spare": None}
    assert difference(Whole(), Whole(spare=Part())) == {"spare": {}}


def test_difference_is_small() -> None:
    old = {"spec": {"a": 1, "b": {"c": [1, 2], "d": 3}}, "status": {"x": 1}}
    new = {"spec": {"a": 1, "b": {"c": [1], "d": 3}}, "status": {}}
    assert difference(old, new) == {"spec": {"b": {"c": [1]}}, "status": {"x": None}}


def test_applied_leaves_out_what_the_server_owns() -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "Widget",
        "metadata": {"name": "a", "namespace": "one", "labels": {"x": "y"}, "resourceVersion": "5", "uid": "u"},
        "spec": {"size": 1},
        "status": {"ready": True},
    }
    metadata = {"name": "a", "namespace": "one", "labels": {"x": "y"}}
    head = {"apiVersion": "v1", "kind": "Widget"}
    assert applied(obj) == head | {"metadata": metadata, "spec": {"size": 1}}
    named = {"name": "a", "namespace": "one"}
    assert applied(obj, "status") == head | {"metadata": named, "status": {"ready": True}}


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
