"""What the hub shows of a run's members, as facts for the rollout engine.

Pure. A member is being updated once its binding has what the run gives it; it is done when the
binding reports, at its present generation, that everything is available (or, where objects are only
compared, that the differences are reported). A binding that says that this run started it counts as
begun even when the run's status does not know it: that is how a pass that was cut short, or whose
status was not worth a write yet, is taken up again. It says so by the run's UID, for runs come again
under the same name. A binding that was given something else meanwhile
belongs to another run, and the member has failed for this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from echelon.api import names
from echelon.api.binding import BOUND, SCHEDULED, UNSCHEDULED, ResourceBindingSpec
from echelon.api.conditions import AVAILABLE, DIFF_REPORTED, ROLLOUT_STARTED, is_true_at_generation
from echelon.api.staged import ClusterUpdatingStatus, UpdateRunStatus
from echelon.placement.dialect import Dialect
from echelon.placement.scope import Binding, Run
from echelon.placement.staged.translation import cluster_name
from echelon.rollout import (
    Facts,
    GateReference,
    Intent,
    Operation,
    Outcome,
    Progress,
    TargetProgress,
    TargetState,
    Unready,
)

_INTENTS = {"Initialize": Intent.INITIALIZE, "Run": Intent.RUN, "Stop": Intent.STOP}
_ENDED = frozenset({TargetState.COMPLETED, TargetState.FAILED, TargetState.SKIPPED})


def observe(
    run: Run,
    status: UpdateRunStatus,
    progress: Progress,
    begun: frozenset[str],
    *,
    bindings: Sequence[Binding],
    members: frozenset[str],
    selected: frozenset[str],
    approvals: Mapping[GateReference, datetime],
    dialect: Dialect,
) -> Facts:
    """The facts of a run.

    Args:
        run: for its name and what is wanted of it.
        status: of the initialised run: what members are given.
        progress: how far the run is.
        begun: targets that were started in this pass.
        bindings: all of the run's placement.
        members: names of all members of the fleet.
        selected: names of those that the scheduler chose.
        approvals: when each gate was approved.
        dialect: what a run without a state does.
    """
    by_cluster = {binding.spec.target_cluster: binding for binding in bindings}
    operations: dict[str, Operation] = {}
    left: dict[str, str] = {}
    unready: dict[str, Unready] = {}
    lost: set[str] = set()
    for delete, target in _open_targets(progress):
        cluster = cluster_name(target.name)
        binding = by_cluster.get(cluster)
        recorded = target.state is TargetState.RUNNING and target.observed
        running = recorded or target.name in begun or (not delete and _was_started_by(binding, run))
        if delete:
            why = _why_kept(binding, running=running)
        else:
            why = _why_left(binding, joined=cluster in members, selected=cluster in selected)
        if why is not None:
            left[target.name] = why
        elif delete:
            if running:
                operations[target.name] = _deleted(binding)
        elif not running:
            if _is_absent(binding):
                unready[target.name] = Unready("its binding was removed and is made anew")
        elif binding is not None and binding.spec.state == SCHEDULED and not _is_absent(binding):
            lost.add(target.name)  # made anew since it was started
        else:
            operations[target.name] = _outcome(binding, run, status)
    return Facts(
        intent=_INTENTS[run.spec.state or dialect.default_state],
        operations=operations,
        lost=frozenset(lost),
        left=left,
        unready=unready,
        approvals=approvals,
    )


def latecomers(status: UpdateRunStatus, selected: frozenset[str]) -> Sequence[str]:
    """The members that the scheduler has chosen since the run was initialised: they are no part of it."""
    stages = [*status.stages_status, *filter(None, [status.deletion_stage_status])]
    known = {cluster.cluster_name for stage in stages for cluster in stage.clusters}
    return sorted(selected - known)


def started_message(run: Run) -> str:
    """The message by which a binding tells users which run gave it its snapshot."""
    return (
        "Detected the new changes on the resources and started the rollout process, "
        f"resourceSnapshotIndex: {run.spec.resource_snapshot_index}, updateRun: {run.metadata.name}"
    )


def _was_started_by(binding: Binding | None, run: Run) -> bool:
    """Whether this run started the member, though its status may not say so yet."""
    if binding is None or binding.metadata.annotations.get(names.UPDATE_RUN_UID) != run.metadata.uid:
        return False
    return is_true_at_generation(binding.status.conditions, ROLLOUT_STARTED, binding.metadata.generation)


def _open_targets(progress: Progress) -> Iterator[tuple[bool, TargetProgress]]:
    for stage in progress.stages:
        for group in stage.groups:
            for target in group.targets:
                if target.state not in _ENDED:
                    yield stage.name == names.DELETE_STAGE, target


def _is_absent(binding: Binding | None) -> bool:
    return binding is None or binding.metadata.deletion_timestamp is not None


def _why_left(binding: Binding | None, *, joined: bool, selected: bool) -> str | None:
    """Why a member is no longer part of the run, or None while it is.

    A binding that is merely gone is none of these: the scheduler makes another one.
    """
    if not joined:
        return "The cluster has left the fleet"
    unscheduled = binding is not None and binding.spec.state == UNSCHEDULED
    if unscheduled or (_is_absent(binding) and not selected):
        return "The placement no longer selects the cluster"
    return None


def _why_kept(binding: Binding | None, *, running: bool) -> str | None:
    """Why a member is not to be emptied after all, or None."""
    if running or _is_absent(binding) or (binding is not None and binding.spec.state == UNSCHEDULED):
        return None
    return "The placement selects the cluster again"


def _deleted(binding: Binding | None) -> Operation:
    return Operation(outcome=Outcome.SUCCEEDED if binding is None else None)


def _outcome(binding: Binding | None, run: Run, status: UpdateRunStatus) -> Operation:
    if binding is None or binding.metadata.deletion_timestamp is not None:
        return Operation()
    if not is_up_to_date(binding, run, status):
        return Operation(outcome=Outcome.FAILED, message=_taken(binding, run, status))
    generation, conditions = binding.metadata.generation, binding.status.conditions
    done = is_true_at_generation(conditions, AVAILABLE, generation) or is_true_at_generation(
        conditions, DIFF_REPORTED, generation
    )
    return Operation(outcome=Outcome.SUCCEEDED if done else None)


def _taken(binding: Binding, run: Run, status: UpdateRunStatus) -> str:
    cluster = binding.spec.target_cluster
    stage = next(s.stage_name for s in status.stages_status if any(c.cluster_name == cluster for c in s.clusters))
    return (
        "failed to process the request due to a client error: the binding of the updating cluster "
        f"`{cluster}` in the stage `{stage}` is not up-to-date with the desired status, please check the status of "
        f"binding `{'/'.join(part for part in binding.key if part)}` and see if there is a concurrent updateRun "
        "referencing the same placement and updating the same cluster"
    )


def wanted_spec(binding: Binding, run: Run, status: UpdateRunStatus) -> ResourceBindingSpec:
    """What the run gives a binding."""
    cluster = _cluster_status(binding, status)
    return msgspec.structs.replace(
        binding.spec,
        state=BOUND,
        resource_snapshot_name=names.resource_snapshot(run.spec.placement_name, status.resource_snapshot_index_used),
        resource_override_snapshots=cluster.resource_override_snapshots,
        cluster_resource_override_snapshots=cluster.cluster_resource_override_snapshots,
        apply_strategy=status.applied_strategy,
    )


def is_up_to_date(binding: Binding, run: Run, status: UpdateRunStatus) -> bool:
    """Whether a binding has what the run gives it."""
    return binding.spec == wanted_spec(binding, run, status)


def _cluster_status(binding: Binding, status: UpdateRunStatus) -> ClusterUpdatingStatus:
    for stage in status.stages_status:
        for cluster in stage.clusters:
            if cluster.cluster_name == binding.spec.target_cluster:
                return cluster
    return ClusterUpdatingStatus(cluster_name=binding.spec.target_cluster)
