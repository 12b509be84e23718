"""Whole objects through a compiled schema: errors in Kubernetes' words, pruning, defaults."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from echelon.apiserver.schema import UnknownReference, compile_schema

Spec = dict[str, Any]


def object_of(properties: Spec, **keywords: Any) -> Spec:
    return {"type": "object", "properties": properties, **keywords}


def errors_of(field: Spec, value: Any) -> list[str]:
    """What validation says of ``spec.x`` with the schema of that field."""
    schema = compile_schema(object_of({"spec": object_of({"x": field})}))
    return [str(error) for error in schema.validate({"spec": {"x": value}})]


def test_a_plain_object_is_valid() -> None:
    assert errors_of({"type": "string"}, "text") == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ({"type": "integer"}, "big", 'Invalid value: "string": spec.x in body must be of type integer: "string"'),
        ({"type": "integer"}, True, 'Invalid value: "boolean": spec.x in body must be of type integer: "boolean"'),
        ({"type": "string"}, 5, 'Invalid value: "integer": spec.x in body must be of type string: "integer"'),
        ({"type": "string"}, None, 'Invalid value: "null": spec.x in body must be of type string: "null"'),
        ({"type": "object"}, [], 'Invalid value: "array": spec.x in body must be of type object: "array"'),
        (
            {"x-kubernetes-int-or-string": True},
            1.5,
            'Invalid value: "number": spec.x in body must be of type integer,string: "number"',
        ),
        (
            {"type": "integer", "format": "int32"},
            True,
            'Invalid value: "": spec.x in body must be of type int32: ""',
        ),
        (
            {"type": "string", "enum": ["red", "green"]},
            "pink",
            'Unsupported value: "pink": supported values: "red", "green"',
        ),
        ({"type": "integer", "enum": [1, 2]}, 3, 'Unsupported value: 3: supported values: "1", "2"'),
        (
            {"type": "integer", "maximum": 10},
            11,
            "Invalid value: 11: spec.x in body should be less than or equal to 10",
        ),
        (
            {"type": "integer", "maximum": 10, "exclusiveMaximum": True},
            10,
            "Invalid value: 10: spec.x in body should be less than 10",
        ),
        (
            {"type": "number", "minimum": 0.5},
            0.25,
            "Invalid value: 0.25: spec.x in body should be greater than or equal to 0.5",
        ),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            0,
            "Invalid value: 0: spec.x in body should be greater than 0",
        ),
        ({"type": "integer", "multipleOf": 3}, 7, "Invalid value: 7: spec.x in body should be a multiple of 3"),
        ({"type": "string", "maxLength": 3}, "abcd", "Too long: may not be more than 3 bytes"),
        ({"type": "string", "maxLength": 1}, "ab", "Too long: may not be more than 1 byte"),
        (
            {"type": "string", "minLength": 3},
            "ab",
            'Invalid value: "ab": spec.x in body should be at least 3 chars long',
        ),
        (
            {"type": "string", "pattern": "^[a-z]{3}$"},
            "AB1",
            "Invalid value: \"AB1\": spec.x in body should match '^[a-z]{3}$'",
        ),
        (
            {"type": "string", "format": "date-time"},
            "yesterday",
            'Invalid value: "yesterday": spec.x in body must be of type date-time: "yesterday"',
        ),
        ({"type": "array", "maxItems": 3}, [1, 2, 3, 4], "Too many: 4: must have at most 3 items"),
        ({"type": "array", "minItems": 1}, [], "Invalid value: 0: spec.x in body should have at least 1 items"),
        (
            {"type": "array", "uniqueItems": True},
            [1, 1],
            'Invalid value: "": spec.x in body shouldn\'t contain duplicates',
        ),
        ({"type": "object", "maxProperties": 1}, {"a": 1, "b": 2}, "Too many: 2: must have at most 1 item"),
        (
            {"type": "object", "minProperties": 1},
            {},
            "Invalid value: 0: spec.x in body should have at least 1 properties",
        ),
        (
            {"type": "object", "additionalProperties": False},
            {"a": 1},
            'Invalid value: "a": spec.x.a in body is a forbidden property',
        ),
    ],
)
def test_wording_of_a_single_error(field: Spec, value: Any, message: str) -> None:
    assert errors_of(field, value) == [f"spec.x: {message}"]


def test_a_fraction_in_an_integer_field_is_told_twice_as_by_kubernetes() -> None:
    assert errors_of({"type": "integer"}, 1.5) == [
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.x',
        'spec.x: Invalid value: "number": spec.x in body must be of type integer: "number"',
    ]


@pytest.mark.parametrize("value", [1, 1.0, -3])
def test_whole_numbers_are_integers_however_they_are_written(value: float) -> None:
    assert errors_of({"type": "integer"}, value) == []


def test_required_fields_are_told_by_their_path() -> None:
    schema = compile_schema(object_of({"spec": object_of({}, required=["colour"])}, required=["spec", "more"]))
    assert [str(error) for error in schema.validate({"spec": {}})] == [
        "more: Required value",
        "spec.colour: Required value",
    ]


def test_errors_in_items_and_maps_carry_index_and_key() -> None:
    schema = compile_schema(
        object_of(
            {
                "list": {"type": "array", "items": object_of({"n": {"type": "integer"}})},
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
            }
        )
    )
    fields = [error.field for error in schema.validate({"list": [{"n": 1}, {"n": "x"}], "map": {"k": 1}})]
    assert fields == ["list[1].n", "map.k"]


def test_any_of_tells_the_branch_that_came_closest() -> None:
    field = {"anyOf": [{"type": "string"}, object_of({"a": {"type": "integer"}}, type="object", required=["b"])]}
    assert errors_of(field, {"a": 1}) == [
        '<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
        "spec.x.b: Required value",
    ]


def test_one_of_wants_exactly_one() -> None:
    field = {"type": "integer", "oneOf": [{"minimum": 1}, {"minimum": 5}]}
    assert errors_of(field, 3) == []
    assert errors_of(field, 7) == [
        '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    ]
    assert errors_of(field, 0)[0] == (
        '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid'
    )


def test_all_of_and_not() -> None:
    assert errors_of({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 3)[0] == (
        '<nil>: Invalid value: "": "spec.x" must validate all the schemas (allOf)'
    )
    assert errors_of({"not": {"enum": ["a"]}}, "a") == [
        '<nil>: Invalid value: "": "spec.x" must not validate the schema (not)'
    ]


def test_sets_and_map_lists_hold_no_duplicates() -> None:
    names = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
    assert errors_of(names, ["a", "b", "a", "a"]) == ['spec.x[2]: Duplicate value: "a"']
    parts = {
        "type": "array",
        "items": object_of({"name": {"type": "string"}, "port": {"type": "integer"}}),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name", "port"],
    }
    assert errors_of(parts, [{"name": "a", "port": 1}, {"name": "a", "port": 2}]) == []
    assert errors_of(parts, [{"name": "a", "port": 1}, {"port": 1, "name": "a"}]) == [
        'spec.x[1]: Duplicate value: {"name":"a","port":1}'
    ]


def test_prune_removes_unknown_fields_and_names_them() -> None:
    schema = compile_schema(
        object_of(
            {
                "spec": object_of(
                    {
                        "known": {"type": "string"},
                        "free": object_of({"strict": object_of({})}, **{"x-kubernetes-preserve-unknown-fields": True}),
                        "items": {"type": "array", "items": object_of({"a": {"type": "string"}})},
                        "any": {"type": "object", "additionalProperties": True},
                    }
                )
            }
        )
    )
    obj = {
        "metadata": {"name": "x", "colour": "red", "ownerReferences": [{"name": "o", "odd": 1}]},
        "spec": {
            "known": "k",
            "odd": {"deep": 1},
            "free": {"kept": {"all": 1}, "strict": {"gone": 1}},
            "items": [{"a": "1"}, {"b": 2}],
            "any": {"scalar": 1, "object": {"gone": 1}},
        },
        "kind": "Widget",
        "extra": 1,
    }
    assert schema.prune(obj) == [
        "extra",
        "metadata.colour",
        "metadata.ownerReferences[0].odd",
        "spec.any.object.gone",
        "spec.free.strict.gone",
        "spec.items[1].b",
        "spec.odd",
    ]
    assert obj == {
        "metadata": {"name": "x", "ownerReferences": [{"name": "o"}]},
        "spec": {
            "known": "k",
            "free": {"kept": {"all": 1}, "strict": {}},
            "items": [{"a": "1"}, {}],
            "any": {"scalar": 1, "object": {}},
        },
        "kind": "Widget",
    }
    assert schema.prune(obj) == []


def test_defaults_fill_gaps_and_nulls() -> None:
    schema = compile_schema(
        object_of(
            {
                "spec": object_of(
                    {
                        "size": {"type": "integer", "default": 3},
                        "maybe": {"type": "string", "nullable": True, "default": "d"},
                        "plain": {"type": "string"},
                        "nested": object_of({"a": {"type": "integer", "default": 1}}, default={}),
                        "parts": {"type": "array", "items": object_of({"count": {"type": "integer", "default": 1}})},
                        "map": {"type": "object", "additionalProperties": {"type": "string"}},
                    }
                )
            }
        )
    )
    obj: Spec = {
        "spec": {"size": None, "maybe": None, "plain": None, "parts": [{}, {"count": 2}], "map": {"a": None, "b": "c"}}
    }
    schema.default(obj)
    assert obj["spec"] == {
        "size": 3,
        "maybe": None,
        "nested": {"a": 1},
        "parts": [{"count": 1}, {"count": 2}],
        "map": {"b": "c"},
    }
    once = copy.deepcopy(obj)
    schema.default(obj)
    assert obj == once


def test_a_default_is_copied_not_shared() -> None:
    schema = compile_schema(object_of({"spec": {"type": "object", "additionalProperties": True, "default": {"a": []}}}))
    first: Spec = {}
    second: Spec = {}
    schema.default(first)
    schema.default(second)
    first["spec"]["a"].append(1)
    assert second == {"spec": {"a": []}}


def test_embedded_resources_say_what_they_are() -> None:
    embedded = {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    schema = compile_schema(object_of({"spec": object_of({"x": embedded})}))
    assert errors_of(embedded, {}) == ["spec.x.apiVersion: Required value", "spec.x.kind: Required value"]
    assert errors_of(embedded, {"apiVersion": "a/b/c", "kind": ""}) == [
        'spec.x.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        'spec.x.kind: Invalid value: "": must not be empty',
    ]
    obj = {"spec": {"x": {"apiVersion": "v1", "kind": "A", "metadata": {"odd": 1, "name": "n"}, "data": {"any": 1}}}}
    assert schema.prune(obj) == ["spec.x.metadata.odd"]
    assert schema.validate(obj) == []


def test_recursive_and_large_types_are_resolved_when_reached() -> None:
    types: dict[str, Spec] = {
        "Tree": object_of(
            {
                "name": {"type": "string", "default": "leaf"},
                "children": {"type": "array", "items": {"$ref": "Tree"}},
                "other": {"allOf": [{"$ref": "Absent"}], "default": None},
            }
        )
    }
    resolved: list[str] = []

    def resolve(name: str) -> Spec:
        resolved.append(name)
        return types[name]

    types["Absent"] = object_of({"n": {"type": "integer"}})
    schema = compile_schema(object_of({"spec": {"$ref": "Tree"}}), resolve=resolve)
    obj: Spec = {"spec": {"children": [{"children": [{"odd": 1}]}]}}
    assert schema.prune(obj) == ["spec.children[0].children[0].odd"]
    schema.default(obj)
    assert obj["spec"]["children"][0]["children"][0] == {"name": "leaf"}
    obj["spec"]["children"][0]["children"][0]["name"] = 5
    assert [error.field for error in schema.validate(obj)] == ["spec.children[0].children[0].name"]
    assert resolved.count("Tree") == 1


def test_references_without_a_resolver_are_refused() -> None:
    with pytest.raises(UnknownReference, match="Tree"):
        compile_schema({"$ref": "Tree"})


PARTS = object_of(
    {
        "spec": object_of(
            {
                "parts": {
                    "type": "array",
                    "items": object_of({"name": {"type": "string"}, "n": {"type": "integer", "maximum": 5}}),
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
                "list": {"type": "array", "items": {"type": "integer", "maximum": 5}},
                "x": {"type": "integer", "maximum": 5},
            },
            required=["y"],
        )
    }
)


def test_an_update_may_keep_what_was_wrong_before() -> None:
    schema = compile_schema(PARTS)
    old = {"spec": {"x": 9, "parts": [{"name": "a", "n": 9}, {"name": "b", "n": 1}], "list": [9, 1]}}
    assert schema.validate(old) != []
    assert schema.validate(copy.deepcopy(old), old) == []
    new = copy.deepcopy(old)
    new["spec"]["parts"] = [{"name": "c", "n": 8}, {"name": "a", "n": 9}]
    new["spec"]["list"] = [9, 1, 2]
    assert [error.field for error in schema.validate(new, old)] == ["spec.list[0]", "spec.parts[0].n", "spec.y"]


def test_a_list_that_was_no_set_need_not_become_one() -> None:
    schema = compile_schema(object_of({"x": {"type": "array", "x-kubernetes-list-type": "set"}}))
    assert schema.validate({"x": [1, 1]}, {"x": [2, 2]}) == []
    assert schema.validate({"x": [1, 1]}, {"x": [2]}) != []
