"""Which members get a binding, and what becomes of it when they come, change and go."""

from __future__ import annotations

import pytest

from echelon.api import names
from echelon.api.cluster import MemberCluster, Taint
from echelon.api.policy import PlacementPolicy, Toleration
from echelon.placement.scope import CLUSTER, NAMESPACED, Scope

from .agents import FakeAgents
from .hub import Hub, passes, stage

DOWN = Taint(key="down", value="yes", effect="NoSchedule")


def pick(*members: str) -> PlacementPolicy:
    return PlacementPolicy(placement_type="PickFixed", cluster_names=members)


async def rolled_out(hub: Hub) -> None:
    await hub.plan(stage("all"))
    await hub.start()
    await hub.succeeded()


@pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
async def test_all_members_get_a_binding(hub: Hub, scope: Scope) -> None:
    for name in ("a", "b"):
        await hub.join(name)
    await hub.place()
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled", "b": "Scheduled"})
    binding = hub.binding("a")
    assert binding.metadata.name.startswith("web-a-")
    assert binding.metadata.labels == {names.PARENT_PLACEMENT: "web"}
    assert list(binding.metadata.finalizers) == [names.SCHEDULER_BINDING_CLEANUP]
    assert binding.spec.resource_snapshot_name == ""
    assert binding.spec.scheduling_policy_snapshot_name == "web-0"
    assert binding.spec.cluster_decision.reason == (
        'Successfully scheduled resources for placement in "a" (affinity score: 0, topology spread score: 0): picked '
        "by scheduling policy"
    )
    await hub.until(lambda: hub.is_placement("Scheduled", "True", "SchedulingPolicyFulfilled"))
    policy = hub.get(scope.policy_snapshot, "web-0")
    assert [d.cluster_name for d in policy.status.target_clusters] == ["a", "b"]
    assert policy.status.observed_crp_generation == 1


async def test_members_that_join_later(hub: Hub) -> None:
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    assert hub.bound_to() == {}
    await hub.join("a")
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"})
    await hub.until(lambda: len(hub.placement().status.placement_statuses) == 1)


async def test_a_member_that_leaves_before_a_rollout(hub: Hub) -> None:
    for name in ("a", "b"):
        await hub.join(name)
    await hub.place()
    await hub.until(lambda: len(hub.bound_to()) == 2)
    await hub.leave("a")
    await hub.until(lambda: hub.bound_to() == {"a": "Unscheduled", "b": "Scheduled"})
    await hub.until(lambda: [s.cluster_name for s in hub.placement().status.placement_statuses] == ["b"])


async def test_a_taint_keeps_new_placements_away_and_leaves_old_ones(hub: Hub) -> None:
    await hub.join("a")
    await hub.place("old")
    await hub.until(lambda: hub.bound_to("old") == {"a": "Scheduled"})
    await hub.edit(MemberCluster, "a", {"spec": {"taints": [{"key": "down", "value": "yes", "effect": "NoSchedule"}]}})
    await hub.place("new")
    await hub.until(lambda: hub.is_placement("Scheduled", "True", name="new"))
    assert hub.bound_to("new") == {}
    (decision,) = hub.get(hub.scope.policy_snapshot, "new-0").status.target_clusters
    assert not decision.selected
    assert "taint" in decision.reason
    assert hub.bound_to("old") == {"a": "Scheduled"}
    await hub.edit(MemberCluster, "a", {"spec": {"taints": []}})
    await hub.until(lambda: hub.bound_to("new") == {"a": "Scheduled"})


async def test_a_toleration(hub: Hub) -> None:
    await hub.join("a", taints=[DOWN])
    await hub.place(policy=PlacementPolicy(tolerations=(Toleration(key="down", operator="Exists"),)))
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"})


async def test_members_that_are_named(hub: Hub) -> None:
    for name in ("a", "b", "c"):
        await hub.join(name, taints=[DOWN] if name == "b" else ())
    await hub.place(policy=pick("b", "c"))
    await hub.until(lambda: hub.bound_to() == {"b": "Scheduled", "c": "Scheduled"})
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))


async def test_a_named_member_that_is_not_there(hub: Hub) -> None:
    await hub.join("a")
    await hub.place(policy=pick("a", "ghost"))
    await hub.until(lambda: hub.is_placement("Scheduled", "False", "SchedulingPolicyUnfulfilled"))
    statuses = hub.placement().status.placement_statuses
    assert [(s.cluster_name, s.conditions[0].reason) for s in statuses] == [("a", "Scheduled"), ("", "ScheduleFailed")]
    assert statuses[1].conditions[0].message == 'Specified cluster "ghost" is not found'
    await hub.join("ghost")
    await hub.until(lambda: hub.is_placement("Scheduled", "True", "SchedulingPolicyFulfilled"))
    assert sorted(hub.bound_to()) == ["a", "ghost"]


