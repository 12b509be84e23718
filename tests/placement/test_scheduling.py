"""Decisions on members: properties over random fleets, and the words of every refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.cluster import MEMBER_AGENT, AgentStatus, MemberCluster, MemberClusterSpec, MemberClusterStatus, Taint
from echelon.api.core import RBAC, Subject
from echelon.api.meta import Condition, ObjectMeta, format_time
from echelon.api.placement import PlacementPolicy, Toleration
from echelon.api.snapshot import ClusterDecision
from echelon.placement.scheduling import Schedule, concerns_scheduling, schedule, settled

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PICK_ALL = PlacementPolicy()
DOWN = Taint(key="down", value="yes", effect="NoSchedule")


def agent(
    *, silent: float = 0, joined: bool | None = True, healthy: bool | None = True, since: float = 0
) -> AgentStatus:
    conditions = []
    at = format_time(NOW - timedelta(minutes=since))
    if joined is not None:
        conditions.append(Condition("Joined", "True" if joined else "False", "R", "", at))
    if healthy is not None:
        conditions.append(Condition("Healthy", "True" if healthy else "False", "R", "", at))
    beat = format_time(NOW - timedelta(minutes=silent))
    return AgentStatus(type=MEMBER_AGENT, conditions=tuple(conditions), last_received_heartbeat=beat)


def member(
    name: str, *agents: AgentStatus, taints: tuple[Taint, ...] = (), leaving: bool = False, **labels: str
) -> MemberCluster:
    return MemberCluster(
        metadata=ObjectMeta(
            name=name, labels=labels, generation=1, deletion_timestamp=format_time(NOW) if leaving else None
        ),
        spec=MemberClusterSpec(identity=Subject(kind="User", name=name, api_group=RBAC), taints=taints),
        status=MemberClusterStatus(agent_status=agents or (agent(),)),
    )


def pick(*names: str) -> PlacementPolicy:
    return PlacementPolicy(placement_type="PickFixed", cluster_names=names)


def decide(policy: PlacementPolicy, *members: MemberCluster, bound: frozenset[str] = frozenset()) -> Schedule:
    return schedule("web", policy, members, bound, NOW)


FLEETS = st.lists(
    st.builds(
        lambda name, silent, joined, healthy, since, tainted, leaving: member(
            name,
            agent(silent=silent, joined=joined, healthy=healthy, since=since),
            taints=(DOWN,) if tainted else (),
            leaving=leaving,
        ),
        st.sampled_from("abcdefgh"),
        st.sampled_from([0, 4, 5, 6, 60]),
        st.sampled_from([True, False, None]),
        st.sampled_from([True, False, None]),
        st.sampled_from([0, 6]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda member: member.metadata.name,
)
POLICIES = st.one_of(
    st.just(PICK_ALL), st.lists(st.sampled_from("abcxyz"), max_size=4, unique=True).map(lambda names: pick(*names))
)
BOUND = st.frozensets(st.sampled_from("abcdefgh"))


@given(FLEETS, POLICIES, BOUND)
def test_every_member_concerned_is_decided_on_once(
    fleet: list[MemberCluster], policy: PlacementPolicy, bound: frozenset[str]
) -> None:
    outcome = decide(policy, *fleet, bound=bound)
    decided = [decision.cluster_name for decision in (*outcome.selected, *outcome.unselected)]
    known = {member.metadata.name for member in fleet}
    concerned = set(policy.cluster_names) if policy.placement_type == "PickFixed" else known
    assert sorted(decided) == sorted(concerned)
    assert {decision.cluster_name for decision in outcome.selected} <= known
    assert all(decision.selected for decision in outcome.selected)
    assert not any(decision.selected for decision in outcome.unselected)
    assert all(decision.reason for decision in (*outcome.selected, *outcome.unselected))
    assert [d.cluster_name for d in outcome.selected] == sorted(d.cluster_name for d in outcome.selected)


@given(FLEETS, POLICIES, BOUND)
def test_the_order_of_members_does_not_matter(
    fleet: list[MemberCluster], policy: PlacementPolicy, bound: frozenset[str]
) -> None:
    assert decide(policy, *fleet, bound=bound) == decide(policy, *reversed(fleet), bound=bound)


@given(FLEETS, POLICIES, BOUND)
def test_what_was_chosen_stays_chosen_unless_it_leaves(
    fleet: list[MemberCluster], policy: PlacementPolicy, bound: frozenset[str]
) -> None:
    chosen = {d.cluster_name for d in decide(policy, *fleet, bound=bound).selected}
    staying = {m.metadata.name for m in fleet if m.metadata.deletion_timestamp is None}
    wanted = set(policy.cluster_names) if policy.placement_type == "PickFixed" else staying
    assert bound & staying & wanted <= chosen
    assert chosen <= staying


@given(FLEETS, POLICIES, BOUND)
def test_deciding_again_changes_nothing(
    fleet: list[MemberCluster], policy: PlacementPolicy, bound: frozenset[str]
) -> None:
    first = decide(policy, *fleet, bound=bound)
    again = decide(policy, *fleet, bound=frozenset(d.cluster_name for d in first.selected))
    assert [d.cluster_name for d in again.selected] == [d.cluster_name for d in first.selected]


@pytest.mark.parametrize(
    ("found", "obstacle"),
    [
        (member("a", leaving=True), "cluster has left the fleet"),
        (
            msgspec.structs.replace(member("a"), status=MemberClusterStatus()),
            "cluster is not connected to the fleet: member agent not online yet",
        ),
        (
            member("a", msgspec.structs.replace(agent(), last_received_heartbeat=None)),
            "cluster is not connected to the fleet: member agent not online yet",
        ),
        (
            member("a", agent(silent=7.5)),
            "cluster is not connected to the fleet: no recent heartbeat signals (last received 7.50 minutes ago)",
        ),
        (member("a", agent(joined=False)), "cluster is not connected to the fleet: member agent not joined yet"),
        (member("a", agent(joined=None)), "cluster is not connected to the fleet: member agent not joined yet"),
        (
            member("a", agent(healthy=None)),
            "cluster is not connected to the fleet: health condition from member agent is not available",
        ),
        (
            member("a", agent(healthy=False, since=6)),
            "cluster is not connected to the fleet: unhealthy for a prolonged period of time (last transitioned 6.00 "
            "minutes ago)",
        ),
        (member("a", taints=(DOWN,)), "taint down=yes:NoSchedule cannot be tolerated"),
    ],
)
def test_why_a_member_is_not_chosen(found: MemberCluster, obstacle: str) -> None:
    (decision,) = decide(PICK_ALL, found).unselected
    assert decision.reason == f"ClusterUnschedulable, {obstacle}"
    if not found.spec.taints:
        (named,) = decide(pick("a"), found).unselected
        assert named.reason == f'Cluster "a" is not eligible for resource placement yet: {obstacle}'


def test_unhealthy_for_a_moment_is_no_obstacle() -> None:
    assert decide(PICK_ALL, member("a", agent(healthy=False, since=4))).selected


def test_the_words_of_a_choice() -> None:
    (scored,) = decide(PICK_ALL, member("a")).selected
    assert scored.reason == (
        'Successfully scheduled resources for placement in "a" (affinity score: 0, topology spread score: 0): picked '
        "by scheduling policy"
    )
    (named,) = decide(pick("a"), member("a")).selected
    assert named.reason == 'Successfully scheduled resources for placement in "a": picked by scheduling policy'
    assert named.cluster_score is None


def test_naming_members() -> None:
    outcome = decide(pick("b", "ghost"), member("a"), member("b"))
    assert [d.cluster_name for d in outcome.selected] == ["b"]
    assert [(d.cluster_name, d.reason) for d in outcome.unselected] == [
        ("ghost", 'Specified cluster "ghost" is not found')
    ]
    assert not outcome.fulfilled
    assert decide(pick("a"), member("a", taints=(DOWN,))).fulfilled
    assert decide(PICK_ALL).fulfilled


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration(key="down", value="yes"), True),
        (Toleration(key="down", value="no"), False),
        (Toleration(key="up", value="yes"), False),
        (Toleration(key="down", operator="Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration(key="down", value="yes", effect="NoSchedule"), True),
    ],
)
def test_tolerations(toleration: Toleration, tolerated: bool) -> None:
    policy = PlacementPolicy(tolerations=(toleration,))
    assert bool(decide(policy, member("a", taints=(DOWN,))).selected) == tolerated


def decision(name: str, reason: str) -> ClusterDecision:
    return ClusterDecision(cluster_name=name, selected=False, reason=reason)


def test_how_long_ago_something_was_is_not_worth_a_write() -> None:
    before = [decision("a", "silent (last received 6.00 minutes ago)"), decision("b", "left")]
    now = [decision("a", "silent (last received 7.25 minutes ago)"), decision("b", "back"), decision("c", "new")]
    assert settled(before, now) == [before[0], now[1], now[2]]


@pytest.mark.parametrize(
    ("after", "concerns"),
    [
        (member("a"), False),
        (member("a", agent(silent=-1)), False),
        (member("a", agent(silent=-6)), True),
        (member("a", agent(joined=False)), True),
        (member("a", agent(healthy=None)), True),
        (member("a", leaving=True), True),
        (member("a", zone="one"), True),
        (msgspec.structs.replace(member("a"), metadata=ObjectMeta(name="a", generation=2)), True),
        (msgspec.structs.replace(member("a"), status=MemberClusterStatus()), True),
    ],
)
def test_which_changes_of_a_member_matter(after: MemberCluster, concerns: bool) -> None:
    assert concerns_scheduling(member("a"), after) is concerns
