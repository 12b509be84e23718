"""What a run intends to do: stages in order, groups side by side, targets within a concurrency.

A ``Plan`` is fixed when a run is initialised and does not change while it runs. It says nothing of what a
target is or what is done to it: a target is a name, unique in the plan. A plan that could not be carried
out cannot be built: ``Plan`` checks itself and raises ``InvalidPlan``, which lists everything found wrong.

Times are UTC ``datetime`` values throughout the engine, not float seconds: they are what the objects on the
hub hold, they compare and subtract exactly, and msgspec reads and writes them as RFC 3339. Every moment must
carry a time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import cached_property
from typing import Annotated

import msgspec
from msgspec import Struct

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A point in time, with a time zone."""

LAST_MOMENT = datetime.max.replace(tzinfo=UTC)

_LIMIT = re.compile(r"(0|[1-9]\d{0,8})(%?)")


def later(moment: datetime, duration: timedelta) -> datetime:
    """``moment + duration``, or the last moment there is when that lies beyond it."""
    try:
        return moment + duration
    except OverflowError:
        return LAST_MOMENT


class Limit(Struct, frozen=True, gc=False):
    """A number of targets: a count, or a percentage of the targets of the group or stage it is set on."""

    amount: int
    percent: bool = False

    @classmethod
    def parse(cls, text: str | int) -> Limit:
        """Read ``3``, ``"3"`` or ``"25%"``.

        Raises:
            ValueError: the text is none of these.
        """
        match = _LIMIT.fullmatch(str(text))
        if match is None or (match[2] and int(match[1]) > 100):
            raise ValueError(f"{text!r} is not a limit; want a count such as 3, or a percentage from 0% to 100%")
        return cls(int(match[1]), bool(match[2]))

    def concurrency(self, total: int) -> int:
        """How many of ``total`` targets may run at once: a percentage is rounded down, and the least is 1."""
        return max(1, self.amount * total // 100 if self.percent else self.amount)

    def failures(self, total: int) -> int:
        """How many of ``total`` targets may fail: a percentage is rounded up."""
        return max(0, -(-self.amount * total // 100) if self.percent else self.amount)

    def __str__(self) -> str:
        return f"{self.amount}%" if self.percent else str(self.amount)


class GateKind(StrEnum):
    """What opens a gate: a person (or whoever stands for one), or a moment of the week."""

    APPROVAL = "Approval"
    SCHEDULED_START = "ScheduledStart"


class Timing(StrEnum):
    """Whether a gate stands before the targets of its stage or group, or after them."""

    BEFORE = "Before"
    AFTER = "After"


class WeeklyTime(Struct, frozen=True, gc=False):
    """A moment that returns every week, at a fixed offset from UTC. Monday is weekday 0."""

    weekday: int
    hour: int
    minute: int = 0
    utc_offset: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if not (0 <= self.weekday <= 6 and 0 <= self.hour <= 23 and 0 <= self.minute <= 59):
            found = f"{self.weekday}, {self.hour}:{self.minute}"
            raise ValueError(f"{found} is not a weekday from 0 to 6 and a time of day")
        if abs(self.utc_offset) >= timedelta(hours=24):
            raise ValueError(f"a UTC offset of {self.utc_offset} is a day or more")

    def next(self, moment: datetime) -> datetime:
        """The first occurrence at or after ``moment``, in UTC."""
        try:
            local = moment.astimezone(timezone(self.utc_offset))
            today = local.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
            candidate = today + timedelta(days=(self.weekday - local.weekday()) % 7)
            if candidate < local:
                candidate += timedelta(days=7)
            return candidate.astimezone(UTC)
        except OverflowError:
            return LAST_MOMENT


class Gate(Struct, frozen=True):
    """A point that is passed only once it is approved, or once its moment of the week has come.

    ``name`` tells apart the gates of one place. ``starts`` is set for a scheduled start and only there; such
    a gate stands before its stage or group, and an approval opens it early.
    """

    name: str
    kind: GateKind = GateKind.APPROVAL
    starts: WeeklyTime | None = None


class GateReference(Struct, frozen=True):
    """Which gate of a plan: ``group`` is None for a gate of the stage itself."""

    stage: str
    group: str | None
    timing: Timing
    name: str


class Group(Struct, frozen=True):
    """Targets updated in the order given, at most ``max_concurrency`` at a time (None: no bound of its own).

    More than ``max_failures`` failed targets fail the group (None: any number may fail).
    """

    name: str
    targets: tuple[str, ...] = ()
    before: tuple[Gate, ...] = ()
    after: tuple[Gate, ...] = ()
    max_concurrency: Limit | None = None
    max_failures: Limit | None = None


class Stage(Struct, frozen=True):
    """Groups that run side by side, and what must pass before the next stage: its gates after, and ``wait``.

    The limits apply to the targets of all its groups together, besides those of each group.
    """

    name: str
    groups: tuple[Group, ...] = ()
    before: tuple[Gate, ...] = ()
    after: tuple[Gate, ...] = ()
    wait: timedelta = timedelta(0)
    max_concurrency: Limit | None = None
    max_failures: Limit | None = None

    @property
    def size(self) -> int:
        """How many targets its groups have together."""
        return sum(len(group.targets) for group in self.groups)


class InvalidPlan(ValueError):
    """The plan cannot be carried out. ``problems`` holds one sentence for each reason."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Places:
    """Where the names of a plan stand in it. Built once a plan, on first use."""

    __slots__ = ("groups", "stages", "targets")

    def __init__(self, plan: Plan) -> None:
        self.stages: dict[str, int] = {}
        self.groups: dict[str, tuple[int, int]] = {}
        self.targets: dict[str, tuple[int, int, int]] = {}
        for stage_index, stage in enumerate(plan.stages):
            self.stages[stage.name] = stage_index
            for group_index, group in enumerate(stage.groups):
                self.groups[group.name] = stage_index, group_index
                for position, target in enumerate(group.targets):
                    self.targets[target] = stage_index, group_index, position


class Plan(Struct, frozen=True, dict=True):
    """Stages carried out strictly one after the other.

    Raises:
        InvalidPlan: when built with duplicate names, limits out of range or gates that could never open. A
            plan without stages, a stage without groups and a group without targets are allowed: they have
            nothing to do and are skipped.
    """

    stages: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        problems = tuple(_problems(self))
        if problems:
            raise InvalidPlan(problems)

    @cached_property
    def places(self) -> Places:
        """Where each name stands. Kept with the plan: a caller that keeps its plan pays for it once."""
        return Places(self)

    @property
    def size(self) -> int:
        """How many targets there are."""
        return sum(stage.size for stage in self.stages)


def _problems(plan: Plan) -> Iterator[str]:
    stages: set[str] = set()
    groups: dict[str, str] = {}
    targets: dict[str, str] = {}
    for stage in plan.stages:
        if not stage.name:
            yield "a stage has no name"
        elif stage.name in stages:
            yield f"stage {stage.name!r} appears twice"
        stages.add(stage.name)
        yield from _stage_problems(stage)
        for group in stage.groups:
            if group.name in groups:
                yield f"group {group.name!r} appears in stage {groups[group.name]!r} and in stage {stage.name!r}"
            groups.setdefault(group.name, stage.name)
            yield from _target_problems(group, targets)


def _stage_problems(stage: Stage) -> Iterator[str]:
    where = f"stage {stage.name!r}"
    if stage.wait < timedelta(0):
        yield f"{where}: a wait of {stage.wait} is negative"
    yield from _limit_problems(where, stage)
    yield from _gate_problems(where, stage)
    for group in stage.groups:
        where = f"group {group.name!r}"
        if not group.name:
            yield f"a group of stage {stage.name!r} has no name"
        yield from _limit_problems(where, group)
        yield from _gate_problems(where, group)


def _target_problems(group: Group, seen: dict[str, str]) -> Iterator[str]:
    for target in group.targets:
        if not target:
            yield f"a target of group {group.name!r} has no name"
        elif target not in seen:
            seen[target] = group.name
        elif seen[target] == group.name:
            yield f"target {target!r} appears twice in group {group.name!r}"
        else:
            yield f"target {target!r} appears in group {seen[target]!r} and in group {group.name!r}"


def _limit_problems(where: str, scope: Stage | Group) -> Iterator[str]:
    for limit, least, name in ((scope.max_concurrency, 1, "concurrency"), (scope.max_failures, 0, "failure limit")):
        if limit is not None and (limit.amount < least or (limit.percent and limit.amount > 100)):
            accepted = f"a count of {least} or more, or {least}% to 100%"
            yield f"{where}: a {name} of {limit} is out of range; want {accepted}"


def _gate_problems(where: str, scope: Stage | Group) -> Iterator[str]:
    for timing, gates in ((Timing.BEFORE, scope.before), (Timing.AFTER, scope.after)):
        names = [gate.name for gate in gates]
        twice = sorted({name for name in names if names.count(name) > 1})
        yield from (f"{where}: gate {name!r} appears twice {timing.lower()} it" for name in twice)
        for gate in gates:
            scheduled = gate.kind is GateKind.SCHEDULED_START
            if scheduled and timing is Timing.AFTER:
                yield f"{where}: gate {gate.name!r} is a scheduled start, which can stand before it only"
            if scheduled and gate.starts is None:
                yield f"{where}: gate {gate.name!r} is a scheduled start without a time"
            if not scheduled and gate.starts is not None:
                yield f"{where}: gate {gate.name!r} is an approval and cannot have a start time"
