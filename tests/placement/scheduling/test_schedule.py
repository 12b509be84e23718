"""Decisions on members: properties over random fleets, what is kept and given up, and the words of every refusal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given

from echelon.api.cluster import MemberCluster, MemberClusterStatus
from echelon.api.policy import PlacementPolicy, Toleration, TopologySpreadConstraint
from echelon.api.snapshot import ClusterScore
from echelon.placement.scheduling import Chosen, Schedule, schedule
from echelon.placement.scheduling.affinity import UNMET, required_terms, why_unmatched
from echelon.placement.scheduling.eligibility import why_ineligible
from echelon.placement.scheduling.taints import why_untolerated

from .fleet import (
    CHOSEN,
    CPU,
    DOWN,
    FLEETS,
    NOW,
    PICK_ALL,
    PICK_N,
    POLICIES,
    agent,
    before,
    chosen_by,
    cpus,
    decide,
    evenly,
    having,
    member,
    names_of,
    pick,
    rather,
    reasons,
    some,
)


def afterwards(outcome: Schedule) -> dict[str, Chosen]:
    """What was decided, as it is found the next time."""
    return {decision.cluster_name: Chosen(decision, True, False) for decision in outcome.selected}


# -- properties ---------------------------------------------------------------------------------


@given(FLEETS, POLICIES, CHOSEN)
def test_every_member_concerned_is_decided_on_once(
    fleet: list[MemberCluster], policy: PlacementPolicy, chosen: Mapping[str, Chosen]
) -> None:
    outcome = decide(policy, *fleet, chosen=chosen)
    decided = names_of([*outcome.selected, *outcome.unselected])
    known = {member.metadata.name for member in fleet}
    concerned = set(policy.cluster_names) if policy.placement_type == "PickFixed" else known
    assert sorted(decided) == sorted(concerned)
    assert set(chosen_by(outcome)) <= known
    assert all(decision.selected for decision in outcome.selected)
    assert not any(decision.selected for decision in outcome.unselected)
    assert all(decision.reason for decision in (*outcome.selected, *outcome.unselected))
    assert chosen_by(outcome) == sorted(chosen_by(outcome))


@given(FLEETS, POLICIES, CHOSEN)
def test_the_order_of_members_does_not_matter(
    fleet: list[MemberCluster], policy: PlacementPolicy, chosen: Mapping[str, Chosen]
) -> None:
    assert decide(policy, *fleet, chosen=chosen) == decide(policy, *reversed(fleet), chosen=chosen)


@given(FLEETS, POLICIES, CHOSEN)
def test_deciding_again_changes_nothing(
    fleet: list[MemberCluster], policy: PlacementPolicy, chosen: Mapping[str, Chosen]
) -> None:
    first = decide(policy, *fleet, chosen=chosen)
    again = decide(policy, *fleet, chosen=afterwards(first))
    assert again.selected == first.selected
    assert again.fulfilled == first.fulfilled
    assert decide(policy, *fleet, chosen=afterwards(again)) == again


@given(FLEETS, POLICIES)
def test_without_members_of_an_older_policy_deciding_again_changes_no_word(
    fleet: list[MemberCluster], policy: PlacementPolicy
) -> None:
    first = decide(policy, *fleet)
    assert decide(policy, *fleet, chosen=afterwards(first)) == first


@given(FLEETS, PICK_N, CHOSEN)
def test_never_more_than_wanted_and_never_fewer_for_no_reason(
    fleet: list[MemberCluster], policy: PlacementPolicy, chosen: Mapping[str, Chosen]
) -> None:
    outcome = decide(policy, *fleet, chosen=chosen)
    wanted = policy.number_of_clusters
    assert wanted is not None
    assert len(outcome.selected) <= wanted
    assert outcome.fulfilled == (len(outcome.selected) == wanted)
    if not outcome.fulfilled:
        assert all(reason.startswith("ClusterUnschedulable, ") for reason in reasons(outcome).values())


@given(FLEETS, POLICIES)
def test_whoever_is_chosen_has_passed_every_filter(fleet: list[MemberCluster], policy: PlacementPolicy) -> None:
    known = {member.metadata.name: member for member in fleet}
    for name in chosen_by(decide(policy, *fleet)):
        assert why_ineligible(known[name], NOW, held=False) is None
        if policy.placement_type != "PickFixed":
            assert why_unmatched(known[name], required_terms(policy)) is None
            assert why_untolerated(known[name], policy.tolerations) is None


@given(FLEETS, PICK_N)
def test_a_hard_spread_is_never_exceeded(fleet: list[MemberCluster], policy: PlacementPolicy) -> None:
    known = {member.metadata.name: member.metadata.labels for member in fleet}
    staying = [m.metadata.labels for m in fleet if m.metadata.deletion_timestamp is None]
    chosen = chosen_by(decide(policy, *fleet))
    for constraint in policy.topology_spread_constraints:
        if constraint.when_unsatisfiable == "DoNotSchedule":
            key = constraint.topology_key
            counts = Counter(known[name][key] for name in chosen if key in known[name])
            domains = {labels[key] for labels in staying if key in labels}
            sizes = [counts[domain] for domain in domains]
            assert max(sizes, default=0) - min(sizes, default=0) <= constraint.max_skew


@given(FLEETS, POLICIES, CHOSEN)
def test_what_was_chosen_stays_chosen_unless_it_leaves_or_fewer_are_wanted(
    fleet: list[MemberCluster], policy: PlacementPolicy, chosen: Mapping[str, Chosen]
) -> None:
    now = set(chosen_by(decide(policy, *fleet, chosen=chosen)))
    staying = {m.metadata.name for m in fleet if m.metadata.deletion_timestamp is None}
    kept = {name for name in staying & chosen.keys() if chosen[name].current}
    match policy.placement_type:
        case "PickFixed":
            assert set(policy.cluster_names) & staying & chosen.keys() <= now
        case "PickAll":
            assert kept <= now
        case "PickN":
            assert kept <= now or (now <= kept and len(now) == policy.number_of_clusters)
    assert now <= staying


# -- obstacles, in their words ------------------------------------------------------------------


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
    for policy in (PICK_ALL, some(1)):
        assert reasons(decide(policy, found)) == {"a": f"ClusterUnschedulable, {obstacle}"}
    if not found.spec.taints:
        assert reasons(decide(pick("a"), found)) == {
            "a": f'Cluster "a" is not eligible for resource placement yet: {obstacle}'
        }


def test_affinity_is_judged_before_everything_else() -> None:
    outcome = decide(some(1, required=[having(env="prod")]), member("a", agent(joined=False), env="dev"))
    assert reasons(outcome) == {"a": f"ClusterUnschedulable, {UNMET}"}


def test_a_member_that_fits_less_well() -> None:
    outcome = decide(some(1, preferred=[rather(20, env="prod")]), member("a", env="prod"), member("b"))
    assert chosen_by(outcome) == ["a"]
    assert reasons(outcome) == {
        "b": 'Cluster "b" does not score high enough (affinity score: 0, topology spread score: 0)'
    }
    (unchosen,) = outcome.unselected
    assert unchosen.cluster_score == ClusterScore(affinity_score=0, priority_score=0)


def test_a_spread_in_the_way() -> None:
    members = [member("a", zone="x"), member("b", zone="x"), member("c", zone="y", env="dev")]
    outcome = decide(some(2, required=[having(zone="x")], spread=[evenly("zone")]), *members)
    assert chosen_by(outcome) == ["b"]
    assert not outcome.fulfilled
    assert reasons(outcome) == {
        "a": 'ClusterUnschedulable, violated doNotSchedule topology spread constraint "zone" (max skew 1)',
        "c": f"ClusterUnschedulable, {UNMET}",
    }


@pytest.mark.parametrize(
    ("namespaces", "obstacle"),
    [
        (None, None),
        ({"team": ""}, None),
        ({"other": ""}, "target namespace does not exist on cluster"),
        ({}, "cluster has no namespace information available"),
    ],
)
def test_members_without_the_namespace(namespaces: dict[str, str] | None, obstacle: str | None) -> None:
    found = [member("a", namespaces=namespaces)]
    expected = {} if obstacle is None else {"a": f"ClusterUnschedulable, {obstacle}"}
    assert reasons(schedule(PICK_ALL, found, {}, NOW, namespace="team")) == expected
    assert schedule(PICK_ALL, found, {}, NOW).selected


def test_unhealthy_for_a_moment_is_no_obstacle() -> None:
    assert decide(PICK_ALL, member("a", agent(healthy=False, since=4))).selected


@pytest.mark.parametrize("policy", [PICK_ALL, some(1)], ids=["all", "some"])
def test_the_words_of_a_choice(policy: PlacementPolicy) -> None:
    (scored,) = decide(policy, member("a")).selected
    assert scored.reason == (
        'Successfully scheduled resources for placement in "a" (affinity score: 0, topology spread score: 0): picked '
        "by scheduling policy"
    )
    (named,) = decide(pick("a"), member("a")).selected
    assert named.reason == 'Successfully scheduled resources for placement in "a": picked by scheduling policy'
    assert named.cluster_score is None


def test_the_scores_of_a_choice() -> None:
    policy = some(1, preferred=[rather(20, env="prod")], spread=[evenly("zone", 2)])
    (decision,) = decide(policy, member("a", env="prod", zone="x")).selected
    assert decision.cluster_score == ClusterScore(affinity_score=20, priority_score=-1)
    assert "(affinity score: 20, topology spread score: -1)" in decision.reason


def test_naming_members() -> None:
    outcome = decide(pick("b", "ghost"), member("a"), member("b"))
    assert chosen_by(outcome) == ["b"]
    assert reasons(outcome) == {"ghost": 'Specified cluster "ghost" is not found'}
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


# -- which of those that fit --------------------------------------------------------------------


def test_the_later_name_wins_a_tie() -> None:
    assert chosen_by(decide(some(2), member("a"), member("c"), member("b"))) == ["b", "c"]


def test_spread_counts_more_than_affinity() -> None:
    policy = some(2, preferred=[rather(100, zone="x")], spread=[evenly("zone", when="ScheduleAnyway")])
    members = [member("a", zone="x"), member("b", zone="x"), member("c", zone="y")]
    assert chosen_by(decide(policy, *members)) == ["b", "c"]


def test_affinity_counts_more_than_having_it_already() -> None:
    policy = some(1, preferred=[rather(1, env="prod")])
    outcome = decide(policy, member("a"), member("b", env="prod"), chosen=before("a", current=False))
    assert chosen_by(outcome) == ["b"]


def test_having_it_already_counts_more_than_the_name() -> None:
    assert chosen_by(decide(some(1), member("a"), member("b"), chosen=before("a", current=False))) == ["a"]


def test_who_has_room_comes_first() -> None:
    policy = some(1, required=[having((CPU, "Ge", "2"))], preferred=[rather(10, CPU)])
    members = [member("a", usage=cpus("8")), member("b", usage=cpus("4")), member("c", usage=cpus("1"))]
    assert chosen_by(decide(policy, *members)) == ["a"]


# -- what is kept and given up ------------------------------------------------------------------


def test_members_chosen_keep_their_decision_whatever_becomes_of_them() -> None:
    policy = some(2, required=[having(env="prod")])
    changed = [member("a", agent(silent=60), taints=(DOWN,), env="dev"), member("b", env="prod")]
    chosen = before("a", a=7)
    outcome = decide(policy, *changed, chosen=chosen)
    assert chosen_by(outcome) == ["a", "b"]
    assert outcome.selected[0] == chosen["a"].decision


def test_a_member_that_left_is_replaced() -> None:
    outcome = decide(some(2), member("a"), member("b", leaving=True), member("c"), chosen=before("a", "b", "gone"))
    assert chosen_by(outcome) == ["a", "c"]
    assert reasons(outcome) == {"b": "ClusterUnschedulable, cluster has left the fleet"}


def test_a_smaller_number_gives_up_the_lowest_scores() -> None:
    members = [member(name) for name in "abcd"]
    chosen = before(*"abcd", a=3, b=1, c=2, d=1)
    assert chosen_by(decide(some(3), *members, chosen=chosen)) == ["a", "c", "d"]
    assert chosen_by(decide(some(2), *members, chosen=chosen)) == ["a", "c"]
    assert chosen_by(decide(some(0), *members, chosen=chosen)) == []


def test_a_smaller_number_gives_up_those_first_that_no_rollout_has_reached() -> None:
    chosen = before("a", bound=False, a=100) | before("b", "c", b=1)
    assert chosen_by(decide(some(2), *map(member, "abc"), chosen=chosen)) == ["b", "c"]


def test_a_larger_number_adds_to_those_chosen() -> None:
    assert chosen_by(decide(some(2), *map(member, "abc"), chosen=before("a"))) == ["a", "c"]


def test_another_policy_judges_those_chosen_like_all_others() -> None:
    policy = some(2, required=[having(env="prod")])
    members = [member("a", env="dev"), member("b", env="prod"), member("c", env="prod")]
    assert chosen_by(decide(policy, *members, chosen=before("a", "b", current=False))) == ["b", "c"]
    assert chosen_by(
        decide(PlacementPolicy(affinity=policy.affinity), *members, chosen=before("a", current=False))
    ) == [
        "b",
        "c",
    ]


def test_another_policy_takes_nothing_from_members_that_are_tainted_or_silent() -> None:
    members = [member("a", agent(silent=60), taints=(DOWN,))]
    for policy in (PICK_ALL, some(1), pick("a")):
        assert chosen_by(decide(policy, *members, chosen=before("a", current=False))) == ["a"]


def test_members_kept_count_for_the_spread() -> None:
    members = [member("a", zone="x"), member("b", zone="x"), member("c", zone="y")]
    assert chosen_by(decide(some(2, spread=[evenly("zone")]), *members, chosen=before("a"))) == ["a", "c"]


def test_a_domain_of_members_that_leave_holds_nothing_up() -> None:
    members = [member("a", zone="x"), member("b", zone="x"), member("c", zone="y", leaving=True)]
    assert chosen_by(decide(some(2, spread=[evenly("zone")]), *members)) == ["a", "b"]


# -- speed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [[], [evenly("zone"), evenly("host", 1, "ScheduleAnyway")]], ids=["plain", "spread"])
def test_five_thousand_members(spread: list[TopologySpreadConstraint]) -> None:
    """The budget is 150 ms; the limit here leaves room for a busy machine, and would still find anything quadratic."""
    members = [
        member(f"m{n:04}", zone=f"z{n % 7}", host=f"h{n}", env="prod" if n % 3 else "dev", usage=cpus(str(n % 64)))
        for n in range(5000)
    ]
    policy = some(
        1000,
        required=[having((CPU, "Ge", "2"), env="prod")],
        preferred=[rather(50, CPU), rather(20, zone="z1")],
        spread=spread,
    )
    began = time.process_time()
    outcome = decide(policy, *members)
    took = time.process_time() - began
    assert len(outcome.selected) == 1000
    assert took < 0.5
