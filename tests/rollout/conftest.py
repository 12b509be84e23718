"""A run to play with: decisions are carried out at once, and the clock is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from echelon.rollout import (
    Decision,
    Facts,
    GateReference,
    Intent,
    Operation,
    Outcome,
    Plan,
    Skip,
    SkipKind,
    State,
    TargetProgress,
    Timing,
    decide,
    initial,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday


class Player:
    """A caller that never crashes: it starts what it is told to start and stores what it is given."""

    def __init__(self, plan: Plan, **facts: object) -> None:
        self.plan = plan
        self.progress = initial(plan)
        self.facts = Facts(**facts)
        self.now = START
        self.started: list[str] = []
        self.decision = self.decide()

    def decide(self) -> Decision:
        self.decision = decide(self.plan, self.progress, self.facts, self.now)
        self.progress = self.decision.progress
        for start in self.decision.start:
            operation = Operation(start.attempt, started_at=self.now)
            self.facts = replace(self.facts, operations={**self.facts.operations, start.target: operation})
            self.started.append(start.target)
        return self.decision

    def change(self, **facts: object) -> Decision:
        self.facts = replace(self.facts, **facts)
        return self.decide()

    def end(self, *names: str, outcome: Outcome = Outcome.SUCCEEDED) -> Decision:
        ended = {
            name: replace(self.facts.operations[name], outcome=outcome, ended_at=self.now, message=f"{outcome}")
            for name in names
        }
        return self.change(operations={**self.facts.operations, **ended})

    def fail(self, *names: str) -> Decision:
        return self.end(*names, outcome=Outcome.FAILED)

    def skip(self, kind: SkipKind, name: str) -> Decision:
        return self.change(skips=self.facts.skips | {Skip(kind, name)})

    def approve(self, stage: str, timing: Timing = Timing.AFTER, group: str | None = None) -> Decision:
        gate = GateReference(stage, group, timing, "check")
        return self.change(approvals={**self.facts.approvals, gate: self.now})

    def stop(self) -> Decision:
        return self.change(intent=Intent.STOP)

    def start(self) -> Decision:
        return self.change(intent=Intent.RUN, attempt=self.facts.attempt + 1)

    def after(self, seconds: float) -> Decision:
        self.now += timedelta(seconds=seconds)
        return self.decide()

    def pop_started(self) -> list[str]:
        """What was started since this was last asked."""
        started, self.started = self.started, []
        return started

    @property
    def state(self) -> State:
        return self.progress.state

    def stage_state(self, name: str) -> State:
        return self.progress.stages[self.plan.places.stages[name]].state

    def group_state(self, name: str) -> State:
        stage, group = self.plan.places.groups[name]
        return self.progress.stages[stage].groups[group].state

    def target(self, name: str) -> TargetProgress:
        stage, group, position = self.plan.places.targets[name]
        return self.progress.stages[stage].groups[group].targets[position]


@pytest.fixture
def play() -> Callable[..., Player]:
    """Begin to play a plan; keyword arguments are the facts at first."""
    return Player
