"""The timed wait after a stage."""

from __future__ import annotations

from datetime import timedelta

from echelon.api.meta import parse_time

from ..agents import FakeAgents
from ..hub import APPROVAL, BEGIN, Hub, stage, wait
from .conftest import Prepare

WAITING = "The updateRun is waiting for after-stage tasks in stage one to complete"


async def two_stages(hub: Hub, prepare: Prepare, *after: object) -> None:
    await prepare(("a", {"env": "one"}), ("b", {"env": "two"}))
    await hub.plan(stage("one", env="one", after=after), stage("two", env="two"))
    await hub.start(index="0")


async def test_the_next_stage_waits_as_long_as_it_was_told(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await two_stages(hub, prepare, wait("1h30m"))
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    condition = hub.condition("Progressing")
    assert condition is not None
    assert condition.message == WAITING
    await hub.pass_time(90 * 60 - 10)
    assert agents.got("b") == []
    await hub.until(lambda: agents.got("b") == ["0"], within=15)
    await hub.succeeded()


async def test_a_wait_is_never_shorter_than_it_was_set(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await two_stages(hub, prepare, wait("5s"))
    await hub.until(lambda: agents.got("a"))
    updated = hub.clock.now()
    await hub.until(lambda: agents.got("b"))
    waited = hub.clock.now() - updated
    assert timedelta(seconds=5) <= waited <= timedelta(seconds=7)
    await hub.succeeded()
    (task,) = hub.status().stages_status[0].after_stage_task_status
    (elapsed,) = task.conditions
    assert (elapsed.type, elapsed.reason) == ("WaitTimeElapsed", "AfterStageTaskWaitTimeElapsed")
    assert parse_time(elapsed.last_transition_time) > BEGIN


async def test_wait_and_approval_go_on_side_by_side(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await two_stages(hub, prepare, wait("1m"), APPROVAL)
    await hub.approve("first-one")
    await hub.until(lambda: hub.status().stages_status[0].after_stage_task_status[1].conditions[1:])
    await hub.pass_time(50)
    assert agents.got("b") == []
    await hub.until(lambda: agents.got("b") == ["0"], within=15)


async def test_an_approval_may_come_long_after_the_wait(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await two_stages(hub, prepare, wait("10s"), APPROVAL)
    await hub.pass_time(3600)
    assert agents.got("b") == []
    assert hub.is_run("Progressing", "False", "UpdateRunWaiting")
    await hub.approve("first-one")
    await hub.succeeded()


async def test_a_stop_does_not_begin_the_wait_anew(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await two_stages(hub, prepare, wait("1m"))
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    await hub.pass_time(30)
    await hub.set_state("Stop")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    await hub.pass_time(60)
    assert agents.got("b") == []
    await hub.set_state("Run")
    await hub.until(lambda: agents.got("b") == ["0"], within=3)
    await hub.succeeded()
