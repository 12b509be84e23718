"""A run as an outline: states, times and notes from what its status says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from echelon.api.binding import ClusterResourceBinding, ResourceBindingSpec, ResourceBindingStatus
from echelon.api.conditions import INITIALIZED, PROGRESSING, SUCCEEDED
from echelon.api.meta import Condition, ObjectMeta
from echelon.api.placement import FailedResourcePlacement
from echelon.api.snapshot import ClusterDecision
from echelon.api.staged import ClusterStagedUpdateRun, StageTask
from echelon.explain.outline import Item, Part, State, is_over, outline, parse_wait, what_is_rolled_out

from ..cli import runs
from ..cli.runs import at, condition

LATECOMER = "The update run is making progress; joined since, and not part of this run: d"


def states(item: Item) -> dict[str, str]:
    """The state of each part by its name."""
    found = {item.name: item.state.value}
    for child in item.items:
        found |= states(child)
    return found


@pytest.mark.parametrize(
    ("run", "state", "note"),
    [
        pytest.param(runs.run(), State.NOT_STARTED, "no controller of the hub has seen it yet", id="unseen"),
        pytest.param(
            runs.run([], condition(INITIALIZED, "Unknown", "UpdateRunWaitingForPlacement", 0, "not scheduled")),
            State.WAITING,
            "not scheduled",
            id="placement-not-scheduled",
        ),
        pytest.param(
            runs.run([], condition(INITIALIZED, "False", "UpdateRunInitializedFailed", 0, "no strategy")),
            State.FAILED,
            "no strategy",
            id="not-initialized",
        ),
        pytest.param(
            runs.run([], runs.INITIALIZED_OK, state="Initialize"),
            State.NOT_STARTED,
            "initialized only: set spec.state to Run to start it",
            id="initialized-only",
        ),
        pytest.param(
            runs.run([], runs.INITIALIZED_OK, condition(PROGRESSING, "Unknown", "UpdateRunStopping", 1)),
            State.STOPPING,
            "",
            id="stopping",
        ),
        pytest.param(
            runs.run([], runs.INITIALIZED_OK, condition(PROGRESSING, "False", "UpdateRunStopped", 1)),
            State.STOPPED,
            "",
            id="stopped",
        ),
        pytest.param(
            runs.run([], runs.INITIALIZED_OK, condition(PROGRESSING, "False", "UpdateRunStuck", 1)),
            State.STUCK,
            "",
            id="stuck",
        ),
        pytest.param(
            runs.run([], runs.INITIALIZED_OK, condition(PROGRESSING, "True", "UpdateRunProgressing", 1, LATECOMER)),
            State.UPDATING,
            "joined since, and not part of this run: d",
            id="members-joined",
        ),
        pytest.param(
            runs.run(
                [],
                runs.INITIALIZED_OK,
                condition(PROGRESSING, "False", "UpdateRunSucceeded", 1, LATECOMER),
                condition(SUCCEEDED, "True", "UpdateRunSucceeded", 1),
            ),
            State.DONE,
            "joined since, and not part of this run: d",
            id="members-joined-and-over",
        ),
        pytest.param(runs.in_timed_wait(), State.WAITING, "", id="waiting"),
        pytest.param(runs.in_second_stage(), State.UPDATING, "", id="updating"),
        pytest.param(runs.succeeded(), State.DONE, "", id="succeeded"),
        pytest.param(runs.failed(), State.FAILED, "cannot continue the updateRun", id="failed"),
    ],
)
def test_state_of_a_run(run: ClusterStagedUpdateRun, state: State, note: str) -> None:
    item = outline(run)
    assert (item.state, item.note) == (state, note)
    assert is_over(run) is (state in (State.DONE, State.FAILED))


def test_a_timed_wait_ends_as_the_hub_counts_it() -> None:
    staging = outline(runs.in_timed_wait()).items[0]
    (wait,) = [item for item in staging.items if item.part is Part.WAIT]
    assert wait.name == "wait 1m30s"
    assert (wait.state, wait.since, wait.until) == (State.WAITING, at(4), at(94))


def test_a_wait_has_no_end_before_all_members_are_done() -> None:
    stage = runs.stage("staging", [runs.updated("one", 1, 3), runs.updating("two", 3)], after=[runs.WAIT])
    (wait,) = [item for item in outline(runs.run([stage])).items[0].items if item.part is Part.WAIT]
    assert (wait.state, wait.since, wait.until) == (State.NOT_STARTED, None, None)


def test_parts_of_a_run_on_its_way() -> None:
    assert states(outline(runs.in_second_stage())) == {
        "rollout-1": "updating",
        "staging": "done",
        "one": "done",
        "wait 1m30s": "done",
        "canary": "updating",
        "two": "done",
        "three": "updating",
        "rollout-1-canary": "not started",
    }


def test_tasks_before_a_stage_stand_before_its_members() -> None:
    stage = runs.stage("staging", [runs.member("one")], before=[runs.approval("rollout-1-before-staging", 1)])
    approval, member = outline(runs.run([stage])).items[0].items
    assert (approval.part, approval.state, approval.since) == (Part.APPROVAL, State.WAITING, at(1))
    assert member.part is Part.MEMBER


def test_a_stage_without_members_is_skipped() -> None:
    stage = runs.stage("staging", [], condition(SUCCEEDED, "True", "StageUpdatingSkippedNoClusters", 1))
    found = outline(runs.run([stage])).items[0]
    assert (found.state, found.note) == (State.SKIPPED, "no member has its labels")


def test_a_member_that_left_is_skipped() -> None:
    left = runs.member("one", condition(SUCCEEDED, "True", "ClusterUpdatingSkipped", 1, "The cluster has left"))
    member = outline(runs.run([runs.stage("staging", [left])])).items[0].items[0]
    assert (member.state, member.note) == (State.SKIPPED, "The cluster has left")


def test_the_delete_stage_is_shown_when_it_has_members() -> None:
    empty = runs.stage("kubernetes-fleet.io/deleteStage", [])
    busy = runs.stage("kubernetes-fleet.io/deleteStage", [runs.updating("gone", 5)])
    assert outline(runs.run([], deletion=empty)).items == ()
    (removal,) = outline(runs.run([], deletion=busy)).items
    assert removal.name == "removal"
    assert removal.note == "members that the placement no longer selects"


def binding(*conditions: Condition, failed: tuple[FailedResourcePlacement, ...] = ()) -> ClusterResourceBinding:
    return ClusterResourceBinding(
        metadata=ObjectMeta(name="b", generation=1),
        spec=ResourceBindingSpec(
            state="Bound",
            resource_snapshot_name="web-4-snapshot",
            scheduling_policy_snapshot_name="web-0",
            target_cluster="three",
            cluster_decision=ClusterDecision(cluster_name="three", selected=True, reason=""),
        ),
        status=ResourceBindingStatus(conditions=conditions, failed_placements=failed),
    )


STARTED = condition("RolloutStarted", "True", "RolloutStarted", 95)
OVERRIDDEN = condition("Overridden", "True", "NoOverrideSpecified", 95)
SYNCHRONIZED = condition("WorkSynchronized", "True", "AllWorkSynced", 95)
APPLIED = condition("Applied", "True", "AllWorkHaveBeenApplied", 95)


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (binding(), "it gets its snapshot"),
        (binding(STARTED), "its work is being written"),
        (binding(STARTED, OVERRIDDEN, SYNCHRONIZED), "the member applies its objects"),
        (binding(STARTED, OVERRIDDEN, SYNCHRONIZED, APPLIED), "applied; until all is available"),
        (binding(msgspec.structs.replace(STARTED, observed_generation=0)), "it gets its snapshot"),
        (
            binding(STARTED, OVERRIDDEN, condition("WorkSynchronized", "False", "SyncWorkFailed", 95, "too large")),
            "too large",
        ),
        (
            binding(
                STARTED,
                failed=(
                    FailedResourcePlacement(
                        version="v1",
                        kind="ConfigMap",
                        name="settings",
                        namespace="shop",
                        condition=condition("Applied", "False", "ManifestApplyFailed", 95, "it is immutable"),
                    ),
                ),
            ),
            "ConfigMap shop/settings: it is immutable",
        ),
    ],
)
def test_what_a_member_that_is_being_updated_is_at(found: ClusterResourceBinding, note: str) -> None:
    canary = outline(runs.in_second_stage(), [found]).items[1]
    three = next(item for item in canary.items if item.name == "three")
    assert (three.state, three.note) == (State.UPDATING, note)


def test_what_is_rolled_out() -> None:
    assert what_is_rolled_out(runs.in_timed_wait()) == "web, snapshot 4"
    assert what_is_rolled_out(runs.run()) == "web, newest snapshot"


@pytest.mark.parametrize(
    ("text", "seconds"), [("2s", 2), ("1h30m", 5400), ("0.5s", 0.5), ("1m0s", 60), ("", 0), ("soon", 0)]
)
def test_waits_are_read(text: str, seconds: float) -> None:
    assert parse_wait(text) == timedelta(seconds=seconds)


def test_a_wait_longer_than_time_never_ends() -> None:
    run = runs.in_timed_wait()
    stages = tuple(
        msgspec.structs.replace(stage, after_stage_tasks=(StageTask(type="TimedWait", wait_time="9999999999h"),))
        for stage in runs.STRATEGY.stages
    )
    strategy = msgspec.structs.replace(runs.STRATEGY, stages=stages)
    status = msgspec.structs.replace(run.status, staged_update_strategy_snapshot=strategy)
    staging = outline(msgspec.structs.replace(run, status=status)).items[0]
    assert staging.items[1].until == datetime.max.replace(tzinfo=UTC)
