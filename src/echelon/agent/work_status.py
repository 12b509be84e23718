"""The status of a Work, from what became of its manifests.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from echelon.agent.availability import Availability, availability_of
from echelon.agent.objects import Outcome
from echelon.api.conditions import (
    ALL_MANIFESTS_APPLIED,
    ALL_MANIFESTS_AVAILABLE,
    APPLIED,
    AVAILABLE,
    MANIFEST_AVAILABLE,
    MANIFEST_NOT_AVAILABLE_YET,
    MANIFEST_NOT_TRACKABLE,
    SOME_MANIFESTS_NOT_APPLIED,
    SOME_MANIFESTS_NOT_AVAILABLE,
    WORK_NOT_TRACKABLE,
    find_condition,
    set_condition,
)
from echelon.api.meta import Condition, ConditionStatus
from echelon.api.work import ManifestCondition, WorkResourceIdentifier, WorkStatus

_AVAILABILITY = {
    Availability.AVAILABLE: ("True", MANIFEST_AVAILABLE, "Manifest is available"),
    Availability.NOT_YET: (
        "False",
        MANIFEST_NOT_AVAILABLE_YET,
        "Manifest is not yet available; Fleet will check again later",
    ),
    Availability.NOT_TRACKABLE: (
        "True",
        MANIFEST_NOT_TRACKABLE,
        "Manifest's availability is not trackable; Fleet assumes that the applied manifest is available",
    ),
}


class Report(msgspec.Struct, frozen=True):
    """A status to write. ``settled``: everything is applied and available."""

    status: WorkStatus
    settled: bool


def work_status(before: WorkStatus, outcomes: Sequence[Outcome], generation: int, now: datetime) -> Report:
    """The status of a Work; times of conditions that did not change are kept from ``before``."""
    earlier = {_key(found.identifier): found.conditions for found in before.manifest_conditions}
    found = [
        _manifest(outcome, earlier.get(_key(outcome.manifest.identifier(outcome.resource)), ()), now)
        for outcome in sorted(outcomes, key=lambda outcome: outcome.manifest.ordinal)
    ]
    applied = sum(1 for outcome in outcomes if outcome.applied)
    states = [_availability(outcome) for outcome in outcomes if outcome.applied]
    conditions = [_applied(applied, len(outcomes))]
    if applied == len(outcomes):
        conditions.append(_available(states))
    kept: tuple[Condition, ...] = ()
    for condition in conditions:
        present = find_condition(before.conditions, condition.type)
        observed = msgspec.structs.replace(condition, observed_generation=generation)
        kept += set_condition(() if present is None else (present,), observed, now)
    status = WorkStatus(conditions=kept, manifest_conditions=tuple(found))
    return Report(status, settled=applied == len(outcomes) and Availability.NOT_YET not in states)


def _key(identifier: WorkResourceIdentifier) -> tuple[str, str, str, str]:
    return identifier.group, identifier.kind, identifier.namespace, identifier.name


def _availability(outcome: Outcome) -> Availability:
    assert outcome.live is not None
    return availability_of(outcome.manifest.group, outcome.manifest.kind, outcome.live)


def _manifest(outcome: Outcome, before: Sequence[Condition], now: datetime) -> ManifestCondition:
    generation = 0 if outcome.live is None else int(outcome.live["metadata"].get("generation", 0))
    status: ConditionStatus = "True" if outcome.applied else "False"
    conditions = [Condition(APPLIED, status, outcome.reason, outcome.message, observed_generation=generation)]
    if outcome.applied:
        state, reason, message = _AVAILABILITY[_availability(outcome)]
        available: ConditionStatus = "True" if state == "True" else "False"
        conditions.append(Condition(AVAILABLE, available, reason, message, observed_generation=generation))
    kept: tuple[Condition, ...] = ()
    for condition in conditions:
        present = find_condition(before, condition.type)
        kept += set_condition(() if present is None else (present,), condition, now)
    return ManifestCondition(identifier=outcome.manifest.identifier(outcome.resource), conditions=kept)


def _applied(applied: int, total: int) -> Condition:
    if applied == total:
        message = "All the specified manifests have been applied"
        return Condition(APPLIED, "True", ALL_MANIFESTS_APPLIED, message)
    message = f"Failed to apply all manifests ({applied} of {total} manifests are applied)"
    return Condition(APPLIED, "False", SOME_MANIFESTS_NOT_APPLIED, message)


def _available(states: Sequence[Availability]) -> Condition:
    ready = sum(1 for state in states if state is not Availability.NOT_YET)
    if ready < len(states):
        message = f"Some manifests are not available ({ready} of {len(states)} manifests are available)"
        return Condition(AVAILABLE, "False", SOME_MANIFESTS_NOT_AVAILABLE, message)
    if Availability.NOT_TRACKABLE in states:
        message = "Some of the applied manifests cannot be tracked for availability"
        return Condition(AVAILABLE, "True", WORK_NOT_TRACKABLE, message)
    return Condition(AVAILABLE, "True", ALL_MANIFESTS_AVAILABLE, "All of the applied manifests are available")
