"""The CustomResourceDefinitions of all kinds, made from the vocabulary.

``python -m echelon.api.crds DIR`` writes them, a file a kind; those under ``deploy/crds`` are checked
in, and a test keeps them equal to what is made here. The short name ``rs`` that KubeFleet gives to
ResourceSnapshot is left out: it is ReplicaSet's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from echelon.api import (
    binding,
    cluster,
    envelope,
    eviction,
    fleet,
    override,
    placement,
    snapshot,
    staged,
    upgrade,
    work,
)
from echelon.api.meta import KubeObject
from echelon.api.schema import kind_schema


class Column(msgspec.Struct, frozen=True):
    """A column of ``kubectl get``; those of priority 1 are shown with ``-o wide`` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


class Definition(msgspec.Struct, frozen=True):
    """How a kind is served, beyond what its struct says. The last version is the stored one."""

    kind: type[KubeObject]
    short_name: str = ""
    columns: Sequence[Column] = ()
    versions: Sequence[str] = ("v1", "v1beta1")
    status: bool = True
    selectable_fields: Sequence[str] = ()


AGE = Column("Age", ".metadata.creationTimestamp", "date")
GENERATION = Column("Gen", ".metadata.generation")

V1BETA1 = ("v1beta1",)
OWN_VERSIONS = (fleet.VERSION,)


def condition(name: str, condition_type: str, field: str = "status", priority: int = 0) -> Column:
    """A column that shows a field of a condition."""
    return Column(name, f'.status.conditions[?(@.type=="{condition_type}")].{field}', "string", priority)


def placement_columns(kind: str) -> tuple[Column, ...]:
    """The columns of a placement; its condition types begin with its kind."""
    return (
        GENERATION,
        Column("Type", ".spec.policy.placementType", priority=1),
        condition("Scheduled", f"{kind}Scheduled"),
        condition("Scheduled-Gen", f"{kind}Scheduled", "observedGeneration"),
        condition("Work-Synchronized", f"{kind}WorkSynchronized", priority=1),
        condition("Work-Synchronized-Gen", f"{kind}WorkSynchronized", "observedGeneration", 1),
        condition("Available", f"{kind}Available"),
        condition("Available-Gen", f"{kind}Available", "observedGeneration"),
        AGE,
    )


MEMBER_COLUMNS = (
    condition("Joined", "Joined"),
    AGE,
    Column("Member-Agent-Last-Seen", '.status.agentStatus[?(@.type=="MemberAgent")].lastReceivedHeartbeat', "date"),
    Column("Node-Count", r".status.properties.kubernetes-fleet\.io/node-count.value"),
    Column("Available-CPU", ".status.resourceUsage.available.cpu"),
    Column("Available-Memory", ".status.resourceUsage.available.memory"),
    Column("Allocatable-CPU", ".status.resourceUsage.allocatable.cpu", priority=1),
    Column("Allocatable-Memory", ".status.resourceUsage.allocatable.memory", priority=1),
)
BINDING_COLUMNS = (
    condition("WorkSynchronized", "WorkSynchronized"),
    condition("ResourcesApplied", "Applied"),
    condition("ResourceAvailable", "Available", priority=1),
    AGE,
)
STAGED_RUN_COLUMNS = (
    Column("Placement", ".spec.placementName"),
    Column("Resource-Snapshot-Index", ".spec.resourceSnapshotIndex"),
    Column("Policy-Snapshot-Index", ".status.policySnapshotIndexUsed"),
    condition("Initialized", "Initialized"),
    condition("Progressing", "Progressing"),
    condition("Succeeded", "Succeeded"),
    AGE,
    Column("Strategy", ".spec.stagedRolloutStrategyName", priority=1),
)
APPROVAL_COLUMNS = (
    Column("Update-Run", ".spec.parentStageRollout"),
    Column("Stage", ".spec.targetStage"),
    condition("Approved", "Approved"),
    condition("ApprovalAccepted", "ApprovalAccepted"),
    AGE,
)
EVICTION_COLUMNS = (condition("Valid", "Valid"), condition("Executed", "Executed"))
UPDATE_RUN_COLUMNS = (
    Column("State", ".status.state"),
    Column("Upgrade", ".spec.managedClusterUpdate.upgrade.type"),
    Column("Version", ".spec.managedClusterUpdate.upgrade.kubernetesVersion"),
    Column("Strategy", ".spec.updateStrategyName", priority=1),
    Column("Started", ".status.startTime", "date"),
    Column("Completed", ".status.completedTime", "date"),
    AGE,
)
PROFILE_COLUMNS = (
    Column("Channel", ".spec.channel"),
    Column("Strategy", ".spec.updateStrategyName"),
    Column("Disabled", ".spec.disabled", "boolean"),
    Column("Last-Triggered", ".status.lastTriggeredAt", "date"),
    Column("Last-Trigger", ".status.lastTriggerStatus"),
    AGE,
)
GATE_COLUMNS = (
    Column("Update-Run", ".spec.target.updateRun"),
    Column("Stage", ".spec.target.stage"),
    Column("Group", ".spec.target.group"),
    Column("Timing", ".spec.target.timing"),
    Column("Type", ".spec.gateType"),
    Column("State", ".status.state"),
    AGE,
)
CLUSTER_UPGRADE_COLUMNS = (
    Column("Upgrade", ".spec.upgrade.type"),
    Column("Version", ".spec.upgrade.kubernetesVersion"),
    Column("State", ".status.state"),
    Column("Done", ".status.nodesDone", "integer"),
    Column("Nodes", ".status.nodesTotal", "integer"),
    Column("Message", ".status.message", priority=1),
    AGE,
)
PLACEMENT_STATUS_COLUMNS = (
    Column("Resource-Index", ".sourceStatus.observedResourceIndex"),
    Column("Last-Updated", ".lastUpdatedTime", "date"),
    AGE,
)
SNAPSHOT_COLUMNS = (GENERATION, AGE)

