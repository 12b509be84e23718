"""The working copy of a progress while a decision is made.

A ``Progress`` is a frozen tree; a decision changes a few leaves of it. The ledger opens the tree once, counts
targets by state, takes changes in place, and closes into a new tree that shares every part left untouched.
It is private to its maker: ``decide`` opens one and drops it, ``simulate`` keeps one over a whole run, which
makes each of its steps cost what changed and not what there is.

A running target whose operation was never observed is a *claim*: it holds its place, and its start is given
out again with each decision until the operation is seen.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from msgspec.structs import replace

from echelon.rollout import derive
from echelon.rollout.facts import Intent
from echelon.rollout.plan import Group, Plan, Stage
from echelon.rollout.progress import (
    GroupProgress,
    Progress,
    StageProgress,
    State,
    TargetProgress,
    TargetState,
)


class GroupLedger:
    """A group being worked on. ``queue`` holds the positions that may start, in order (see ``survey``)."""

    __slots__ = (
        "after",
        "before",
        "concurrency",
        "counts",
        "failures_allowed",
        "finished_at",
        "plan",
        "queue",
        "running",
        "skipped",
        "source",
        "started_at",
        "survey_due",
        "surveyed",
        "targets",
        "touched",
        "wake_at",
    )

    def __init__(self, plan: Group, source: GroupProgress) -> None:
        size = len(plan.targets)
        self.plan = plan
        self.source = source
        self.targets = list(source.targets)
        states = [target.state for target in self.targets]
        self.counts: Counter[TargetState] = Counter(states)
        self.running: set[int] = set()
        if self.counts[TargetState.RUNNING]:
            self.running = {position for position, state in enumerate(states) if state is TargetState.RUNNING}
        self.before = list(source.before)
        self.after = list(source.after)
        self.skipped = source.skipped
        self.started_at = source.started_at
        self.finished_at = source.ended_at
        self.concurrency = size if plan.max_concurrency is None else plan.max_concurrency.concurrency(size)
        self.failures_allowed = size if plan.max_failures is None else plan.max_failures.failures(size)
        self.queue: deque[int] = deque()
        self.surveyed = False
        self.survey_due: datetime | None = None
        self.wake_at: datetime | None = None
        self.touched = False

    @property
    def waiting(self) -> int:
        """How many targets may still start."""
        return self.counts[TargetState.NOT_STARTED] + self.counts[TargetState.PENDING]

    @property
    def begun(self) -> bool:
        """Whether a target of it runs, or ran."""
        return bool(self.running or self.counts[TargetState.COMPLETED] or self.counts[TargetState.FAILED])

    @property
    def all_ended(self) -> bool:
        return not self.running and not self.waiting

    @property
    def failures(self) -> int:
        return self.counts[TargetState.FAILED]

    @property
    def over_limit(self) -> bool:
        return self.failures > self.failures_allowed

    @property
    def nothing_done(self) -> bool:
        """Whether all its targets are skipped (as ``derive.nothing_done``, without counting them)."""
        size = len(self.targets)
        return self.counts[TargetState.SKIPPED] == size and (size > 0 or self.started_at is not None or self.skipped)

    @property
    def done(self) -> bool:
        """Whether the group holds up its stage no longer."""
        return not self.running and self.state(halted=False) in derive.ENDED

    def state(self, *, halted: bool) -> State:
        return derive.group_state(
            self.counts,
            self.after,
            reached=self.started_at is not None,
            skipped=self.skipped,
            failed=self.over_limit,
            halted=halted,
        )

    def put(self, position: int, target: TargetProgress) -> None:
        """Replace what is known of one target."""
        before = self.targets[position].state
        if before is not target.state:
            self.counts[before] -= 1
            self.counts[target.state] += 1
            if target.state is TargetState.RUNNING:
                self.running.add(position)
            elif before is TargetState.RUNNING:
                self.running.discard(position)
        self.targets[position] = target
        self.touched = True

    def reach(self, moment: datetime) -> None:
        """Note that the run has come to this group."""
        if self.started_at is None:
            self.started_at = moment
            self.touched = True

    def reopen(self) -> None:
        """Note that an ended target may start again, so the group may have more to do."""
        self.finished_at = None
        self.surveyed = False

    def claims(self) -> list[int]:
        """The positions of targets that run although no operation of theirs was seen, in order."""
        return sorted(position for position in self.running if not self.targets[position].observed)

    def waiting_positions(self) -> list[int]:
        return [
            position
            for position, target in enumerate(self.targets)
            if target.state is TargetState.NOT_STARTED or target.state is TargetState.PENDING
        ]

    def finish(self, moment: datetime) -> datetime:
        """When the group came to its end: when its last target ended, or its last gate was passed."""
        if self.finished_at is not None:
            return self.finished_at
        ends = [target.ended_at for target in self.targets if target.ended_at is not None]
        ends += [gate.ended_at for gate in self.after if gate.ended_at is not None]
        latest = max(ends, default=self.started_at or moment)
        if self.done:
            self.finished_at = latest
        return latest

    def close(self, moment: datetime, *, halted: bool) -> GroupProgress:
        """The group as a value: its source when nothing changed."""
        state = self.state(halted=halted)
        ended_at = self.finish(moment) if state in derive.ENDED or state is State.FAILED else None
        source = self.source
        if not self.touched and state is source.state and ended_at == source.ended_at:
            return source
        self.touched = False
        self.source = GroupProgress(
            name=source.name,
            state=state,
            skipped=self.skipped,
            started_at=self.started_at,
            ended_at=ended_at,
            before=tuple(self.before),
            after=tuple(self.after),
            targets=tuple(self.targets),
        )
        return self.source


class StageLedger:
    """A stage being worked on."""

    __slots__ = (
        "after",
        "before",
        "concurrency",
        "empty_groups",
        "failures_allowed",
        "finished_at",
        "groups",
        "plan",
        "skipped",
        "source",
        "started_at",
        "touched",
        "wait",
    )

    def __init__(self, plan: Stage, source: StageProgress) -> None:
        size = plan.size
        self.plan = plan
        self.source = source
        self.groups = [GroupLedger(group, part) for group, part in zip(plan.groups, source.groups, strict=True)]
        self.empty_groups = [group for group in self.groups if not group.targets]
        self.before = list(source.before)
        self.after = list(source.after)
        self.wait = source.wait
        self.skipped = source.skipped
        self.started_at = source.started_at
        self.finished_at = source.ended_at
        self.concurrency = size if plan.max_concurrency is None else plan.max_concurrency.concurrency(size)
        self.failures_allowed = size if plan.max_failures is None else plan.max_failures.failures(size)
        self.touched = False

    @property
    def running(self) -> int:
        return sum(len(group.running) for group in self.groups)

    @property
    def failures(self) -> int:
        return sum(group.failures for group in self.groups)

    @property
    def over_limit(self) -> bool:
        """Whether its failures, or those of one of its groups, are more than allowed."""
        return self.failures > self.failures_allowed or any(group.over_limit for group in self.groups)

    @property
    def passed(self) -> bool:
        return derive.all_passed(self.after) and (self.wait is None or self.wait.passed)

    @property
    def done(self) -> bool:
        """Whether the next stage may be reached."""
        if any(group.running for group in self.groups):
            return False
        return self.state([group.state(halted=False) for group in self.groups], halted=False) in derive.ENDED

    def state(self, groups: list[State], *, halted: bool) -> State:
        return derive.stage_state(
            groups,
            (*self.before, *self.after),
            self.wait,
            passed=self.passed,
            reached=self.started_at is not None,
            skipped=self.skipped,
            failed=self.failures > self.failures_allowed,
            halted=halted,
        )

    def reach(self, moment: datetime) -> None:
        """Note that the run has come to this stage."""
        if self.started_at is None:
            self.started_at = moment
            self.touched = True

    def groups_finished_at(self, moment: datetime) -> datetime:
        """When the last of its groups ended."""
        return max([group.finish(moment) for group in self.groups], default=self.started_at or moment)

    def finish(self, moment: datetime) -> datetime:
        """When the stage came to its end."""
        if self.finished_at is None:
            ends = [gate.ended_at for gate in self.after if gate.ended_at is not None]
            if self.wait is not None and self.wait.ended_at is not None:
                ends.append(self.wait.ended_at)
            self.finished_at = max([self.groups_finished_at(moment), *ends])
        return self.finished_at

    def close(self, moment: datetime, *, halted: bool) -> StageProgress:
        """The stage as a value: its source when nothing changed."""
        groups = tuple([group.close(moment, halted=halted) for group in self.groups])
        state = self.state([group.state for group in groups], halted=halted)
        ended_at = self.finish(moment) if state in derive.ENDED or state is State.FAILED else None
        source = self.source
        same_groups = all(new is old for new, old in zip(groups, source.groups, strict=True))
        if same_groups and not self.touched and state is source.state and ended_at == source.ended_at:
            return source
        self.touched = False
        self.source = StageProgress(
            name=source.name,
            state=state,
            skipped=self.skipped,
            started_at=self.started_at,
            ended_at=ended_at,
            before=tuple(self.before),
            after=tuple(self.after),
            wait=self.wait,
            groups=groups,
        )
        return self.source


class Ledger:
    """A run being worked on. ``progress`` must have the shape of ``plan`` (see ``repair.fit``)."""

    __slots__ = (
        "_first_open",
        "_over_limit",
        "attempt",
        "halted_at",
        "intent",
        "plan",
        "source",
        "stages",
        "started_at",
    )

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.source = progress
        self.stages = [StageLedger(stage, part) for stage, part in zip(plan.stages, progress.stages, strict=True)]
        self.attempt = progress.attempt
        self.started_at = progress.started_at
        self.halted_at = progress.halted_at
        self.intent = Intent.RUN
        self._first_open = 0
        self._over_limit: bool | None = None

    def reassess(self) -> None:
        """Forget what was concluded about limits and the current stage: a target failed or may start again."""
        self._first_open = 0
        self._over_limit = None

    @property
    def groups(self) -> Iterator[tuple[StageLedger, GroupLedger]]:
        return ((stage, group) for stage in self.stages for group in stage.groups)

    @property
    def over_limit(self) -> bool:
        """Whether more targets failed than some group or stage allows."""
        if self._over_limit is None:
            self._over_limit = any(stage.over_limit for stage in self.stages)
        return self._over_limit

    @property
    def advances(self) -> bool:
        """Whether new things may happen: the run is meant to run, and no failure limit is exceeded."""
        return self.intent is Intent.RUN and not self.over_limit

    @property
    def halted(self) -> bool:
        """Whether nothing new may start although the run was started or told to stop."""
        if self.intent is Intent.STOP or (self.intent is Intent.INITIALIZE and self.started_at is not None):
            return True
        return self.over_limit

    @property
    def current(self) -> StageLedger | None:
        """The first stage that is not done."""
        while self._first_open < len(self.stages):
            stage = self.stages[self._first_open]
            if not stage.done:
                return stage
            self._first_open += 1
        return None

    def open_stages(self) -> Sequence[StageLedger]:
        """The current stage and those after it."""
        return self.stages[self._first_open :] if self.current is not None else ()

    def place(self, target: str) -> tuple[StageLedger, GroupLedger, int] | None:
        """Where a target stands, or None when it is not part of the plan."""
        place = self.plan.places.targets.get(target)
        if place is None:
            return None
        stage = self.stages[place[0]]
        return stage, stage.groups[place[1]], place[2]

    def close(self, moment: datetime) -> Progress:
        """The run as a value: the progress it was opened from when nothing changed."""
        halted = self.halted
        stages = tuple([stage.close(moment, halted=halted) for stage in self.stages])
        state = derive.run_state(
            [stage.state for stage in stages], self.intent, started=self.started_at is not None, halted=halted
        )
        ended_at = self._ended_at(state, stages, moment)
        if not halted or state in derive.ENDED:
            self.halted_at = None
        elif self.halted_at is None:
            self.halted_at = moment
        progress = Progress(
            state=state,
            attempt=self.attempt,
            started_at=self.started_at,
            ended_at=ended_at,
            halted_at=self.halted_at,
            stages=stages,
        )
        source = self.source
        same_stages = all(new is old for new, old in zip(stages, source.stages, strict=True))
        if same_stages and progress == replace(source, stages=stages):
            return source
        self.source = progress
        return progress

    def _ended_at(self, state: State, stages: Iterable[StageProgress], moment: datetime) -> datetime | None:
        if state not in derive.ENDED and state is not State.FAILED:
            return None
        if self.source.ended_at is not None and self.source.state is state:
            return self.source.ended_at
        return max((stage.ended_at for stage in stages if stage.ended_at is not None), default=moment)
