"""Placement on the hub: workloads go from the hub to members, at once or stage by stage.

Five controllers meet on the hub. The *placement* controller turns what a user wrote into snapshots
of the policy and of the selected objects, and reports. The *scheduler* turns the policy into one
binding a member. A *staged run* gives bindings their snapshot, in the order of a strategy; where a
placement does not leave that to runs, a *rolling update* gives them the latest one. *Work
generation* turns such a binding into Works for the member's agent and the agent's reports into the
binding's status. Beside them, *evictions* take cluster-scoped placements off single members.

``add_controllers`` adds them all to a manager.
"""

from __future__ import annotations

from collections.abc import Iterable
from socket import gethostname
from typing import cast

from echelon.api.cluster import MemberCluster
from echelon.api.meta import Clock, KubeObject, Resource
from echelon.api.placement import ClusterResourcePlacementStatus
from echelon.api.work import Work
from echelon.kube.controller import Controller, For, Request, Watches, generation_changed, labels_changed
from echelon.kube.events import EventRecorder
from echelon.kube.manager import Manager
from echelon.placement import eviction
from echelon.placement import scope as scopes
from echelon.placement.attention import MemberChanges
from echelon.placement.content import HubContent
from echelon.placement.index import Related, binding_key, placement_key, run_key
from echelon.placement.keeper import SnapshotKeeper
from echelon.placement.overrides.choice import Overrides
from echelon.placement.overrides.controllers import add_override_controllers, overrides_change, snapshots_change
from echelon.placement.placements import PlacementReconciler
from echelon.placement.report_back import StatusReporter
from echelon.placement.rolling_update import RollingUpdateReconciler
from echelon.placement.scheduler import Scheduler
from echelon.placement.scope import Approval, Scope
from echelon.placement.settings import PlacementSettings
from echelon.placement.staged.controller import StagedRunReconciler
from echelon.placement.work_generator import WorkGenerator

__all__ = ["PlacementSettings", "add_controllers"]


def add_controllers(manager: Manager, settings: PlacementSettings, clock: Clock) -> None:
    """Add the placement controllers of both scopes to a manager."""
    content = HubContent(manager.client, manager.cache)
    events = EventRecorder(manager.client, "echelon.dev/placement", gethostname(), clock=clock)
    manager.add_runnable("placement events", events.run)
    overrides = add_override_controllers(manager, settings.workers)
    for scope in (scopes.CLUSTER, scopes.NAMESPACED):
        _add_scope(manager, content, overrides, scope, settings, clock, events)
    eviction.add_controllers(manager, clock, events)


def _add_scope(
    manager: Manager,
    content: HubContent,
    overrides: Overrides,
    scope: Scope,
    settings: PlacementSettings,
    clock: Clock,
    events: EventRecorder,
) -> None:
    client, cache = manager.client, manager.cache
    related = Related(cache, scope)
    keeper = SnapshotKeeper(client, related, scope)
    placements = PlacementReconciler(client, cache, content, related, keeper, scope, settings, clock, events)
    reporter = StatusReporter(client, cache, content, related, events, namespaced=scope.placement.resource.namespaced)
    scheduler = Scheduler(client, cache, related, scope, clock)
    works = WorkGenerator(client, cache, related, keeper, overrides, scope, settings, clock)
    rolling = RollingUpdateReconciler(client, related, keeper, overrides, scope, clock)
    runs = StagedRunReconciler(client, cache, related, keeper, placements, overrides, scope, settings, clock)

    def every_run(_: MemberCluster) -> Iterable[Request]:
        return [request for placement in related.placements() for request in runs.runs_of(placement.key)]

    def runs_of_placement(obj: KubeObject) -> Iterable[Request]:
        return runs.runs_of(placement_key(obj))

    placement_controller = Controller(
        f"{scope.name}-placement",
        placements.reconcile,
        For(scope.placement),
        Watches(scope.policy_snapshot, lambda obj: [Request(*placement_key(obj))]),
        Watches(scope.snapshot, lambda obj: [Request(*placement_key(obj))]),
        Watches(scope.binding, lambda obj: [Request(*placement_key(obj))]),
        *_copies_changed(scope),
        workers=settings.workers,
    )

    def content_changed(resource: Resource, namespace: str | None) -> None:
        for request in placements.touched_by(resource, namespace):
            placement_controller.enqueue(request)

    content.on_change(content_changed)
    manager.add(
        placement_controller,
        Controller(
            f"{scope.name}-scheduler",
            scheduler.reconcile,
            For(scope.placement, generation_changed),
            Watches(scope.policy_snapshot, lambda obj: [Request(*placement_key(obj))]),
            Watches(scope.binding, lambda obj: [Request(*placement_key(obj))], generation_changed),
            MemberChanges(related),
            workers=settings.workers,
        ),
        Controller(
            f"{scope.name}-work-generator",
            works.reconcile,
            For(scope.binding),
            Watches(Work, lambda work: [Request(*binding_key(work))], works.made),
            Watches(scope.snapshot, lambda obj: [Request(*b.key) for b in related.bindings(placement_key(obj))]),
            Watches(scope.placement, works.of_placement, generation_changed),
            *snapshots_change(works.naming),
            workers=settings.workers,
        ),
        Controller(
            f"{scope.name}-report-back",
            reporter.reconcile,
            For(Work, reporter.concerns),
            workers=settings.workers,
        ),
        Controller(
            f"{scope.name}-rolling-update",
            rolling.reconcile,
            For(scope.placement, generation_changed),
            Watches(scope.binding, lambda obj: [Request(*placement_key(obj))]),
            Watches(scope.snapshot, lambda obj: [Request(*placement_key(obj))]),
            Watches(MemberCluster, rolling.concerned_by_labels, labels_changed),
            *overrides_change(rolling.concerned_by_override),
            workers=settings.workers,
        ),
        Controller(
            f"{scope.name}-staged-run",
            runs.reconcile,
            For(scope.run),
            Watches(scope.approval, lambda obj: [Request(*run_key(cast(Approval, obj)))]),
            Watches(scope.binding, runs_of_placement),
            Watches(scope.policy_snapshot, runs_of_placement),
            Watches(scope.placement, lambda obj: runs.runs_of(obj.key)),
            Watches(MemberCluster, every_run, labels_changed),
            *overrides_change(lambda _: runs.uninitialized()),
            workers=settings.workers,
            coalesce=settings.run_coalescing,
        ),
    )


def _copies_changed(scope: Scope) -> list[Watches]:
    """Only cluster-scoped placements have copies of their status."""
    if scope.placement.resource.namespaced:
        return []
    return [Watches(ClusterResourcePlacementStatus, lambda copy: [Request("", copy.metadata.name)])]
