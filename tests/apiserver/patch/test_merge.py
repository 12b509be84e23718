"""Merge patch: RFC 7386, and what Kubernetes makes of nulls inside lists."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.apiserver.errors import StatusError
from echelon.apiserver.patch import apply_merge

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"a": "scalar"}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({}, {"a": [{"b": None, "c": 1}, None]}, {"a": [{"c": 1}, None]}),
    ],
)
def test_members_merge_and_everything_else_replaces(document, patch, result):
    assert apply_merge(document, patch) == result


@pytest.mark.parametrize(("patch", "kind"), [([], "array"), ("x", "string"), (1, "number"), (True, "bool")])
def test_a_patch_must_be_an_object(patch, kind):
    with pytest.raises(StatusError) as raised:
        apply_merge({}, patch)
    assert raised.value.code == 400
    assert raised.value.message.startswith(f"error decoding patch: json: cannot unmarshal {kind} into")


@given(OBJECTS, OBJECTS)
def test_arguments_stay_as_they_were_and_the_result_shares_nothing_with_the_patch(document, patch):
    before = copy.deepcopy((document, patch))
    result = apply_merge(document, patch)
    assert (document, patch) == before
    scribble(result)
    assert patch == before[1]


@given(OBJECTS, OBJECTS)
def test_a_second_time_changes_nothing(document, patch):
    once = apply_merge(document, patch)
    assert apply_merge(once, patch) == once


@given(OBJECTS)
def test_the_empty_patch_changes_nothing(document):
    assert apply_merge(document, {}) == document


def scribble(value):
    for inner in list(value.values() if isinstance(value, dict) else value):
        if isinstance(inner, dict | list):
            scribble(inner)
    if isinstance(value, dict):
        value["scribbled"] = True
    else:
        value.append("scribbled")
