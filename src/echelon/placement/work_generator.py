"""Work generation: a binding that was given a snapshot becomes Works, and their reports become its status.

Acts on bindings in state Bound whose rollout was started; one that is Unscheduled keeps what it has
and goes on reporting. A rollout that was carried out stays so when the scheduler points the binding
to another policy, since the Works still are what it calls for. A member that answers at once costs
the hub one write of the binding's status: work generation gives the report a moment
(``report_delay``) before it writes that the member is still busy.

What cannot be made (an override does not fit, an envelope holds what it must not, the snapshot is gone)
leaves the Works as they are and is said on the binding; it is tried again when a snapshot changes. Works are
made from the labels that the member had when the binding was given its overrides: see ``overrides.choice``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from echelon.api import names
from echelon.api.binding import BOUND, UNSCHEDULED, ResourceBindingStatus
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import OVERRIDDEN, ROLLOUT_STARTED, WORK_SYNCHRONIZED, find_condition
from echelon.api.meta import Clock, KubeObject
from echelon.api.placement import NamespacedName, ReportBackStrategy
from echelon.api.work import Work
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, TooManyRequests
from echelon.kube.informer import Change
from echelon.kube.kinds import Key
from echelon.placement import work as works
from echelon.placement.envelopes import BadEnvelope
from echelon.placement.index import Related, binding_key, placement_key
from echelon.placement.keeper import SnapshotKeeper, index_of
from echelon.placement.overrides.choice import NoSuchSnapshot, Overrides, labels_noted
from echelon.placement.overrides.patching import Member, OverrideFailed, label_keys
from echelon.placement.pace import remaining
from echelon.placement.rendering import SnapshotView, TooLarge, render
from echelon.placement.scope import Binding, Placement, Scope, Snapshot
from echelon.placement.settings import PlacementSettings


class WorkGenerator:
    """Generates the Works of one scope's bindings."""

    def __init__(
        self,
        client: Client,
        cache: SharedCache,
        related: Related,
        keeper: SnapshotKeeper,
        overrides: Overrides,
        scope: Scope,
        settings: PlacementSettings,
        clock: Clock,
    ) -> None:
        self._client = client
        self._cache = cache
        self._related = related
        self._keeper = keeper
        self._overrides = overrides
        self._scope = scope
        self._settings = settings
        self._clock = clock
        self._report_due: dict[Key, float] = {}

    async def reconcile(self, request: Request) -> Result | None:
        binding = self._related.binding(request.key)
        if binding is None:
            self._report_due.pop(request.key, None)
            return None
        have = self._related.works(request.key)
        if binding.metadata.deletion_timestamp is not None:
            await self._clean_up(binding, have)
            return None
        member = self._cache.get(MemberCluster, binding.spec.target_cluster)
        if member is None or _takes_nothing(member, have):
            await self._forget_report(binding)
            return None  # the namespace goes with the member
        if binding.spec.state == UNSCHEDULED:
            return await self._report(binding, have, busy=False) if have else None
        if binding.spec.state != BOUND:
            return None
        try:
            wanted = self._wanted(binding, have)
        except (NoSuchSnapshot, OverrideFailed) as problem:
            await self._fail(binding, OVERRIDDEN, problem)
            return None
        except (BadEnvelope, TooLarge) as problem:
            await self._fail(binding, WORK_SYNCHRONIZED, problem)
            return None
        if wanted is None:
            await self._say_what_is_missing(binding)
            return None  # its arrival comes as a change
        if not (_started(binding) or _carried_out(binding, wanted, have)):
            return None
        binding = await self._hold(binding)
        try:
            wrote = await self._synchronize(wanted, have)
        except ApiError as problem:
            if _is_refusal(problem):
                await self._fail(binding, WORK_SYNCHRONIZED, problem)
            raise
        keys = {work.key for work in wanted}
        have = [work for work in self._related.works(request.key) if work.key in keys]
        return await self._report(binding, have, busy=wrote)

    def made(self, change: Change[Work]) -> bool:
        """Whether a Work is for a binding of this scope."""
        work = change.new or change.old
        return work is None or bool(binding_key(work)[0]) is self._scope.binding.resource.namespaced

    def of_placement(self, placement: KubeObject) -> Iterable[Request]:
        """The bindings of a placement."""
        return [Request(*binding.key) for binding in self._related.bindings(placement.key)]

    def naming(self, snapshot: KubeObject) -> Iterable[Request]:
        """The bindings that name a snapshot of an override."""
        name = snapshot.metadata.name
        reference = NamespacedName(name=name, namespace=snapshot.metadata.namespace)
        return [
            Request(*binding.key)
            for placement in self._related.placements()
            for binding in self._related.bindings(placement.key)
            if reference in binding.spec.resource_override_snapshots
            or (not reference.namespace and name in binding.spec.cluster_resource_override_snapshots)
        ]

    async def _forget_report(self, binding: Binding) -> None:
        """Report nothing any more of a member that has left: nobody knows what is there."""
        self._report_due.pop(binding.key, None)
        forgotten = msgspec.structs.replace(binding, status=ResourceBindingStatus())
        await self._client.patch_status(binding, forgotten, lock=True)

    async def _clean_up(self, binding: Binding, have: Sequence[Work]) -> None:
        """Delete the Works and let the binding go once the member has removed, or abandoned, what they placed."""
        abandon = is_abandoned(self._related.placement(placement_key(binding)))
        for work in have:
            if work.metadata.deletion_timestamp is None:
                if abandon:
                    await self._abandon(work)
                await self._client.delete(Work, work.key, uid=work.metadata.uid, missing_ok=True)
        if have or names.WORK_CLEANUP not in binding.metadata.finalizers:
            return
        rest = tuple(f for f in binding.metadata.finalizers if f != names.WORK_CLEANUP)
        metadata = msgspec.structs.replace(binding.metadata, finalizers=rest)
        await self._client.patch_object(binding, msgspec.structs.replace(binding, metadata=metadata), lock=True)

    async def _abandon(self, work: Work) -> None:
        """Tell the agent that the objects of a Work stay when it goes."""
        annotations = {**work.metadata.annotations, names.ABANDONED: "true"}
        metadata = msgspec.structs.replace(work.metadata, annotations=annotations)
        await self._client.patch_object(work, msgspec.structs.replace(work, metadata=metadata))

    async def _hold(self, binding: Binding) -> Binding:
        """Who gives a binding its snapshot puts the finalizer on with it; this is for those who did not."""
        if names.WORK_CLEANUP in binding.metadata.finalizers:
            return binding
        finalizers = (*binding.metadata.finalizers, names.WORK_CLEANUP)
        metadata = msgspec.structs.replace(binding.metadata, finalizers=finalizers)
        return await self._client.patch_object(binding, msgspec.structs.replace(binding, metadata=metadata), lock=True)

    def _wanted(self, binding: Binding, have: Sequence[Work]) -> list[Work] | None:
        """The Works that the binding calls for, None while the snapshot that it names is not there.

        Raises:
            NoSuchSnapshot: an override that it names is gone, and its Works were not made from it yet.
            OverrideFailed: an override cannot be applied.
            BadEnvelope: the content of an envelope cannot be placed.
            TooLarge: a Work could not be stored.
        """
        namespace, placement = placement_key(binding)
        master = self._related.snapshot((namespace, binding.spec.resource_snapshot_name))
        parts = None if master is None else self._keeper.parts((namespace, placement), index_of(master))
        made = works.made_from(binding.spec, have)
        if master is None or parts is None:
            return made if made and _is_synchronized(binding) else None
        try:
            overrides = self._overrides.named(binding.spec)
        except NoSuchSnapshot:
            if not made:
                raise
            return made
        labels = self._labels(binding, made)
        content = render(
            [_view(part) for part in parts],
            overrides,
            Member(binding.spec.target_cluster, labels),
            enveloped=master.metadata.annotations.get(names.NUMBER_OF_ENVELOPES) != "0",
        )
        used = label_keys(overrides)
        origin = works.Origin(
            binding_name=binding.metadata.name,
            binding=binding.spec,
            placement=placement,
            namespace=namespace,
            labels={key: value for key, value in labels.items() if key in used} if overrides else None,
            report_back=report_back_of(self._related.placement((namespace, placement))),
        )
        return works.works_of(origin, content)

    async def _say_what_is_missing(self, binding: Binding) -> None:
        """Say on the binding that its snapshot is gone, once the server says so too: the cache may be behind."""
        if not _started(binding):
            return
        key = (binding.metadata.namespace, binding.spec.resource_snapshot_name)
        try:
            await self._client.get(self._scope.snapshot, key)
        except NotFound:
            problem = LookupError(f"the resource snapshot {key[1]}, which the binding names, is gone")
            await self._fail(binding, WORK_SYNCHRONIZED, problem)

    def _labels(self, binding: Binding, made: Sequence[Work]) -> Mapping[str, str]:
        """The labels of the member for which a binding's Works are made: those noted when it got its overrides."""
        noted = next((labels for obj in (binding, *made) if (labels := labels_noted(obj)) is not None), None)
        return self._overrides.labels(binding.spec.target_cluster) if noted is None else noted

    async def _synchronize(self, wanted: Sequence[Work], have: Sequence[Work]) -> bool:
        """Make the Works what they have to be; whether any was changed."""
        found = {work.key: work for work in have}
        changed = False
        for work in wanted:
            present = found.pop(work.key, None) or self._cache.get(Work, work.key)
            if present is None:
                await self._client.create(work)
            elif works.is_up_to_date(work, present):
                continue
            else:
                await self._client.patch_object(present, _merged(present, work))
            changed = True
        for obsolete in found.values():
            if obsolete.metadata.deletion_timestamp is None:
                await self._client.delete(Work, obsolete.key, uid=obsolete.metadata.uid, missing_ok=True)
                changed = True
        return changed

    async def _fail(self, binding: Binding, step: works.FailedStep, problem: Exception) -> None:
        """Say on the binding why its Works are not what they should be, if it is time for them at all."""
        self._report_due.pop(binding.key, None)
        if not _started(binding):
            return
        status = works.failed(
            binding.status,
            binding.metadata.generation,
            step,
            str(problem),
            self._clock.now(),
            overridden=_has_overrides(binding),
        )
        await self._client.patch_status(binding, msgspec.structs.replace(binding, status=status), lock=True)

    async def _report(self, binding: Binding, have: Sequence[Work], *, busy: bool) -> Result | None:
        """Write the binding's status; while the member may be about to answer, wait for that first."""
        strategy = binding.spec.apply_strategy
        found = works.report(
            binding.status,
            binding.metadata.generation,
            sorted(have, key=lambda work: work.key),
            self._clock.now(),
            report_diff=strategy is not None and strategy.type == "ReportDiff",
            overridden=_has_overrides(binding),
        )
        now = asyncio.get_running_loop().time()
        if found.settled or (busy and found.status == binding.status):
            self._report_due.pop(binding.key, None)
        else:
            if busy:
                self._report_due[binding.key] = now + self._settings.report_delay
            due = self._report_due.get(binding.key, now)
            if wait := remaining(due):
                return Result(requeue_after=wait)
        await self._client.patch_status(binding, msgspec.structs.replace(binding, status=found.status), lock=True)
        return None


