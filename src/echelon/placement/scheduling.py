"""Which members a placement goes to, and why not to the others.

Pure: ``schedule`` looks at a policy, the members as they are now and the members chosen before, and
gives a decision for each. A member is *eligible* when it has joined, is not on its way out and its
agent reports; a choice made before is not taken back because the member is silent for a while.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from echelon.api.cluster import MEMBER_AGENT, AgentStatus, MemberCluster
from echelon.api.conditions import find_condition
from echelon.api.meta import parse_time
from echelon.api.placement import PlacementPolicy, Toleration
from echelon.api.snapshot import ClusterDecision, ClusterScore

# A member whose agent was silent, or unhealthy, for longer is not chosen anew.
SILENCE_LIMIT = timedelta(minutes=5)

_SCORE = ClusterScore(affinity_score=0, priority_score=0)


class Schedule(msgspec.Struct, frozen=True):
    """The outcome for one policy: chosen members first, each with its decision.

    ``fulfilled`` is whether as many were chosen as the policy asks for.
    """

    selected: Sequence[ClusterDecision]
    unselected: Sequence[ClusterDecision]
    fulfilled: bool


def schedule(
    placement: str,
    policy: PlacementPolicy,
    members: Iterable[MemberCluster],
    bound: frozenset[str],
    now: datetime,
) -> Schedule:
    """Decide on every member.

    Args:
        placement: its name, for the reasons that users read.
        policy: PickAll or PickFixed.
        members: every MemberCluster of the fleet.
        bound: names of the members chosen before.
        now: to judge how long a member has been silent.
    """
    known = {member.metadata.name: member for member in members}
    if policy.placement_type == "PickFixed":
        return _pick_fixed(placement, policy.cluster_names, known, bound, now)
    return _pick_all(placement, policy, known, bound, now)


def _pick_all(
    placement: str, policy: PlacementPolicy, known: Mapping[str, MemberCluster], bound: frozenset[str], now: datetime
) -> Schedule:
    selected: list[ClusterDecision] = []
    unselected: list[ClusterDecision] = []
    for name in sorted(known):
        member = known[name]
        obstacle = why_ineligible(member, now, bound=name in bound)
        if obstacle is None and name not in bound:
            obstacle = _untolerated(member, policy.tolerations)
        if obstacle is None:
            selected.append(_picked(placement, name, scored=True))
        else:
            unselected.append(_refused(name, obstacle))
    return Schedule(selected, unselected, fulfilled=True)


def _pick_fixed(
    placement: str, names: Sequence[str], known: Mapping[str, MemberCluster], bound: frozenset[str], now: datetime
) -> Schedule:
    selected: list[ClusterDecision] = []
    unselected: list[ClusterDecision] = []
    for name in sorted(set(names)):
        member = known.get(name)
        if member is None:
            unselected.append(_decision(name, False, f'Specified cluster "{name}" is not found'))
            continue
        obstacle = why_ineligible(member, now, bound=name in bound)
        if obstacle is None:
            selected.append(_picked(placement, name, scored=False))
        else:
            reason = f'Cluster "{name}" is not eligible for resource placement yet: {obstacle}'
            unselected.append(_decision(name, False, reason))
    return Schedule(selected, unselected, fulfilled=not unselected)


def concerns_scheduling(before: MemberCluster, after: MemberCluster) -> bool:
    """Whether a change of a member can change a decision. A heartbeat does only when it ends a silence."""
    if (
        before.metadata.generation != after.metadata.generation
        or before.metadata.deletion_timestamp != after.metadata.deletion_timestamp
        or before.metadata.labels != after.metadata.labels
    ):
        return True
    old, new = _agent(before), _agent(after)
    if old is None or new is None or old.last_received_heartbeat is None or new.last_received_heartbeat is None:
        return old != new
    silent = parse_time(new.last_received_heartbeat) - parse_time(old.last_received_heartbeat)
    return silent > SILENCE_LIMIT or old.conditions != new.conditions


_AGO = re.compile(r"\d+\.\d\d minutes ago")


def settled(before: Sequence[ClusterDecision], now: Sequence[ClusterDecision]) -> list[ClusterDecision]:
    """The decisions of now, each as it was worded before when they differ in how long ago something was only.

    Else time alone would change the status of every policy, as long as any member is silent.
    """
    earlier = {decision.cluster_name: decision for decision in before}
    return [_settled(earlier.get(decision.cluster_name), decision) for decision in now]


def _settled(before: ClusterDecision | None, now: ClusterDecision) -> ClusterDecision:
    if before is None or _AGO.sub("", before.reason) != _AGO.sub("", now.reason):
        return now
    return msgspec.structs.replace(now, reason=before.reason)


def why_ineligible(member: MemberCluster, now: datetime, *, bound: bool) -> str | None:
    """What keeps a member from being chosen, or None. A member chosen before (``bound``) only loses by leaving."""
    if member.metadata.deletion_timestamp is not None:
        return "cluster has left the fleet"
    agent = _agent(member)
    if agent is None:
        return None if bound else "cluster is not connected to the fleet: member agent not online yet"
    if bound:
        return None
    return _silence(agent, now) or _not_joined(agent) or _unhealthy(agent, now)


def _agent(member: MemberCluster) -> AgentStatus | None:
    return next((agent for agent in member.status.agent_status if agent.type == MEMBER_AGENT), None)


def _silence(agent: AgentStatus, now: datetime) -> str | None:
    if agent.last_received_heartbeat is None:
        return "cluster is not connected to the fleet: member agent not online yet"
    silent = now - parse_time(agent.last_received_heartbeat)
    if silent <= SILENCE_LIMIT:
        return None
    return (
        "cluster is not connected to the fleet: no recent heartbeat signals "
        f"(last received {silent.total_seconds() / 60:.2f} minutes ago)"
    )


def _not_joined(agent: AgentStatus) -> str | None:
    joined = find_condition(agent.conditions, "Joined")
    if joined is not None and joined.status == "True":
        return None
    return "cluster is not connected to the fleet: member agent not joined yet"


def _unhealthy(agent: AgentStatus, now: datetime) -> str | None:
    healthy = find_condition(agent.conditions, "Healthy")
    if healthy is None:
        return "cluster is not connected to the fleet: health condition from member agent is not available"
    since = now - parse_time(healthy.last_transition_time)
    if healthy.status == "True" or since <= SILENCE_LIMIT:
        return None
    return (
        "cluster is not connected to the fleet: unhealthy for a prolonged period of time "
        f"(last transitioned {since.total_seconds() / 60:.2f} minutes ago)"
    )


def _untolerated(member: MemberCluster, tolerations: Sequence[Toleration]) -> str | None:
    for taint in member.spec.taints:
        if not any(_tolerates(toleration, taint.key, taint.value) for toleration in tolerations):
            return f"taint {taint.key}={taint.value}:{taint.effect} cannot be tolerated"
    return None


def _tolerates(toleration: Toleration, key: str, value: str) -> bool:
    if toleration.operator == "Exists":
        return toleration.key in ("", key)
    return toleration.key == key and toleration.value == value


def _picked(placement: str, cluster: str, *, scored: bool) -> ClusterDecision:
    scores = " (affinity score: 0, topology spread score: 0)" if scored else ""
    reason = f'Successfully scheduled resources for placement in "{cluster}"{scores}: picked by scheduling policy'
    return ClusterDecision(cluster_name=cluster, selected=True, reason=reason, cluster_score=_SCORE if scored else None)


def _refused(cluster: str, obstacle: str) -> ClusterDecision:
    return _decision(cluster, False, f"ClusterUnschedulable, {obstacle}")


def _decision(cluster: str, selected: bool, reason: str) -> ClusterDecision:
    return ClusterDecision(cluster_name=cluster, selected=selected, reason=reason)
