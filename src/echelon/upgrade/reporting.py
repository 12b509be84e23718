"""What users see of a run: states, times, messages and errors, made from a decision of the engine.

Pure. What did not change is the very object that it was before, so a status that differs in three members of a
thousand costs three new members, and ``patching`` finds them at once.

A member whose provider waits is shown as Pending though it keeps its place, and so are the group, stage and run of
which nothing else is being upgraded. Everything that waits says for what; a group, stage or run that failed sums up
what failed in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar, cast

from msgspec.structs import replace

from echelon.api.fleet import (
    ErrorDetail,
    GateStatusInRun,
    GroupUpdateStatus,
    MemberUpdateStatus,
    StageUpdateStatus,
    UpdateRun,
    UpdateRunStatus,
    UpdateState,
    UpdateStatus,
    WaitStatus,
)
from echelon.api.upgrade import ClusterUpgrade
from echelon.rollout import (
    Decision,
    GateProgress,
    GateReference,
    GateState,
    GroupProgress,
    Plan,
    StageProgress,
    State,
    TargetProgress,
    TargetState,
    WaitProgress,
    WaitState,
)
from echelon.upgrade import conditions, moments
from echelon.upgrade.observation import WAITS_FOR_PROVIDER, Obstacle, is_held_up
from echelon.upgrade.translation import gate_references
from echelon.upgrade.validation import listed

UPGRADE_FAILED: Final = "MemberUpgradeFailed"

_UNDER_WAY = frozenset({TargetState.RUNNING, TargetState.COMPLETED, TargetState.FAILED, TargetState.SKIPPED})

Part = TypeVar("Part", bound=UpdateStatus)
_SETTLED = frozenset({TargetState.NOT_STARTED, TargetState.COMPLETED, TargetState.SKIPPED})


class Reporter:
    """Writes the status of one run in one pass.

    Args:
        run: for its name, its generation and what is wanted of it.
        plan: of the run.
        upgrades: of each member the ClusterUpgrade that the run made last.
        obstacles: what stands in the way of members.
        gates: the names of the Gates that exist.
        late: members that joined after the run was planned.
        now: the moment of the decision.
    """

    def __init__(
        self,
        run: UpdateRun,
        plan: Plan,
        upgrades: Mapping[str, ClusterUpgrade],
        obstacles: Mapping[str, Obstacle],
        gates: Mapping[GateReference, str],
        late: Sequence[str],
        now: datetime,
    ) -> None:
        self.run = run
        self.plan = plan
        self.upgrades = upgrades
        self.obstacles = obstacles
        self.gates = gates
        self.late = late
        self.now = now

    def report(self, before: UpdateRunStatus, decision: Decision) -> UpdateRunStatus:
        """The status of a run, given what it was."""
        progress = decision.progress
        references = iter(gate_references(self.plan))
        stages = tuple(
            [self._stage(found, stage, references) for found, stage in zip(before.stages, progress.stages, strict=True)]
        )
        state = self._run_state(progress.state, stages)
        failed = [stage for stage in stages if stage.state == "Failed"]
        found = replace(
            before,
            state=state,
            start_time=moments.write(progress.started_at),
            completed_time=moments.write(progress.ended_at),
            error=_summary(f"update run {self.run.metadata.name}", failed, _all_failed(stages)) if failed else None,
            stages=stages,
            failure_count=progress.failure_count,
            observed_generation=self.run.metadata.generation,
            observed_attempt=max(progress.attempt, before.observed_attempt),
        )
        found = conditions.with_conditions(self.run, found, decision, self.late, self.now)
        return before if found == before else found

    def _run_state(self, state: State, stages: Sequence[StageUpdateStatus]) -> UpdateState:
        """The engine's state, with two differences: held up members, and a stop of what was skipped as a whole."""
        if state is State.RUNNING:
            current = next((stage.state for stage in stages if stage.state not in ("Completed", "Skipped")), None)
            return "Pending" if current == "Pending" else "Running"
        if state is State.SKIPPED and self.run.spec.state == "Stop":
            return "Stopped"
        return _shown(state)

    # stages, groups, members

    def _stage(
        self, before: StageUpdateStatus, stage: StageProgress, references: Iterable[GateReference]
    ) -> StageUpdateStatus:
        before_gates, after_gates = self._gates(before, stage, references)
        groups = tuple(
            [self._group(found, group, references) for found, group in zip(before.groups, stage.groups, strict=True)]
        )
        state: UpdateState = _shown(stage.state)
        if stage.state is State.RUNNING and _nothing_moves(stage, groups):
            state = "Pending"
        failed = [group for group in groups if group.state == "Failed"]
        error = None
        if state == "Failed":
            error = _summary(f"stage {stage.name}", failed, [m for group in groups for m in _failed(group)])
        return _changed(
            before,
            replace(
                before,
                state=state,
                start_time=moments.write(stage.started_at),
                completed_time=moments.write(stage.ended_at),
                error=error,
                failure_count=sum(group.failure_count for group in groups),
                before_gates=before_gates,
                groups=groups,
                after_gates=after_gates,
                after_stage_wait_status=_wait(before.after_stage_wait_status, stage.wait),
            ),
        )

    def _group(
        self, before: GroupUpdateStatus, group: GroupProgress, references: Iterable[GateReference]
    ) -> GroupUpdateStatus:
        before_gates, after_gates = self._gates(before, group, references)
        members = tuple(
            [self._member(found, target) for found, target in zip(before.members, group.targets, strict=True)]
        )
        if all(map(_same, members, before.members)):
            members = before.members
        state: UpdateState = _shown(group.state)
        if group.state is State.RUNNING and not any(member.state == "Running" for member in members):
            state = "Pending"
        failed = [member for member in members if member.state == "Failed"]
        return _changed(
            before,
            replace(
                before,
                state=state,
                start_time=moments.write(group.started_at),
                completed_time=moments.write(group.ended_at),
                error=_summary(f"group {group.name}", (), failed) if state == "Failed" else None,
                failure_count=len(failed),
                before_gates=before_gates,
                members=members,
                after_gates=after_gates,
            ),
        )

    def _member(self, before: MemberUpdateStatus, target: TargetProgress) -> MemberUpdateStatus:
        state = target.state
        if before.state == state.value and before.attempt == target.attempt and state in _SETTLED:
            return before  # nothing more can be said of it, and most members of a long run are like this
        if state is TargetState.NOT_STARTED:
            return MemberUpdateStatus(
                state="NotStarted", name=before.name, cluster_resource_id=before.cluster_resource_id
            )
        if state is TargetState.PENDING:
            return _changed(before, self._pending(before, target))
        upgrade = self.upgrades.get(target.name)
        if upgrade is not None and upgrade.spec.attempt != target.attempt:
            upgrade = None
        held_up = state is TargetState.RUNNING and upgrade is not None and is_held_up(upgrade)
        return _changed(
            before,
            MemberUpdateStatus(
                state="Pending" if held_up else _shown(state),
                name=before.name,
                cluster_resource_id=before.cluster_resource_id,
                attempt=target.attempt,
                start_time=moments.write(target.started_at),
                completed_time=moments.write(target.ended_at),
                operation_id=before.operation_id if upgrade is None else upgrade.status.operation_id,
                error=self._member_error(before, target, upgrade),
                message=_member_message(target, upgrade),
                not_before=upgrade.status.not_before if held_up and upgrade is not None else None,
            ),
        )

    def _pending(self, before: MemberUpdateStatus, target: TargetProgress) -> MemberUpdateStatus:
        """A member whose turn has come and that is not ready."""
        obstacle = self.obstacles.get(target.name)
        message = target.message
        if target.until is not None:
            next_ = "it opens next at" if obstacle is None else "not before"
            message = f"{message}; {next_} {moments.plain(target.until)}"
        return MemberUpdateStatus(
            state="Pending",
            name=before.name,
            cluster_resource_id=before.cluster_resource_id,
            start_time=moments.write(target.pending_since),
            error=None if obstacle is None else obstacle.error,
            message=message,
            not_before=moments.write(target.until),
        )

    def _member_error(
        self, before: MemberUpdateStatus, target: TargetProgress, upgrade: ClusterUpgrade | None
    ) -> ErrorDetail | None:
        if upgrade is not None and upgrade.status.error is not None:
            return upgrade.status.error
        if target.state is not TargetState.FAILED:
            return None
        return before.error or ErrorDetail(code=UPGRADE_FAILED, message=target.message or "the upgrade failed")

    # gates

    def _gates(
        self,
        before: StageUpdateStatus | GroupUpdateStatus,
        scope: StageProgress | GroupProgress,
        references: Iterable[GateReference],
    ) -> tuple[tuple[GateStatusInRun, ...], tuple[GateStatusInRun, ...]]:
        named = iter(references)
        return (
            tuple(self._gate(next(named), *pair) for pair in zip(before.before_gates, scope.before, strict=True)),
            tuple(self._gate(next(named), *pair) for pair in zip(before.after_gates, scope.after, strict=True)),
        )

    def _gate(self, reference: GateReference, before: GateStatusInRun, gate: GateProgress) -> GateStatusInRun:
        return _changed(
            before,
            replace(
                before,
                state=_shown(gate.state),
                gate_name=self.gates.get(reference) or before.gate_name,
                start_time=moments.write(gate.started_at),
                completed_time=moments.write(gate.ended_at),
            ),
        )


