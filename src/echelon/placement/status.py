"""The status of a placement, put together from what its parts report.

Pure. A placement goes through steps on every member (rollout started, overridden, work synchronised,
applied, available); each step is a condition of the member's binding. The status shows them twice:
for each member, and summed up over all members. The sum of a step is Unknown while it is for some
member, else False while it is for some member, else True; steps behind the first one that is not
True are left out, so the last condition always tells where things stand.

Under the External strategy, runs decide which snapshot a member gets. While members differ, or none
has anything yet, the placement itself has no one state to show and says who decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from echelon.api.binding import ResourceBindingStatus
from echelon.api.conditions import find_condition, set_condition
from echelon.api.meta import Condition, ConditionStatus
from echelon.api.placement import NamespacedName, PerClusterPlacementStatus, PlacementStatus, ResourceIdentifier
from echelon.api.snapshot import ClusterDecision


class Step(msgspec.Struct, frozen=True):
    """A step of a placement on its way to a member, with the words of its sums (``%d`` is a number of members)."""

    type: str
    true: tuple[str, str]
    false: tuple[str, str]
    unknown: tuple[str, str]
    member_unknown: str


_STARTED = Step(
    "RolloutStarted",
    ("RolloutStarted", "All %d cluster(s) start rolling out the latest resource"),
    ("RolloutNotStartedYet", "The rollout is being blocked by the rollout strategy in %d cluster(s)"),
    (
        "RolloutStartedUnknown",
        "There are still %d cluster(s) in the process of deciding whether to roll out the latest resources or not",
    ),
    "In the process of deciding whether to roll out some version of the resources or not",
)
_OVERRIDDEN = Step(
    "Overridden",
    ("OverriddenSucceeded", "The selected resources are successfully overridden in %d cluster(s)"),
    ("OverriddenFailed", "Failed to override resources in %d cluster(s)"),
    (
        "OverriddenPending",
        "There are still %d cluster(s) in the process of overriding the selected resources if there is any override "
        "defined",
    ),
    "In the process of overriding the selected resources if there is any override defined",
)
_SYNCHRONIZED = Step(
    "WorkSynchronized",
    ("WorkSynchronized", "Work(s) are successfully created or updated in %d target cluster(s)' namespaces"),
    ("WorkNotSynchronizedYet", "There are %d cluster(s) which have not finished creating or updating work(s) yet"),
    (
        "WorkSynchronizedUnknown",
        "There are still %d cluster(s) in the process of creating or updating the work object(s) in the hub cluster",
    ),
    "In the process of creating or updating the work object(s) in the hub cluster",
)
_APPLIED = Step(
    "Applied",
    ("ApplySucceeded", "The selected resources are successfully applied to %d cluster(s)"),
    ("ApplyFailed", "Failed to apply resources to %d cluster(s), please check the `failedPlacements` status"),
    ("ApplyPending", "There are still %d cluster(s) in the process of applying the resources on the member cluster"),
    "In the process of applying the resources on the member cluster",
)
_AVAILABLE = Step(
    "Available",
    ("ResourceAvailable", "The selected resources in %d cluster(s) are available now"),
    ("ResourceNotAvailableYet", "The selected resources in %d cluster(s) are still not available yet"),
    (
        "ResourceAvailableUnknown",
        "There are still %d cluster(s) in the process of checking the availability of the selected resources",
    ),
    "The availability of the selected resources is unknown yet ",
)
_DIFF_REPORTED = Step(
    "DiffReported",
    ("DiffReportingCompleted", "Diff reporting in %d cluster(s) has been completed"),
    ("DiffReportingIncompleteOrFailed", "Diff reporting in %d clusters is still in progress or has failed"),
    ("DiffReportingPending", "There are still %d cluster(s) in the process of checking for configuration differences"),
    "Diff reporting has just started; its status is not yet to be known",
)
_NO_OVERRIDE = ("NoOverrideSpecified", "No override rules are configured for the selected resources")

APPLY_STEPS = (_STARTED, _OVERRIDDEN, _SYNCHRONIZED, _APPLIED, _AVAILABLE)
REPORT_STEPS = (_STARTED, _OVERRIDDEN, _SYNCHRONIZED, _DIFF_REPORTED)

SCHEDULING_PENDING = ("SchedulePending", "Scheduling has not completed")
INVALID_SELECTORS = "InvalidResourceSelectors"
EXTERNAL = "RolloutControlledByExternalController"


class MemberView(msgspec.Struct, frozen=True):
    """What a binding says: None for ``index`` when it names no snapshot, or one that is gone.

    ``outdated`` is whether the binding still has to be brought to the latest snapshot (RollingUpdate only).
    """

    cluster: str
    generation: int
    index: str | None
    status: ResourceBindingStatus
    cluster_overrides: Sequence[str] = ()
    overrides: Sequence[NamespacedName] = ()
    outdated: bool = False


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the status is made of; ``wanted`` is how many members PickN asks for."""

    kind: str
    run_kind: str
    generation: int
    external: bool
    report_diff: bool
    scheduled: Condition | None
    decisions: Sequence[ClusterDecision]
    members: Mapping[str, MemberView]
    latest_index: str
    resources_of: Callable[[str], Sequence[ResourceIdentifier]]
    selected: Sequence[ResourceIdentifier]
    bad_selectors: str | None = None
    wanted: int | None = None


