"""Labels, annotations, finalizers and the names of the objects that the hub makes.

Clients and other controllers find objects by these strings, so they are those of KubeFleet. What
depends on the hub's dialect (the name of the approval after a stage) is not here.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

PREFIX: Final = "kubernetes-fleet.io/"
OWN_PREFIX: Final = "fleet.echelon.dev/"

# -- labels -------------------------------------------------------------------------------------

PARENT_PLACEMENT: Final = PREFIX + "parent-CRP"  # of a ResourcePlacement too; the namespace tells them apart
PARENT_PLACEMENT_NAMESPACE: Final = PREFIX + "parent-placement-namespace"
PARENT_BINDING: Final = PREFIX + "parent-resource-binding"
PARENT_SNAPSHOT_INDEX: Final = PREFIX + "parent-resource-snapshot-index"
PARENT_OVERRIDE: Final = PREFIX + "parent-resource-override"
IS_LATEST_SNAPSHOT: Final = PREFIX + "is-latest-snapshot"
POLICY_INDEX: Final = PREFIX + "policy-index"
RESOURCE_INDEX: Final = PREFIX + "resource-index"
OVERRIDE_INDEX: Final = PREFIX + "override-index"
ENVELOPE_TYPE: Final = PREFIX + "envelope-work"
ENVELOPE_NAME: Final = PREFIX + "envelope-name"
ENVELOPE_NAMESPACE: Final = PREFIX + "envelope-namespace"
TARGET_UPDATE_RUN: Final = PREFIX + "targetUpdateRun"
TARGET_UPDATING_STAGE: Final = PREFIX + "targetUpdatingStage"
TASK_TYPE: Final = PREFIX + "taskType"
IS_LATEST_APPROVAL: Final = PREFIX + "isLatestUpdateRunApproval"
IS_FLEET_RESOURCE: Final = PREFIX + "is-fleet-resource"
MEMBER_NAME: Final = PREFIX + "member-name"
UPDATE_GROUP: Final = OWN_PREFIX + "update-group"
UPDATE_RUN: Final = OWN_PREFIX + "update-run"
UPDATE_RUN_UID: Final = OWN_PREFIX + "update-run-uid"  # tells a run from an earlier one of its name
ROLLED_BACK_TO: Final = (
    OWN_PREFIX + "rolled-back-to"
)  # on a run: the earlier run whose snapshot a rollback goes back to
AUTO_UPGRADE_PROFILE: Final = OWN_PREFIX + "auto-upgrade-profile"
NODE_POOL: Final = OWN_PREFIX + "node-pool"  # of a Node
NODE_IMAGE: Final = OWN_PREFIX + "node-image"  # of a Node: family and version, AKSUbuntu-2204gen2containerd-202410.15.0
AZURE_NODE_IMAGE: Final = "kubernetes.azure.com/node-image-version"  # the same, as AKS has it

BEFORE_STAGE: Final = "beforeStage"  # values of TASK_TYPE
AFTER_STAGE: Final = "afterStage"

# -- annotations --------------------------------------------------------------------------------

PLACEMENT_GENERATION: Final = PREFIX + "CRP-generation"
NUMBER_OF_CLUSTERS: Final = PREFIX + "number-of-clusters"
RESOURCE_HASH: Final = PREFIX + "resource-hash"  # marks the master among the parts of a resource snapshot
NUMBER_OF_SNAPSHOTS: Final = PREFIX + "number-of-resource-snapshots"
NUMBER_OF_ENVELOPES: Final = PREFIX + "number-of-enveloped-object"
SUB_INDEX: Final = PREFIX + "subindex-of-resource-snapshot"
NEXT_SNAPSHOT_DETECTED: Final = PREFIX + "next-resource-snapshot-candidate-detection-time"
PREVIOUS_BINDING_STATE: Final = PREFIX + "previous-binding-state"
PARENT_SNAPSHOT_NAME: Final = PREFIX + "parent-resource-snapshot-name"
PARENT_OVERRIDE_HASH: Final = PREFIX + "parent-resource-override-snapshot-hash"
PARENT_CLUSTER_OVERRIDE_HASH: Final = PREFIX + "parent-cluster-resource-override-snapshot-hash"
OVERRIDE_LABELS: Final = OWN_PREFIX + "member-labels"  # on bindings and Works: what overrides look at
ABANDONED: Final = OWN_PREFIX + "abandoned"  # on a Work that goes: "true" when its objects stay on the member
SPEC_HASH: Final = PREFIX + "spec-hash"
LAST_APPLIED: Final = PREFIX + "last-applied-configuration"
CLUSTER_RESOURCE_ID: Final = OWN_PREFIX + "cluster-resource-id"
MEMBER_UID: Final = (
    OWN_PREFIX + "member-uid"
)  # of a MemberCluster: that of kube-system there, which tells clusters apart
CONNECTION: Final = OWN_PREFIX + "connection"  # of a MemberCluster: PUSH when the hub applies; else an agent pulls
PUSH: Final = "push"
ON_LEAVE: Final = OWN_PREFIX + "on-leave"  # of a MemberCluster: one of the two below; else what was placed stays
LEAVE_DELETE: Final = "delete"  # what was placed goes first
LEAVE_FORCED: Final = "force"  # the agent is not waited for
MAINTENANCE_WINDOW: Final = OWN_PREFIX + "maintenance-window"  # for upgrades of Kubernetes
NODE_IMAGE_MAINTENANCE_WINDOW: Final = OWN_PREFIX + "node-image-maintenance-window"

# -- finalizers ---------------------------------------------------------------------------------

CLUSTER_PLACEMENT_CLEANUP: Final = PREFIX + "crp-cleanup"
PLACEMENT_CLEANUP: Final = PREFIX + "rp-cleanup"
SCHEDULER_CLEANUP: Final = PREFIX + "scheduler-cleanup"
SCHEDULER_BINDING_CLEANUP: Final = PREFIX + "scheduler-crb-cleanup"
WORK_CLEANUP: Final = PREFIX + "work-cleanup"  # on bindings (work generation) and on Works (the agent)
MEMBER_CLEANUP: Final = PREFIX + "membercluster-finalizer"
OVERRIDE_CLEANUP: Final = PREFIX + "override-cleanup"
STAGED_RUN_CLEANUP: Final = PREFIX + "stagedupdaterun-finalizer"

# -- field managers -----------------------------------------------------------------------------

PLACEMENT_MANAGER: Final = "cluster-placement-controller"
MEMBER_MANAGER: Final = "member-cluster-controller"
OVERRIDE_MANAGER: Final = "override-controller"
STAGED_RUN_MANAGER: Final = "cluster-staged-update-run-controller"
AGENT_MANAGER: Final = "work-api-agent"

# -- properties of members ----------------------------------------------------------------------

NODE_COUNT: Final = PREFIX + "node-count"
NODE_IMAGES: Final = OWN_PREFIX + "node-images"  # of all nodes, each once, with commas
KUBERNETES_VERSION: Final = "k8s.io/k8s-version"
CLUSTER_ENTRYPOINT: Final = "k8s.io/cluster-entrypoint"
CLUSTER_CERTIFICATE_AUTHORITY: Final = "k8s.io/cluster-certificate-authority-data"
RESOURCE_PROPERTY_PREFIX: Final = "resources.kubernetes-fleet.io/"  # then total-, allocatable- or available-

# -- namespaces and names -----------------------------------------------------------------------

SYSTEM_NAMESPACE: Final = "fleet-system"
FLEET_CONFIG_MAP: Final = "fleet"  # there: what the fleet is called, in the two keys below
FLEET_NAME: Final = "fleetName"
FLEET_RESOURCE_GROUP: Final = "resourceGroup"
MEMBER_NAMESPACE_PREFIX: Final = "fleet-member-"
AGENT_ACCOUNT: Final = "fleet-agent"  # service account of an agent: on the hub in its member's namespace, on the member
AGENT_SECRET: Final = "fleet-agent-hub"  # on the member: how its agent gets into the hub
AGENT_CONFIG_MAP: Final = "fleet-agent"  # on the member: which member of which hub it is
MEMBER_KUBECONFIG: Final = "member-kubeconfig"  # Secret in a member's namespace: how a hub that pushes gets in
IMAGE: Final = "ghcr.io/echelon-fleet/echelon"
RESERVED_NAMESPACE_PREFIXES: Final = ("fleet-", "kube-")
DELETE_STAGE: Final = PREFIX + "deleteStage"

BINDING_PLACEMENT_LENGTH = 26
BINDING_CLUSTER_LENGTH = 27


def member_namespace(cluster: str) -> str:
    """The namespace of a member on the hub."""
    return MEMBER_NAMESPACE_PREFIX + cluster


def member_of_namespace(namespace: str) -> str | None:
    """The member whose namespace this is, or None when it is no member's."""
    return namespace.removeprefix(MEMBER_NAMESPACE_PREFIX) if namespace.startswith(MEMBER_NAMESPACE_PREFIX) else None


