"""The scheduler: from a placement's latest policy snapshot and the members to bindings.

A pass compares the decisions with the bindings that are there. A member newly chosen gets a binding
(Scheduled); a binding that is still wanted is pointed to the latest policy and keeps its state; one
no longer wanted becomes Unscheduled, remembers its state, and waits for a rollout to delete it. The
name of a binding follows from placement and member, so a pass that is cut short makes no twin. A member
that comes back under the name of an earlier one is a new member: it begins without that one's binding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Sequence

import msgspec

from echelon.api import names
from echelon.api.binding import BOUND, SCHEDULED, UNSCHEDULED, ResourceBindingSpec
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import (
    INVALID_SCHEDULING_POLICY,
    SCHEDULING_POLICY_FULFILLED,
    SCHEDULING_POLICY_UNFULFILLED,
    set_condition,
)
from echelon.api.conditions import SCHEDULED as SCHEDULED_CONDITION
from echelon.api.meta import Clock, Condition, ObjectMeta
from echelon.api.snapshot import ClusterDecision, SchedulingPolicySnapshotStatus
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import AlreadyExists
from echelon.placement.index import Related
from echelon.placement.policy import effective
from echelon.placement.scheduling import Chosen, Schedule, schedule
from echelon.placement.scheduling.decisions import settled
from echelon.placement.scheduling.faults import fault
from echelon.placement.scope import Binding, Placement, PolicySnapshot, Scope
from echelon.placement.writes import side_by_side

_UNSELECTED_SHOWN = 20
_DECISIONS_SHOWN = 1000


class Scheduler:
    """Schedules the placements of one scope."""

    def __init__(self, client: Client, cache: SharedCache, related: Related, scope: Scope, clock: Clock) -> None:
        self._client = client
        self._cache = cache
        self._related = related
        self._scope = scope
        self._clock = clock

    async def reconcile(self, request: Request) -> Result | None:
        placement = self._related.placement(request.key)
        bindings = self._related.bindings(request.key)
        await self._release(bindings)
        if placement is None:
            return None
        if placement.metadata.deletion_timestamp is not None:
            await self._clean_up(placement, bindings)
            return None
        policy = self._related.latest_policy(request.key)
        if policy is None:
            return None
        wanted = effective(policy.spec.policy, policy.metadata.annotations)
        alive = await self._without_those_of_predecessors(
            [binding for binding in bindings if binding.metadata.deletion_timestamp is None]
        )
        if (problem := fault(wanted)) is not None:
            await self._reject(policy, alive, problem)
            return None
        outcome = schedule(
            wanted,
            self._cache.list(MemberCluster),
            {b.spec.target_cluster: _chosen(b, policy) for b in alive if b.spec.state != UNSCHEDULED},
            self._clock.now(),
            namespace=request.namespace,
        )
        await self._bind(placement, policy, outcome, alive, leaving=len(alive) < len(bindings))
        await self._report(policy, outcome)
        return None

    # deletion

    async def _release(self, bindings: Sequence[Binding]) -> None:
        """Let bindings go that are being deleted and hold nothing on their member any more."""
        await side_by_side(
            self._let_go(binding)
            for binding in bindings
            if binding.metadata.deletion_timestamp is not None
            and names.SCHEDULER_BINDING_CLEANUP in binding.metadata.finalizers
        )

    async def _let_go(self, binding: Binding) -> None:
        rest = tuple(f for f in binding.metadata.finalizers if f != names.SCHEDULER_BINDING_CLEANUP)
        metadata = msgspec.structs.replace(binding.metadata, finalizers=rest)
        await self._client.patch_object(binding, msgspec.structs.replace(binding, metadata=metadata), lock=True)

    async def _clean_up(self, placement: Placement, bindings: Sequence[Binding]) -> None:
        await side_by_side(
            self._client.delete(self._scope.binding, binding.key, uid=binding.metadata.uid, missing_ok=True)
            for binding in bindings
            if binding.metadata.deletion_timestamp is None
        )
        if bindings or names.SCHEDULER_CLEANUP not in placement.metadata.finalizers:
            return
        rest = tuple(f for f in placement.metadata.finalizers if f != names.SCHEDULER_CLEANUP)
        metadata = msgspec.structs.replace(placement.metadata, finalizers=rest)
        await self._client.patch_object(placement, msgspec.structs.replace(placement, metadata=metadata), lock=True)

    async def _without_those_of_predecessors(self, bindings: Sequence[Binding]) -> Sequence[Binding]:
        """Delete the bindings that are older than their member: they were for an earlier one of its name.

        What that one had says nothing about the new one, which may be another cluster, so it begins
        with a binding of its own. Gives the bindings that stay.
        """
        kept: list[Binding] = []
        for binding in bindings:
            member = self._cache.get(MemberCluster, binding.spec.target_cluster)
            if member is not None and _created(member) > _created(binding):
                await self._client.delete(self._scope.binding, binding.key, uid=binding.metadata.uid, missing_ok=True)
            else:
                kept.append(binding)
        return kept

    # bindings

    async def _bind(
        self,
        placement: Placement,
        policy: PolicySnapshot,
        outcome: Schedule,
        bindings: Sequence[Binding],
        *,
        leaving: bool,
    ) -> None:
        chosen = {decision.cluster_name: decision for decision in outcome.selected}
        writes: list[Awaitable[object]] = []
        for binding in bindings:
            decision = chosen.pop(binding.spec.target_cluster, None)
            writes.append(self._unschedule(binding) if decision is None else self._keep(binding, policy, decision))
        writes += (self._create(self._binding(placement, policy, each), leaving) for each in chosen.values())
        await side_by_side(writes)

    async def _create(self, binding: Binding, leaving: bool) -> None:
        try:
            await self._client.create(binding)
        except AlreadyExists:
            if not leaving:
                raise  # the cache is behind: the pass comes again

    def _binding(self, placement: Placement, policy: PolicySnapshot, decision: ClusterDecision) -> Binding:
        cluster = decision.cluster_name
        suffix = hashlib.sha256(f"{placement.metadata.uid}/{cluster}".encode()).hexdigest()[:8]
        return self._scope.binding(
            metadata=ObjectMeta(
                name=names.binding(placement.metadata.name, cluster, suffix),
                namespace=placement.metadata.namespace,
                labels={names.PARENT_PLACEMENT: placement.metadata.name},
                finalizers=(names.SCHEDULER_BINDING_CLEANUP,),
            ),
            spec=ResourceBindingSpec(
                state=SCHEDULED,
                resource_snapshot_name="",
                scheduling_policy_snapshot_name=policy.metadata.name,
                target_cluster=cluster,
                cluster_decision=decision,
            ),
        )

    async def _keep(self, binding: Binding, policy: PolicySnapshot, decision: ClusterDecision) -> None:
        """Point a binding that is wanted to the policy; one that was not wanted gets its state back."""
        state, metadata = binding.spec.state, binding.metadata
        if state == UNSCHEDULED:
            annotations = dict(metadata.annotations)
            state = annotations.pop(names.PREVIOUS_BINDING_STATE, SCHEDULED)
            metadata = msgspec.structs.replace(metadata, annotations=annotations)
        spec = msgspec.structs.replace(
            binding.spec,
            state=state,
            scheduling_policy_snapshot_name=policy.metadata.name,
            cluster_decision=decision,
        )
        await self._client.patch_object(
            binding, msgspec.structs.replace(binding, metadata=metadata, spec=spec), lock=True
        )

    async def _unschedule(self, binding: Binding) -> None:
        if binding.spec.state == UNSCHEDULED:
            return
        annotations = {names.PREVIOUS_BINDING_STATE: binding.spec.state}
        changed = msgspec.structs.replace(
            binding,
            metadata=msgspec.structs.replace(binding.metadata, annotations=annotations),
            spec=msgspec.structs.replace(binding.spec, state=UNSCHEDULED),
        )
        await self._client.patch_object(binding, changed, lock=True)

    # status

    async def _reject(self, policy: PolicySnapshot, bindings: Sequence[Binding], problem: str) -> None:
        """Say that the policy cannot be followed; members chosen before keep what they have until they leave."""
        for binding in bindings:
            member = self._cache.get(MemberCluster, ("", binding.spec.target_cluster))
            if member is None or member.metadata.deletion_timestamp is not None:
                await self._unschedule(binding)
        message = f"The scheduling policy is invalid: {problem}"
        condition = Condition(SCHEDULED_CONDITION, "False", INVALID_SCHEDULING_POLICY, message)
        await self._write(policy, condition, policy.status.target_clusters)

    async def _report(self, policy: PolicySnapshot, outcome: Schedule) -> None:
        count = len(outcome.selected)
        if outcome.fulfilled:
            message = f"found all cluster needed as specified by the scheduling policy, found {count} cluster(s)"
            condition = Condition(SCHEDULED_CONDITION, "True", SCHEDULING_POLICY_FULFILLED, message)
        else:
            message = (
                "could not find all clusters needed as specified by the scheduling policy, "
                f"found {count} cluster(s) instead"
            )
            condition = Condition(SCHEDULED_CONDITION, "False", SCHEDULING_POLICY_UNFULFILLED, message)
        shown = (*outcome.selected, *outcome.unselected[:_UNSELECTED_SHOWN])[:_DECISIONS_SHOWN]
        await self._write(policy, condition, settled(policy.status.target_clusters, shown))

    async def _write(self, policy: PolicySnapshot, condition: Condition, decisions: Sequence[ClusterDecision]) -> None:
        observed = msgspec.structs.replace(condition, observed_generation=policy.metadata.generation)
        status = SchedulingPolicySnapshotStatus(
            observed_crp_generation=int(policy.metadata.annotations.get(names.PLACEMENT_GENERATION, "0")),
            conditions=set_condition(policy.status.conditions, observed, self._clock.now()),
            target_clusters=tuple(decisions),
        )
        await self._client.patch_status(policy, msgspec.structs.replace(policy, status=status))


def _chosen(binding: Binding, policy: PolicySnapshot) -> Chosen:
    """What a binding tells of an earlier choice."""
    spec = binding.spec
    current = spec.scheduling_policy_snapshot_name == policy.metadata.name
    return Chosen(decision=spec.cluster_decision, current=current, bound=spec.state == BOUND)


def _created(obj: Binding | MemberCluster) -> str:
    """When an object was created; such texts compare as the moments do."""
    return obj.metadata.creation_timestamp or ""
