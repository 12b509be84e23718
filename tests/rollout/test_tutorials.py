"""The runs of the two tutorials, against a model that is too simple to be wrong.

The model knows only sets of names and computes everything anew from the rules in words: what may run now, and the
state of the run. A state machine lets anything happen in any order, crashes included, and compares.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from echelon.rollout import (
    Facts,
    Gate,
    GateReference,
    Group,
    Intent,
    Limit,
    Operation,
    Outcome,
    Plan,
    Skip,
    SkipKind,
    Stage,
    State,
    TargetState,
    Timing,
    decide,
    initial,
)

ONE, NONE = Limit(1), Limit(0)

STAGED_ROLLOUT = Plan(
    (
        Stage("staging", (Group("staging", ("member2",), max_concurrency=ONE),), wait=timedelta(seconds=60)),
        Stage("canary", (Group("canary", ("member3", "member1"), max_concurrency=ONE),), after=(Gate("approval"),)),
        Stage("kubernetes-fleet.io/deleteStage", (Group("kubernetes-fleet.io/deleteStage", ("gone1", "gone2")),)),
    )
)
UPDATE_RUN = Plan(
    (
        Stage(
            "stage1",
            (
                Group("group-1a", ("member1",), max_concurrency=ONE, max_failures=NONE),
                Group("group-1b", ("member2",), max_concurrency=ONE, max_failures=NONE),
            ),
            wait=timedelta(seconds=2),
            max_concurrency=Limit(50),
            max_failures=NONE,
        ),
        Stage(
            "stage2",
            (Group("group-2a", ("member3", "member4"), max_concurrency=ONE, max_failures=NONE),),
            max_concurrency=Limit(50),
            max_failures=NONE,
        ),
    )
)


class Tutorials(RuleBasedStateMachine):
    """The engine on one side, sets of names on the other."""

    @initialize(plan=st.sampled_from([STAGED_ROLLOUT, UPDATE_RUN]))
    def begin(self, plan: Plan) -> None:
        self.plan = plan
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.facts = Facts(intent=Intent.INITIALIZE)
        self.begun = False
        self.completed: set[str] = set()
        self.failed: set[str] = set()
        self.skipped: set[str] = set()
        self.running: set[str] = set()
        self.skipped_stages: set[str] = set()
        self.skipped_groups: set[str] = set()
        self.waits_skipped: set[str] = set()
        self.waited: set[str] = set()
        self.approved: set[str] = set()
        self.ended_at: dict[str, datetime] = {}
        self.progress = initial(plan)
        self.settle()

    # -- the model

    def over(self, stage: Stage) -> bool:
        names = {name for group in stage.groups for name in group.targets}
        if names <= self.skipped:
            return True
        if not names <= self.completed | self.skipped | (self.failed if not self.halting_failures else set()):
            return False
        if stage.name in self.skipped_stages:
            return True
        waited = not stage.wait or stage.name in self.waits_skipped | self.waited
        return waited and (not stage.after or stage.name in self.approved)

    @property
    def halting_failures(self) -> bool:
        return bool(self.failed) and self.plan is UPDATE_RUN

    def current(self) -> Stage | None:
        return next((stage for stage in self.plan.stages if not self.over(stage)), None)

    def step_model(self) -> None:
        """Start whatever may run now."""
        if self.facts.intent is not Intent.RUN or self.halting_failures:
            return
        self.begun = True
        for stage in self.plan.stages:
            names = {name for group in stage.groups for name in group.targets}
            if names <= set(self.ended_at) and max(self.ended_at[name] for name in names) + stage.wait <= self.now:
                self.waited.add(stage.name)  # a wait goes on while a run is stopped; its end is noted afterwards
        stage = self.current()
        for group in stage.groups if stage else ():
            waiting = [n for n in group.targets if n not in self.completed | self.failed | self.skipped | self.running]
            places = len(waiting) if group.max_concurrency is None else 1 - len(self.running & set(group.targets))
            self.running |= set(waiting[:places])

    def expected_state(self) -> State:
        if self.running:
            halted = self.halting_failures or self.facts.intent is not Intent.RUN
            return State.STOPPING if halted else State.RUNNING
        if self.halting_failures:
            return State.FAILED
        current = self.current()
        if current is None:
            names = set(self.plan.places.targets)
            return State.SKIPPED if names <= self.skipped else State.COMPLETED
        if self.facts.intent is Intent.STOP:
            return State.STOPPED
        if not self.begun:
            return State.NOT_STARTED
        return State.PENDING if current.after and current.name not in self.approved else State.RUNNING

    # -- the engine

    def settle(self) -> None:
        """Decide and carry out, as often as it takes to see everything."""
        for _ in range(2):
            decision = decide(self.plan, self.progress, self.facts, self.now)
            self.progress = decision.progress
            for start in decision.start:
                self.carry_out(start.target, start.attempt)
        self.step_model()

    def carry_out(self, name: str, attempt: int) -> None:
        known = self.facts.operations.get(name)
        if known is None or known.attempt < attempt:
            operation = Operation(attempt, started_at=self.now)
            self.facts = replace(self.facts, operations={**self.facts.operations, name: operation})

    def end(self, name: str, outcome: Outcome) -> None:
        self.running.remove(name)
        self.ended_at[name] = self.now
        ended = replace(self.facts.operations[name], outcome=outcome, ended_at=self.now)
        self.facts = replace(self.facts, operations={**self.facts.operations, name: ended})

    # -- what may happen

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.running)))
        self.end(name, Outcome.SUCCEEDED)
        self.completed.add(name)
        self.settle()

    @precondition(lambda self: self.running and self.plan is UPDATE_RUN)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.running)))
        earlier = self.facts.operations[name].attempt < self.facts.attempt
        self.end(name, Outcome.FAILED)
        if not earlier:
            self.failed.add(name)
        elif self.left_out(name):
            self.skipped.add(name)
        else:
            del self.ended_at[name]
        self.settle()

    @rule()
    def start(self) -> None:
        self.facts = replace(self.facts, intent=Intent.RUN, attempt=self.facts.attempt + 1)
        retried, self.failed = self.failed, set()
        for name in retried:
            if self.left_out(name):
                self.skipped.add(name)
                self.ended_at[name] = self.now
            else:
                del self.ended_at[name]
        self.settle()

    def left_out(self, name: str) -> bool:
        """Whether the user skipped it while it ran or after it failed."""
        stage, group, _ = self.plan.places.targets[name]
        return (
            Skip(SkipKind.MEMBER, name) in self.facts.skips
            or self.plan.stages[stage].name in self.skipped_stages
            or self.plan.stages[stage].groups[group].name in self.skipped_groups
        )

    @precondition(lambda self: self.begun)
    @rule()
    def stop(self) -> None:
        self.facts = replace(self.facts, intent=Intent.STOP)
        self.settle()

    @rule(seconds=st.sampled_from([1, 2, 30, 60]))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.settle()

    @precondition(lambda self: any(stage.after for stage in self.plan.stages))
    @rule()
    def approve(self) -> None:
        stage = next(stage for stage in self.plan.stages if stage.after)
        gate = GateReference(stage.name, None, Timing.AFTER, "approval")
        pending = any(
            blocked.gate == gate for blocked in decide(self.plan, self.progress, self.facts, self.now).open_gates
        )
        if pending:
            self.facts = replace(self.facts, approvals={**self.facts.approvals, gate: self.now})
            self.approved.add(stage.name)
            self.settle()

    @rule(data=st.data())
    def skip_member(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.plan.places.targets)))
        self.leave_out(SkipKind.MEMBER, name, [name])

    @rule(data=st.data())
    def skip_group(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.plan.places.groups)))
        stage, index = self.plan.places.groups[name]
        group = self.plan.stages[stage].groups[index]
        if not set(group.targets) <= self.completed | self.skipped:
            self.skipped_groups.add(name)
        self.leave_out(SkipKind.GROUP, name, list(group.targets))

    @rule(data=st.data())
    def skip_stage(self, data: st.DataObject) -> None:
        stage = data.draw(st.sampled_from(self.plan.stages))
        if not self.over(stage):
            self.skipped_stages.add(stage.name)
        self.leave_out(SkipKind.STAGE, stage.name, [name for group in stage.groups for name in group.targets])

    @rule(data=st.data())
    def skip_wait(self, data: st.DataObject) -> None:
        stage = data.draw(st.sampled_from(self.plan.stages))
        self.waits_skipped.add(stage.name)
        self.leave_out(SkipKind.AFTER_STAGE_WAIT, stage.name, [])

    def leave_out(self, kind: SkipKind, name: str, targets: list[str]) -> None:
        for target in targets:
            if target not in self.completed | self.failed | self.running | self.skipped:
                self.skipped.add(target)
                self.ended_at[target] = self.now
        self.facts = replace(self.facts, skips=self.facts.skips | {Skip(kind, name)})
        self.settle()

    @rule(stored=st.booleans(), started=st.booleans())
    def crash(self, stored: bool, started: bool) -> None:
        """A decision is made and half forgotten; the next caller goes on."""
        decision = decide(self.plan, self.progress, self.facts, self.now)
        if stored:
            self.progress = decision.progress
        if started:
            for start in decision.start:
                self.carry_out(start.target, start.attempt)
        self.settle()

    # -- what must agree

    @invariant()
    def the_same_targets_run(self) -> None:
        found = {name: self.state_of(name) for name in self.plan.places.targets}
        assert {name for name in found if found[name] is TargetState.RUNNING} == self.running
        assert {name for name in found if found[name] is TargetState.COMPLETED} == self.completed
        assert {name for name in found if found[name] is TargetState.FAILED} == self.failed
        assert {name for name in found if found[name] is TargetState.SKIPPED} == self.skipped

    @invariant()
    def the_run_is_in_the_same_state(self) -> None:
        assert self.progress.state is self.expected_state()

    def state_of(self, name: str) -> TargetState:
        stage, group, position = self.plan.places.targets[name]
        return self.progress.stages[stage].groups[group].targets[position].state


TestTutorials = Tutorials.TestCase
TestTutorials.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
