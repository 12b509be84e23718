"""Members of the fleet: ``cluster.kubernetes-fleet.io``.

A MemberCluster is what an administrator creates; the hub mirrors its intent into an
InternalMemberCluster in the member's own namespace, where the member's agent reports, and copies
the report back. Both share the shape of the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from echelon.api.core import Subject
from echelon.api.fields import Field, Int32, Quantity, Rule, Time, Value
from echelon.api.meta import Condition, KubeObject, Resource

GROUP = "cluster.kubernetes-fleet.io"

ClusterState = Literal["Join", "Leave"]
AgentType = Literal["MemberAgent", "MultiClusterServiceAgent", "ServiceExportImportAgent"]

JOIN: ClusterState = "Join"
LEAVE: ClusterState = "Leave"
MEMBER_AGENT: AgentType = "MemberAgent"

LABEL_KEY = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"
)
LABEL_VALUE = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"

NAME_RULE = Rule("size(self.metadata.name) < 64", "metadata.name max length is 63")

HeartbeatPeriod = Annotated[
    Int32, Field("Seconds between two heartbeats of the member's agent, 1 to 600.", minimum=1, maximum=600)
]


class Taint(Value, frozen=True, kw_only=True):
    """Keeps placements that do not tolerate it off the member."""

    key: Annotated[str, Field("Key of the taint, in the form of a label's key.", max_length=317, pattern=LABEL_KEY)]
    value: Annotated[
        str, Field("Value of the taint, in the form of a label's value.", max_length=63, pattern=LABEL_VALUE)
    ] = ""
    effect: Annotated[
        Literal["NoSchedule"],
        Field("What the taint does: NoSchedule keeps new placements away and leaves present ones where they are."),
    ]


class DeleteOptions(Value, frozen=True, kw_only=True):
    """How the deletion of a member is checked."""

    validation_mode: Annotated[
        Literal["Skip", "Strict"],
        Field("Strict refuses the deletion while other parts of the fleet still depend on the member; Skip does not."),
    ] = "Strict"


class MemberClusterSpec(Value, frozen=True, kw_only=True):
    """Who the member is and how it is treated."""

    identity: Annotated[
        Subject,
        Field("The user or service account by which the member's agent signs in to the hub.", map_type="atomic"),
    ]
    heartbeat_period_seconds: HeartbeatPeriod = 60
    taints: Annotated[
        tuple[Taint, ...],
        Field(
            "Taints of the member; only placements that tolerate them are put on it.",
            max_items=100,
            rules=(
                Rule(
                    "self.all(t, self.exists_one(u, u.key == t.key && u.effect == t.effect"
                    " && (has(u.value) ? u.value : '') == (has(t.value) ? t.value : '')))",
                    "taints must be unique",
                ),
            ),
        ),
    ] = ()
    delete_options: Annotated[
        DeleteOptions | None, Field("How a deletion of this member is checked.", absent_from=("v1",))
    ] = None


class PropertyValue(Value, frozen=True, kw_only=True):
    """A property of a member as last observed."""

    value: Annotated[str, Field("The value.")]
    observation_time: Annotated[Time, Field("When the value was read.")]


class ResourceUsage(Value, frozen=True, kw_only=True):
    """What the nodes of a member have and have left."""

    capacity: Annotated[Mapping[str, Quantity], Field("Sum of the capacity of all nodes, by resource.")] = {}
    allocatable: Annotated[Mapping[str, Quantity], Field("Sum of what all nodes offer to pods, by resource.")] = {}
    available: Annotated[
        Mapping[str, Quantity], Field("What is allocatable and not requested by any pod, by resource.")
    ] = {}
    observation_time: Annotated[Time | None, Field("When the figures were read.")] = None


class AgentStatus(Value, frozen=True, kw_only=True):
    """The state of one agent of a member."""

    type: Annotated[AgentType, Field("Which agent this is.")]
    conditions: Annotated[tuple[Condition, ...], Field("Whether the agent has joined and is healthy.")] = ()
    last_received_heartbeat: Annotated[Time | None, Field("When the agent last reported.")] = None


PROPERTIES = Field("Properties of the member by name, for scheduling by property.")
USAGE = Field("CPU, memory and other resources of the member.")
AGENTS = Field("State of each agent of the member.")
NAMESPACES = Field(
    "Namespaces of the member, each with the AppliedWork that owns it or an empty value.", absent_from=("v1",)
)


class MemberClusterStatus(Value, frozen=True, kw_only=True):
    """What is known of a member."""

    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            "Observed state: ReadyToJoin, Joined, Healthy and how the collection of properties fares.",
            list_type="map",
            list_map_keys=("type",),
        ),
    ] = ()
    properties: Annotated[Mapping[str, PropertyValue], PROPERTIES] = {}
    resource_usage: Annotated[ResourceUsage | None, USAGE] = None
    agent_status: Annotated[tuple[AgentStatus, ...], AGENTS] = ()
    namespaces: Annotated[Mapping[str, str], NAMESPACES] = {}


class InternalMemberClusterStatus(Value, frozen=True, kw_only=True):
    """What the member's agents report."""

    conditions: Annotated[tuple[Condition, ...], Field("State of the collection of properties.")] = ()
    properties: Annotated[Mapping[str, PropertyValue], PROPERTIES] = {}
    resource_usage: Annotated[ResourceUsage | None, USAGE] = None
    agent_status: Annotated[tuple[AgentStatus, ...], AGENTS] = ()
    namespaces: Annotated[Mapping[str, str], NAMESPACES] = {}


class InternalMemberClusterSpec(Value, frozen=True, kw_only=True):
    """What the hub wants of a member."""

    state: Annotated[str, Field("Join while the member belongs to the fleet, Leave when it is to go.")]
    heartbeat_period_seconds: HeartbeatPeriod = 60


class MemberCluster(KubeObject, frozen=True, kw_only=True):
    """A cluster that belongs to the fleet. Creating one lets the cluster join; deleting it lets it go."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "memberclusters", "MemberCluster", namespaced=False)
    rules: ClassVar[tuple[Rule, ...]] = (NAME_RULE,)

    spec: Annotated[MemberClusterSpec, Field("Who the member is and how it is to be treated.")]
    status: Annotated[MemberClusterStatus, Field("What is known of the member.")] = MemberClusterStatus()


class InternalMemberCluster(KubeObject, frozen=True, kw_only=True):
    """Where hub and agent of one member meet: intent in the spec, reports in the status.

    The hub keeps it in the member's namespace, under the member's name; users do not write it.
    """

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "internalmemberclusters", "InternalMemberCluster", namespaced=True
    )

    spec: Annotated[InternalMemberClusterSpec, Field("What the hub wants of the member.")]
    status: Annotated[InternalMemberClusterStatus, Field("What the member's agents report.")] = (
        InternalMemberClusterStatus()
    )
