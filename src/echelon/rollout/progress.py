"""How far a run has come: the state of every target, gate and wait, with times.

A ``Progress`` has the shape of its plan. What is observed is the state of its leaves (targets, gates, waits);
the states of groups, stages and the run are derived from them (see ``derive``) and kept for those who read.
It survives a round trip through JSON, so it can be stored anywhere; in practice it is read from, and written
to, the status of an object.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import Struct

from echelon.rollout.plan import Gate, Group, Moment, Plan, Stage


class State(StrEnum):
    """The state of a group, a stage or a run."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    SKIPPED = "Skipped"
    FAILED = "Failed"
    PENDING = "Pending"
    COMPLETED = "Completed"


class TargetState(StrEnum):
    """The state of a target. Pending: its turn has come, but it is not ready."""

    NOT_STARTED = "NotStarted"
    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    SKIPPED = "Skipped"
    FAILED = "Failed"


class GateState(StrEnum):
    """The state of a gate. Pending: reached, and closed."""

    NOT_STARTED = "NotStarted"
    PENDING = "Pending"
    COMPLETED = "Completed"
    SKIPPED = "Skipped"


class WaitState(StrEnum):
    """The state of the wait after a stage."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    COMPLETED = "Completed"
    SKIPPED = "Skipped"


class TargetProgress(Struct, frozen=True, omit_defaults=True, gc=False):
    """One target.

    ``attempt`` is the attempt in which it runs or last ended, 0 when it never did. ``observed`` is set once
    its operation was seen: a running target that was never seen is one whose start may have been lost.
    ``pending_since`` and ``until`` belong to the state Pending: since when, and until when if that is known.
    """

    name: str
    state: TargetState = TargetState.NOT_STARTED
    attempt: int = 0
    observed: bool = False
    started_at: Moment | None = None
    ended_at: Moment | None = None
    pending_since: Moment | None = None
    until: Moment | None = None
    message: str = ""


class GateProgress(Struct, frozen=True, omit_defaults=True, gc=False):
    """One gate: when it was reached and passed; ``opens_at`` is the moment a scheduled start opens by itself."""

    name: str
    state: GateState = GateState.NOT_STARTED
    started_at: Moment | None = None
    ended_at: Moment | None = None
    opens_at: Moment | None = None

    @property
    def passed(self) -> bool:
        return self.state is GateState.COMPLETED or self.state is GateState.SKIPPED


class WaitProgress(Struct, frozen=True, omit_defaults=True, gc=False):
    """The wait after a stage, counted from the end of its last group."""

    state: WaitState = WaitState.NOT_STARTED
    started_at: Moment | None = None
    ended_at: Moment | None = None
    until: Moment | None = None

    @property
    def passed(self) -> bool:
        return self.state is WaitState.COMPLETED or self.state is WaitState.SKIPPED


class GroupProgress(Struct, frozen=True, omit_defaults=True):
    """One group; ``skipped`` says that the user skipped it as a whole."""

    name: str
    state: State = State.NOT_STARTED
    skipped: bool = False
    started_at: Moment | None = None
    ended_at: Moment | None = None
    before: tuple[GateProgress, ...] = ()
    after: tuple[GateProgress, ...] = ()
    targets: tuple[TargetProgress, ...] = ()

    @property
    def failure_count(self) -> int:
        return sum(target.state is TargetState.FAILED for target in self.targets)


class StageProgress(Struct, frozen=True, omit_defaults=True):
    """One stage; ``wait`` is None when the plan has none after it."""

    name: str
    state: State = State.NOT_STARTED
    skipped: bool = False
    started_at: Moment | None = None
    ended_at: Moment | None = None
    before: tuple[GateProgress, ...] = ()
    after: tuple[GateProgress, ...] = ()
    wait: WaitProgress | None = None
    groups: tuple[GroupProgress, ...] = ()

    @property
    def failure_count(self) -> int:
        return sum(group.failure_count for group in self.groups)


class Progress(Struct, frozen=True, omit_defaults=True):
    """A run. ``halted_at``: since when nothing new starts, because of a stop or of failures."""

    state: State = State.NOT_STARTED
    attempt: int = 0
    started_at: Moment | None = None
    ended_at: Moment | None = None
    halted_at: Moment | None = None
    stages: tuple[StageProgress, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end for good: no intent and no attempt changes it any more."""
        return self.state in (State.COMPLETED, State.SKIPPED)

    @property
    def at_rest(self) -> bool:
        """Whether nothing happens any more unless the user asks: finished, failed or stopped."""
        return self.finished or self.state in (State.FAILED, State.STOPPED)

    @property
    def failure_count(self) -> int:
        return sum(stage.failure_count for stage in self.stages)


def initial(plan: Plan) -> Progress:
    """The progress of a run of which nothing has happened yet."""
    return Progress(stages=tuple(map(initial_stage, plan.stages)))


def initial_stage(stage: Stage) -> StageProgress:
    return StageProgress(
        name=stage.name,
        before=initial_gates(stage.before),
        after=initial_gates(stage.after),
        wait=WaitProgress() if stage.wait else None,
        groups=tuple(map(initial_group, stage.groups)),
    )


def initial_group(group: Group) -> GroupProgress:
    return GroupProgress(
        name=group.name,
        before=initial_gates(group.before),
        after=initial_gates(group.after),
        targets=tuple(map(TargetProgress, group.targets)),
    )


def initial_gates(gates: tuple[Gate, ...]) -> tuple[GateProgress, ...]:
    return tuple(GateProgress(gate.name) for gate in gates)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Progress)


def to_json(progress: Progress) -> bytes:
    """The progress as JSON; what has its initial value is left out."""
    return _encoder.encode(progress)


def from_json(text: bytes | str) -> Progress:
    """Read what ``to_json`` wrote.

    Raises:
        msgspec.ValidationError: the text is JSON, but not a progress.
        msgspec.DecodeError: the text is not JSON.
    """
    return _decoder.decode(text)
