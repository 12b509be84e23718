"""The last stage of a run: members that the placement no longer selects are emptied."""

from __future__ import annotations

from echelon.api import names
from echelon.api.policy import PlacementPolicy

from ..agents import Behaviour, FakeAgents
from ..hub import APPROVAL, Hub, stage, wait
from .conftest import Prepare


def pick(*members: str) -> PlacementPolicy:
    return PlacementPolicy(placement_type="PickFixed", cluster_names=members)


async def unselect(hub: Hub, *rest: str) -> None:
    """Change the policy so that only these members are selected."""
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": list(rest)}}})
    await hub.until(lambda: sorted(m for m, state in hub.bound_to().items() if state != "Unscheduled") == [*rest])


async def rolled_out(hub: Hub, prepare: Prepare, *members: str) -> None:
    await prepare(*members, policy=pick(*members))
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.succeeded()


async def test_nobody_to_empty(hub: Hub, prepare: Prepare) -> None:
    await rolled_out(hub, prepare, "a")
    deletion = hub.status().deletion_stage_status
    assert deletion is not None
    assert (deletion.stage_name, deletion.clusters) == (names.DELETE_STAGE, ())
    assert [(c.type, c.status, c.reason) for c in deletion.conditions] == [
        ("Progressing", "False", "StageUpdatingSucceeded"),
        ("Succeeded", "True", "StageUpdatingSucceeded"),
    ]


async def test_members_that_were_unselected_keep_what_they_have_until_a_run(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await rolled_out(hub, prepare, "a", "b", "c")
    await unselect(hub, "b")
    await hub.pass_time(60)
    assert hub.works("a")
    assert hub.works("c")
    await hub.start("second", index="0")
    await hub.succeeded("second")
    assert hub.bound_to() == {"b": "Bound"}
    assert not hub.works("a")
    assert not hub.works("c")
    deletion = hub.status("second").deletion_stage_status
    assert deletion is not None
    assert [cluster.cluster_name for cluster in deletion.clusters] == ["a", "c"]
    for cluster in deletion.clusters:
        assert [(c.type, c.status) for c in cluster.conditions] == [("Started", "True"), ("Succeeded", "True")]
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert [status.cluster_name for status in hub.placement().status.placement_statuses] == ["b"]


async def test_emptying_is_waited_for(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await rolled_out(hub, prepare, "a", "b")
    await unselect(hub, "b")
    agents.behave("a", Behaviour.SILENT)
    await hub.start("second", index="0")
    await hub.until(lambda: hub.binding("a").metadata.deletion_timestamp)
    await hub.pass_time(60)
    assert hub.is_run("Progressing", "True", name="second")
    deletion = hub.status("second").deletion_stage_status
    assert deletion is not None
    assert [(c.type, c.reason) for c in deletion.conditions] == [("Progressing", "StageUpdatingStarted")]
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.succeeded("second")


async def test_stages_come_first(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await rolled_out(hub, prepare, "a", "b")
    await unselect(hub, "b")
    await hub.plan(stage("all", after=[APPROVAL]), name="careful")
    await hub.start("second", index="0", strategy="careful")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting", name="second"))
    await hub.pass_time(60)
    assert hub.bound_to() == {"a": "Unscheduled", "b": "Bound"}
    await hub.approve("second-all")
    await hub.succeeded("second")
    assert hub.bound_to() == {"b": "Bound"}


async def test_a_stop_before_the_delete_stage_ends(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await rolled_out(hub, prepare, "a", "b")
    await unselect(hub, "b")
    agents.behave("a", Behaviour.SILENT)
    await hub.start("second", index="0")
    await hub.until(lambda: hub.binding("a").metadata.deletion_timestamp)
    await hub.set_state("Stop", "second")
    await hub.until(lambda: hub.is_run("Progressing", "Unknown", "UpdateRunStopping", name="second"))
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.bound_to() == {"b": "Bound"})
    await hub.pass_time(5)
    assert hub.is_run("Progressing", "False", name="second")
    await hub.set_state("Run", "second")
    await hub.succeeded("second")


async def test_a_member_selected_again_is_not_emptied(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await rolled_out(hub, prepare, "a", "b")
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["b"]}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Unscheduled", "b": "Bound"})
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["a", "b"]}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Bound", "b": "Bound"})
    await hub.start("second", index="0")
    await hub.succeeded("second")
    assert hub.works("a")


async def test_a_stage_without_members_is_skipped_with_its_tasks(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare("a")
    await hub.plan(stage("none", APPROVAL, after=[APPROVAL, wait("1h")], env="nowhere"), stage("all"))
    await hub.start(index="0")
    await hub.succeeded()
    none = hub.status().stages_status[0]
    assert [(c.type, c.status, c.reason, c.message) for c in none.conditions] == [
        ("Progressing", "False", "StageUpdatingSkippedNoClusters", "Stage skipped because it has no clusters"),
        ("Succeeded", "True", "StageUpdatingSkippedNoClusters", "Stage skipped because it has no clusters"),
    ]
    assert none.start_time == none.end_time is not None
    assert hub.all(hub.scope.approval) == []


async def test_only_members_to_empty(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    """PickAll with every member tainted anew keeps them; here the last one leaves the selection."""
    await rolled_out(hub, prepare, "a", "b")
    await hub.join("c")
    await unselect(hub, "c")
    await hub.start("second", index="0")
    await hub.succeeded("second")
    assert hub.bound_to() == {"c": "Bound"}
    assert agents.got("c") == ["0"]
