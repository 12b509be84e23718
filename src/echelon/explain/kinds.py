"""The kinds of staged rollouts in the two scopes: of the whole fleet, or of an application's namespace.

What is known of one scope holds in the other; only the kinds differ.
"""

from __future__ import annotations

import msgspec

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBinding
from echelon.api.placement import ClusterResourcePlacement, ResourcePlacement
from echelon.api.snapshot import (
    ClusterResourceSnapshot,
    ClusterSchedulingPolicySnapshot,
    ResourceSnapshot,
    SchedulingPolicySnapshot,
)
from echelon.api.staged import (
    ApprovalRequest,
    ClusterApprovalRequest,
    ClusterStagedUpdateRun,
    ClusterStagedUpdateStrategy,
    StagedUpdateRun,
    StagedUpdateStrategy,
)

Placement = ClusterResourcePlacement | ResourcePlacement
PolicySnapshot = ClusterSchedulingPolicySnapshot | SchedulingPolicySnapshot
Snapshot = ClusterResourceSnapshot | ResourceSnapshot
Binding = ClusterResourceBinding | ResourceBinding
Run = ClusterStagedUpdateRun | StagedUpdateRun
Strategy = ClusterStagedUpdateStrategy | StagedUpdateStrategy
Approval = ClusterApprovalRequest | ApprovalRequest


class Kinds(msgspec.Struct, frozen=True, kw_only=True):
    """Which kind plays which part."""

    placement: type[ClusterResourcePlacement] | type[ResourcePlacement]
    policy_snapshot: type[ClusterSchedulingPolicySnapshot] | type[SchedulingPolicySnapshot]
    snapshot: type[ClusterResourceSnapshot] | type[ResourceSnapshot]
    binding: type[ClusterResourceBinding] | type[ResourceBinding]
    run: type[ClusterStagedUpdateRun] | type[StagedUpdateRun]
    strategy: type[ClusterStagedUpdateStrategy] | type[StagedUpdateStrategy]
    approval: type[ClusterApprovalRequest] | type[ApprovalRequest]


CLUSTER = Kinds(
    placement=ClusterResourcePlacement,
    policy_snapshot=ClusterSchedulingPolicySnapshot,
    snapshot=ClusterResourceSnapshot,
    binding=ClusterResourceBinding,
    run=ClusterStagedUpdateRun,
    strategy=ClusterStagedUpdateStrategy,
    approval=ClusterApprovalRequest,
)
NAMESPACED = Kinds(
    placement=ResourcePlacement,
    policy_snapshot=SchedulingPolicySnapshot,
    snapshot=ResourceSnapshot,
    binding=ResourceBinding,
    run=StagedUpdateRun,
    strategy=StagedUpdateStrategy,
    approval=ApprovalRequest,
)


def kinds_of(namespace: str) -> Kinds:
    """The kinds of a namespace, or the cluster-scoped ones when there is none."""
    return NAMESPACED if namespace else CLUSTER


def index_of(snapshot: Snapshot) -> int:
    """The index of a resource snapshot; -1 for one without."""
    text = snapshot.metadata.labels.get(names.RESOURCE_INDEX, "")
    return int(text) if text.isdecimal() else -1


def is_master(snapshot: Snapshot) -> bool:
    """Whether this is the first part of a resource snapshot, with which it counts."""
    return names.RESOURCE_HASH in snapshot.metadata.annotations
