"""PickN on a hub: who is chosen, who is not and why, and what changes that."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from echelon.api import names
from echelon.api.cluster import MemberCluster, PropertyValue, ResourceUsage
from echelon.api.meta import format_time
from echelon.api.policy import PlacementPolicy
from echelon.kube.errors import ServerError
from echelon.placement.scope import CLUSTER, NAMESPACED, Scope

from .agents import FakeAgents
from .hub import Hub, Written, passes, stage
from .scheduling.fleet import CPU, NODES, evenly, having, rather, some

TAINT = {"key": "down", "value": "yes", "effect": "NoSchedule"}


async def report(hub: Hub, name: str, *, cpu: str = "", nodes: str = "") -> None:
    """A heartbeat with what the member has."""
    await hub.beat(name)
    member = hub.get(MemberCluster, name)
    now = format_time(hub.clock.now())
    properties = {NODES: PropertyValue(value=nodes, observation_time=now)} if nodes else {}
    usage = ResourceUsage(available={"cpu": cpu}, observation_time=now) if cpu else None
    status = msgspec.structs.replace(member.status, properties=properties, resource_usage=usage)
    await hub.admin.patch_status(member, msgspec.structs.replace(member, status=status))


async def resize(hub: Hub, number: int) -> None:
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"numberOfClusters": number}}})


async def fulfilled(hub: Hub, status: str = "True") -> None:
    """The status tells about the placement as it is now."""

    def told() -> bool:
        condition = hub.placement_condition("Scheduled")
        generation = hub.placement().metadata.generation
        return condition is not None and condition.status == status and condition.observed_generation == generation

    await hub.until(told)


def reasons(hub: Hub, policy: str = "web-0") -> dict[str, str]:
    decisions = hub.get(hub.scope.policy_snapshot, policy).status.target_clusters
    return {decision.cluster_name: decision.reason for decision in decisions if not decision.selected}


@pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
async def test_the_best_are_chosen(hub: Hub, scope: Scope) -> None:
    await hub.join("a", env="prod")
    await hub.join("b", env="prod", zone="x")
    await hub.join("c", env="prod")
    await hub.join("d", env="dev")
    await hub.place(policy=some(2, required=[having(env="prod")], preferred=[rather(20, zone="x")]))
    await fulfilled(hub)
    assert hub.bound_to() == {"b": "Scheduled", "c": "Scheduled"}
    assert reasons(hub) == {
        "a": 'Cluster "a" does not score high enough (affinity score: 0, topology spread score: 0)',
        "d": "ClusterUnschedulable, cluster does not match with any of the required cluster affinity terms",
    }
    score = hub.binding("b").spec.cluster_decision.cluster_score
    assert score is not None
    assert (score.affinity_score, score.priority_score) == (20, 0)
    condition = hub.placement_condition("Scheduled")
    assert condition is not None
    assert condition.message == "found all cluster needed as specified by the scheduling policy, found 2 cluster(s)"
    assert [status.cluster_name for status in hub.placement().status.placement_statuses] == ["b", "c"]


async def test_too_few(hub: Hub) -> None:
    await hub.join("a", env="prod")
    for name in ("b", "c", "d"):
        await hub.join(name)
    await hub.place(policy=some(3, required=[having(env="prod")]))
    await fulfilled(hub, "False")
    condition = hub.placement_condition("Scheduled")
    assert condition is not None
    assert (condition.reason, condition.message) == (
        "SchedulingPolicyUnfulfilled",
        "could not find all clusters needed as specified by the scheduling policy, found 1 cluster(s) instead",
    )
    first, *missing = hub.placement().status.placement_statuses
    assert first.cluster_name == "a"
    assert len(missing) == 2  # a slot each, though three members were looked at
    assert all(status.conditions[0].reason == "ScheduleFailed" and not status.cluster_name for status in missing)
    await hub.edit(MemberCluster, "b", {"metadata": {"labels": {"env": "prod"}}})
    await hub.edit(MemberCluster, "d", {"metadata": {"labels": {"env": "prod"}}})
    await fulfilled(hub)
    assert sorted(hub.bound_to()) == ["a", "b", "d"]


async def test_no_more_than_twenty_are_told_why_not(hub: Hub) -> None:
    for n in range(25):
        await hub.join(f"m{n:02}")
    await hub.place(policy=some(2))
    await fulfilled(hub)
    assert list(reasons(hub)) == [f"m{n:02}" for n in range(22, 2, -1)]


async def test_another_number_is_no_other_policy(hub: Hub, agents: FakeAgents) -> None:
    for name in ("a", "b", "c", "d"):
        await hub.join(name)
    await hub.configure("content")
    await hub.place(policy=some(2))
    await hub.plan(stage("all"))
    await fulfilled(hub)
    await hub.start()
    await hub.succeeded()
    assert hub.bound_to() == {"c": "Bound", "d": "Bound"}
    await resize(hub, 3)
    await hub.until(lambda: hub.bound_to() == {"b": "Scheduled", "c": "Bound", "d": "Bound"})
    await fulfilled(hub)
    await resize(hub, 1)
    await hub.until(lambda: hub.bound_to() == {"b": "Unscheduled", "c": "Unscheduled", "d": "Bound"})
    await fulfilled(hub)
    await resize(hub, 3)
    await hub.until(lambda: hub.bound_to() == {"b": "Scheduled", "c": "Bound", "d": "Bound"})
    (snapshot,) = hub.all(hub.scope.policy_snapshot)
    assert snapshot.metadata.name == "web-0"
    assert snapshot.metadata.annotations[names.NUMBER_OF_CLUSTERS] == "3"
    assert snapshot.spec.policy == some(2)


async def test_what_becomes_of_a_member_afterwards_takes_nothing_away(hub: Hub) -> None:
    await hub.join("a", env="prod")
    await hub.place(policy=some(1, required=[having((CPU, "Ge", "1"), env="prod")]))
    await report(hub, "a", cpu="2")
    await fulfilled(hub)
    await hub.edit(MemberCluster, "a", {"metadata": {"labels": {"env": "dev"}}, "spec": {"taints": [TAINT]}})
    await report(hub, "a", cpu="0")
    await hub.join("b", env="prod")
    await report(hub, "b", cpu="8")
    await hub.pass_time(600)
    await resize(hub, 1)
    assert hub.bound_to() == {"a": "Scheduled"}
    before = hub.get(hub.scope.policy_snapshot, "web-0")
    await resize(hub, 2)
    await hub.until(lambda: hub.is_placement("Scheduled", "False"))
    assert hub.bound_to() == {"a": "Scheduled"}  # b has been silent
    assert before.spec == hub.get(hub.scope.policy_snapshot, "web-0").spec
    await hub.beat("b")
    await hub.until(lambda: sorted(hub.bound_to()) == ["a", "b"])


async def test_a_member_that_leaves_is_replaced(hub: Hub) -> None:
    for name in ("a", "b", "c"):
        await hub.join(name)
    await hub.place(policy=some(2))
    await fulfilled(hub)
    await hub.leave("c")
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled", "b": "Scheduled", "c": "Unscheduled"})


async def test_another_policy_judges_anew(hub: Hub) -> None:
    await hub.join("a", env="prod")
    await hub.join("b", env="dev")
    await hub.join("c", env="prod")
    await hub.place(policy=some(2))
    await fulfilled(hub)
    assert hub.bound_to() == {"b": "Scheduled", "c": "Scheduled"}
    terms = {"clusterSelectorTerms": [{"labelSelector": {"matchLabels": {"env": "prod"}}}]}
    affinity = {"clusterAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"affinity": affinity}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled", "b": "Unscheduled", "c": "Scheduled"})
    assert {b.spec.scheduling_policy_snapshot_name for b in hub.bindings() if b.spec.state == "Scheduled"} == {"web-1"}


async def test_a_spread_over_zones(hub: Hub) -> None:
    for name, zone in (("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")):
        await hub.join(name, zone=zone)
    await hub.place(policy=some(4, spread=[evenly("zone")]))
    await fulfilled(hub, "False")
    assert sorted(hub.bound_to()) == ["b", "c", "d"]
    assert reasons(hub) == {
        "a": 'ClusterUnschedulable, violated doNotSchedule topology spread constraint "zone" (max skew 1)'
    }
    await hub.join("e", zone="y")
    await fulfilled(hub)
    assert sorted(hub.bound_to()) == ["b", "c", "d", "e"]


async def test_a_policy_that_cannot_be_followed(hub: Hub) -> None:
    for name in ("a", "b"):
        await hub.join(name, env="prod")
    await hub.place(policy=some(2))
    await fulfilled(hub)
    expression: dict[str, Any] = {"key": "env", "operator": "In", "values": []}
    terms = {"clusterSelectorTerms": [{"labelSelector": {"matchExpressions": [expression]}}]}
    affinity = {"clusterAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"affinity": affinity}}})
    await hub.until(lambda: hub.is_placement("Scheduled", "False", "InvalidSchedulingPolicy"))
    condition = hub.placement_condition("Scheduled")
    assert condition is not None
    assert condition.message == (
        "The scheduling policy is invalid: required clusterSelectorTerms[0]: label 'env' with the operator In and the "
        "values []; want at least one value"
    )
    assert hub.bound_to() == {"a": "Scheduled", "b": "Scheduled"}
    await hub.leave("b")
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled", "b": "Unscheduled"})
    expression["values"] = ["prod"]
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"affinity": affinity}}})
    await fulfilled(hub, "False")
    assert hub.binding("a").spec.scheduling_policy_snapshot_name == "web-2"


# -- who is woken -------------------------------------------------------------------------------


async def woken(hub: Hub, before: float) -> float:
    await hub.pass_time(5)
    return passes("cluster-scheduler") - before


async def test_only_policies_that_look_at_a_property_are_woken_by_it(hub: Hub) -> None:
    """And only until they have what they want: a thousand heartbeats with news of the load wake nobody."""
    await hub.join("a")
    for n in range(20):
        await hub.place(f"other-{n}", policy=None if n % 2 else some(5))
    await hub.place(policy=some(1, required=[having((CPU, "Ge", "4"))]))
    await fulfilled(hub, "False")
    await hub.pass_time(5)
    before = passes("cluster-scheduler")
    await report(hub, "a", cpu="1")
    assert await woken(hub, before) == 1
    await report(hub, "a", cpu="4")
    await fulfilled(hub)
    await hub.pass_time(5)
    before = passes("cluster-scheduler")
    for beat in range(50):
        await hub.pass_time(60)
        await report(hub, "a", cpu=str(beat % 8))
    assert await woken(hub, before) == 0


async def test_labels_wake_those_that_read_them(hub: Hub) -> None:
    await hub.join("a")
    await hub.place("all")
    await hub.place("spread", policy=some(2, spread=[evenly("zone")]))
    await hub.place(policy=PlacementPolicy(affinity=some(1, required=[having(env="prod")]).affinity))
    await hub.until(lambda: hub.is_placement("Scheduled", "True") and hub.bound_to("spread") == {"a": "Scheduled"})
    await hub.pass_time(5)
    for label, expected in (("team", 0), ("zone", 1)):
        before = passes("cluster-scheduler")
        await hub.edit(MemberCluster, "a", {"metadata": {"labels": {label: "x"}}})
        assert await woken(hub, before) == expected
    await hub.edit(MemberCluster, "a", {"metadata": {"labels": {"env": "prod"}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"})


async def test_a_rollout_does_not_keep_the_scheduler_busy(hub: Hub, agents: FakeAgents) -> None:
    """What bindings report, and what a placement shows of it, is none of its business."""
    for name in ("a", "b", "c"):
        await hub.join(name)
    await hub.configure("content")
    await hub.place(policy=some(3))
    await hub.plan(stage("all"))
    await fulfilled(hub)
    await hub.pass_time(5)
    before = passes("cluster-scheduler")
    await hub.start()
    await hub.succeeded()
    assert await woken(hub, before) <= 3  # a binding that gets its snapshot has another spec


# -- failures -----------------------------------------------------------------------------------


async def live(hub: Hub) -> dict[str, str]:
    """A placement that is spread, grows, shrinks and loses a member; the bindings in the end."""
    for name, zone in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"), ("e", "z"), ("f", "z")):
        await hub.join(name, zone=zone)
    await hub.place(policy=some(3, spread=[evenly("zone")], preferred=[rather(5, zone="x")]))
    await fulfilled(hub)
    await resize(hub, 5)
    await fulfilled(hub)
    await resize(hub, 4)
    await fulfilled(hub)
    await hub.leave("f")
    await hub.until(lambda: hub.bound_to()["f"] == "Unscheduled" and chosen(hub) >= 4)
    await fulfilled(hub)
    assert chosen(hub) == 4
    return hub.bound_to()


def chosen(hub: Hub) -> int:
    return sum(state == "Scheduled" for state in hub.bound_to().values())


UNDISTURBED = {"a": "Scheduled", "b": "Scheduled", "d": "Scheduled", "e": "Scheduled", "f": "Unscheduled"}


async def test_a_life(hub: Hub) -> None:
    assert await live(hub) == UNDISTURBED


@pytest.mark.parametrize(("turn", "offset"), [(2, 0), (2, 1), (3, 0), (3, 2), (5, 3)])
async def test_writes_that_are_refused_change_nothing_in_the_end(bare_hub: Hub, turn: int, offset: int) -> None:
    count = offset

    def refuses(method: str, path: str) -> None:
        nonlocal count
        count += 1
        if count % turn == 0:
            raise ServerError(f"{method} {path} is refused")

    await bare_hub.start_controllers(before_write=refuses)
    assert await live(bare_hub) == UNDISTURBED
    await bare_hub.stop_controllers()


@pytest.mark.parametrize(("turn", "offset"), [(2, 0), (2, 1), (3, 0), (3, 2)])
async def test_answers_that_are_lost_change_nothing_in_the_end(bare_hub: Hub, turn: int, offset: int) -> None:
    count = offset

    def loses(written: Written) -> bool:
        nonlocal count
        count += written.user == "controllers"
        return written.user == "controllers" and count % turn == 0

    bare_hub.loses = loses
    await bare_hub.start_controllers()
    assert await live(bare_hub) == UNDISTURBED
    await bare_hub.stop_controllers()
