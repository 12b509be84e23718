"""A run's status says all that the engine knew: reading it back leads to the same decisions.

Random strategies are driven by the real engine with random facts; after every pass the status is
written, read, and decided upon again. Times in a status are whole seconds, so time goes by in whole
seconds here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.api import names
from echelon.api.conditions import PROGRESSING, SUCCEEDED, find_condition
from echelon.api.staged import (
    ClusterUpdatingStatus,
    StageConfig,
    StageTask,
    StageTaskStatus,
    StageUpdatingStatus,
    UpdateRunStatus,
    UpdateStrategySpec,
)
from echelon.placement.dialect import DIALECTS
from echelon.placement.staged import reporting
from echelon.placement.staged.translation import gate_reference, plan_of, progress_of
from echelon.rollout import Facts, Intent, Operation, Outcome, TargetState, Timing, decide

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)

approvals = st.sampled_from([(), (StageTask(type="Approval"),)])
waits = st.sampled_from([(), (StageTask(type="TimedWait", wait_time="5s"),)])


@st.composite
def statuses(draw: st.DrawFn) -> UpdateRunStatus:
    """The status of a run that was just initialised."""
    configs, stages = [], []
    for number in range(draw(st.integers(1, 3))):
        before, after = draw(approvals), (*draw(approvals), *draw(waits))
        size = draw(st.integers(0, 4))
        concurrency = draw(st.sampled_from([1, 2, "50%", "100%"]))
        name = f"s{number}"
        configs.append(
            StageConfig(name=name, max_concurrency=concurrency, before_stage_tasks=before, after_stage_tasks=after)
        )
        stages.append(
            StageUpdatingStatus(
                stage_name=name,
                clusters=tuple(ClusterUpdatingStatus(cluster_name=f"{name}-{n}") for n in range(size)),
                before_stage_task_status=tuple(task_status(task, f"run-before-{name}") for task in before),
                after_stage_task_status=tuple(task_status(task, f"run-{name}") for task in after),
            )
        )
    gone = tuple(ClusterUpdatingStatus(cluster_name=f"old-{n}") for n in range(draw(st.integers(0, 2))))
    return UpdateRunStatus(
        staged_update_strategy_snapshot=UpdateStrategySpec(stages=tuple(configs)),
        stages_status=tuple(stages),
        deletion_stage_status=StageUpdatingStatus(stage_name=names.DELETE_STAGE, clusters=gone),
    )


def task_status(task: StageTask, name: str) -> StageTaskStatus:
    return StageTaskStatus(type=task.type, approval_request_name=name if task.type == "Approval" else "")


def writer(now: datetime) -> reporting.Writer:
    return reporting.Writer(1, now, DIALECTS["azure-docs"], "ClusterApprovalRequest")


class Play:
    """A run that is played: what has been started, what ended, what was approved."""

    def __init__(self, status: UpdateRunStatus) -> None:
        self.status = msgspec.structs.replace(status, conditions=reporting.initialized(writer(BEGIN), ()))
        self.plan = plan_of(self.status)
        self.now = BEGIN
        self.intent = Intent.RUN
        self.ended: set[str] = set()
        self.approved: set[object] = set()

    def facts(self, begun: frozenset[str] = frozenset()) -> Facts:
        progress = progress_of(self.plan, self.status)
        running = {
            target.name
            for stage in progress.stages
            for group in stage.groups
            for target in group.targets
            if target.state is TargetState.RUNNING
        }
        operations = {
            name: Operation(outcome=Outcome.SUCCEEDED if name in self.ended else None) for name in running | begun
        }
        return Facts(
            intent=self.intent,
            operations=operations,
            approvals=dict.fromkeys(self.approved, self.now),  # type: ignore[arg-type]
        )

    def pass_once(self) -> None:
        """A pass of the controller: decide and start until nothing more starts, then write the status."""
        progress = progress_of(self.plan, self.status)
        begun: frozenset[str] = frozenset()
        while True:
            decision = decide(self.plan, progress, self.facts(begun), self.now)
            progress = decision.progress
            if not decision.start:
                break
            begun |= {start.target for start in decision.start}
        requested = frozenset(
            f"run-{'before-' if o.gate.timing is Timing.BEFORE else ''}{o.gate.stage}" for o in decision.open_gates
        )
        self.status = reporting.report(writer(self.now), self.status, progress, requested)


moves = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.integers(0, 20)),
        st.tuples(st.just("approve"), st.integers(0, 2)),
        st.tuples(st.just("time"), st.integers(1, 10)),
        st.tuples(st.sampled_from(["stop", "go"]), st.just(0)),
    ),
    max_size=30,
)


def play(status: UpdateRunStatus, script: list[tuple[str, int]]) -> Play:
    run = Play(status)
    run.pass_once()
    targets = [t for stage in run.plan.stages for group in stage.groups for t in group.targets]
    for what, number in script:
        match what:
            case "end" if targets:
                run.ended.add(targets[number % len(targets)])
            case "approve":
                stage = run.plan.stages[number % len(run.plan.stages)].name
                run.approved |= {gate_reference(stage, Timing.BEFORE), gate_reference(stage, Timing.AFTER)}
            case "time":
                run.now += timedelta(seconds=number)
            case "stop" | "go":
                run.intent = Intent.STOP if what == "stop" else Intent.RUN
        run.pass_once()
    return run


@settings(max_examples=60, deadline=None)
@given(statuses(), moves)
def test_a_pass_on_what_was_written_changes_nothing(status, script):
    run = play(status, script)
    before = run.status
    run.pass_once()
    assert run.status == before


@settings(max_examples=60, deadline=None)
@given(statuses(), moves)
def test_a_run_played_to_its_end_succeeds(status, script):
    run = play(status, script)
    run.intent = Intent.RUN
    for stage in run.plan.stages:
        run.approved |= {gate_reference(stage.name, Timing.BEFORE), gate_reference(stage.name, Timing.AFTER)}
        run.ended |= {target for group in stage.groups for target in group.targets}
    for _ in range(20):
        run.now += timedelta(seconds=10)
        run.pass_once()
    done = find_condition(run.status.conditions, SUCCEEDED)
    assert done is not None
    assert done.status == "True"
    for stage in (*run.status.stages_status, run.status.deletion_stage_status):
        assert [c.type for c in stage.conditions] == [PROGRESSING, SUCCEEDED]
        assert stage.end_time is not None
        assert all(find_condition(c.conditions, SUCCEEDED) is not None for c in stage.clusters)


@settings(max_examples=60, deadline=None)
@given(statuses(), moves)
def test_stages_follow_one_another(status, script):
    run = play(status, script)
    begun = [bool(stage.conditions) for stage in run.status.stages_status]
    ended = [find_condition(stage.conditions, SUCCEEDED) is not None for stage in run.status.stages_status]
    for earlier, later in zip(ended, begun[1:], strict=False):
        assert earlier or not later


@settings(max_examples=60, deadline=None)
@given(statuses(), moves)
def test_times_of_conditions_never_go_back(status, script):
    run = Play(status)
    seen: dict[tuple[str, str], str] = {}
    for step in range(len(script) + 1):
        run = play(status, script[:step])
        for stage in run.status.stages_status:
            for condition in stage.conditions:
                key = (stage.stage_name, condition.type)
                assert condition.last_transition_time >= seen.get(key, "")
                seen[key] = condition.last_transition_time
