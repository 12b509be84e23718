"""From the ledger to what is next: gates are reached, targets start, waits begin, stages follow each other.

A stage goes through: gates before; groups side by side, each through gates before, targets, gates after; gates
after and wait, which begin together. Everything that can happen now happens in one pass from the top, since
each step only ever lets later ones begin. Afterwards nothing is left to do until a fact or a moment changes it.

When the run is halted nothing begins: claims are given back, for their start was never seen, and targets that
waited to get ready go back to not started.
"""

from __future__ import annotations

import heapq
from collections import deque
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from echelon.rollout.facts import Facts
from echelon.rollout.ledger import GroupLedger, Ledger, StageLedger
from echelon.rollout.observe import opened
from echelon.rollout.plan import Gate, GateKind, GateReference, Timing, later
from echelon.rollout.progress import GateProgress, GateState, TargetProgress, TargetState, WaitProgress, WaitState
from echelon.rollout.skips import settle_group, settle_stage, skip_target


class Claim(NamedTuple):
    """A target that takes its place now."""

    stage: StageLedger
    group: GroupLedger
    position: int


def advance(ledger: Ledger, facts: Facts, now: datetime) -> list[Claim]:
    """Let everything happen that can happen now; the targets that take their place."""
    if not ledger.advances:
        for _, group in ledger.groups:
            _give_back(group)
        return []
    if ledger.started_at is None:
        ledger.started_at = now
    claims: list[Claim] = []
    while (stage := ledger.current) is not None:
        _advance_stage(ledger, stage, facts, now, claims)
        if not stage.done:
            break
    return claims


def _give_back(group: GroupLedger) -> None:
    """Return what a halted run must not begin: claims, and the turn of targets that are not ready."""
    for position in group.claims():
        target = group.targets[position]
        group.put(position, TargetProgress(name=target.name, attempt=max(0, target.attempt - 1)))
        group.surveyed = False
    if group.counts[TargetState.PENDING]:
        group.surveyed = False
        for position in group.waiting_positions():
            target = group.targets[position]
            if target.state is TargetState.PENDING:
                group.put(position, TargetProgress(name=target.name, attempt=target.attempt))


def _advance_stage(ledger: Ledger, stage: StageLedger, facts: Facts, now: datetime, claims: list[Claim]) -> None:
    stage.reach(now)
    for group in stage.empty_groups:
        group.reach(now)
        settle_group(group, now)
    settle_stage(stage, now)
    if not _pass_gates(stage, None, Timing.BEFORE, facts, now):
        return
    candidates = [group for group in stage.groups if _open_group(stage, group, facts, now)]
    _fill(ledger, stage, candidates, facts, now, claims)
    unfinished = False
    for group in stage.groups:
        unfinished |= not _finish_group(stage, group, facts, now)
    if not unfinished:
        _finish_stage(stage, facts, now)
    elif stage.wait is not None and stage.wait.state is WaitState.RUNNING:
        stage.wait = WaitProgress()  # a retry took the stage back to its targets: it waits anew after them
        stage.touched = True


def _open_group(stage: StageLedger, group: GroupLedger, facts: Facts, now: datetime) -> bool:
    """Whether targets of the group may start."""
    if group.all_ended:
        return False
    group.reach(now)
    return not group.before or _pass_gates(stage, group, Timing.BEFORE, facts, now)


def _finish_group(stage: StageLedger, group: GroupLedger, facts: Facts, now: datetime) -> bool:
    """Pass the gates after the group once all its targets have ended; whether the group is done."""
    if not group.all_ended:
        return False
    settle_group(group, now)
    return _pass_gates(stage, group, Timing.AFTER, facts, now) and group.done


def _finish_stage(stage: StageLedger, facts: Facts, now: datetime) -> None:
    """Once all groups are done: the gates after the stage and its wait, side by side."""
    settle_stage(stage, now)
    _pass_gates(stage, None, Timing.AFTER, facts, now)
    wait = stage.wait
    if wait is None or wait.passed:
        return
    started_at, until = wait.started_at, wait.until
    if wait.state is WaitState.NOT_STARTED or started_at is None or until is None:
        started_at = stage.groups_finished_at(now)
        until = later(started_at, stage.plan.wait)
    if until <= now:
        stage.wait = WaitProgress(state=WaitState.COMPLETED, started_at=started_at, ended_at=until, until=until)
    else:
        stage.wait = WaitProgress(state=WaitState.RUNNING, started_at=started_at, until=until)
    stage.touched |= stage.wait != wait


def _pass_gates(stage: StageLedger, group: GroupLedger | None, timing: Timing, facts: Facts, now: datetime) -> bool:
    """Reach every gate of one place and pass those that are approved or due; whether all are passed."""
    owner = stage if group is None else group
    if timing is Timing.BEFORE:
        plan, gates = owner.plan.before, owner.before
    else:
        plan, gates = owner.plan.after, owner.after
    clear = True
    for index, (planned, gate) in enumerate(zip(plan, gates, strict=True)):
        if gate.passed:
            continue
        reached = _reach(planned, gate, now)
        reference = GateReference(stage.plan.name, None if group is None else group.plan.name, timing, gate.name)
        approved = facts.approvals.get(reference)
        if approved is not None:
            reached = opened(reached, min(approved, now))
        elif reached.opens_at is not None and reached.opens_at <= now:
            reached = opened(reached, reached.opens_at)
        if reached is not gate:
            gates[index] = reached
            owner.touched = True
        clear &= reached.passed
    return clear


