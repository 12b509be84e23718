"""Approval requests on the hub: asked for, given, withdrawn, deleted, refused."""

from __future__ import annotations

import msgspec
import pytest

from echelon.api import names
from echelon.api.meta import ObjectMeta
from echelon.api.staged import ApprovalRequestSpec, ApprovalRequestStatus, ClusterApprovalRequest
from echelon.placement import PlacementSettings
from echelon.placement.dialect import DIALECTS

from ..agents import FakeAgents
from ..hub import APPROVAL, Hub, stage
from .conftest import Prepare

ACCEPTED = "The approval request has been approved and cannot be reverted"


async def waiting_before(hub: Hub, prepare: Prepare) -> None:
    await prepare("a")
    await hub.plan(stage("one", APPROVAL))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))


async def waiting_after(hub: Hub, prepare: Prepare) -> None:
    await prepare(("a", {"env": "one"}), ("b", {"env": "two"}))
    await hub.plan(stage("one", env="one", after=[APPROVAL]), stage("two", env="two"))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunWaiting"))


async def test_nothing_starts_before_the_approval_before_a_stage(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await waiting_before(hub, prepare)
    condition = hub.condition("Progressing")
    assert condition is not None
    assert condition.message == "The updateRun is waiting for before-stage tasks in stage one to complete"
    assert hub.status().stages_status[0].start_time is None
    await hub.pass_time(600)
    assert agents.effects == []
    await hub.approve("first-before-one")
    await hub.succeeded()
    assert agents.got("a") == ["0"]


async def test_what_a_request_says(hub: Hub, prepare: Prepare) -> None:
    await waiting_before(hub, prepare)
    request = hub.get(ClusterApprovalRequest, "first-before-one")
    assert (request.spec.parent_stage_rollout, request.spec.target_stage) == ("first", "one")
    assert request.metadata.labels == {
        names.TARGET_UPDATE_RUN: "first",
        names.TARGET_UPDATING_STAGE: "one",
        names.TASK_TYPE: "beforeStage",
        names.IS_LATEST_APPROVAL: "true",
    }


async def test_an_accepted_approval_is_marked_and_cannot_be_taken_back(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await waiting_after(hub, prepare)
    await hub.set_state("Stop")
    await hub.until(lambda: hub.is_run("Progressing", "False", "UpdateRunStopped"))
    await hub.approve("first-one")
    await hub.until(lambda: len(hub.get(ClusterApprovalRequest, "first-one").status.conditions) == 2)
    accepted = hub.get(ClusterApprovalRequest, "first-one").status.conditions[1]
    assert (accepted.type, accepted.reason, accepted.message) == (
        "ApprovalAccepted",
        "ApprovalRequestApprovalAccepted",
        ACCEPTED,
    )
    request = hub.get(ClusterApprovalRequest, "first-one")
    kept = ApprovalRequestStatus(conditions=(accepted,))
    await hub.admin.patch_status(request, msgspec.structs.replace(request, status=kept))
    await hub.set_state("Run")
    await hub.succeeded()
    assert agents.got("b") == ["0"]


async def test_a_request_withdrawn_before_it_was_seen_counts_for_nothing(
    bare_hub: Hub, agents: FakeAgents, settings: PlacementSettings
) -> None:
    hub = bare_hub
    await hub.start_controllers(settings)
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.plan(stage("one", APPROVAL))
    await hub.start()
    await hub.until(lambda: hub.find(ClusterApprovalRequest, "first-before-one"))
    await hub.stop_controllers()
    await hub.approve("first-before-one")
    await hub.approve("first-before-one", status="False")
    await hub.start_controllers(settings)
    await hub.pass_time(60)
    assert agents.effects == []
    await hub.approve("first-before-one")
    await hub.succeeded()


async def test_a_refusal_is_no_approval(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await waiting_before(hub, prepare)
    await hub.approve("first-before-one", status="False")
    await hub.pass_time(60)
    assert agents.effects == []


async def test_an_approval_of_another_generation_is_not_taken(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await waiting_before(hub, prepare)
    await hub.approve("first-before-one", generation=2)
    await hub.pass_time(60)
    assert agents.effects == []
    await hub.approve("first-before-one", generation=0)
    await hub.succeeded()


async def test_a_request_that_is_deleted_is_made_again(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await waiting_before(hub, prepare)
    uid = hub.get(ClusterApprovalRequest, "first-before-one").metadata.uid
    await hub.delete(ClusterApprovalRequest, "first-before-one")

    def made_again() -> bool:
        found = hub.find(ClusterApprovalRequest, "first-before-one")
        return found is not None and found.metadata.uid != uid

    await hub.until(made_again)
    assert agents.effects == []
    await hub.approve("first-before-one")
    await hub.succeeded()


async def test_a_request_deleted_after_its_approval_is_not_made_again(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await waiting_after(hub, prepare)
    await hub.approve("first-one")
    await hub.succeeded()
    await hub.delete(ClusterApprovalRequest, "first-one")
    await hub.pass_time(10)
    assert hub.find(ClusterApprovalRequest, "first-one") is None


async def test_a_request_of_another_run_under_the_same_name_fails_the_run(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare("a")
    await hub.admin.create(
        ClusterApprovalRequest(
            metadata=ObjectMeta(name="first-before-one"),
            spec=ApprovalRequestSpec(parent_stage_rollout="other", target_stage="two"),
        )
    )
    await hub.plan(stage("one", APPROVAL))
    await hub.start(index="0")
    await hub.until(lambda: hub.is_run("Succeeded", "False", "UpdateRunFailed"))
    condition = hub.condition("Succeeded")
    assert condition is not None
    assert condition.message == (
        "cannot continue the updateRun: unexpected behavior which cannot be handled by the controller: the approval "
        "request task `first-before-one` is targeting update run `other` and stage `two`, want target update run "
        "`first` and stage `one`"
    )
    assert agents.effects == []


async def test_requests_go_with_their_run(hub: Hub, prepare: Prepare) -> None:
    await waiting_after(hub, prepare)
    await hub.delete(hub.scope.run, "first")
    await hub.until(lambda: hub.find(hub.scope.run, "first") is None)
    assert hub.all(ClusterApprovalRequest) == []


async def test_a_request_that_others_hold_does_not_hold_its_run(hub: Hub, prepare: Prepare) -> None:
    await waiting_after(hub, prepare)
    await hub.edit(ClusterApprovalRequest, "first-one", {"metadata": {"finalizers": ["example.com/collector"]}})
    await hub.delete(hub.scope.run, "first")
    await hub.until(lambda: hub.find(hub.scope.run, "first") is None)
    assert hub.get(ClusterApprovalRequest, "first-one").metadata.deletion_timestamp


class TestKubeFleet:
    """The names and words of the other dialect."""

    @pytest.fixture
    def settings(self) -> PlacementSettings:
        return PlacementSettings(dialect=DIALECTS["kubefleet"])

    async def test_names_and_reasons(self, hub: Hub, agents: FakeAgents) -> None:
        await hub.join("a")
        await hub.configure("content")
        await hub.place()
        await hub.until(lambda: hub.is_placement("Scheduled", "True"))
        await hub.plan(stage("one", APPROVAL, after=[APPROVAL]))
        await hub.start()
        await hub.approve("first-before-one")
        await hub.approve("first-after-one")
        await hub.succeeded()
        (one,) = hub.status().stages_status
        for task in (*one.before_stage_task_status, *one.after_stage_task_status):
            assert [(c.reason, c.message) for c in task.conditions] == [
                ("StageTaskApprovalRequestCreated", "ApprovalRequest object is created"),
                ("StageTaskApprovalRequestApproved", "ApprovalRequest object is approved"),
            ]


async def test_the_words_of_the_documentation(hub: Hub, prepare: Prepare) -> None:
    await waiting_before(hub, prepare)
    await hub.approve("first-before-one")
    await hub.succeeded()
    (task,) = hub.status().stages_status[0].before_stage_task_status
    assert [(c.type, c.reason, c.message) for c in task.conditions] == [
        (
            "ApprovalRequestCreated",
            "AfterStageTaskApprovalRequestCreated",
            "ClusterApprovalRequest is created",
        ),
        (
            "ApprovalRequestApproved",
            "AfterStageTaskApprovalRequestApproved",
            "ClusterApprovalRequest is approved",
        ),
    ]
