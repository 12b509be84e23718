"""What tests of overrides do to a hub, and see of it."""

from __future__ import annotations

from typing import Any

import msgspec

from echelon.api import names
from echelon.api.meta import ObjectMeta
from echelon.api.override import (
    ClusterResourceOverride,
    ClusterResourceOverrideSnapshot,
    OverrideRule,
    ResourceOverride,
    ResourceOverrideSnapshot,
)
from echelon.api.placement import PlacementSpec, RolloutStrategy

from ..hub import Hub
from .values import cluster_spec, operation, patch, spec

SNAPSHOTS = {ClusterResourceOverride: ClusterResourceOverrideSnapshot, ResourceOverride: ResourceOverrideSnapshot}
Kind = type[ClusterResourceOverride] | type[ResourceOverride]


def says(value: str) -> OverrideRule:
    """A rule for all members that gives the ConfigMap this content."""
    return patch(operation("add", "/data", {"key": value}))


def annotates(value: str) -> OverrideRule:
    """A rule for all members that fits every object."""
    return patch(operation("add", "/metadata/annotations", {"by": value}))


async def write(hub: Hub, kind: Kind, name: str, *rules: OverrideRule, **more: Any) -> None:
    """Make an override, or make one that is there say this."""
    made = cluster_spec if kind is ClusterResourceOverride else spec
    namespace = "app" if kind.resource.namespaced else ""
    content: Any = made(*rules, **more)
    present = await hub.admin.list(kind)
    if any(found.metadata.name == name for found in present.items):
        await hub.admin.patch_object(*_changed(present.items, name, content))
    else:
        await hub.admin.create(kind(metadata=ObjectMeta(name=name, namespace=namespace), spec=content))


def _changed(found: Any, name: str, content: Any) -> tuple[Any, Any]:
    (old,) = [each for each in found if each.metadata.name == name]
    return old, msgspec.structs.replace(old, spec=content)


async def remove(hub: Hub, kind: Kind, name: str) -> None:
    await hub.admin.delete(kind, ("app" if kind.resource.namespaced else "", name))


def snapshots(hub: Hub, kind: Kind, name: str = "a") -> dict[str, str]:
    """The snapshots of an override by name, each with its mark."""
    found = [each for each in hub.all(SNAPSHOTS[kind]) if each.metadata.labels[names.PARENT_OVERRIDE] == name]
    return {
        each.metadata.name: each.metadata.labels[names.IS_LATEST_SNAPSHOT]
        for each in sorted(found, key=lambda each: int(each.metadata.labels[names.OVERRIDE_INDEX]))
    }


async def roll(hub: Hub, **strategy: Any) -> None:
    """A placement that leaves the rollout to the hub."""
    await hub.admin.create(
        hub.scope.placement(
            metadata=ObjectMeta(name="web", namespace=hub.namespace),
            spec=PlacementSpec(
                resource_selectors=tuple(hub.selectors()), strategy=RolloutStrategy(type="RollingUpdate", **strategy)
            ),
        )
    )


def got(hub: Hub, member: str, name: str = "settings") -> Any:
    """An object as a member gets it, None when it does not."""
    for work in hub.works(member):
        for manifest in work.spec.workload.manifests:
            obj = msgspec.json.decode(manifest)
            if obj["metadata"]["name"] == name:
                return obj
    return None


def value(hub: Hub, member: str) -> str | None:
    """The content of the ConfigMap as a member gets it."""
    found = got(hub, member)
    return None if found is None else found["data"]["key"]


def conditions(hub: Hub, member: str) -> list[tuple[str, str, str]]:
    return [(c.type, c.status, c.reason) for c in hub.binding(member).status.conditions]


def message(hub: Hub, member: str) -> str:
    """What a binding says last."""
    return hub.binding(member).status.conditions[-1].message
