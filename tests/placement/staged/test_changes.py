"""What changes on the hub while a run is under way."""

from __future__ import annotations

import msgspec
import pytest

from echelon.api.cluster import MemberCluster
from echelon.placement import PlacementSettings
from echelon.placement.dialect import DIALECTS

from ..agents import Behaviour, FakeAgents
from ..hub import APPROVAL, Hub, stage
from .conftest import Prepare

ONE, TWO = {"env": "one"}, {"env": "two"}


async def halfway(hub: Hub, prepare: Prepare) -> None:
    """A run whose first stage (member ``a``) is done and whose second one (``b``, ``c``) waits to begin."""
    await prepare(("a", ONE), ("b", TWO), ("c", TWO))
    await hub.plan(stage("one", env="one"), stage("two", APPROVAL, env="two"))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))


def cluster_reasons(hub: Hub, stage: int) -> dict[str, list[str]]:
    return {c.cluster_name: [x.reason for x in c.conditions] for c in hub.status().stages_status[stage].clusters}


async def go_on(hub: Hub) -> None:
    await hub.approve("first-before-two")


async def test_a_member_that_left_is_skipped(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    await hub.leave("b")
    await go_on(hub)
    await hub.succeeded()
    assert cluster_reasons(hub, 1) == {
        "b": ["ClusterUpdatingSkipped"],
        "c": ["ClusterUpdatingStarted", "ClusterUpdatingSucceeded"],
    }
    (skipped,) = hub.status().stages_status[1].clusters[0].conditions
    assert skipped.message == "The cluster has left the fleet"
    assert agents.got("b") == []
    assert agents.got("c") == ["0"]


async def test_a_member_that_leaves_while_it_is_updated_is_skipped(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    agents.behave("b", Behaviour.SILENT)
    await halfway(hub, prepare)
    await go_on(hub)
    await hub.until(lambda: hub.works("b"))
    await hub.leave("b")
    await hub.succeeded()
    assert cluster_reasons(hub, 1)["b"] == ["ClusterUpdatingSkipped"] or cluster_reasons(hub, 1)["b"] == [
        "ClusterUpdatingStarted",
        "ClusterUpdatingSkipped",
    ]


async def test_all_members_of_a_stage_leave(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    await hub.leave("b")
    await hub.leave("c")
    await hub.succeeded()
    assert agents.got("a") == ["0"]
    two = hub.status().stages_status[1]
    assert [(c.type, c.status) for c in two.conditions] == [("Progressing", "False"), ("Succeeded", "True")]


async def test_a_member_that_joins_is_not_part_of_the_run(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    await hub.join("d", **TWO)
    await hub.until(lambda: hub.bound_to().get("d") == "Scheduled")
    await hub.until(lambda: "joined since" in message(hub))
    assert message(hub) == (
        "The updateRun is waiting for before-stage tasks in stage two to complete; joined since, and not part of this "
        "run: d"
    )
    await go_on(hub)
    await hub.succeeded()
    await hub.pass_time(5)
    assert message(hub) == "All stages are completed; joined since, and not part of this run: d"
    assert agents.got("d") == []
    assert hub.bound_to()["d"] == "Scheduled"
    assert hub.status().policy_observed_cluster_count == 3
    await hub.start("second", index="0")
    await hub.approve("second-before-two")
    await hub.succeeded("second")
    assert agents.got("d") == ["0"]


def message(hub: Hub) -> str:
    """How the run goes on, in words."""
    progressing = hub.condition("Progressing")
    return "" if progressing is None else progressing.message


async def test_many_that_join_make_few_writes(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    before = run_writes(hub)
    for n in range(10):
        await hub.join(f"m{n}", **TWO)
        await hub.pass_time(1)
    assert message(hub).endswith("; joined since, and not part of this run: m0, m1, m2 and others")
    assert run_writes(hub) - before == 4


def run_writes(hub: Hub) -> int:
    path = f"/{hub.scope.run.resource.plural}/first/status"
    return sum(write.path.endswith(path) for write in hub.writes if write.user == "controllers")


async def test_a_member_with_other_labels_stays_in_its_stage(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    await hub.edit(MemberCluster, "b", {"metadata": {"labels": {"env": "three"}}})
    await go_on(hub)
    await hub.succeeded()
    assert agents.got("b") == ["0"]


async def test_a_member_that_gets_a_taint_keeps_its_place(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    await hub.edit(MemberCluster, "b", {"spec": {"taints": [{"key": "down", "effect": "NoSchedule"}]}})
    await go_on(hub)
    await hub.succeeded()
    assert agents.got("b") == ["0"]


async def test_another_policy_ends_the_run(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    tolerations = [{"key": "down", "operator": "Exists"}]
    policy = {"placementType": "PickAll", "tolerations": tolerations}
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": policy}})
    await hub.until(lambda: hub.is_run("Succeeded", "False", "UpdateRunFailed"))
    condition = hub.condition("Succeeded")
    assert condition is not None
    assert condition.message == (
        "cannot continue the updateRun: the policy snapshot index used in the updateRun is outdated, latest: 1, "
        "recorded: 0"
    )
    assert [[c.reason for c in found.conditions] for found in hub.status().stages_status] == [
        ["StageUpdatingSucceeded"] * 2,
        ["StageUpdatingFailed"] * 2,
    ]
    await hub.start("second", index="0")
    await hub.approve("second-before-two")
    await hub.succeeded("second")


async def test_another_way_of_applying_ends_the_run(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    strategy = {"type": "External", "applyStrategy": {"whenToApply": "IfNotDrifted"}}
    await hub.edit(hub.scope.placement, "web", {"spec": {"strategy": strategy}})
    await hub.until(lambda: hub.is_run("Succeeded", "False", "UpdateRunFailed"))
    condition = hub.condition("Succeeded")
    assert condition is not None
    assert "the applyStrategy in the updateRun is outdated, latest: " in condition.message
    assert '"whenToApply":"IfNotDrifted"' in condition.message


async def test_a_changed_content_does_not_touch_the_run(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    await hub.configure("content 1")
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    await go_on(hub)
    await hub.succeeded()
    assert agents.got("c") == ["0"]


async def test_a_deleted_placement_ends_the_run(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
    await hub.until(lambda: hub.is_run("Succeeded", "False", "UpdateRunFailed") or hub.is_run("Succeeded", "True"))
    await hub.pass_time(5)
    assert hub.is_run("Succeeded", "False")
    condition = hub.condition("Succeeded")
    assert condition is not None
    assert condition.message.endswith("client error: parent placement not found")


async def test_a_deleted_run_leaves_what_it_has_done(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    agents.behave("b", Behaviour.SILENT)
    await halfway(hub, prepare)
    await go_on(hub)
    await hub.until(lambda: hub.works("b"))
    await hub.delete(hub.scope.run, "first")
    await hub.until(lambda: hub.find(hub.scope.run, "first") is None)
    assert hub.all(hub.scope.approval) == []
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.pass_time(5)
    assert hub.bound_to() == {"a": "Bound", "b": "Bound", "c": "Scheduled"}
    assert agents.got("b") == ["0"]
    assert agents.got("c") == []
    await hub.start("second", index="0")
    await hub.approve("second-before-two")
    await hub.succeeded("second")


async def test_a_binding_that_somebody_deletes_is_made_again(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await halfway(hub, prepare)
    name = hub.binding("b").metadata.name
    uid = hub.binding("b").metadata.uid
    await hub.delete(hub.scope.binding, name)
    await hub.until(lambda: "b" in hub.bound_to() and hub.binding("b").metadata.uid != uid)
    await hub.pass_time(5)
    await go_on(hub)
    await hub.until(lambda: hub.is_run("Succeeded", "True"))


class TestKubeFleet:
    """Under the other dialect a change of membership ends the run."""

    @pytest.fixture
    def settings(self) -> PlacementSettings:
        return PlacementSettings(dialect=msgspec.structs.replace(DIALECTS["kubefleet"], snapshots_on_change=True))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("join", "the number of clusters in index `1` stage has changed, new: 3, existing: 2"),
            (
                "stray",
                "failed to process the request due to a client error: some clusters are not placed in any stage, "
                "total 1, showing up to 10: d",
            ),
            ("relabel", "the number of clusters in index `0` stage has changed, new: 2, existing: 1"),
        ],
    )
    async def test_membership(self, hub: Hub, agents: FakeAgents, prepare: Prepare, change: str, message: str) -> None:
        await halfway(hub, prepare)
        await hub.pass_time(30)
        match change:
            case "join":
                await hub.join("d", **TWO)
            case "stray":
                await hub.join("d")
            case "relabel":
                await hub.edit(MemberCluster, "b", {"metadata": {"labels": ONE}})
        await hub.until(lambda: hub.is_run("Succeeded", "False", "UpdateRunFailed"))
        condition = hub.condition("Succeeded")
        assert condition is not None
        assert condition.message == "cannot continue the updateRun: " + message

    async def test_a_member_that_leaves(self, hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
        await halfway(hub, prepare)
        await hub.leave("b")
        await hub.until(lambda: hub.is_run("Succeeded", "False", "UpdateRunFailed"))


async def test_a_member_whose_binding_was_deleted_before_its_turn_is_updated_with_the_new_one(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await halfway(hub, prepare)
    first = hub.binding("b").metadata.uid
    await hub.delete(hub.scope.binding, hub.binding("b").metadata.name)
    await hub.until(lambda: "b" in hub.bound_to() and hub.binding("b").metadata.uid != first)
    assert cluster_reasons(hub, 1) == {"b": [], "c": []}
    await go_on(hub)
    await hub.succeeded()
    assert cluster_reasons(hub, 1)["b"] == ["ClusterUpdatingStarted", "ClusterUpdatingSucceeded"]
    assert agents.got("b") == ["0"]


async def test_a_member_whose_binding_is_deleted_while_it_is_updated_is_updated_again(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await halfway(hub, prepare)
    agents.behave("b", Behaviour.NOT_YET)
    await go_on(hub)
    await hub.until(lambda: agents.got("b") == ["0"])
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.delete(hub.scope.binding, hub.binding("b").metadata.name)
    await hub.succeeded()
    assert hub.binding("b").spec.state == "Bound"
    assert agents.got("b")[-1] == "0"
