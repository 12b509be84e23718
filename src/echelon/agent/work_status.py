"""The status of a Work, from what became of its manifests.

Pure. Times say when something became so: those of conditions, drifts and differences that have not
changed are kept, so that an unchanged result makes an unchanged status. A status that would be too
large to store loses the details of drifts and differences first, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from echelon.agent.availability import Availability, availability_of
from echelon.agent.manifests import Manifest
from echelon.agent.objects import Outcome
from echelon.api.conditions import (
    ALL_MANIFESTS_APPLIED,
    ALL_MANIFESTS_AVAILABLE,
    ALL_MANIFESTS_DIFF_REPORTED,
    APPLIED,
    AVAILABLE,
    DIFF_REPORTED,
    MANIFEST_AVAILABILITY_FAILED,
    MANIFEST_AVAILABLE,
    MANIFEST_NOT_AVAILABLE_YET,
    MANIFEST_NOT_TRACKABLE,
    MANIFEST_PREPARING,
    OVERSIZED,
    SOME_MANIFESTS_NOT_APPLIED,
    SOME_MANIFESTS_NOT_AVAILABLE,
    SOME_MANIFESTS_NOT_DIFF_REPORTED,
    STATUS_TRIMMED,
    WORK_NOT_TRACKABLE,
    find_condition,
    set_condition,
)
from echelon.api.meta import Condition, ConditionStatus, format_time
from echelon.api.placement import PatchDetail
from echelon.api.work import (
    BackReportedStatus,
    DiffDetails,
    DriftDetails,
    ManifestCondition,
    WorkResourceIdentifier,
    WorkStatus,
)

SIZE_LIMIT: Final = 1_415_578  # bytes; what is left of an etcd request for the rest of the object

_PREPARING = Condition(APPLIED, "False", MANIFEST_PREPARING, "The manifest is being prepared for processing.")
_NO_EARLIER = ManifestCondition(identifier=WorkResourceIdentifier(ordinal=0), conditions=())


class Report(msgspec.Struct, frozen=True):
    """A status to write. ``settled``: nothing more is awaited. ``failed``: something went wrong."""

    status: WorkStatus
    settled: bool
    failed: bool


class _Tracked(msgspec.Struct, frozen=True):
    """How available an applied object is: its condition, and how it counts."""

    condition: Condition
    ready: bool
    trackable: bool


def work_status(
    before: WorkStatus, outcomes: Sequence[Outcome], generation: int, now: datetime, *, mirror: bool = False
) -> Report:
    """The status of a Work whose manifests were applied.

    Args:
        before: the status as it is, for times that stay.
        outcomes: one a manifest.
        generation: of the Work.
        now: for what has changed.
        mirror: whether the status of each object is to be part of it.
    """
    tracked = {outcome.manifest.ordinal: _track(outcome) for outcome in outcomes if outcome.applied}
    found = []
    for outcome, earlier in _with_earlier(before, outcomes):
        status: ConditionStatus = "True" if outcome.applied else "False"
        conditions = [Condition(APPLIED, status, outcome.reason, outcome.message)]
        if outcome.applied:
            conditions.append(tracked[outcome.manifest.ordinal].condition)
        manifest = _manifest(outcome, earlier, conditions, now)
        found.append(_with_mirror(manifest, outcome, earlier, now) if mirror else manifest)
    summary = [_all_applied(len(tracked), len(outcomes))]
    if len(tracked) == len(outcomes):
        summary.append(_all_available(list(tracked.values())))
    return Report(
        _fitting(_status(before, summary, found, generation, now), generation, now),
        settled=all(condition.status == "True" for condition in summary),
        failed=len(tracked) < len(outcomes),
    )


def diff_status(before: WorkStatus, outcomes: Sequence[Outcome], generation: int, now: datetime) -> Report:
    """The status of a Work whose manifests were only compared; as ``work_status``."""
    found = []
    for outcome, earlier in _with_earlier(before, outcomes):
        status: ConditionStatus = "True" if outcome.diff_reported else "False"
        conditions = [Condition(DIFF_REPORTED, status, outcome.reason, outcome.message)]
        found.append(_manifest(outcome, earlier, conditions, now))
    reported = sum(1 for outcome in outcomes if outcome.diff_reported)
    summary = [_all_reported(reported, len(outcomes))]
    settled = reported == len(outcomes)
    status_ = _fitting(_status(before, summary, found, generation, now), generation, now)
    return Report(status_, settled=settled, failed=not settled)


def preparing_status(before: WorkStatus, manifests: Sequence[Manifest], now: datetime) -> WorkStatus:
    """The status of a Work that takes its time: what it said of itself stays, new manifests are announced."""
    earlier = _by_key(before)
    found = []
    for manifest in manifests:
        known = earlier.get(_key(manifest.identifier("")))
        if known is None:
            conditions = set_condition((), _PREPARING, now)
            known = ManifestCondition(identifier=manifest.identifier(""), conditions=conditions)
        identifier = msgspec.structs.replace(known.identifier, ordinal=manifest.ordinal)
        found.append(msgspec.structs.replace(known, identifier=identifier))
    return msgspec.structs.replace(before, manifest_conditions=tuple(found))


# -- manifests ----------------------------------------------------------------------------------


def _with_earlier(before: WorkStatus, outcomes: Sequence[Outcome]) -> list[tuple[Outcome, ManifestCondition]]:
    """The outcomes in the order of their manifests, each with what was reported of it before."""
    earlier = _by_key(before)
    ordered = sorted(outcomes, key=lambda outcome: outcome.manifest.ordinal)
    return [(each, earlier.get(_key(each.manifest.identifier("")), _NO_EARLIER)) for each in ordered]


def _by_key(status: WorkStatus) -> Mapping[object, ManifestCondition]:
    return {_key(found.identifier): found for found in status.manifest_conditions}


def _key(identifier: WorkResourceIdentifier) -> object:
    """What a manifest is known by from one version of a Work to the next; its position when it has no name."""
    if not identifier.name:
        return identifier.ordinal
    return identifier.group, identifier.kind, identifier.namespace, identifier.name


def _manifest(
    outcome: Outcome, earlier: ManifestCondition, conditions: Sequence[Condition], now: datetime
) -> ManifestCondition:
    return ManifestCondition(
        identifier=outcome.manifest.identifier(outcome.resource),
        conditions=_timed(earlier.conditions, conditions, _generation(outcome) or 0, now),
        drift_details=_drift(outcome, earlier.drift_details, now) if outcome.drifts else None,
        diff_details=_diff(outcome, earlier.diff_details, now) if outcome.diffs else None,
    )


def _generation(outcome: Outcome) -> int | None:
    return None if outcome.live is None else int(outcome.live["metadata"].get("generation", 0))


def _drift(outcome: Outcome, earlier: DriftDetails | None, now: datetime) -> DriftDetails:
    moment = format_time(now)
    found = DriftDetails(
        observation_time=moment if earlier is None else earlier.observation_time,
        observed_in_member_cluster_generation=_generation(outcome) or 0,
        first_drifted_observed_time=moment if earlier is None else earlier.first_drifted_observed_time,
        observed_drifts=outcome.drifts,
    )
    return found if found == earlier else msgspec.structs.replace(found, observation_time=moment)


def _diff(outcome: Outcome, earlier: DiffDetails | None, now: datetime) -> DiffDetails:
    moment = format_time(now)
    found = DiffDetails(
        observation_time=moment if earlier is None else earlier.observation_time,
        observed_in_member_cluster_generation=_generation(outcome),
        first_diffed_observed_time=moment if earlier is None else earlier.first_diffed_observed_time,
        observed_diffs=outcome.diffs,
    )
    return found if found == earlier else msgspec.structs.replace(found, observation_time=moment)


def _with_mirror(
    found: ManifestCondition, outcome: Outcome, earlier: ManifestCondition, now: datetime
) -> ManifestCondition:
    """What is said of a manifest with the status of its object, in an object that holds no more than that."""
    live = outcome.live
    if not outcome.applied or live is None or not live.get("status"):
        return found
    metadata = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    content = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata, "status": live["status"]}
    known = earlier.back_reported_status
    if known is not None and known.observed_status and msgspec.json.decode(known.observed_status) == content:
        return msgspec.structs.replace(found, back_reported_status=known)
    mirrored = BackReportedStatus(
        observed_status=msgspec.Raw(msgspec.json.encode(content)), observation_time=format_time(now)
    )
    return msgspec.structs.replace(found, back_reported_status=mirrored)


def _track(outcome: Outcome) -> _Tracked:
    assert outcome.live is not None
    try:
        availability = availability_of(outcome.manifest.group, outcome.manifest.kind, outcome.live)
    except (AttributeError, KeyError, TypeError) as error:  # a status that is not of the shape of its kind
        message = f"Failed to track the availability of the applied manifest (error = {error!r})"
        return _Tracked(Condition(AVAILABLE, "False", MANIFEST_AVAILABILITY_FAILED, message), False, True)
    match availability:
        case Availability.AVAILABLE:
            return _Tracked(Condition(AVAILABLE, "True", MANIFEST_AVAILABLE, "Manifest is available"), True, True)
        case Availability.NOT_YET:
            message = "Manifest is not yet available; Fleet will check again later"
            return _Tracked(Condition(AVAILABLE, "False", MANIFEST_NOT_AVAILABLE_YET, message), False, True)
        case Availability.NOT_TRACKABLE:
            message = "Manifest's availability is not trackable; Fleet assumes that the applied manifest is available"
            return _Tracked(Condition(AVAILABLE, "True", MANIFEST_NOT_TRACKABLE, message), True, False)


# -- the Work -----------------------------------------------------------------------------------


def _status(
    before: WorkStatus,
    summary: Sequence[Condition],
    found: Sequence[ManifestCondition],
    generation: int,
    now: datetime,
) -> WorkStatus:
    conditions = _timed(before.conditions, summary, generation, now)
    return WorkStatus(conditions=conditions, manifest_conditions=tuple(found))


def _timed(
    before: Sequence[Condition], conditions: Sequence[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """These conditions and no others, observed at a generation, with the times of those that were so before."""
    kept: tuple[Condition, ...] = ()
    for condition in conditions:
        present = find_condition(before, condition.type)
        observed = msgspec.structs.replace(condition, observed_generation=generation)
        kept += set_condition(() if present is None else (present,), observed, now)
    return kept


def _all_applied(applied: int, total: int) -> Condition:
    if applied == total:
        message = "All the specified manifests have been applied"
        return Condition(APPLIED, "True", ALL_MANIFESTS_APPLIED, message)
    message = f"Failed to apply all manifests ({applied} of {total} manifests are applied)"
    return Condition(APPLIED, "False", SOME_MANIFESTS_NOT_APPLIED, message)


def _all_available(tracked: Sequence[_Tracked]) -> Condition:
    ready = sum(each.ready for each in tracked)
    if ready < len(tracked):
        message = f"Some manifests are not available ({ready} of {len(tracked)} manifests are available)"
        return Condition(AVAILABLE, "False", SOME_MANIFESTS_NOT_AVAILABLE, message)
    if not all(each.trackable for each in tracked):
        message = "Some of the applied manifests cannot be tracked for availability"
        return Condition(AVAILABLE, "True", WORK_NOT_TRACKABLE, message)
    return Condition(AVAILABLE, "True", ALL_MANIFESTS_AVAILABLE, "All of the applied manifests are available")


def _all_reported(reported: int, total: int) -> Condition:
    if reported == total:
        message = "The differences of all manifests have been reported"
        return Condition(DIFF_REPORTED, "True", ALL_MANIFESTS_DIFF_REPORTED, message)
    message = f"Failed to report the differences of all manifests ({reported} of {total} manifests are reported)"
    return Condition(DIFF_REPORTED, "False", SOME_MANIFESTS_NOT_DIFF_REPORTED, message)


# -- size ---------------------------------------------------------------------------------------


def _fitting(status: WorkStatus, generation: int, now: datetime) -> WorkStatus:
    """The status, without details and without what it mirrors where it would be too large to store."""
    size = len(msgspec.json.encode(status))
    if size <= SIZE_LIMIT:
        return status
    message = (
        f"The status had {size} bytes and may have {SIZE_LIMIT}; details of drifts and differences, and the status of "
        "objects, are left out"
    )
    trimmed = Condition(STATUS_TRIMMED, "True", OVERSIZED, message, observed_generation=generation)
    return WorkStatus(
        conditions=set_condition(status.conditions, trimmed, now),
        manifest_conditions=tuple(_without_details(found) for found in status.manifest_conditions),
    )


_NO_DETAILS: tuple[PatchDetail, ...] = ()


def _without_details(found: ManifestCondition) -> ManifestCondition:
    """When and where an object drifted or differs stays; in which fields goes."""
    drift, diff = found.drift_details, found.diff_details
    return msgspec.structs.replace(
        found,
        drift_details=None if drift is None else msgspec.structs.replace(drift, observed_drifts=_NO_DETAILS),
        diff_details=None if diff is None else msgspec.structs.replace(diff, observed_diffs=_NO_DETAILS),
        back_reported_status=None,
    )
