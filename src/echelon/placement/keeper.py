"""Keeps the resource snapshots of placements: finds them, makes new ones, trims old ones.

What holds, whenever the process dies: a snapshot counts once its master is there, and the master is
made last, when all parts are. A new master is made before the old one loses its mark, so there is
always a latest one; of two that are marked, the one with the higher index is it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import orjson

from echelon.api import names
from echelon.api.meta import ObjectMeta
from echelon.api.snapshot import ResourceSnapshotSpec
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists
from echelon.kube.kinds import Key
from echelon.placement import snapshot as snapshots
from echelon.placement.index import Related
from echelon.placement.scope import Placement, Scope, Snapshot, owner_of
from echelon.placement.selection import Object


def index_of(obj: Snapshot) -> int:
    """The index of a snapshot, -1 for one without."""
    text = obj.metadata.labels.get(names.RESOURCE_INDEX, "")
    return int(text) if text.isdecimal() else -1


def is_master(obj: Snapshot) -> bool:
    return names.RESOURCE_HASH in obj.metadata.annotations


class SnapshotKeeper:
    """Resource snapshots of one scope."""

    def __init__(self, client: Client, related: Related, scope: Scope) -> None:
        self._client = client
        self._related = related
        self._scope = scope

    def masters(self, placement: Key) -> list[Snapshot]:
        """The snapshots of a placement by their masters, oldest first."""
        return sorted((s for s in self._related.snapshots(placement) if is_master(s)), key=index_of)

    def latest(self, placement: Key) -> Snapshot | None:
        """The master of the newest snapshot."""
        masters = self.masters(placement)
        return masters[-1] if masters else None

    def parts(self, placement: Key, index: int) -> list[Snapshot] | None:
        """Master and further parts of a snapshot in order, or None when it is not (yet) whole."""
        found = [part for part in self._related.snapshots(placement) if index_of(part) == index]
        master = next((part for part in found if is_master(part)), None)
        if master is None:
            return None
        others = sorted((part for part in found if part is not master), key=_sub_index)
        expected = int(master.metadata.annotations.get(names.NUMBER_OF_SNAPSHOTS, "1"))
        return [master, *others] if len(others) + 1 == expected else None

    def holds(self, placement: Key, resources: Sequence[Object]) -> bool:
        """Whether the latest snapshot is whole and holds just these objects."""
        latest = self.latest(placement)
        return (
            latest is not None
            and latest.metadata.annotations[names.RESOURCE_HASH] == snapshots.content_hash(resources)
            and self.parts(placement, index_of(latest)) is not None
        )

    async def keep(self, placement: Placement, resources: Sequence[Object]) -> Snapshot:
        """The latest snapshot, made anew when the latest one holds something else."""
        digest = snapshots.content_hash(resources)
        masters = self.masters(placement.key)
        latest = masters[-1] if masters else None
        if latest is not None and latest.metadata.annotations[names.RESOURCE_HASH] == digest:
            if self.parts(placement.key, index_of(latest)) is None:
                await self._create_parts(placement, index_of(latest), resources)
            await self._unmark(masters[:-1])
            return latest
        index = 0 if latest is None else index_of(latest) + 1
        created = await self._create(placement, index, resources)
        await self._unmark(masters)
        await self._trim(placement, [*masters, created])
        return created

    async def _create(self, placement: Placement, index: int, resources: Sequence[Object]) -> Snapshot:
        await self._create_parts(placement, index, resources)
        master = next(snapshots.build(placement.metadata.name, index, resources))
        return await self._client.create(self._object(placement, master))

    async def _create_parts(self, placement: Placement, index: int, resources: Sequence[Object]) -> None:
        """Make the parts besides the master; one that a pass before left behind may hold something else."""
        parts = [
            part for part in snapshots.build(placement.metadata.name, index, resources) if part.sub_index is not None
        ]
        for part in parts:
            wanted = self._object(placement, part)
            try:
                await self._client.create(wanted)
            except AlreadyExists:
                await self._client.delete(self._scope.snapshot, wanted.key, missing_ok=True)
                await self._client.create(wanted)

    def _object(self, placement: Placement, part: snapshots.SnapshotPart) -> Snapshot:
        return self._scope.snapshot(
            metadata=ObjectMeta(
                name=part.name,
                namespace=placement.metadata.namespace,
                labels=part.labels,
                annotations=part.annotations,
                owner_references=(owner_of(placement),),
            ),
            spec=ResourceSnapshotSpec(
                selected_resources=tuple(msgspec.Raw(orjson.dumps(resource)) for resource in part.resources)
            ),
        )

    async def _unmark(self, masters: Sequence[Snapshot]) -> None:
        for master in masters:
            if master.metadata.labels.get(names.IS_LATEST_SNAPSHOT) == "true":
                labels = {**master.metadata.labels, names.IS_LATEST_SNAPSHOT: "false"}
                metadata = msgspec.structs.replace(master.metadata, labels=labels)
                await self._client.patch_object(master, msgspec.structs.replace(master, metadata=metadata))

    async def _trim(self, placement: Placement, masters: Sequence[Snapshot]) -> None:
        """Delete the oldest snapshots beyond the placement's history, except those that a member still has."""
        used = {binding.spec.resource_snapshot_name for binding in self._related.bindings(placement.key)}
        surplus = len(masters) - placement.spec.revision_history_limit
        for master in masters[: max(0, surplus)]:
            if master.metadata.name in used:
                continue
            index = index_of(master)
            for part in self._related.snapshots(placement.key):
                if index_of(part) == index:
                    await self._client.delete(self._scope.snapshot, part.key, missing_ok=True)


def _sub_index(part: Snapshot) -> int:
    return int(part.metadata.annotations.get(names.SUB_INDEX, "0"))
