"""Whether a run that was initialised can still be carried out as it was planned.

Pure. A run ends for good when the placement it was made for is gone, or asks for something else now:
another way of applying, another policy. Whether members that come and go end it too is a matter of
the dialect.
"""

from __future__ import annotations

import msgspec

from echelon.api.staged import StageUpdatingStatus, UpdateRunStatus
from echelon.placement.dialect import Dialect
from echelon.placement.staged.initialization import (
    CLIENT_ERROR,
    CannotInitialize,
    NotYet,
    Surroundings,
    effective_apply_strategy,
    external_placement,
    initialize,
    latest_policy,
)


class Outdated(Exception):
    """The run cannot go on; the message is for the user."""


def validate(status: UpdateRunStatus, around: Surroundings, dialect: Dialect) -> None:
    """Check an initialised run against the hub as it is now.

    Raises:
        Outdated: the run can never go on.
    """
    try:
        placement = external_placement(around)
        policy = latest_policy(around)
    except CannotInitialize as problem:
        raise Outdated(str(problem)) from problem
    except NotYet:
        return  # the scheduler is at work; what it decides comes as a change
    latest = effective_apply_strategy(placement)
    if latest != status.applied_strategy:
        raise Outdated(
            f"{CLIENT_ERROR}the applyStrategy in the updateRun is outdated, latest: {_text(latest)}, "
            f"recorded: {_text(status.applied_strategy)}"
        )
    if policy.index != status.policy_snapshot_index_used:
        raise Outdated(
            f"the policy snapshot index used in the updateRun is outdated, latest: {policy.index}, "
            f"recorded: {status.policy_snapshot_index_used}"
        )
    if dialect.membership_aborts:
        _compare_stages(status, around, dialect)


def _text(value: msgspec.Struct | None) -> str:
    return "none" if value is None else msgspec.json.encode(value).decode()


def _compare_stages(status: UpdateRunStatus, around: Surroundings, dialect: Dialect) -> None:
    """The stages as they would be planned now must be those that were planned."""
    planned = msgspec.structs.replace(around, strategy=status.staged_update_strategy_snapshot)
    try:
        fresh = initialize("", planned, status.resource_snapshot_index_used, dialect)
    except CannotInitialize as problem:
        raise Outdated(str(problem)) from problem
    except NotYet:
        return
    if fresh.policy_observed_cluster_count != status.policy_observed_cluster_count and _is_counted(around):
        raise Outdated(
            "the cluster count initialized in the updateRun is outdated, latest: "
            f"{fresh.policy_observed_cluster_count}, recorded: {status.policy_observed_cluster_count}"
        )
    if len(fresh.stages_status) != len(status.stages_status):
        raise Outdated(
            f"the number of stages in the updateRun has changed, new: {len(fresh.stages_status)}, "
            f"existing: {len(status.stages_status)}"
        )
    for index, (new, old) in enumerate(zip(fresh.stages_status, status.stages_status, strict=True)):
        _compare_stage(index, new, old)
    allowed = set() if status.deletion_stage_status is None else set(_clusters(status.deletion_stage_status))
    for cluster in () if fresh.deletion_stage_status is None else _clusters(fresh.deletion_stage_status):
        if cluster not in allowed:
            raise Outdated(f"the cluster `{cluster}` to be deleted is not in the delete stage")


def _is_counted(around: Surroundings) -> bool:
    """Whether the policy says how many members there are to be."""
    policy = latest_policy(around).policy
    return policy is not None and policy.placement_type != "PickAll"


def _compare_stage(index: int, new: StageUpdatingStatus, old: StageUpdatingStatus) -> None:
    if new.stage_name != old.stage_name:
        raise Outdated(
            f"index `{index}` stage name in the updateRun has changed, new: {new.stage_name}, "
            f"existing: {old.stage_name}"
        )
    if len(new.clusters) != len(old.clusters):
        raise Outdated(
            f"the number of clusters in index `{index}` stage has changed, new: {len(new.clusters)}, "
            f"existing: {len(old.clusters)}"
        )
    for position, (now, before) in enumerate(zip(_clusters(new), _clusters(old), strict=True)):
        if now != before:
            raise Outdated(
                f"the `{position}` cluster in the `{index}` stage has changed, new: {now}, existing: {before}"
            )


def _clusters(stage: StageUpdatingStatus) -> tuple[str, ...]:
    return tuple(cluster.cluster_name for cluster in stage.clusters)
