"""Comparing two objects: which fields were set, which are gone."""

import pytest
from hypothesis import given, settings

from echelon.apiserver.patch.comparison import compare
from echelon.apiserver.patch.fieldset import EMPTY, intersection, path_text, paths
from echelon.apiserver.patch.schema_tree import no_references
from echelon.apiserver.patch.type_tree import TypeTree

from .objects import SPECS
from .store import SCHEMA, STRING

SPEC = TypeTree(no_references).root(SCHEMA).map.field("spec")


def changed(old, new, kind=SPEC):
    changes = compare(old, new, kind)
    return [path_text(path) for path in paths(changes.set)], [path_text(path) for path in paths(changes.removed)]


@pytest.mark.parametrize(
    ("old", "new", "set_", "removed"),
    [
        ({"replicas": 1}, {"replicas": 1}, [], []),
        ({"replicas": 1}, {"replicas": 2}, [".replicas"], []),
        ({}, {"replicas": 2}, [".replicas"], []),
        ({"replicas": 1}, {}, [], [".replicas"]),
        ({}, {"labels": {"a": "1"}}, [".labels", ".labels.a"], []),
        ({"labels": {}}, {"labels": {"a": "1"}}, [".labels.a"], []),
        ({"labels": {"a": "1", "b": "2"}}, {"labels": {"a": "9", "c": "3"}}, [".labels.a", ".labels.c"], [".labels.b"]),
        ({"labels": {"a": "1"}}, {}, [], [".labels", ".labels.a"]),
        ({"args": ["a"]}, {"args": ["a", "b"]}, [".args"], []),
        ({"selector": {"matchLabels": {"a": "1"}}}, {"selector": {"matchLabels": {}}}, [".selector"], []),
        ({"tags": ["a"]}, {"tags": ["b", "a"]}, ['.tags[="b"]'], []),
        ({"tags": ["a", "b"]}, {"tags": ["b"]}, [], ['.tags[="a"]']),
        ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}, [], []),
        ({"parts": [{"name": "a", "count": 1}]}, {"parts": [{"name": "a", "count": 2}]},
         ['.parts[name="a"].count'], []),
        ({"parts": []}, {"parts": [{"name": "a"}]}, ['.parts[name="a"]', '.parts[name="a"].name'], []),
        ({"parts": [{"name": "a"}]}, {"parts": []}, [], ['.parts[name="a"]', '.parts[name="a"].name']),
        ({"free": {"a": 1}}, {"free": {"a": {"b": 1}}}, [".free.a", ".free.a.b"], []),
        ({"free": {"a": {"b": 1}}}, {"free": {"a": 1}}, [".free.a"], [".free.a.b"]),
        ({"labels": None}, {"labels": {"a": "1"}}, [".labels", ".labels.a"], []),
        # Items that cannot be told apart are one field.
        ({"tags": ["a"]}, {"tags": ["a", "a"]}, ['.tags[="a"]'], []),
        ({"parts": [{"name": "a", "count": 1}]}, {"parts": [{"name": "a"}, {"name": "a"}]},
         ['.parts[name="a"]'], ['.parts[name="a"].count', '.parts[name="a"].name']),
        ({"parts": [{"name": "a"}] * 2}, {"parts": [{"name": "a"}]}, ['.parts[name="a"]', '.parts[name="a"].name'], []),
        ({"parts": [{"name": "a"}] * 2}, {"parts": []}, [], ['.parts[name="a"]']),
        # What does not fit its type is one field.
        ({"parts": [{"name": "a"}]}, {"parts": [{"count": 1}]},
         [".parts"], ['.parts[name="a"]', '.parts[name="a"].name']),
        ({}, {"parts": [{"count": 1}]}, [".parts"], []),
    ],
)  # fmt: skip
def test_changes(old, new, set_, removed):
    assert changed(old, new) == (set_, removed)


def test_the_existence_of_plain_structs_is_no_change():
    components = {"Spec": {"type": "object", "properties": {"a": STRING}}}
    field = {"allOf": [{"$ref": "Spec"}], "default": {}}
    kind = TypeTree(components.__getitem__).type_of({"type": "object", "properties": {"spec": field}})
    assert changed({}, {"spec": {"a": "x"}}, kind) == ([".spec.a"], [])
    assert changed({"spec": {"a": "x"}}, {}, kind) == ([], [".spec.a"])
    assert changed({}, {"spec": {}}, kind) == changed({"spec": {}}, {}, kind) == ([], [])


@settings(max_examples=100, deadline=None)
@given(SPECS, SPECS)
def test_nothing_is_both_set_and_removed_and_equal_objects_have_no_changes(old, new):
    changes = compare(old, new, SPEC)
    assert intersection(changes.set, changes.removed) == EMPTY
    assert compare(new, new, SPEC) == (EMPTY, EMPTY)
    back = compare(new, old, SPEC)
    assert set(paths(back.removed)) <= set(paths(changes.set))
