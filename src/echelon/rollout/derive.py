"""The states of groups, stages and the run, derived bottom-up from targets, gates and waits.

The rules, highest first; the first that holds decides. They order the table of the functional reference
(cluster update runs, section 4.2) so that exactly one state results:

* **Running**: a target of it runs; **Stopping** when the run has been halted meanwhile.
* **Failed**: more of its targets failed than it may have; or a group of the stage, a stage of the run, Failed.
* **Skipped**: everything in it is Skipped, which is also what skipping a group or stage makes of it. One that was
  skipped when some of its targets had been updated is Completed: what was done can be awaited and approved.
* **Completed**: all in it has ended. For a group its gates after have passed, for a stage its wait too.
* **Stopped**: the run has been halted. A group or stage that was not reached stays NotStarted.
* **NotStarted**: it was not reached, the run was not started.
* **Running**, for a stage: its wait is going on and no gate of it is Pending. For a run: its current stage is.
* **Pending**: otherwise. What is left of it waits for a gate, for a window, or for a place.

*Halted* means that nothing new may start: the user asked for a stop, or a failure limit is exceeded anywhere.
"Skipped" for want of targets holds only from the moment a group or stage is reached; then an empty one has
nothing to do, and neither its gates nor its wait are asked for. The same is true of one all of whose targets
were skipped: nothing was changed that could be approved or watched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from echelon.rollout.facts import Intent
from echelon.rollout.plan import Limit, Plan
from echelon.rollout.progress import (
    GateProgress,
    GateState,
    GroupProgress,
    Progress,
    StageProgress,
    State,
    TargetState,
    WaitProgress,
    WaitState,
)

ENDED = frozenset({State.COMPLETED, State.SKIPPED})
"""The states from which a group or stage goes on to no other, except by a new attempt."""

Counts = Mapping[TargetState, int]


def over_limit(failures: int, limit: Limit | None, total: int) -> bool:
    """Whether more of ``total`` targets failed than a failure limit allows."""
    return limit is not None and failures > limit.failures(total)


def nothing_done(counts: Counts, *, reached: bool) -> bool:
    """Whether targets counted by state are all skipped, and so what they belong to is."""
    total = sum(counts.values())
    return counts[TargetState.SKIPPED] == total and (total > 0 or reached)


def any_pending(gates: Iterable[GateProgress]) -> bool:
    return any(gate.state is GateState.PENDING for gate in gates)


def all_passed(gates: Iterable[GateProgress]) -> bool:
    return all(gate.passed for gate in gates)


def group_state(
    counts: Counts,
    after: Iterable[GateProgress],
    *,
    reached: bool,
    skipped: bool,
    failed: bool,
    halted: bool,
) -> State:
    """The state of a group, from the number of its targets in each state and its gates after."""
    if counts[TargetState.RUNNING]:
        return State.STOPPING if halted else State.RUNNING
    if failed:
        return State.FAILED
    if nothing_done(counts, reached=reached or skipped):
        return State.SKIPPED
    waiting = counts[TargetState.NOT_STARTED] + counts[TargetState.PENDING]
    if not waiting and reached and all_passed(after):
        return State.COMPLETED
    if not reached:
        return State.NOT_STARTED
    return State.STOPPED if halted else State.PENDING


def stage_state(
    groups: Collection[State],
    gates: Iterable[GateProgress],
    wait: WaitProgress | None,
    *,
    passed: bool,
    reached: bool,
    skipped: bool,
    failed: bool,
    halted: bool,
) -> State:
    """The state of a stage; ``passed`` says that its gates after and its wait are behind it."""
    if State.RUNNING in groups or State.STOPPING in groups:
        return State.STOPPING if halted else State.RUNNING
    if failed or State.FAILED in groups:
        return State.FAILED
    if all(state is State.SKIPPED for state in groups) and (groups or reached or skipped):
        return State.SKIPPED
    if passed and groups and all(state in ENDED for state in groups):
        return State.COMPLETED
    if not reached:
        return State.NOT_STARTED
    if halted:
        return State.STOPPED
    waiting = wait is not None and wait.state is WaitState.RUNNING
    return State.RUNNING if waiting and not any_pending(gates) else State.PENDING


def run_state(stages: Collection[State], intent: Intent, *, started: bool, halted: bool) -> State:
    """The state of a run."""
    if State.RUNNING in stages or State.STOPPING in stages:
        return State.STOPPING if halted else State.RUNNING
    if State.FAILED in stages:
        return State.FAILED
    if all(state in ENDED for state in stages) and (stages or started):
        return State.COMPLETED if State.COMPLETED in stages else State.SKIPPED
    if intent is Intent.STOP or (started and intent is not Intent.RUN):
        return State.STOPPED
    if not started:
        return State.NOT_STARTED
    current = next((state for state in stages if state not in ENDED), State.PENDING)
    return State.PENDING if current is State.PENDING else State.RUNNING


def halts(plan: Plan, progress: Progress, intent: Intent) -> bool:
    """Whether nothing new may start: a stop is in force, or a failure limit is exceeded."""
    if intent is Intent.STOP or (intent is Intent.INITIALIZE and progress.started_at is not None):
        return True
    for stage, found in zip(plan.stages, progress.stages, strict=True):
        if over_limit(found.failure_count, stage.max_failures, stage.size):
            return True
        for group, part in zip(stage.groups, found.groups, strict=True):
            if over_limit(part.failure_count, group.max_failures, len(group.targets)):
                return True
    return False


def derived_state(plan: Plan, progress: Progress, intent: Intent) -> State:
    """The state of a run from the states of its leaves alone, whatever states its groups and stages claim.

    ``progress`` must have the shape of ``plan``, as that of a decision has.
    """
    halted = halts(plan, progress, intent)
    stages = [_stage_from_leaves(plan, index, found, halted) for index, found in enumerate(progress.stages)]
    return run_state(stages, intent, started=progress.started_at is not None, halted=halted)


def derived_group_state(limit: Limit | None, found: GroupProgress, *, halted: bool) -> State:
    """The state of a group from its leaves."""
    counts = Counter(target.state for target in found.targets)
    return group_state(
        counts,
        found.after,
        reached=found.started_at is not None,
        skipped=found.skipped,
        failed=over_limit(counts[TargetState.FAILED], limit, len(found.targets)),
        halted=halted,
    )


def _stage_from_leaves(plan: Plan, index: int, found: StageProgress, halted: bool) -> State:
    stage = plan.stages[index]
    groups = [
        derived_group_state(group.max_failures, part, halted=halted)
        for group, part in zip(stage.groups, found.groups, strict=True)
    ]
    return stage_state(
        groups,
        (*found.before, *found.after),
        found.wait,
        passed=all_passed(found.after) and (found.wait is None or found.wait.passed),
        reached=found.started_at is not None,
        skipped=found.skipped,
        failed=over_limit(found.failure_count, stage.max_failures, stage.size),
        halted=halted,
    )
