"""Why a run does not go on: what it waits for, since when, until when if that is known, what would unblock it.

``blockers`` lists every reason that holds once a decision is made, in the order of the plan. Each is a value with
the fields that a status, an event or a command line needs; ``sentence`` puts one into words. Lists of targets are
cut to the first few, with the full count beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from echelon.rollout.facts import Intent
from echelon.rollout.ledger import GroupLedger, Ledger, StageLedger
from echelon.rollout.observe import pending_gates
from echelon.rollout.plan import GateKind, GateReference, Moment
from echelon.rollout.progress import TargetState, WaitState

NAMED = 3
"""How many targets a blocker names."""


class Remedy(StrEnum):
    """What would unblock a run."""

    APPROVAL = "Approval"
    TIME = "Time"
    OPERATION = "Operation"
    READINESS = "Readiness"
    START = "Start"
    RETRY = "Retry"


class GateBlocker(Struct, frozen=True, tag="Gate"):
    """A gate is closed; ``until`` is when it opens by itself, None when somebody must approve it."""

    gate: GateReference
    kind: GateKind
    since: Moment | None
    until: Moment | None

    @property
    def remedy(self) -> Remedy:
        return Remedy.APPROVAL if self.until is None else Remedy.TIME


class WaitBlocker(Struct, frozen=True, tag="TimedWait"):
    """The wait after a stage is going on."""

    stage: str
    since: Moment | None
    until: Moment | None

    @property
    def remedy(self) -> Remedy:
        return Remedy.TIME


class RunningBlocker(Struct, frozen=True, tag="RunningTargets"):
    """Targets of a group are being updated; ``since`` is when the first of them was started."""

    stage: str
    group: str
    targets: tuple[str, ...]
    count: int
    since: Moment | None

    @property
    def remedy(self) -> Remedy:
        return Remedy.OPERATION


class UnreadyBlocker(Struct, frozen=True, tag="UnreadyTargets"):
    """The turn of some targets has come, but they are not ready, most often for a closed maintenance window.

    ``since`` is when the first became so, ``until`` when the first will be ready; ``reason`` is that of the
    first named.
    """

    stage: str
    group: str
    targets: tuple[str, ...]
    count: int
    reason: str
    since: Moment | None
    until: Moment | None

    @property
    def remedy(self) -> Remedy:
        return Remedy.READINESS if self.until is None else Remedy.TIME


class ConcurrencyBlocker(Struct, frozen=True, tag="Concurrency"):
    """Targets that are ready wait for a place in their group, or in the stage when ``group`` is None."""

    stage: str
    group: str | None
    limit: int
    waiting: int
    since: Moment | None

    @property
    def remedy(self) -> Remedy:
        return Remedy.OPERATION


class FailureBlocker(Struct, frozen=True, tag="FailureLimit"):
    """More targets failed than the group, or the stage when ``group`` is None, may have. Nothing new starts."""

    stage: str
    group: str | None
    targets: tuple[str, ...]
    failures: int
    limit: int
    since: Moment | None

    @property
    def remedy(self) -> Remedy:
        return Remedy.RETRY


class StopBlocker(Struct, frozen=True, tag="StopRequested"):
    """A stop is in force; ``running`` targets are awaited. Nothing new starts."""

    running: int
    since: Moment | None

    @property
    def remedy(self) -> Remedy:
        return Remedy.START


class StartBlocker(Struct, frozen=True, tag="NotStarted"):
    """The run is initialised and nobody has started it."""

    @property
    def remedy(self) -> Remedy:
        return Remedy.START


Blocker = (
    GateBlocker
    | WaitBlocker
    | RunningBlocker
    | UnreadyBlocker
    | ConcurrencyBlocker
    | FailureBlocker
    | StopBlocker
    | StartBlocker
)


def blockers(ledger: Ledger) -> tuple[Blocker, ...]:
    """Every reason why the run does not go on now; none when it has come to its end for good."""
    return () if ledger.source.finished else tuple(_blockers(ledger))


def _blockers(ledger: Ledger) -> Iterator[Blocker]:
    if not ledger.advances:
        yield from _halts(ledger)
    for stage in ledger.stages:
        for group in stage.groups:
            if group.running:
                yield _running(stage, group)
    if not ledger.advances:
        return
    yield from _gates(ledger)
    if ledger.current is not None:
        yield from _current(ledger.current)


def _current(stage: StageLedger) -> Iterator[Blocker]:
    for group in stage.groups:
        if group.counts[TargetState.PENDING]:
            yield _unready(stage, group)
    yield from _places(stage)
    wait = stage.wait
    if wait is not None and wait.state is WaitState.RUNNING:
        yield WaitBlocker(stage.plan.name, wait.started_at, wait.until)


def _halts(ledger: Ledger) -> Iterator[Blocker]:
    for stage in ledger.stages:
        if stage.failures > stage.failures_allowed:
            yield _failures(stage, None, stage.groups, stage.failures_allowed)
        for group in stage.groups:
            if group.over_limit:
                yield _failures(stage, group.plan.name, [group], group.failures_allowed)
    if ledger.intent is Intent.INITIALIZE and ledger.started_at is None:
        yield StartBlocker()
    elif ledger.intent is not Intent.RUN:
        yield StopBlocker(sum(stage.running for stage in ledger.stages), ledger.halted_at)


def _failures(stage: StageLedger, name: str | None, groups: list[GroupLedger], limit: int) -> FailureBlocker:
    failed = [
        target for group in groups if group.failures for target in group.targets if target.state is TargetState.FAILED
    ]
    names = tuple(target.name for target in failed[:NAMED])
    since = max((target.ended_at for target in failed if target.ended_at is not None), default=None)
    return FailureBlocker(stage.plan.name, name, names, len(failed), limit, since)


def _running(stage: StageLedger, group: GroupLedger) -> RunningBlocker:
    positions = sorted(group.running)
    names = tuple(group.targets[position].name for position in positions[:NAMED])
    since = min(_start_times(group), default=None)
    return RunningBlocker(stage.plan.name, group.plan.name, names, len(positions), since)


def _start_times(group: GroupLedger) -> list[datetime]:
    times = (group.targets[position].started_at for position in group.running)
    return [time for time in times if time is not None]


def _gates(ledger: Ledger) -> Iterator[GateBlocker]:
    for pending in pending_gates(ledger):
        gate = pending.gate
        yield GateBlocker(pending.reference, pending.planned.kind, gate.started_at, gate.opens_at)


def _unready(stage: StageLedger, group: GroupLedger) -> UnreadyBlocker:
    pending = [target for target in group.targets if target.state is TargetState.PENDING]
    return UnreadyBlocker(
        stage=stage.plan.name,
        group=group.plan.name,
        targets=tuple(target.name for target in pending[:NAMED]),
        count=len(pending),
        reason=pending[0].message,
        since=min((target.pending_since for target in pending if target.pending_since is not None), default=None),
        until=min((target.until for target in pending if target.until is not None), default=None),
    )


def _places(stage: StageLedger) -> Iterator[ConcurrencyBlocker]:
    """Groups with ready targets and no place for them; the stage is named when it is what stands in the way."""
    stage_full = stage.running >= stage.concurrency
    held_by_stage = 0
    for group in stage.groups:
        ready = len(group.queue)
        if not ready:
            continue
        if len(group.running) >= group.concurrency:
            since = max(_start_times(group), default=None)
            yield ConcurrencyBlocker(stage.plan.name, group.plan.name, group.concurrency, ready, since)
        elif stage_full:
            held_by_stage += ready
    if held_by_stage:
        since = max((time for group in stage.groups for time in _start_times(group)), default=None)
        yield ConcurrencyBlocker(stage.plan.name, None, stage.concurrency, held_by_stage, since)


def sentence(blocker: Blocker) -> str:
    """A blocker in words."""
    match blocker:
        case GateBlocker():
            return _gate_sentence(blocker)
        case WaitBlocker():
            return f"stage {blocker.stage} waits after its updates{_period(blocker.since, blocker.until)}"
        case RunningBlocker():
            names = _names(blocker.targets, blocker.count)
            be = "is" if blocker.count == 1 else "are"
            return (
                f"{names} in group {blocker.group} of stage {blocker.stage} {be} being updated{_period(blocker.since)}"
            )
        case UnreadyBlocker():
            names = _names(blocker.targets, blocker.count)
            where = f"in group {blocker.group} of stage {blocker.stage}"
            be = "is" if blocker.count == 1 else "are"
            return f"{names} {where} {be} not ready{_period(blocker.since, blocker.until)}: {blocker.reason}"
        case ConcurrencyBlocker():
            where = f"stage {blocker.stage}" if blocker.group is None else f"group {blocker.group}"
            return f"{blocker.waiting} more wait for a place: {where} updates at most {blocker.limit} at a time"
        case FailureBlocker():
            where = f"stage {blocker.stage}" if blocker.group is None else f"group {blocker.group}"
            names = _names(blocker.targets, blocker.failures)
            return f"{names} failed, and {where} may have at most {blocker.limit} failures; start the run to retry"
        case StopBlocker(running=0):
            return f"stopped by the user{_period(blocker.since)}; start the run to go on"
        case StopBlocker():
            return f"stop requested by the user{_period(blocker.since)}; {blocker.running} still being updated"
        case StartBlocker():
            return "the run has not been started"


def _gate_sentence(blocker: GateBlocker) -> str:
    gate = blocker.gate
    where = f"stage {gate.stage}" if gate.group is None else f"group {gate.group} of stage {gate.stage}"
    what = "its scheduled start" if blocker.until is not None else "an approval"
    period = _period(blocker.since, blocker.until)
    return f"gate {gate.name} {gate.timing.lower()} {where} waits for {what}{period}"


def _names(targets: tuple[str, ...], count: int) -> str:
    listed = ", ".join(targets)
    return listed if count <= len(targets) else f"{listed} and {count - len(targets)} more"


def _period(since: datetime | None, until: datetime | None = None) -> str:
    return ",".join(f" {word} {_time(moment)}" for word, moment in (("since", since), ("until", until)) if moment)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
