"""What decisions cost. Calls are counted, not seconds: the count is the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType

from echelon.rollout import (
    Assumptions,
    Decision,
    Facts,
    Group,
    Limit,
    Operation,
    Outcome,
    Plan,
    Stage,
    State,
    Window,
    decide,
    initial,
    simulate,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def fleet(size: int) -> Plan:
    """Two stages of five groups each."""
    groups = [Group(f"g{n}", tuple(f"{n}-{i}" for i in range(size // 10)), max_concurrency=Limit(5)) for n in range(10)]
    return Plan((Stage("one", tuple(groups[:5]), max_concurrency=Limit(20)), Stage("two", tuple(groups[5:]))))


def count_calls(action: Callable[[], object]) -> int:
    """How many Python functions are called in it."""
    calls = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def begun(plan: Plan) -> Decision:
    return decide(plan, initial(plan), Facts(), START)


def test_a_decision_in_which_little_happens_makes_few_calls_however_many_targets_there_are() -> None:
    plan = fleet(10_000)
    first = begun(plan)
    facts = Facts(operations={start.target: Operation(1, Outcome.SUCCEEDED) for start in first.start})
    assert count_calls(lambda: decide(plan, first.progress, facts, START)) < 2_000


def test_the_cost_of_a_decision_in_which_everything_happens_is_linear() -> None:
    def cost(size: int) -> int:
        plan = fleet(size)
        window = Window(START + timedelta(hours=1), START + timedelta(hours=2))
        ended = {name: Operation(1, Outcome.SUCCEEDED) for name in list(plan.places.targets)[: size // 4]}
        facts = Facts(operations=ended, windows=dict.fromkeys(plan.places.targets, window))
        progress = begun(plan).progress
        return count_calls(lambda: decide(plan, progress, facts, START))

    assert cost(10_000) < 11 * cost(1_000)


def test_a_step_of_a_simulation_costs_the_same_however_many_targets_there_are() -> None:
    def cost_per_target(size: int) -> float:
        plan = fleet(size)
        durations = {name: timedelta(seconds=60 + index % 97) for index, name in enumerate(plan.places.targets)}
        assumptions = Assumptions(duration=timedelta(minutes=1), durations=durations)
        return count_calls(lambda: simulate(plan, START, assumptions)) / size

    assert cost_per_target(4_000) < 1.5 * cost_per_target(1_000)


def test_a_hundred_thousand_targets_are_simulated_to_their_end() -> None:
    plan = Plan((Stage("all", (Group("all", tuple(map(str, range(100_000))), max_concurrency=Limit(500)),)),))
    schedule = simulate(plan, START, Assumptions(duration=timedelta(minutes=5)))
    assert schedule.progress.state is State.COMPLETED
    assert schedule.ends_at == START + 200 * timedelta(minutes=5)
