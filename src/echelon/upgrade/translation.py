"""An update run in the words of the rollout engine, and gates by name.

Pure. The status of a planned run holds all of it: the order as copied, the members of each group, the limits as
numbers, and how far each of them is. ``plan_of`` and ``progress_of`` read it; ``reporting`` writes it. Reading what was
written gives the same progress, but for two things that do not matter: since when a run is halted, and whether a group
or stage was skipped as a whole, which follows from ``spec.skips``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import chain

from echelon.api.fleet import (
    GateConfiguration,
    GateStatusInRun,
    GroupUpdateStatus,
    MemberUpdateStatus,
    ScheduledStart,
    StageUpdateStatus,
    UpdateGroup,
    UpdateRunStatus,
    UpdateStage,
    WaitStatus,
)
from echelon.rollout import (
    Gate,
    GateKind,
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
    State,
    TargetProgress,
    TargetState,
    Timing,
    WaitProgress,
    WaitState,
    WeeklyTime,
)
from echelon.upgrade import moments
from echelon.upgrade.windows import WEEKDAYS

_NO_GROUP = UpdateGroup(name="")
_NO_STAGE = UpdateStage(name="")


# -- the plan -----------------------------------------------------------------------------------


def plan_of(status: UpdateRunStatus) -> Plan:
    """The plan of a planned run. Raises ``rollout.InvalidPlan`` when the status is not one."""
    return Plan(tuple(_stage(config, found) for config, found in _stages(status)))


def _stages(status: UpdateRunStatus) -> Iterable[tuple[UpdateStage, StageUpdateStatus]]:
    order = status.strategy
    configs = [_NO_STAGE] * len(status.stages) if order is None else order.stages
    return zip(configs, status.stages, strict=True)


def _stage(config: UpdateStage, found: StageUpdateStatus) -> Stage:
    wait = found.after_stage_wait_status
    return Stage(
        name=found.name,
        groups=tuple(_group(one, part) for one, part in _groups(config, found)),
        before=gates_of(config.before_gates),
        after=gates_of(config.after_gates),
        wait=timedelta(seconds=wait.wait_duration_in_seconds if wait is not None else 0),
        max_concurrency=Limit(found.max_concurrency),
        max_failures=Limit(found.max_allowed_failures),
    )


def _groups(config: UpdateStage, found: StageUpdateStatus) -> Iterable[tuple[UpdateGroup, GroupUpdateStatus]]:
    configs = config.groups or [_NO_GROUP] * len(found.groups)
    return zip(configs, found.groups, strict=True)


def _group(config: UpdateGroup, found: GroupUpdateStatus) -> Group:
    return Group(
        name=found.name,
        targets=tuple([member.name for member in found.members]),
        before=gates_of(config.before_gates),
        after=gates_of(config.after_gates),
        max_concurrency=Limit(found.max_concurrency),
        max_failures=Limit(found.max_allowed_failures),
    )


def gates_of(configs: Iterable[GateConfiguration]) -> tuple[Gate, ...]:
    """The gates of one place, named for people, and so that no two have the same name."""
    gates: list[Gate] = []
    for config in configs:
        wanted = config.display_name or config.type
        name, count = wanted, 1
        while any(gate.name == name for gate in gates):
            count += 1
            name = f"{wanted} ({count})"
        starts = config.scheduled_start_configuration
        gates.append(Gate(name, GateKind(config.type), None if starts is None else weekly_time(starts)))
    return tuple(gates)


def weekly_time(start: ScheduledStart) -> WeeklyTime:
    """A moment of the week."""
    hour, minute = start.start_time.split(":")
    sign = -1 if start.utc_offset[0] == "-" else 1
    hours, minutes = start.utc_offset[1:].split(":")
    offset = sign * timedelta(hours=int(hours), minutes=int(minutes))
    return WeeklyTime(WEEKDAYS.index(start.start_day), int(hour), int(minute), offset)


# -- the progress -------------------------------------------------------------------------------


def progress_of(plan: Plan, status: UpdateRunStatus) -> Progress:
    """How far the run was when its status was written."""
    return Progress(
        state=State(status.state),
        attempt=status.observed_attempt,
        started_at=moments.read(status.start_time),
        ended_at=moments.read(status.completed_time),
        stages=tuple(_stage_progress(stage, found) for stage, found in zip(plan.stages, status.stages, strict=True)),
    )


def _stage_progress(stage: Stage, found: StageUpdateStatus) -> StageProgress:
    return StageProgress(
        name=stage.name,
        state=State(found.state),
        started_at=moments.read(found.start_time),
        ended_at=moments.read(found.completed_time),
        before=_gate_progress(stage.before, found.before_gates),
        after=_gate_progress(stage.after, found.after_gates),
        wait=None if found.after_stage_wait_status is None else _wait_progress(found.after_stage_wait_status),
        groups=tuple(_group_progress(group, part) for group, part in zip(stage.groups, found.groups, strict=True)),
    )


def _group_progress(group: Group, found: GroupUpdateStatus) -> GroupProgress:
    return GroupProgress(
        name=group.name,
        state=State(found.state),
        started_at=moments.read(found.start_time),
        ended_at=moments.read(found.completed_time),
        before=_gate_progress(group.before, found.before_gates),
        after=_gate_progress(group.after, found.after_gates),
        targets=tuple(map(_target_progress, found.members)),
    )


def _target_progress(found: MemberUpdateStatus) -> TargetProgress:
    """A member. What a status says is being upgraded was asked for before the status was written."""
    state = TargetState.RUNNING if keeps_its_place(found) else TargetState(found.state)
    started_at, waits = moments.read(found.start_time), state is TargetState.PENDING
    return TargetProgress(
        name=found.name,
        state=state,
        attempt=found.attempt,
        observed=state not in (TargetState.NOT_STARTED, TargetState.PENDING) and found.attempt > 0,
        started_at=None if waits else started_at,
        ended_at=moments.read(found.completed_time),
        pending_since=started_at if waits else None,
        until=moments.read(found.not_before) if waits else None,
        message=found.message,
    )


def keeps_its_place(found: MemberUpdateStatus) -> bool:
    """Whether the upgrade of a Pending member was asked for: its provider waits, and it keeps its place."""
    return found.state == "Pending" and found.attempt > 0


def _gate_progress(gates: Sequence[Gate], found: Sequence[GateStatusInRun]) -> tuple[GateProgress, ...]:
    return tuple(_one_gate(gate, part) for gate, part in zip(gates, found, strict=True))


def _one_gate(gate: Gate, found: GateStatusInRun) -> GateProgress:
    started_at = moments.read(found.start_time)
    opens_at = None if gate.starts is None or started_at is None else gate.starts.next(started_at)
    return GateProgress(gate.name, GateState(found.state), started_at, moments.read(found.completed_time), opens_at)


def _wait_progress(found: WaitStatus) -> WaitProgress:
    started_at, state = moments.read(found.start_time), WaitState(found.state)
    until = None if started_at is None else started_at + timedelta(seconds=found.wait_duration_in_seconds)
    passed = state is WaitState.SKIPPED
    return WaitProgress(state, started_at, moments.read(found.completed_time), None if passed else until)


# -- gates of a run -----------------------------------------------------------------------------


def gate_references(plan: Plan) -> Iterator[GateReference]:
    """Every gate of a run, in order."""
    for stage in plan.stages:
        for group in (None, *stage.groups):
            scope = stage if group is None else group
            name = None if group is None else group.name
            before = (GateReference(stage.name, name, Timing.BEFORE, gate.name) for gate in scope.before)
            after = (GateReference(stage.name, name, Timing.AFTER, gate.name) for gate in scope.after)
            yield from chain(before, after)


def targets_of(progress: Progress) -> Iterator[TargetProgress]:
    """Every target, in order."""
    for stage in progress.stages:
        for group in stage.groups:
            yield from group.targets
