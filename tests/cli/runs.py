"""Runs of a two-stage strategy at the moments that a tree shows differently."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from echelon.api.conditions import (
    APPROVAL_REQUEST_APPROVED,
    APPROVAL_REQUEST_CREATED,
    INITIALIZED,
    PROGRESSING,
    STARTED,
    SUCCEEDED,
)
from echelon.api.meta import Condition, ConditionStatus, LabelSelector, ObjectMeta, format_time
from echelon.api.staged import (
    ClusterStagedUpdateRun,
    ClusterUpdatingStatus,
    RunState,
    StageConfig,
    StageTask,
    StageTaskStatus,
    StageUpdatingStatus,
    UpdateRunSpec,
    UpdateRunStatus,
    UpdateStrategySpec,
)

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
STRATEGY = UpdateStrategySpec(
    stages=(
        StageConfig(
            name="staging",
            label_selector=LabelSelector(match_labels={"environment": "staging"}),
            after_stage_tasks=(StageTask(type="TimedWait", wait_time="1m30s"),),
        ),
        StageConfig(
            name="canary",
            label_selector=LabelSelector(match_labels={"environment": "canary"}),
            after_stage_tasks=(StageTask(type="Approval"),),
        ),
    )
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def condition(type_: str, status: ConditionStatus, reason: str, seconds: float, message: str = "") -> Condition:
    return Condition(type_, status, reason, message, format_time(at(seconds)), observed_generation=1)


def member(name: str, *conditions: Condition) -> ClusterUpdatingStatus:
    return ClusterUpdatingStatus(cluster_name=name, conditions=conditions)


def updated(name: str, begun: float, ended: float) -> ClusterUpdatingStatus:
    return member(
        name,
        condition(STARTED, "True", "ClusterUpdatingStarted", begun),
        condition(SUCCEEDED, "True", "ClusterUpdatingSucceeded", ended),
    )


def updating(name: str, begun: float) -> ClusterUpdatingStatus:
    return member(name, condition(STARTED, "True", "ClusterUpdatingStarted", begun))


def stage(
    name: str,
    clusters: Sequence[ClusterUpdatingStatus],
    *conditions: Condition,
    before: Sequence[StageTaskStatus] = (),
    after: Sequence[StageTaskStatus] = (),
    began: float | None = None,
    ended: float | None = None,
) -> StageUpdatingStatus:
    return StageUpdatingStatus(
        stage_name=name,
        clusters=tuple(clusters),
        conditions=conditions,
        before_stage_task_status=tuple(before),
        after_stage_task_status=tuple(after),
        start_time=None if began is None else format_time(at(began)),
        end_time=None if ended is None else format_time(at(ended)),
    )


def approval(name: str, created: float | None = None, approved: float | None = None) -> StageTaskStatus:
    conditions = []
    if created is not None:
        conditions.append(condition(APPROVAL_REQUEST_CREATED, "True", "Created", created))
    if approved is not None:
        conditions.append(condition(APPROVAL_REQUEST_APPROVED, "True", "Approved", approved))
    return StageTaskStatus(type="Approval", approval_request_name=name, conditions=tuple(conditions))


WAIT = StageTaskStatus(type="TimedWait")
INITIALIZED_OK = condition(INITIALIZED, "True", "UpdateRunInitializedSuccessfully", 0)
WAITING = condition(PROGRESSING, "False", "UpdateRunWaiting", 3)
STAGE_WAITING = condition(PROGRESSING, "False", "StageUpdatingWaiting", 3)
STAGE_STARTED = condition(PROGRESSING, "True", "StageUpdatingStarted", 1)
STAGE_DONE = condition(SUCCEEDED, "True", "StageUpdatingSucceeded", 94)


def run(
    stages: Sequence[StageUpdatingStatus] = (),
    *conditions: Condition,
    deletion: StageUpdatingStatus | None = None,
    state: RunState | None = None,
    namespace: str = "",
) -> ClusterStagedUpdateRun:
    return ClusterStagedUpdateRun(
        metadata=ObjectMeta(name="rollout-1", namespace=namespace, generation=1, creation_timestamp=format_time(START)),
        spec=UpdateRunSpec(placement_name="web", staged_rollout_strategy_name="slow", state=state),
        status=UpdateRunStatus(
            resource_snapshot_index_used="4" if stages else "",
            staged_update_strategy_snapshot=STRATEGY if stages else None,
            stages_status=tuple(stages),
            deletion_stage_status=deletion,
            conditions=conditions,
        ),
    )


def in_timed_wait() -> ClusterStagedUpdateRun:
    """One member is updated, and the wait after its stage goes on."""
    return run(
        [
            stage("staging", [updated("one", 1, 3)], STAGE_WAITING, after=[WAIT], began=1),
            stage("canary", [member("two"), member("three")], after=[approval("rollout-1-canary")]),
        ],
        INITIALIZED_OK,
        WAITING,
    )


def in_second_stage() -> ClusterStagedUpdateRun:
    """The first stage is over, the second has updated one member and is at the other."""
    wait = StageTaskStatus(
        type="TimedWait", conditions=(condition("WaitTimeElapsed", "True", "AfterStageTaskWaitTimeElapsed", 94),)
    )
    return run(
        [
            stage("staging", [updated("one", 1, 3)], STAGE_DONE, after=[wait], began=1, ended=94),
            stage(
                "canary",
                [updated("two", 94, 95), updating("three", 95)],
                STAGE_STARTED,
                after=[approval("rollout-1-canary")],
                began=94,
            ),
        ],
        INITIALIZED_OK,
        condition(PROGRESSING, "True", "UpdateRunProgressing", 94),
    )


def waiting_for_approval() -> ClusterStagedUpdateRun:
    """Everything is updated; somebody has to approve."""
    return run(
        [
            stage("staging", [updated("one", 1, 3)], STAGE_DONE, began=1, ended=94),
            stage(
                "canary",
                [updated("two", 94, 95), updated("three", 95, 97)],
                STAGE_WAITING,
                after=[approval("rollout-1-canary", 97)],
                began=94,
            ),
        ],
        INITIALIZED_OK,
        WAITING,
    )


def succeeded() -> ClusterStagedUpdateRun:
    return run(
        [
            stage("staging", [updated("one", 1, 3)], STAGE_DONE, began=1, ended=94),
            stage(
                "canary",
                [updated("two", 94, 95), updated("three", 95, 97)],
                STAGE_DONE,
                after=[approval("rollout-1-canary", 97, 107)],
                began=94,
                ended=107,
            ),
        ],
        INITIALIZED_OK,
        condition(SUCCEEDED, "True", "UpdateRunSucceeded", 107),
    )


def failed() -> ClusterStagedUpdateRun:
    """The second member failed."""
    broken = member(
        "two",
        condition(STARTED, "True", "ClusterUpdatingStarted", 94),
        condition(SUCCEEDED, "False", "ClusterUpdatingFailed", 96, "the binding of `two` is not up-to-date"),
    )
    return run(
        [
            stage("staging", [updated("one", 1, 3)], STAGE_DONE, began=1, ended=94),
            stage("canary", [broken, member("three")], condition(SUCCEEDED, "False", "StageUpdatingFailed", 96)),
        ],
        INITIALIZED_OK,
        condition(SUCCEEDED, "False", "UpdateRunFailed", 96, "cannot continue the updateRun"),
    )
