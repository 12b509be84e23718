"""What users see of a run: conditions, times and tasks, made from a decision of the engine.

Pure. Types, reasons and messages are KubeFleet's (reference, section 2.13); the dialect chooses
where sources differ. Conditions keep the time of their last change of status, and everything is
observed at the run's present generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from echelon.api import names
from echelon.api.conditions import (
    APPROVAL_REQUEST_APPROVED,
    APPROVAL_REQUEST_CREATED,
    CLUSTER_FAILED,
    CLUSTER_SKIPPED,
    CLUSTER_STARTED,
    CLUSTER_SUCCEEDED,
    INITIALIZED,
    PROGRESSING,
    RUN_FAILED,
    RUN_INITIALIZE_FAILED,
    RUN_INITIALIZED,
    RUN_PROGRESSING,
    RUN_STOPPED,
    RUN_STOPPING,
    RUN_STUCK,
    RUN_SUCCEEDED,
    RUN_WAITING,
    RUN_WAITING_FOR_PLACEMENT,
    STAGE_FAILED,
    STAGE_SKIPPED_NO_CLUSTERS,
    STAGE_STARTED,
    STAGE_STOPPED,
    STAGE_STOPPING,
    STAGE_SUCCEEDED,
    STAGE_WAIT_ELAPSED,
    STAGE_WAITING,
    STARTED,
    SUCCEEDED,
    WAIT_TIME_ELAPSED,
    find_condition,
    observe,
    set_condition,
)
from echelon.api.meta import Condition, ConditionStatus, format_time
from echelon.api.staged import (
    ClusterUpdatingStatus,
    StageTaskStatus,
    StageUpdatingStatus,
    UpdateRunStatus,
)
from echelon.placement.dialect import Dialect
from echelon.rollout import (
    GateProgress,
    GateState,
    Progress,
    StageProgress,
    State,
    TargetProgress,
    TargetState,
    WaitState,
)

STUCK_AFTER = timedelta(minutes=5)
_NAMED = 3
_ABORTED = "cannot continue the updateRun: "
_VALIDATION = f"{_ABORTED}failed to validate the updateRun: "
_LATECOMERS = "; joined since, and not part of this run: "


Part = TypeVar("Part", ClusterUpdatingStatus, StageTaskStatus)


class Writer(msgspec.Struct, frozen=True):
    """What every condition of one pass shares."""

    generation: int
    now: datetime
    dialect: Dialect
    approval_kind: str

    def put(
        self, conditions: Sequence[Condition], type_: str, status: ConditionStatus, reason: str, message: str
    ) -> tuple[Condition, ...]:
        """The conditions with this one set."""
        condition = Condition(type_, status, reason, message, observed_generation=self.generation)
        return set_condition(conditions, condition, self.now)


# -- before and after ---------------------------------------------------------------------------


def initialized(writer: Writer, before: Sequence[Condition]) -> tuple[Condition, ...]:
    """Conditions of a run that is ready to go."""
    return writer.put(before, INITIALIZED, "True", RUN_INITIALIZED, "The UpdateRun initialized successfully")


def not_initialized(writer: Writer, before: Sequence[Condition], problem: str) -> tuple[Condition, ...]:
    """Conditions of a run that can never go."""
    return writer.put(before, INITIALIZED, "False", RUN_INITIALIZE_FAILED, _VALIDATION + problem)


def waiting_to_initialize(writer: Writer, before: Sequence[Condition], obstacle: str) -> tuple[Condition, ...]:
    """Conditions of a run that waits for its placement to be scheduled."""
    message = f"The UpdateRun waits until the placement is scheduled: {obstacle}"
    return writer.put(before, INITIALIZED, "Unknown", RUN_WAITING_FOR_PLACEMENT, message)


def aborted(writer: Writer, status: UpdateRunStatus, problem: str) -> UpdateRunStatus:
    """The status of a run that something on the hub made impossible: it and the stage that was under way have failed.

    Members that were being updated stay as they are shown: what they were given reaches them all the same.
    """
    message = problem if problem.startswith(_ABORTED) else _ABORTED + problem
    deletion = status.deletion_stage_status
    return msgspec.structs.replace(
        status,
        stages_status=tuple(_stage_aborted(writer, stage, message) for stage in status.stages_status),
        deletion_stage_status=None if deletion is None else _stage_aborted(writer, deletion, message),
        conditions=_failed(writer, status.conditions, message),
    )


def _stage_aborted(writer: Writer, stage: StageUpdatingStatus, message: str) -> StageUpdatingStatus:
    """A stage of a run that has come to its end; one that has not begun, or is over, is as it was."""
    conditions = stage.conditions
    if find_condition(conditions, PROGRESSING) is None or find_condition(conditions, SUCCEEDED) is not None:
        return stage
    return msgspec.structs.replace(
        stage, conditions=_stage_failed(writer, conditions, message), end_time=format_time(writer.now)
    )


def _stage_failed(writer: Writer, conditions: Sequence[Condition], message: str) -> tuple[Condition, ...]:
    text = "Stage update aborted due to a non-recoverable error"
    conditions = writer.put(conditions, PROGRESSING, "False", STAGE_FAILED, text)
    return writer.put(conditions, SUCCEEDED, "False", STAGE_FAILED, message)


def _failed(writer: Writer, before: Sequence[Condition], message: str) -> tuple[Condition, ...]:
    text = "The stages are aborted due to a non-recoverable error"
    conditions = writer.put(before, PROGRESSING, "False", RUN_FAILED, text)
    return writer.put(conditions, SUCCEEDED, "False", RUN_FAILED, message)


def observed(status: UpdateRunStatus, generation: int) -> UpdateRunStatus:
    """The status with every condition observed at that generation: a change of the run's state is taken note of."""

    def stage(found: StageUpdatingStatus) -> StageUpdatingStatus:
        return msgspec.structs.replace(
            found,
            conditions=observe(found.conditions, generation),
            clusters=tuple(_observe_part(cluster, generation) for cluster in found.clusters),
            before_stage_task_status=tuple(_observe_part(t, generation) for t in found.before_stage_task_status),
            after_stage_task_status=tuple(_observe_part(t, generation) for t in found.after_stage_task_status),
        )

    deletion = status.deletion_stage_status
    return msgspec.structs.replace(
        status,
        conditions=observe(status.conditions, generation),
        stages_status=tuple(stage(found) for found in status.stages_status),
        deletion_stage_status=None if deletion is None else stage(deletion),
    )


