"""Resource snapshots: their hash, how they are split, and what their objects carry."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api import names
from echelon.placement.selection import BadSelector
from echelon.placement.snapshot import OBJECT_LIMIT, build, content_hash, split

resources = st.lists(
    st.integers(0, 400).map(lambda n: {"kind": "ConfigMap", "metadata": {"name": f"c{n}"}, "data": {"k": "x" * n}}),
    max_size=20,
)


def test_the_order_of_fields_does_not_change_the_hash():
    assert content_hash([{"a": 1, "b": 2}]) == content_hash([{"b": 2, "a": 1}])
    assert content_hash([{"a": 1}, {"b": 2}]) != content_hash([{"b": 2}, {"a": 1}])


@given(resources, resources)
def test_another_content_has_another_hash(one, other):
    assert (content_hash(one) == content_hash(other)) is (one == other)


@given(resources, st.integers(1, 1000))
def test_the_parts_hold_everything_in_order_and_keep_the_limit(found, limit):
    parts = split(found, limit)
    assert [item for part in parts for item in part] == found
    for part in parts:
        assert len(part) <= 1 or sum(len(orjson.dumps(item)) for item in part) <= limit
    assert all(parts[1:]), "only the first part may be empty"


def test_an_empty_selection_is_a_snapshot_too():
    (master,) = build("web", 0, [])
    assert master.name == "web-0-snapshot"
    assert master.annotations[names.NUMBER_OF_SNAPSHOTS] == "1"
    assert list(master.resources) == []


def test_master_and_parts():
    found = [{"kind": "ConfigMap", "n": n, "data": "x" * 50} for n in range(3)]
    master, first, second = build("web", 7, found, limit=80)
    assert [part.name for part in (master, first, second)] == ["web-7-snapshot", "web-7-0", "web-7-1"]
    assert master.labels == {
        names.PARENT_PLACEMENT: "web",
        names.RESOURCE_INDEX: "7",
        names.IS_LATEST_SNAPSHOT: "true",
    }
    assert master.annotations == {
        names.RESOURCE_HASH: content_hash(found),
        names.NUMBER_OF_SNAPSHOTS: "3",
        names.NUMBER_OF_ENVELOPES: "0",
    }
    assert first.labels == {names.PARENT_PLACEMENT: "web", names.RESOURCE_INDEX: "7"}
    assert first.annotations == {names.SUB_INDEX: "0"}
    assert second.annotations == {names.SUB_INDEX: "1"}


def test_envelopes_are_counted():
    envelopes = [{"kind": "ResourceEnvelope"}, {"kind": "ClusterResourceEnvelope"}, {"kind": "ConfigMap"}]
    assert next(build("web", 0, envelopes)).annotations[names.NUMBER_OF_ENVELOPES] == "2"


def configmap(content):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "app", "name": "c"}, "data": content}


def test_an_object_that_no_snapshot_can_hold_is_named_with_its_size_and_the_limit():
    fits = configmap({"k": ""})
    fits["data"]["k"] = "x" * (OBJECT_LIMIT - len(orjson.dumps(fits)))
    assert split([fits]) == [[fits]]
    fits["data"]["k"] += "x"
    with pytest.raises(BadSelector) as caught:
        split([configmap({}), fits])
    assert str(caught.value) == (
        f"v1 ConfigMap app/c has {OBJECT_LIMIT + 1} bytes; an object in a resource snapshot has at most "
        f"{OBJECT_LIMIT} bytes"
    )


def test_an_object_that_is_nested_too_deeply_is_named():
    content = {}
    for _ in range(300):
        content = {"k": content}
    with pytest.raises(BadSelector, match="v1 ConfigMap app/c cannot be stored in a resource snapshot: Recursion"):
        content_hash([configmap({}), configmap(content)])
