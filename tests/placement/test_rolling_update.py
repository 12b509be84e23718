"""Placements that roll out by themselves."""

from __future__ import annotations

import pytest

from echelon.api.meta import ObjectMeta
from echelon.api.placement import ApplyStrategy, PlacementSpec, RollingUpdateConfig, RolloutStrategy
from echelon.api.policy import PlacementPolicy
from echelon.placement.scope import CLUSTER, NAMESPACED

from .agents import Behaviour, FakeAgents
from .hub import Hub

both_scopes = pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])


async def roll(hub: Hub, *, policy: PlacementPolicy | None = None, **config: int | str) -> None:
    """A placement that leaves the rollout to the hub."""
    update = RollingUpdateConfig(**config) if config else None  # type: ignore[arg-type]
    await hub.admin.create(
        hub.scope.placement(
            metadata=ObjectMeta(name="web", namespace=hub.namespace),
            spec=PlacementSpec(
                resource_selectors=tuple(hub.selectors()),
                policy=policy,
                strategy=RolloutStrategy(type="RollingUpdate", rolling_update=update),
            ),
        )
    )


def current(hub: Hub) -> set[str]:
    """Members whose binding names the latest snapshot."""
    latest = max(hub.masters(), key=lambda name: int(name.split("-")[1]))
    return {b.spec.target_cluster for b in hub.bindings() if b.spec.resource_snapshot_name == latest}


@both_scopes
async def test_all_members_get_what_is_placed(hub: Hub, agents: FakeAgents) -> None:
    for name in "abc":
        await hub.join(name)
    await hub.configure("one")
    await roll(hub)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert all(agents.got(name) == ["0"] for name in "abc")
    status = hub.placement().status
    assert status.observed_resource_index == "0"
    assert {s.cluster_name: s.observed_resource_index for s in status.placement_statuses} == dict.fromkeys("abc", "0")


async def test_a_change_goes_out_a_few_members_at_a_time(hub: Hub, agents: FakeAgents) -> None:
    for name in "abcd":
        await hub.join(name)
    await hub.configure("one")
    await roll(hub, max_unavailable=1)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    agents.otherwise = Behaviour.NOT_YET
    await hub.configure("two")
    await hub.until(lambda: agents.got("a") == ["0", "1"])
    await hub.pass_time(30)
    assert current(hub) == {"a"}
    condition = hub.placement_condition("RolloutStarted")
    assert condition is not None
    assert condition.reason == "RolloutNotStartedYet"
    agents.otherwise = Behaviour.AVAILABLE
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: current(hub) == set("abcd") and hub.is_placement("Available", "True"))
    assert all(agents.got(name) == ["0", "1"] for name in "abcd")


async def test_a_version_that_fails_stops_at_the_first_members(hub: Hub, agents: FakeAgents) -> None:
    for name in "abcd":
        await hub.join(name)
    await hub.configure("one")
    await roll(hub, max_unavailable="25%")
    await hub.until(lambda: hub.is_placement("Available", "True"))
    agents.otherwise = Behaviour.FAILED
    await hub.configure("bad")
    await hub.until(lambda: hub.is_placement("RolloutStarted", "False"))
    await hub.pass_time(600)
    assert [name for name in "abcd" if agents.got(name) == ["0", "1"]] == ["a"]
    agents.otherwise = Behaviour.AVAILABLE
    await hub.configure("good")
    await hub.until(lambda: current(hub) == set("abcd") and hub.is_placement("Available", "True"))


async def test_members_that_cannot_be_tracked_get_their_time(hub: Hub, agents: FakeAgents) -> None:
    agents.otherwise = Behaviour.UNTRACKABLE
    for name in "ab":
        await hub.join(name)
    await hub.configure("one")
    await roll(hub, max_unavailable=1, unavailable_period_seconds=60)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.pass_time(120)
    began = hub.clock.now()
    await hub.configure("two")
    await hub.until(lambda: "web-1-snapshot" in hub.masters() and current(hub) == set("ab"), within=300)
    assert (hub.clock.now() - began).total_seconds() >= 60


async def test_a_member_no_longer_wanted_is_emptied(hub: Hub, agents: FakeAgents) -> None:
    for name in "abc":
        await hub.join(name)
    await hub.configure("one")
    await roll(hub, policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a", "b")))
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["a"]}}})
    await hub.until(lambda: set(hub.bound_to()) == {"a"} and not hub.works("b"))


async def test_another_way_of_applying_reaches_members_at_once(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("one")
    await roll(hub)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    strategy = {"spec": {"strategy": {"applyStrategy": {"type": "ServerSideApply"}}}}
    await hub.edit(hub.scope.placement, "web", strategy)
    await hub.until(lambda: all(w.spec.apply_strategy == ApplyStrategy(type="ServerSideApply") for w in hub.works("a")))


async def test_another_way_of_applying_waits_for_nobody(hub: Hub, agents: FakeAgents) -> None:
    for name in "abc":
        await hub.join(name)
    await hub.configure("one")
    await roll(hub, max_unavailable=1)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    agents.otherwise = Behaviour.NOT_YET
    agents.behave("a", Behaviour.NOT_YET)
    await hub.until(lambda: hub.is_placement("Available", "False"))
    strategy = {"spec": {"strategy": {"applyStrategy": {"type": "ServerSideApply"}}}}
    await hub.edit(hub.scope.placement, "web", strategy)
    changed = ApplyStrategy(type="ServerSideApply")
    await hub.until(lambda: all(w.spec.apply_strategy == changed for name in "abc" for w in hub.works(name)))
    await hub.pass_time(5)
    assert hub.is_placement("RolloutStarted", "True")


async def test_members_that_only_compare_take_up_no_room(hub: Hub, agents: FakeAgents) -> None:
    agents.otherwise = Behaviour.DIFF_REPORTED
    for name in "ab":
        await hub.join(name)
    await hub.configure("one")
    await roll(hub, policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a",)), max_surge=0)
    strategy = {"spec": {"strategy": {"applyStrategy": {"type": "ReportDiff"}}}}
    await hub.edit(hub.scope.placement, "web", strategy)
    await hub.until(lambda: hub.is_placement("DiffReported", "True"))
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["b"]}}})
    await hub.until(lambda: set(hub.bound_to()) == {"b"} and current(hub) == {"b"})


async def test_it_settles(hub: Hub, agents: FakeAgents) -> None:
    for name in "abc":
        await hub.join(name)
    await hub.configure("one")
    await roll(hub)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.pass_time(10)
    before = len(hub.writes)
    await hub.pass_time(3600)
    assert hub.writes[before:] == []


async def test_a_member_that_joins_is_served(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("one")
    await roll(hub)
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.join("b")
    await hub.until(lambda: agents.got("b") == ["0"])
