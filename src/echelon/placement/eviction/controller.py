"""The eviction controller: judges each eviction once, and deletes the binding of one that is allowed.

Before it deletes a binding it notes on the eviction which one, by its UID. So a process that dies
after the deletion finds, when it comes again, that its work is done, also when the scheduler has
chosen the member anew meanwhile: nothing is evicted twice. One that dies before the deletion judges
anew, as things are then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import structlog
from prometheus_client import Counter

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding
from echelon.api.conditions import (
    EVICTION_EXECUTED,
    EVICTION_INVALID,
    EVICTION_NOT_EXECUTED,
    EVICTION_VALID,
    EXECUTED,
    VALID,
    find_condition,
    set_condition,
)
from echelon.api.eviction import ClusterResourcePlacementDisruptionBudget, ClusterResourcePlacementEviction
from echelon.api.meta import Clock, Condition, KubeObject
from echelon.api.placement import ClusterResourcePlacement
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request
from echelon.kube.errors import NotFound
from echelon.placement.eviction.judgement import BEING_REMOVED, VALID_MESSAGE, Verdict, judge

EVICTED_BINDING = names.OWN_PREFIX + "evicted-binding"
"""Annotation of an eviction: UID of the binding that it deletes."""

EVICTIONS = Counter("echelon_placement_evictions", "Evictions judged, by outcome", ["outcome"])

K = TypeVar("K", bound=KubeObject)

log = structlog.get_logger(__name__)


class EvictionReconciler:
    """Judges and carries out evictions; ``reconcile`` is to be called by one worker only."""

    def __init__(self, client: Client, cache: SharedCache, clock: Clock) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock

    async def reconcile(self, request: Request) -> None:
        eviction = self._cache.get(ClusterResourcePlacementEviction, request.key)
        if eviction is None or eviction.metadata.deletion_timestamp is not None or is_terminal(eviction):
            return
        name = eviction.spec.placement_name
        placement = await self._find(ClusterResourcePlacement, name)
        bindings = [] if placement is None else await self._bindings(name)
        if _was_carried_out(eviction, bindings):
            verdict = Verdict(BEING_REMOVED, allowed=True)
        else:
            budget = await self._find(ClusterResourcePlacementDisruptionBudget, name)
            verdict = judge(eviction.spec.cluster_name, placement, bindings, budget)
        if verdict.evicted is not None:
            eviction = await self._evict(eviction, verdict.evicted)
        await self._report(eviction, verdict)

    async def _bindings(self, placement: str) -> Sequence[ClusterResourceBinding]:
        return (await self._client.list(ClusterResourceBinding, labels={names.PARENT_PLACEMENT: placement})).items

    async def _find(self, kind: type[K], name: str) -> K | None:
        try:
            return await self._client.get(kind, name)
        except NotFound:
            return None

    async def _evict(
        self, eviction: ClusterResourcePlacementEviction, binding: ClusterResourceBinding
    ) -> ClusterResourcePlacementEviction:
        """Delete a binding as it was judged; raises Conflict if it has changed since, to be judged again."""
        annotations = {**eviction.metadata.annotations, EVICTED_BINDING: binding.metadata.uid}
        noted = msgspec.structs.replace(
            eviction, metadata=msgspec.structs.replace(eviction.metadata, annotations=annotations)
        )
        eviction = await self._client.patch_object(eviction, noted, lock=True)
        metadata = binding.metadata
        await self._client.delete(
            ClusterResourceBinding, binding.key, uid=metadata.uid, resource_version=metadata.resource_version
        )
        log.info("evicted", placement=eviction.spec.placement_name, member=eviction.spec.cluster_name)
        return eviction

    async def _report(self, eviction: ClusterResourcePlacementEviction, verdict: Verdict) -> None:
        conditions = eviction.status.conditions
        for condition in _conditions(verdict):
            observed = msgspec.structs.replace(condition, observed_generation=eviction.metadata.generation)
            conditions = set_condition(conditions, observed, self._clock.now())
        status = msgspec.structs.replace(eviction.status, conditions=conditions)
        await self._client.patch_status(eviction, msgspec.structs.replace(eviction, status=status))
        EVICTIONS.labels("invalid" if not verdict.valid else "executed" if verdict.allowed else "blocked").inc()


def _conditions(verdict: Verdict) -> Sequence[Condition]:
    if not verdict.valid:
        return (Condition(VALID, "False", EVICTION_INVALID, verdict.message),)
    valid = Condition(VALID, "True", EVICTION_VALID, VALID_MESSAGE)
    if verdict.allowed:
        return valid, Condition(EXECUTED, "True", EVICTION_EXECUTED, verdict.message)
    return valid, Condition(EXECUTED, "False", EVICTION_NOT_EXECUTED, verdict.message)


def is_terminal(eviction: ClusterResourcePlacementEviction) -> bool:
    """Whether an eviction was judged: found not valid, or carried out, or blocked."""
    valid = find_condition(eviction.status.conditions, VALID)
    if valid is not None and valid.status == "False":
        return True
    return find_condition(eviction.status.conditions, EXECUTED) is not None


def _was_carried_out(eviction: ClusterResourcePlacementEviction, bindings: Sequence[ClusterResourceBinding]) -> bool:
    """Whether a pass before this one deleted the binding that the eviction notes."""
    noted = eviction.metadata.annotations.get(EVICTED_BINDING)
    alive = {binding.metadata.uid for binding in bindings if binding.metadata.deletion_timestamp is None}
    return noted is not None and noted not in alive
