"""Values from which the tests of overrides are built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from echelon.api import names
from echelon.api.meta import LabelSelector, ObjectMeta
from echelon.api.override import (
    ClusterResourceOverrideSnapshot,
    ClusterResourceOverrideSnapshotSpec,
    ClusterResourceOverrideSpec,
    JSONPatchOverride,
    NamedResourceSelector,
    OverridePolicy,
    OverrideRule,
    PlacementRef,
    ResourceOverrideSnapshot,
    ResourceOverrideSnapshotSpec,
    ResourceOverrideSpec,
)
from echelon.api.placement import ResourceSelector
from echelon.api.policy import ClusterSelector, ClusterSelectorTerm
from echelon.placement.overrides.matching import Identity, Override, from_cluster_snapshot, from_snapshot

NAMESPACE = Identity("", "Namespace", "", "app")
SETTINGS = Identity("", "ConfigMap", "app", "settings")
ROLE = Identity("rbac.authorization.k8s.io", "ClusterRole", "", "reader")

ALL = ClusterSelector(cluster_selector_terms=())


def labelled(**labels: str) -> ClusterSelector:
    """Members with these labels."""
    term = ClusterSelectorTerm(label_selector=LabelSelector(match_labels=labels))
    return ClusterSelector(cluster_selector_terms=(term,))


def operation(operator: Any, path: str, value: Any = msgspec.UNSET) -> JSONPatchOverride:
    return JSONPatchOverride(operator=operator, path=path, value=value)


def patch(*operations: JSONPatchOverride, to: ClusterSelector | None = ALL) -> OverrideRule:
    return OverrideRule(cluster_selector=to, json_patch_overrides=operations)


def delete(to: ClusterSelector | None = ALL) -> OverrideRule:
    return OverrideRule(cluster_selector=to, override_type="Delete")


def cluster_spec(
    *rules: OverrideRule, objects: Iterable[Identity] = (NAMESPACE,), placement: str = "", scope: Any = "Cluster"
) -> ClusterResourceOverrideSpec:
    return ClusterResourceOverrideSpec(
        placement=PlacementRef(name=placement, scope=scope) if placement else None,
        cluster_resource_selectors=tuple(
            ResourceSelector(group=group, version="v1", kind=kind, name=name) for group, kind, _, name in objects
        ),
        policy=OverridePolicy(override_rules=rules),
    )


def spec(
    *rules: OverrideRule, objects: Iterable[Identity] = (SETTINGS,), placement: str = "", scope: Any = "Cluster"
) -> ResourceOverrideSpec:
    return ResourceOverrideSpec(
        placement=PlacementRef(name=placement, scope=scope) if placement else None,
        resource_selectors=tuple(
            NamedResourceSelector(group=group, version="v1", kind=kind, name=name) for group, kind, _, name in objects
        ),
        policy=OverridePolicy(override_rules=rules),
    )


def cluster_override(name: str, *rules: OverrideRule, **more: Any) -> Override:
    """The first snapshot of a ClusterResourceOverride."""
    return from_cluster_snapshot(
        ClusterResourceOverrideSnapshot(
            metadata=_metadata(name),
            spec=ClusterResourceOverrideSnapshotSpec(override_spec=cluster_spec(*rules, **more), override_hash=b""),
        )
    )


def override(name: str, *rules: OverrideRule, namespace: str = "app", **more: Any) -> Override:
    """The first snapshot of a ResourceOverride."""
    return from_snapshot(
        ResourceOverrideSnapshot(
            metadata=_metadata(name, namespace),
            spec=ResourceOverrideSnapshotSpec(override_spec=spec(*rules, **more), override_hash=b""),
        )
    )


def _metadata(name: str, namespace: str = "") -> ObjectMeta:
    return ObjectMeta(name=f"{name}-0", namespace=namespace, labels={names.PARENT_OVERRIDE: name})


def config_map(data: Mapping[str, Any] | None = None, name: str = "settings", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "app", **metadata},
        "data": dict(data or {"key": "value"}),
    }


def texts(objects: Sequence[Mapping[str, Any]]) -> tuple[msgspec.Raw, ...]:
    return tuple(msgspec.Raw(msgspec.json.encode(obj)) for obj in objects)
