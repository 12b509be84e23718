"""The live set of resources."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver.builtin import builtin_definitions
from echelon.apiserver.definitions import ResourceDefinition, Version, group_version
from echelon.apiserver.registry import Registry, version_priority


class NoSchema:
    @property
    def openapi(self) -> dict[str, Any]:
        return {}

    def prune(self, obj: Any) -> list[str]:
        return []

    def default(self, obj: Any) -> None:
        return None

    def validate(self, obj: Any, old: Any = None) -> list[Any]:
        return []


def definition(plural: str, *versions: str, group: str = "example.com", kind: str = "") -> ResourceDefinition:
    return ResourceDefinition(
        group=group,
        plural=plural,
        singular=plural[:-1],
        kind=kind or plural[:-1].title(),
        list_kind=f"{plural.title()}List",
        namespaced=True,
        storage_version=versions[0],
        versions={name: Version(name, NoSchema()) for name in versions},
    )


def test_resources_come_and_go() -> None:
    registry = Registry()
    widgets = definition("widgets", "v1", "v1beta1")
    registry.add(widgets)
    served = registry.find("example.com", "v1beta1", "widgets")
    assert served is not None
    assert (served.definition, served.api_version) == (widgets, "example.com/v1beta1")
    assert registry.of_kind("example.com/v1", "Widget") is widgets
    registry.remove("example.com", "widgets")
    assert registry.find("example.com", "v1", "widgets") is None
    assert registry.of_kind("example.com/v1", "Widget") is None
    assert registry.groups() == {}


def test_the_generation_rises_with_every_change() -> None:
    registry = Registry([definition("widgets", "v1")])
    before = registry.generation
    registry.remove("example.com", "gadgets")
    assert registry.generation == before
    registry.add(definition("widgets", "v2"))
    assert registry.generation > before
    assert registry.find("example.com", "v1", "widgets") is None


def test_a_kind_belongs_to_the_resource_that_had_it_first() -> None:
    first, second = definition("widgets", "v1", kind="Same"), definition("gadgets", "v1", kind="Same")
    registry = Registry([first, second])
    assert registry.of_kind("example.com/v1", "Same") is first
    registry.remove("example.com", "gadgets")
    assert registry.of_kind("example.com/v1", "Same") is first


def test_groups_have_their_preferred_version_first() -> None:
    registry = Registry([definition("widgets", "v1beta1", "v1"), definition("gadgets", "v2alpha1", "v10")])
    assert registry.groups() == {"example.com": ["v10", "v1", "v1beta1", "v2alpha1"]}
    assert [served.definition.plural for served in registry.in_version("example.com", "v1")] == ["widgets"]


def test_versions_are_ordered_as_kubernetes_orders_them() -> None:
    names = ["v11alpha2", "foo10", "v3beta1", "v12alpha1", "v1", "v11beta2", "v10", "v2", "foo1", "v10beta3"]
    expected = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    assert sorted(names, key=version_priority) == expected


@pytest.mark.parametrize(("group", "text"), [("", "v1"), ("apps", "apps/v1")])
def test_group_versions(group: str, text: str) -> None:
    assert group_version(group, "v1") == text


def test_the_builtin_kinds_are_all_found_by_kind() -> None:
    registry = Registry(builtin_definitions())
    for entry in registry.definitions():
        api_version = group_version(entry.group, entry.storage_version)
        assert registry.of_kind(api_version, entry.kind) is entry
