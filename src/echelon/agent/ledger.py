"""The AppliedWork of a Work: what the agent has put on the member, and what it has to take back.

What the Work names is written down before it is applied, without a uid; what was applied, with it.
So an object that the agent created in its last moment is known to the next, and goes when the Work
no longer names it. Entries stay until then, and until their object is gone or is somebody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
import structlog

from echelon.agent.manifests import Identity, Manifest
from echelon.agent.objects import ObjectApplier, Outcome
from echelon.api.meta import ObjectMeta
from echelon.api.work import AppliedResourceMeta, AppliedWork, AppliedWorkSpec, AppliedWorkStatus, Work
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client, Propagation
from echelon.kube.errors import AlreadyExists, ApiError
from echelon.kube.mapper import NoSuchKind

DELETION_WAIT = timedelta(minutes=5)
_FOREGROUND = "foregroundDeletion"

log = structlog.get_logger(__name__)


class Leftover(msgspec.Struct, frozen=True):
    """An object that is to go and could not be removed."""

    record: AppliedResourceMeta
    error: str


class Ledger:
    """The AppliedWorks of one member."""

    def __init__(self, member: Client, cache: SharedCache, objects: ObjectApplier) -> None:
        self._member = member
        self._informer = cache.informer(AppliedWork)
        self._objects = objects
        self._going: dict[str, float] = {}  # by uid, until when an AppliedWork that goes is waited for

    @property
    def has_synced(self) -> bool:
        return self._informer.has_synced

    async def wait_for_sync(self) -> None:
        await self._informer.wait_for_sync()

    async def open(self, work: Work) -> AppliedWork:
        """The AppliedWork of a Work; made when there is none, and told whose it is when it is of an earlier Work."""
        spec = AppliedWorkSpec(work_name=work.metadata.name, work_namespace=work.metadata.namespace)
        present = self._informer.get(work.metadata.name)
        if present is None:
            wanted = AppliedWork(metadata=ObjectMeta(name=work.metadata.name), spec=spec)
            try:
                return await self._member.create(wanted)
            except AlreadyExists:
                present = await self._member.get(AppliedWork, work.metadata.name)
        if present.metadata.deletion_timestamp is not None:
            return present
        return await self._member.patch_object(present, msgspec.structs.replace(present, spec=spec))

    async def announce(self, owner: AppliedWork, manifests: Iterable[Manifest]) -> AppliedWork:
        """Write down what is about to be applied and was not named before."""
        known = {_identity(record) for record in owner.status.applied_resources}
        coming = [
            AppliedResourceMeta(**msgspec.structs.asdict(manifest.identifier("")))
            for manifest in manifests
            if manifest.problem is None and manifest.identity not in known
        ]
        return await self._write(owner, [*owner.status.applied_resources, *coming])

    async def settle(self, owner: AppliedWork, outcomes: Sequence[Outcome]) -> Sequence[Leftover]:
        """Remove what the Work no longer names, write down what there is; gives what could not be removed.

        While a manifest cannot be read nothing is removed: it may be the one that names the object.
        """
        wanted = {outcome.manifest.identity for outcome in outcomes}
        obsolete = [record for record in owner.status.applied_resources if _identity(record) not in wanted]
        leftovers: list[Leftover] = []
        if all(outcome.manifest.name for outcome in outcomes):
            removed = await asyncio.gather(*(self._remove(record, owner) for record in obsolete))
            leftovers = [leftover for leftover in removed if leftover is not None]
            obsolete = [leftover.record for leftover in leftovers]
        await self._write(owner, [*_records(owner, outcomes), *obsolete])
        return leftovers

    async def close(self, work: str, *, abandon: bool = False) -> timedelta | None:
        """Delete an AppliedWork and all that it owns, or, to ``abandon`` its objects, the AppliedWork alone.

        None once it is gone; else for how long it is waited for before its objects are left to
        themselves. Its end comes as a change.
        """
        owner = self._informer.get(work)
        if owner is None:
            self._forget_gone()
            return None
        if owner.metadata.deletion_timestamp is None:
            propagation: Propagation = "Orphan" if abandon else "Foreground"
            await self._member.delete(
                AppliedWork, owner.key, uid=owner.metadata.uid, propagation=propagation, missing_ok=True
            )
            return DELETION_WAIT
        return await self.hasten(owner)

    async def hasten(self, owner: AppliedWork) -> timedelta:
        """Wait for an AppliedWork that is being deleted, but not for ever for objects that do not go.

        The time counts from when this process first saw it go: the clock of the member may be another.
        """
        uid, now = owner.metadata.uid, asyncio.get_running_loop().time()
        left = timedelta(seconds=self._going.setdefault(uid, now + DELETION_WAIT.total_seconds()) - now)
        if left <= timedelta(0) and _FOREGROUND in owner.metadata.finalizers:
            log.warning("objects of a Work do not go; it is let go without them", work=owner.metadata.name)
            finalizers = tuple(each for each in owner.metadata.finalizers if each != _FOREGROUND)
            metadata = msgspec.structs.replace(owner.metadata, finalizers=finalizers)
            await self._member.patch_object(owner, msgspec.structs.replace(owner, metadata=metadata), lock=True)
        return max(left, timedelta(0))

    def _forget_gone(self) -> None:
        present = {each.metadata.uid for each in self._informer.list()}
        self._going = {uid: due for uid, due in self._going.items() if uid in present}

    async def _remove(self, record: AppliedResourceMeta, owner: AppliedWork) -> Leftover | None:
        api_version = f"{record.group}/{record.version}" if record.group else record.version
        try:
            resource = await self._member.mapper.resource(api_version, record.kind)
            await self._objects.remove(resource, (record.namespace, record.name), record.uid, owner)
        except NoSuchKind:
            return None  # the kind has gone, and all its objects with it
        except ApiError as error:
            return Leftover(record, str(error))
        log.info("object removed", kind=record.kind, namespace=record.namespace, name=record.name)
        return None

    async def _write(self, owner: AppliedWork, records: Sequence[AppliedResourceMeta]) -> AppliedWork:
        status = AppliedWorkStatus(applied_resources=tuple(records))
        return await self._member.patch_status(owner, msgspec.structs.replace(owner, status=status))


def _records(owner: AppliedWork, outcomes: Iterable[Outcome]) -> list[AppliedResourceMeta]:
    """What the Work names; what failed now and was applied before is still there."""
    before = {_identity(record): record for record in owner.status.applied_resources}
    records: dict[Identity, AppliedResourceMeta] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.manifest.ordinal):
        manifest = outcome.manifest
        if outcome.applied and outcome.live is not None:
            identifier = msgspec.structs.asdict(manifest.identifier(outcome.resource))
            records[manifest.identity] = AppliedResourceMeta(uid=outcome.live["metadata"]["uid"], **identifier)
        elif manifest.identity in before:
            records.setdefault(manifest.identity, before[manifest.identity])
    return list(records.values())


def _identity(record: AppliedResourceMeta) -> Identity:
    return record.group, record.kind, record.namespace, record.name
