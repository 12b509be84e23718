"""Whether a member can be given anything at all.

A member is *eligible* when it has joined, is not on its way out and its agent reports. That counts
for members that are chosen anew; one that was chosen before only loses by leaving: a member that is
silent for a while keeps what it has.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from echelon.api.cluster import MEMBER_AGENT, AgentStatus, MemberCluster
from echelon.api.conditions import HEALTHY, JOINED, NAMESPACE_COLLECTION_SUCCEEDED, find_condition
from echelon.api.meta import parse_time

# A member whose agent was silent, or unhealthy, for longer is not chosen anew.
SILENCE_LIMIT = timedelta(minutes=5)

_UNCONNECTED = "cluster is not connected to the fleet: "


def why_ineligible(member: MemberCluster, now: datetime, *, held: bool) -> str | None:
    """What keeps a member from being chosen, or None. ``held``: it was chosen before."""
    if member.metadata.deletion_timestamp is not None:
        return "cluster has left the fleet"
    if held:
        return None
    agent = agent_of(member)
    if agent is None:
        return _UNCONNECTED + "member agent not online yet"
    return _silence(agent, now) or _not_joined(agent) or _unhealthy(agent, now)


def agent_of(member: MemberCluster) -> AgentStatus | None:
    """What the member's agent reports."""
    return next((agent for agent in member.status.agent_status if agent.type == MEMBER_AGENT), None)


def _silence(agent: AgentStatus, now: datetime) -> str | None:
    if agent.last_received_heartbeat is None:
        return _UNCONNECTED + "member agent not online yet"
    silent = now - parse_time(agent.last_received_heartbeat)
    if silent <= SILENCE_LIMIT:
        return None
    minutes = silent.total_seconds() / 60
    return f"{_UNCONNECTED}no recent heartbeat signals (last received {minutes:.2f} minutes ago)"


def _not_joined(agent: AgentStatus) -> str | None:
    joined = find_condition(agent.conditions, JOINED)
    if joined is not None and joined.status == "True":
        return None
    return _UNCONNECTED + "member agent not joined yet"


def _unhealthy(agent: AgentStatus, now: datetime) -> str | None:
    healthy = find_condition(agent.conditions, HEALTHY)
    if healthy is None:
        return _UNCONNECTED + "health condition from member agent is not available"
    since = now - parse_time(healthy.last_transition_time)
    if healthy.status == "True" or since <= SILENCE_LIMIT:
        return None
    minutes = since.total_seconds() / 60
    return f"{_UNCONNECTED}unhealthy for a prolonged period of time (last transitioned {minutes:.2f} minutes ago)"


def why_homeless(member: MemberCluster, namespace: str) -> str | None:
    """Why objects of a namespace have no place on a member, or None; members that do not tell count as having it."""
    if not namespace or find_condition(member.status.conditions, NAMESPACE_COLLECTION_SUCCEEDED) is None:
        return None
    if not member.status.namespaces:
        return "cluster has no namespace information available"
    return None if namespace in member.status.namespaces else "target namespace does not exist on cluster"