def is_reserved_namespace(namespace: str) -> bool:
    """Whether the namespace belongs to the fleet or to Kubernetes and nothing in it may be placed."""
    return namespace.startswith(RESERVED_NAMESPACE_PREFIXES)


def member_role(cluster: str) -> str:
    """The Role of a member's agent in the member's namespace."""
    return f"fleet-role-{cluster}"


def member_role_binding(cluster: str) -> str:
    """The RoleBinding of a member's agent in the member's namespace."""
    return f"fleet-rolebinding-{cluster}"


def policy_snapshot(placement: str, index: int) -> str:
    """A scheduling policy snapshot of a placement."""
    return f"{placement}-{index}"


def resource_snapshot(placement: str, index: int | str) -> str:
    """The master of a resource snapshot of a placement."""
    return f"{placement}-{index}-snapshot"


def resource_snapshot_part(placement: str, index: int | str, part: int) -> str:
    """A further part of a resource snapshot; parts count from 0."""
    return f"{placement}-{index}-{part}"


def override_snapshot(override: str, index: int) -> str:
    """A snapshot of an override."""
    return f"{override}-{index}"


def binding(placement: str, cluster: str, suffix: str) -> str:
    """A binding of a placement to a member; ``suffix`` (eight characters) makes it unique."""
    return f"{placement[:BINDING_PLACEMENT_LENGTH]}-{cluster[:BINDING_CLUSTER_LENGTH]}-{suffix}"


def work_base(placement: str, namespace: str = "") -> str:
    """What the names of all Works of a placement begin with; ``namespace`` is that of a ResourcePlacement."""
    return f"{namespace}.{placement}" if namespace else placement


def work(base: str, part: int | None = None) -> str:
    """The Work for the master of a resource snapshot, or for a further part of it."""
    return f"{base}-work" if part is None else f"{base}-{part}"


EnvelopeKind = Literal["ClusterResourceEnvelope", "ResourceEnvelope"]


def envelope_work(base: str, kind: EnvelopeKind, namespace: str, name: str) -> str:
    """The Work for the content of an envelope."""
    digest = hashlib.sha256(f"{kind}/{namespace}/{name}".encode()).hexdigest()
    return f"{base}-envelope-{digest[:16]}"
