"""Strategic merge patch: each directive, list order, and patches computed from two documents."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.errors import StatusError
from echelon.apiserver.patch import apply_strategic

STRING = {"type": "string"}
MERGED = {"x-kubernetes-patch-strategy": "merge"}
COMPONENTS = {
    "#/components/schemas/Container": {
        "type": "object",
        "properties": {
            "name": STRING,
            "image": STRING,
            "args": {"type": "array", "items": STRING},
            "env": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Env"},
                "x-kubernetes-patch-merge-key": "name",
                **MERGED,
            },
        },
    },
    "#/components/schemas/Env": {"type": "object", "properties": {"name": STRING, "value": STRING}},
    "#/components/schemas/Spec": {
        "type": "object",
        "properties": {
            "containers": {
                "type": "array",
                "items": {"allOf": [{"$ref": "#/components/schemas/Container"}], "default": {}},
                "x-kubernetes-patch-merge-key": "name",
                **MERGED,
            },
            "finalizers": {"type": "array", "items": STRING, **MERGED},
            "tolerations": {"type": "array", "items": {"type": "object"}},
            "nodeSelector": {"type": "object", "additionalProperties": STRING},
            "strategy": {
                "type": "object",
                "properties": {"type": STRING, "rolling": {"type": "object"}},
                "x-kubernetes-patch-strategy": "retainKeys",
            },
            "affinity": {"type": "object", "x-kubernetes-patch-strategy": "replace"},
            "volumes": {
                "type": "array",
                "items": {"type": "object"},
                "x-kubernetes-patch-merge-key": "name",
                "x-kubernetes-patch-strategy": "merge,retainKeys",
            },
            "keyless": {"type": "array", "items": {"type": "object"}, **MERGED},
        },
    },
}
SCHEMA = {"type": "object", "properties": {"spec": {"$ref": "#/components/schemas/Spec"}}}


def patched(spec, patch):
    return apply_strategic({"spec": spec}, {"spec": patch}, SCHEMA, COMPONENTS.__getitem__)["spec"]


def named(text, **more):
    return [{"name": name, **more} for name in text]


def names(items):
    return "".join(item["name"] for item in items)


@pytest.mark.parametrize(
    ("spec", "patch", "result"),
    [
        # objects
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"b": "2"}}, {"nodeSelector": {"a": "1", "b": "2"}}),
        ({"nodeSelector": {"a": "1", "b": "2"}}, {"nodeSelector": {"a": None}}, {"nodeSelector": {"b": "2"}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": None}, {}),
        ({}, {"nodeSelector": {"a": None, "b": "2"}}, {"nodeSelector": {"b": "2"}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$patch": "replace", "b": "2"}}, {"nodeSelector": {"b": "2"}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$patch": "delete"}}, {"nodeSelector": {}}),
        ({}, {"nodeSelector": {"$patch": "delete"}}, {}),
        ({"affinity": {"a": 1}}, {"affinity": {"b": 2}}, {"affinity": {"b": 2}}),
        ({"nodeSelector": "scalar"}, {"nodeSelector": {"a": "1"}}, {"nodeSelector": {"a": "1"}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": "scalar"}, {"nodeSelector": "scalar"}),
        # fields that the schema does not know
        ({"other": {"a": [1]}}, {"other": {"a": [2], "b": 1}}, {"other": {"a": [2], "b": 1}}),
        # lists without a strategy
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": None}, {}),
        # retainKeys
        (
            {"strategy": {"type": "Rolling", "rolling": {"x": 1}}},
            {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
            {"strategy": {"type": "Recreate"}},
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {}}]},
            {"volumes": [{"name": "v", "secret": {}}]},
        ),
        ({}, {"volumes": [{"name": "v", "$retainKeys": ["name"]}]}, {"volumes": [{"name": "v"}]}),
        # lists of scalars
        ({"finalizers": ["a"]}, {"finalizers": ["b"]}, {"finalizers": ["b", "a"]}),
        ({"finalizers": ["a", "b"]}, {"finalizers": ["b", "c"]}, {"finalizers": ["a", "b", "c"]}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a", "z"]}, {"finalizers": ["b"]}),
        ({}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {}),
        (
            {"finalizers": ["a", "b"]},
            {
                "$deleteFromPrimitiveList/finalizers": ["a"],
                "$setElementOrder/finalizers": ["c", "b"],
                "finalizers": ["c"],
            },
            {"finalizers": ["c", "b"]},
        ),
        ({"finalizers": []}, {"finalizers": []}, {"finalizers": []}),
    ],
)
def test_merging(spec, patch, result):
    assert patched(spec, patch) == result


@pytest.mark.parametrize(
    ("current", "patch", "result"),
    [
        ("ab", [{"name": "b", "image": "2"}], [{"name": "a"}, {"name": "b", "image": "2"}]),
        ("ab", [{"name": "c"}], named("cab")),
        ("ab", [{"name": "a", "$patch": "delete"}], named("b")),
        ("ab", [{"name": "z", "$patch": "delete"}], named("ab")),
        ("ab", [{"$patch": "replace"}, {"name": "c"}], named("c")),
        ("ab", [{"$patch": "replace"}], []),
        ("ab", [{"name": "a", "$patch": "delete"}, {"name": "c"}], named("cb")),
        ("", [{"name": "a", "image": None}], named("a")),
        ("ab", [], named("ab")),
    ],
)
def test_merging_a_list_by_key(current, patch, result):
    assert patched({"containers": named(current)}, {"containers": patch})["containers"] == result


def test_nested_lists_merge_by_the_schema_that_is_referred_to():
    spec = {
        "containers": [{"name": "a", "args": ["x"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]
    }
    patch = {
        "containers": [{"name": "a", "args": ["y"], "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}]
    }
    assert patched(spec, patch)["containers"] == [
        {
            "name": "a",
            "args": ["y"],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
        }
    ]


@pytest.mark.parametrize(
    ("current", "brought", "order", "result"),
    [
        ("abc", "", "cba", "cba"),
        ("abc", "d", "dabc", "dabc"),
        ("abcx", "d", "adc", "adbcx"),
        ("xabc", "", "cb", "xacb"),
        ("", "ab", "ab", "ab"),
        ("abc", "c", "c", "abc"),
    ],
)
def test_element_order(current, brought, order, result):
    patch = {"$setElementOrder/containers": named(order)} | ({"containers": named(brought)} if brought else {})
    spec = {"containers": named(current)} if current else {}
    assert names(patched(spec, patch)["containers"]) == result


def test_element_order_of_nothing_adds_nothing():
    assert patched({}, {"$setElementOrder/containers": named("a")}) == {}


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        ({"strategy": {"$retainKeys": ["type"], "rolling": {}}}, 400, "invalid patch format of retainKeys"),
        ({"strategy": {"$retainKeys": "type"}}, 400, "invalid patch format of retainKeys"),
        ({"$deleteFromPrimitiveList": ["a"]}, 400, "invalid patch format of primitive list"),
        ({"$deleteFromPrimitiveList/containers": ["a"]}, 400, "invalid patch format of primitive list"),
        ({"$setElementOrder": []}, 400, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/containers": {}}, 400, "expected a []interface {}, but received a map[string]interface {}"),
        ({"containers": [{"image": "x"}]}, 400, "map: map[image:x] does not contain declared merge key: name"),
        (
            {"containers": [{"$patch": "delete"}]},
            400,
            "map: map[$patch:delete] does not contain declared merge key: name",
        ),
        ({"containers": [{"name": "a", "$patch": "merge"}]}, 400, "merging lists cannot yet be specified in the patch"),
        (
            {"containers": [{"name": "a", "$patch": "mend"}]},
            400,
            "unknown patch type: mend in map: map[$patch:mend name:a]",
        ),
        ({"strategy": {"$patch": "merge"}}, 400, "unknown patch type: merge in map: map[$patch:merge]"),
        ({"containers": ["a"]}, 400, "list element types are not identical: [[map[name:a]] [a]]"),
        ({"containers": [["a"]]}, 422, "the server rejected our request due to an error in our request"),
        ({"keyless": [{"b": 1}]}, 400, "cannot merge lists without merge key for struct"),
        (
            {"$setElementOrder/containers": named("ab"), "containers": named("ba")},
            400,
            "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n"
            "[map[name:a] map[name:b]]\n",
        ),
    ],
)
def test_contradictions(patch, code, message):
    with pytest.raises(StatusError) as raised:
        patched({"strategy": {"type": "x"}, "containers": named("a"), "keyless": [{"a": 1}]}, patch)
    assert (raised.value.code, raised.value.message) == (code, message)


def test_a_patch_must_be_an_object():
    with pytest.raises(StatusError, match="cannot unmarshal array") as raised:
        apply_strategic({}, [], SCHEMA, COMPONENTS.__getitem__)
    assert raised.value.code == 400


VALUES = st.text("xyz", min_size=1, max_size=1)
ENV = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("ABC"), "value": VALUES}), max_size=3, unique_by=lambda e: e["name"]
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("abcd")},
        optional={"image": VALUES, "args": st.lists(VALUES, max_size=2), "env": ENV},
    ),
    max_size=4,
    unique_by=lambda container: container["name"],
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "containers": CONTAINERS,
        "finalizers": st.lists(VALUES, max_size=3, unique=True),
        "nodeSelector": st.dictionaries(VALUES, VALUES, max_size=2),
        "tolerations": st.lists(st.fixed_dictionaries({"key": VALUES}), max_size=2),
        "affinity": st.dictionaries(VALUES, VALUES, max_size=2),
    },
)


def difference(old, new, schema):
    """The strategic patch that kubectl would send to make ``new`` of ``old``."""
    patch = {name: None for name in old if name not in new}
    for name, value in new.items():
        field = schema.get("properties", {}).get(name, {})
        before = old.get(name)
        if before == value and name in old:
            continue
        if type(before) is dict and type(value) is dict and field.get("x-kubernetes-patch-strategy") != "replace":
            patch[name] = difference(before, value, field)
        elif type(before) is list and type(value) is list and "x-kubernetes-patch-strategy" in field:
            patch |= list_difference(name, before, value, field)
        else:
            patch[name] = value
    return patch


def list_difference(name, old, new, field):
    key = field.get("x-kubernetes-patch-merge-key")
    if key is None:
        return {
            f"$setElementOrder/{name}": new,
            f"$deleteFromPrimitiveList/{name}": [item for item in old if item not in new],
            name: [item for item in new if item not in old],
        }
    reference = field["items"].get("$ref") or field["items"]["allOf"][0]["$ref"]
    before = {item[key]: item for item in old}
    changed = [
        {key: item[key], **difference(before.get(item[key], {}), item, COMPONENTS[reference])}
        for item in new
        if before.get(item[key]) != item
    ]
    kept = {item[key] for item in new}
    return {
        f"$setElementOrder/{name}": [{key: item[key]} for item in new],
        name: changed + [{key: item[key], "$patch": "delete"} for item in old if item[key] not in kept],
    }


@settings(max_examples=150, deadline=None)
@given(SPECS, SPECS)
def test_the_patch_computed_from_two_documents_makes_one_of_the_other(old, new):
    patch = difference(old, new, COMPONENTS["#/components/schemas/Spec"])
    before = copy.deepcopy((old, patch))
    assert patched(old, patch) == new
    assert (old, patch) == before


@settings(max_examples=100, deadline=None)
@given(SPECS)
def test_a_document_laid_over_itself_changes_nothing(spec):
    assert patched(spec, spec) == spec