def _reach(planned: Gate, gate: GateProgress, now: datetime) -> GateProgress:
    if gate.state is GateState.PENDING and (gate.opens_at is not None or planned.kind is GateKind.APPROVAL):
        return gate
    opens_at = planned.starts.next(now) if planned.starts is not None else None
    return replace(gate, state=GateState.PENDING, started_at=gate.started_at or now, opens_at=opens_at)


def _fill(
    ledger: Ledger, stage: StageLedger, groups: list[GroupLedger], facts: Facts, now: datetime, claims: list[Claim]
) -> None:
    """Give the free places of a stage to its groups, each time to the one that uses fewest."""
    for group in groups:
        survey(group, facts, now)
    free = stage.concurrency - stage.running
    order = [(len(group.running), index) for index, group in enumerate(groups) if group.queue]
    heapq.heapify(order)
    while free > 0 and order:
        running, index = order[0]
        group = groups[index]
        position = _next_position(group, facts, now) if running < group.concurrency else None
        if position is None:
            heapq.heappop(order)
            continue
        target = group.targets[position]
        attempt = max(ledger.attempt, target.attempt + 1)
        running_target = TargetProgress(name=target.name, state=TargetState.RUNNING, attempt=attempt, started_at=now)
        group.put(position, running_target)
        claims.append(Claim(stage, group, position))
        free -= 1
        heapq.heapreplace(order, (running + 1, index))


def _next_position(group: GroupLedger, facts: Facts, now: datetime) -> int | None:
    """The next target of a group to start. Those with nothing to do end here as skipped."""
    while group.queue:
        position = group.queue.popleft()
        target = group.targets[position]
        if target.state is not TargetState.NOT_STARTED:
            continue
        why = facts.unneeded.get(target.name)
        if why is None:
            return position
        skip_target(group, position, why, now)
    return None


def survey(group: GroupLedger, facts: Facts, now: datetime) -> None:
    """Find which waiting targets are ready, and in which order they go.

    Those whose window is open come first, for it may close; then those without one; each in the order of the
    plan. A target that is not ready becomes pending. A claim on a target that is no longer ready is given back.
    """
    if group.surveyed and (group.survey_due is None or now < group.survey_due):
        return
    group.surveyed = True
    group.survey_due = group.wake_at = None
    waiting = group.waiting_positions()
    if not facts.windows and not facts.unready and not group.counts[TargetState.PENDING]:
        group.queue = deque(waiting)
        return
    urgent: deque[int] = deque()
    others: deque[int] = deque()
    for position in sorted(waiting + group.claims()):
        target = group.targets[position]
        readiness = _readiness(target.name, facts, now)
        if readiness.changes_at is not None and (group.survey_due is None or readiness.changes_at < group.survey_due):
            group.survey_due = readiness.changes_at
        if not readiness.ready:
            _postpone(group, position, readiness, now)
        elif target.state is not TargetState.RUNNING:
            if target.state is TargetState.PENDING:
                group.put(position, TargetProgress(name=target.name, attempt=target.attempt))
            (urgent if readiness.urgent else others).append(position)
    group.queue = urgent + others


class Readiness(NamedTuple):
    """Whether a target may start now, and when that changes if nothing else does."""

    ready: bool
    urgent: bool = False
    changes_at: datetime | None = None
    message: str = ""


_READY = Readiness(ready=True)


def _readiness(name: str, facts: Facts, now: datetime) -> Readiness:
    unready = facts.unready.get(name)
    if unready is not None and (unready.until is None or now < unready.until):
        return Readiness(ready=False, changes_at=unready.until, message=unready.reason)
    window = facts.windows.get(name)
    if window is None:
        return _READY
    if window.open_at(now):
        return Readiness(ready=True, urgent=True, changes_at=window.closes_at)
    if now < window.opens_at < window.closes_at:
        return Readiness(ready=False, changes_at=window.opens_at, message="its maintenance window is closed")
    return Readiness(ready=False, message="its maintenance window has closed")


def _postpone(group: GroupLedger, position: int, readiness: Readiness, now: datetime) -> None:
    """Make a target pending until it is ready."""
    target = group.targets[position]
    until = readiness.changes_at
    if until is not None and (group.wake_at is None or until < group.wake_at):
        group.wake_at = until
    claimed = target.state is TargetState.RUNNING
    pending = TargetProgress(
        name=target.name,
        state=TargetState.PENDING,
        attempt=max(0, target.attempt - 1) if claimed else target.attempt,
        pending_since=target.pending_since or now,
        until=until,
        message=readiness.message,
    )
    if pending != target:
        group.put(position, pending)
