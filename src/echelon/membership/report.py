"""The status of a MemberCluster, from what its agent reports.

Pure. A member has joined when its agent says so; until the agent says anything, that is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from echelon.api.cluster import MEMBER_AGENT, InternalMemberClusterStatus, MemberClusterStatus
from echelon.api.conditions import (
    HEALTHY,
    JOINED,
    MEMBER_JOIN_STATE_UNKNOWN,
    MEMBER_JOINED,
    MEMBER_LEFT,
    MEMBER_NOT_READY_TO_JOIN,
    MEMBER_READY_TO_JOIN,
    NAMESPACE_COLLECTION_SUCCEEDED,
    PROPERTY_COLLECTION_SUCCEEDED,
    PROPERTY_PROVIDER_STARTED,
    READY_TO_JOIN,
    find_condition,
    set_condition,
)
from echelon.api.meta import Condition, ConditionStatus

_COPIED = (PROPERTY_PROVIDER_STARTED, PROPERTY_COLLECTION_SUCCEEDED, NAMESPACE_COLLECTION_SUCCEEDED)


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether everything that the agent needs on the hub is there, and if not, why."""

    ready: bool
    message: str


READY = Readiness(ready=True, message="The member's namespace and rights on the hub are in place")


def member_status(
    before: MemberClusterStatus,
    report: InternalMemberClusterStatus | None,
    generation: int,
    now: datetime,
    readiness: Readiness,
) -> MemberClusterStatus:
    """The status of a member.

    Args:
        before: its status as it was, for times that stay.
        report: what its agent reported; None while there is nowhere to report.
        generation: of the MemberCluster.
        now: for conditions that change.
        readiness: whether everything the agent needs on the hub is there.
    """
    conditions: Sequence[Condition] = before.conditions

    def put(type_: str, status: ConditionStatus, reason: str, message: str = "") -> None:
        nonlocal conditions
        condition = Condition(type_, status, reason, message, observed_generation=generation)
        conditions = set_condition(conditions, condition, now)

    if readiness.ready:
        put(READY_TO_JOIN, "True", MEMBER_READY_TO_JOIN, readiness.message)
    else:
        put(READY_TO_JOIN, "False", MEMBER_NOT_READY_TO_JOIN, readiness.message)
    agents = () if report is None else report.agent_status
    agent = next((agent for agent in agents if agent.type == MEMBER_AGENT), None)
    joined = None if agent is None else find_condition(agent.conditions, JOINED)
    match None if joined is None else joined.status:
        case "True":
            put(JOINED, "True", MEMBER_JOINED, "The member's agent has joined the fleet")
        case "False":
            put(JOINED, "False", MEMBER_LEFT, "The member's agent has left the fleet")
        case _:
            put(JOINED, "Unknown", MEMBER_JOIN_STATE_UNKNOWN, "The member's agent has not reported yet")
    healthy = None if agent is None else find_condition(agent.conditions, HEALTHY)
    for condition in (healthy, *(find_condition(() if report is None else report.conditions, t) for t in _COPIED)):
        if condition is not None:
            put(condition.type, condition.status, condition.reason, condition.message)
    if report is None:
        return MemberClusterStatus(
            conditions=tuple(conditions),
            properties=before.properties,
            resource_usage=before.resource_usage,
            agent_status=before.agent_status,
            namespaces=before.namespaces,
        )
    return MemberClusterStatus(
        conditions=tuple(conditions),
        properties=report.properties,
        resource_usage=report.resource_usage,
        agent_status=report.agent_status,
        namespaces=report.namespaces,
    )


def has_left(report: InternalMemberClusterStatus) -> bool:
    """Whether the agent has said that it left, or never came at all."""
    agent = next((agent for agent in report.agent_status if agent.type == MEMBER_AGENT), None)
    if agent is None:
        return True
    joined = find_condition(agent.conditions, JOINED)
    return joined is not None and joined.status == "False"
