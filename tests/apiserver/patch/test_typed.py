"""Values along their types: faults, what a configuration names, merging and taking out."""

import pytest

from echelon.apiserver.patch.fieldset import from_paths, path_text, paths
from echelon.apiserver.patch.schema_tree import no_references
from echelon.apiserver.patch.type_tree import TypeTree
from echelon.apiserver.patch.typed import (
    faults,
    field_set,
    item_element,
    merge,
    reconciled,
    with_declared_parents,
    without,
)

from .store import NUMBER, SCHEMA, STRING, record

ROOT = TypeTree(no_references).root(SCHEMA)
SPEC = ROOT.map.field("spec")


def type_of(schema, components=None):
    return TypeTree((components or {}).__getitem__).type_of(schema)


def named(value, kind=SPEC):
    return [path_text(path) for path in paths(field_set(value, kind))]


def fields(*found):
    return from_paths(*(tuple(path) for path in found))


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ({"replicas": 1}, [".replicas"]),
        ({"replicas": None}, [".replicas"]),
        ({"nested": {"inner": {"a": "x"}}}, [".nested.inner.a"]),
        ({"nested": {}}, [".nested"]),
        ({"labels": {"a": "x"}}, [".labels.a"]),
        ({"labels": {}}, [".labels"]),
        ({"tags": ["a", "b"]}, ['.tags[="a"]', '.tags[="b"]']),
        ({"tags": []}, []),
        ({"args": ["a"]}, [".args"]),
        ({"args": []}, [".args"]),
        ({"selector": {"matchLabels": {"a": "b"}}}, [".selector"]),
        ({"parts": [{"name": "a", "count": 1}]},
         ['.parts[name="a"]', '.parts[name="a"].count', '.parts[name="a"].name']),
        ({"ports": [{"port": 1}]}, ['.ports[port=1,protocol="TCP"]', '.ports[port=1,protocol="TCP"].port']),
        ({"free": {"a": {"b": [1]}}}, [".free.a", ".free.a.b"]),
    ],
)  # fmt: skip
def test_what_a_configuration_names(value, paths):
    assert named(value) == paths


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"other": 1}, ".other: field not declared in schema"),
        ({"replicas": "x"}, ".replicas: expected numeric (int or float), got string"),
        ({"replicas": True}, ".replicas: expected numeric (int or float), got bool"),
        ({"replicas": []}, ".replicas: expected numeric (int or float), got []interface {}"),
        ({"colour": 1}, ".colour: expected string, got &value.valueUnstructured{Value:1}"),
        ({"nested": "x"}, ".nested: expected map, got &{x}"),
        ({"tags": {"a": 1}}, ".tags: expected list, got &{map[a:1]}"),
        ({"tags": ["a", "a"]}, '.tags: duplicate entries for key [="a"]'),
        ({"tags": [None]}, ".tags: element 0: associative list without keys has an element that's an explicit null"),
        ({"tags": [{}]}, ".tags: element 0: associative list without keys has an element that's a map type"),
        ({"tags": [[]]}, ".tags: element 0: not supported: associative list with lists as elements"),
        ({"parts": [None]}, ".parts: element 0: associative list with keys may not have a null element"),
        ({"parts": ["a"]}, ".parts: element 0: associative list with keys may not have non-map elements"),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, '.parts: duplicate entries for key [name="a"]'),
        ({"parts": [{"name": "a", "x": 1}]}, '.parts[name="a"].x: field not declared in schema'),
        ({"args": ["a", 1]}, ".args[1]: expected string, got &value.valueUnstructured{Value:1}"),
        (
            {"parts": [{"count": 1}]},
            '.parts: element 0: associative list with keys has an element that omits all key fields ["name"] '
            "(and doesn't have default values for any key fields)",
        ),
    ],
)
def test_faults_of_a_configuration(value, fault):
    assert faults(value, SPEC) == [fault]


def test_every_fault_is_told():
    assert faults({"spec": {"a": 1, "replicas": ""}}, ROOT) == [
        ".spec.a: field not declared in schema",
        ".spec.replicas: expected numeric (int or float), got string",
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"apiVersion": "v1", "kind": "Widget", "metadata": {"name": "w", "labels": {"a": "b"}, "finalizers": ["x"]}},
        {"spec": None},
        {"spec": {"free": {"any": [1, {"deep": True}]}, "args": None}},
    ],
)
def test_what_fits_has_no_faults(value):
    assert faults(value, ROOT) == []