def placement_status(view: View, before: PlacementStatus, now: datetime) -> PlacementStatus:
    """The status of a placement; times of conditions that did not change are kept from ``before``."""
    scheduled = _scheduled(view)
    if scheduled.status == "Unknown" or view.bad_selectors is not None:
        return PlacementStatus(
            selected_resources=tuple(view.selected),
            observed_resource_index=view.latest_index,
            conditions=_kept(before.conditions, [scheduled], now),
        )
    members = _members(view, before, now)
    chosen = [status for status in members if status.cluster_name]
    index, resources, sums = _observed(view, chosen) if view.external else (view.latest_index, view.selected, None)
    if sums is None:
        sums = list(_sums(view, chosen)) if chosen else []
    return PlacementStatus(
        selected_resources=tuple(resources),
        observed_resource_index=index,
        placement_statuses=tuple(members),
        conditions=_kept(before.conditions, [scheduled, *sums], now),
    )


def _scheduled(view: View) -> Condition:
    if view.bad_selectors is not None:
        message = f"The resource selectors are invalid: {view.bad_selectors}"
        return _condition(view, view.kind + "Scheduled", "False", INVALID_SELECTORS, message)
    if view.scheduled is None or view.scheduled.status == "Unknown":
        return _condition(view, view.kind + "Scheduled", "Unknown", *SCHEDULING_PENDING)
    scheduled = view.scheduled
    return _condition(view, view.kind + "Scheduled", scheduled.status, scheduled.reason, scheduled.message)


def _condition(view: View, type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type_, status, reason, message, observed_generation=view.generation)


def _kept(before: Sequence[Condition], conditions: Sequence[Condition], now: datetime) -> tuple[Condition, ...]:
    """The conditions in their order, each with the time at which its status last changed."""
    kept: tuple[Condition, ...] = ()
    for condition in conditions:
        earlier = find_condition(before, condition.type)
        merged = set_condition(() if earlier is None else (earlier,), condition, now)
        kept += merged
    return kept


def _members(view: View, before: PlacementStatus, now: datetime) -> list[PerClusterPlacementStatus]:
    earlier = {status.cluster_name: status.conditions for status in before.placement_statuses}
    missing = _missing(view)
    result = []
    for decision in view.decisions:
        if decision.selected:
            status = _member(view, decision)
        elif missing:
            missing -= 1
            status = PerClusterPlacementStatus(
                conditions=(_condition(view, "Scheduled", "False", "ScheduleFailed", decision.reason),)
            )
        else:
            continue
        conditions = _kept(earlier.get(status.cluster_name, ()), status.conditions, now)
        result.append(msgspec.structs.replace(status, conditions=conditions))
    return result


def _missing(view: View) -> int:
    """How many slots no member could fill."""
    if view.scheduled is None or view.scheduled.status != "False":
        return 0
    if view.wanted is None:
        return len(view.decisions)
    return max(0, view.wanted - sum(decision.selected for decision in view.decisions))


