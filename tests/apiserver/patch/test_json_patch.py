"""JSON patch: the operations, and how each failure is answered."""

import copy

import pytest

from echelon.apiserver.errors import StatusError
from echelon.apiserver.patch import apply_json_patch

DOCUMENT = {
    "data": {"a": "1", "b": "2"},
    "list": [1, 2, 3],
    "metadata": {"annotations": {"example.com/k": "v", "t~": "w"}},
}


def patched(*operations):
    return apply_json_patch(DOCUMENT, list(operations))


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ({"op": "add", "path": "/data/c", "value": "3"}, ("data", "c"), "3"),
        ({"op": "add", "path": "/list/-", "value": 4}, ("list",), [1, 2, 3, 4]),
        ({"op": "add", "path": "/list/1", "value": 9}, ("list",), [1, 9, 2, 3]),
        ({"op": "remove", "path": "/list/0"}, ("list",), [2, 3]),
        ({"op": "replace", "path": "/data/a", "value": None}, ("data", "a"), None),
        ({"op": "move", "from": "/data/a", "path": "/data/z"}, ("data",), {"b": "2", "z": "1"}),
        ({"op": "copy", "from": "/data", "path": "/twin"}, ("twin",), {"a": "1", "b": "2"}),
        ({"op": "test", "path": "/list", "value": [1, 2, 3]}, ("list",), [1, 2, 3]),
        (
            {"op": "replace", "path": "/metadata/annotations/example.com~1k", "value": "x"},
            ("metadata", "annotations", "example.com/k"),
            "x",
        ),
        ({"op": "replace", "path": "/metadata/annotations/t~0", "value": "x"}, ("metadata", "annotations", "t~"), "x"),
    ],
)
def test_each_operation(operation, path, expected):
    found = patched(operation)
    for part in path:
        found = found[part]
    assert found == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/a", "value": "other"},
        {"op": "test", "path": "/list/0", "value": True},
        {"op": "test", "path": "/data/missing", "value": None},
        {"op": "explode", "path": "/data/a"},
        {"op": "append", "path": "/data/a", "value": "x"},
        {"path": "/data/a"},
        {"op": "remove"},
        {"op": "remove", "path": "/data/missing"},
        {"op": "remove", "path": "no-slash"},
        {"op": "remove", "path": 7},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/data/missing", "value": 1},
        {"op": "add", "path": "/data/a"},
        {"op": "add", "path": "/missing/deep", "value": 1},
        {"op": "add", "path": "/data/a/deep", "value": 1},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "copy", "path": "/x"},
        {"op": "copy", "from": "/missing", "path": "/x"},
        {"op": "copy", "from": "/list/-", "path": "/x"},
        {"op": "move", "from": "/missing", "path": "/x"},
        {"op": "move", "from": "/data", "path": "/data/inner"},
        {"op": "replace", "path": "", "value": [1]},
        {"op": ["add"], "path": "/x", "value": 1},
    ],
)
def test_what_cannot_be_carried_out_is_unprocessable(operation):
    with pytest.raises(StatusError) as raised:
        patched(operation)
    assert (raised.value.code, raised.value.reason) == (422, "Invalid")
    assert raised.value.message == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({}, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        (["x"], "json: cannot unmarshal string into Go value of type jsonpatch.Operation"),
    ],
)
def test_a_patch_that_is_no_list_of_objects_is_a_bad_request(patch, message):
    with pytest.raises(StatusError) as raised:
        apply_json_patch(DOCUMENT, patch)
    assert (raised.value.code, raised.value.message) == (400, message)


def test_operations_are_limited_in_number():
    operation = {"op": "test", "path": "/data/a", "value": "1"}
    with pytest.raises(StatusError) as raised:
        apply_json_patch(DOCUMENT, [operation] * 10_001)
    assert (raised.value.code, raised.value.reason) == (413, "RequestEntityTooLarge")
    assert raised.value.message.endswith("The allowed maximum operations in a JSON patch is 10000, got 10001")


def test_copies_are_limited_in_size():
    doubling = [{"op": "copy", "from": "/list", "path": "/list/-"}] * 40
    with pytest.raises(StatusError) as raised:
        apply_json_patch({"list": ["x" * 1000]}, doubling)
    assert raised.value.code == 422


def test_a_failure_leaves_the_document_alone():
    before = copy.deepcopy(DOCUMENT)
    with pytest.raises(StatusError):
        patched({"op": "remove", "path": "/data/a"}, {"op": "test", "path": "/data/b", "value": "no"})
    assert before == DOCUMENT


def test_later_operations_do_not_reach_into_the_patch():
    value = {"inner": []}
    result = patched({"op": "add", "path": "/x", "value": value}, {"op": "add", "path": "/x/inner/-", "value": 1})
    assert result["x"] == {"inner": [1]}
    assert value == {"inner": []}