def test_scalars_of_schemas_without_a_type_are_free():
    free = type_of(record(any={"x-kubernetes-int-or-string": True}, on={"type": "boolean"}))
    assert faults({"any": 1, "on": True}, free) == faults({"any": "50%"}, free) == []
    assert faults({"on": 1}, free) == [".on: expected boolean, got &{1}"]


def test_quantities_are_any_scalar_and_raw_extensions_are_one_field():
    components = {
        "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
        "#/components/schemas/io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object"},
    }
    quantity, raw = ({"$ref": name} for name in components)
    kind = type_of({"type": "object", "properties": {"cpu": quantity, "raw": raw}}, components)
    assert faults({"cpu": 1}, kind) == []
    assert named({"cpu": "1", "raw": {"a": {"b": 1}}}, kind) == [".cpu", ".raw"]


def test_patch_strategy_and_key_stand_in_for_a_list_type():
    kind = type_of(
        {
            "type": "object",
            "properties": {
                "containers": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"name": STRING}},
                    "x-kubernetes-patch-strategy": "merge,retainKeys",
                    "x-kubernetes-patch-merge-key": "name",
                },
                "finalizers": {"type": "array", "items": STRING, "x-kubernetes-patch-strategy": "merge"},
                "replaced": {"type": "array", "items": STRING, "x-kubernetes-patch-strategy": "replace"},
            },
        }
    )
    assert named({"containers": [{"name": "a"}], "finalizers": ["b"], "replaced": ["c"]}, kind) == [
        ".replaced",
        '.containers[name="a"]',
        '.containers[name="a"].name',
        '.finalizers[="b"]',
    ]


def test_a_field_can_make_what_it_refers_to_atomic():
    components = {"Selector": {"type": "object", "properties": {"a": STRING, "b": STRING}}}
    atomic = {"$ref": "Selector", "x-kubernetes-map-type": "atomic"}
    kind = type_of({"type": "object", "properties": {"one": atomic, "two": {"$ref": "Selector"}}}, components)
    assert named({"one": {"a": "x"}, "two": {"a": "x"}}, kind) == [".one", ".two.a"]


def test_schemas_may_refer_to_themselves():
    components = {"Tree": {"type": "object", "properties": {"left": {"$ref": "Tree"}, "leaf": STRING}}}
    kind = type_of({"$ref": "Tree"}, components)
    assert named({"left": {"left": {"leaf": "x"}}}, kind) == [".left.left.leaf"]


def test_keys_left_out_count_by_their_defaults_or_not_at_all():
    ports = SPEC.map.field("ports").list
    assert item_element({"port": 1}, ports) == item_element({"protocol": "TCP", "port": 1}, ports)
    assert item_element({"protocol": "UDP"}, ports) == 'k:{"protocol":"UDP"}'


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"labels": {"a": "1"}}, {"labels": {"b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
        ({"labels": {"a": "1"}}, {"labels": {}}, {"labels": {"a": "1"}}),
        ({"labels": {"a": "1"}}, {"labels": None}, {"labels": {"a": "1"}}),
        ({"labels": None}, {"labels": {"a": "1"}}, {"labels": {"a": "1"}}),
        ({"selector": {"a": "1"}}, {"selector": {"b": "2"}}, {"selector": {"b": "2"}}),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
        ({"args": ["a"]}, {"args": None}, {"args": None}),
        ({"replicas": 1}, {"replicas": None}, {"replicas": None}),
        ({"tags": ["a", "b"]}, {"tags": ["c"]}, {"tags": ["a", "b", "c"]}),
        ({"parts": [{"name": "a", "count": 1}]}, {"parts": [{"name": "a", "image": "x"}]},
         {"parts": [{"name": "a", "count": 1, "image": "x"}]}),
        ({"parts": [{"name": "a", "count": 1}, {"name": "a", "count": 2}]}, {"parts": [{"name": "a", "image": "x"}]},
         {"parts": [{"name": "a", "image": "x"}]}),
        ({"parts": [{"unfit": 1}]}, {"parts": [{"name": "a"}]}, {"parts": [{"name": "a"}]}),
        ({"free": {"a": {"b": 1}}}, {"free": {"a": {"c": 2}}}, {"free": {"a": {"b": 1, "c": 2}}}),
        ({"free": {"a": [1]}}, {"free": {"a": [2]}}, {"free": {"a": [2]}}),
        ({"free": {"a": [1]}}, {"free": {"a": {"b": 1}}}, {"free": {"a": {"b": 1}}}),
    ],
)  # fmt: skip
def test_merging(live, applied, merged):
    assert merge(live, applied, SPEC) == merged


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ("", "ab", "ab"),
        ("ab", "", "ab"),
        ("a", "b", "ab"),
        ("abc", "ca", "bca"),
        ("abcd", "xc", "abxcd"),
        ("abc", "bx", "abcx"),
        ("abcd", "dcba", "dcba"),
        ("axbycz", "cab", "xyczab"),
        ("aab", "b", "aab"),
    ],
)
def test_the_order_of_merged_items(live, applied, merged):
    assert "".join(merge({"tags": list(live)}, {"tags": list(applied)}, SPEC)["tags"]) == merged


