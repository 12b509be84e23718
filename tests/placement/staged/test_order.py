"""In which order a run updates members, and how many at a time."""

from __future__ import annotations

import pytest

from echelon.api.work import Work

from ..agents import Behaviour, FakeAgents
from ..hub import Hub, stage
from .conftest import Prepare


def names_of(hub: Hub, stage: int) -> list[str]:
    return [cluster.cluster_name for cluster in hub.status().stages_status[stage].clusters]


def order(agents: FakeAgents) -> list[str]:
    return [effect.member for effect in agents.effects]


def working(agents: FakeAgents) -> list[str]:
    """The members that have a Work."""
    return sorted({work.metadata.namespace.removeprefix("fleet-member-") for work in agents.manager.cache.list(Work)})


async def test_stages_follow_each_other(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare(("a", {"env": "prod"}), ("b", {"env": "canary"}), ("c", {"env": "staging"}))
    await hub.plan(stage("staging", env="staging"), stage("canary", env="canary"), stage("prod", env="prod"))
    await hub.start(index="0")
    await hub.succeeded()
    assert order(agents) == ["c", "b", "a"]
    assert [s.stage_name for s in hub.status().stages_status] == ["staging", "canary", "prod"]
    assert all(s.start_time and s.end_time for s in hub.status().stages_status)


async def test_members_of_a_stage_go_by_name(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("c", "a", "b")
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.succeeded()
    assert order(agents) == ["a", "b", "c"]


async def test_members_go_by_the_number_in_the_sorting_label(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare(("a", {"order": "10"}), ("b", {"order": "9"}), ("c", {"order": "01"}), ("d", {"order": "9"}))
    await hub.plan(stage("all", sort="order"))
    await hub.start(index="0")
    await hub.succeeded()
    assert order(agents) == ["c", "b", "d", "a"]
    assert names_of(hub, 0) == ["c", "b", "d", "a"]


@pytest.mark.parametrize(
    ("concurrency", "at_once"), [(1, 1), (3, 3), (9, 5), ("50%", 2), ("100%", 5), ("1%", 1), ("60%", 3)]
)
async def test_no_more_members_at_a_time_than_allowed(
    hub: Hub, agents: FakeAgents, prepare: Prepare, concurrency: int | str, at_once: int
) -> None:
    agents.otherwise = Behaviour.SILENT
    members = ["a", "b", "c", "d", "e"]
    await prepare(*members)
    await hub.plan(stage("all", concurrency=concurrency))
    await hub.start(index="0")
    for done, member in enumerate(members):
        expected = members[: done + at_once]
        await hub.until(lambda expected=expected: working(agents) == expected)
        await hub.pass_time(5)
        assert working(agents) == expected
        agents.behave(member, Behaviour.AVAILABLE)
    await hub.succeeded()


async def test_a_member_whose_objects_cannot_be_tracked_counts_as_done(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    agents.otherwise = Behaviour.UNTRACKABLE
    await prepare("a")
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.succeeded()
    await hub.until(lambda: hub.is_placement("Available", "True"))


@pytest.mark.parametrize("obstacle", [Behaviour.FAILED, Behaviour.NOT_YET])
async def test_a_member_in_trouble_is_waited_for(
    hub: Hub, agents: FakeAgents, prepare: Prepare, obstacle: Behaviour
) -> None:
    agents.behave("a", obstacle)
    await prepare("a", "b")
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "True", "UpdateRunProgressing"))
    await hub.pass_time(60)
    assert order(agents) == ["a"]
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.succeeded()
    assert order(agents) == ["a", "b"]


async def test_a_member_that_has_the_snapshot_already_is_done_at_once(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare("a", "b")
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.succeeded()
    before = len(hub.writes)
    await hub.start("second", index="0")
    await hub.succeeded("second")
    await hub.pass_time(5)
    assert order(agents) == ["a", "b"]
    paths = [write.path for write in hub.writes[before:] if write.user == "controllers"]
    assert not [path for path in paths if "/works" in path]
    assert not [path for path in paths if "bindings" in path]