def _member(view: View, decision: ClusterDecision) -> PerClusterPlacementStatus:
    scheduled = _condition(view, "Scheduled", "True", "Scheduled", decision.reason)
    member = view.members.get(decision.cluster_name)
    conditions = [scheduled, *_member_steps(view, member)]
    if member is None:
        return PerClusterPlacementStatus(cluster_name=decision.cluster_name, conditions=tuple(conditions))
    by_type = {condition.type: condition.status for condition in conditions}
    started = by_type.get("RolloutStarted") == "True"
    failing = by_type.get("Applied") == "False" or by_type.get("Available") == "False"
    return PerClusterPlacementStatus(
        cluster_name=decision.cluster_name,
        observed_resource_index=(member.index or "") if view.external else view.latest_index,
        applicable_resource_overrides=tuple(member.overrides) if started else (),
        applicable_cluster_resource_overrides=tuple(member.cluster_overrides) if started else (),
        failed_placements=member.status.failed_placements if failing else (),
        drifted_placements=member.status.drifted_placements,
        diffed_placements=member.status.diffed_placements if failing or by_type.get("DiffReported") == "True" else (),
        conditions=tuple(conditions),
    )


def _steps(view: View) -> tuple[Step, ...]:
    return REPORT_STEPS if view.report_diff else APPLY_STEPS


def _member_steps(view: View, member: MemberView | None) -> Iterator[Condition]:
    """The steps of one member, up to the first that is not True."""
    for step in _steps(view):
        seen = None if member is None else find_condition(member.status.conditions, step.type)
        if member is not None and member.outdated:
            message = "The rollout is being blocked by the rollout strategy"
            yield _condition(view, step.type, "False", step.false[0], message)
            return
        if seen is None or seen.status == "Unknown" or (member and seen.observed_generation != member.generation):
            yield _condition(view, step.type, "Unknown", step.unknown[0], step.member_unknown)
            return
        yield _condition(view, step.type, seen.status, seen.reason, seen.message)
        if seen.status == "False":
            return


def _observed(
    view: View, members: Sequence[PerClusterPlacementStatus]
) -> tuple[str, Sequence[ResourceIdentifier], list[Condition] | None]:
    """Index and resources that all members have, or the condition that says why there is no such index."""
    seen = {status.observed_resource_index for status in members}
    if not members:
        return "", (), []
    if len(seen) > 1:
        message = (
            "Rollout is controlled by an external controller and different resource snapshot versions are observed "
            "across clusters"
        )
        return "", (), [_external(view, message)]
    (index,) = seen
    if not index:
        message = (
            "Rollout is controlled by an external controller and no resource snapshot name is observed across "
            f"clusters. To determine rollout status, check the {view.run_kind} resources with spec.placementName "
            "matching this placement"
        )
        return "", (), [_external(view, message)]
    resources = view.selected if index == view.latest_index else view.resources_of(index)
    for status in members:
        started = find_condition(status.conditions, _STARTED.type)
        if started is not None and started.status == "Unknown":
            message = (
                f"Rollout is controlled by an external controller and cluster {status.cluster_name} is in "
                "RolloutStarted Unknown state"
            )
            return index, resources, [_external(view, message)]
    return index, resources, None


def _external(view: View, message: str) -> Condition:
    return _condition(view, view.kind + _STARTED.type, "Unknown", EXTERNAL, message)


def _sums(view: View, members: Sequence[PerClusterPlacementStatus]) -> Iterator[Condition]:
    """The steps summed up over all members, up to the first that is not True."""
    for step in _steps(view):
        found = [find_condition(status.conditions, step.type) for status in members]
        unknown = sum(1 for condition in found if condition is None or condition.status == "Unknown")
        failed = sum(1 for condition in found if condition is not None and condition.status == "False")
        type_ = view.kind + step.type
        if unknown:
            yield _condition(view, type_, "Unknown", step.unknown[0], step.unknown[1] % unknown)
            return
        if failed:
            yield _condition(view, type_, "False", step.false[0], step.false[1] % failed)
            return
        untouched = step is _OVERRIDDEN and all(c is not None and c.reason == _NO_OVERRIDE[0] for c in found)
        if untouched:
            yield _condition(view, type_, "True", *_NO_OVERRIDE)
        else:
            yield _condition(view, type_, "True", step.true[0], step.true[1] % len(members))
