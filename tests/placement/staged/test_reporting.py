"""What users see of a run: the whole catalogue of conditions, and the laws of writing and reading them.

The laws are checked along random histories: whatever the status was written from, reading it again
leads the engine to the same next steps, and writing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echelon.placement.dialect import Dialect
from echelon.placement.staged import reporting
from echelon.placement.staged.reporting import report
from echelon.placement.staged.translation import plan_of, progress_of
from echelon.rollout import Decision, Intent, Outcome, State, Timing, decide

from .runs import APPROVAL, AZURE, KUBEFLEET, NOW, Drive, initialized, shown, stage, wait

BOTH = pytest.mark.parametrize("dialect", [AZURE, KUBEFLEET], ids=lambda dialect: dialect.name)
FAILURE = "the binding was taken"

# The catalogue (reference, section 2.13)

CATALOGUE: list[tuple[str, str, str, str, str]] = [
    (
        "run",
        "Initialized",
        "True",
        "UpdateRunInitializedSuccessfully",
        "The UpdateRun initialized successfully",
    ),
    (
        "run",
        "Initialized",
        "False",
        "UpdateRunInitializedFailed",
        "cannot continue the updateRun: failed to validate the updateRun: no such strategy",
    ),
    (
        "run",
        "Initialized",
        "Unknown",
        "UpdateRunWaitingForPlacement",
        "The UpdateRun waits until the placement is scheduled: not yet",
    ),
    ("run", "Progressing", "True", "UpdateRunProgressing", "The update run is making progress"),
    (
        "run",
        "Progressing",
        "False",
        "UpdateRunWaiting",
        "The updateRun is waiting for before-stage tasks in stage one to complete",
    ),
    (
        "run",
        "Progressing",
        "False",
        "UpdateRunWaiting",
        "The updateRun is waiting for after-stage tasks in stage one to complete",
    ),
    (
        "run",
        "Progressing",
        "False",
        "UpdateRunStuck",
        "The updateRun is stuck waiting for a, b, c... cluster(s) in stage one to finish updating, please check "
        "placement status for potential errors",
    ),
    (
        "run",
        "Progressing",
        "Unknown",
        "UpdateRunStopping",
        "The update run is the process of stopping, waiting for all the updating/deleting clusters to finish updating "
        "before completing the stop process",
    ),
    ("run", "Progressing", "False", "UpdateRunStopped", "The update run has been stopped"),
    (
        "run",
        "Progressing",
        "False",
        "UpdateRunFailed",
        "The stages are aborted due to a non-recoverable error",
    ),
    ("run", "Progressing", "False", "UpdateRunSucceeded", "All stages are completed"),
    ("run", "Succeeded", "True", "UpdateRunSucceeded", "All stages are completed successfully"),
    ("run", "Succeeded", "False", "UpdateRunFailed", f"cannot continue the updateRun: {FAILURE}"),
    ("stage", "Progressing", "True", "StageUpdatingStarted", "Clusters in the stage started updating"),
    (
        "stage",
        "Progressing",
        "False",
        "StageUpdatingWaiting",
        "Not all before-stage tasks are completed, waiting for approval",
    ),
    (
        "stage",
        "Progressing",
        "False",
        "StageUpdatingWaiting",
        "All clusters in the stage are updated, waiting for after-stage tasks to complete",
    ),
    (
        "stage",
        "Progressing",
        "Unknown",
        "StageUpdatingStopping",
        "Waiting for all the updating clusters to finish updating before completing the stop process",
    ),
    (
        "stage",
        "Progressing",
        "False",
        "StageUpdatingStopped",
        "All the updating clusters have finished updating, the stage is now stopped, waiting to be resumed",
    ),
    (
        "stage",
        "Progressing",
        "False",
        "StageUpdatingSucceeded",
        "All clusters in the stage are updated and after-stage tasks are completed",
    ),
    ("stage", "Succeeded", "True", "StageUpdatingSucceeded", "Stage update completed successfully"),
    (
        "stage",
        "Progressing",
        "False",
        "StageUpdatingSkippedNoClusters",
        "Stage skipped because it has no clusters",
    ),
    ("stage", "Succeeded", "True", "StageUpdatingSkippedNoClusters", "Stage skipped because it has no clusters"),
    (
        "stage",
        "Progressing",
        "False",
        "StageUpdatingFailed",
        "Stage update aborted due to a non-recoverable error",
    ),
    ("stage", "Succeeded", "False", "StageUpdatingFailed", f"cannot continue the updateRun: {FAILURE}"),
    ("cluster", "Started", "True", "ClusterUpdatingStarted", "Cluster update started"),
    ("cluster", "Succeeded", "True", "ClusterUpdatingSucceeded", "Cluster update completed successfully"),
    ("cluster", "Succeeded", "True", "ClusterUpdatingSkipped", "The cluster has left the fleet"),
    ("cluster", "Succeeded", "False", "ClusterUpdatingFailed", FAILURE),
    ("task", "WaitTimeElapsed", "True", "AfterStageTaskWaitTimeElapsed", "Wait time elapsed"),
]
APPROVAL_TASK = {
    AZURE.name: [
        (
            "task",
            "ApprovalRequestCreated",
            "True",
            "AfterStageTaskApprovalRequestCreated",
            "ClusterApprovalRequest is created",
        ),
        (
            "task",
            "ApprovalRequestApproved",
            "True",
            "AfterStageTaskApprovalRequestApproved",
            "ClusterApprovalRequest is approved",
        ),
    ],
    KUBEFLEET.name: [
        (
            "task",
            "ApprovalRequestCreated",
            "True",
            "StageTaskApprovalRequestCreated",
            "ApprovalRequest object is created",
        ),
        (
            "task",
            "ApprovalRequestApproved",
            "True",
            "StageTaskApprovalRequestApproved",
            "ApprovalRequest object is approved",
        ),
    ],
}


def succeed(dialect: Dialect) -> Drive:
    one = stage("one", before=[APPROVAL], after=[wait("1m"), APPROVAL], env="one")
    none = stage("none", env="none")
    status = initialized(one, none, members={"a": {"env": "one"}}, delete=["x"], dialect=dialect)
    run = Drive(status, dialect)
    run.approve("one", Timing.BEFORE)
    run.end("a")
    run.approve("one")
    run.after(70)
    run.end("delete:x")
    return run


def get_stuck(dialect: Dialect) -> Drive:
    everyone = msgspec.structs.replace(stage("one"), max_concurrency=4)
    run = Drive(initialized(everyone, members={name: {} for name in "abcd"}, dialect=dialect), dialect)
    run.after(301)
    return run


def stop(dialect: Dialect) -> Drive:
    run = Drive(initialized(stage("one"), members={"a": {}, "b": {}}, dialect=dialect), dialect)
    run.want(Intent.STOP)
    run.end("a")
    return run


def fail(dialect: Dialect) -> Drive:
    run = Drive(initialized(stage("one"), members={"a": {}, "b": {}, "c": {}}, dialect=dialect), dialect)
    run.leave("c")
    run.end("a", Outcome.FAILED, FAILURE)
    return run


def never_begin(dialect: Dialect) -> Drive:
    run = Drive(initialized(stage("one"), members={"a": {}}, dialect=dialect), dialect)
    for conditions in (
        reporting.waiting_to_initialize(run.writer, (), "not yet"),
        reporting.not_initialized(run.writer, (), "no such strategy"),
    ):
        run.seen |= set(shown(msgspec.structs.replace(run.status, conditions=conditions)))
    return run


@BOTH
def test_every_row_of_the_catalogue(dialect: Dialect) -> None:
    scenarios: list[Callable[[Dialect], Drive]] = [succeed, get_stuck, stop, fail, never_begin]
    seen = {row for scenario in scenarios for row in scenario(dialect).seen}
    wanted = {*CATALOGUE, *APPROVAL_TASK[dialect.name]}
    assert wanted - seen == set()
    unknown = {row[:4] for row in seen} - {row[:4] for row in wanted}
    assert unknown == set()


def types(conditions: Any) -> list[str]:
    return [condition.type for condition in conditions]


@BOTH
def test_conditions_keep_the_order_in_which_they_were_first_set(dialect: Dialect) -> None:
    run = succeed(dialect)
    assert types(run.status.conditions) == ["Initialized", "Progressing", "Succeeded"]
    assert types(run.status.stages_status[0].conditions) == ["Progressing", "Succeeded"]
    assert types(run.status.stages_status[0].clusters[0].conditions) == ["Started", "Succeeded"]


@BOTH
def test_a_run_that_became_impossible(dialect: Dialect) -> None:
    run = Drive(initialized(stage("one"), members={"a": {}}, dialect=dialect), dialect)
    status = reporting.aborted(run.writer, run.status, "the placement is gone")
    (before,), (one,) = run.status.stages_status, status.stages_status
    assert [(c.type, c.status, c.reason, c.message) for c in one.conditions] == [
        ("Progressing", "False", "StageUpdatingFailed", "Stage update aborted due to a non-recoverable error"),
        ("Succeeded", "False", "StageUpdatingFailed", "cannot continue the updateRun: the placement is gone"),
    ]
    assert one.end_time is not None
    assert one.clusters == before.clusters
    assert [(c.status, c.reason, c.message) for c in status.conditions[1:]] == [
        ("False", "UpdateRunFailed", "The stages are aborted due to a non-recoverable error"),
        ("False", "UpdateRunFailed", "cannot continue the updateRun: the placement is gone"),
    ]


@BOTH
def test_stages_that_are_over_or_have_not_begun_are_no_part_of_an_abort(dialect: Dialect) -> None:
    stages = [stage(name, role=name) for name in ("one", "two", "three")]
    run = Drive(
        initialized(*stages, members={m: {"role": m} for m in ("one", "two", "three")}, dialect=dialect), dialect
    )
    run.end("one")
    status = reporting.aborted(run.writer, run.status, "the placement is gone")
    assert [[c.reason for c in found.conditions] for found in status.stages_status] == [
        ["StageUpdatingSucceeded"] * 2,
        ["StageUpdatingFailed"] * 2,
        [],
    ]
    assert status.deletion_stage_status == run.status.deletion_stage_status


def test_times_of_a_stage() -> None:
    run = Drive(initialized(stage("one", before=[APPROVAL], after=[wait("1m")]), members={"a": {}}))
    run.after(60)
    assert run.status.stages_status[0].start_time is None
    run.approve("one", Timing.BEFORE)
    run.after(60)
    run.end("a")
    (one,) = run.status.stages_status
    assert (one.start_time, one.end_time) == ("2026-03-02T09:01:00Z", None)
    run.after(120)
    (one,) = run.status.stages_status
    assert (one.start_time, one.end_time) == ("2026-03-02T09:01:00Z", "2026-03-02T09:04:00Z")


def test_stuck_is_looked_for_when_it_is_due() -> None:
    run = Drive(initialized(stage("one"), members={"a": {}}))
    due = reporting.stuck_at(run.decision.progress, run.now)
    assert due == NOW + reporting.STUCK_AFTER
    run.after(300)
    assert reporting.stuck_at(run.decision.progress, run.now) is None
    assert run.status.conditions[-1].reason == "UpdateRunStuck"
    run.end("a")
    assert run.status.conditions[-1].reason == "UpdateRunSucceeded"


def test_a_change_of_the_spec_is_taken_note_of_everywhere() -> None:
    run = succeed(AZURE)
    status = reporting.observed(run.status, 7)
    conditions = [*status.conditions]
    for found in (*status.stages_status, status.deletion_stage_status):
        assert found is not None
        conditions += found.conditions
        for part in (*found.clusters, *found.before_stage_task_status, *found.after_stage_task_status):
            conditions += part.conditions
    assert {condition.observed_generation for condition in conditions} == {7}
    assert reporting.observed(status, 7) == status


# Laws

lawful = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TASKS_BEFORE = st.sampled_from([(), (APPROVAL,)])
TASKS_AFTER = st.sampled_from([(), (APPROVAL,), (wait("1m"),), (wait("1m"), APPROVAL), (APPROVAL, wait("1m"))])


@st.composite
def runs(draw: st.DrawFn) -> Drive:
    """A run of up to three stages, about to begin."""
    number = draw(st.integers(1, 3))
    stages = [
        msgspec.structs.replace(
            stage(f"s{index}", before=draw(TASKS_BEFORE), after=draw(TASKS_AFTER), env=str(index)),
            max_concurrency=draw(st.sampled_from([1, 2, "50%", "100%"])),
        )
        for index in range(number)
    ]
    members = draw(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, number - 1), max_size=6))
    labels = {name: {"env": str(index)} for name, index in members.items()}
    delete = draw(st.lists(st.sampled_from("xy"), unique=True))
    if not members and not delete:
        delete = ["x"]
    dialect = draw(st.sampled_from([AZURE, KUBEFLEET]))
    return Drive(initialized(*stages, members=labels, delete=delete, dialect=dialect), dialect)


def happen(draw: st.DrawFn, run: Drive) -> None:
    """Something happens to the run."""
    match draw(st.sampled_from(["time", "end", "end", "end", "approve", "approve", "stop", "run", "leave", "fail"])):
        case "time":
            run.after(draw(st.sampled_from([0, 0.4, 1, 61, 301])))
        case "end" if run.running:
            run.end(draw(st.sampled_from(run.running)))
        case "fail" if run.running and draw(st.booleans()):
            run.end(draw(st.sampled_from(run.running)), Outcome.FAILED, FAILURE)
        case "approve" if run.decision.open_gates:
            gate = draw(st.sampled_from(run.decision.open_gates)).gate
            run.approve(gate.stage, gate.timing)
        case "stop":
            run.want(Intent.STOP)
        case "run":
            run.want(Intent.RUN)
        case "leave":
            names = [t for s in plan_of(run.status).stages for t in s.groups[0].targets if not t.startswith("delete")]
            if names and draw(st.booleans()):
                run.leave(draw(st.sampled_from(names)))


def stage_states(decision: Decision) -> list[State]:
    """A stage that is shown as stopped may or may not have begun: nothing depends on it."""
    states = [found.state for found in decision.progress.stages]
    if decision.progress.state is State.STOPPED:
        return [State.NOT_STARTED if state is State.STOPPED else state for state in states]
    return states


@lawful
@given(st.data())
def test_reading_back_what_was_written_leads_to_the_same(data: st.DataObject) -> None:
    run = data.draw(runs())
    for _ in range(data.draw(st.integers(0, 12))):
        happen(data.draw, run)
        plan = plan_of(run.status)
        read = decide(plan, progress_of(plan, run.status), run.facts, run.now)
        kept = decide(plan, run.decision.progress, run.facts, run.now)
        assert read.start == kept.start == ()
        assert [g.gate for g in read.open_gates] == [g.gate for g in kept.open_gates]
        assert read.progress.state == kept.progress.state
        assert stage_states(read) == stage_states(kept)
        assert (read.wake_at is None) == (kept.wake_at is None)


@lawful
@given(st.data())
def test_writing_again_changes_nothing(data: st.DataObject) -> None:
    run = data.draw(runs())
    for _ in range(data.draw(st.integers(0, 12))):
        happen(data.draw, run)
        before = run.status
        assert report(run.writer, before, run.decision.progress, run.requested) == before
        run.decide()
        assert run.status == before


@lawful
@given(st.data())
def test_what_was_once_true_of_a_member_stays_so(data: st.DataObject) -> None:
    run = data.draw(runs())
    ended: dict[str, Any] = {}
    for _ in range(data.draw(st.integers(0, 12))):
        happen(data.draw, run)
        stages = [*run.status.stages_status, *filter(None, [run.status.deletion_stage_status])]
        for found in stages:
            for cluster in found.clusters:
                key = f"{found.stage_name} {cluster.cluster_name}"
                if len(cluster.conditions) and cluster.conditions[-1].type == "Succeeded":
                    assert ended.setdefault(key, cluster.conditions) == cluster.conditions
    assert len(run.started) == len(set(run.started))


@lawful
@given(st.data())
def test_stages_follow_one_another_and_times_never_go_back(data: st.DataObject) -> None:
    run = data.draw(runs())
    times: dict[tuple[str, str], str] = {}
    for _ in range(data.draw(st.integers(0, 12))):
        happen(data.draw, run)
        stages = [*run.status.stages_status, *filter(None, [run.status.deletion_stage_status])]
        ended = ["Succeeded" in types(found.conditions) for found in stages]
        begun = [
            any(cluster.conditions for cluster in found.clusters if "Started" in types(cluster.conditions))
            for found in stages
        ]
        assert all(earlier or not later for earlier, later in zip(ended, begun[1:], strict=False))
        for found in stages:
            for condition in found.conditions:
                key = (found.stage_name, condition.type)
                assert condition.last_transition_time >= times.get(key, "")
                times[key] = condition.last_transition_time


@lawful
@given(st.data())
def test_a_run_goes_on_to_its_end(data: st.DataObject) -> None:
    """However it was begun: let go on, with every member done and every gate approved, it succeeds."""
    run = data.draw(runs())
    for _ in range(data.draw(st.integers(0, 6))):
        happen(data.draw, run)
    if any(reason == "ClusterUpdatingFailed" for _, _, _, reason, _ in run.seen):
        return
    run.want(Intent.RUN)
    for _ in range(40):
        for target in run.running:
            run.end(target)
        for opening in run.decision.open_gates:
            run.approve(opening.gate.stage, opening.gate.timing)
        run.after(62)
    assert run.status.conditions[-1].reason == "UpdateRunSucceeded"
    assert types(run.status.conditions) == ["Initialized", "Progressing", "Succeeded"]
