"""The controller of members.

Joining: finalizer and label, then namespace, rights and InternalMemberCluster, then the status.
Leaving: the agent is asked to leave and says when it has; then what is left in the namespace goes,
then the namespace, then the member. An agent that does not answer is waited for until a deadline.
What was placed on the member stays there, unless the annotation ``on-leave`` says that it is to be deleted:
then the agent is asked to leave once it has removed everything. The annotation can also say that nobody
waits for the agent.

A member that cannot join says why in its condition ReadyToJoin, and is looked at again when that changes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import structlog

from echelon.api import names
from echelon.api.cluster import JOIN, LEAVE, ClusterState, InternalMemberCluster, MemberCluster
from echelon.api.core import Namespace, Role, RoleBinding
from echelon.api.meta import Clock, OwnerReference, parse_time
from echelon.api.work import Work
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import NotFound
from echelon.membership import rights
from echelon.membership.exports import ServiceExports
from echelon.membership.report import READY, Readiness, has_left, member_status

LEAVE_DEADLINE = timedelta(minutes=15)

_NAMESPACE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_NAME = 63 - len(names.MEMBER_NAMESPACE_PREFIX)

log = structlog.get_logger(__name__)


class MemberReconciler:
    """Reconciles MemberClusters."""

    def __init__(
        self,
        client: Client,
        cache: SharedCache,
        exports: ServiceExports,
        clock: Clock,
        leave_deadline: timedelta = LEAVE_DEADLINE,
    ) -> None:
        self._client = client
        self._cache = cache
        self._exports = exports
        self._clock = clock
        self._leave_deadline = leave_deadline

    async def reconcile(self, request: Request) -> Result | None:
        member = self._cache.get(MemberCluster, request.key)
        if member is None:
            return None
        if member.metadata.deletion_timestamp is not None:
            return await self._leave(member)
        if problem := name_problem(member.metadata.name):
            await self._report(member, None, Readiness(ready=False, message=problem))
            return None
        member = await self._hold(member)
        namespace = await self._ensure_namespace(member)
        if namespace.metadata.deletion_timestamp is not None:
            why = f"The namespace {namespace.metadata.name} of an earlier member is being deleted"
            await self._report(member, None, Readiness(ready=False, message=why))
            return None  # its end comes as a change
        await self._ensure_rights(member)
        internal = await self._ensure_internal(member, JOIN)
        await self._report(member, internal, READY)
        return None

    # joining

    async def _hold(self, member: MemberCluster) -> MemberCluster:
        """The finalizer, and the label by which strategies and overrides can select this one member."""
        metadata = member.metadata
        if names.MEMBER_CLEANUP not in metadata.finalizers:
            metadata = msgspec.structs.replace(metadata, finalizers=(*metadata.finalizers, names.MEMBER_CLEANUP))
        if metadata.labels.get(names.MEMBER_NAME) != metadata.name:
            labels = {**metadata.labels, names.MEMBER_NAME: metadata.name}
            metadata = msgspec.structs.replace(metadata, labels=labels)
        if metadata is member.metadata:
            return member
        return await self._client.patch_object(member, msgspec.structs.replace(member, metadata=metadata), lock=True)

    async def _ensure_namespace(self, member: MemberCluster) -> Namespace:
        """The member's namespace; one that is there, of an earlier member or made by hand, becomes this member's."""
        wanted = rights.namespace_of(member)
        present = self._cache.get(Namespace, wanted.key)
        if present is None:
            return await self._client.create(wanted)
        labels = {**present.metadata.labels, **wanted.metadata.labels}
        owners = _with_owner(present.metadata.owner_references, wanted.metadata.owner_references[0])
        if present.metadata.deletion_timestamp or (labels, owners) == (
            present.metadata.labels,
            present.metadata.owner_references,
        ):
            return present
        metadata = msgspec.structs.replace(present.metadata, labels=labels, owner_references=owners)
        return await self._client.patch_object(present, msgspec.structs.replace(present, metadata=metadata), lock=True)

    async def _ensure_rights(self, member: MemberCluster) -> None:
        role, binding = rights.role_of(member), rights.role_binding_of(member)
        present_role = self._cache.get(Role, role.key)
        if present_role is None:
            await self._client.create(role)
        elif present_role.rules != role.rules:
            await self._client.patch_object(present_role, msgspec.structs.replace(present_role, rules=role.rules))
        present = self._cache.get(RoleBinding, binding.key)
        if present is not None and present.role_ref != binding.role_ref:
            await self._client.delete(
                RoleBinding, binding.key, uid=present.metadata.uid
            )  # a role_ref cannot be changed
            present = None
        if present is None:
            await self._client.create(binding)
        elif present.subjects != binding.subjects:
            await self._client.patch_object(present, msgspec.structs.replace(present, subjects=binding.subjects))

    async def _ensure_internal(self, member: MemberCluster, state: ClusterState) -> InternalMemberCluster:
        wanted = rights.internal_member_of(member, state)
        present = self._cache.get(InternalMemberCluster, wanted.key)
        if present is None:
            return await self._client.create(wanted)
        if present.spec == wanted.spec:
            return present
        return await self._client.patch_object(present, msgspec.structs.replace(present, spec=wanted.spec))

    async def _report(
        self, member: MemberCluster, internal: InternalMemberCluster | None, readiness: Readiness
    ) -> None:
        status = member_status(
            member.status,
            None if internal is None else internal.status,
            member.metadata.generation,
            self._clock.now(),
            readiness,
        )
        await self._client.patch_status(member, msgspec.structs.replace(member, status=status))

    # leaving

    async def _leave(self, member: MemberCluster) -> Result | None:
        """Ask the agent to leave; then remove what the hub keeps of the member, then the member."""
        if names.MEMBER_CLEANUP not in member.metadata.finalizers:
            return None
        namespace = names.member_namespace(member.metadata.name)
        present = self._cache.get(Namespace, namespace)
        internal = self._cache.get(InternalMemberCluster, (namespace, member.metadata.name))
        if present is not None and present.metadata.deletion_timestamp is None and internal is not None:
            if exported := await self._held_by_exports(member, namespace):
                why = f"The member cannot leave while it exports the services {', '.join(exported)}"
                await self._report(member, internal, Readiness(ready=False, message=why))
                return None  # the end of the last one comes as a change
            wait = self._patience(member)
            if not has_left(internal.status) and wait > timedelta(0) and (left := await self._remove_works(member)):
                why = f"The member's agent is to remove what was placed there: {left} Works are left"
                await self._report(member, internal, Readiness(ready=False, message=why))
                return Result(requeue_after=wait.total_seconds())
            internal = await self._ensure_internal(member, LEAVE)
            if not has_left(internal.status) and wait > timedelta(0):
                await self._report(member, internal, Readiness(ready=False, message="The member's agent is to leave"))
                return Result(requeue_after=wait.total_seconds())
            if not has_left(internal.status):
                log.warning("member did not answer; it leaves without its agent", member=member.metadata.name)
        await self._release_works(self._cache.list(Work, namespace))
        if present is not None and _belongs_to(present, member):
            if present.metadata.deletion_timestamp is None:
                await self._client.delete(Namespace, namespace, uid=present.metadata.uid, missing_ok=True)
            why = f"The member leaves as soon as its namespace {namespace} is gone"
            await self._report(member, internal, Readiness(ready=False, message=why))
            return None  # its end comes as a change
        finalizers = tuple(f for f in member.metadata.finalizers if f != names.MEMBER_CLEANUP)
        metadata = msgspec.structs.replace(member.metadata, finalizers=finalizers)
        await self._client.patch_object(member, msgspec.structs.replace(member, metadata=metadata), lock=True)
        log.info("member left", member=member.metadata.name)
        return None

    async def _held_by_exports(self, member: MemberCluster, namespace: str) -> Sequence[str]:
        """Services that other members may be using; with validationMode Skip nobody asks."""
        options = member.spec.delete_options
        if options is not None and options.validation_mode == "Skip":
            return ()
        return await self._exports.of(namespace)

    def _patience(self, member: MemberCluster) -> timedelta:
        """How long the agent may still take to leave."""
        assert member.metadata.deletion_timestamp is not None
        if member.metadata.annotations.get(names.ON_LEAVE) == names.LEAVE_FORCED:
            return timedelta(0)
        asked = parse_time(member.metadata.deletion_timestamp)
        return asked + self._leave_deadline - self._clock.now()

    async def _remove_works(self, member: MemberCluster) -> int:
        """Where what was placed is to go with the member, delete its Works; how many the agent still has to let go."""
        if member.metadata.annotations.get(names.ON_LEAVE) != names.LEAVE_DELETE:
            return 0
        works = self._cache.list(Work, names.member_namespace(member.metadata.name))
        for work in works:
            if work.metadata.deletion_timestamp is None:
                await self._client.delete(Work, work.key, uid=work.metadata.uid, missing_ok=True)
        return len(works)

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


def name_problem(member: str) -> str | None:
    """Why a member of this name can have no namespace of its own, if so."""
    if _NAMESPACE_NAME.fullmatch(names.member_namespace(member)):
        return None
    if len(member) > _LONGEST_NAME:
        return (
            f"The name has {len(member)} characters; {_LONGEST_NAME} are the most for which "
            f"{names.MEMBER_NAMESPACE_PREFIX}<name> is a valid name of a namespace"
        )
    return (
        f"{names.member_namespace(member)!r} is no valid name of a namespace: use a-z, 0-9 and - for the member's name"
    )


def _belongs_to(namespace: Namespace, member: MemberCluster) -> bool:
    """Whether a namespace was made for this very member, not by hand for another purpose."""
    return any(reference.uid == member.metadata.uid for reference in namespace.metadata.owner_references)


def _with_owner(references: Sequence[OwnerReference], owner: OwnerReference) -> Sequence[OwnerReference]:
    """The owners with this one, and without an earlier member of its name."""
    if any(reference.uid == owner.uid for reference in references):
        return references
    others = (each for each in references if (each.kind, each.name) != (owner.kind, owner.name))
    return (*others, owner)
