"""Evictions: a placement is taken off one member, once, as far as its disruption budget allows.

An eviction is a request of its own, judged once. ``judgement`` holds the rules, which are pure; the
*eviction* controller reads what they look at from the API server itself, not from a cache, as a
verdict is final: a placement that was created a moment before its eviction has to be seen. One
worker judges one eviction after the other, so that two of them cannot spend the same budget. ``review``
says of a budget that cannot work that it cannot.

``drain`` takes everything off a member: a taint keeps new placements away, an eviction for each
placement removes what is there. It is for whoever speaks to the hub on behalf of a user.
"""

from __future__ import annotations

from echelon.api.eviction import ClusterResourcePlacementDisruptionBudget, ClusterResourcePlacementEviction
from echelon.api.meta import Clock
from echelon.api.placement import ClusterResourcePlacement
from echelon.kube.controller import Controller, For, Request, Watches, generation_changed
from echelon.kube.events import EventRecorder
from echelon.kube.manager import Manager
from echelon.placement.eviction.controller import EvictionReconciler
from echelon.placement.eviction.review import BudgetReviewer

__all__ = ["add_controllers"]


def add_controllers(manager: Manager, clock: Clock, events: EventRecorder) -> None:
    """Add the controllers of evictions and of budgets to a manager."""
    evictions = EvictionReconciler(manager.client, manager.cache, clock)
    budgets = BudgetReviewer(manager.cache, events)
    manager.add(
        Controller("eviction", evictions.reconcile, For(ClusterResourcePlacementEviction), workers=1),
        Controller(
            "disruption-budget",
            budgets.reconcile,
            For(ClusterResourcePlacementDisruptionBudget, generation_changed),
            Watches(ClusterResourcePlacement, lambda placement: [Request(*placement.key)], generation_changed),
        ),
    )
