"""Looks over disruption budgets when they, or their placements, are written.

A budget that cannot work (one for a placement that takes every member, with a bound that needs a number
of members) blocks every eviction. The server cannot see that when the budget is written, as it is a
matter of two objects; so an event on the budget says it at once, not only the first eviction.
"""

from __future__ import annotations

from echelon.api.eviction import ClusterResourcePlacementDisruptionBudget
from echelon.api.placement import ClusterResourcePlacement
from echelon.kube.cache import SharedCache
from echelon.kube.controller import Request
from echelon.kube.events import EventRecorder
from echelon.placement.eviction.judgement import is_misconfigured

MISCONFIGURED_BUDGET = "MisconfiguredDisruptionBudget"


class BudgetReviewer:
    """Reviews budgets; its requests are their names, which are those of their placements."""

    def __init__(self, cache: SharedCache, events: EventRecorder) -> None:
        self._cache = cache
        self._events = events

    async def reconcile(self, request: Request) -> None:
        budget = self._cache.get(ClusterResourcePlacementDisruptionBudget, request.key)
        placement = self._cache.get(ClusterResourcePlacement, request.key)
        if budget is None or placement is None or not is_misconfigured(budget.spec, placement):
            return
        note = (
            f"The ClusterResourcePlacement {request.name} is of the type PickAll; its budget can only be a count of "
            "members that stay available (minAvailable, no percentage): as it is, it blocks every eviction"
        )
        self._events.event(budget, "Warning", MISCONFIGURED_BUDGET, note, action="Review")
