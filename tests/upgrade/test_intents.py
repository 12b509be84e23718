"""Start, stop, skip and change: what is refused, and what is written."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from echelon.api.fleet import SkipTarget, UpdateRun
from echelon.upgrade import intents

from .hub import full, order, stage
from .values import member, planned, run_of

STATUS = planned(order(stage("one", "a"), stage("two", "b")), member("m1", "a"), member("m2", "b"))


def in_state(state: Any, /, **spec: Any) -> UpdateRun:
    started = None if state == "NotStarted" else "2026-03-02T09:00:00.000000Z"
    return run_of(status=replace(STATUS, state=state, start_time=started), **spec)


@pytest.mark.parametrize("state", ["NotStarted", "Failed", "Stopped"])
def test_can_be_started(state: str) -> None:
    assert intents.start_problems(in_state(state)) == []


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("Completed", "is completed; create a new one"),
        ("Skipped", "is skipped as a whole; create a new one"),
        ("Running", "is Running already"),
        ("Pending", "is Pending already"),
        ("Stopping", "is stopping; wait until it has stopped or failed"),
    ],
)
def test_cannot_be_started(state: str, why: str) -> None:
    assert [str(found) for found in intents.start_problems(in_state(state))] == [f"update run 'run' {why}"]


@pytest.mark.parametrize("state", ["Running", "Pending", "Stopping", "Stopped", "Skipped"])
def test_can_be_stopped(state: str) -> None:
    assert intents.stop_problems(in_state(state, state="Run")) == []


def test_can_be_stopped_before_its_controller_has_seen_that_it_was_started() -> None:
    assert intents.stop_problems(in_state("NotStarted", state="Run")) == []


@pytest.mark.parametrize("state", ["NotStarted", "Completed", "Failed"])
def test_cannot_be_stopped(state: str) -> None:
    (problem,) = intents.stop_problems(in_state(state))
    assert str(problem) == f"update run 'run' is {state}; only one that is Running or Pending can be stopped"


def test_each_start_but_the_first_is_a_new_attempt() -> None:
    run = intents.started(in_state("NotStarted"))
    assert (run.spec.state, run.spec.attempt) == ("Run", 1)
    run = intents.started(intents.stopped(run))
    assert (run.spec.state, run.spec.attempt) == ("Run", 2)


def test_a_run_that_was_made_started_has_had_its_first_attempt() -> None:
    assert intents.started(in_state("Failed", state="Run")).spec.attempt == 2


def test_a_started_run_cannot_be_changed() -> None:
    old, new = in_state("Running", state="Run"), in_state("Running", update=full("1.31.1"), state="Run")
    (problem,) = intents.edit_problems(old, new)
    assert problem.field == "spec.managedClusterUpdate"
    stages = in_state("Running", state="Run", strategy=order(stage("one", "b")))
    assert [found.field for found in intents.edit_problems(old, stages)] == ["spec.strategy"]
    named = in_state("Running", state="Run", updateStrategyName="weekly")
    assert [found.field for found in intents.edit_problems(old, named)] == ["spec.updateStrategyName"]
    assert intents.edit_problems(in_state("NotStarted"), new) == []
    assert intents.edit_problems(old, intents.stopped(old)) == []


@pytest.mark.parametrize("target", ["Member:m1", "Group:b", "Stage:two", "AfterStageWait:one"])
@pytest.mark.parametrize("state", ["NotStarted", "Running", "Pending", "Failed", "Stopped"])
def test_can_be_skipped(target: str, state: str) -> None:
    assert intents.skip_problems(in_state(state), [intents.parse_skip(target)]) == []


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("Member:m3", "the run has no member 'm3'; it has: m1, m2"),
        ("Group:c", "the run has no group 'c'; it has: a, b"),
        ("Stage:a", "the run has no stage 'a'; it has: one, two"),
        ("AfterStageWait:a", "the run has no stage 'a'; it has: one, two"),
    ],
)
def test_cannot_be_skipped(target: str, why: str) -> None:
    good = intents.parse_skip("Member:m1")
    assert [str(found) for found in intents.skip_problems(in_state("Running"), [good, intents.parse_skip(target)])] == [
        f"spec.skips[1]: {why}"
    ]


def test_what_runs_cannot_be_skipped_nor_anything_of_a_completed_run() -> None:
    stage_, group = STATUS.stages[0], STATUS.stages[0].groups[0]
    running = replace(group, members=(replace(group.members[0], state="Running"),))
    status = replace(STATUS, stages=(replace(stage_, groups=(running,)), STATUS.stages[1]))
    target = SkipTarget(type="Member", name="m1")
    (problem,) = intents.skip_problems(run_of(status=status), [target])
    assert "is being upgraded" in problem.message
    assert len(intents.skip_problems(in_state("Completed"), [target])) == 1
    assert len(intents.skip_problems(in_state("Running"), [])) == 1


@pytest.mark.parametrize("text", ["Gruop:x", "group:x", "Group", "Group:", ":x", "Group:a:b", ""])
def test_bad_targets(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a target|is nothing that can be skipped"):
        intents.parse_skip(text)


def test_skips_add_up() -> None:
    run = intents.skipping(run_of(), [SkipTarget(type="Member", name="m1")])
    run = intents.skipping(run, [SkipTarget(type="Member", name="m1"), SkipTarget(type="Group", name="a")])
    assert [(skip.type, skip.name) for skip in run.spec.skips] == [("Member", "m1"), ("Group", "a")]
