"""A run played in simulated time: what would happen, and when, if every update took as long as is assumed.

The simulation takes the same steps as a real run, through the same code; only the world is made up. Operations
end after the assumed duration, maintenance windows are asked of a function, and gates are approved after the
assumed time or, when none is assumed, left to a person. Its result is the progress the run would have, which
holds the start and end of every target, gate, wait, group, stage and of the run itself.

It keeps one ledger from the first moment to the last, so that each step costs what happens in it: ended and
started targets and the groups of the current stage, not all targets of the run.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from echelon.rollout.advance import advance
from echelon.rollout.engine import next_moment
from echelon.rollout.explain import Blocker, blockers
from echelon.rollout.facts import Facts, Intent, Operation, Outcome, Window
from echelon.rollout.ledger import GroupLedger, Ledger
from echelon.rollout.observe import observe, pending_gates, take_approvals, take_operations
from echelon.rollout.plan import GateKind, GateReference, Moment, Plan, later
from echelon.rollout.progress import Progress, TargetProgress, TargetState, initial
from echelon.rollout.repair import fit

WindowOf = Callable[[str, datetime], Window | None]
"""The window of a target that is open at a moment or opens next; None for a target without windows."""


class Assumptions(Struct, frozen=True, kw_only=True):
    """How the world of a simulation behaves.

    * ``duration`` of an update, unless ``durations`` names another for a target; ``failing`` ones end as failed.
    * ``approval``: how long after a gate is reached it is approved; None leaves gates to a person.
    * ``window``: the maintenance windows of targets; None when there are none.
    """

    duration: timedelta
    durations: Mapping[str, timedelta] = {}
    failing: frozenset[str] = frozenset()
    approval: timedelta | None = None
    window: WindowOf | None = None


class Schedule(Struct, frozen=True):
    """What a simulation found.

    * ``progress`` is that of the run at the moment when nothing more would happen by itself.
    * ``ends_at`` is when the run would end, completed or failed; None when it would wait for ever, or for a person.
    * ``approvals`` lists the gates that somebody was assumed to approve, in the order they were reached;
      ``waits_for`` those that a person must approve for the run to go on.
    * ``blocked_on`` says what else would stand in the way.
    """

    progress: Progress
    starts_at: Moment
    ends_at: Moment | None
    approvals: tuple[GateReference, ...] = ()
    waits_for: tuple[GateReference, ...] = ()
    blocked_on: tuple[Blocker, ...] = ()


def simulate(
    plan: Plan, now: datetime, assumptions: Assumptions, progress: Progress | None = None, facts: Facts | None = None
) -> Schedule:
    """Play a run from ``now`` on: from its beginning, or from a progress and the facts known so far.

    Operations that are already running are assumed to end once their duration has passed since their start.
    """
    simulation = _Simulation(plan, now, assumptions, progress or initial(plan), facts or Facts())
    simulation.play()
    return simulation.schedule()


class _Simulation:
    def __init__(self, plan: Plan, now: datetime, assumptions: Assumptions, progress: Progress, facts: Facts) -> None:
        self.assumptions = assumptions
        self.starts_at = self.now = now
        self.ends: list[tuple[datetime, str]] = []
        self.approvals: dict[GateReference, None] = {}
        self.windows: dict[str, Window] = dict(facts.windows)
        self.closings: list[tuple[datetime, str]] = []
        if assumptions.window is not None:
            self._ask_windows(plan.places.targets)
        self.facts = replace(facts, intent=Intent.RUN, windows=self.windows)
        self.ledger = Ledger(plan, fit(plan, progress)[0])

    def play(self) -> None:
        """Take steps until nothing more happens by itself."""
        observe(self.ledger, self.facts, self.now)
        advance(self.ledger, self.facts, self.now)
        for _, group in self.ledger.groups:
            for position in sorted(group.running):
                self._begin(group, position)
        while (moment := self._next()) is not None:
            self.now = max(self.now, moment)
            self._renew_windows()
            take_operations(self.ledger, self._ended_operations(), self.now)
            if self.assumptions.approval is not None:
                take_approvals(self.ledger, self._due_approvals(self.assumptions.approval), self.now)
            for _, group, position in advance(self.ledger, self.facts, self.now):
                self._begin(group, position)

    def schedule(self) -> Schedule:
        """What came out."""
        progress = self.ledger.close(self.now)
        waiting = [pending for pending in pending_gates(self.ledger) if pending.planned.kind is GateKind.APPROVAL]
        return Schedule(
            progress=progress,
            starts_at=self.starts_at,
            ends_at=progress.ended_at,
            approvals=tuple(self.approvals),
            waits_for=tuple(pending.reference for pending in waiting) if self.ledger.advances else (),
            blocked_on=blockers(self.ledger),
        )

    def _begin(self, group: GroupLedger, position: int) -> None:
        """Let the operation of a target start, or go on, and note when it will end."""
        target = group.targets[position]
        started_at = target.started_at or self.now
        if not target.observed:
            group.put(
                position,
                TargetProgress(target.name, TargetState.RUNNING, target.attempt, True, started_at),
            )
        duration = self.assumptions.durations.get(target.name, self.assumptions.duration)
        heapq.heappush(self.ends, (max(self.now, later(started_at, duration)), target.name))

    def _next(self) -> datetime | None:
        """When something happens next."""
        moments = [self.ends[0][0]] if self.ends else []
        wake_at = next_moment(self.ledger, self.now)
        if wake_at is not None:
            moments.append(wake_at)
        if self.assumptions.approval is not None and self.ledger.advances:
            moments += self._due_moments(self.assumptions.approval).values()
        return min(moments, default=None)

    def _ended_operations(self) -> dict[str, Operation]:
        operations = {}
        while self.ends and self.ends[0][0] <= self.now:
            ended_at, name = heapq.heappop(self.ends)
            place = self.ledger.place(name)
            if place is not None:
                _, group, position = place
                outcome = Outcome.FAILED if name in self.assumptions.failing else Outcome.SUCCEEDED
                operations[name] = Operation(group.targets[position].attempt, outcome, ended_at=ended_at)
        return operations

    def _due_moments(self, approval: timedelta) -> dict[GateReference, datetime]:
        """When each closed gate will be approved."""
        return {
            pending.reference: later(pending.gate.started_at or self.now, approval)
            for pending in pending_gates(self.ledger)
            if pending.planned.kind is GateKind.APPROVAL
        }

    def _due_approvals(self, approval: timedelta) -> dict[GateReference, datetime]:
        due = {gate: moment for gate, moment in self._due_moments(approval).items() if moment <= self.now}
        self.approvals |= dict.fromkeys(due)
        return due

    def _renew_windows(self) -> None:
        """Ask for the next window of targets whose window has closed."""
        closed = []
        while self.closings and self.closings[0][0] <= self.now:
            closed.append(heapq.heappop(self.closings)[1])
        self._ask_windows(closed)

    def _ask_windows(self, names: Iterable[str]) -> None:
        if self.assumptions.window is None:
            return
        for name in names:
            window = self.assumptions.window(name, self.now)
            if window is None:
                self.windows.pop(name, None)
                continue
            self.windows[name] = window
            if window.closes_at > self.now:
                heapq.heappush(self.closings, (window.closes_at, name))