def _observe_part(part: Part, generation: int) -> Part:
    return msgspec.structs.replace(part, conditions=observe(part.conditions, generation))


# -- on the way ---------------------------------------------------------------------------------


def report(
    writer: Writer,
    before: UpdateRunStatus,
    progress: Progress,
    requested: frozenset[str],
    latecomers: Sequence[str] = (),
) -> UpdateRunStatus:
    """The status of a run, from where it stands.

    Args:
        writer: generation, time and dialect.
        before: the status as it was.
        progress: of the engine's decision, in the shape of the run's plan.
        requested: names of the approval requests that exist.
        latecomers: members that the placement selects and the run does not know.
    """
    found = list(before.stages_status)
    if before.deletion_stage_status is not None:
        found.append(before.deletion_stage_status)
    stages = [
        _stage(writer, stage, part, progress, requested) for stage, part in zip(found, progress.stages, strict=True)
    ]
    deletion = stages.pop() if before.deletion_stage_status is not None else None
    return msgspec.structs.replace(
        before,
        stages_status=tuple(stages),
        deletion_stage_status=deletion,
        conditions=_with_latecomers(_run_conditions(writer, before.conditions, progress), latecomers),
    )


def _with_latecomers(conditions: Sequence[Condition], latecomers: Sequence[str]) -> tuple[Condition, ...]:
    """The conditions of a run; how it goes on says, too, who is left out, without a write for each of many."""
    more = " and others" if len(latecomers) > _NAMED else ""
    note = f"{_LATECOMERS}{', '.join(latecomers[:_NAMED])}{more}" if latecomers else ""
    return tuple(
        msgspec.structs.replace(condition, message=plain_message(condition) + note)
        if condition.type == PROGRESSING
        else condition
        for condition in conditions
    )


