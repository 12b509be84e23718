"""The placement controller: what a user wrote becomes snapshots, and what happened becomes its status.

A pass reads top-down: finalizers, the snapshot of the policy, the selection and its snapshot, the
status. Two things are paced, both by deadlines: a change of selected objects is given a moment so
that what belongs together ends up in one snapshot, and the status of a placement under way is not
written for every member that moves. What is pending at such a deadline is never lost: the pass that
meets it derives everything anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import structlog

from echelon.api import names
from echelon.api.conditions import find_condition, set_condition
from echelon.api.meta import Clock, Condition, ObjectMeta, Resource
from echelon.api.placement import PlacementStatus, ResourceIdentifier, ResourceSelector
from echelon.api.snapshot import SchedulingPolicySnapshotSpec
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.events import EventRecorder
from echelon.kube.kinds import Key
from echelon.placement import selection
from echelon.placement.content import HubContent
from echelon.placement.identifiers import identifiers_of, identifiers_of_manifests
from echelon.placement.index import Related
from echelon.placement.keeper import SnapshotKeeper, index_of
from echelon.placement.pace import remaining, sooner, spacing
from echelon.placement.policy import policy_hash
from echelon.placement.scope import Placement, PolicySnapshot, Scope, Snapshot, owner_of
from echelon.placement.selection import BadSelector, Object
from echelon.placement.settings import PlacementSettings
from echelon.placement.status import placement_status
from echelon.placement.status_copy import StatusCopies, is_copied
from echelon.placement.telling import tell, tell_cleaned_up
from echelon.placement.views import status_view

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Pace:
    """Deadlines of one placement, in loop time; lost at a restart, which only makes them due."""

    snapshot_due: float | None = None
    status_due: float = float("-inf")


class PlacementReconciler:
    """Reconciles the placements of one scope."""

    def __init__(
        self,
        client: Client,
        cache: SharedCache,
        content: HubContent,
        related: Related,
        keeper: SnapshotKeeper,
        scope: Scope,
        settings: PlacementSettings,
        clock: Clock,
        events: EventRecorder,
    ) -> None:
        self._client = client
        self._cache = cache
        self._content = content
        self._related = related
        self._keeper = keeper
        self._scope = scope
        self._settings = settings
        self._clock = clock
        self._events = events
        self._copies = StatusCopies(client, cache, clock)
        self._paces: dict[Key, _Pace] = {}

    async def reconcile(self, request: Request) -> Result | None:
        placement = self._related.placement(request.key)
        if placement is None:
            self._paces.pop(request.key, None)
            return None
        if placement.metadata.deletion_timestamp is not None:
            await self._clean_up(placement)
            return None
        placement = await self._hold(placement)
        policy = await self._keep_policy(placement)
        try:
            resources = await self._select(placement)
            wait = await self._keep_resources(placement, resources)
        except BadSelector as error:
            return await self._report(placement, policy, (), str(error))
        result = await self._report(placement, policy, resources, None)
        return sooner(wait, result)

    # deletion and finalizers

    async def _clean_up(self, placement: Placement) -> None:
        """Delete the snapshots; they would go with their owner anyway, but users see them gone before it."""
        if self._scope.placement_finalizer not in placement.metadata.finalizers:
            return
        for snapshot in self._related.snapshots(placement.key):
            await self._client.delete(self._scope.snapshot, snapshot.key, missing_ok=True)
        if any(finalizer == names.SCHEDULER_CLEANUP for finalizer in placement.metadata.finalizers):
            return  # the scheduler still needs the policy to tell its bindings apart
        for policy in self._related.policy_snapshots(placement.key):
            await self._client.delete(self._scope.policy_snapshot, policy.key, missing_ok=True)
        rest = tuple(f for f in placement.metadata.finalizers if f != self._scope.placement_finalizer)
        await self._patch_metadata(placement, finalizers=rest)
        tell_cleaned_up(self._events, placement)

    async def _hold(self, placement: Placement) -> Placement:
        """Both finalizers in one write: the scheduler's is put here, too, and taken off by the scheduler."""
        wanted = (self._scope.placement_finalizer, names.SCHEDULER_CLEANUP)
        missing = tuple(f for f in wanted if f not in placement.metadata.finalizers)
        if not missing:
            return placement
        return await self._patch_metadata(placement, finalizers=(*placement.metadata.finalizers, *missing))

    async def _patch_metadata(self, placement: Placement, *, finalizers: Sequence[str]) -> Placement:
        metadata = msgspec.structs.replace(placement.metadata, finalizers=finalizers)
        changed = msgspec.structs.replace(placement, metadata=metadata)
        return await self._client.patch_object(placement, changed, lock=True)

    # policy snapshots

    async def _keep_policy(self, placement: Placement) -> PolicySnapshot:
        """The policy snapshot that holds; an older one loses its mark after the new one is there."""
        spec = SchedulingPolicySnapshotSpec(
            policy=placement.spec.policy, policy_hash=policy_hash(placement.spec.policy)
        )
        known = sorted(self._related.policy_snapshots(placement.key), key=_policy_index)
        if known and known[-1].spec.policy_hash == spec.policy_hash:
            latest = await self._refresh_policy(placement, known[-1])
            older = known[:-1]
        else:
            index = _policy_index(known[-1]) + 1 if known else 0
            latest = await self._client.create(self._policy_snapshot(placement, index, spec))
            older = known
        for snapshot in older:
            await self._unmark(snapshot)
        surplus = len(older) + 1 - placement.spec.revision_history_limit
        for snapshot in older[: max(0, surplus)]:
            await self._client.delete(self._scope.policy_snapshot, snapshot.key, missing_ok=True)
        return latest

    def _policy_snapshot(self, placement: Placement, index: int, spec: SchedulingPolicySnapshotSpec) -> PolicySnapshot:
        metadata = ObjectMeta(
            name=names.policy_snapshot(placement.metadata.name, index),
            namespace=placement.metadata.namespace,
            labels={
                names.PARENT_PLACEMENT: placement.metadata.name,
                names.IS_LATEST_SNAPSHOT: "true",
                names.POLICY_INDEX: str(index),
            },
            annotations=_policy_annotations(placement),
            owner_references=(owner_of(placement),),
        )
        return self._scope.policy_snapshot(metadata=metadata, spec=spec)

    async def _refresh_policy(self, placement: Placement, snapshot: PolicySnapshot) -> PolicySnapshot:
        annotations = {**snapshot.metadata.annotations, **_policy_annotations(placement)}
        labels = {**snapshot.metadata.labels, names.IS_LATEST_SNAPSHOT: "true"}
        metadata = msgspec.structs.replace(snapshot.metadata, annotations=annotations, labels=labels)
        return await self._client.patch_object(snapshot, msgspec.structs.replace(snapshot, metadata=metadata))

    async def _unmark(self, snapshot: PolicySnapshot) -> None:
        labels = {**snapshot.metadata.labels, names.IS_LATEST_SNAPSHOT: "false"}
        metadata = msgspec.structs.replace(snapshot.metadata, labels=labels)
        await self._client.patch_object(snapshot, msgspec.structs.replace(snapshot, metadata=metadata))

    # resource snapshots

    async def _select(self, placement: Placement) -> list[Object]:
        await self._content.ready()
        namespace = placement.metadata.namespace or None
        resources = selection.select(placement.spec.resource_selectors, self._content, namespace=namespace)
        self._copies.check(placement, resources)
        return resources

    async def _keep_resources(self, placement: Placement, resources: Sequence[Object]) -> float | None:
        """Make a snapshot of what is selected when it is due; seconds until it will be, if it is not yet."""
        external = placement.spec.strategy.type == "External"
        if external and not self._settings.dialect.snapshots_on_change:
            return None
        pace = self._pace(placement.key)
        if self._keeper.holds(placement.key, resources):
            pace.snapshot_due = None
            return None
        now = asyncio.get_running_loop().time()
        if pace.snapshot_due is None:
            first = self._keeper.latest(placement.key) is None
            pace.snapshot_due = now if first else now + self._settings.snapshot_delay
        if wait := remaining(pace.snapshot_due):
            return wait
        snapshot = await self._keeper.keep(placement, resources)
        pace.snapshot_due = None
        log.info("resource snapshot made", placement=placement.metadata.name, snapshot=snapshot.metadata.name)
        return None

    async def snapshot_now(self, placement: Placement) -> Snapshot:
        """The snapshot of what is selected at this moment, made if need be.

        Raises:
            BadSelector: the placement's selectors cannot be followed, or select what cannot be stored.
        """
        snapshot = await self._keeper.keep(placement, await self._select(placement))
        self._pace(placement.key).snapshot_due = None
        return snapshot

    def _pace(self, key: Key) -> _Pace:
        return self._paces.setdefault(key, _Pace())

    # status

    async def _report(
        self, placement: Placement, policy: PolicySnapshot, resources: Sequence[Object], bad_selectors: str | None
    ) -> Result | None:
        pace = self._pace(placement.key)
        now = asyncio.get_running_loop().time()
        if wait := remaining(pace.status_due):
            return Result(requeue_after=wait)  # what it would be now is of no interest to anybody
        status = self._status(placement, policy, resources, bad_selectors)
        copy = await self._copies.keep(placement, status, resources) if is_copied(placement) else None
        if copy is not None:
            status = self._with_copy(placement, status, copy.condition)
        if status != placement.status:
            await self._client.patch_status(placement, msgspec.structs.replace(placement, status=status))
            took = asyncio.get_running_loop().time() - now
            pace.status_due = now + spacing(self._settings.status_interval, took)
            tell(self._events, placement, status)
        if copy is not None and copy.refusal is not None:
            raise copy.refusal  # said on the placement, and tried again each time later
        return None

    def _with_copy(self, placement: Placement, status: PlacementStatus, told: Condition) -> PlacementStatus:
        """The status with what became of its copy: the last condition, since it is no step of the placement."""
        earlier = find_condition(placement.status.conditions, told.type)
        kept = set_condition(() if earlier is None else (earlier,), told, self._clock.now())
        return msgspec.structs.replace(status, conditions=(*status.conditions, *kept))

    def _status(
        self, placement: Placement, policy: PolicySnapshot, resources: Sequence[Object], bad_selectors: str | None
    ) -> PlacementStatus:
        latest = self._keeper.latest(placement.key)
        view = status_view(
            placement,
            self._scope,
            policy,
            self._related.bindings(placement.key),
            self._keeper.masters(placement.key),
            latest_index="" if latest is None else str(index_of(latest)),
            selected=identifiers_of(resources),
            resources_of=lambda index: self._identifiers(placement.key, index),
            bad_selectors=bad_selectors,
        )
        return placement_status(view, placement.status, self._clock.now())

    def _identifiers(self, placement: Key, index: str) -> Sequence[ResourceIdentifier]:
        parts = self._keeper.parts(placement, int(index)) if index.isdecimal() else None
        return identifiers_of_manifests(m for part in parts or () for m in part.spec.selected_resources)

    # who is concerned by a change of the hub's content

    def touched_by(self, resource: Resource, namespace: str | None) -> list[Request]:
        """The placements whose selection may have changed with an object of this kind in this namespace.

        None for the namespace: with the kind as a whole.
        """
        return [
            Request(*placement.key)
            for placement in self._related.placements()
            if any(_may_select(s, placement, resource, namespace) for s in placement.spec.resource_selectors)
        ]


def _may_select(selector: ResourceSelector, placement: Placement, resource: Resource, namespace: str | None) -> bool:
    if (selector.group, selector.kind) == (resource.group, resource.kind):
        return namespace is None or placement.metadata.namespace in ("", namespace)
    if (selector.group, selector.kind) != selection.NAMESPACE or not resource.namespaced:
        return False
    whole = selector.selection_scope == "NamespaceWithResources"
    return whole and (namespace is None or selector.name in ("", namespace))


def _policy_index(snapshot: PolicySnapshot) -> int:
    text = snapshot.metadata.labels.get(names.POLICY_INDEX, "")
    return int(text) if text.isdecimal() else -1


def _policy_annotations(placement: Placement) -> dict[str, str]:
    annotations = {names.PLACEMENT_GENERATION: str(placement.metadata.generation)}
    policy = placement.spec.policy
    if policy is not None and policy.number_of_clusters is not None:
        annotations[names.NUMBER_OF_CLUSTERS] = str(policy.number_of_clusters)
    return annotations