async def test_another_policy_takes_the_bindings_over(hub: Hub, agents: FakeAgents) -> None:
    for name in ("a", "b", "c"):
        await hub.join(name)
    await hub.configure("content")
    await hub.place(policy=pick("a", "b"))
    await rolled_out(hub)
    uid = hub.binding("b").metadata.uid
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["b", "c"]}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Unscheduled", "b": "Bound", "c": "Scheduled"})
    kept = hub.binding("b")
    assert (kept.metadata.uid, kept.spec.scheduling_policy_snapshot_name) == (uid, "web-1")
    assert hub.binding("a").metadata.annotations == {names.PREVIOUS_BINDING_STATE: "Bound"}
    assert agents.got("b") == ["0"]
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["a", "b", "c"]}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Bound", "b": "Bound", "c": "Scheduled"})
    assert hub.binding("a").metadata.annotations == {}
    await hub.pass_time(5)
    assert agents.got("a") == agents.got("b") == ["0"]


async def test_a_deleted_binding_is_made_again(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await rolled_out(hub)
    before = hub.binding("a")
    await hub.delete(hub.scope.binding, before.metadata.name)
    await hub.until(lambda: "a" in hub.bound_to() and hub.binding("a").metadata.uid != before.metadata.uid)
    await hub.until(lambda: not hub.works("a"))
    assert hub.bound_to() == {"a": "Scheduled"}


async def test_a_member_that_comes_back_waits_for_a_run(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await rolled_out(hub)
    before = hub.binding("a")
    await hub.leave("a")
    await hub.until(lambda: hub.bound_to() == {"a": "Unscheduled"})
    await hub.until(lambda: hub.binding("a").status.conditions == ())
    await hub.pass_time(2)
    await hub.join("a")
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"})
    assert hub.binding("a").metadata.uid != before.metadata.uid
    assert hub.binding("a").spec.resource_snapshot_name == ""
    await hub.pass_time(60)
    assert hub.bound_to() == {"a": "Scheduled"}
    await hub.start("again")
    await hub.succeeded("again")
    assert hub.bound_to() == {"a": "Bound"}


async def test_a_member_that_came_back_unseen_waits_for_a_run_too(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await rolled_out(hub)
    await hub.stop_controllers()
    await hub.leave("a")
    await hub.pass_time(2)
    await hub.join("a")
    await hub.start_controllers()
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"})


async def test_a_member_that_is_chosen_again_has_what_it_had(hub: Hub, agents: FakeAgents) -> None:
    for name in "ab":
        await hub.join(name)
    await hub.configure("content")
    await hub.place(policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a", "b")))
    await rolled_out(hub)
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["b"]}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Unscheduled", "b": "Bound"})
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["a", "b"]}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Bound", "b": "Bound"})
    await hub.until(lambda: hub.is_placement("Available", "True"))


async def test_a_member_that_is_silent_keeps_what_it_has(hub: Hub) -> None:
    await hub.join("a")
    await hub.place("old")
    await hub.until(lambda: hub.bound_to("old") == {"a": "Scheduled"})
    await hub.pass_time(600)
    await hub.place("new")
    await hub.until(lambda: hub.is_placement("Scheduled", "True", name="new"))
    assert hub.bound_to("new") == {}
    (decision,) = hub.get(hub.scope.policy_snapshot, "new-0").status.target_clusters
    assert "no recent heartbeat signals (last received 10.0" in decision.reason
    assert hub.bound_to("old") == {"a": "Scheduled"}


async def test_a_member_that_falls_silent_changes_no_status(hub: Hub) -> None:
    """Reasons that tell how long a member has been silent must not make a write each time anything happens."""
    await hub.join("quiet")
    await hub.pass_time(600)
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    before = len(hub.writes)
    for _ in range(5):
        await hub.pass_time(60)
        await hub.edit(MemberCluster, "quiet", {"metadata": {"labels": {"beat": str(hub.clock.now().minute)}}})
    await hub.pass_time(5)
    assert [write for write in hub.writes[before:] if write.user == "controllers"] == []


async def test_heartbeats_make_no_passes(hub: Hub) -> None:
    await hub.join("a")
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    await hub.pass_time(5)
    before = passes("cluster-scheduler")
    for _ in range(20):
        await hub.pass_time(60)
        await hub.beat("a")
    await hub.pass_time(5)
    assert passes("cluster-scheduler") == before


async def test_a_heartbeat_after_a_silence_does(hub: Hub) -> None:
    await hub.join("a")
    await hub.pass_time(600)
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    assert hub.bound_to() == {}
    await hub.beat("a")
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"})


async def test_another_policy_leaves_the_state_of_members_as_it_was(hub: Hub, agents: FakeAgents) -> None:
    for name in ("a", "b"):
        await hub.join(name)
    await hub.configure("content")
    await hub.place(policy=pick("a", "b"))
    await rolled_out(hub)
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["a"]}}})
    await hub.until(lambda: hub.is_placement("Available", "True") and hub.bound_to()["b"] == "Unscheduled")
    await hub.until(lambda: hub.placement_condition("Available").observed_generation == 2)  # type: ignore[union-attr]
    assert agents.got("a") == ["0"]