def is_abandoned(placement: Placement | None) -> bool:
    """Whether a placement goes and leaves behind what it has placed."""
    if placement is None or placement.metadata.deletion_timestamp is None:
        return False
    strategy = placement.spec.strategy.delete_strategy
    return strategy is not None and strategy.propagation_policy == "Abandon"


def report_back_of(placement: Placement | None) -> ReportBackStrategy | None:
    """How the status of what a placement has placed comes back to the hub; None when it does not."""
    strategy = None if placement is None else placement.spec.strategy.report_back_strategy
    return None if strategy is None or strategy.type == "Disabled" else strategy


def _carried_out(binding: Binding, wanted: Sequence[Work], have: Sequence[Work]) -> bool:
    """Whether a rollout was started before the binding changed, and the Works are what it calls for even so."""
    started = find_condition(binding.status.conditions, ROLLOUT_STARTED)
    if started is None or started.status != "True" or len(wanted) != len(have):
        return False
    present = {work.key: work for work in have if work.metadata.deletion_timestamp is None}
    return all(work.key in present and works.is_up_to_date(work, present[work.key]) for work in wanted)


def _is_synchronized(binding: Binding) -> bool:
    """Whether all Works of a binding were written once."""
    condition = find_condition(binding.status.conditions, WORK_SYNCHRONIZED)
    return condition is not None and condition.status == "True"


