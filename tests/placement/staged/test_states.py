"""What the state of a run does: Initialize, Run, Stop and Run again."""

from __future__ import annotations

import pytest

from echelon.placement import PlacementSettings
from echelon.placement.dialect import DIALECTS

from ..agents import Behaviour, FakeAgents
from ..hub import APPROVAL, Hub, stage
from .conftest import Prepare


def stage_reason(hub: Hub, index: int, type_: str = "Progressing") -> str | None:
    found = [c.reason for c in hub.status().stages_status[index].conditions if c.type == type_]
    return found[0] if found else None


async def test_initialize_only_initializes(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a")
    await hub.plan(stage("one"))
    await hub.start(index="0", state="Initialize")
    await hub.until(lambda: hub.is_run("Initialized", "True", "UpdateRunInitializedSuccessfully"))
    await hub.pass_time(60)
    assert agents.effects == []
    assert [c.type for c in hub.status().conditions] == ["Initialized"]
    assert [c.cluster_name for s in hub.status().stages_status for c in s.clusters] == ["a"]
    await hub.set_state("Run")
    await hub.succeeded()
    assert agents.got("a") == ["0"]
    assert {c.observed_generation for c in hub.status().conditions} == {2}


async def test_a_run_without_a_state_runs(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a")
    await hub.plan(stage("one"))
    await hub.start(index="0", state=None)
    await hub.succeeded()


async def test_under_the_other_dialect_it_only_initializes(
    bare_hub: Hub, agents: FakeAgents, kubefleet: PlacementSettings
) -> None:
    hub = bare_hub
    await hub.start_controllers(kubefleet)
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    await hub.plan(stage("one"))
    await hub.start(state=None)
    await hub.until(lambda: hub.is_run("Initialized", "True"))
    await hub.pass_time(60)
    assert agents.effects == []
    assert kubefleet.dialect is DIALECTS["kubefleet"]


async def test_a_strategy_may_go_once_the_run_is_initialized(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a")
    await hub.plan(stage("one"))
    await hub.start(index="0", state="Initialize")
    await hub.until(lambda: hub.is_run("Initialized", "True"))
    await hub.delete(hub.scope.strategy, "stages")
    await hub.set_state("Run")
    await hub.succeeded()


async def test_stop_waits_for_what_is_under_way(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    agents.otherwise = Behaviour.SILENT
    await prepare("a", "b", "c", "d")
    await hub.plan(stage("one", concurrency=2))
    await hub.start(index="0")
    await hub.until(lambda: hub.works("a") and hub.works("b"))
    await hub.set_state("Stop")
    await hub.until(lambda: hub.is_run("Progressing", "Unknown", "UpdateRunStopping"))
    assert stage_reason(hub, 0) == "StageUpdatingStopping"
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.pass_time(30)
    assert hub.is_run("Progressing", "Unknown", "UpdateRunStopping")
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    assert stage_reason(hub, 0) == "StageUpdatingStopped"
    await hub.pass_time(3600)
    assert not hub.works("c")
    assert not hub.works("d")
    agents.otherwise = Behaviour.AVAILABLE
    await hub.set_state("Run")
    await hub.succeeded()
    assert [effect.member for effect in agents.effects] == ["a", "b", "c", "d"]


async def test_stop_between_stages_shows_the_next_one_as_stopped(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare(("a", {"env": "one"}), ("b", {"env": "two"}))
    await hub.plan(stage("one", env="one"), stage("two", APPROVAL, env="two"))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await hub.set_state("Stop")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    assert stage_reason(hub, 0, "Succeeded") == "StageUpdatingSucceeded"
    assert stage_reason(hub, 1) == "StageUpdatingStopped"
    await hub.approve("first-before-two")
    await hub.pass_time(60)
    assert agents.got("b") == []
    await hub.set_state("Run")
    await hub.succeeded()


async def test_stop_before_anything_has_begun(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a")
    await hub.plan(stage("one", APPROVAL))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await hub.set_state("Stop")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    await hub.set_state("Run")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await hub.approve("first-before-one")
    await hub.succeeded()


async def test_a_stop_awaits_members_that_no_status_names_yet(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    """Statuses are written with a pause in between, so what has just begun is not always in them."""
    agents.otherwise = Behaviour.SILENT
    await prepare("a", "b", "c")
    await hub.plan(stage("one"))
    await hub.start(index="0")
    await hub.until(lambda: hub.works("a"))
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.works("b"))
    await hub.set_state("Stop")
    await hub.pass_time(30)
    assert hub.is_run("Progressing", "Unknown", "UpdateRunStopping")
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    assert not hub.works("c")


async def test_a_stop_that_is_taken_back_at_once_changes_nothing(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    agents.otherwise = Behaviour.SILENT
    await prepare("a", "b")
    await hub.plan(stage("one"))
    await hub.start(index="0")
    await hub.until(lambda: hub.works("a"))
    await hub.set_state("Stop")
    await hub.set_state("Run")
    await hub.pass_time(5)
    assert hub.is_run("Progressing", "True", "UpdateRunProgressing")
    for member in ("a", "b"):
        agents.behave(member, Behaviour.AVAILABLE)
    await hub.succeeded()


async def test_a_run_that_has_ended_stays_as_it_is(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a", contents=2)
    await hub.plan(stage("one"))
    await hub.start(index="0")
    await hub.succeeded()
    await hub.set_state("Stop")
    await hub.pass_time(60)
    assert hub.is_run("Succeeded", "True", "UpdateRunSucceeded")
    assert hub.is_run("Progressing", "False", "UpdateRunSucceeded")


@pytest.mark.parametrize("generations", [3])
async def test_conditions_are_observed_at_the_latest_generation(
    hub: Hub, agents: FakeAgents, prepare: Prepare, generations: int
) -> None:
    await prepare(("a", {"env": "one"}), ("b", {"env": "two"}))
    await hub.plan(stage("one", env="one"), stage("two", APPROVAL, env="two"))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await hub.set_state("Stop")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    await hub.set_state("Run")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    status = hub.status()
    conditions = [*status.conditions]
    for found in status.stages_status:
        conditions += found.conditions
        for part in (*found.clusters, *found.before_stage_task_status, *found.after_stage_task_status):
            conditions += part.conditions
    assert {condition.observed_generation for condition in conditions} == {generations}
