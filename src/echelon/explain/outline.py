"""A staged run as an outline: the run, its stages, their members and tasks, each with state and times.

Pure: the same run, bindings and moment give the same outline. It is made from what the run's status
says and nothing else, so it is right for any hub that speaks this API; the bindings only tell more
about a member that is being updated. ``tree`` shows an outline, ``waiting`` explains it.

Times in a status are whole seconds. A timed wait counts from the end of the second in which the
last member of its stage was done, as the hub counts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from echelon.api import names
from echelon.api.conditions import (
    APPLIED,
    APPROVAL_REQUEST_APPROVED,
    APPROVAL_REQUEST_CREATED,
    AVAILABLE,
    INITIALIZED,
    OVERRIDDEN,
    PROGRESSING,
    ROLLOUT_STARTED,
    RUN_STOPPED,
    RUN_STUCK,
    RUN_WAITING,
    STAGE_SKIPPED_NO_CLUSTERS,
    STAGE_STOPPED,
    STAGE_WAITING,
    STARTED,
    SUCCEEDED,
    WAIT_TIME_ELAPSED,
    WORK_SYNCHRONIZED,
    find_condition,
)
from echelon.api.meta import Condition, parse_time
from echelon.api.staged import (
    ClusterUpdatingStatus,
    StageTask,
    StageTaskStatus,
    StageUpdatingStatus,
)
from echelon.explain.items import Item, Part, State
from echelon.explain.kinds import Binding, Run

_ROUNDING = timedelta(seconds=1)
_WAIT_TERM = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_UNIT = {"h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
_MEMBER_SKIPPED = "ClusterUpdatingSkipped"


def outline(run: Run, bindings: Iterable[Binding] = ()) -> Item:
    """The outline of a run.

    Args:
        run: as it was last read.
        bindings: of the run's placement; may be left out.
    """
    by_member = {binding.spec.target_cluster: binding for binding in bindings}
    status = run.status
    state, note = _run_state(run)
    succeeded = find_condition(status.conditions, SUCCEEDED)
    strategy = status.staged_update_strategy_snapshot
    configs = {} if strategy is None else {stage.name: stage for stage in strategy.stages}
    stages = []
    for stage in status.stages_status:
        config = configs.get(stage.stage_name)
        waits = () if config is None else config.after_stage_tasks
        stages.append(_stage(stage, waits, by_member))
    deletion = status.deletion_stage_status
    if deletion is not None and deletion.clusters:
        stages.append(_stage(deletion, (), {}))
    return Item(
        part=Part.RUN,
        name=run.metadata.name,
        state=state,
        since=_time(run.metadata.creation_timestamp),
        ended=None if succeeded is None else _moment(succeeded),
        note=note,
        items=tuple(stages),
    )


def is_over(run: Run) -> bool:
    """Whether nothing more will happen to a run: it succeeded, failed, or could not be initialised."""
    return outline(run).is_over


def what_is_rolled_out(run: Run) -> str:
    """The placement of a run and the snapshot that its members get."""
    index = run.status.resource_snapshot_index_used or run.spec.resource_snapshot_index
    return f"{run.spec.placement_name}, {f'snapshot {index}' if index else 'newest snapshot'}"


# -- run ----------------------------------------------------------------------------------------


def _run_state(run: Run) -> tuple[State, str]:
    initialized = find_condition(run.status.conditions, INITIALIZED)
    progressing = find_condition(run.status.conditions, PROGRESSING)
    succeeded = find_condition(run.status.conditions, SUCCEEDED)
    if succeeded is not None:
        return (State.DONE, _aside(progressing)) if succeeded.status == "True" else (State.FAILED, succeeded.message)
    if initialized is None:
        return State.NOT_STARTED, "no controller of the hub has seen it yet"
    if initialized.status == "False":
        return State.FAILED, initialized.message
    if initialized.status == "Unknown":
        return State.WAITING, initialized.message
    if progressing is None:
        note = "initialized only: set spec.state to Run to start it" if run.spec.state == "Initialize" else ""
        return State.NOT_STARTED, note
    return _progress_state(progressing), _aside(progressing)


def _aside(progressing: Condition | None) -> str:
    """What a run says beside how it goes on: who joined too late."""
    return "" if progressing is None else progressing.message.partition("; ")[2]


def _progress_state(progressing: Condition) -> State:
    match progressing.status, progressing.reason:
        case "True", _:
            return State.UPDATING
        case "Unknown", _:
            return State.STOPPING
        case _, reason if reason in (RUN_WAITING, STAGE_WAITING):
            return State.WAITING
        case _, reason if reason in (RUN_STOPPED, STAGE_STOPPED):
            return State.STOPPED
        case _, reason if reason == RUN_STUCK:
            return State.STUCK
        case _:
            return State.UPDATING


# -- stages -------------------------------------------------------------------------------------


def _stage(stage: StageUpdatingStatus, after: Sequence[StageTask], bindings: Mapping[str, Binding]) -> Item:
    state, note = _stage_state(stage)
    members = [_member(cluster, bindings.get(cluster.cluster_name)) for cluster in stage.clusters]
    wait = next((task.wait_time for task in after if task.type == "TimedWait"), None)
    items = [
        *(_task(task, None, members) for task in stage.before_stage_task_status),
        *members,
        *(_task(task, wait, members) for task in stage.after_stage_task_status),
    ]
    since = _time(stage.start_time)
    if since is None:
        since = min((item.since for item in items if item.since is not None), default=None)
    is_deletion = stage.stage_name == names.DELETE_STAGE
    return Item(
        part=Part.STAGE,
        name="removal" if is_deletion else stage.stage_name,
        state=state,
        since=since,
        ended=_time(stage.end_time),
        note=note or ("members that the placement no longer selects" if is_deletion else ""),
        items=tuple(items),
    )


def _stage_state(stage: StageUpdatingStatus) -> tuple[State, str]:
    succeeded = find_condition(stage.conditions, SUCCEEDED)
    progressing = find_condition(stage.conditions, PROGRESSING)
    if succeeded is not None and succeeded.status == "False":
        return State.FAILED, ""
    if succeeded is not None:
        nobody = succeeded.reason == STAGE_SKIPPED_NO_CLUSTERS
        return (State.SKIPPED, "no member has its labels") if nobody else (State.DONE, "")
    if progressing is None:
        return State.NOT_STARTED, ""
    return _progress_state(progressing), ""


def _task(task: StageTaskStatus, wait_time: str | None, members: Sequence[Item]) -> Item:
    if task.type == "Approval":
        return _approval(task)
    duration = parse_wait(wait_time or "")
    elapsed = find_condition(task.conditions, WAIT_TIME_ELAPSED)
    ends = [member.ended for member in members]
    known = [moment for moment in ends if moment is not None]
    since = max(known) + _ROUNDING if known and len(known) == len(ends) else None
    if elapsed is not None:
        return Item(part=Part.WAIT, name=f"wait {wait_time}", state=State.DONE, since=since, ended=_moment(elapsed))
    state = State.NOT_STARTED if since is None else State.WAITING
    until = None if since is None else _after(since, duration)
    return Item(part=Part.WAIT, name=f"wait {wait_time}", state=state, since=since, until=until)


def _approval(task: StageTaskStatus) -> Item:
    created = find_condition(task.conditions, APPROVAL_REQUEST_CREATED)
    approved = find_condition(task.conditions, APPROVAL_REQUEST_APPROVED)
    state = State.DONE if approved is not None else State.NOT_STARTED if created is None else State.WAITING
    return Item(
        part=Part.APPROVAL,
        name=task.approval_request_name,
        state=state,
        since=None if created is None else _moment(created),
        ended=None if approved is None else _moment(approved),
    )


def parse_wait(text: str) -> timedelta:
    """How long a timed wait lasts, in the notation of the API (``1h30m``); zero for what is not in it."""
    terms = _WAIT_TERM.findall(text)
    try:
        return sum((float(number) * _UNIT[unit] for number, unit in terms), timedelta())
    except OverflowError:
        return timedelta.max


def _after(moment: datetime, wait: timedelta) -> datetime:
    """The end of a wait; the end of time for one that is longer than that."""
    try:
        return moment + wait
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


# -- members ------------------------------------------------------------------------------------


def _member(cluster: ClusterUpdatingStatus, binding: Binding | None) -> Item:
    started = find_condition(cluster.conditions, STARTED)
    succeeded = find_condition(cluster.conditions, SUCCEEDED)
    state, note = _member_state(started, succeeded, binding)
    return Item(
        troubled=state is State.UPDATING and binding is not None and _is_troubled(binding),
        part=Part.MEMBER,
        name=cluster.cluster_name,
        state=state,
        since=None if started is None else _moment(started),
        ended=None if succeeded is None else _moment(succeeded),
        note=note,
    )


def _member_state(started: Condition | None, succeeded: Condition | None, binding: Binding | None) -> tuple[State, str]:
    if succeeded is not None and succeeded.status == "False":
        return State.FAILED, succeeded.message
    if succeeded is not None:
        return (State.SKIPPED, succeeded.message) if succeeded.reason == _MEMBER_SKIPPED else (State.DONE, "")
    if started is None:
        return State.NOT_STARTED, ""
    return State.UPDATING, "" if binding is None else _holdup(binding)


_STEPS = (
    (ROLLOUT_STARTED, "it gets its snapshot"),
    (OVERRIDDEN, "its work is being written"),
    (WORK_SYNCHRONIZED, "its work is being written"),
    (APPLIED, "the member applies its objects"),
    (AVAILABLE, "applied; until all is available"),
)


def _holdup(binding: Binding) -> str:
    """What a member that is being updated is at, or what is wrong with it."""
    for failed in binding.status.failed_placements:
        where = "/".join(part for part in (failed.namespace, failed.name) if part)
        return f"{failed.kind} {where}: {failed.condition.message}"
    for condition_type, doing in _STEPS:
        condition = find_condition(binding.status.conditions, condition_type)
        if condition is None or condition.observed_generation != binding.metadata.generation:
            return doing
        if condition.status != "True":
            return condition.message if condition.status == "False" else doing
    return ""


def _is_troubled(binding: Binding) -> bool:
    return any(
        condition.status == "False" and condition.observed_generation == binding.metadata.generation
        for condition in binding.status.conditions
    )


def _moment(condition: Condition) -> datetime:
    return parse_time(condition.last_transition_time)


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
