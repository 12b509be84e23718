"""Field sets: the algebra, the form they are stored in, and how paths read."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.apiserver.patch.fieldset import (
    covers,
    decode,
    difference,
    from_paths,
    has_path,
    intersection,
    key_element,
    path_text,
    paths,
    union,
    value_element,
)

ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "i:0"])
PATHS = st.lists(ELEMENTS, min_size=1, max_size=3).map(tuple)
MEMBERS = st.sets(PATHS, max_size=6)


def fields(*texts):
    return from_paths(*(tuple(f"f:{name}" for name in text.split(".")) for text in texts))


def test_a_path_with_and_without_membership_of_its_parent():
    assert fields("a.b") == {"f:a": {"f:b": {}}}
    assert fields("a", "a.b") == {"f:a": {".": {}, "f:b": {}}}
    assert fields("a") == {"f:a": {}}


@pytest.mark.parametrize(
    ("one", "other", "rest"),
    [
        (["a", "a.b"], ["a"], ["a.b"]),
        (["a", "a.b"], ["a.b"], ["a"]),
        (["a", "a.b"], ["a", "a.b"], []),
        (["a.b", "a.c"], ["a.b"], ["a.c"]),
        (["a.b"], ["a"], ["a.b"]),
        (["a"], ["a.b"], ["a"]),
    ],
)
def test_difference_takes_parents_and_children_apart(one, other, rest):
    assert difference(fields(*one), fields(*other)) == fields(*rest)


def test_operations_without_effect_give_back_their_first_argument():
    one = fields("a", "a.b", "c.d")
    assert union(one, fields("a.b", "c.d")) is one
    assert difference(one, fields("x", "c", "a.b.z")) is one


@given(MEMBERS, MEMBERS)
def test_the_algebra_is_that_of_sets_of_paths(one, other):
    left, right = from_paths(*one), from_paths(*other)
    before = copy.deepcopy((left, right))
    assert set(paths(union(left, right))) == one | other
    assert set(paths(difference(left, right))) == one - other
    assert set(paths(intersection(left, right))) == one & other
    assert covers(left, right) == (one >= other)
    assert union(left, right) == union(right, left)
    assert (left, right) == before


@given(MEMBERS)
def test_equal_sets_are_equal_dicts_however_they_came_about(members):
    built = from_paths(*sorted(members))
    assert built == from_paths(*sorted(members, reverse=True))
    assert difference(union(built, fields("z", "a.z")), fields("z", "a.z")) == built
    assert all(has_path(built, path) for path in members)


@given(MEMBERS)
def test_what_is_written_reads_back(members):
    assert decode(from_paths(*members)) == from_paths(*members)


def test_paths_come_members_first_then_what_is_below():
    found = paths(fields("b", "a.x", "a", "c.y"))
    assert [path_text(path) for path in found] == [".a", ".b", ".a.x", ".c.y"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:replicas"), ".spec.replicas"),
        (("f:spec", 'k:{"name":"one"}', "f:image"), '.spec[name="one"].image'),
        ((key_element({"protocol": "TCP", "port": 80}),), '[port=80,protocol="TCP"]'),
        (('v:"a"',), '[="a"]'),
        (("v:1",), "[=1]"),
        (("i:3",), "[3]"),
    ],
)
def test_paths_as_text(path, text):
    assert path_text(path) == text


def test_elements_of_clients_become_canonical():
    assert decode({'k:{"b": 1, "a": "x"}': {}, "v: 1.0": {".": {}}, "f:a": {".": {}, "f:b": {}}}) == {
        'k:{"a":"x","b":1}': {},
        "v:1": {},
        "f:a": {".": {}, "f:b": {}},
    }
    assert key_element({"b": 1.0, "a": "x"}) == 'k:{"a":"x","b":1}'
    assert value_element("a") == 'v:"a"'


def test_elements_of_unknown_kinds_are_left_out():
    assert decode({"q:new": {}, "f:a": {}}) == {"f:a": {}}


@pytest.mark.parametrize("fields", [[], {"f": {}}, {"fa": {}}, {"i:x": {}}, {"k:[]": {}}, {"v:{": {}}, {"f:a": 1}])
def test_what_is_no_field_set_is_refused(fields):
    with pytest.raises(ValueError, match=r"."):
        decode(fields)
