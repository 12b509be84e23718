"""The work applier: a Work on the hub becomes objects on the member.

A pass applies the manifests wave by wave, removes what the Work no longer names, and reports once at
the end. It comes again when the Work changes, when an object that it applied changes (which is how
it learns that a workload is ready, and how drift is undone), and after a back-off when something
could not be applied.

What was applied belongs to an AppliedWork of the same name on the member; when the Work goes, the
AppliedWork is deleted with everything it owns, and only then the Work is let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog

from echelon.agent.manifests import Manifest, read_manifests
from echelon.agent.objects import ObjectApplier, Outcome
from echelon.agent.waves import in_waves
from echelon.agent.work_status import work_status
from echelon.api import names
from echelon.api.meta import Clock, ObjectMeta
from echelon.api.work import AppliedResourceMeta, AppliedWork, AppliedWorkSpec, AppliedWorkStatus, Work
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import AlreadyExists
from echelon.kube.mapper import NoSuchKind

log = structlog.get_logger(__name__)


class NotApplied(Exception):
    """Some manifests could not be applied; the pass comes again, after a back-off."""


class WorkApplier:
    """Applies the Works of one member."""

    def __init__(
        self,
        hub: Client,
        hub_cache: SharedCache,
        member: Client,
        member_cache: SharedCache,
        objects: ObjectApplier,
        clock: Clock,
        *,
        namespace: str,
        joined: Callable[[], bool],
    ) -> None:
        self._hub = hub
        self._works = hub_cache.informer(Work, namespace=namespace)
        self._member = member
        self._applied = member_cache.informer(AppliedWork)
        self._objects = objects
        self._clock = clock
        self._namespace = namespace
        self._joined = joined

    async def reconcile(self, request: Request) -> Result | None:
        work = self._works.get(request.key)
        if work is None or not self._joined():
            return None
        if work.metadata.deletion_timestamp is not None:
            await self._clean_up(work)
            return None
        work = await self._hold(work)
        owner = await self._ensure_applied_work(work)
        if owner.metadata.deletion_timestamp is not None:
            return None  # of an earlier Work of this name; its end comes as a change
        outcomes = await self._apply(work, owner)
        await self._remove_obsolete(owner, outcomes)
        await self._record(owner, outcomes)
        report = work_status(work.status, outcomes, work.metadata.generation, self._clock.now())
        await self._hub.patch_status(work, msgspec.structs.replace(work, status=report.status))
        failed = [outcome for outcome in outcomes if not outcome.applied and outcome.manifest.problem is None]
        if failed:
            first = failed[0]
            raise NotApplied(
                f"{len(failed)} of {len(outcomes)} manifests could not be applied; the first is "
                f"{first.manifest.kind} {first.manifest.name}: {first.message}"
            )
        return None

    async def _clean_up(self, work: Work) -> None:
        if names.WORK_CLEANUP not in work.metadata.finalizers:
            return
        owner = self._applied.get(work.metadata.name)
        if owner is not None:
            if owner.metadata.deletion_timestamp is None:
                await self._member.delete(
                    AppliedWork, owner.key, uid=owner.metadata.uid, propagation="Foreground", missing_ok=True
                )
            return  # its end comes as a change
        finalizers = tuple(f for f in work.metadata.finalizers if f != names.WORK_CLEANUP)
        metadata = msgspec.structs.replace(work.metadata, finalizers=finalizers)
        await self._hub.patch_object(work, msgspec.structs.replace(work, metadata=metadata), lock=True)

    async def _hold(self, work: Work) -> Work:
        """Works come with the finalizer on; this is for one that somebody made by hand."""
        if names.WORK_CLEANUP in work.metadata.finalizers:
            return work
        finalizers = (*work.metadata.finalizers, names.WORK_CLEANUP)
        metadata = msgspec.structs.replace(work.metadata, finalizers=finalizers)
        return await self._hub.patch_object(work, msgspec.structs.replace(work, metadata=metadata), lock=True)

    async def _ensure_applied_work(self, work: Work) -> AppliedWork:
        present = self._applied.get(work.metadata.name)
        if present is not None:
            return present
        wanted = AppliedWork(
            metadata=ObjectMeta(name=work.metadata.name),
            spec=AppliedWorkSpec(work_name=work.metadata.name, work_namespace=work.metadata.namespace),
        )
        try:
            return await self._member.create(wanted)
        except AlreadyExists:
            return await self._member.get(AppliedWork, wanted.metadata.name)

    async def _apply(self, work: Work, owner: AppliedWork) -> list[Outcome]:
        manifests = read_manifests(work.spec.workload.manifests)
        outcomes: list[Outcome] = []
        for wave in in_waves((m.group, m.kind, m) for m in manifests):
            outcomes += await asyncio.gather(*(self._objects.apply(manifest, owner) for manifest in wave))
        return outcomes

    async def _remove_obsolete(self, owner: AppliedWork, outcomes: Sequence[Outcome]) -> None:
        """Delete what an earlier version of the Work named and this one does not."""
        wanted = {_identity(outcome.manifest) for outcome in outcomes}
        for applied in owner.status.applied_resources:
            if (applied.group, applied.kind, applied.namespace, applied.name) in wanted:
                continue
            api_version = f"{applied.group}/{applied.version}" if applied.group else applied.version
            try:
                resource = await self._member.mapper.resource(api_version, applied.kind)
            except NoSuchKind:
                continue  # the kind has gone, and all its objects with it
            await self._objects.remove(resource, applied.namespace, applied.name, applied.uid)
            log.info("object removed", kind=applied.kind, namespace=applied.namespace, name=applied.name)

    async def _record(self, owner: AppliedWork, outcomes: Sequence[Outcome]) -> None:
        """Remember what was applied; what failed now and was applied before is still there."""
        before = {(r.group, r.kind, r.namespace, r.name): r for r in owner.status.applied_resources}
        records = []
        for outcome in sorted(outcomes, key=lambda outcome: outcome.manifest.ordinal):
            if outcome.live is not None:
                records.append(_record_of(outcome))
            elif _identity(outcome.manifest) in before:
                records.append(before[_identity(outcome.manifest)])
        status = AppliedWorkStatus(applied_resources=tuple(records))
        await self._member.patch_status(owner, msgspec.structs.replace(owner, status=status))


def _identity(manifest: Manifest) -> tuple[str, str, str, str]:
    return manifest.group, manifest.kind, manifest.namespace, manifest.name


def _record_of(outcome: Outcome) -> AppliedResourceMeta:
    assert outcome.live is not None
    identifier = outcome.manifest.identifier(outcome.resource)
    return AppliedResourceMeta(uid=outcome.live["metadata"]["uid"], **msgspec.structs.asdict(identifier))
