"""Bindings: one placement on one member.

The scheduler makes a binding (Scheduled), a rollout or a staged run gives it a resource snapshot
(Bound), work generation turns it into Works and reports back, and the scheduler marks it
Unscheduled when the member is no longer wanted. Rollouts delete those.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from msgspec.structs import force_setattr

from echelon.api.fields import Field, Value
from echelon.api.meta import Condition, KubeObject, Resource
from echelon.api.placement import (
    CONDITIONS,
    DIFFED,
    DRIFTED,
    FAILED,
    GROUP,
    ApplyStrategy,
    DiffedResourcePlacement,
    DriftedResourcePlacement,
    FailedResourcePlacement,
    NamespacedName,
)
from echelon.api.sharing import shared
from echelon.api.snapshot import ClusterDecision

SCHEDULED: Final = "Scheduled"  # values of spec.state
BOUND: Final = "Bound"
UNSCHEDULED: Final = "Unscheduled"


class ResourceBindingSpec(Value, frozen=True, kw_only=True):
    """Which member gets which snapshot, and how."""

    state: Annotated[
        str,
        Field(
            "Scheduled: the member is chosen and has nothing yet. Bound: it gets the resource snapshot. "
            "Unscheduled: it is no longer chosen and waits to be emptied."
        ),
    ]
    resource_snapshot_name: Annotated[
        str, Field("Master of the resource snapshot that the member gets; empty while it gets none.")
    ]
    resource_override_snapshots: Annotated[
        tuple[NamespacedName, ...], Field("Snapshots of the ResourceOverrides to use, in order.")
    ] = ()
    cluster_resource_override_snapshots: Annotated[
        tuple[str, ...], Field("Snapshots of the ClusterResourceOverrides to use, in order.")
    ] = ()
    scheduling_policy_snapshot_name: Annotated[str, Field("The policy snapshot by which the member was chosen.")]
    target_cluster: Annotated[str, Field("The member.")]
    cluster_decision: Annotated[ClusterDecision, Field("Why the member was chosen.")]
    apply_strategy: Annotated[ApplyStrategy | None, Field("How the objects are written on the member.")] = None


class ResourceBindingStatus(Value, frozen=True, kw_only=True):
    """How the placement stands on the member."""

    failed_placements: Annotated[tuple[FailedResourcePlacement, ...], FAILED] = ()
    drifted_placements: Annotated[tuple[DriftedResourcePlacement, ...], DRIFTED] = ()
    diffed_placements: Annotated[tuple[DiffedResourcePlacement, ...], DIFFED] = ()
    conditions: Annotated[tuple[Condition, ...], CONDITIONS] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "conditions", shared(tuple(self.conditions)))


class ClusterResourceBinding(KubeObject, frozen=True, kw_only=True):
    """One ClusterResourcePlacement on one member. Made by the hub; users only read it."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterresourcebindings", "ClusterResourceBinding", namespaced=False
    )

    spec: Annotated[ResourceBindingSpec, Field("Which member gets what.")]
    status: Annotated[ResourceBindingStatus, Field("How the placement stands there.")] = ResourceBindingStatus()


class ResourceBinding(KubeObject, frozen=True, kw_only=True):
    """One ResourcePlacement on one member. Made by the hub; users only read it."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "resourcebindings", "ResourceBinding", namespaced=True)

    spec: Annotated[ResourceBindingSpec, Field("Which member gets what.")]
    status: Annotated[ResourceBindingStatus, Field("How the placement stands there.")] = ResourceBindingStatus()
