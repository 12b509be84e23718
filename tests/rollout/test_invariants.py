"""What always holds of a rollout, over random plans, facts, orders of events and crashes.

A *history* plays a random plan against a small world: operations that start and end, gates that are approved,
users who stop, start, skip and retry, targets that leave or are not ready, and a caller that crashes. A crash
means that a decision was made, but only some of its starts were carried out and its progress may not have been
stored. Each test below states one law and checks it at every step of such histories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from echelon.rollout.derive import derived_state
from echelon.rollout.engine import Decision, Start, decide
from echelon.rollout.explain import sentence
from echelon.rollout.facts import Facts, Intent, Operation, Outcome, Skip, SkipKind, Unready, Window
from echelon.rollout.plan import Gate, GateKind, GateReference, Group, Limit, Plan, Stage, WeeklyTime
from echelon.rollout.progress import (
    GateState,
    GroupProgress,
    Progress,
    StageProgress,
    State,
    TargetProgress,
    TargetState,
    WaitState,
    from_json,
    initial,
    to_json,
)

T = TypeVar("T")

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
ENDED = {State.COMPLETED, State.SKIPPED}

lawful = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

limits = st.one_of(
    st.builds(Limit, st.integers(1, 4)), st.builds(Limit, st.sampled_from([1, 25, 50, 100]), st.just(True))
)
failure_limits = st.one_of(
    st.none(), st.builds(Limit, st.integers(0, 2)), st.builds(Limit, st.sampled_from([0, 34, 50]), st.just(True))
)
schedules = st.builds(WeeklyTime, st.integers(0, 6), st.integers(0, 23), utc_offset=st.just(timedelta(hours=-5)))
approvals = st.just(Gate("check"))
scheduled = st.builds(Gate, st.just("slot"), st.just(GateKind.SCHEDULED_START), schedules)
gates_before = st.lists(st.one_of(approvals, scheduled), max_size=2, unique_by=lambda gate: gate.name).map(tuple)
gates_after = st.lists(approvals, max_size=1).map(tuple)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans small enough to be understood, with everything a plan can have."""
    stages = []
    for stage in range(draw(st.integers(0, 3))):
        groups = []
        for group in range(draw(st.integers(0, 3))):
            name = f"{stage}{'abc'[group]}"
            targets = tuple(f"{name}{number}" for number in range(draw(st.integers(0, 4))))
            gated = draw(st.booleans())
            groups.append(
                Group(
                    name,
                    targets,
                    before=draw(gates_before) if gated else (),
                    after=draw(gates_after) if gated else (),
                    max_concurrency=draw(st.none() | limits),
                    max_failures=draw(failure_limits),
                )
            )
        stages.append(
            Stage(
                f"stage{stage}",
                tuple(groups),
                before=draw(gates_before),
                after=draw(gates_after),
                wait=timedelta(seconds=draw(st.sampled_from([0, 0, 60]))),
                max_concurrency=draw(st.none() | limits),
                max_failures=draw(failure_limits),
            )
        )
    return Plan(tuple(stages))


class Step(NamedTuple):
    """One decision in a history, with the world as it was before and what of the decision was carried out."""

    plan: Plan
    given: Progress
    facts: Facts
    now: datetime
    decision: Decision
    running_before: frozenset[str]
    started: tuple[Start, ...]
    running_after: frozenset[str]


