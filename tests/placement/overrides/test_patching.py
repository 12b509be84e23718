"""What overrides make of an object."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.placement.overrides.matching import Override
from echelon.placement.overrides.patching import Member, OverrideFailed, label_keys, overridden

from .values import (
    NAMESPACE,
    SETTINGS,
    cluster_override,
    config_map,
    delete,
    labelled,
    operation,
    override,
    patch,
)

MEMBER = Member("one", {"env": "prod", "region.example.com/zone": "east"})


def result(*overrides: Override, obj: dict[str, Any] | None = None, member: Member = MEMBER) -> Any:
    return overridden(obj or config_map(), SETTINGS, overrides, member)


def failure(*overrides: Override) -> str:
    with pytest.raises(OverrideFailed) as failed:
        result(*overrides)
    return str(failed.value)


def test_operations_apply_in_order() -> None:
    rule = patch(
        operation("add", "/data/new", "1"),
        operation("replace", "/data/new", "2"),
        operation("remove", "/data/key"),
    )
    assert result(override("a", rule))["data"] == {"new": "2"}


def test_rules_apply_in_order_and_only_to_their_members() -> None:
    found = result(
        override(
            "a",
            patch(operation("replace", "/data/key", "first"), to=labelled(env="prod")),
            patch(operation("replace", "/data/key", "other"), to=labelled(env="test")),
            patch(operation("replace", "/data/key", "none"), to=None),
            patch(operation("add", "/data/all", "x")),
        )
    )
    assert found["data"] == {"key": "first", "all": "x"}


def test_the_later_override_wins() -> None:
    first = cluster_override("z", patch(operation("replace", "/data/key", "cluster")))
    second = override("a", patch(operation("replace", "/data/key", "namespace")))
    assert result(first, second)["data"]["key"] == "namespace"


def test_delete_ends_it() -> None:
    broken = patch(operation("remove", "/nothing"))
    assert result(override("a", patch(operation("add", "/data/a", "b")), delete(), broken)) is None
    assert result(override("a", delete(labelled(env="test")))) is not None


@pytest.mark.parametrize("value", [None, False, 0, 1.5, "", [], {}, {"nested": [1, None]}])
def test_any_json_is_a_value(value: Any) -> None:
    assert result(override("a", patch(operation("add", "/data/key", value))))["data"]["key"] == value


def test_lists_and_pointers() -> None:
    obj = config_map(annotations={"a/b": "1", "c~d": "2"}) | {"items": [1, 2, 3]}
    rule = patch(
        operation("add", "/items/-", 4),
        operation("add", "/items/0", 0),
        operation("remove", "/items/1"),
        operation("replace", "/metadata/annotations/a~1b", "x"),
        operation("remove", "/metadata/annotations/c~0d"),
    )
    found = result(override("a", rule), obj=obj)
    assert found["items"] == [0, 2, 3, 4]
    assert found["metadata"]["annotations"] == {"a/b": "x"}


def test_variables_stand_for_the_member() -> None:
    value = {
        "name": "${MEMBER-CLUSTER-NAME}",
        "both": ["${MEMBER-CLUSTER-NAME}-${MEMBER-CLUSTER-LABEL-KEY-region.example.com/zone}", 7],
        "${MEMBER-CLUSTER-LABEL-KEY-env}": "${SOMETHING-ELSE}",
    }
    found = result(override("a", patch(operation("add", "/data/key", value))))
    assert found["data"]["key"] == {"name": "one", "both": ["one-east", 7], "prod": "${SOMETHING-ELSE}"}


def test_a_label_that_the_member_lacks() -> None:
    value = ["${MEMBER-CLUSTER-LABEL-KEY-tier}"]
    assert failure(override("a", patch(operation("add", "/data/x", "1"), operation("add", "/data/key", value)))) == (
        "operation 1 of rule 0 of ResourceOverrideSnapshot app/a-0 (add /data/key) asks for the label tier, "
        "which member one does not have"
    )


@pytest.mark.parametrize(
    ("operator", "path"),
    [
        ("replace", "/data/missing"),
        ("remove", "/data/missing"),
        ("add", "/spec/missing/field"),
        ("add", "/data/key/inside"),
        ("add", "/metadata/labels/x"),
    ],
)
def test_what_does_not_fit(operator: str, path: str) -> None:
    value = () if operator == "remove" else ("x",)
    message = failure(override("a", patch(operation(operator, path, *value))))
    start = f"operation 0 of rule 0 of ResourceOverrideSnapshot app/a-0 ({operator} {path}) does not fit "
    assert message.startswith(start + "ConfigMap app/settings: ")


def test_values_where_they_belong() -> None:
    assert failure(cluster_override("a", patch(operation("remove", "/data/key", "x")))) == (
        "operation 0 of rule 0 of ClusterResourceOverrideSnapshot a-0 (remove /data/key) has a value; remove takes none"
    )
    assert failure(cluster_override("a", patch(operation("replace", "/data/key")))) == (
        "operation 0 of rule 0 of ClusterResourceOverrideSnapshot a-0 (replace /data/key) has no value; "
        "replace needs one"
    )


@pytest.mark.parametrize(
    "overrides",
    [
        [override("one", patch()), override("two", patch())],
        [cluster_override("one", patch()), cluster_override("two", patch())],
    ],
    ids=["object", "namespace"],
)
def test_two_overrides_of_one_object(overrides: list[Override]) -> None:
    kind = overrides[0].kind.removesuffix("Snapshot")
    assert failure(*overrides) == (
        "ConfigMap app/settings: the resource has been selected by both one and two, which is not supported; "
        f"have one {kind} select it"
    )


def test_a_cluster_override_of_the_namespace_and_one_of_the_object_go_together() -> None:
    found = result(
        cluster_override("a", patch(operation("add", "/data/a", "1"))),
        override("b", patch(operation("add", "/data/b", "2"))),
    )
    assert found["data"] == {"key": "value", "a": "1", "b": "2"}
    assert overridden({"metadata": {}}, NAMESPACE, [cluster_override("a", delete())], MEMBER) is None


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.just("${MEMBER-CLUSTER-LABEL-KEY-env}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
operations = st.lists(
    st.builds(
        operation,
        st.sampled_from(["add", "replace"]),
        st.sampled_from(["/data/key", "/data/a", "/data/key/b", "/data/key/0", "/data/key/-"]),
        values,
    ),
    max_size=5,
)


@given(operations)
@settings(max_examples=100)
def test_it_works_or_says_why_and_changes_no_override(found: list[Any]) -> None:
    """Equal input gives equal results, whatever a first application did with its values."""
    rule = patch(*found)
    before = copy.deepcopy(rule)
    ends = []
    for _ in range(2):
        try:
            ends.append(result(override("a", rule)))
        except OverrideFailed as failed:
            ends.append(str(failed))
    assert ends[0] == ends[1]
    assert rule == before


@given(operations)
@settings(max_examples=50)
def test_the_labels_that_matter_are_known(found: list[Any]) -> None:
    """A member with just these labels gets the same."""
    overrides = [override("a", patch(*found, to=labelled(env="prod")))]
    used = label_keys(overrides)
    less = Member(MEMBER.name, {key: value for key, value in MEMBER.labels.items() if key in used})

    def end(member: Member) -> Any:
        try:
            return result(*overrides, member=member)
        except OverrideFailed as failed:
            return str(failed)

    assert end(less) == end(MEMBER)


def test_which_labels_matter() -> None:
    value = {"a": ["x ${MEMBER-CLUSTER-LABEL-KEY-in/value} ${MEMBER-CLUSTER-NAME}"], "${MEMBER-CLUSTER-LABEL-KEY-k}": 1}
    found = override("a", patch(operation("add", "/data/x", value), to=labelled(selector="s")), delete(None))
    assert label_keys([found]) == {"in/value", "k", "selector"}
