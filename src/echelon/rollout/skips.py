"""What is left out: targets, groups, stages and waits that are skipped, and targets that are gone.

A skip takes what has not started. What runs is awaited, what has ended stays as it is, and a group or stage
that has ended is not touched. A claim (see ``ledger``) counts as not started: its start was never seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec.structs import replace

from echelon.rollout.facts import Skip, SkipKind
from echelon.rollout.ledger import GroupLedger, Ledger, StageLedger
from echelon.rollout.progress import (
    GateProgress,
    GateState,
    TargetProgress,
    TargetState,
    WaitProgress,
    WaitState,
)

SKIPPED_BY_USER = "skipped by the user"

# Wide before narrow, so that the order in which skips are named does not matter.
_ORDER = {SkipKind.STAGE: 0, SkipKind.GROUP: 1, SkipKind.AFTER_STAGE_WAIT: 2, SkipKind.MEMBER: 3}


def skip_departed(ledger: Ledger, left: Mapping[str, str], now: datetime) -> None:
    """End targets that are gone, whether they run or not."""
    for name, why in left.items():
        place = ledger.place(name)
        if place is not None:
            _, group, position = place
            if group.targets[position].state in (TargetState.NOT_STARTED, TargetState.PENDING, TargetState.RUNNING):
                skip_target(group, position, why, now)


def take_skips(ledger: Ledger, skips: Iterable[Skip], now: datetime) -> None:
    """Leave out what the user skipped; names that the plan does not have are passed over."""
    for skip in sorted(skips, key=lambda skip: (_ORDER[skip.kind], skip.name)):
        _take_skip(ledger, skip, now)
    for stage in ledger.stages:
        for group in stage.groups:
            _sweep(stage, group, now)
            settle_group(group, now)
        settle_stage(stage, now)


def _take_skip(ledger: Ledger, skip: Skip, now: datetime) -> None:
    places = ledger.plan.places
    match skip.kind:
        case SkipKind.MEMBER:
            place = ledger.place(skip.name)
            if place is not None:
                _skip_if_not_started(place[1], place[2], now)
        case SkipKind.GROUP:
            found = places.groups.get(skip.name)
            if found is not None:
                _mark_group(ledger.stages[found[0]].groups[found[1]])
        case SkipKind.STAGE:
            index = places.stages.get(skip.name)
            if index is not None:
                _skip_stage(ledger.stages[index], now)
        case SkipKind.AFTER_STAGE_WAIT:
            index = places.stages.get(skip.name)
            if index is not None:
                _skip_wait(ledger.stages[index], now)


def _mark_group(group: GroupLedger) -> None:
    if not group.skipped and not group.done:
        group.skipped = group.touched = True


def _skip_stage(stage: StageLedger, now: datetime) -> None:
    if stage.done:
        return
    stage.touched |= not stage.skipped
    stage.skipped = True
    stage.touched |= skip_gates(stage.before, now) | skip_gates(stage.after, now)
    _skip_wait(stage, now)
    for group in stage.groups:
        _mark_group(group)


def _sweep(stage: StageLedger, group: GroupLedger, now: datetime) -> None:
    """Carry the skip of a stage or group to whatever of it has not started."""
    if stage.skipped and not group.skipped and (group.waiting or group.running):
        group.skipped = group.touched = True
    if group.skipped:
        for position in group.waiting_positions() + group.claims():
            skip_target(group, position, SKIPPED_BY_USER, now)
        group.touched |= skip_gates(group.before, now) | skip_gates(group.after, now)


def settle_group(group: GroupLedger, now: datetime) -> None:
    """Skip the gates of a group in which nothing was done: there is nothing to approve."""
    if group.nothing_done:
        group.touched |= skip_gates(group.before, now) | skip_gates(group.after, now)


def settle_stage(stage: StageLedger, now: datetime) -> None:
    """Skip the gates and the wait of a stage in which nothing was done: there is nothing to approve or watch."""
    begun = stage.started_at is not None or stage.skipped
    if all(group.nothing_done for group in stage.groups) and (stage.groups or begun):
        stage.touched |= skip_gates(stage.before, now) | skip_gates(stage.after, now)
        _skip_wait(stage, now)


def _skip_if_not_started(group: GroupLedger, position: int, now: datetime) -> None:
    target = group.targets[position]
    claimed = target.state is TargetState.RUNNING and not target.observed
    if claimed or target.state is TargetState.NOT_STARTED or target.state is TargetState.PENDING:
        skip_target(group, position, SKIPPED_BY_USER, now)


def skip_target(group: GroupLedger, position: int, why: str, now: datetime) -> None:
    """End a target as skipped."""
    target = group.targets[position]
    group.put(
        position,
        TargetProgress(
            name=target.name,
            state=TargetState.SKIPPED,
            attempt=target.attempt,
            observed=target.observed,
            started_at=target.started_at if target.observed else None,
            ended_at=now,
            message=why,
        ),
    )


def skip_gates(gates: list[GateProgress], now: datetime) -> bool:
    """Mark every gate that was not passed as skipped; whether there was one."""
    changed = False
    for index, gate in enumerate(gates):
        if not gate.passed:
            gates[index] = replace(gate, state=GateState.SKIPPED, ended_at=now)
            changed = True
    return changed


def _skip_wait(stage: StageLedger, now: datetime) -> None:
    wait = stage.wait
    if wait is not None and not wait.passed:
        stage.wait = WaitProgress(state=WaitState.SKIPPED, started_at=wait.started_at, ended_at=now)
        stage.touched = True
