"""A run's status as a plan and a progress of the engine."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from echelon.api import names
from echelon.placement.staged.translation import (
    cluster_name,
    ended_targets,
    gate_reference,
    plan_of,
    progress_of,
    target_name,
)
from echelon.rollout import Gate, Intent, InvalidPlan, Limit, Outcome, State, TargetState, Timing, WaitState

from .runs import APPROVAL, Drive, initialized, stage, wait

STAGES = (
    msgspec.structs.replace(stage("one", before=[APPROVAL], env="one"), max_concurrency="50%"),
    stage("two", after=[wait("1h30m"), APPROVAL], env="two"),
)
MEMBERS = {"a": {"env": "one"}, "b": {"env": "one"}, "c": {"env": "two"}}
STATUS = initialized(*STAGES, members=MEMBERS, delete=["x", "a"])


def test_the_plan() -> None:
    one, two, delete = plan_of(STATUS).stages
    assert [s.name for s in (one, two, delete)] == ["one", "two", names.DELETE_STAGE]
    assert [s.groups[0].targets for s in (one, two, delete)] == [("a", "b"), ("c",), ("delete:a", "delete:x")]
    assert (one.groups[0].max_concurrency, one.groups[0].max_failures) == (Limit(50, percent=True), Limit(0))
    assert (one.before, one.after, one.wait) == ((Gate("approval"),), (), timedelta(0))
    assert (two.before, two.after, two.wait) == ((), (Gate("approval"),), timedelta(hours=1, minutes=30))
    assert (delete.groups[0].max_concurrency, delete.groups[0].max_failures) == (None, None)


def test_a_status_that_is_no_plan() -> None:
    twice = msgspec.structs.replace(STATUS, stages_status=(STATUS.stages_status[0], STATUS.stages_status[0]))
    with pytest.raises(InvalidPlan):
        plan_of(twice)


@pytest.mark.parametrize("delete", [False, True])
def test_names_of_targets(delete: bool) -> None:
    assert cluster_name(target_name("a", delete=delete)) == "a"


def test_nothing_has_begun() -> None:
    progress = progress_of(plan_of(STATUS), STATUS)
    assert progress.started_at is None
    assert {t.state for s in progress.stages for g in s.groups for t in g.targets} == {TargetState.NOT_STARTED}


def test_how_far_a_run_is() -> None:
    run = Drive(STATUS)
    run.approve("one", Timing.BEFORE)
    run.end("a")
    progress = progress_of(plan_of(run.status), run.status)
    targets = {t.name: (t.state, t.observed) for s in progress.stages for g in s.groups for t in g.targets}
    assert targets == {
        "a": (TargetState.COMPLETED, True),
        "b": (TargetState.RUNNING, True),
        "c": (TargetState.NOT_STARTED, False),
        "delete:a": (TargetState.NOT_STARTED, False),
        "delete:x": (TargetState.NOT_STARTED, False),
    }
    assert list(ended_targets(progress)) == ["a"]
    assert progress.stages[0].before[0].passed


def test_a_wait_is_counted_from_the_last_member_with_a_second_for_rounding() -> None:
    run = Drive(initialized(stage("all", after=[wait("1m")]), members={"a": {}}))
    run.after(0.9)
    run.end("a")
    progress = progress_of(plan_of(run.status), run.status)
    found = progress.stages[0].wait
    assert found is not None
    assert found.state is WaitState.RUNNING
    assert found.until is not None
    assert found.until >= run.now + timedelta(minutes=1)
    assert found.until <= run.now + timedelta(minutes=1, seconds=1)


def test_a_wait_that_is_over_stays_over() -> None:
    run = Drive(initialized(stage("all", after=[wait("1m"), APPROVAL]), members={"a": {}}))
    run.end("a")
    run.after(62)
    assert progress_of(plan_of(run.status), run.status).stages[0].wait.state is WaitState.COMPLETED  # type: ignore[union-attr]
    assert run.decision.progress.state is not State.COMPLETED


def test_a_member_that_was_skipped() -> None:
    run = Drive(initialized(stage("all"), members={"a": {}, "b": {}}))
    run.leave("b")
    progress = progress_of(plan_of(run.status), run.status)
    (b,) = [t for t in progress.stages[0].groups[0].targets if t.name == "b"]
    assert (b.state, b.message) == (TargetState.SKIPPED, "The cluster has left the fleet")


def test_a_member_that_failed() -> None:
    run = Drive(initialized(stage("all"), members={"a": {}, "b": {}}))
    run.end("a", Outcome.FAILED, "taken")
    progress = progress_of(plan_of(run.status), run.status)
    assert [(t.state, t.message) for t in progress.stages[0].groups[0].targets] == [
        (TargetState.FAILED, "taken"),
        (TargetState.NOT_STARTED, ""),
    ]


def test_a_stop_is_no_part_of_the_progress() -> None:
    run = Drive(initialized(stage("all"), members={"a": {}, "b": {}}))
    run.want(Intent.STOP)
    run.end("a")
    assert run.decision.progress.state is State.STOPPED
    run.want(Intent.RUN)
    assert run.started == ["a", "b"]


def test_gates_by_name() -> None:
    reference = gate_reference("one", Timing.AFTER)
    assert (reference.stage, reference.group, reference.timing) == ("one", None, Timing.AFTER)
