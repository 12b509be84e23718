"""Events of placements: what users see with ``kubectl describe`` as it happens.

An event tells that a step of a placement has come true on all its members. Of several steps that do so at
once only the last is told, since it says that of all before it; the end of a rollout is told besides.
"""

from __future__ import annotations

from echelon.api.conditions import (
    APPLIED,
    AVAILABLE,
    DIFF_REPORTED,
    OVERRIDDEN,
    ROLLOUT_STARTED,
    WORK_SYNCHRONIZED,
    find_condition,
)
from echelon.api.placement import PlacementStatus
from echelon.kube.events import EventRecorder
from echelon.placement.scope import Placement

_STEPS = {
    ROLLOUT_STARTED: "PlacementRolloutStarted",
    OVERRIDDEN: "PlacementOverriddenSucceeded",
    WORK_SYNCHRONIZED: "PlacementWorkSynchronized",
    APPLIED: "PlacementApplied",
    AVAILABLE: "PlacementAvailable",
    DIFF_REPORTED: "PlacementDiffReported",
}
COMPLETED = "PlacementRolloutCompleted"
CLEANED_UP = "PlacementCleanupFinalizerRemoved"


def tell(events: EventRecorder, placement: Placement, now: PlacementStatus) -> None:
    """Tell what has come true since the status of a placement was written."""
    kind = placement.resource.kind
    news = [
        (step, reason)
        for step, reason in _STEPS.items()
        if _is_true(now, kind + step) and not _is_true(placement.status, kind + step)
    ]
    if not news:
        return
    step, reason = news[-1]
    condition = find_condition(now.conditions, kind + step)
    assert condition is not None
    events.event(placement, "Normal", reason, condition.message, action="RollOut")
    if step in (AVAILABLE, DIFF_REPORTED):
        note = f"The placement has finished rolling out snapshot {now.observed_resource_index}"
        events.event(placement, "Normal", COMPLETED, note, action="RollOut")


def tell_cleaned_up(events: EventRecorder, placement: Placement) -> None:
    """Tell that nothing is left of a placement that is deleted."""
    note = "Everything that was made for the placement is gone; so is its finalizer"
    events.event(placement, "Normal", CLEANED_UP, note, action="CleanUp")


def _is_true(status: PlacementStatus, type_: str) -> bool:
    found = find_condition(status.conditions, type_)
    return found is not None and found.status == "True"
