"""What a binding becomes: the Works of its member, and what their reports say of the binding.

Pure. A Work holds the objects of one part of a resource snapshot, or of an envelope in it, unread (see
``api.fields.Manifest``). Its name is that of its placement, so a newer snapshot changes the Works that
are there instead of adding others; Works that a newer snapshot no longer needs are deleted.

A Work says by its annotations what it was made from: the snapshot, the overrides, and the labels of
the member that overrides looked at. So a Work that has to be made again is made the same, though the
labels of the member have changed since: what a member has changes with its binding only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Literal, TypedDict

import msgspec

from echelon.api import names
from echelon.api.binding import ResourceBindingSpec, ResourceBindingStatus
from echelon.api.conditions import ROLLOUT_STARTED, find_condition, observe, set_condition
from echelon.api.meta import Condition, ConditionStatus, ObjectMeta
from echelon.api.placement import (
    DiffedResourcePlacement,
    DriftedResourcePlacement,
    EnvelopeIdentifier,
    FailedResourcePlacement,
    ReportBackStrategy,
)
from echelon.api.work import ManifestCondition, Work, WorkloadTemplate, WorkSpec
from echelon.placement.envelopes import kind_of_envelope
from echelon.placement.overrides.choice import labels_text
from echelon.placement.rendering import Content, EnvelopeView, SnapshotView

REPORT_LIMIT = 100
MESSAGE_LIMIT = 32768  # of a condition


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What Works are made for and from.

    ``binding_name`` and ``binding`` are the binding, ``placement`` and ``namespace`` its placement, of
    which a cluster-scoped one has no namespace. ``labels`` are those of the member that overrides
    look at, None when there are no overrides. ``report_back`` is whether, and where to, the status of
    the objects comes back.
    """

    binding_name: str
    binding: ResourceBindingSpec
    placement: str
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    report_back: ReportBackStrategy | None = None


def works_of(origin: Origin, content: Content) -> list[Work]:
    """The Works that a binding calls for, that of the snapshot's master among them."""
    base = names.work_base(origin.placement, origin.namespace)
    annotations = marks(origin.binding)
    if origin.labels is not None:
        annotations[names.OVERRIDE_LABELS] = labels_text(origin.labels)
    works = [_work(origin, names.work(base, part.sub_index), part, {}, annotations) for part in content.parts]
    for envelope in content.envelopes:
        found = envelope.identifier
        name = names.envelope_work(base, kind_of_envelope(found), found.namespace, found.name)
        labels = {names.ENVELOPE_TYPE: found.type, names.ENVELOPE_NAME: found.name}
        if found.namespace:
            labels[names.ENVELOPE_NAMESPACE] = found.namespace
        works.append(_work(origin, name, envelope, labels, annotations))
    return works


def _work(
    origin: Origin,
    name: str,
    content: SnapshotView | EnvelopeView,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
) -> Work:
    own = {
        names.PARENT_BINDING: origin.binding_name,
        names.PARENT_PLACEMENT: origin.placement,
        names.PARENT_SNAPSHOT_INDEX: content.index,
    }
    if origin.namespace:
        own[names.PARENT_PLACEMENT_NAMESPACE] = origin.namespace
    return Work(
        metadata=ObjectMeta(
            name=name,
            namespace=names.member_namespace(origin.binding.target_cluster),
            labels={**own, **labels},
            annotations=annotations,
            finalizers=(names.WORK_CLEANUP,),
        ),
        spec=WorkSpec(
            workload=WorkloadTemplate(manifests=content.manifests),
            apply_strategy=origin.binding.apply_strategy,
            report_back_strategy=origin.report_back,
        ),
    )


def marks(binding: ResourceBindingSpec) -> dict[str, str]:
    """The annotations by which the Works of a binding say from which snapshots they were made."""
    return {
        names.PARENT_SNAPSHOT_NAME: binding.resource_snapshot_name,
        names.PARENT_OVERRIDE_HASH: _hash(tuple(binding.resource_override_snapshots)),
        names.PARENT_CLUSTER_OVERRIDE_HASH: _hash(tuple(binding.cluster_resource_override_snapshots)),
    }


