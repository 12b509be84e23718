"""From definitions to what is served."""

from __future__ import annotations

from typing import Any

from echelon.apiserver.crd import definition_of
from echelon.apiserver.definitions import NoHooks, Scale

SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def crd(**version: Any) -> dict[str, Any]:
    first = {"name": "v1", "served": True, "storage": True, "schema": SCHEMA, **version}
    hidden = {"name": "v0", "served": False, "storage": False, "schema": SCHEMA}
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["w"], "categories": ["all"]},
            "versions": [first, hidden],
        },
    }


def cell(kind: str, path: str, obj: dict[str, Any]) -> Any:
    columns = [{"name": "C", "type": kind, "jsonPath": path}]
    return definition_of(crd(additionalPrinterColumns=columns)).versions["v1"].columns[0].value(obj)


def test_names_scope_and_versions() -> None:
    definition = definition_of(crd(deprecated=True))
    assert (definition.group, definition.plural, definition.singular) == ("example.com", "widgets", "widget")
    assert (definition.kind, definition.list_kind, definition.namespaced) == ("Widget", "WidgetList", True)
    assert definition.storage_version == "v1"
    assert list(definition.versions) == ["v1"]
    assert (definition.short_names, definition.categories) == (("w",), ("all",))
    assert definition.versions["v1"].deprecation_warning == "example.com/v1 Widget is deprecated"
    assert isinstance(definition.hooks, NoHooks)


def test_accepted_names_win_over_wanted_ones() -> None:
    obj = crd()
    obj["status"] = {"acceptedNames": {"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "L"}}
    definition = definition_of(obj)
    assert (definition.short_names, definition.list_kind) == ((), "L")


def test_cells_of_columns() -> None:
    ready = {"status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}]}}
    assert cell("string", '.status.conditions[?(@.type=="Ready")].status', ready) == "True"
    assert cell("string", ".status.conditions[*].type", ready) == "A Ready"
    assert cell("string", ".missing", ready) is None
    assert cell("string", ".a", {"a": {"b": 1}}) == '{"b":1}'
    assert cell("string", ".a", {"a": True}) == "true"
    assert cell("integer", ".a", {"a": 4.0}) == 4
    assert cell("integer", ".a", {"a": "4"}) is None
    assert cell("number", ".a", {"a": 1.5}) == 1.5
    assert cell("boolean", ".a", {"a": 1}) is None
    assert cell("date", ".a", {"a": "2026-01-01T00:00:00Z"}) == "2026-01-01T00:00:00Z"
    assert cell("string", ".m.example\\.com/x", {"m": {"example.com/x": "y"}}) == "y"


def test_scale_paths_must_hold_replica_counts() -> None:
    scale = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s"}
    definition = definition_of(crd(subresources={"scale": scale, "status": {}}))
    assert definition.versions["v1"].scale == Scale(".spec.n", ".status.n", ".status.s")
    assert definition.versions["v1"].status

    def messages(obj: dict[str, Any], subresource: str = "") -> list[str]:
        head = {"apiVersion": "example.com/v1"}
        return [str(error) for error in definition.hooks.validate(head | obj, None, subresource)]

    assert messages({"spec": {"n": 3}, "status": {"n": 2, "s": "a=b"}}) == []
    assert messages({}) == []
    assert messages({"spec": {"n": -1}, "status": {"n": 2**31}}) == [
        ".spec.n: Invalid value: -1: should be a non-negative integer",
        ".status.n: Invalid value: 2147483648: should be less than or equal to 2147483647",
    ]
    assert messages({"spec": {"n": -1}}, "status") == []
    assert messages({"status": {"s": 1}})[0].startswith('.status.s: Invalid value: "": ')