def plain_message(condition: Condition) -> str:
    """The message of a condition of a run without the members that it leaves out."""
    return condition.message.partition(_LATECOMERS)[0]


def stuck_at(progress: Progress, now: datetime) -> datetime | None:
    """When the next of the members that are being updated will have taken suspiciously long."""
    moments = (target.started_at + STUCK_AFTER for _, target in _running(progress) if target.started_at is not None)
    return min((moment for moment in moments if moment > now), default=None)


def updating(progress: Progress) -> list[TargetProgress]:
    """The members that are being updated, those that are being emptied aside."""
    return [target for stage, target in _running(progress) if stage.name != names.DELETE_STAGE]


def _running(progress: Progress) -> list[tuple[StageProgress, TargetProgress]]:
    return [
        (stage, target)
        for stage in progress.stages
        for group in stage.groups
        for target in group.targets
        if target.state is TargetState.RUNNING
    ]


def _run_conditions(writer: Writer, before: Sequence[Condition], progress: Progress) -> tuple[Condition, ...]:
    match progress.state:
        case State.NOT_STARTED:
            return tuple(before)
        case State.COMPLETED | State.SKIPPED:
            conditions = writer.put(before, PROGRESSING, "False", RUN_SUCCEEDED, "All stages are completed")
            return writer.put(conditions, SUCCEEDED, "True", RUN_SUCCEEDED, "All stages are completed successfully")
        case State.FAILED:
            return _failed(writer, before, _ABORTED + _first_failure(progress))
        case State.STOPPING if progress.failure_count:
            return _progressing(writer, before, progress)
        case State.STOPPING:
            message = (
                "The update run is the process of stopping, waiting for all the updating/deleting clusters to finish "
                "updating before completing the stop process"
            )
            return writer.put(before, PROGRESSING, "Unknown", RUN_STOPPING, message)
        case State.STOPPED:
            return writer.put(before, PROGRESSING, "False", RUN_STOPPED, "The update run has been stopped")
        case _:
            return _progressing(writer, before, progress)


def _first_failure(progress: Progress) -> str:
    for stage in progress.stages:
        for group in stage.groups:
            for target in group.targets:
                if target.state is TargetState.FAILED:
                    return target.message
    return "a cluster has failed"


def _progressing(writer: Writer, before: Sequence[Condition], progress: Progress) -> tuple[Condition, ...]:
    stuck = [
        (stage, target)
        for stage, target in _running(progress)
        if target.started_at is not None and writer.now - target.started_at >= STUCK_AFTER
    ]
    if stuck:
        stage, clusters = stuck[0][0].name, ", ".join(target.name for _, target in stuck[:_NAMED])
        more = "..." if len(stuck) > _NAMED else ""
        message = (
            f"The updateRun is stuck waiting for {clusters}{more} cluster(s) in stage {stage} to finish updating, "
            "please check placement status for potential errors"
        )
        return writer.put(before, PROGRESSING, "False", RUN_STUCK, message)
    waiting = next((stage for stage in progress.stages if _waits_for(stage)), None)
    if waiting is not None:
        message = f"The updateRun is waiting for {_waits_for(waiting)} tasks in stage {waiting.name} to complete"
        return writer.put(before, PROGRESSING, "False", RUN_WAITING, message)
    return writer.put(before, PROGRESSING, "True", RUN_PROGRESSING, "The update run is making progress")


