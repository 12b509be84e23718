"""The two scopes of placement: the same parts under other kinds.

A fleet administrator works with cluster-scoped kinds, an application team with namespaced ones in
its own namespace. Controllers are written once, over a ``Scope`` that says which kinds play which
part.
"""

from __future__ import annotations

import msgspec

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBinding
from echelon.api.meta import OwnerReference
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


class Scope(msgspec.Struct, frozen=True):
    """Which kinds play which part, and the finalizer by which the placement controller holds a placement."""

    placement: type[ClusterResourcePlacement] | type[ResourcePlacement]
    policy_snapshot: type[ClusterSchedulingPolicySnapshot] | type[SchedulingPolicySnapshot]
    snapshot: type[ClusterResourceSnapshot] | type[ResourceSnapshot]
    binding: type[ClusterResourceBinding] | type[ResourceBinding]
    run: type[ClusterStagedUpdateRun] | type[StagedUpdateRun]
    strategy: type[ClusterStagedUpdateStrategy] | type[StagedUpdateStrategy]
    approval: type[ClusterApprovalRequest] | type[ApprovalRequest]
    placement_finalizer: str

    @property
    def name(self) -> str:
        """What tells the controllers of the two scopes apart."""
        return "namespaced" if self.placement.resource.namespaced else "cluster"


CLUSTER = Scope(
    placement=ClusterResourcePlacement,
    policy_snapshot=ClusterSchedulingPolicySnapshot,
    snapshot=ClusterResourceSnapshot,
    binding=ClusterResourceBinding,
    run=ClusterStagedUpdateRun,
    strategy=ClusterStagedUpdateStrategy,
    approval=ClusterApprovalRequest,
    placement_finalizer=names.CLUSTER_PLACEMENT_CLEANUP,
)

NAMESPACED = Scope(
    placement=ResourcePlacement,
    policy_snapshot=SchedulingPolicySnapshot,
    snapshot=ResourceSnapshot,
    binding=ResourceBinding,
    run=StagedUpdateRun,
    strategy=StagedUpdateStrategy,
    approval=ApprovalRequest,
    placement_finalizer=names.PLACEMENT_CLEANUP,
)


def owner_of(placement: Placement) -> OwnerReference:
    """The reference by which what is made for a placement goes with it."""
    return OwnerReference(
        api_version=placement.resource.api_version,
        kind=placement.resource.kind,
        name=placement.metadata.name,
        uid=placement.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
