"""Keeps the snapshots of overrides: what an override said, under an index that grows with each change.

As with resource snapshots, a new snapshot is made before the one before it loses its mark, so there is
always a newest one; of two that are marked, the one with the higher index is it. Beyond the last ten,
snapshots go that no binding names and no run has planned. An override that is deleted takes all of its
snapshots with it, and holds on until they are gone. One that comes again under the same name starts at
an index that nobody names any more, so that a name never stands for two contents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, cast

import msgspec
import orjson

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBinding, ResourceBindingSpec
from echelon.api.conditions import SUCCEEDED, find_condition
from echelon.api.meta import KubeObject, ObjectMeta, OwnerReference
from echelon.api.override import (
    ClusterResourceOverride,
    ClusterResourceOverrideSnapshot,
    ClusterResourceOverrideSnapshotSpec,
    ResourceOverride,
    ResourceOverrideSnapshot,
    ResourceOverrideSnapshotSpec,
)
from echelon.api.staged import ClusterStagedUpdateRun, ClusterUpdatingStatus, StagedUpdateRun
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request
from echelon.kube.kinds import Key

HISTORY: Final = 10

OverrideObject = ClusterResourceOverride | ResourceOverride
OverrideSnapshot = ClusterResourceOverrideSnapshot | ResourceOverrideSnapshot

_BY_PARENT = "override"


def override_hash(override: OverrideObject) -> bytes:
    """The hash of what an override says, as a snapshot holds it: the hex digest, as text."""
    plain = msgspec.to_builtins(override.spec)
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest().encode()


def index_of(snapshot: OverrideSnapshot) -> int:
    """The index of a snapshot, -1 for one without."""
    text = snapshot.metadata.labels.get(names.OVERRIDE_INDEX, "")
    return int(text) if text.isdecimal() else -1


def parent_key(snapshot: OverrideSnapshot) -> Key:
    """The override that a snapshot is of."""
    return snapshot.metadata.namespace, snapshot.metadata.labels.get(names.PARENT_OVERRIDE, "")


class OverrideReconciler:
    """Keeps the snapshots of the overrides of one kind."""

    def __init__(self, client: Client, cache: SharedCache, kind: type[OverrideObject]) -> None:
        self._client = client
        self._cache = cache
        self._kind = kind
        self.snapshot_kind: type[OverrideSnapshot] = (
            ResourceOverrideSnapshot if kind.resource.namespaced else ClusterResourceOverrideSnapshot
        )
        cache.informer(self.snapshot_kind).add_index(
            _BY_PARENT, lambda obj: ["/".join(parent_key(cast(OverrideSnapshot, obj)))]
        )

    async def reconcile(self, request: Request) -> None:
        override = cast(OverrideObject | None, self._cache.get(self._kind, request.key))
        if override is None:
            return
        if override.metadata.deletion_timestamp is not None:
            await self._clean_up(override)
            return
        override = await self._hold(override)
        known = self._snapshots(request.key)
        if known and known[-1].spec.override_hash == override_hash(override):
            await self._mark(known[-1], "true")
            older = known[:-1]
        else:
            await self._create(override, known)
            older = known
        for snapshot in older:
            await self._mark(snapshot, "false")
        await self._trim(override, older)

    def override_of(self, snapshot: KubeObject) -> Iterable[Request]:
        """The override of a snapshot that changed, which may have to be mended."""
        return [Request(*parent_key(cast(OverrideSnapshot, snapshot)))]

    def _snapshots(self, key: Key) -> list[OverrideSnapshot]:
        """The snapshots of an override, oldest first."""
        found = cast(Sequence[OverrideSnapshot], self._cache.by_index(self.snapshot_kind, _BY_PARENT, "/".join(key)))
        return sorted(found, key=index_of)

    async def _clean_up(self, override: OverrideObject) -> None:
        if names.OVERRIDE_CLEANUP not in override.metadata.finalizers:
            return
        for snapshot in self._snapshots(override.key):
            await self._client.delete(self.snapshot_kind, snapshot.key, missing_ok=True)
        rest = tuple(f for f in override.metadata.finalizers if f != names.OVERRIDE_CLEANUP)
        await self._patch_finalizers(override, rest)

    async def _hold(self, override: OverrideObject) -> OverrideObject:
        if names.OVERRIDE_CLEANUP in override.metadata.finalizers:
            return override
        return await self._patch_finalizers(override, (*override.metadata.finalizers, names.OVERRIDE_CLEANUP))

    async def _patch_finalizers(self, override: OverrideObject, finalizers: Sequence[str]) -> OverrideObject:
        metadata = msgspec.structs.replace(override.metadata, finalizers=tuple(finalizers))
        return await self._client.patch_object(
            override, msgspec.structs.replace(override, metadata=metadata), lock=True
        )

    async def _create(self, override: OverrideObject, known: Sequence[OverrideSnapshot]) -> None:
        used = [index_of(known[-1])] if known else list(self._indexes_in_use(override))
        index = max(used, default=-1) + 1
        metadata = ObjectMeta(
            name=names.override_snapshot(override.metadata.name, index),
            namespace=override.metadata.namespace,
            labels={
                names.PARENT_OVERRIDE: override.metadata.name,
                names.OVERRIDE_INDEX: str(index),
                names.IS_LATEST_SNAPSHOT: "true",
            },
            owner_references=(_owner(override),),
        )
        await self._client.create(_snapshot(override, metadata))

    async def _mark(self, snapshot: OverrideSnapshot, latest: str) -> None:
        labels = {**snapshot.metadata.labels, names.IS_LATEST_SNAPSHOT: latest}
        metadata = msgspec.structs.replace(snapshot.metadata, labels=labels)
        await self._client.patch_object(snapshot, msgspec.structs.replace(snapshot, metadata=metadata))

    async def _trim(self, override: OverrideObject, older: Sequence[OverrideSnapshot]) -> None:
        surplus = older[: max(0, len(older) + 1 - HISTORY)]
        used = set(self._indexes_in_use(override)) if surplus else set()
        for snapshot in surplus:
            if index_of(snapshot) not in used:
                await self._client.delete(self.snapshot_kind, snapshot.key, missing_ok=True)

    def _indexes_in_use(self, override: OverrideObject) -> Iterator[int]:
        """The indexes of snapshots of an override that bindings name, or runs that are not over."""
        namespace, name = override.key
        for where, snapshot in self._named():
            parent, _, index = snapshot.rpartition("-")
            if (where, parent) == (namespace, name) and index.isdecimal():
                yield int(index)

    def _named(self) -> Iterator[Key]:
        """The snapshots of overrides of this kind that something names."""
        bindings: list[ClusterResourceBinding | ResourceBinding] = [
            *self._cache.list(ClusterResourceBinding),
            *self._cache.list(ResourceBinding),
        ]
        for binding in bindings:
            yield from self._references(binding.spec)
        runs: list[ClusterStagedUpdateRun | StagedUpdateRun] = [
            *self._cache.list(ClusterStagedUpdateRun),
            *self._cache.list(StagedUpdateRun),
        ]
        for run in runs:
            if find_condition(run.status.conditions, SUCCEEDED) is None:
                for cluster in (cluster for stage in run.status.stages_status for cluster in stage.clusters):
                    yield from self._references(cluster)

    def _references(self, lists: ResourceBindingSpec | ClusterUpdatingStatus) -> Iterator[Key]:
        if self._kind.resource.namespaced:
            yield from ((each.namespace, each.name) for each in lists.resource_override_snapshots)
        else:
            yield from (("", name) for name in lists.cluster_resource_override_snapshots)


def _owner(override: OverrideObject) -> OwnerReference:
    return OwnerReference(
        api_version=override.resource.api_version,
        kind=override.resource.kind,
        name=override.metadata.name,
        uid=override.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def _snapshot(override: OverrideObject, metadata: ObjectMeta) -> OverrideSnapshot:
    digest = override_hash(override)
    if isinstance(override, ClusterResourceOverride):
        cluster_spec = ClusterResourceOverrideSnapshotSpec(override_spec=override.spec, override_hash=digest)
        return ClusterResourceOverrideSnapshot(metadata=metadata, spec=cluster_spec)
    spec = ResourceOverrideSnapshotSpec(override_spec=override.spec, override_hash=digest)
    return ResourceOverrideSnapshot(metadata=metadata, spec=spec)
