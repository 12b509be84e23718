from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.rollout import (
    Assumptions,
    Facts,
    Gate,
    GateKind,
    GateReference,
    Group,
    Limit,
    Operation,
    Outcome,
    Plan,
    Progress,
    Skip,
    SkipKind,
    Stage,
    State,
    TargetState,
    Timing,
    WeeklyTime,
    Window,
    decide,
    initial,
    simulate,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)
CHECK = (Gate("check"),)


def one_group(*targets: str, **group: object) -> Plan:
    return Plan((Stage("one", (Group("g", targets, **group),)),))


def times(progress: Progress) -> dict[str, tuple[float, float]]:
    """Start and end of every target, in minutes."""
    return {
        target.name: ((target.started_at - START) / MINUTE, (target.ended_at - START) / MINUTE)
        for stage in progress.stages
        for group in stage.groups
        for target in group.targets
        if target.started_at and target.ended_at
    }


def test_a_schedule_has_the_times_of_everything() -> None:
    plan = Plan(
        (
            Stage("one", (Group("g", ("a", "b", "c"), max_concurrency=Limit(2)),), wait=10 * MINUTE),
            Stage("two", (Group("h", ("d",)),)),
        )
    )
    schedule = simulate(plan, START, Assumptions(duration=MINUTE, durations={"a": 5 * MINUTE}))
    assert times(schedule.progress) == {"a": (0, 5), "b": (0, 1), "c": (1, 2), "d": (15, 16)}
    assert schedule.ends_at == START + 16 * MINUTE
    assert schedule.progress.state is State.COMPLETED
    one = schedule.progress.stages[0]
    assert (one.started_at, one.ended_at) == (START, START + 15 * MINUTE)
    assert one.wait is not None
    assert (one.wait.started_at, one.wait.ended_at) == (START + 5 * MINUTE, START + 15 * MINUTE)


def test_a_gate_waits_for_a_person_unless_a_time_is_assumed() -> None:
    plan = Plan(
        (Stage("one", (Group("g", ("a",), after=CHECK), Group("h", ("b",)))), Stage("two", (Group("i", ("c",)),)))
    )
    gate = GateReference("one", "g", Timing.AFTER, "check")
    waiting = simulate(plan, START, Assumptions(duration=MINUTE))
    assert waiting.ends_at is None
    assert waiting.waits_for == (gate,)
    assert times(waiting.progress) == {"a": (0, 1), "b": (0, 1)}
    assumed = simulate(plan, START, Assumptions(duration=MINUTE, approval=30 * MINUTE))
    assert assumed.approvals == (gate,)
    assert assumed.waits_for == ()
    assert assumed.ends_at == START + 32 * MINUTE


def test_a_scheduled_start_needs_nobody() -> None:
    gate = Gate("slot", GateKind.SCHEDULED_START, WeeklyTime(0, 18))
    plan = Plan((Stage("one", (Group("g", ("a",)),), before=(gate,)),))
    schedule = simulate(plan, START, Assumptions(duration=MINUTE))
    assert schedule.ends_at == START + timedelta(hours=9) + MINUTE
    assert schedule.approvals == schedule.waits_for == ()


def test_windows_return_every_day() -> None:
    def nightly(name: str, moment: datetime) -> Window | None:
        """From 22:00 to 22:02 every day, for all but d."""
        opens_at = moment.replace(hour=22, minute=0)
        if opens_at + 2 * MINUTE <= moment:
            opens_at += timedelta(days=1)
        return None if name == "d" else Window(opens_at, opens_at + 2 * MINUTE)

    plan = one_group("a", "b", "c", "d", max_concurrency=Limit(1))
    schedule = simulate(plan, START, Assumptions(duration=MINUTE, window=nightly))
    evening, next_evening = 13 * 60, 37 * 60
    assert times(schedule.progress) == {
        "d": (0, 1),
        "a": (evening, evening + 1),
        "b": (evening + 1, evening + 2),
        "c": (next_evening, next_evening + 1),
    }


def test_a_window_that_never_opens_blocks() -> None:
    def closed(name: str, moment: datetime) -> Window:
        return Window(START - 2 * MINUTE, START - MINUTE)

    schedule = simulate(one_group("a"), START, Assumptions(duration=MINUTE, window=closed))
    assert schedule.ends_at is None
    assert schedule.waits_for == ()
    assert [type(blocker).__name__ for blocker in schedule.blocked_on] == ["UnreadyBlocker"]


def test_failures_end_a_run_early() -> None:
    plan = one_group("a", "b", "c", max_concurrency=Limit(1), max_failures=Limit(0))
    schedule = simulate(plan, START, Assumptions(duration=MINUTE, failing=frozenset({"b"})))
    assert schedule.progress.state is State.FAILED
    assert schedule.ends_at == START + 2 * MINUTE


def test_a_run_under_way_is_played_to_its_end() -> None:
    plan = one_group("a", "b", max_concurrency=Limit(1))
    facts = Facts(operations={"a": Operation(1, started_at=START)}, skips=frozenset({Skip(SkipKind.MEMBER, "none")}))
    begun = decide(plan, initial(plan), facts, START)
    schedule = simulate(plan, START + 3 * MINUTE, Assumptions(duration=5 * MINUTE), begun.progress, facts)
    assert times(schedule.progress) == {"a": (0, 5), "b": (5, 10)}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    limits = st.none() | st.builds(Limit, st.integers(1, 3))
    stages = []
    for stage in range(draw(st.integers(1, 3))):
        groups = tuple(
            Group(
                f"{stage}-{group}",
                tuple(f"{stage}-{group}-{n}" for n in range(draw(st.integers(0, 4)))),
                max_concurrency=draw(limits),
                after=draw(st.sampled_from([(), CHECK])),
            )
            for group in range(draw(st.integers(0, 3)))
        )
        wait = draw(st.sampled_from([timedelta(0), 7 * MINUTE]))
        stages.append(Stage(str(stage), groups, wait=wait, max_concurrency=draw(limits)))
    return Plan(tuple(stages))


@settings(deadline=None, max_examples=60)
@given(plans(), st.integers(0, 2**32))
def test_a_simulation_takes_the_steps_of_decisions(plan: Plan, seed: int) -> None:
    durations = {name: MINUTE * (1 + hash((seed, index)) % 9) for index, name in enumerate(plan.places.targets)}
    played = simulate(plan, START, Assumptions(duration=MINUTE, durations=durations, approval=2 * MINUTE)).progress
    assert played == _decided(plan, durations)


def _decided(plan: Plan, durations: dict[str, timedelta]) -> Progress:
    """The same, with one decision after the other."""
    progress, now, gates = initial(plan), START, {}
    operations: dict[str, Operation] = {}
    while True:
        decision = decide(plan, progress, Facts(operations=operations, approvals=gates), now)
        progress = decision.progress
        for start in decision.start:
            operations[start.target] = Operation(start.attempt, started_at=now)
        running = {
            target.name: target.started_at + durations[target.name]
            for stage in progress.stages
            for group in stage.groups
            for target in group.targets
            if target.state is TargetState.RUNNING and target.started_at
        }
        due = {gate.gate: gate.since + 2 * MINUTE for gate in decision.open_gates if gate.since}
        moments = [*running.values(), *due.values(), *([decision.wake_at] if decision.wake_at else [])]
        if not moments:
            return progress
        now = min(moments)
        gates |= {gate: moment for gate, moment in due.items() if moment <= now}
        for name, moment in running.items():
            if moment <= now:
                operations[name] = Operation(operations[name].attempt, Outcome.SUCCEEDED, ended_at=moment)
