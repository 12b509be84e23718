"""Evictions: a placement is taken off one member, once, as far as its disruption budget allows.

An eviction is a request of its own, judged once. ``judgement`` holds the rules, which are pure; the
*eviction* controller reads what they look at from the API server itself, not from a cache, as a
verdict is final: a placement that was created a moment before its eviction has to be seen. One
worker judges one eviction after the other, so that two of them cannot spend the same budget.

``drain`` takes everything off a member: a taint keeps new placements away, an eviction for each
placement removes what is there. It is for whoever speaks to the hub on behalf of a user.
"""

from __future__ import annotations

from echelon.api.eviction import ClusterResourcePlacementEviction
from echelon.api.meta import Clock
from echelon.kube.controller import Controller, For
from echelon.kube.manager import Manager
from echelon.placement.eviction.controller import EvictionReconciler

__all__ = ["add_controllers"]


def add_controllers(manager: Manager, clock: Clock) -> None:
    """Add the controller of evictions to a manager."""
    evictions = EvictionReconciler(manager.client, manager.cache, clock)
    manager.add(Controller("eviction", evictions.reconcile, For(ClusterResourcePlacementEviction), workers=1))
