"""Leader election by a Lease, so that of several replicas one works.

A candidate takes the lease when nobody holds it, or when its holder has not renewed it for the
lease's duration. Clocks of machines are not compared: a candidate counts from when *it* saw the last
renewal. A leader that cannot renew for ``renew_deadline`` seconds stops being one, which is before
anybody else may start: hence ``retry_period < renew_deadline < lease_duration``.

``is_leader`` asks the clock, not a flag, so it is right even if this process was stopped for an hour
a moment ago. Give ``before_write`` to the client that the controllers write with, and no write
leaves a process that may not lead any more; the elector itself needs another client.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import ClassVar

import msgspec
import structlog

from echelon.api.meta import Clock, KubeObject, ObjectMeta, Resource, SystemClock
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from echelon.kube.kinds import Key
from echelon.kube.metrics import IS_LEADER

JITTER = 0.2  # by how much of itself a retry may come later
RELEASE_TIMEOUT = 5.0

log = structlog.get_logger(__name__)


class LeaseSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("coordination.k8s.io", "v1", "leases", "Lease", True)

    spec: LeaseSpec = LeaseSpec()


class LeadershipLost(Exception):
    """This process was the leader and is not any more."""


class NotLeader(Exception):
    """A write was held back, as this process does not lead."""


class LeaderElector:
    """One candidate for one lease. ``identity`` has to be another in each process."""

    def __init__(
        self,
        client: Client,
        lease: Key,
        identity: str,
        *,
        lease_duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry_period: float = 2.0,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        if not retry_period * (1 + JITTER) < renew_deadline < lease_duration:
            raise ValueError(
                f"retry period {retry_period} s, renew deadline {renew_deadline} s and lease duration "
                f"{lease_duration} s: each has to be shorter than the next, the first by a fifth"
            )
        self._client = client
        self._key = lease
        self._identity = identity
        self._lease_duration = lease_duration
        self._renew_deadline = renew_deadline
        self._retry_period = retry_period
        self._clock = clock or SystemClock()
        self._rng = rng or Random()
        self._leads_until = float("-inf")
        self._leading = asyncio.Event()
        self._seen: LeaseSpec | None = None
        self._seen_at = 0.0
        self._unsure = False  # whether a write may have taken place whose answer has not come
        self._gauge = IS_LEADER.labels("/".join(lease))
        self._log = log.bind(lease="/".join(lease), identity=identity)

    @property
    def is_leader(self) -> bool:
        """Whether nobody else can be the leader at this moment."""
        return asyncio.get_running_loop().time() < self._leads_until

    def before_write(self, method: str, path: str) -> None:
        """The check before each write of a client. Raises NotLeader."""
        if not self.is_leader:
            raise NotLeader(f"{method} {path} held back: {self._identity} does not lead")

    async def wait_until_leading(self) -> None:
        await self._leading.wait()

    async def run(self) -> None:
        """Become the leader, stay it, and give the lease back when cancelled.

        Raises:
            LeadershipLost: the lease could not be renewed in time, or somebody else has it.
        """
        try:
            await self._become_leader()
            self._log.info("leading")
            self._leading.set()
            self._gauge.set(1)
            await self._keep_leading()
        except asyncio.CancelledError:
            if self.is_leader or self._unsure:
                await self._release()
            raise
        finally:
            self._gauge.set(0)
            self._leading.clear()
            self._leads_until = float("-inf")

    async def _become_leader(self) -> None:
        while True:
            if await self._try_to_lead():
                return
            await asyncio.sleep(self._retry_delay())

    async def _keep_leading(self) -> None:
        while True:
            try:
                async with asyncio.timeout_at(self._leads_until):
                    await asyncio.sleep(self._retry_delay())
                    await self._try_to_lead()
            except TimeoutError as error:
                raise LeadershipLost(f"could not renew the lease for {self._renew_deadline:g} s") from error
            if not self.is_leader:
                holder = self._seen.holder_identity if self._seen else None
                raise LeadershipLost(f"the lease is held by {holder or 'nobody'}")

    def _retry_delay(self) -> float:
        return self._retry_period * (1 + JITTER * self._rng.random())

    async def _try_to_lead(self) -> bool:
        """Take or renew the lease; False when it is another's or the server cannot be asked."""
        begun = asyncio.get_running_loop().time()
        try:
            written = await self._take()
        except (AlreadyExists, Conflict):
            self._unsure = False
            return False  # somebody was faster; the next try sees who
        except ApiError as error:
            self._log.warning("cannot use the lease", reason=error.reason, error=error.message)
            return False
        self._unsure = False
        if written:
            self._leads_until = begun + self._renew_deadline
        return written

    async def _take(self) -> bool:
        try:
            lease = await self._client.get(Lease, self._key)
        except NotFound:
            self._unsure = True
            namespace, name = self._key
            metadata = ObjectMeta(name=name, namespace=namespace)
            await self._client.create(Lease(metadata=metadata, spec=self._spec(None)))
            return True
        self._look_at(lease.spec)
        if lease.spec.holder_identity not in (None, "", self._identity):
            self._leads_until = float("-inf")
            if not self._has_lapsed():
                return False
        spec = self._spec(lease.spec)
        self._unsure = True
        await self._client.patch_object(lease, msgspec.structs.replace(lease, spec=spec), lock=True)
        return True

    def _look_at(self, spec: LeaseSpec) -> None:
        if spec != self._seen:
            self._seen, self._seen_at = spec, asyncio.get_running_loop().time()

    def _has_lapsed(self) -> bool:
        assert self._seen is not None
        duration = self._seen.lease_duration_seconds or self._lease_duration
        return asyncio.get_running_loop().time() >= self._seen_at + duration

    def _spec(self, before: LeaseSpec | None) -> LeaseSpec:
        now = _micro_time(self._clock.now())
        transitions = (before and before.lease_transitions) or 0
        if before is not None and before.holder_identity == self._identity:
            return msgspec.structs.replace(before, renew_time=now)
        return LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=round(self._lease_duration),
            acquire_time=now,
            renew_time=now,
            lease_transitions=transitions + 1 if before is not None else 0,
        )

    async def _release(self) -> None:
        """Let another candidate begin at once; if that fails, it begins when the lease has lapsed."""
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT):
                lease = await self._client.get(Lease, self._key)
                if lease.spec.holder_identity == self._identity:
                    spec = msgspec.structs.replace(lease.spec, holder_identity="", lease_duration_seconds=1)
                    await self._client.patch_object(lease, msgspec.structs.replace(lease, spec=spec), lock=True)
        except (ApiError, TimeoutError) as error:
            self._log.warning("could not release the lease", error=str(error) or "no answer in time")


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