class World:
    """What is so, whatever anybody recorded of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.now = START
        self.stored = initial(plan)
        self.facts = Facts(intent=Intent.INITIALIZE)

    @property
    def running(self) -> frozenset[str]:
        return frozenset(name for name, operation in self.facts.operations.items() if operation.outcome is None)

    def change(self, **fields: object) -> None:
        self.facts = replace(self.facts, **fields)

    def carry_out(self, start: Start) -> bool:
        """Start the operation of a key, unless there is one; whether it is a new one."""
        known = self.facts.operations.get(start.target)
        if known is not None and known.attempt >= start.attempt:
            return False
        assert known is None or known.outcome is not None, f"{start.target} would run twice at once"
        operation = Operation(start.attempt, started_at=self.now)
        self.change(
            operations={**self.facts.operations, start.target: operation}, lost=self.facts.lost - {start.target}
        )
        return True

    def end(self, name: str, outcome: Outcome) -> None:
        operation = self.facts.operations[name]
        ended = replace(operation, outcome=outcome, ended_at=self.now, message=f"{name} has ended")
        self.change(operations={**self.facts.operations, name: ended})

    def lose(self, name: str) -> None:
        operations = {key: value for key, value in self.facts.operations.items() if key != name}
        self.change(operations=operations, lost=self.facts.lost | {name})

    def leave(self, name: str) -> None:
        operations = {key: value for key, value in self.facts.operations.items() if key != name}
        self.change(operations=operations, left={**self.facts.left, name: "left the fleet"})

    def decide(self, carried_out: Callable[[int], bool] = lambda _: True, stored: bool = True) -> Step:
        before, given, facts = self.running, self.stored, self.facts
        decision = decide(self.plan, given, facts, self.now)
        started = tuple(
            start for index, start in enumerate(decision.start) if carried_out(index) and self.carry_out(start)
        )
        if stored:
            self.stored = decision.progress
        return Step(self.plan, given, facts, self.now, decision, before, started, self.running)


EVENTS = (
    ["decide"] * 6
    + ["end"] * 6
    + ["crash"] * 3
    + ["pass time"] * 3
    + ["approve"] * 3
    + ["run"] * 4
    + ["stop", "retry", "skip", "unready", "ready", "window", "leave", "lose", "unneeded"]
)


class Choice:
    """A number that stands for the choices of one event; drawn as one, it keeps histories quick to make and shrink."""

    def __init__(self, number: int) -> None:
        self.number = number

    def of(self, options: Sequence[T]) -> T:
        self.number, index = divmod(self.number, len(options))
        return options[index]


events = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 2**16)), max_size=40)


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """A random plan, played."""
    world = World(draw(plans()))
    steps = [world.decide()]
    for event, number in draw(events):
        happen(world, event, Choice(number), steps)
    steps.append(world.decide())
    return steps


def happen(world: World, event: str, choose: Choice, steps: list[Step]) -> None:
    """Let one thing happen in the world."""
    facts, last = world.facts, steps[-1].decision
    match event:
        case "decide":
            steps.append(world.decide())
        case "crash":
            done, stored = choose.of(range(8)), choose.of([True, False])
            steps.append(world.decide(lambda index: bool(done >> (index % 3) & 1), stored=stored))
        case "pass time":
            pause = choose.of([None, 1, 30, 61, 7200])
            if pause is not None:
                world.now += timedelta(seconds=pause)
            elif last.wake_at is not None:
                world.now = max(world.now, last.wake_at)
        case "approve":
            approved = {gate.gate: world.now for gate in last.open_gates if choose.of([True, False])}
            world.change(approvals={**facts.approvals, **approved})
        case "run":
            world.change(intent=Intent.RUN)
        case "stop":
            world.change(intent=Intent.STOP)
        case "retry":
            world.change(intent=Intent.RUN, attempt=facts.attempt + 1)
        case "end" if world.running:
            name = choose.of(sorted(world.running))
            world.end(name, choose.of([Outcome.SUCCEEDED] * 5 + [Outcome.FAILED] * 2 + [Outcome.SKIPPED]))
        case "skip":
            world.change(skips=facts.skips | {choose.of(skips_of(world.plan))})
        case "ready":
            world.change(unready={}, windows={})
        case _ if world.plan.size:
            happen_to(world, event, choose.of(sorted(world.plan.places.targets)), choose)


def happen_to(world: World, event: str, name: str, choose: Choice) -> None:
    """Let something happen to one target."""
    facts = world.facts
    match event:
        case "unready":
            until = choose.of([None, world.now + timedelta(seconds=30)])
            world.change(unready={**facts.unready, name: Unready("it is busy", until)})
        case "window":
            opens_at = world.now + timedelta(seconds=choose.of([-60, 0, 60]))
            world.change(windows={**facts.windows, name: Window(opens_at, opens_at + timedelta(seconds=90))})
        case "leave":
            world.leave(name)
        case "lose" if name in world.running:
            world.lose(name)
        case "unneeded":
            world.change(unneeded={**facts.unneeded, name: "already there"})


def skips_of(plan: Plan) -> list[Skip]:
    """Everything that can be skipped in a plan, and something that cannot."""
    skips = [Skip(SkipKind.MEMBER, "nobody")]
    skips += [Skip(SkipKind.MEMBER, name) for name in plan.places.targets]
    skips += [Skip(SkipKind.GROUP, name) for name in plan.places.groups]
    skips += [Skip(kind, name) for kind in (SkipKind.STAGE, SkipKind.AFTER_STAGE_WAIT) for name in plan.places.stages]
    return skips


def targets_of(progress: Progress) -> Iterator[tuple[StageProgress, GroupProgress, TargetProgress]]:
    for stage in progress.stages:
        for group in stage.groups:
            for target in group.targets:
                yield stage, group, target


def states_of(progress: Progress) -> dict[str, TargetState]:
    return {target.name: target.state for _, _, target in targets_of(progress)}


@lawful
@given(histories())
def test_never_more_running_than_the_concurrency_allows(history: list[Step]) -> None:
    for step in history:
        fresh = {start.target for start in step.started}
        for stage in step.plan.stages:
            in_stage = {name for group in stage.groups for name in group.targets}
            if fresh & in_stage and stage.max_concurrency is not None:
                limit = stage.max_concurrency.concurrency(stage.size)
                assert len(step.running_after & in_stage) <= limit
            for group in stage.groups:
                if fresh & set(group.targets) and group.max_concurrency is not None:
                    limit = group.max_concurrency.concurrency(len(group.targets))
                    assert len(step.running_after & set(group.targets)) <= limit


@lawful
@given(histories())
def test_a_stage_begins_only_when_the_one_before_is_over(history: list[Step]) -> None:
    for step in history:
        progress = step.decision.progress
        for start in step.decision.start:
            index, group = step.plan.places.groups[start.group]
            for planned, earlier in zip(step.plan.stages[:index], progress.stages, strict=False):
                assert earlier.state in ENDED
                assert all(gate.passed for gate in earlier.after)
                if earlier.wait is not None and earlier.wait.state is not WaitState.SKIPPED:
                    assert earlier.wait.state is WaitState.COMPLETED
                    assert earlier.wait.started_at is not None
                    assert earlier.wait.started_at + planned.wait <= step.now
            stage = progress.stages[index]
            assert all(gate.passed for gate in (*stage.before, *stage.groups[group].before))


@lawful
@given(histories())
def test_what_is_skipped_or_has_completed_never_starts(history: list[Step]) -> None:
    over: set[str] = set()
    for step in history:
        states = states_of(step.given)
        over |= {name for name in states if states[name] in (TargetState.SKIPPED, TargetState.COMPLETED)}
        assert not over & {start.target for start in step.decision.start}


@lawful
@given(histories())
def test_after_a_stop_nothing_starts_and_what_runs_is_awaited(history: list[Step]) -> None:
    for step in history:
        if step.facts.intent is Intent.RUN:
            continue
        assert not step.decision.start
        states = states_of(step.decision.progress)
        assert all(states[name] is TargetState.RUNNING for name in step.running_before - set(step.facts.lost))
        if step.running_before - set(step.facts.lost):
            assert step.decision.progress.state is State.STOPPING


@lawful
@given(histories())
def test_a_failure_beyond_the_limit_starts_nothing_new(history: list[Step]) -> None:
    for step in history:
        states = states_of(step.decision.progress)
        exceeded = False
        for stage in step.plan.stages:
            for scope, names in (
                (stage, [name for group in stage.groups for name in group.targets]),
                *((group, list(group.targets)) for group in stage.groups),
            ):
                failed = sum(states[name] is TargetState.FAILED for name in names)
                exceeded |= scope.max_failures is not None and failed > scope.max_failures.failures(len(names))
        if exceeded:
            assert not step.decision.start
            running = any(state is TargetState.RUNNING for state in states.values())
            assert step.decision.progress.state is (State.STOPPING if running else State.FAILED)


@lawful
@given(histories())
def test_what_ended_reopens_only_by_a_new_attempt(history: list[Step]) -> None:
    ended = (TargetState.COMPLETED, TargetState.SKIPPED, TargetState.FAILED)
    for step in history:
        found = {target.name: target for _, _, target in targets_of(step.decision.progress)}
        for _, _, known in targets_of(step.given):
            if known.state in ended and found[known.name] != known:
                assert known.state is TargetState.FAILED
                assert step.facts.attempt > known.attempt
        for before, after in zip(step.given.stages, step.decision.progress.stages, strict=True):
            if before.state in ENDED and after.state not in ENDED:
                assert step.facts.attempt > step.given.attempt


@lawful
@given(histories())
def test_deciding_again_changes_nothing(history: list[Step]) -> None:
    for step in history:
        again = decide(step.plan, step.decision.progress, step.facts, step.now)
        assert again == step.decision
        assert again.progress is step.decision.progress


@lawful
@given(histories())
def test_a_run_rests_or_says_what_it_waits_for(history: list[Step]) -> None:
    for step in history:
        decision = step.decision
        assert decision.wake_at is None or decision.wake_at > step.now
        if decision.progress.finished:
            assert not decision.blocked_on
            assert not decision.open_gates
        else:
            assert decision.blocked_on
        if decision.progress.at_rest:
            assert decision.wake_at is None
            assert not decision.start
        assert all(sentence(blocker) for blocker in decision.blocked_on)


@lawful
@given(histories())
def test_a_run_in_which_nothing_can_happen_is_at_rest(history: list[Step]) -> None:
    for step in history:
        decision = step.decision
        running = any(state is TargetState.RUNNING for state in states_of(decision.progress).values())
        unready = any(state is TargetState.PENDING for state in states_of(decision.progress).values())
        if not (running or unready or decision.open_gates or decision.wake_at) and step.facts.intent is Intent.RUN:
            assert decision.progress.at_rest


@lawful
@given(histories())
def test_states_of_scopes_follow_from_those_of_leaves(history: list[Step]) -> None:
    for step in history:
        progress = step.decision.progress
        halted = progress.halted_at is not None
        for stage in progress.stages:
            for group in stage.groups:
                _check_group(group, halted)
            _check_stage(stage, halted)
        assert derived_state(step.plan, progress, step.facts.intent) is progress.state
        states = {stage.state for stage in progress.stages}
        if progress.state is State.SKIPPED:
            assert states <= {State.SKIPPED}
        if progress.state is State.COMPLETED:
            assert states <= ENDED
        if progress.state is State.FAILED:
            assert State.FAILED in states
        if progress.state is State.PENDING:
            assert State.PENDING in states


def _check_group(group: GroupProgress, halted: bool) -> None:
    """Section 4.2 of the reference, read from the members' side."""
    found = Counter(target.state for target in group.targets)
    waiting = found[TargetState.NOT_STARTED] + found[TargetState.PENDING]
    if found[TargetState.RUNNING]:
        assert group.state in (State.RUNNING, State.STOPPING)
    elif group.targets and found[TargetState.SKIPPED] == len(group.targets):
        assert group.state is State.SKIPPED
    elif waiting:
        assert group.state in (State.NOT_STARTED, State.PENDING, State.STOPPED, State.FAILED)
    if any(gate.state is GateState.PENDING for gate in (*group.before, *group.after)) and group.state not in ENDED:
        assert group.state in (State.PENDING, State.STOPPED, State.FAILED, State.RUNNING, State.STOPPING)
    if group.state in (State.FAILED, State.COMPLETED, State.SKIPPED):
        assert group.ended_at is not None
    if not halted:
        assert group.state not in (State.STOPPED, State.STOPPING)