@lru_cache(maxsize=1024)
def _hash(snapshots: tuple[Hashable, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(snapshots)).hexdigest()


def made_from(binding: ResourceBindingSpec, works: Iterable[Work]) -> list[Work]:
    """Those of a binding's Works that were made from what it names."""
    wanted = marks(binding)
    return [work for work in works if all(work.metadata.annotations.get(key) == value for key, value in wanted.items())]


def is_up_to_date(wanted: Work, have: Work) -> bool:
    """Whether a Work already says what is wanted: same snapshot, same way of applying, same objects."""
    return (
        all(have.metadata.labels.get(key) == value for key, value in wanted.metadata.labels.items())
        and all(have.metadata.annotations.get(key) == value for key, value in wanted.metadata.annotations.items())
        and have.spec.apply_strategy == wanted.spec.apply_strategy
        and have.spec.report_back_strategy == wanted.spec.report_back_strategy
        and _are_same(have.spec.workload.manifests, wanted.spec.workload.manifests)
    )


def _are_same(have: Sequence[msgspec.Raw], wanted: Sequence[msgspec.Raw]) -> bool:
    """Whether these are the same objects in the same order; an API server may write an object in another way."""
    return len(have) == len(wanted) and all(
        bytes(one) == bytes(other) or msgspec.json.decode(one) == msgspec.json.decode(other)
        for one, other in zip(have, wanted, strict=True)
    )


class Report(msgspec.Struct, frozen=True):
    """What the Works of a binding say of it. ``settled`` is whether nothing more is awaited from the member."""

    status: ResourceBindingStatus
    settled: bool


def report(
    before: ResourceBindingStatus,
    generation: int,
    works: Sequence[Work],
    now: datetime,
    *,
    report_diff: bool,
    overridden: bool = False,
) -> Report:
    """The status of a binding whose Works are all written.

    Args:
        before: its status; the condition RolloutStarted, which others set, and unchanged transition times are kept.
        generation: of the binding, at which the conditions are observed.
        works: all its Works as they are now, in the order of their names.
        now: for conditions that change.
        report_diff: whether the apply strategy only reports differences.
        overridden: whether there are overrides.
    """
    steps = [_diff_reported(works)] if report_diff else _applied_and_available(works)
    conditions = _conditions(before, generation, (_overridden(overridden), _SYNCHRONIZED, *steps), now)
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


FailedStep = Literal["Overridden", "WorkSynchronized"]


def failed(
    before: ResourceBindingStatus, generation: int, step: FailedStep, why: str, now: datetime, *, overridden: bool
) -> ResourceBindingStatus:
    """The status of a binding whose Works could not be made or written, and at which step."""
    if step == "Overridden":
        message = f"Failed to apply the override rules on the resources: {why}"
        steps = [_condition(step, "False", "OverriddenFailed", message)]
    else:
        message = f"Failed to synchronize the work to the latest: {why}"
        steps = [_overridden(overridden), _condition(step, "False", "SyncWorkFailed", message)]
    return ResourceBindingStatus(conditions=_conditions(before, generation, steps, now))


def _conditions(
    before: ResourceBindingStatus, generation: int, steps: Sequence[Condition], now: datetime
) -> tuple[Condition, ...]:
    """RolloutStarted, which others set, and these steps, each with its time if it was so before."""
    started = find_condition(before.conditions, ROLLOUT_STARTED)
    conditions: tuple[Condition, ...] = () if started is None else observe((started,), generation)
    for condition in steps:
        earlier = find_condition(before.conditions, condition.type)
        observed = msgspec.structs.replace(condition, observed_generation=generation)
        conditions += set_condition(() if earlier is None else (earlier,), observed, now)
    return conditions


def _condition(type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type_, status, reason, message[:MESSAGE_LIMIT])


_SYNCHRONIZED = Condition(
    "WorkSynchronized", "True", "AllWorkSynced", "All of the works are synchronized to the latest"
)


def _overridden(overridden: bool) -> Condition:
    if overridden:
        message = "Successfully applied the override rules on the resources"
        return _condition("Overridden", "True", "OverriddenSucceeded", message)
    message = "No override rules are configured for the selected resources"
    return _condition("Overridden", "True", "NoOverrideSpecified", message)


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
    envelope: EnvelopeIdentifier | None


def _envelope_of(work: Work) -> EnvelopeIdentifier | None:
    """The envelope whose content a Work holds, as its labels say."""
    labels = work.metadata.labels
    match labels.get(names.ENVELOPE_TYPE):
        case "ClusterResourceEnvelope" | "ResourceEnvelope" as kind:
            return EnvelopeIdentifier(
                name=labels.get(names.ENVELOPE_NAME, ""),
                namespace=labels.get(names.ENVELOPE_NAMESPACE, ""),
                type=kind,
            )
    return None


def _identity(work: Work, manifest: ManifestCondition) -> _Identity:
    identifier = manifest.identifier
    return _Identity(
        group=identifier.group,
        version=identifier.version,
        kind=identifier.kind,
        name=identifier.name,
        namespace=identifier.namespace,
        envelope=_envelope_of(work),
    )


def _failed(works: Sequence[Work]) -> Iterable[FailedResourcePlacement]:
    for work in works:
        for manifest in work.status.manifest_conditions:
            for type_ in ("Applied", "Available"):
                condition = find_condition(manifest.conditions, type_)
                if condition is not None and condition.status == "False":
                    yield FailedResourcePlacement(**_identity(work, manifest), condition=condition)
                    break


def _drifted(works: Sequence[Work]) -> Iterable[DriftedResourcePlacement]:
    for work in works:
        for manifest in work.status.manifest_conditions:
            drift = manifest.drift_details
            if drift is not None:
                yield DriftedResourcePlacement(
                    **_identity(work, manifest),
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
                    **_identity(work, manifest),
                    observation_time=diff.observation_time,
                    target_cluster_observed_generation=diff.observed_in_member_cluster_generation,
                    first_diffed_observed_time=diff.first_diffed_observed_time,
                    observed_diffs=diff.observed_diffs,
                )
