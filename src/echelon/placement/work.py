"""What a binding becomes: the Works of its member, and what their reports say of the binding.

Pure. A Work holds the objects of one part of a resource snapshot, unread (see ``api.fields.Manifest``).
Its name is that of its placement, so a newer snapshot changes the Works that are there instead of
adding others; Works that a newer snapshot no longer needs are deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import TypedDict

import msgspec

from echelon.api import names
from echelon.api.binding import ResourceBindingSpec, ResourceBindingStatus
from echelon.api.conditions import ROLLOUT_STARTED, find_condition, observe, set_condition
from echelon.api.meta import Condition, ConditionStatus, ObjectMeta
from echelon.api.placement import (
    DiffedResourcePlacement,
    DriftedResourcePlacement,
    FailedResourcePlacement,
)
from echelon.api.work import ManifestCondition, Work, WorkloadTemplate, WorkSpec

REPORT_LIMIT = 100


class SnapshotView(msgspec.Struct, frozen=True):
    """A part of a resource snapshot: ``sub_index`` is None for the master."""

    name: str
    index: str
    sub_index: int | None
    manifests: tuple[msgspec.Raw, ...]


def works_of(
    binding_name: str,
    binding: ResourceBindingSpec,
    placement: str,
    parts: Iterable[SnapshotView],
    *,
    namespace: str = "",
) -> list[Work]:
    """The Works that a binding calls for.

    Args:
        binding_name: name of the binding.
        binding: its spec.
        placement: name of the placement.
        parts: every part of the snapshot that the binding names, the master among them.
        namespace: of a ResourcePlacement; empty for a cluster-scoped one.
    """
    return [_work(binding_name, binding, placement, part, namespace) for part in parts]


def _work(binding_name: str, binding: ResourceBindingSpec, placement: str, part: SnapshotView, namespace: str) -> Work:
    labels = {
        names.PARENT_BINDING: binding_name,
        names.PARENT_PLACEMENT: placement,
        names.PARENT_SNAPSHOT_INDEX: part.index,
    }
    if namespace:
        labels[names.PARENT_PLACEMENT_NAMESPACE] = namespace
    return Work(
        metadata=ObjectMeta(
            name=names.work(names.work_base(placement, namespace), part.sub_index),
            namespace=names.member_namespace(binding.target_cluster),
            labels=labels,
            annotations={names.PARENT_SNAPSHOT_NAME: binding.resource_snapshot_name},
            finalizers=(names.WORK_CLEANUP,),
        ),
        spec=WorkSpec(
            workload=WorkloadTemplate(manifests=part.manifests),
            apply_strategy=binding.apply_strategy,
        ),
    )


def is_up_to_date(wanted: Work, have: Work) -> bool:
    """Whether a Work already says what is wanted: same snapshot, same way of applying, same objects."""
    return (
        all(have.metadata.labels.get(key) == value for key, value in wanted.metadata.labels.items())
        and all(have.metadata.annotations.get(key) == value for key, value in wanted.metadata.annotations.items())
        and have.spec.apply_strategy == wanted.spec.apply_strategy
        and [bytes(manifest) for manifest in have.spec.workload.manifests]
        == [bytes(manifest) for manifest in wanted.spec.workload.manifests]
    )


class Report(msgspec.Struct, frozen=True):
    """What the Works of a binding say of it. ``settled`` is whether nothing more is awaited from the member."""

    status: ResourceBindingStatus
    settled: bool


def report(
    before: ResourceBindingStatus, generation: int, works: Sequence[Work], now: datetime, *, report_diff: bool
) -> Report:
    """The status of a binding whose Works are all written.

    Args:
        before: its status; the condition RolloutStarted, which others set, and unchanged transition times are kept.
        generation: of the binding, at which the conditions are observed.
        works: all its Works as they are now, in the order of their names.
        now: for conditions that change.
        report_diff: whether the apply strategy only reports differences.
    """
    steps = [_diff_reported(works)] if report_diff else _applied_and_available(works)
    started = find_condition(before.conditions, ROLLOUT_STARTED)
    conditions: tuple[Condition, ...] = () if started is None else observe((started,), generation)
    for condition in (*_WRITTEN, *steps):
        earlier = find_condition(before.conditions, condition.type)
        observed = msgspec.structs.replace(condition, observed_generation=generation)
        conditions += set_condition(() if earlier is None else (earlier,), observed, now)
    settled = all(condition.status == "True" for condition in steps)
    failed = [] if settled else list(islice(_failed(works), REPORT_LIMIT))
    return Report(
        ResourceBindingStatus(
            conditions=conditions,
            failed_placements=tuple(failed),
            drifted_placements=tuple(islice(_drifted(works), REPORT_LIMIT)),
            diffed_placements=tuple(islice(_diffed(works), REPORT_LIMIT)),
        ),
        settled,
    )


def _condition(type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type_, status, reason, message)


_WRITTEN = (
    Condition(
        "Overridden", "True", "NoOverrideSpecified", "No override rules are configured for the selected resources"
    ),
    Condition("WorkSynchronized", "True", "AllWorkSynced", "All of the works are synchronized to the latest"),
)


def _current(work: Work, type_: str) -> Condition | None:
    """The condition of a Work, when it was made for the Work as it is now, and that is to stay."""
    if work.metadata.deletion_timestamp is not None:
        return None
    condition = find_condition(work.status.conditions, type_)
    return condition if condition is not None and condition.observed_generation == work.metadata.generation else None


def _applied_and_available(works: Sequence[Work]) -> list[Condition]:
    for work in works:
        applied = _current(work, "Applied")
        if applied is None:
            return [_condition("Applied", "False", "ApplyInProgress", "Resources are being applied")]
        if applied.status != "True":
            message = f"Work object {work.metadata.name} has failed to apply"
            return [_condition("Applied", "False", "NotAllWorkHaveBeenApplied", message)]
    result = [_condition("Applied", "True", "AllWorkHaveBeenApplied", "All corresponding work objects are applied")]
    return [*result, _available(works)]


def _available(works: Sequence[Work]) -> Condition:
    untracked = None
    for work in works:
        available = _current(work, "Available")
        if available is None or available.status != "True":
            message = f"Work object {work.metadata.name} is not yet available"
            return _condition("Available", "False", "NotAllWorkAreAvailable", message)
        if available.reason == "WorkNotTrackable":
            untracked = work.metadata.name
    if untracked is not None:
        message = f"The availability of work object {untracked} is not trackable"
        return _condition("Available", "True", "NotAllWorkAreAvailabilityTrackable", message)
    return _condition("Available", "True", "AllWorkAreAvailable", "All corresponding work objects are available")


def _diff_reported(works: Sequence[Work]) -> Condition:
    for work in works:
        reported = _current(work, "DiffReported")
        if reported is None:
            message = "Diff reporting on resources is in progress"
            return _condition("DiffReported", "False", "DiffReportInProgress", message)
        if reported.status != "True":
            message = f"Work object {work.metadata.name} has not completed diff reporting"
            return _condition("DiffReported", "False", "NotAllWorkHaveDiffReported", message)
    return _condition(
        "DiffReported", "True", "AllWorkHaveDiffReported", "All corresponding work objects have reported diff"
    )


class _Identity(TypedDict):
    group: str
    version: str
    kind: str
    name: str
    namespace: str


def _identity(manifest: ManifestCondition) -> _Identity:
    identifier = manifest.identifier
    return _Identity(
        group=identifier.group,
        version=identifier.version,
        kind=identifier.kind,
        name=identifier.name,
        namespace=identifier.namespace,
    )


def _failed(works: Sequence[Work]) -> Iterable[FailedResourcePlacement]:
    for work in works:
        for manifest in work.status.manifest_conditions:
            for type_ in ("Applied", "Available"):
                condition = find_condition(manifest.conditions, type_)
                if condition is not None and condition.status == "False":
                    yield FailedResourcePlacement(**_identity(manifest), condition=condition)
                    break


def _drifted(works: Sequence[Work]) -> Iterable[DriftedResourcePlacement]:
    for work in works:
        for manifest in work.status.manifest_conditions:
            drift = manifest.drift_details
            if drift is not None:
                yield DriftedResourcePlacement(
                    **_identity(manifest),
                    observation_time=drift.observation_time,
                    target_cluster_observed_generation=drift.observed_in_member_cluster_generation,
                    first_drifted_observed_time=drift.first_drifted_observed_time,
                    observed_drifts=drift.observed_drifts,
                )


def _diffed(works: Sequence[Work]) -> Iterable[DiffedResourcePlacement]:
    for work in works:
        for manifest in work.status.manifest_conditions:
            diff = manifest.diff_details
            if diff is not None:
                yield DiffedResourcePlacement(
                    **_identity(manifest),
                    observation_time=diff.observation_time,
                    target_cluster_observed_generation=diff.observed_in_member_cluster_generation,
                    first_diffed_observed_time=diff.first_diffed_observed_time,
                    observed_diffs=diff.observed_diffs,
                )
