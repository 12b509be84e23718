"""Comparing what the hub says with what the member has."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.agent.diff import LIMIT, MISSING, REDACTED, Difference, comparable, details, differences
from echelon.api.placement import PatchDetail

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~", max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=10,
)
documents = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)


def without_nulls(value: Any) -> Any:
    """Null and missing are the same, in fields; in lists both keep their place."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def applied(member: Any, found: list[Difference]) -> Any:
    """The member's value with everything made as the hub says."""
    member = deepcopy(member)
    for each in reversed(found):
        if not each.path:
            return each.hub
        target = member
        for step in each.path[:-1]:
            target = target[step]
        last = each.path[-1]
        if each.hub is MISSING:
            del target[last]
        elif isinstance(target, list) and last >= len(target):
            target.insert(len(target), each.hub)
        else:
            target[last] = each.hub
    return member


@given(documents)
def test_nothing_differs_from_itself(document: Any):
    assert list(differences(document, deepcopy(document))) == []


@given(documents, documents)
def test_either_side_tells_the_same_story(hub: Any, member: Any):
    there = [(each.path, each.hub, each.member) for each in differences(hub, member)]
    back = [(each.path, each.member, each.hub) for each in differences(member, hub)]
    assert there == back


@given(documents, documents)
def test_no_difference_means_equal_but_for_nulls(hub: Any, member: Any):
    if not list(differences(hub, member)):
        assert without_nulls(hub) == without_nulls(member)


objects = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), objects, max_size=3), st.dictionaries(st.sampled_from("abc"), objects))
def test_making_all_differences_good_makes_both_equal(hub: Any, member: Any):
    assert applied(member, list(differences(hub, member))) == hub


@given(documents, documents)
def test_paths_are_each_named_once_and_none_is_within_another(hub: Any, member: Any):
    paths = [each.path for each in differences(hub, member)]
    assert len(set(paths)) == len(paths)
    assert not any(one != other and other[: len(one)] == one for one in paths for other in paths)


@given(documents, documents)
def test_data_of_a_secret_never_shows(hub: Any, member: Any):
    found = details(differences({"data": hub}, {"data": member}), secret=True)
    assert all({each.value_in_hub, each.value_in_member} <= {"", REDACTED} for each in found)


@pytest.mark.parametrize(
    ("hub", "member", "expected"),
    [
        ({"a": 1}, {"a": 2}, PatchDetail(path="/a", value_in_hub="1", value_in_member="2")),
        ({"a": "x"}, {}, PatchDetail(path="/a", value_in_hub="x")),
        ({}, {"a": [1]}, PatchDetail(path="/a", value_in_member="[1]")),
        ({"a": [1, 2]}, {"a": [1]}, PatchDetail(path="/a/1", value_in_hub="2")),
        ({"a": True}, {"a": 1}, PatchDetail(path="/a", value_in_hub="true", value_in_member="1")),
        ({"a/b": 1}, {}, PatchDetail(path="/a~1b", value_in_hub="1")),
        ({"a~b": 1}, {}, PatchDetail(path="/a~0b", value_in_hub="1")),
        ({"a": {"b": {}}}, {"a": {}}, PatchDetail(path="/a/b", value_in_hub="{}")),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, PatchDetail(path="/a/0/b", value_in_hub="1", value_in_member="2")),
    ],
)
def test_details(hub: Any, member: Any, expected: PatchDetail):
    assert details(differences(hub, member), secret=False) == (expected,)


@pytest.mark.parametrize(("hub", "member"), [({"a": None}, {}), ({"a": 1}, {"a": 1.0}), ({}, {"a": None})])
def test_no_difference(hub: Any, member: Any):
    assert list(differences(hub, member)) == []


def test_at_most_a_hundred():
    found = details(differences({str(n): n for n in range(500)}, {}), secret=False)
    assert len(found) == LIMIT == 100


def test_a_missing_value_is_not_redacted():
    (found,) = details(differences({"data": {"a": "x"}}, {"data": {}}), secret=True)
    assert (found.value_in_hub, found.value_in_member) == (REDACTED, "")


def test_the_type_of_a_secret_is_no_secret():
    (found,) = details(differences({"type": "a"}, {"type": "b"}), secret=True)
    assert (found.value_in_hub, found.value_in_member) == ("a", "b")


def test_what_the_server_keeps_for_itself_is_not_compared():
    obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "x",
            "uid": "1",
            "managedFields": [],
            "labels": {"a": "b"},
            "annotations": {
                "kubernetes-fleet.io/last-applied-configuration": "{}",
                "kubernetes-fleet.io/spec-hash": "1",
                "kept": "1",
            },
        },
        "data": {"a": "b"},
        "status": {"x": 1},
    }
    assert comparable(obj) == {
        "data": {"a": "b"},
        "metadata": {"labels": {"a": "b"}, "annotations": {"kept": "1"}},
    }
