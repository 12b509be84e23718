"""Evictions on a hub: carried out once, judged for good, and what comes after."""

from __future__ import annotations

import pytest

from echelon.api.cluster import MemberCluster
from echelon.api.conditions import find_condition
from echelon.api.eviction import (
    ClusterResourcePlacementDisruptionBudget,
    ClusterResourcePlacementEviction,
    DisruptionBudgetSpec,
    EvictionSpec,
)
from echelon.api.meta import ObjectMeta
from echelon.api.policy import PlacementPolicy
from echelon.placement.eviction.controller import is_terminal
from echelon.placement.eviction.drain import CORDON, Drained, Outcome, cordon, drain, uncordon

from ..agents import Behaviour, FakeAgents
from ..hub import Hub, stage
from ..test_rolling_update import roll


async def evict(hub: Hub, member: str, placement: str = "web", name: str = "e") -> tuple[str, ...]:
    """Ask for an eviction and wait for its judgement: status and message of Valid, then of Executed."""
    spec = EvictionSpec(placement_name=placement, cluster_name=member)
    await hub.admin.create(ClusterResourcePlacementEviction(metadata=ObjectMeta(name=name), spec=spec))
    return await judged(hub, name)


async def judged(hub: Hub, name: str = "e") -> tuple[str, ...]:
    async with hub.admin.watch(ClusterResourcePlacementEviction, initial_events=True) as watch:
        async for event in watch:
            if event.object is not None and event.object.metadata.name == name and is_terminal(event.object):
                conditions = event.object.status.conditions
                found = [find_condition(conditions, type_) for type_ in ("Valid", "Executed")]
                return tuple(text for c in found if c is not None for text in (c.status, c.reason))
    raise AssertionError("the watch ended")


async def served(hub: Hub, *members: str, number: int | None = None) -> None:
    for name in members:
        await hub.join(name)
    await hub.configure("one")
    policy = None if number is None else PlacementPolicy(placement_type="PickN", number_of_clusters=number)
    await roll(hub, policy=policy)
    await hub.until(lambda: hub.is_placement("Available", "True"))


EXECUTED = (
    "True",
    "ClusterResourcePlacementEvictionValid",
    "True",
    "ClusterResourcePlacementEvictionExecuted",
)
BLOCKED = (
    "True",
    "ClusterResourcePlacementEvictionValid",
    "False",
    "ClusterResourcePlacementEvictionNotExecuted",
)
INVALID = ("False", "ClusterResourcePlacementEvictionInvalid")


async def test_a_placement_is_taken_off_a_tainted_member(hub: Hub, agents: FakeAgents) -> None:
    await served(hub, "a", "b")
    assert await cordon(hub.admin, "a")
    assert await evict(hub, "a") == EXECUTED
    await hub.until(lambda: set(hub.bound_to()) == {"b"} and not hub.works("a"))


async def test_without_a_taint_the_scheduler_chooses_the_member_again(hub: Hub, agents: FakeAgents) -> None:
    await served(hub, "a", "b")
    before = hub.binding("a").metadata.uid
    assert await evict(hub, "a") == EXECUTED
    await hub.until(lambda: any(b.spec.target_cluster == "a" and b.metadata.uid != before for b in hub.bindings()))
    await hub.until(lambda: hub.is_placement("Available", "True") and len(hub.bindings()) == 2)


