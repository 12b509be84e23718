"""A staged run in the words of the rollout engine.

Pure. The status of an initialised run gives the plan (which never changes) and the progress; what
is observed on the hub gives the facts. A stage is a stage with one group; its approval tasks are
gates, its timed wait is the stage's wait, and the delete stage is the last stage, whose targets are
not updated but emptied.

Times in a status are whole seconds, rounded down. Where a wait is counted from such a time, the
second it may lack is added: a wait is never shorter than it was set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from echelon.api import names
from echelon.api.conditions import (
    APPROVAL_REQUEST_APPROVED,
    APPROVAL_REQUEST_CREATED,
    CLUSTER_SKIPPED,
    INITIALIZED,
    PROGRESSING,
    STARTED,
    SUCCEEDED,
    WAIT_TIME_ELAPSED,
    find_condition,
)
from echelon.api.meta import Condition, parse_time
from echelon.api.staged import (
    ClusterUpdatingStatus,
    StageConfig,
    StageTaskStatus,
    StageUpdatingStatus,
    UpdateRunStatus,
)
from echelon.placement.durations import parse_duration
from echelon.rollout import (
    Gate,
    GateProgress,
    GateReference,
    GateState,
    Group,
    GroupProgress,
    Limit,
    Plan,
    Progress,
    Stage,
    StageProgress,
    TargetProgress,
    TargetState,
    Timing,
    WaitProgress,
    WaitState,
)

APPROVAL = "approval"
_ROUNDING = timedelta(seconds=1)
_NO_FAILURE = Limit(0)


def plan_of(status: UpdateRunStatus) -> Plan:
    """The plan of an initialised run. Raises ``rollout.InvalidPlan`` when the status is not one."""
    strategy = status.staged_update_strategy_snapshot
    configs = () if strategy is None else strategy.stages
    stages = [_stage(config, found) for config, found in zip(configs, status.stages_status, strict=True)]
    if status.deletion_stage_status is not None:
        group = Group(names.DELETE_STAGE, _targets(status.deletion_stage_status, delete=True))
        stages.append(Stage(names.DELETE_STAGE, (group,)))
    return Plan(tuple(stages))


def _stage(config: StageConfig, found: StageUpdatingStatus) -> Stage:
    wait = next((task.wait_time for task in config.after_stage_tasks if task.type == "TimedWait"), None)
    return Stage(
        name=config.name,
        groups=(
            Group(
                config.name,
                _targets(found, delete=False),
                max_concurrency=Limit.parse(config.max_concurrency),
                max_failures=_NO_FAILURE,
            ),
        ),
        before=_gates(task.type for task in config.before_stage_tasks),
        after=_gates(task.type for task in config.after_stage_tasks),
        wait=parse_duration(wait) if wait else timedelta(0),
    )


def _gates(types: Iterable[str]) -> tuple[Gate, ...]:
    return tuple(Gate(APPROVAL) for type_ in types if type_ == "Approval")


def target_name(cluster: str, *, delete: bool) -> str:
    """A member as a target. One that is to be emptied may be in a stage too, so its name is another."""
    return f"delete:{cluster}" if delete else cluster


def cluster_name(target: str) -> str:
    """The member of a target."""
    return target.removeprefix("delete:")


def _targets(found: StageUpdatingStatus, *, delete: bool) -> tuple[str, ...]:
    return tuple(target_name(cluster.cluster_name, delete=delete) for cluster in found.clusters)


def gate_reference(stage: str, timing: Timing) -> GateReference:
    """The approval before or after a stage."""
    return GateReference(stage, None, timing, APPROVAL)


def progress_of(plan: Plan, status: UpdateRunStatus) -> Progress:
    """How far the run was when its status was written."""
    begun = find_condition(status.conditions, PROGRESSING)
    if begun is None:
        return Progress(stages=tuple(_stage_progress(stage, found) for stage, found in _pairs(plan, status)))
    initialized = find_condition(status.conditions, INITIALIZED)
    return Progress(
        attempt=1,
        started_at=_moment(initialized or begun),
        stages=tuple(_stage_progress(stage, found) for stage, found in _pairs(plan, status)),
    )


def _pairs(plan: Plan, status: UpdateRunStatus) -> Iterable[tuple[Stage, StageUpdatingStatus]]:
    found = list(status.stages_status)
    if status.deletion_stage_status is not None:
        found.append(status.deletion_stage_status)
    return zip(plan.stages, found, strict=True)


def _moment(condition: Condition) -> datetime:
    return parse_time(condition.last_transition_time)


def _stage_progress(stage: Stage, found: StageUpdatingStatus) -> StageProgress:
    reached = find_condition(found.conditions, PROGRESSING)
    started = parse_time(found.start_time) if found.start_time else None
    ended = parse_time(found.end_time) if found.end_time else None
    (group,) = stage.groups
    targets = tuple(
        _target_progress(name, cluster) for name, cluster in zip(group.targets, found.clusters, strict=True)
    )
    return StageProgress(
        name=stage.name,
        started_at=started or (_moment(reached) if reached is not None else None),
        ended_at=ended,
        before=tuple(_gate_progress(stage.before, found.before_stage_task_status)),
        after=tuple(_gate_progress(stage.after, found.after_stage_task_status)),
        wait=_wait_progress(stage, found, targets),
        groups=(GroupProgress(name=group.name, started_at=started, ended_at=ended, targets=targets),),
    )


def _target_progress(name: str, cluster: ClusterUpdatingStatus) -> TargetProgress:
    started = find_condition(cluster.conditions, STARTED)
    ended = find_condition(cluster.conditions, SUCCEEDED)
    started_at = None if started is None else _moment(started)
    if ended is not None:
        if ended.status == "False":
            state = TargetState.FAILED
        else:
            state = TargetState.SKIPPED if ended.reason == CLUSTER_SKIPPED else TargetState.COMPLETED
        return TargetProgress(
            name,
            state,
            attempt=1 if started is not None else 0,
            observed=started is not None,
            started_at=started_at,
            ended_at=_moment(ended),
            message=ended.message if state is not TargetState.COMPLETED else "",
        )
    if started is not None:
        return TargetProgress(name, TargetState.RUNNING, attempt=1, observed=True, started_at=started_at)
    return TargetProgress(name)


def _gate_progress(gates: Iterable[Gate], tasks: Iterable[StageTaskStatus]) -> Iterable[GateProgress]:
    approvals = [task for task in tasks if task.type == "Approval"]
    for gate, task in zip(gates, approvals, strict=True):
        created = find_condition(task.conditions, APPROVAL_REQUEST_CREATED)
        given = find_condition(task.conditions, APPROVAL_REQUEST_APPROVED)
        if given is not None:
            yield GateProgress(gate.name, GateState.COMPLETED, _moment(created or given), _moment(given))
        elif created is not None:
            yield GateProgress(gate.name, GateState.PENDING, _moment(created))
        else:
            yield GateProgress(gate.name)


def _wait_progress(
    stage: Stage, found: StageUpdatingStatus, targets: tuple[TargetProgress, ...]
) -> WaitProgress | None:
    """The wait counts from the moment the last member was done, whatever stopped the run meanwhile."""
    if not stage.wait:
        return None
    for task in found.after_stage_task_status:
        elapsed = find_condition(task.conditions, WAIT_TIME_ELAPSED)
        if elapsed is not None:
            return WaitProgress(WaitState.COMPLETED, ended_at=_moment(elapsed))
    ends = [target.ended_at for target in targets]
    if not ends or None in ends:
        return WaitProgress()
    since = max(moment for moment in ends if moment is not None) + _ROUNDING
    return WaitProgress(WaitState.RUNNING, started_at=since, until=since + stage.wait)


def ended_targets(progress: Progress) -> Mapping[str, TargetProgress]:
    """The targets that have ended, by name."""
    return {
        target.name: target
        for stage in progress.stages
        for group in stage.groups
        for target in group.targets
        if target.state in (TargetState.COMPLETED, TargetState.FAILED, TargetState.SKIPPED)
    }
