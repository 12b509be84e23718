"""Which changes of a member can change a decision.

Members change all the time; most changes concern nobody. A change is first boiled down to its
``News``: heartbeats, and what is only observed anew, make none. News then concern a policy if they
touch what the filters of that policy look at. A policy that has all the members it asks for (PickN,
PickFixed) waits for nothing and is concerned only by members that leave.

Preferences do not count: as long as members are missing, every one that fits is chosen anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from echelon.api.cluster import MemberCluster
from echelon.api.conditions import NAMESPACE_COLLECTION_SUCCEEDED, find_condition
from echelon.api.meta import LabelSelector, parse_time
from echelon.api.policy import PlacementPolicy
from echelon.placement.scheduling.affinity import required_terms
from echelon.placement.scheduling.eligibility import SILENCE_LIMIT, agent_of
from echelon.placement.scheduling.properties import changed_properties

_NONE: frozenset[str] = frozenset()


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What of a member changed that scheduling may look at.

    ``standing`` is whether it may be chosen at all: taints, agent, health; ``departure`` that it goes.
    """

    member: str
    departure: bool = False
    standing: bool = False
    namespaces: bool = False
    labels: frozenset[str] = _NONE
    properties: frozenset[str] = _NONE


def news(before: MemberCluster | None, after: MemberCluster | None) -> News | None:
    """What changed of a member that comes (``before`` is None), changes, or goes (``after`` is None); None for nothing.

    Raises:
        ValueError: both are None.
    """
    if before is None or after is None:
        found = after or before
        if found is None:
            raise ValueError("a member before or after its change is needed")
        return News(member=found.metadata.name, departure=after is None, standing=True)
    changes = News(
        member=after.metadata.name,
        departure=before.metadata.deletion_timestamp != after.metadata.deletion_timestamp,
        standing=before.metadata.generation != after.metadata.generation or _agent_differs(before, after),
        namespaces=_namespaces(before) != _namespaces(after),
        labels=_changed_labels(before, after),
        properties=changed_properties(before, after),
    )
    return None if changes == News(member=after.metadata.name) else changes


def concerns(changes: News, policy: PlacementPolicy, *, fulfilled: bool, namespaced: bool) -> bool:
    """Whether what changed of a member can change a decision.

    Args:
        changes: of the member.
        policy: that decides.
        fulfilled: whether it has all the members that it asks for.
        namespaced: whether the placement is, and looks for its namespace on members.
    """
    if policy.placement_type == "PickFixed" and changes.member not in policy.cluster_names:
        return False
    if changes.departure:
        return True
    if fulfilled and policy.placement_type != "PickAll":
        return False
    return (
        changes.standing
        or (namespaced and changes.namespaces)
        or _touches(changes.labels, _labels_read(policy))
        or _touches(changes.properties, _properties_read(policy))
    )


def _touches(changed: frozenset[str], read: Iterator[str]) -> bool:
    return bool(changed) and not changed.isdisjoint(read)


def _labels_read(policy: PlacementPolicy) -> Iterator[str]:
    for term in required_terms(policy):
        if term.label_selector is not None:
            yield from _keys(term.label_selector)
    for constraint in policy.topology_spread_constraints:
        yield constraint.topology_key


def _keys(selector: LabelSelector) -> Iterable[str]:
    yield from selector.match_labels
    for requirement in selector.match_expressions:
        yield requirement.key


def _properties_read(policy: PlacementPolicy) -> Iterator[str]:
    for term in required_terms(policy):
        if term.property_selector is not None:
            for requirement in term.property_selector.match_expressions:
                yield requirement.name


def _changed_labels(before: MemberCluster, after: MemberCluster) -> frozenset[str]:
    old, new = before.metadata.labels, after.metadata.labels
    if old == new:
        return _NONE
    return frozenset(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def _namespaces(member: MemberCluster) -> object:
    condition = find_condition(member.status.conditions, NAMESPACE_COLLECTION_SUCCEEDED)
    return None if condition is None else member.status.namespaces


def _agent_differs(before: MemberCluster, after: MemberCluster) -> bool:
    """Whether the agent reports something else; a heartbeat counts only when it ends a silence."""
    old, new = agent_of(before), agent_of(after)
    if old is None or new is None or old.last_received_heartbeat is None or new.last_received_heartbeat is None:
        return old != new
    silent = parse_time(new.last_received_heartbeat) - parse_time(old.last_received_heartbeat)
    return silent > SILENCE_LIMIT or old.conditions != new.conditions