def _check_stage(stage: StageProgress, halted: bool) -> None:
    states = [group.state for group in stage.groups]
    if State.RUNNING in states or State.STOPPING in states:
        assert stage.state in (State.RUNNING, State.STOPPING)
    elif State.FAILED in states:
        assert stage.state is State.FAILED
    elif states and all(state is State.SKIPPED for state in states):
        assert stage.state is State.SKIPPED
    elif State.PENDING in states:
        assert stage.state in (State.PENDING, State.FAILED)
    if not halted:
        assert stage.state not in (State.STOPPED, State.STOPPING)


@lawful
@given(histories())
def test_a_progress_survives_json(history: list[Step]) -> None:
    for step in history:
        assert from_json(to_json(step.decision.progress)) == step.decision.progress


def bring_to_its_end(world: World) -> None:
    """Do everything a run can wait for, until it has come to its end."""
    world.change(intent=Intent.RUN, attempt=world.facts.attempt + 1, unready={}, windows={})
    for _ in range(40):
        decision = world.decide().decision
        if decision.progress.at_rest:
            break
        for name in world.running:
            world.end(name, Outcome.SUCCEEDED)
        world.change(approvals={**world.facts.approvals, **{gate.gate: world.now for gate in decision.open_gates}})
        world.now = max(world.now, decision.wake_at or world.now)
    assert world.stored.finished