def _waits_for(stage: StageProgress) -> str | None:
    """Which tasks a stage waits for: before-stage or after-stage."""
    if any(gate.state is GateState.PENDING for gate in stage.before):
        return "before-stage"
    after = any(gate.state is GateState.PENDING for gate in stage.after)
    wait = stage.wait is not None and stage.wait.state is WaitState.RUNNING
    return "after-stage" if after or wait else None


def _stage(
    writer: Writer, before: StageUpdatingStatus, stage: StageProgress, progress: Progress, requested: frozenset[str]
) -> StageUpdatingStatus:
    (group,) = stage.groups
    conditions = _stage_conditions(writer, before, stage, progress)
    started = find_condition(conditions, PROGRESSING) is not None and not _waits_before(stage)
    ended = find_condition(conditions, SUCCEEDED) is not None
    moment = format_time(writer.now)
    updating = any(target.started_at is not None for target in group.targets) or ended
    return msgspec.structs.replace(
        before,
        clusters=tuple(
            _cluster(writer, cluster, target, delete=stage.name == names.DELETE_STAGE)
            for cluster, target in zip(before.clusters, group.targets, strict=True)
        ),
        before_stage_task_status=_tasks(writer, before.before_stage_task_status, stage.before, stage, requested),
        after_stage_task_status=_tasks(writer, before.after_stage_task_status, stage.after, stage, requested),
        start_time=before.start_time or (moment if started and updating else None),
        end_time=before.end_time or (moment if ended else None),
        conditions=conditions,
    )


def _waits_before(stage: StageProgress) -> bool:
    return any(gate.state is GateState.PENDING for gate in stage.before)


def _stage_conditions(
    writer: Writer, before: StageUpdatingStatus, stage: StageProgress, progress: Progress
) -> tuple[Condition, ...]:
    conditions = before.conditions
    if find_condition(conditions, SUCCEEDED) is not None:
        return conditions
    match stage.state:
        case State.NOT_STARTED:
            return _stopped_before_start(writer, conditions, stage, progress)
        case State.SKIPPED if not before.clusters and stage.name != names.DELETE_STAGE:
            return _stage_ended(
                writer, conditions, STAGE_SKIPPED_NO_CLUSTERS, "Stage skipped because it has no clusters"
            )
        case State.COMPLETED | State.SKIPPED:
            return _stage_ended(writer, conditions, STAGE_SUCCEEDED, "Stage update completed successfully")
        case State.FAILED:
            return _stage_failed(writer, conditions, _ABORTED + _first_failure(progress))
        case State.STOPPING if not progress.failure_count:
            message = "Waiting for all the updating clusters to finish updating before completing the stop process"
            return writer.put(conditions, PROGRESSING, "Unknown", STAGE_STOPPING, message)
        case State.STOPPED:
            return _stage_stopped(writer, conditions)
        case _:
            return _stage_progressing(writer, conditions, stage)


def _stopped_before_start(
    writer: Writer, conditions: Sequence[Condition], stage: StageProgress, progress: Progress
) -> tuple[Condition, ...]:
    """The stage that is next when a run stops is shown as stopped, though nothing of it has begun."""
    if progress.state is not State.STOPPED:
        return tuple(conditions)
    following = next((s for s in progress.stages if s.state not in (State.COMPLETED, State.SKIPPED)), None)
    return _stage_stopped(writer, conditions) if following is stage else tuple(conditions)


