"""What a delete does, decided on values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from echelon.apiserver.builtin import builtin_definitions
from echelon.apiserver.deletion import CLEANUP, decide, is_held
from echelon.apiserver.query import DeleteOptions

NOW = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)
DEFINITIONS = {definition.plural: definition for definition in builtin_definitions()}


def obj(*finalizers: str, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "a", "finalizers": list(finalizers), **metadata}
        if finalizers
        else {"name": "a", **metadata}
    }


@pytest.mark.parametrize(
    ("before", "propagation", "after"),
    [
        ([], "", []),
        ([], "Background", []),
        ([], "Foreground", ["foregroundDeletion"]),
        ([], "Orphan", ["orphan"]),
        (["x/y"], "", ["x/y"]),
        (["x/y"], "Foreground", ["x/y", "foregroundDeletion"]),
        (["foregroundDeletion", "x/y"], "Orphan", ["x/y", "orphan"]),
        (["orphan"], "Background", []),
        (["orphan"], "", ["orphan"]),
    ],
)
def test_propagation(before: list[str], propagation: str, after: list[str]) -> None:
    decision = decide(DEFINITIONS["configmaps"], obj(*before), DeleteOptions(propagation=propagation), NOW)
    assert decision.gone is (not after)
    if after:
        assert decision.changed
        assert decision.obj["metadata"]["finalizers"] == after
        assert decision.obj["metadata"]["deletionTimestamp"] == "2026-01-31T08:00:00Z"


def test_a_second_delete_changes_nothing() -> None:
    first = decide(DEFINITIONS["configmaps"], obj("x/y", generation=3), DeleteOptions(), NOW)
    assert first.obj["metadata"]["generation"] == 4
    second = decide(DEFINITIONS["configmaps"], first.obj, DeleteOptions(), NOW)
    assert (second.gone, second.changed) == (False, False)


def test_definitions_are_held_until_their_objects_are_gone() -> None:
    decision = decide(DEFINITIONS["customresourcedefinitions"], obj(), DeleteOptions(), NOW)
    assert decision.obj["metadata"]["finalizers"] == [CLEANUP]
    del decision.obj["metadata"]["finalizers"]
    assert decide(DEFINITIONS["customresourcedefinitions"], decision.obj, DeleteOptions(), NOW).gone


def test_namespaces_are_held_by_their_spec() -> None:
    namespace = {"metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}}
    decision = decide(DEFINITIONS["namespaces"], namespace, DeleteOptions(), NOW)
    assert decision.obj["status"] == {"phase": "Terminating"}
    assert is_held(DEFINITIONS["namespaces"], decision.obj)
    assert decide(DEFINITIONS["namespaces"], {"metadata": {"name": "a"}}, DeleteOptions(), NOW).gone


@pytest.mark.parametrize(
    ("spec", "status", "asked", "grace"),
    [
        ({}, {}, None, 0),
        ({"nodeName": "n"}, {}, None, 30),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 5}, {}, None, 5),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 0}, {}, None, 0),
        ({"nodeName": "n"}, {}, 0, 0),
        ({"nodeName": "n"}, {}, 7, 7),
        ({"nodeName": "n"}, {"phase": "Succeeded"}, None, 0),
    ],
)
def test_pods_have_a_grace_period(spec: Any, status: Any, asked: int | None, grace: int) -> None:
    pod = {"metadata": {"name": "a"}, "spec": spec, "status": status}
    decision = decide(DEFINITIONS["pods"], pod, DeleteOptions(grace_period=asked), NOW)
    assert decision.gone is (grace == 0)
    if grace:
        assert decision.obj["metadata"]["deletionGracePeriodSeconds"] == grace
        shorter = decide(DEFINITIONS["pods"], decision.obj, DeleteOptions(grace_period=1), NOW)
        assert shorter.obj["metadata"]["deletionGracePeriodSeconds"] == 1
