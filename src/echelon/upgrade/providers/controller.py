"""The controller of ClusterUpgrades: brings each to its end by way of its member's provider.

First it is found out what there is to do (see ``assessment``): what cannot be done fails, what has
nothing to do is skipped, what something stands in the way of stays Pending and is looked at again when
that changes. Then the upgrade is made Running, and only after that the platform is asked, with a key
that follows from the upgrade: a crash between the two makes the next start ask again, which starts
nothing twice. From there on the platform's progress is followed: by watching where that is possible,
else by asking less and less often.

An upgrade that is deleted is called off if the platform has not begun; what it has begun goes on.
Failures of a provider that can pass are waited out with back-off, others end the upgrade.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import structlog

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.meta import Clock, parse_time
from echelon.api.upgrade import ClusterUpgrade, ClusterUpgradeStatus
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.upgrade.catalogue import Catalogue
from echelon.upgrade.providers import status as statuses
from echelon.upgrade.providers.assessment import Begin, Done, Offers, Refuse, Skip, Wait, assess, work_left
from echelon.upgrade.providers.contract import (
    Code,
    Finding,
    Member,
    Observation,
    Operation,
    Progress,
    Provider,
    ProviderError,
)
from echelon.upgrade.providers.followers import Followers
from echelon.upgrade.providers.registry import Registry
from echelon.upgrade.providers.settings import ProviderSettings

UPGRADE_CLEANUP = names.OWN_PREFIX + "cluster-upgrade-cleanup"
"""Finalizer: an operation of a platform may have to be called off."""

log = structlog.get_logger(__name__)


class _Subject(msgspec.Struct, frozen=True):
    """What a pass is about."""

    request: Request
    upgrade: ClusterUpgrade
    member: Member
    provider: Provider

    @property
    def key(self) -> str:
        """Stands for this attempt of the upgrade, at any time and in any process."""
        return f"{self.upgrade.metadata.uid}-{self.upgrade.spec.attempt}"


class _Seen(msgspec.Struct):
    """What is remembered of an upgrade between passes; forgetting it costs time, nothing else."""

    tries: int = 0
    written_at: float = 0.0
    progress: Progress | None = None
    moved_at: float = 0.0


class ClusterUpgradeReconciler:
    """Reconciles ClusterUpgrades whose provider is built in."""

    def __init__(
        self,
        client: Client,
        cache: SharedCache,
        registry: Registry,
        catalogue: Callable[[], Catalogue],
        settings: ProviderSettings,
        clock: Clock,
        wake: Callable[[Request], None],
    ) -> None:
        self._client = client
        self._cache = cache
        self._registry = registry
        self._catalogue = catalogue
        self._settings = settings
        self._clock = clock
        self.followers = Followers(wake)
        self._seen: dict[Request, _Seen] = {}

    async def reconcile(self, request: Request) -> Result | None:
        upgrade = self._cache.get(ClusterUpgrade, request.key)
        if upgrade is None or statuses.is_final(upgrade):
            self._forget(request)
        if upgrade is None:
            return None
        subject = self._subject(request, upgrade)
        if upgrade.metadata.deletion_timestamp is not None:
            await self._let_go(upgrade, subject)
            return None
        if statuses.is_final(upgrade):
            return None
        if subject is None:
            await self._say_that_nobody_is_there(upgrade)
            return None
        try:
            if upgrade.status.state == "Pending":
                result = await self._look(subject)
            elif not upgrade.status.operation_id:
                result = await self._start_again(subject)
            else:
                result = await self._follow(subject, upgrade.status.operation_id)
        except ProviderError as error:
            return await self._trouble(subject, error)
        return result

    def _subject(self, request: Request, upgrade: ClusterUpgrade) -> _Subject | None:
        name = names.member_of_namespace(request.namespace) or ""
        cluster = self._cache.get(MemberCluster, name)
        known = "" if cluster is None else cluster.metadata.annotations.get(names.CLUSTER_RESOURCE_ID, "")
        resource_id = upgrade.spec.cluster_resource_id or known
        provider = self._registry.find(resource_id)
        if provider is None:
            return None
        return _Subject(request, upgrade, Member(name=name, cluster_resource_id=resource_id), provider)

    async def _say_that_nobody_is_there(self, upgrade: ClusterUpgrade) -> None:
        """Once, and only if no provider from elsewhere has said anything yet."""
        if upgrade.status != ClusterUpgradeStatus():
            return
        schemes = ", ".join(self._registry.schemes) or "none"
        resource_id = upgrade.spec.cluster_resource_id or "no cluster resource id"
        message = f"Waiting for a provider for {resource_id}; built into this hub: {schemes}"
        await self._write(upgrade, statuses.pending(upgrade, message), lock=True)

    # before it begins

    async def _look(self, subject: _Subject) -> Result | None:
        """See what there is to do, and begin if nothing is in the way."""
        upgrade = subject.upgrade
        seen = await subject.provider.observe(subject.member)
        offers = await self._offers(subject, seen)
        outcome = assess(upgrade.spec, seen, offers, await_start=self._settings.stopped_clusters == "Wait")
        match outcome:
            case Skip(message):
                await self._end(subject, statuses.skipped(upgrade, message, self._clock.now()))
            case Done(message):
                await self._end(subject, statuses.completed(upgrade, message, self._clock.now()))
            case Refuse(code, message):
                await self._end(subject, statuses.failed(upgrade, code, message, self._clock.now()))
            case Wait():
                return await self._wait(subject, outcome)
            case Begin(operation, left):
                findings = await subject.provider.preflight(subject.member, operation)
                error = next((finding for finding in findings if finding.severity == "Error"), None)
                if error is not None:
                    return await self._object(subject, error)
                return await self._begin(subject, operation, "; ".join(filter(None, [left, *_warnings(findings)])))
        return None

    async def _offers(self, subject: _Subject, seen: Observation) -> Offers:
        provider, member = subject.provider, subject.member
        return Offers(
            versions=await provider.versions(member, seen.region),
            images=await provider.node_images(member, seen.region),
        )

    async def _wait(self, subject: _Subject, wait: Wait) -> Result | None:
        """Stay Pending until what stands in the way has gone."""
        await self._write(subject.upgrade, statuses.pending(subject.upgrade, wait.message, wait.code))
        if not subject.provider.watches or wait.code is Code.STOPPED:
            return self._retry(subject)
        if wait.handle:
            progress = self.followers.follow(subject.request, subject.provider, subject.member, wait.handle)
            return self._retry(subject) if progress is not None and progress.ended else None
        publication = self._catalogue().next_publication
        if publication is None:
            return None  # until a catalogue changes, which is watched
        return Result(requeue_after=max(0.0, (publication - self._clock.now()).total_seconds()))

    async def _object(self, subject: _Subject, finding: Finding) -> Result | None:
        """A platform's preflight has found something that stands in the way."""
        upgrade, code, message = subject.upgrade, finding.code, finding.message
        if not finding.retryable and finding.not_before is None:
            await self._end(subject, statuses.failed(upgrade, code, message, self._clock.now()))
            return None
        await self._write(upgrade, statuses.pending(upgrade, message, code, finding.not_before))
        if finding.not_before is None:
            return self._retry(subject)
        return Result(requeue_after=max(0.0, (finding.not_before - self._clock.now()).total_seconds()))

    async def _begin(self, subject: _Subject, operation: Operation, left: str) -> Result | None:
        """Note that it is about to start, and start. A deletion meanwhile makes the note fail."""
        upgrade = await self._hold(subject.upgrade)
        upgrade = await self._write(upgrade, statuses.starting(upgrade, left, self._clock.now()), lock=True)
        return await self._start(msgspec.structs.replace(subject, upgrade=upgrade), operation)

    async def _hold(self, upgrade: ClusterUpgrade) -> ClusterUpgrade:
        if UPGRADE_CLEANUP in upgrade.metadata.finalizers:
            return upgrade
        finalizers = (*upgrade.metadata.finalizers, UPGRADE_CLEANUP)
        metadata = msgspec.structs.replace(upgrade.metadata, finalizers=finalizers)
        return await self._client.patch_object(upgrade, msgspec.structs.replace(upgrade, metadata=metadata), lock=True)

    async def _start_again(self, subject: _Subject) -> Result | None:
        """The platform may or may not have been asked: ask it, with the same key."""
        seen = await subject.provider.observe(subject.member)
        return await self._start(subject, work_left(subject.upgrade.spec, seen, await self._offers(subject, seen)))

    async def _start(self, subject: _Subject, operation: Operation) -> Result | None:
        handle = await subject.provider.start(subject.member, operation, subject.key)
        log.info("upgrade started", member=subject.member.name, operation=handle)
        upgrade = await self._write(
            subject.upgrade, statuses.running(subject.upgrade, Progress(state="Queued"), handle)
        )
        self._forget(subject.request)
        return await self._follow(msgspec.structs.replace(subject, upgrade=upgrade), handle)

    # while it runs

    async def _follow(self, subject: _Subject, handle: str) -> Result | None:
        provider = subject.provider
        if provider.watches:
            progress = self.followers.follow(subject.request, provider, subject.member, handle)
            if progress is None:
                return None  # until the watch tells
        else:
            progress = await provider.poll(subject.member, handle)
        if progress.ended:
            log.info("upgrade ended", member=subject.member.name, operation=handle, state=progress.state)
            await self._end(subject, statuses.ended(subject.upgrade, progress, self._clock.now()))
            return None
        return await self._report(subject, progress, progress.handle or handle)

    async def _report(self, subject: _Subject, progress: Progress, handle: str) -> Result | None:
        """Write how far it is, not too often, and see that it gets on."""
        seen, now = self._remember(subject.request), self._clock.now().timestamp()
        if seen.progress != progress:
            seen.progress, seen.tries = progress, 0
            seen.moved_at = parse_time(progress.changed).timestamp() if progress.changed else now
        idle = now - seen.moved_at
        if idle >= self._settings.give_up_after:
            await self._give_up(subject, progress, idle)
            return None
        status = statuses.running(subject.upgrade, progress, handle)
        deadline = self._settings.give_up_after - idle
        if idle >= self._settings.stalled_after:
            status = statuses.troubled(subject.upgrade, Code.TIMEOUT, _stalled(progress, self._settings.stalled_after))
        else:
            deadline = min(deadline, self._settings.stalled_after - idle)
        delay = seen.written_at + self._settings.progress_interval - now
        if status != subject.upgrade.status and (delay <= 0 or handle != subject.upgrade.status.operation_id):
            seen.written_at = now
            await self._write(subject.upgrade, status)
        elif status != subject.upgrade.status:
            deadline = min(deadline, delay)
        if not subject.provider.watches:
            deadline = min(deadline, self._settings.polling.delay(seen.tries))
            seen.tries += 1
        return Result(requeue_after=deadline)

    async def _give_up(self, subject: _Subject, progress: Progress, idle: float) -> None:
        message = f"{_stalled(progress, idle)}; the platform may still be at it"
        await self._end(subject, statuses.failed(subject.upgrade, Code.TIMEOUT, message, self._clock.now()))

    # ends

    async def _end(self, subject: _Subject, status: ClusterUpgradeStatus) -> None:
        await self._write(subject.upgrade, status)
        self._forget(subject.request)

    async def _let_go(self, upgrade: ClusterUpgrade, subject: _Subject | None) -> None:
        """The upgrade is deleted: call off what has not begun."""
        if UPGRADE_CLEANUP not in upgrade.metadata.finalizers:
            return
        handle = upgrade.status.operation_id
        if subject is not None and handle and not statuses.is_final(upgrade):
            try:
                called_off = await subject.provider.abort(subject.member, handle)
                log.info("upgrade deleted", member=subject.member.name, operation=handle, called_off=called_off)
            except ProviderError as error:
                if error.retryable and self._is_there(subject.member):
                    raise
        self._forget(Request(*upgrade.key))
        finalizers = tuple(f for f in upgrade.metadata.finalizers if f != UPGRADE_CLEANUP)
        metadata = msgspec.structs.replace(upgrade.metadata, finalizers=finalizers)
        await self._client.patch_object(upgrade, msgspec.structs.replace(upgrade, metadata=metadata), lock=True)

    def _is_there(self, member: Member) -> bool:
        cluster = self._cache.get(MemberCluster, member.name)
        return cluster is not None and cluster.metadata.deletion_timestamp is None

    async def _trouble(self, subject: _Subject, error: ProviderError) -> Result | None:
        """A call failed: try again later if that may help."""
        log.warning("provider failed", member=subject.member.name, code=str(error.code), error=error.message)
        upgrade = self._cache.get(ClusterUpgrade, subject.request.key) or subject.upgrade
        if not error.retryable:
            await self._end(subject, statuses.failed(upgrade, error.code, error.message, self._clock.now()))
            return None
        await self._write(upgrade, statuses.troubled(upgrade, error.code, error.message))
        return self._retry(subject, error.retry_after or 0.0)

    def _retry(self, subject: _Subject, at_least: float = 0.0) -> Result:
        seen = self._remember(subject.request)
        seen.tries += 1
        return Result(requeue_after=max(at_least, self._settings.retry.delay(seen.tries - 1)))

    # what is written and remembered

    async def _write(
        self, upgrade: ClusterUpgrade, status: ClusterUpgradeStatus, *, lock: bool = False
    ) -> ClusterUpgrade:
        return await self._client.patch_status(upgrade, msgspec.structs.replace(upgrade, status=status), lock=lock)

    def _remember(self, request: Request) -> _Seen:
        return self._seen.setdefault(request, _Seen())

    def _forget(self, request: Request) -> None:
        self.followers.stop(request)
        self._seen.pop(request, None)


def _warnings(findings: Sequence[Finding]) -> Sequence[str]:
    """What a platform has to say that is no obstacle; it stays with the upgrade."""
    return [f"Warning: {finding.message}" for finding in findings if finding.severity == "Warning"]


def _stalled(progress: Progress, seconds: float) -> str:
    where = f": {progress.message}" if progress.message else ""
    return f"No progress for {timedelta(seconds=round(seconds))}{where}"