@lawful
@given(histories())
def test_from_anywhere_a_run_can_be_brought_to_its_end(history: list[Step]) -> None:
    last = history[-1]
    world = World(last.plan)
    world.stored, world.now, world.facts = last.decision.progress, last.now, last.facts
    for start in last.started:
        world.carry_out(start)
    bring_to_its_end(world)


anything = st.sampled_from(list(TargetState))
moments = st.none() | st.sampled_from([START, START + timedelta(days=1), datetime.max.replace(tzinfo=UTC)])


@st.composite
def damaged(draw: st.DrawFn, plan: Plan) -> Progress:
    """A progress that no engine wrote: of another plan, in states that do not fit together."""
    progress = initial(draw(st.sampled_from([plan, draw(plans())])))
    stages = []
    for stage in progress.stages:
        groups = []
        for group in stage.groups:
            targets = tuple(
                TargetProgress(
                    target.name,
                    draw(anything),
                    draw(st.integers(0, 3)),
                    draw(st.booleans()),
                    draw(moments),
                    draw(moments),
                )
                for target in group.targets
            )
            groups.append(replace(group, targets=targets, state=draw(st.sampled_from(list(State)))))
        wait = stage.wait and replace(
            stage.wait, state=draw(st.sampled_from(list(WaitState))), started_at=draw(moments), until=draw(moments)
        )
        before = tuple(
            replace(gate, state=draw(st.sampled_from(list(GateState))), opens_at=draw(moments)) for gate in stage.before
        )
        stages.append(
            replace(
                stage,
                groups=tuple(groups),
                wait=wait,
                before=before,
                skipped=draw(st.booleans()),
                ended_at=draw(moments),
            )
        )
    return replace(progress, stages=tuple(stages), started_at=draw(moments), attempt=draw(st.integers(0, 3)))