BINDING_FIELDS = (".spec.state", ".spec.targetCluster")
STAGED_RUN_FIELDS = (".spec.placementName",)
APPROVAL_FIELDS = (".spec.parentStageRollout", ".spec.targetStage")

DEFINITIONS: Sequence[Definition] = (
    Definition(cluster.MemberCluster, "cluster", MEMBER_COLUMNS),
    Definition(cluster.InternalMemberCluster, "imc", (AGE,)),
    Definition(placement.ClusterResourcePlacement, "crp", placement_columns("ClusterResourcePlacement")),
    Definition(placement.ResourcePlacement, "rp", placement_columns("ResourcePlacement")),
    Definition(placement.ClusterResourcePlacementStatus, "crps", PLACEMENT_STATUS_COLUMNS, status=False),
    Definition(snapshot.ClusterSchedulingPolicySnapshot, "csps", SNAPSHOT_COLUMNS),
    Definition(snapshot.SchedulingPolicySnapshot, "sps", SNAPSHOT_COLUMNS, V1BETA1),
    Definition(snapshot.ClusterResourceSnapshot, "crs", SNAPSHOT_COLUMNS),
    Definition(snapshot.ResourceSnapshot, "", SNAPSHOT_COLUMNS, V1BETA1),
    Definition(binding.ClusterResourceBinding, "crb", BINDING_COLUMNS, selectable_fields=BINDING_FIELDS),
    Definition(binding.ResourceBinding, "rb", BINDING_COLUMNS, V1BETA1, selectable_fields=BINDING_FIELDS),
    Definition(work.Work),
    Definition(work.AppliedWork),
    Definition(staged.ClusterStagedUpdateRun, "csur", STAGED_RUN_COLUMNS, selectable_fields=STAGED_RUN_FIELDS),
    Definition(staged.StagedUpdateRun, "sur", STAGED_RUN_COLUMNS, selectable_fields=STAGED_RUN_FIELDS),
    Definition(staged.ClusterStagedUpdateStrategy, "csus"),
    Definition(staged.StagedUpdateStrategy, "sus", status=False),
    Definition(staged.ClusterApprovalRequest, "careq", APPROVAL_COLUMNS, selectable_fields=APPROVAL_FIELDS),
    Definition(staged.ApprovalRequest, "areq", APPROVAL_COLUMNS, selectable_fields=APPROVAL_FIELDS),
    Definition(override.ClusterResourceOverride, status=False),
    Definition(override.ClusterResourceOverrideSnapshot, status=False),
    Definition(override.ResourceOverride, status=False),
    Definition(override.ResourceOverrideSnapshot, status=False),
    Definition(eviction.ClusterResourcePlacementEviction, "crpe", EVICTION_COLUMNS, V1BETA1),
    Definition(eviction.ClusterResourcePlacementDisruptionBudget, "crpdb", (), V1BETA1, status=False),
    Definition(envelope.ClusterResourceEnvelope, "", (), V1BETA1, status=False),
    Definition(envelope.ResourceEnvelope, "", (), V1BETA1, status=False),
    Definition(fleet.UpdateRun, "ur", UPDATE_RUN_COLUMNS, OWN_VERSIONS, selectable_fields=(".status.state",)),
    Definition(fleet.UpdateStrategy, "us", (), OWN_VERSIONS, status=False),
    Definition(
        fleet.Gate,
        "",
        GATE_COLUMNS,
        OWN_VERSIONS,
        selectable_fields=(".spec.target.updateRun", ".status.state"),
    ),
    Definition(upgrade.AutoUpgradeProfile, "aup", PROFILE_COLUMNS, OWN_VERSIONS),
    Definition(
        upgrade.ClusterUpgrade,
        "cu",
        CLUSTER_UPGRADE_COLUMNS,
        OWN_VERSIONS,
        selectable_fields=(".spec.updateRun", ".status.state"),
    ),
    Definition(upgrade.ReleaseCatalog, "rc", (), OWN_VERSIONS, status=False),
)

