"""Snapshots of a placement: of its policy, and of the objects that it selected.

Both are kept under an index, made new when the content changes and trimmed to the placement's
history. The scheduler reports on the policy snapshot; the resource snapshot never changes.
``selectedResources`` stays JSON text (see ``fields.Manifest``).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from echelon.api.fields import Field, Int32, Int64, Manifest, Value
from echelon.api.meta import Condition, KubeObject, Resource
from echelon.api.placement import CONDITIONS, GROUP
from echelon.api.policy import PlacementPolicy


class ClusterScore(Value, frozen=True, kw_only=True):
    """How well a member fits."""

    affinity_score: Annotated[Int32 | None, Field("Sum of the weights of the preferences that the member meets.")] = (
        None
    )
    priority_score: Annotated[Int32 | None, Field("Score of the topology spread constraints.")] = None


class ClusterDecision(Value, frozen=True, kw_only=True):
    """What the scheduler decided about one member, and why."""

    cluster_name: Annotated[str, Field("The member; may be empty when no member was found for a slot.")]
    selected: Annotated[bool, Field("Whether the member was chosen.")]
    cluster_score: Annotated[ClusterScore | None, Field("How well the member fits; none when it was not scored.")] = (
        None
    )
    reason: Annotated[str, Field("Why the member was chosen or not.")]


class SchedulingPolicySnapshotSpec(Value, frozen=True, kw_only=True):
    """A policy as it was at one moment."""

    policy: Annotated[PlacementPolicy | None, Field("The policy; none means all members.")] = None
    policy_hash: Annotated[bytes, Field("Hash of the policy without numberOfClusters.")]


class SchedulingPolicySnapshotStatus(Value, frozen=True, kw_only=True):
    """What the scheduler made of the policy."""

    observed_crp_generation: Annotated[
        Int64, Field("Generation of the placement that the scheduler last acted on.")
    ] = msgspec.field(name="observedCRPGeneration")
    conditions: Annotated[tuple[Condition, ...], CONDITIONS] = ()
    target_clusters: Annotated[
        tuple[ClusterDecision, ...],
        Field("The decisions: the members chosen, then some of those that were not.", max_items=1000),
    ] = ()


NOT_SCHEDULED = SchedulingPolicySnapshotStatus(observed_crp_generation=0)


class ClusterSchedulingPolicySnapshot(KubeObject, frozen=True, kw_only=True):
    """The policy of a ClusterResourcePlacement at one moment, with what the scheduler decided.

    Made by the hub; users only read it.
    """

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterschedulingpolicysnapshots", "ClusterSchedulingPolicySnapshot", namespaced=False
    )

    spec: Annotated[SchedulingPolicySnapshotSpec, Field("The policy.")]
    status: Annotated[SchedulingPolicySnapshotStatus, Field("What the scheduler decided.")] = NOT_SCHEDULED


class SchedulingPolicySnapshot(KubeObject, frozen=True, kw_only=True):
    """The policy of a ResourcePlacement at one moment, with what the scheduler decided.

    Made by the hub; users only read it.
    """

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "schedulingpolicysnapshots", "SchedulingPolicySnapshot", namespaced=True
    )

    spec: Annotated[SchedulingPolicySnapshotSpec, Field("The policy.")]
    status: Annotated[SchedulingPolicySnapshotStatus, Field("What the scheduler decided.")] = NOT_SCHEDULED


class ResourceSnapshotSpec(Value, frozen=True, kw_only=True):
    """Objects as they were at one moment."""

    selected_resources: Annotated[
        tuple[Manifest, ...], Field("The objects, whole, without what only means something on the hub.")
    ]


class ResourceSnapshotStatus(Value, frozen=True, kw_only=True):
    """State of a snapshot."""

    conditions: Annotated[tuple[Condition, ...], CONDITIONS] = ()


class ClusterResourceSnapshot(KubeObject, frozen=True, kw_only=True):
    """The objects that a ClusterResourcePlacement selected at one moment; what a rollout puts on members.

    Made by the hub; users only read it. A large selection has further parts, which share the index.
    """

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterresourcesnapshots", "ClusterResourceSnapshot", namespaced=False
    )

    spec: Annotated[ResourceSnapshotSpec, Field("The objects.")]
    status: Annotated[ResourceSnapshotStatus, Field("State of the snapshot.")] = ResourceSnapshotStatus()


class ResourceSnapshot(KubeObject, frozen=True, kw_only=True):
    """The objects that a ResourcePlacement selected at one moment; what a rollout puts on members.

    Made by the hub; users only read it. A large selection has further parts, which share the index.
    """

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "resourcesnapshots", "ResourceSnapshot", namespaced=True)

    spec: Annotated[ResourceSnapshotSpec, Field("The objects.")]
    status: Annotated[ResourceSnapshotStatus, Field("State of the snapshot.")] = ResourceSnapshotStatus()
