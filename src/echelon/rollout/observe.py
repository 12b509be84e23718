"""From facts to the ledger: what was observed becomes what is so.

The order matters and is always the same: operations first, for what happened cannot be unmade; then targets
that a newer attempt gives another try; then those that left; then skips, which take what did not start; at
last approvals of the gates that are waiting for one. Nothing here starts anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from echelon.rollout.facts import Facts, Operation, Outcome
from echelon.rollout.ledger import GroupLedger, Ledger, StageLedger
from echelon.rollout.plan import Gate, GateReference, Timing
from echelon.rollout.progress import GateProgress, GateState, TargetProgress, TargetState
from echelon.rollout.skips import skip_departed, take_skips

_ENDS = {
    Outcome.SUCCEEDED: TargetState.COMPLETED,
    Outcome.FAILED: TargetState.FAILED,
    Outcome.SKIPPED: TargetState.SKIPPED,
}


def observe(ledger: Ledger, facts: Facts, now: datetime) -> None:
    """Take the facts into the ledger."""
    ledger.intent = facts.intent
    ledger.attempt = max(ledger.attempt, facts.attempt)
    ledger.reassess()
    take_operations(ledger, facts.operations, now)
    for name in facts.lost:
        if name not in facts.operations:
            _forget_operation(ledger, name)
    for stage, group in ledger.groups:
        if group.begun:
            _note_begun(ledger, stage, group, now)
    _retry(ledger)
    skip_departed(ledger, facts.left, now)
    take_skips(ledger, facts.skips, now)
    take_approvals(ledger, facts.approvals, now)


def take_operations(ledger: Ledger, operations: Mapping[str, Operation], now: datetime) -> None:
    """Record what is seen of operations."""
    for name, operation in operations.items():
        _take_operation(ledger, name, operation, now)


def take_approvals(ledger: Ledger, approvals: Mapping[GateReference, datetime], now: datetime) -> None:
    """Open the gates that are waiting for an approval and have one."""
    if not approvals:
        return
    for pending in pending_gates(ledger):
        approved = approvals.get(pending.reference)
        if approved is not None:
            pending.gates[pending.position] = opened(pending.gate, min(approved, now))
            pending.owner.touched = True


def opened(gate: GateProgress, moment: datetime) -> GateProgress:
    """A gate that was reached, as it is once passed."""
    ended_at = moment if gate.started_at is None else max(gate.started_at, moment)
    return replace(gate, state=GateState.COMPLETED, ended_at=ended_at)


def _take_operation(ledger: Ledger, name: str, operation: Operation, now: datetime) -> None:
    place = ledger.place(name)
    if place is None:
        return
    stage, group, position = place
    target = group.targets[position]
    if not _concerns(operation, target):
        return
    if target.observed and operation.outcome is None and operation.attempt == target.attempt:
        if operation.message != target.message:
            group.put(position, replace(target, message=operation.message))
        return
    started_at = target.started_at if target.state is TargetState.RUNNING else None
    started_at = started_at or min(operation.started_at or now, now)
    state, ended_at = TargetState.RUNNING, None
    if operation.outcome is not None:
        state, ended_at = _ENDS[operation.outcome], max(started_at, min(operation.ended_at or now, now))
    group.put(
        position,
        TargetProgress(
            name=name,
            state=state,
            attempt=operation.attempt,
            observed=True,
            started_at=started_at,
            ended_at=ended_at,
            message=operation.message,
        ),
    )
    if target.state is not TargetState.RUNNING:
        group.reopen()
        stage.finished_at = None
        ledger.reassess()
    elif state is TargetState.FAILED:
        ledger.reassess()
    _note_begun(ledger, stage, group, started_at)


def _concerns(operation: Operation, target: TargetProgress) -> bool:
    """Whether an operation says something of a target: it is its current one, or one newer than recorded."""
    match target.state:
        case TargetState.RUNNING:
            return operation.attempt >= target.attempt
        case TargetState.NOT_STARTED | TargetState.PENDING | TargetState.FAILED:
            return operation.attempt > target.attempt
        case TargetState.COMPLETED | TargetState.SKIPPED:
            return False


def _note_begun(ledger: Ledger, stage: StageLedger, group: GroupLedger, moment: datetime) -> None:
    """What runs or ran shows that the run had come this far, even when no stored progress says so."""
    group.reach(moment)
    stage.reach(moment)
    if ledger.started_at is None:
        ledger.started_at = moment


def _forget_operation(ledger: Ledger, name: str) -> None:
    place = ledger.place(name)
    if place is not None:
        _, group, position = place
        target = group.targets[position]
        if target.state is TargetState.RUNNING and target.observed:
            group.put(position, replace(target, observed=False, message=""))


def _retry(ledger: Ledger) -> None:
    """Give targets that failed in an earlier attempt another try."""
    if ledger.attempt <= 1:
        return
    for stage, group in ledger.groups:
        if not group.failures:
            continue
        for position, target in enumerate(group.targets):
            if target.state is TargetState.FAILED and target.attempt < ledger.attempt:
                group.put(position, TargetProgress(name=target.name, attempt=target.attempt))
                group.reopen()
                stage.finished_at = None
                ledger.reassess()


class PendingGate(NamedTuple):
    """A gate that is reached and closed, and where it stands in the ledger."""

    reference: GateReference
    planned: Gate
    owner: StageLedger | GroupLedger
    gates: list[GateProgress]
    position: int

    @property
    def gate(self) -> GateProgress:
        return self.gates[self.position]


def pending_gates(ledger: Ledger) -> Iterator[PendingGate]:
    """Every gate that is reached and closed, in the order of the plan; what is done waits for none."""
    for stage in ledger.open_stages():
        if stage.started_at is None or stage.done:
            continue
        yield from _pending_of(stage.plan.name, None, stage)
        for group in stage.groups:
            if (group.before or group.after) and not group.done:
                yield from _pending_of(stage.plan.name, group.plan.name, group)


def _pending_of(stage: str, group: str | None, owner: StageLedger | GroupLedger) -> Iterator[PendingGate]:
    for timing, planned, gates in (
        (Timing.BEFORE, owner.plan.before, owner.before),
        (Timing.AFTER, owner.plan.after, owner.after),
    ):
        for position, gate in enumerate(gates):
            if gate.state is GateState.PENDING:
                reference = GateReference(stage, group, timing, gate.name)
                yield PendingGate(reference, planned[position], owner, gates, position)
