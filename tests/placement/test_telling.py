"""Events of placements and of disruption budgets."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.api.eviction import ClusterResourcePlacementDisruptionBudget, DisruptionBudgetSpec
from echelon.api.meta import ObjectMeta
from echelon.api.placement import ApplyStrategy
from echelon.kube.events import EVENT
from echelon.placement.scope import CLUSTER, NAMESPACED, Scope

from .agents import Behaviour, FakeAgents
from .hub import Hub, stage


async def told(hub: Hub, kind: str = "") -> list[tuple[str, str]]:
    await hub.pass_time(5)
    events: list[dict[str, Any]] = list((await hub.admin.list(EVENT)).items)
    events.sort(key=lambda event: str(event["eventTime"]))
    return [(e["reason"], e["type"]) for e in events if kind in ("", e["regarding"]["kind"])]


@pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
async def test_the_end_of_a_rollout_is_told(hub: Hub, agents: FakeAgents, scope: Scope) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all"))
    await hub.start()
    await hub.until(lambda: hub.is_placement("Available", "True"))
    reasons = await told(hub, scope.placement.resource.kind)
    assert set(reasons[-2:]) == {("PlacementAvailable", "Normal"), ("PlacementRolloutCompleted", "Normal")}
    before = len(reasons)
    await hub.pass_time(60)
    assert len(await told(hub, scope.placement.resource.kind)) == before


async def test_each_step_is_told_where_a_member_takes_its_time(hub: Hub, agents: FakeAgents) -> None:
    agents.behave("a", Behaviour.SILENT)
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all"))
    await hub.start()
    await hub.until(lambda: hub.is_placement("Applied", "False"))
    assert ("PlacementWorkSynchronized", "Normal") in await told(hub)
    agents.behave("a", Behaviour.NOT_YET)
    await hub.until(lambda: hub.is_placement("Available", "False"))
    assert (await told(hub))[-1] == ("PlacementApplied", "Normal")


async def test_comparing_is_told(hub: Hub, agents: FakeAgents) -> None:
    agents.otherwise = Behaviour.DIFF_REPORTED
    await hub.join("a")
    await hub.configure("content")
    await hub.place(apply_strategy=ApplyStrategy(type="ReportDiff"))
    await hub.plan(stage("all"))
    await hub.start()
    await hub.until(lambda: hub.is_placement("DiffReported", "True"))
    assert {"PlacementDiffReported", "PlacementRolloutCompleted"} <= {reason for reason, _ in await told(hub)}


async def test_the_end_of_a_placement_is_told(hub: Hub) -> None:
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
    assert ("PlacementCleanupFinalizerRemoved", "Normal") in await told(hub)


@pytest.mark.parametrize(
    ("spec", "works"),
    [
        (DisruptionBudgetSpec(max_unavailable=1), False),
        (DisruptionBudgetSpec(min_available="50%"), False),
        (DisruptionBudgetSpec(min_available=1), True),
    ],
)
async def test_a_budget_that_cannot_work_is_told_when_it_is_written(
    hub: Hub, spec: DisruptionBudgetSpec, works: bool
) -> None:
    await hub.place()
    budget = ClusterResourcePlacementDisruptionBudget(metadata=ObjectMeta(name="web"), spec=spec)
    await hub.admin.create(budget)
    found = await told(hub, "ClusterResourcePlacementDisruptionBudget")
    assert found == ([] if works else [("MisconfiguredDisruptionBudget", "Warning")])
