"""Members: whether they have joined, are healthy, and take placements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import HEALTHY, JOINED, READY_TO_JOIN, find_condition
from echelon.explain.access import Access
from echelon.explain.explanation import Explanation, listed, moment, said, since
from echelon.explain.waiting import Wait

CORDON_KEY = "cordon-key"
_MISSED = 3  # heartbeats until a member counts as silent


def explain_member(member: MemberCluster, now: datetime, access: Access) -> Explanation:
    """Where a member stands at a moment."""
    found = tuple(_waits(member, now, access))
    joined = find_condition(member.status.conditions, JOINED)
    if member.metadata.deletion_timestamp is not None:
        state = "leaving"
    elif joined is None or joined.status != "True":
        state = "not joined"
    elif _silent_since(member, now) is not None:
        state = "joined, but silent"
    else:
        healthy = find_condition(member.status.conditions, HEALTHY)
        state = "joined and healthy" if healthy is None or healthy.status == "True" else "joined, but not healthy"
    return Explanation(what=f"MemberCluster {member.metadata.name}", state=state, facts=_facts(member), waits=found)


def _facts(member: MemberCluster) -> list[str]:
    properties = member.status.properties
    facts = []
    if names.KUBERNETES_VERSION in properties:
        nodes = properties[names.NODE_COUNT].value if names.NODE_COUNT in properties else "?"
        facts.append(f"Kubernetes {properties[names.KUBERNETES_VERSION].value}, {nodes} nodes")
    labels = [f"{key}={value}" for key, value in member.metadata.labels.items()]
    if labels:
        facts.append(f"labels {listed(labels, 10)}")
    taints = [f"{taint.key}={taint.value}:{taint.effect}" for taint in member.spec.taints]
    if taints:
        facts.append(f"tainted {listed(taints)}: placements that do not tolerate this are not put there")
    return facts


def _heartbeat(member: MemberCluster) -> datetime | None:
    times = [moment(agent.last_received_heartbeat) for agent in member.status.agent_status]
    return max((time for time in times if time is not None), default=None)


def _silent_since(member: MemberCluster, now: datetime) -> datetime | None:
    """The last heartbeat of a member that has missed several."""
    last = _heartbeat(member)
    patience = timedelta(seconds=member.spec.heartbeat_period_seconds * _MISSED)
    return last if last is not None and now - last > patience else None


def _waits(member: MemberCluster, now: datetime, access: Access) -> Iterator[Wait]:
    conditions = member.status.conditions
    identity = member.spec.identity
    ready, joined = find_condition(conditions, READY_TO_JOIN), find_condition(conditions, JOINED)
    silent = _silent_since(member, now)
    if member.metadata.deletion_timestamp is not None:
        yield Wait(
            what="its agent to leave, and what is placed on it to be let go",
            since=moment(member.metadata.deletion_timestamp),
            unblock="keep the agent running until it has left",
        )
    elif ready is None or ready.status != "True":
        yield Wait(what="the hub to prepare its namespace and rights", since=since(ready))
    elif joined is None or joined.status != "True":
        yield Wait(
            what="its agent to join",
            since=since(joined) or moment(member.metadata.creation_timestamp),
            unblock=f"start the agent at the member, as {identity.kind} {identity.name} on the hub",
        )
    elif silent is not None:
        yield Wait(
            what="a heartbeat of its agent",
            since=silent,
            unblock=f"see that the agent runs and reaches the hub; one is due every "
            f"{member.spec.heartbeat_period_seconds} s",
        )
    healthy = find_condition(conditions, HEALTHY)
    if healthy is not None and healthy.status == "False":
        yield Wait(what=f"the member to be healthy: {said(healthy)}", since=since(healthy), unblock="mend the member")
    if any(taint.key == CORDON_KEY for taint in member.spec.taints):
        yield Wait(
            what="somebody to uncordon it: nothing new is placed on it",
            unblock="uncordon it",
            command=access.command("cluster", "uncordon", member.metadata.name),
        )