OURS: Mapping[str, str] = {"app.kubernetes.io/part-of": "echelon"}
"""Labels of a definition that tell whose it is: KubeFleet's have the same names."""
KEPT: Mapping[str, str] = {"helm.sh/resource-policy": "keep"}
"""Annotations of a definition: with it all objects of its kind would go, so nothing removes it by the way."""

CATEGORIES: Mapping[str, Sequence[str]] = {
    cluster.GROUP: ("fleet", "fleet-cluster"),
    placement.GROUP: ("fleet", "fleet-placement"),
    fleet.GROUP: ("fleet", "fleet-upgrade"),
}


def names(definition: Definition) -> dict[str, Any]:
    """The ``names`` of a CustomResourceDefinition."""
    resource = definition.kind.resource
    found: dict[str, Any] = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": resource.kind.lower(),
        "categories": list(CATEGORIES[resource.group]),
    }
    if definition.short_name:
        found["shortNames"] = [definition.short_name]
    return found


def version(definition: Definition, name: str) -> dict[str, Any]:
    """One entry of ``versions`` of a CustomResourceDefinition."""
    made: dict[str, Any] = {
        "name": name,
        "served": True,
        "storage": name == definition.versions[-1],
        "schema": {"openAPIV3Schema": kind_schema(definition.kind, name)},
    }
    if definition.columns:
        made["additionalPrinterColumns"] = [printer_column(column) for column in definition.columns]
    if definition.selectable_fields:
        made["selectableFields"] = [{"jsonPath": path} for path in selectable_fields(definition, name)]
    if definition.status:
        made["subresources"] = {"status": {}}
    return made


def selectable_fields(definition: Definition, name: str) -> Sequence[str]:
    """The fields by which objects of a version can be selected, in the order of its list.

    A Kubernetes server reads the lists and the schemas of several versions as one of the whole definition where
    they are equal, and refuses it where only either are: so the lists differ in their order where the schemas do.
    """
    fields, storage = definition.selectable_fields, definition.versions[-1]
    return fields if kind_schema(definition.kind, name) == kind_schema(definition.kind, storage) else fields[::-1]


def printer_column(column: Column) -> dict[str, Any]:
    """A column as a CustomResourceDefinition has it."""
    made: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        made["priority"] = column.priority
    return made


def manifest(definition: Definition) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    resource = definition.kind.resource
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}", "labels": dict(OURS), "annotations": dict(KEPT)},
        "spec": {
            "group": resource.group,
            "names": names(definition),
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [version(definition, name) for name in definition.versions],
        },
    }


@cache
def manifests() -> tuple[dict[str, Any], ...]:
    """All CustomResourceDefinitions. They are made once and share parts: copy one before changing it."""
    return tuple(manifest(definition) for definition in DEFINITIONS)


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: shared parts are written out wherever they stand."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(crd: Mapping[str, Any]) -> str:
    """A CustomResourceDefinition as it is checked in."""
    return yaml.dump(crd, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def file_name(crd: Mapping[str, Any]) -> str:
    """The file of a CustomResourceDefinition: ``group_plural.yaml``, as controller-gen has it."""
    spec = crd["spec"]
    return f"{spec['group']}_{spec['names']['plural']}.yaml"


def write(folder: Path) -> None:
    """Write all CustomResourceDefinitions into a folder and remove those of kinds that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {file_name(crd): to_yaml(crd) for crd in manifests()}
    for stale in set(folder.glob("*.yaml")) - {folder / name for name in files}:
        stale.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m echelon.api.crds DIR")
    write(Path(sys.argv[1]))