def _stage_stopped(writer: Writer, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    message = "All the updating clusters have finished updating, the stage is now stopped, waiting to be resumed"
    return writer.put(conditions, PROGRESSING, "False", STAGE_STOPPED, message)


def _stage_ended(writer: Writer, conditions: Sequence[Condition], reason: str, message: str) -> tuple[Condition, ...]:
    text = "All clusters in the stage are updated and after-stage tasks are completed"
    conditions = writer.put(conditions, PROGRESSING, "False", reason, message if reason != STAGE_SUCCEEDED else text)
    return writer.put(conditions, SUCCEEDED, "True", reason, message)


def _stage_progressing(writer: Writer, conditions: Sequence[Condition], stage: StageProgress) -> tuple[Condition, ...]:
    match _waits_for(stage):
        case "before-stage":
            message = "Not all before-stage tasks are completed, waiting for approval"
            return writer.put(conditions, PROGRESSING, "False", STAGE_WAITING, message)
        case "after-stage":
            message = "All clusters in the stage are updated, waiting for after-stage tasks to complete"
            return writer.put(conditions, PROGRESSING, "False", STAGE_WAITING, message)
        case _:
            return writer.put(conditions, PROGRESSING, "True", STAGE_STARTED, "Clusters in the stage started updating")


def _cluster(
    writer: Writer, before: ClusterUpdatingStatus, target: TargetProgress, *, delete: bool
) -> ClusterUpdatingStatus:
    conditions: Sequence[Condition] = before.conditions
    if find_condition(conditions, SUCCEEDED) is not None:
        return before
    updated = target.state in (TargetState.RUNNING, TargetState.COMPLETED, TargetState.FAILED)
    if updated and (target.started_at is not None or delete):
        conditions = writer.put(conditions, STARTED, "True", CLUSTER_STARTED, "Cluster update started")
    match target.state:
        case TargetState.COMPLETED:
            message = "Cluster update completed successfully"
            conditions = writer.put(conditions, SUCCEEDED, "True", CLUSTER_SUCCEEDED, message)
        case TargetState.FAILED:
            conditions = writer.put(conditions, SUCCEEDED, "False", CLUSTER_FAILED, target.message)
        case TargetState.SKIPPED:
            conditions = writer.put(conditions, SUCCEEDED, "True", CLUSTER_SKIPPED, target.message)
        case _:
            pass
    return msgspec.structs.replace(before, conditions=tuple(conditions))


def _tasks(
    writer: Writer,
    before: Sequence[StageTaskStatus],
    gates: Sequence[GateProgress],
    stage: StageProgress,
    requested: frozenset[str],
) -> tuple[StageTaskStatus, ...]:
    approvals = iter(gates)
    return tuple(
        _approval_task(writer, task, next(approvals), requested)
        if task.type == "Approval"
        else _wait_task(writer, task, stage)
        for task in before
    )


def _approval_task(
    writer: Writer, before: StageTaskStatus, gate: GateProgress, requested: frozenset[str]
) -> StageTaskStatus:
    conditions: Sequence[Condition] = before.conditions
    if gate.state is GateState.COMPLETED or before.approval_request_name in requested:
        conditions = _task_condition(writer, conditions, APPROVAL_REQUEST_CREATED, writer.dialect.approval_created)
    if gate.state is GateState.COMPLETED:
        conditions = _task_condition(writer, conditions, APPROVAL_REQUEST_APPROVED, writer.dialect.approval_given)
    return msgspec.structs.replace(before, conditions=tuple(conditions))


def _task_condition(
    writer: Writer, conditions: Sequence[Condition], type_: str, words: tuple[str, str]
) -> tuple[Condition, ...]:
    if find_condition(conditions, type_) is not None:
        return tuple(conditions)
    reason, message = words
    return writer.put(conditions, type_, "True", reason, message.format(kind=writer.approval_kind))


def _wait_task(writer: Writer, before: StageTaskStatus, stage: StageProgress) -> StageTaskStatus:
    if stage.wait is None or stage.wait.state is not WaitState.COMPLETED:
        return before
    if find_condition(before.conditions, WAIT_TIME_ELAPSED) is not None:
        return before
    conditions = writer.put(before.conditions, WAIT_TIME_ELAPSED, "True", STAGE_WAIT_ELAPSED, "Wait time elapsed")
    return msgspec.structs.replace(before, conditions=conditions)