def _nothing_moves(stage: StageProgress, groups: Sequence[GroupUpdateStatus]) -> bool:
    """Whether a stage that the engine has as running has only members whose providers wait."""
    held = any(group.state is State.RUNNING for group in stage.groups)
    return held and not any(group.state == "Running" for group in groups)


def _member_message(target: TargetProgress, upgrade: ClusterUpgrade | None) -> str:
    if target.state is TargetState.RUNNING and upgrade is not None and not target.message:
        return "" if upgrade.status.observed_generation else WAITS_FOR_PROVIDER
    return target.message


def _wait(before: WaitStatus | None, wait: WaitProgress | None) -> WaitStatus | None:
    if before is None or wait is None:
        return before
    return _changed(
        before,
        replace(
            before,
            state=_shown(wait.state),
            start_time=moments.write(wait.started_at),
            completed_time=moments.write(wait.ended_at),
        ),
    )


def _failed(group: GroupUpdateStatus) -> list[MemberUpdateStatus]:
    return [member for member in group.members if member.state == "Failed"]


def _all_failed(stages: Sequence[StageUpdateStatus]) -> list[MemberUpdateStatus]:
    return [member for stage in stages for group in stage.groups for member in _failed(group)]


def _summary(what: str, parts: Sequence[UpdateStatus], members: Sequence[MemberUpdateStatus]) -> ErrorDetail:
    """What failed, in a sentence."""
    first = members[0] if members else None
    why = "" if first is None else f"; {first.name}: {first.message or 'no reason given'}"
    names = listed(member.name for member in members)
    return ErrorDetail(code=UPGRADE_FAILED, message=f"{what}: the upgrade of {names} failed{why}")


def _shown(state: State | TargetState | GateState | WaitState) -> UpdateState:
    """A state of the engine in a status; the words are the same."""
    return cast(UpdateState, state.value)


def _changed(before: Part, after: Part) -> Part:
    """``after``, or the object that was there when it says the same."""
    return before if before == after else after


def _same(one: object, other: object) -> bool:
    return one is other