async def test_under_external_the_new_binding_waits_for_a_run(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("one")
    await hub.place()
    await hub.plan(stage("all"))
    await hub.until(lambda: hub.masters() and "a" in hub.bound_to())
    await hub.start()
    await hub.succeeded()
    assert await evict(hub, "a") == EXECUTED
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"} and not hub.works("a"))


async def test_a_budget_lets_go_no_more_than_it_allows(hub: Hub, agents: FakeAgents) -> None:
    await served(hub, "a", "b", "c")
    await hub.admin.create(
        ClusterResourcePlacementDisruptionBudget(
            metadata=ObjectMeta(name="web"), spec=DisruptionBudgetSpec(min_available=2)
        )
    )
    agents.otherwise = Behaviour.SILENT
    found = []
    for number, name in enumerate("abc"):
        found.append(await evict(hub, name, name=f"e{number}"))
    assert found == [EXECUTED, BLOCKED, BLOCKED]


async def test_what_names_nothing_is_not_valid(hub: Hub, agents: FakeAgents) -> None:
    await served(hub, "a")
    assert await evict(hub, "a", "other") == INVALID
    assert await evict(hub, "nowhere", name="e2") == INVALID
    assert await evict(hub, "a", "x" * 200, name="e3") == INVALID


async def test_a_judgement_is_final(hub: Hub, agents: FakeAgents) -> None:
    assert await evict(hub, "a") == INVALID
    await served(hub, "a")
    await hub.pass_time(60)
    assert hub.bound_to() == {"a": "Bound"}
    assert await judged(hub) == INVALID


async def test_drain_and_uncordon(hub: Hub, agents: FakeAgents) -> None:
    await served(hub, "a", "b")
    seen: list[Drained] = []
    (drained,) = await drain(hub.admin, "a", on_outcome=seen.append)
    assert seen == [drained]
    assert (drained.placement, drained.outcome) == ("web", Outcome.EVICTED)
    assert drained.eviction.startswith("drain-eviction-web-a-")
    await hub.until(lambda: set(hub.bound_to()) == {"b"} and not hub.works("a"))
    assert hub.get(MemberCluster, "a").spec.taints == (CORDON,)
    assert await drain(hub.admin, "a") == []
    assert await uncordon(hub.admin, "a")
    assert not await uncordon(hub.admin, "a")
    await hub.until(lambda: set(hub.bound_to()) == {"a", "b"} and hub.is_placement("Available", "True"))


async def test_drain_says_what_it_cannot_take_off(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("one")
    await roll(hub, policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a",)))
    await hub.place("waiting")
    await hub.until(lambda: hub.is_placement("Available", "True") and hub.bindings("waiting"))
    found = await drain(hub.admin, "a")
    assert [(d.placement, d.outcome) for d in found] == [
        ("waiting", Outcome.NOTHING_THERE),
        ("web", Outcome.REFUSED),
    ]


async def test_drain_says_what_a_budget_holds_back(hub: Hub, agents: FakeAgents) -> None:
    await served(hub, "a", "b", number=2)
    await hub.admin.create(
        ClusterResourcePlacementDisruptionBudget(
            metadata=ObjectMeta(name="web"), spec=DisruptionBudgetSpec(max_unavailable=0)
        )
    )
    (drained,) = await drain(hub.admin, "a")
    assert drained.outcome is Outcome.BLOCKED
    assert drained.message == (
        "Eviction is blocked by specified ClusterResourcePlacementDisruptionBudget, "
        "availablePlacements: 2, totalPlacements: 2"
    )
    await hub.pass_time(10)
    assert set(hub.bound_to()) == {"a", "b"}


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", range(3))
async def test_a_death_at_any_write_evicts_once(bare_hub: Hub, agents: FakeAgents, at: int) -> None:
    hub = bare_hub
    await hub.start_controllers()
    await served(hub, "a", "b")
    await hub.stop_controllers()
    before = hub.binding("a").metadata.uid
    writes = 0

    def kill(method: str, path: str) -> None:
        nonlocal writes
        if "evictions" in path or method == "DELETE":
            writes += 1
            if writes == at + 1:
                raise Killed

    working = await hub.start_controllers(before_write=kill)
    spec = EvictionSpec(placement_name="web", cluster_name="a")
    await hub.admin.create(ClusterResourcePlacementEviction(metadata=ObjectMeta(name="e"), spec=spec))
    with pytest.raises(Killed):
        await working
    await hub.start_controllers()
    assert await judged(hub) == EXECUTED
    await hub.until(lambda: any(b.spec.target_cluster == "a" and b.metadata.uid != before for b in hub.bindings()))
    await hub.until(lambda: hub.is_placement("Available", "True") and len(hub.bindings()) == 2)
    deleted = [w for w in hub.writes if w.method == "DELETE" and "clusterresourcebindings" in w.path and w.status < 300]
    assert len(deleted) == 1
    await hub.stop_controllers()