@pytest.mark.parametrize(
    ("value", "gone", "rest"),
    [
        ({"a": 1, "b": 2}, [["f:a"]], {"b": 2}),
        ({"labels": {"a": "1", "b": "2"}}, [["f:labels", "f:a"]], {"labels": {"b": "2"}}),
        ({"labels": {"a": "1"}}, [["f:labels", "f:a"]], {"labels": {}}),
        ({"labels": {"a": "1"}}, [["f:labels"]], {}),
        ({"tags": ["a", "b"]}, [["f:tags", 'v:"a"']], {"tags": ["b"]}),
        ({"parts": [{"name": "a"}, {"name": "b"}]}, [["f:parts", 'k:{"name":"a"}']], {"parts": [{"name": "b"}]}),
        (
            {"parts": [{"name": "a", "count": 1}]},
            [["f:parts", 'k:{"name":"a"}', "f:count"]],
            {"parts": [{"name": "a"}]},
        ),
        ({"selector": {"matchLabels": {}}}, [["f:selector", "f:matchLabels"]], {"selector": {"matchLabels": {}}}),
        ({"a": 1}, [["f:zzz"]], {"a": 1}),
    ],
)
def test_taking_fields_out(value, gone, rest):
    assert without(value, fields(*gone), SPEC) == rest


def test_declared_parents_become_members_but_not_those_of_maps():
    inner = fields(["f:nested", "f:inner", "f:a"], ["f:labels", "f:a"], ["f:free", "f:x", "f:y"])
    assert with_declared_parents(inner, SPEC) == fields(
        ["f:nested"],
        ["f:nested", "f:inner"],
        ["f:nested", "f:inner", "f:a"],
        ["f:labels"],
        ["f:labels", "f:a"],
        ["f:free"],
        ["f:free", "f:x", "f:y"],
    )


def test_what_became_atomic_is_owned_as_a_whole():
    old = fields(["f:selector", "f:matchLabels", "f:a"], ["f:args", 'v:"a"'], ["f:labels", "f:a"], ["f:replicas"])
    assert reconciled(old, SPEC) == fields(["f:selector"], ["f:args"], ["f:labels", "f:a"], ["f:replicas"])


def test_a_root_without_properties_takes_anything_but_knows_metadata():
    root = TypeTree(no_references).root({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    assert faults({"spec": {"x": 1}, "anything": [1]}, root) == []
    assert named({"metadata": {"labels": {"a": "b"}, "finalizers": ["x"]}}, root) == [
        '.metadata.finalizers[="x"]',
        ".metadata.labels.a",
    ]
    assert faults({"metadata": {"generation": "x"}}, root) != []


def test_an_embedded_resource_has_the_fields_that_all_kinds_have():
    kind = type_of(record(manifest={**record(spec=STRING), "x-kubernetes-embedded-resource": True}))
    manifest = {"apiVersion": "v1", "kind": "X", "metadata": {"finalizers": ["f"]}, "spec": "s"}
    assert faults({"manifest": manifest}, kind) == []
    assert '.manifest.metadata.finalizers[="f"]' in named({"manifest": manifest}, kind)


def test_unknown_fields_are_kept_below_a_schema_that_says_so():
    kind = type_of(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"inner": {"type": "object", "properties": {"n": NUMBER}}},
        }
    )
    assert faults({"inner": {"unknown": 1}}, kind) == []
    closed = type_of({"type": "object", "properties": {"n": NUMBER}, "additionalProperties": False})
    assert faults({"unknown": 1}, closed) == [".unknown: field not declared in schema"]
