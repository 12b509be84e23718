"""What the agent counts, for Prometheus. Names of Works and objects are never labels."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Histogram

from echelon.agent.objects import Outcome
from echelon.api.conditions import (
    APPLIED,
    AVAILABLE,
    DIFF_REPORTED,
    MANIFEST_APPLIED_WITHOUT_DRIFT_DETECTION,
    MANIFEST_DRIFT_DETECTION_FAILED,
    MANIFEST_NOT_TRACKABLE,
    WORK_NOT_TRACKABLE,
    find_condition,
)
from echelon.api.meta import Condition
from echelon.api.work import WorkStatus

_UNCOMPARED = frozenset({MANIFEST_DRIFT_DETECTION_FAILED, MANIFEST_APPLIED_WITHOUT_DRIFT_DETECTION})
_STATUSES = ("apply_status", "availability_status", "diff_reporting_status")

WORKS = Counter("fleet_work_processing_requests", "Passes over Works, by how they ended", _STATUSES)
MANIFESTS = Counter(
    "fleet_manifest_processing_requests",
    "Manifests seen in passes over Works, by what became of them",
    (*_STATUSES, "drift_detection_status", "diff_detection_status"),
)
APPLY_SECONDS = Histogram(
    "work_apply_time_seconds",
    "Time that the manifests of a Work took to be applied",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


def count(status: WorkStatus, outcomes: Sequence[Outcome]) -> None:
    """Count a pass over a Work that ended with this status and these outcomes."""
    WORKS.labels(*_ends(status.conditions)).inc()
    conditions = {found.identifier.ordinal: found.conditions for found in status.manifest_conditions}
    for outcome in outcomes:
        drift = "failed" if outcome.reason in _UNCOMPARED else _found(bool(outcome.drifts))
        ends = _ends(conditions[outcome.manifest.ordinal])
        MANIFESTS.labels(*ends, drift, _found(bool(outcome.diffs))).inc()


def _ends(conditions: Sequence[Condition]) -> tuple[str, str, str]:
    """How applying, becoming available and reporting differences ended; what was not tried was skipped."""
    available = find_condition(conditions, AVAILABLE)
    tracked = available is None or available.reason not in (WORK_NOT_TRACKABLE, MANIFEST_NOT_TRACKABLE)
    return (
        _end(find_condition(conditions, APPLIED), "applied", "failed"),
        _end(available, "available", "not_yet_available") if tracked else "not_trackable",
        _end(find_condition(conditions, DIFF_REPORTED), "reported", "failed"),
    )


def _end(condition: Condition | None, good: str, bad: str) -> str:
    if condition is None:
        return "skipped"
    return good if condition.status == "True" else bad


def _found(found: bool) -> str:
    return "found" if found else "not_found"
