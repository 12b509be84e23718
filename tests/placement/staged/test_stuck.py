"""A run whose members take suspiciously long says so, and goes on when they are done."""

from __future__ import annotations

from ..agents import Behaviour, FakeAgents
from ..hub import Hub, stage
from .conftest import Prepare

STUCK = (
    "The updateRun is stuck waiting for {members} cluster(s) in stage all to finish updating, please check placement "
    "status for potential errors"
)


async def test_stuck_after_five_minutes(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    agents.otherwise = Behaviour.NOT_YET
    await prepare("a", "b", "c", "d", "e")
    await hub.plan(stage("all", concurrency=4))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "True"))
    await hub.pass_time(295)
    assert hub.is_run("Progressing", "True", "UpdateRunProgressing")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStuck"), within=10)
    condition = hub.condition("Progressing")
    assert condition is not None
    assert condition.message == STUCK.format(members="a, b, c...")
    agents.behave("a", Behaviour.AVAILABLE)
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.condition("Progressing").message == STUCK.format(members="c, d"))  # type: ignore[union-attr]
    agents.otherwise = Behaviour.AVAILABLE
    for member in ("c", "d"):
        agents.behave(member, Behaviour.AVAILABLE)
    await hub.succeeded()


async def test_a_stuck_run_stops_only_when_its_members_are_done(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    agents.behave("a", Behaviour.NOT_YET)
    await prepare("a", "b")
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStuck"), within=400)
    await hub.set_state("Stop")
    await hub.pass_time(60)
    assert hub.is_run("Progressing", "Unknown", "UpdateRunStopping")
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    assert agents.got("b") == []


async def test_a_stuck_member_may_leave(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    agents.behave("a", Behaviour.NOT_YET)
    await prepare("a", "b")
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStuck"), within=400)
    await hub.leave("a")
    await hub.succeeded()
    assert agents.got("b") == ["0"]
