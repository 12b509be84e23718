"""The controllers of overrides, and who else is concerned when an override changes.

A newer snapshot of an override concerns placements that roll out by themselves, runs that wait to be
initialised, and bindings that name a snapshot which was not there; another label of a member concerns
placements that roll out by themselves, as rules choose members by label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from echelon.api.meta import KubeObject
from echelon.api.override import (
    ClusterResourceOverride,
    ClusterResourceOverrideSnapshot,
    ResourceOverride,
    ResourceOverrideSnapshot,
)
from echelon.kube.controller import Controller, For, Request, Watches, any_of, generation_changed
from echelon.kube.informer import Change
from echelon.kube.manager import Manager
from echelon.placement.overrides.choice import Overrides
from echelon.placement.overrides.snapshots import OverrideReconciler

OVERRIDES = (ClusterResourceOverride, ResourceOverride)
SNAPSHOTS = (ClusterResourceOverrideSnapshot, ResourceOverrideSnapshot)


def add_override_controllers(manager: Manager, workers: int) -> Overrides:
    """Add the controllers that keep the snapshots of overrides; gives what reads them."""
    for kind, name in ((ClusterResourceOverride, "cluster"), (ResourceOverride, "namespaced")):
        overrides = OverrideReconciler(manager.client, manager.cache, kind)
        manager.add(
            Controller(
                f"{name}-override",
                overrides.reconcile,
                For(kind, any_of(generation_changed, finalizers_changed)),
                Watches(overrides.snapshot_kind, overrides.override_of),
                workers=workers,
            )
        )
    return Overrides(manager.cache)


def snapshots_change(concerned: Callable[[KubeObject], Iterable[Request]]) -> tuple[Watches, ...]:
    """The sources of a controller for which the snapshots that are there matter."""
    return tuple(Watches(kind, concerned) for kind in SNAPSHOTS)


def overrides_change(concerned: Callable[[KubeObject], Iterable[Request]]) -> tuple[Watches, ...]:
    """The sources of a controller that chooses, and for that waits until the snapshots say what the overrides say."""
    return (*snapshots_change(concerned), *(Watches(kind, concerned, generation_changed) for kind in OVERRIDES))


def finalizers_changed(change: Change[KubeObject]) -> bool:
    """Somebody took the finalizer off that holds the override."""
    if change.old is None or change.new is None:
        return True
    return change.old.metadata.finalizers != change.new.metadata.finalizers