def _started(binding: Binding) -> bool:
    """Whether somebody started this rollout, or blocked it: either way, at the binding's present generation."""
    started = find_condition(binding.status.conditions, ROLLOUT_STARTED)
    return (
        started is not None
        and started.status in ("True", "False")
        and started.observed_generation == binding.metadata.generation
    )


def _takes_nothing(member: MemberCluster, have: Sequence[Work]) -> bool:
    """Whether a member leaves and has no Works any more, or is to have none."""
    empties = member.metadata.annotations.get(names.ON_LEAVE) == names.LEAVE_DELETE
    return member.metadata.deletion_timestamp is not None and (empties or not have)


def _is_refusal(error: ApiError) -> bool:
    """Whether the server does not want what was written; all else passes, and nobody has to know."""
    passing = isinstance(error, Conflict | AlreadyExists | TooManyRequests)
    return 400 <= error.code < 500 and not passing


def _has_overrides(binding: Binding) -> bool:
    return bool(binding.spec.resource_override_snapshots or binding.spec.cluster_resource_override_snapshots)


def _view(part: Snapshot) -> SnapshotView:
    sub_index = part.metadata.annotations.get(names.SUB_INDEX)
    return SnapshotView(
        name=part.metadata.name,
        index=part.metadata.labels.get(names.RESOURCE_INDEX, ""),
        sub_index=None if sub_index is None else int(sub_index),
        manifests=part.spec.selected_resources,
    )


def _merged(present: Work, wanted: Work) -> Work:
    """The present Work with what is wanted; labels, annotations and finalizers of others stay."""
    metadata = msgspec.structs.replace(
        present.metadata,
        labels={**present.metadata.labels, **wanted.metadata.labels},
        annotations={**present.metadata.annotations, **wanted.metadata.annotations},
    )
    return msgspec.structs.replace(present, metadata=metadata, spec=wanted.spec)
