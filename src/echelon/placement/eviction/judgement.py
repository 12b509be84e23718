"""The rules of evictions: whether one is valid, and whether it may be carried out. Pure.

An eviction is *valid* when its placement chose the member by itself; where members are named, naming
others is the way. A valid one is *allowed* when nothing is lost by it (the member is being emptied,
or the placement has failed there), or else as the placement's disruption budget says; without a
budget, always. The rules, their order and the messages are KubeFleet's (reference, section 3.13).

The budget counts members: all that the placement has a binding for (``total``), and those that have
everything available (``available``). Bounds in percent are of the number of members that the policy
asks for, rounded up. A policy that takes every member asks for no number, so its budget can only be
a count of members that stay available.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from echelon.api import names
from echelon.api.binding import BOUND, UNSCHEDULED, ClusterResourceBinding
from echelon.api.conditions import AVAILABLE, is_true_at_generation
from echelon.api.eviction import ClusterResourcePlacementDisruptionBudget, DisruptionBudgetSpec
from echelon.api.placement import ClusterResourcePlacement
from echelon.placement.policy import effective
from echelon.placement.rolling import has_failed, reports_differences, share

VALID_MESSAGE = "Eviction is valid"

NO_PLACEMENT = "Failed to find ClusterResourcePlacement targeted by eviction"
DELETING_PLACEMENT = "Found deleting ClusterResourcePlacement targeted by eviction"
PICK_FIXED = "Found ClusterResourcePlacement with PickFixed placement type targeted by eviction"
SEVERAL_BINDINGS = "Found more than one scheduler decision for placement in cluster targeted by eviction"
NO_BINDING = "Failed to find scheduler decision for placement in cluster targeted by eviction"

BEING_REMOVED = (
    "Eviction is allowed, resources propagated by placement is currently being removed from cluster targeted by "
    "eviction"
)
NOTHING_PLACED = "Eviction is blocked, placement has not propagated resources to target cluster yet"
FAILED = "Eviction is allowed, placement has failed"
NO_BUDGET = "Eviction is allowed, no ClusterResourcePlacementDisruptionBudget specified"
MISCONFIGURED = (
    "Eviction is blocked by misconfigured ClusterResourcePlacementDisruptionBudget, either MaxUnavailable is "
    "specified or MinAvailable is specified as a percentage for PickAll ClusterResourcePlacement"
)


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of an eviction.

    ``message`` says why it is not valid or, for a valid one, why it is allowed or not. ``evicted`` is
    the binding to be deleted: None when there is nothing left to delete, and for what is not allowed.
    """

    message: str
    valid: bool = True
    allowed: bool = False
    evicted: ClusterResourceBinding | None = None


def judge(
    cluster: str,
    placement: ClusterResourcePlacement | None,
    bindings: Sequence[ClusterResourceBinding],
    budget: ClusterResourcePlacementDisruptionBudget | None,
) -> Verdict:
    """Judge the eviction of a placement from a member.

    Args:
        cluster: name of the member.
        placement: the placement that the eviction names, None if there is none.
        bindings: all bindings of that placement.
        budget: the budget of the placement's name.
    """
    if placement is None:
        return Verdict(NO_PLACEMENT, valid=False)
    if placement.metadata.deletion_timestamp is not None:
        return Verdict(DELETING_PLACEMENT, valid=False)
    policy = effective(placement.spec.policy)
    if policy.placement_type == "PickFixed":
        return Verdict(PICK_FIXED, valid=False)
    targeted = [binding for binding in bindings if binding.spec.target_cluster == cluster]
    if len(targeted) != 1:
        return Verdict(SEVERAL_BINDINGS if targeted else NO_BINDING, valid=False)
    (binding,) = targeted
    if binding.metadata.deletion_timestamp is not None:
        return Verdict(BEING_REMOVED, allowed=True)
    if not holds_content(binding):
        return Verdict(NOTHING_PLACED)
    if has_failed(binding) or reports_differences(binding):
        return Verdict(FAILED, allowed=True, evicted=binding)
    if budget is None:
        return Verdict(NO_BUDGET, allowed=True, evicted=binding)
    if is_misconfigured(budget.spec, placement):
        return Verdict(MISCONFIGURED)
    if policy.placement_type == "PickAll":
        return _by_budget(budget.spec, 0, bindings, binding)
    return _by_budget(budget.spec, policy.number_of_clusters or 0, bindings, binding)


def holds_content(binding: ClusterResourceBinding) -> bool:
    """Whether a rollout ever gave a binding something for its member."""
    if binding.spec.state == UNSCHEDULED:
        return binding.metadata.annotations.get(names.PREVIOUS_BINDING_STATE) == BOUND
    return binding.spec.state == BOUND


def disruptions_allowed(budget: DisruptionBudgetSpec, wanted: int, total: int, available: int) -> int:
    """How many more members may lose the placement. A budget without bounds allows none.

    Args:
        budget: the bounds.
        wanted: how many members the policy asks for; percentages are of that.
        total: how many members the placement has a binding for.
        available: how many of those have everything available.
    """
    if budget.max_unavailable is not None:
        return max(0, share(budget.max_unavailable, wanted) - (total - available))
    if budget.min_available is not None:
        return max(0, available - share(budget.min_available, wanted))
    return 0


def _by_budget(
    budget: DisruptionBudgetSpec,
    wanted: int,
    bindings: Sequence[ClusterResourceBinding],
    binding: ClusterResourceBinding,
) -> Verdict:
    available = sum(1 for other in bindings if _is_available(other))
    allowed = disruptions_allowed(budget, wanted, len(bindings), available) > 0
    message = (
        f"Eviction is {'allowed' if allowed else 'blocked'} by specified ClusterResourcePlacementDisruptionBudget, "
        f"availablePlacements: {available}, totalPlacements: {len(bindings)}"
    )
    return Verdict(message, allowed=allowed, evicted=binding if allowed else None)


def is_misconfigured(budget: DisruptionBudgetSpec, placement: ClusterResourcePlacement) -> bool:
    """Whether a budget can never let anything go, since its placement asks for no number of members."""
    if effective(placement.spec.policy).placement_type != "PickAll":
        return False
    return budget.max_unavailable is not None or isinstance(budget.min_available, str)


def _is_available(binding: ClusterResourceBinding) -> bool:
    return binding.metadata.deletion_timestamp is None and is_true_at_generation(
        binding.status.conditions, AVAILABLE, binding.metadata.generation
    )
