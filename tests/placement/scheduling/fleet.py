"""Members and policies to schedule with, and random ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hypothesis import strategies as st

from echelon.api.cluster import (
    MEMBER_AGENT,
    AgentStatus,
    MemberCluster,
    MemberClusterSpec,
    MemberClusterStatus,
    PropertyValue,
    ResourceUsage,
    Taint,
)
from echelon.api.core import RBAC, Subject
from echelon.api.meta import Condition, LabelSelector, ObjectMeta, format_time
from echelon.api.policy import (
    Affinity,
    ClusterAffinity,
    ClusterSelector,
    ClusterSelectorTerm,
    PlacementPolicy,
    PreferredClusterSelector,
    PropertyOperator,
    PropertySelector,
    PropertySelectorRequirement,
    PropertySorter,
    Toleration,
    TopologySpreadConstraint,
)
from echelon.api.snapshot import ClusterDecision, ClusterScore
from echelon.placement.scheduling import Chosen, Schedule, schedule
from echelon.placement.scheduling.decisions import picked

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DOWN = Taint(key="down", value="yes", effect="NoSchedule")
PICK_ALL = PlacementPolicy()
CPU = "resources.kubernetes-fleet.io/available-cpu"
NODES = "kubernetes-fleet.io/node-count"


def agent(
    *, silent: float = 0, joined: bool | None = True, healthy: bool | None = True, since: float = 0
) -> AgentStatus:
    """What an agent reports: minutes since its last heartbeat, and since its health changed."""
    conditions = []
    at = format_time(NOW - timedelta(minutes=since))
    if joined is not None:
        conditions.append(Condition("Joined", "True" if joined else "False", "R", "", at))
    if healthy is not None:
        conditions.append(Condition("Healthy", "True" if healthy else "False", "R", "", at))
    beat = format_time(NOW - timedelta(minutes=silent))
    return AgentStatus(type=MEMBER_AGENT, conditions=tuple(conditions), last_received_heartbeat=beat)


def member(
    name: str,
    *agents: AgentStatus,
    taints: Sequence[Taint] = (),
    leaving: bool = False,
    properties: Mapping[str, str] | None = None,
    usage: ResourceUsage | None = None,
    namespaces: Mapping[str, str] | None = None,
    **labels: str,
) -> MemberCluster:
    """A member; with ``namespaces``, one that tells them."""
    at = format_time(NOW)
    collected = Condition("NamespaceCollectionSucceeded", "True", "PropertiesCollected", "", at)
    return MemberCluster(
        metadata=ObjectMeta(
            name=name, labels=labels, generation=1, deletion_timestamp=format_time(NOW) if leaving else None
        ),
        spec=MemberClusterSpec(identity=Subject(kind="User", name=name, api_group=RBAC), taints=tuple(taints)),
        status=MemberClusterStatus(
            agent_status=agents or (agent(),),
            conditions=() if namespaces is None else (collected,),
            properties={
                key: PropertyValue(value=value, observation_time=at) for key, value in (properties or {}).items()
            },
            resource_usage=usage,
            namespaces=namespaces or {},
        ),
    )


def cpus(available: str) -> ResourceUsage:
    return ResourceUsage(capacity={"cpu": "64"}, allocatable={"cpu": "60"}, available={"cpu": available})


def pick(*names: str) -> PlacementPolicy:
    return PlacementPolicy(placement_type="PickFixed", cluster_names=names)


def some(
    number: int,
    *,
    required: Sequence[ClusterSelectorTerm] = (),
    preferred: Sequence[PreferredClusterSelector] = (),
    spread: Sequence[TopologySpreadConstraint] = (),
    tolerations: Sequence[Toleration] = (),
) -> PlacementPolicy:
    """PickN."""
    return PlacementPolicy(
        placement_type="PickN",
        number_of_clusters=number,
        affinity=affinity(required, preferred),
        topology_spread_constraints=tuple(spread),
        tolerations=tuple(tolerations),
    )


def affinity(
    required: Sequence[ClusterSelectorTerm] = (), preferred: Sequence[PreferredClusterSelector] = ()
) -> Affinity:
    return Affinity(
        cluster_affinity=ClusterAffinity(
            required_during_scheduling_ignored_during_execution=(
                ClusterSelector(cluster_selector_terms=tuple(required)) if required else None
            ),
            preferred_during_scheduling_ignored_during_execution=tuple(preferred),
        )
    )


def having(*comparisons: tuple[str, PropertyOperator, str], **labels: str) -> ClusterSelectorTerm:
    """A term: these labels and these comparisons."""
    requirements = tuple(
        PropertySelectorRequirement(name=name, operator=operator, values=(value,))
        for name, operator, value in comparisons
    )
    return ClusterSelectorTerm(
        label_selector=LabelSelector(match_labels=labels) if labels else None,
        property_selector=PropertySelector(match_expressions=requirements) if requirements else None,
    )


def rather(
    weight: int, by: str = "", order: Literal["Ascending", "Descending"] = "Descending", **labels: str
) -> PreferredClusterSelector:
    """A preference: by labels, or by the rank of a property."""
    term = ClusterSelectorTerm(
        label_selector=LabelSelector(match_labels=labels) if labels else None,
        property_sorter=PropertySorter(name=by, sort_order=order) if by else None,
    )
    return PreferredClusterSelector(weight=weight, preference=term)


def evenly(
    key: str, max_skew: int = 1, when: Literal["DoNotSchedule", "ScheduleAnyway"] = "DoNotSchedule"
) -> TopologySpreadConstraint:
    return TopologySpreadConstraint(topology_key=key, max_skew=max_skew, when_unsatisfiable=when)


def before(*names: str, current: bool = True, bound: bool = True, **scores: int) -> dict[str, Chosen]:
    """Members chosen before; ``scores`` are their affinity scores, 0 where not given."""
    return {
        name: Chosen(picked(name, ClusterScore(affinity_score=scores.get(name, 0), priority_score=0)), current, bound)
        for name in names
    }


def decide(policy: PlacementPolicy, *members: MemberCluster, chosen: Mapping[str, Chosen] | None = None) -> Schedule:
    return schedule(policy, members, chosen or {}, NOW)


def chosen_by(outcome: Schedule) -> list[str]:
    return names_of(outcome.selected)


def names_of(decisions: Iterable[ClusterDecision]) -> list[str]:
    return [decision.cluster_name for decision in decisions]


def reasons(outcome: Schedule) -> dict[str, str]:
    """Why the others were not chosen."""
    return {decision.cluster_name: decision.reason for decision in outcome.unselected}


# -- random ones --------------------------------------------------------------------------------

NAMES = "abcdefghij"
LABELS = st.dictionaries(st.sampled_from(["zone", "env", "host"]), st.sampled_from("xyz"), max_size=3)


def _random_member(name: str, found: Mapping[str, Any]) -> MemberCluster:
    return member(
        name,
        agent(silent=found["silent"], joined=found["joined"], healthy=found["healthy"], since=found["since"]),
        taints=(DOWN,) if found["tainted"] else (),
        leaving=found["leaving"],
        properties={} if found["nodes"] is None else {NODES: found["nodes"]},
        usage=None if found["cpu"] is None else cpus(found["cpu"]),
        **found["labels"],
    )


_MOSTLY = st.sampled_from([False] * 5 + [True])
_STATES = st.fixed_dictionaries(
    {
        "silent": st.sampled_from([0, 0, 0, 4, 5, 6, 60]),
        "joined": st.sampled_from([True, True, True, False, None]),
        "healthy": st.sampled_from([True, True, True, False, None]),
        "since": st.sampled_from([0, 6]),
        "tainted": _MOSTLY,
        "leaving": _MOSTLY,
        "nodes": st.sampled_from([None, "1", "3", "10", "many"]),
        "cpu": st.sampled_from([None, "0", "500m", "4", "12"]),
        "labels": LABELS,
    }
)
FLEETS = st.dictionaries(st.sampled_from(NAMES), _STATES, max_size=10).map(
    lambda found: [_random_member(name, state) for name, state in found.items()]
)
_TERMS = st.builds(
    lambda labels, bounds: having(*bounds, **labels),
    LABELS,
    st.lists(
        st.tuples(
            st.sampled_from([CPU, NODES]),
            st.sampled_from(["Gt", "Ge", "Eq", "Ne", "Lt", "Le"]),
            st.sampled_from(["1", "500m", "4"]),
        ),
        max_size=2,
    ),
)
_PREFERENCES = st.builds(
    lambda weight, by, order, labels: rather(weight, by, order, **labels),
    st.integers(-100, 100),
    st.sampled_from(["", CPU, NODES]),
    st.sampled_from(["Ascending", "Descending"]),
    LABELS,
)
SPREADS = st.lists(
    st.builds(
        evenly,
        st.sampled_from(["zone", "env", "host"]),
        st.integers(1, 3),
        st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
    ),
    max_size=2,
)
PICK_N = st.builds(
    lambda number, required, preferred, spread, tolerant: some(
        number,
        required=required,
        preferred=preferred,
        spread=spread,
        tolerations=(Toleration(operator="Exists"),) if tolerant else (),
    ),
    st.integers(0, 8),
    st.lists(_TERMS, max_size=2),
    st.lists(_PREFERENCES, max_size=3),
    SPREADS,
    st.booleans(),
)
POLICIES = st.one_of(
    st.just(PICK_ALL),
    st.lists(_TERMS, max_size=2).map(lambda terms: PlacementPolicy(affinity=affinity(terms))),
    st.lists(st.sampled_from("abcxyz"), max_size=4, unique=True).map(lambda names: pick(*names)),
    PICK_N,
)
CHOSEN = st.dictionaries(st.sampled_from(NAMES), st.tuples(st.booleans(), st.booleans(), st.integers(-100, 100))).map(
    lambda found: {
        name: Chosen(picked(name, ClusterScore(affinity_score=score, priority_score=0)), current, bound)
        for name, (current, bound, score) in found.items()
    }
)
