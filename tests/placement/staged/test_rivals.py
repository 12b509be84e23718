"""Several runs of one placement: the later writer of a binding wins."""

from __future__ import annotations

from ..agents import Behaviour, FakeAgents
from ..hub import APPROVAL, Hub, stage
from .conftest import Prepare

LOST = (
    "cannot continue the updateRun: failed to process the request due to a client error: the binding of the updating "
    "cluster `a` in the stage `all` is not up-to-date with the desired status, please check the status of binding "
    "`{binding}` and see if there is a concurrent updateRun referencing the same placement and updating the same "
    "cluster"
)


async def test_the_run_whose_member_is_taken_fails(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    agents.otherwise = Behaviour.SILENT
    await prepare("a", "b", contents=2)
    await hub.plan(stage("all"))
    await hub.start("first", index="0")
    await hub.until(lambda: hub.works("a"))
    await hub.start("second", index="1")
    await hub.until(lambda: hub.is_run("Succeeded", "False", "UpdateRunFailed", name="first"))
    condition = hub.condition("Succeeded")
    assert condition is not None
    assert condition.message == LOST.format(binding=hub.binding("a").metadata.name)
    assert hub.is_run("Progressing", "False", "UpdateRunFailed")
    (all_,) = hub.status().stages_status
    assert [(c.type, c.status, c.reason) for c in all_.conditions] == [
        ("Progressing", "False", "StageUpdatingFailed"),
        ("Succeeded", "False", "StageUpdatingFailed"),
    ]
    assert all_.end_time
    first, other = all_.clusters
    assert [(c.type, c.status, c.reason) for c in first.conditions] == [
        ("Started", "True", "ClusterUpdatingStarted"),
        ("Succeeded", "False", "ClusterUpdatingFailed"),
    ]
    assert other.conditions == ()
    for member in ("a", "b"):
        agents.behave(member, Behaviour.AVAILABLE)
    await hub.succeeded("second")
    assert agents.got("a")[-1] == "1"
    assert agents.got("b") == ["1"]


async def test_members_that_are_done_may_be_taken(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    agents.behave("b", Behaviour.SILENT)
    await prepare(("a", {"env": "one"}), ("b", {"env": "two"}), contents=2)
    await hub.plan(stage("one", env="one"), stage("two", env="two"))
    await hub.plan(stage("one", env="one", after=[APPROVAL]), stage("two", env="two"), name="careful")
    await hub.start("first", index="0")
    await hub.until(lambda: hub.works("b"))
    await hub.start("second", index="1", strategy="careful")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting", name="second"))
    assert agents.got("a") == ["0", "1"]
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.succeeded("first")
    await hub.approve("second-one")
    await hub.succeeded("second")
    assert agents.got("b") == ["0", "1"]


async def test_runs_of_different_placements_do_not_meet(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a", "b")
    await hub.create("v1", "Namespace", "other")
    selectors = [type(hub.selectors()[0])(group="", version="v1", kind="Namespace", name="other")]
    await hub.place("second", selectors=selectors)
    await hub.until(lambda: hub.is_placement("Scheduled", "True", name="second"))
    await hub.plan(stage("all"))
    await hub.start("first")
    await hub.start("second", placement="second")
    await hub.succeeded("first")
    await hub.succeeded("second")
    assert [work.metadata.name for work in hub.works("a")] == ["second-work", "web-work"]


async def test_a_run_of_a_name_that_was_there_before_begins_anew(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare(("a", {"env": "one"}), ("b", {"env": "two"}))
    await hub.plan(stage("one", env="one", after=[APPROVAL]), stage("two", env="two"))
    await hub.start()
    await hub.approve("first-one")
    await hub.succeeded()
    await hub.delete(hub.scope.run, "first")
    await hub.until(lambda: hub.find(hub.scope.run, "first") is None)
    await hub.configure("content 1")
    await hub.start()
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    assert agents.got("a") == ["0", "1"]
    assert agents.got("b") == ["0"]
    await hub.approve("first-one")
    await hub.succeeded()
    assert agents.got("b") == ["0", "1"]


async def test_a_run_of_a_name_that_was_there_before_asks_for_approval_again(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare(("a", {"env": "one"}), ("b", {"env": "two"}))
    await hub.plan(stage("one", env="one"), stage("two", APPROVAL, env="two"))
    await hub.start()
    await hub.approve("first-before-two")
    await hub.succeeded()
    await hub.delete(hub.scope.run, "first")
    await hub.until(lambda: hub.find(hub.scope.run, "first") is None)
    await hub.start()
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))
    assert hub.status().stages_status[1].clusters[0].conditions == ()
    await hub.approve("first-before-two")
    await hub.succeeded()
