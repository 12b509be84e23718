"""Once nothing happens any more, nothing is done any more."""

from __future__ import annotations

import pytest

from echelon.api.policy import PlacementPolicy
from echelon.placement.scope import CLUSTER, NAMESPACED, Scope

from .agents import Behaviour, FakeAgents
from .hub import APPROVAL, Hub, passes, stage, wait

CONTROLLERS = ("placement", "scheduler", "work-generator", "staged-run")


def count(scope: Scope) -> dict[str, float]:
    return {name: passes(f"{scope.name}-{name}") for name in CONTROLLERS}


async def assert_quiet(hub: Hub, *, passes_allowed: int = 0) -> None:
    await hub.pass_time(10)
    passes_before, writes_before = count(hub.scope), len(hub.writes)
    await hub.pass_time(240)
    assert hub.writes[writes_before:] == []
    more = {name: number - passes_before[name] for name, number in count(hub.scope).items()}
    assert sum(more.values()) <= passes_allowed, more


both_scopes = pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])


@both_scopes
async def test_after_a_run(hub: Hub, agents: FakeAgents, scope: Scope) -> None:
    for member in ("a", "b", "c"):
        await hub.join(member)
    await hub.configure("content")
    await hub.place()
    await assert_quiet(hub)
    await hub.plan(stage("all", after=[wait("5s")]))
    await hub.start()
    await hub.succeeded()
    await assert_quiet(hub)


@both_scopes
async def test_while_a_run_waits_for_a_person(hub: Hub, agents: FakeAgents, scope: Scope) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all", APPROVAL))
    await hub.start()
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await assert_quiet(hub)


async def test_while_a_run_waits_for_a_time(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all", after=[wait("24h")]))
    await hub.start()
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await assert_quiet(hub)


@pytest.mark.parametrize("trouble", [Behaviour.SILENT, Behaviour.FAILED, Behaviour.NOT_YET])
async def test_while_a_member_is_in_trouble(hub: Hub, agents: FakeAgents, trouble: Behaviour) -> None:
    agents.otherwise = trouble
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all"))
    await hub.start()
    await hub.until(lambda: hub.works("a"))
    await assert_quiet(hub)
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStuck"), within=400)
    await assert_quiet(hub)


async def test_while_a_run_waits_to_begin(hub: Hub) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place(policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a", "ghost")))
    await hub.plan(stage("all"))
    await hub.start()
    await hub.until(lambda: hub.is_run("Initialized", "Unknown"))
    await assert_quiet(hub)


async def test_with_bad_selectors(hub: Hub) -> None:
    await hub.join("a")
    await hub.place(selectors=[type(hub.selectors()[0])(group="", version="v1", kind="Pod")])
    await hub.until(lambda: hub.is_placement("Scheduled", "False", "InvalidResourceSelectors"))
    await assert_quiet(hub)


async def test_while_a_member_does_not_let_go(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all"))
    await hub.start()
    await hub.succeeded()
    agents.behave("a", Behaviour.SILENT)
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.works("a")[0].metadata.deletion_timestamp)
    await assert_quiet(hub)


async def test_after_a_run_that_failed(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all"))
    await hub.start(index="9")
    await hub.until(lambda: hub.is_run("Initialized", "False"))
    await assert_quiet(hub)


async def test_after_a_stop(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("all", APPROVAL))
    await hub.start()
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await hub.set_state("Stop")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    await assert_quiet(hub)
