"""The two faces of events."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from echelon.apiserver.builtin import notation
from echelon.apiserver.builtin.events import from_core, to_core

NEW = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "ns"},
    "regarding": {"kind": "ConfigMap", "name": "a", "namespace": "ns"},
    "note": "hello",
    "reason": "Tested",
    "type": "Normal",
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "me",
    "reportingInstance": "me-1",
    "deprecatedCount": 2,
}
CORE = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "ns"},
    "involvedObject": {"kind": "ConfigMap", "name": "a", "namespace": "ns"},
    "message": "hello",
    "reason": "Tested",
    "type": "Normal",
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingComponent": "me",
    "reportingInstance": "me-1",
    "count": 2,
}


def test_an_event_in_both_forms() -> None:
    assert to_core(NEW) == CORE
    assert from_core(CORE) == NEW


def names(key: str) -> set[str]:
    return {field.name for field in notation.find(key).fields}


def test_all_fields_of_each_kind_are_known_to_the_other() -> None:
    assert set(to_core(dict.fromkeys(names("events.Event")))) == names("core.Event") | {"apiVersion"}
    assert set(from_core(dict.fromkeys(names("core.Event")))) == names("events.Event") | {"apiVersion"}


@given(st.dictionaries(st.sampled_from(sorted(names("core.Event"))), st.integers()))
def test_conversion_loses_nothing(event: dict[str, Any]) -> None:
    core = {**event, "apiVersion": "v1"}
    assert to_core(from_core(core)) == core
