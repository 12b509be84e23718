from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from echelon.rollout import Facts, Gate, Group, Plan, Stage, TargetState, WaitProgress, decide, initial
from echelon.rollout.repair import fit

PLAN = Plan((Stage("one", (Group("g", ("a", "b")),)), Stage("two", (Group("h", ("c",)),))))


def test_a_progress_of_the_plan_is_left_alone() -> None:
    progress = initial(PLAN)
    assert fit(PLAN, progress) == (progress, ())
    assert fit(PLAN, progress)[0] is progress


def test_what_the_plan_names_keeps_its_state_wherever_it_stood(play) -> None:
    run = play(PLAN)
    moved = Plan((Stage("two", (Group("x", ("d", "a")),)),))
    fitted, dropped = fit(moved, run.progress)
    assert [target.state for target in fitted.stages[0].groups[0].targets] == [
        TargetState.NOT_STARTED,
        TargetState.RUNNING,
    ]
    assert dropped == (
        "stage 'one' (Running) is not part of the plan",
        "group 'g' (Running) is not part of the plan",
        "group 'h' (NotStarted) is not part of the plan",
        "target 'b' (Running) is not part of the plan",
        "target 'c' (NotStarted) is not part of the plan",
    )


def test_gates_and_waits_that_the_plan_gained_have_not_started() -> None:
    stage = replace(PLAN.stages[0], before=(Gate("check"),), wait=timedelta(seconds=5))
    fitted, dropped = fit(Plan((stage, PLAN.stages[1])), initial(PLAN))
    assert fitted.stages[0].wait == WaitProgress()
    assert [gate.name for gate in fitted.stages[0].before] == ["check"]
    assert dropped == ()


def test_a_decision_reports_what_it_dropped(play) -> None:
    run = play(PLAN)
    smaller = Plan((Stage("one", (Group("g", ("a", "b")),)),))
    decision = decide(smaller, run.progress, Facts(), run.now)
    assert any("target 'c'" in line for line in decision.repairs)
    assert decide(smaller, decision.progress, Facts(), run.now).repairs == ()
