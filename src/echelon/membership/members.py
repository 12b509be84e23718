"""The controller of members.

Joining: finalizer and label, then namespace, rights and InternalMemberCluster, then the status.
Leaving: the agent is asked to leave and says when it has; then what is left in the namespace goes,
then the namespace, then the member. An agent that does not answer is waited for until a deadline.
What was placed on the member stays there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import structlog

from echelon.api import names
from echelon.api.cluster import JOIN, LEAVE, ClusterState, InternalMemberCluster, MemberCluster
from echelon.api.core import Namespace, Role, RoleBinding
from echelon.api.meta import Clock, parse_time
from echelon.api.work import Work
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import NotFound
from echelon.membership import rights
from echelon.membership.report import has_left, member_status

LEAVE_DEADLINE = timedelta(minutes=15)

log = structlog.get_logger(__name__)


class MemberReconciler:
    """Reconciles MemberClusters."""

    def __init__(
        self, client: Client, cache: SharedCache, clock: Clock, leave_deadline: timedelta = LEAVE_DEADLINE
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._leave_deadline = leave_deadline

    async def reconcile(self, request: Request) -> Result | None:
        member = self._cache.get(MemberCluster, request.key)
        if member is None:
            return None
        if member.metadata.deletion_timestamp is not None:
            return await self._leave(member)
        member = await self._hold(member)
        namespace = await self._ensure_namespace(member)
        if namespace.metadata.deletion_timestamp is not None:
            await self._report(member, None, ready=False)  # of an earlier member of this name; it goes first
            return None
        await self._ensure_rights(member)
        internal = await self._ensure_internal(member, JOIN)
        await self._report(member, internal, ready=True)
        return None

    async def _hold(self, member: MemberCluster) -> MemberCluster:
        """The finalizer, and the label by which strategies and overrides can select this one member."""
        metadata = member.metadata
        if names.MEMBER_CLEANUP not in metadata.finalizers:
            metadata = msgspec.structs.replace(metadata, finalizers=(*metadata.finalizers, names.MEMBER_CLEANUP))
        if metadata.labels.get(names.MEMBER_NAME) != metadata.name:
            labels = {**metadata.labels, names.MEMBER_NAME: metadata.name}
            metadata = msgspec.structs.replace(metadata, labels=labels)
        return await self._client.patch_object(member, msgspec.structs.replace(member, metadata=metadata), lock=True)

    async def _ensure_namespace(self, member: MemberCluster) -> Namespace:
        wanted = rights.namespace_of(member)
        present = self._cache.get(Namespace, wanted.key)
        return await self._client.create(wanted) if present is None else present

    async def _ensure_rights(self, member: MemberCluster) -> None:
        role, binding = rights.role_of(member), rights.role_binding_of(member)
        present_role = self._cache.get(Role, role.key)
        if present_role is None:
            await self._client.create(role)
        elif present_role.rules != role.rules:
            await self._client.patch_object(present_role, msgspec.structs.replace(present_role, rules=role.rules))
        present = self._cache.get(RoleBinding, binding.key)
        if present is None:
            await self._client.create(binding)
        elif present.subjects != binding.subjects:
            await self._client.patch_object(present, msgspec.structs.replace(present, subjects=binding.subjects))

    async def _ensure_internal(self, member: MemberCluster, state: ClusterState) -> InternalMemberCluster:
        wanted = rights.internal_member_of(member, state)
        present = self._cache.get(InternalMemberCluster, wanted.key)
        if present is None:
            return await self._client.create(wanted)
        return await self._client.patch_object(present, msgspec.structs.replace(present, spec=wanted.spec))

    async def _report(self, member: MemberCluster, internal: InternalMemberCluster | None, *, ready: bool) -> None:
        status = member_status(
            member.status,
            None if internal is None else internal.status,
            member.metadata.generation,
            self._clock.now(),
            ready=ready,
        )
        await self._client.patch_status(member, msgspec.structs.replace(member, status=status))

    # leaving

    async def _leave(self, member: MemberCluster) -> Result | None:
        if names.MEMBER_CLEANUP not in member.metadata.finalizers:
            return None
        namespace = names.member_namespace(member.metadata.name)
        present = self._cache.get(Namespace, namespace)
        internal = self._cache.get(InternalMemberCluster, (namespace, member.metadata.name))
        if present is not None and present.metadata.deletion_timestamp is None and internal is not None:
            internal = await self._ensure_internal(member, LEAVE)
            wait = self._patience(member)
            if not has_left(internal.status) and wait > timedelta(0):
                await self._report(member, internal, ready=True)
                return Result(requeue_after=wait.total_seconds())
            if not has_left(internal.status):
                log.warning("member did not answer; it leaves without its agent", member=member.metadata.name)
        await self._release_works(self._cache.list(Work, namespace))
        if present is not None:
            if present.metadata.deletion_timestamp is None:
                await self._client.delete(Namespace, namespace, uid=present.metadata.uid, missing_ok=True)
            return None  # its end comes as a change
        finalizers = tuple(f for f in member.metadata.finalizers if f != names.MEMBER_CLEANUP)
        metadata = msgspec.structs.replace(member.metadata, finalizers=finalizers)
        await self._client.patch_object(member, msgspec.structs.replace(member, metadata=metadata), lock=True)
        log.info("member left", member=member.metadata.name)
        return None

    def _patience(self, member: MemberCluster) -> timedelta:
        """How long the agent may still take to leave."""
        assert member.metadata.deletion_timestamp is not None
        asked = parse_time(member.metadata.deletion_timestamp)
        return asked + self._leave_deadline - self._clock.now()

    async def _release_works(self, works: Sequence[Work]) -> None:
        """Take the agent's finalizer off what is left: nobody will act on it any more."""
        for work in works:
            if names.WORK_CLEANUP in work.metadata.finalizers:
                finalizers = tuple(f for f in work.metadata.finalizers if f != names.WORK_CLEANUP)
                metadata = msgspec.structs.replace(work.metadata, finalizers=finalizers)
                try:
                    await self._client.patch_object(work, msgspec.structs.replace(work, metadata=metadata))
                except NotFound:
                    continue