@lawful
@given(plans().flatmap(lambda plan: st.tuples(st.just(plan), damaged(plan))), st.data())
def test_any_progress_is_decided_upon(plan_and_progress: tuple[Plan, Progress], data: st.DataObject) -> None:
    plan, progress = plan_and_progress
    names = st.sampled_from(sorted(plan.places.targets) or ["nobody"])
    operations = st.builds(Operation, st.integers(-1, 4), st.none() | st.sampled_from(list(Outcome)), moments, moments)
    gates = [
        GateReference(stage.name, None, timing, gate.name)
        for stage in plan.stages
        for timing, gate in [("Before", gate) for gate in stage.before]
    ]
    facts = Facts(
        intent=data.draw(st.sampled_from(list(Intent))),
        attempt=data.draw(st.integers(-1, 3)),
        operations=data.draw(st.dictionaries(names, operations)),
        lost=data.draw(st.frozensets(names)),
        approvals=dict.fromkeys(gates, START),
        skips=data.draw(st.frozensets(st.sampled_from(skips_of(plan)), max_size=2)),
        unready={name: Unready("busy", data.draw(moments)) for name in data.draw(st.frozensets(names, max_size=2))},
        left=dict.fromkeys(data.draw(st.frozensets(names, max_size=1)), "gone"),
    )
    now = data.draw(st.sampled_from([START, START - timedelta(days=9), datetime.max.replace(tzinfo=UTC)]))
    decision = decide(plan, progress, facts, now)
    assert decide(plan, decision.progress, facts, now) == replace(decision, repairs=())
    assert decision.wake_at is None or decision.wake_at > now


@lawful
@given(plans().flatmap(lambda plan: st.tuples(st.just(plan), damaged(plan))))
def test_any_progress_can_be_brought_to_its_end(plan_and_progress: tuple[Plan, Progress]) -> None:
    plan, progress = plan_and_progress
    world = World(plan)
    world.stored = progress
    observed = {
        target.name: Operation(max(target.attempt, 1))
        for _, _, target in targets_of(progress)
        if target.state is TargetState.RUNNING and target.observed and target.name in plan.places.targets
    }
    world.change(operations=observed, attempt=5)
    bring_to_its_end(world)
