"""Drain and uncordon of a member, for whoever speaks to the hub on behalf of a user.

``drain`` cordons first: a taint keeps the scheduler from choosing the member for placements that do
not have it yet. Then it asks for an eviction of each placement that has something there, all at once,
and waits until each was judged; budgets may block some. What it does may be repeated. ``uncordon``
takes the taint away; placements come back as their policies say, under External by a next run.

Namespaced placements cannot be evicted: there is no kind for it. They are named, not passed over.
The taint and the names of evictions are those of KubeFleet's kubectl plugin.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from enum import Enum

import msgspec

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBinding
from echelon.api.cluster import MemberCluster, Taint
from echelon.api.conditions import EXECUTED, VALID, find_condition
from echelon.api.eviction import ClusterResourcePlacementEviction, EvictionSpec
from echelon.api.meta import ObjectMeta
from echelon.kube.client import Client
from echelon.kube.errors import Conflict
from echelon.placement.eviction import judgement
from echelon.placement.eviction.controller import is_terminal

CORDON = Taint(key="cordon-key", value="cordon-value", effect="NoSchedule")


class Outcome(Enum):
    """What became of one placement on a member that is drained."""

    EVICTED = "evicted"
    """It is being taken off."""
    NOTHING_THERE = "nothing there"
    """It had not got anything there, or is gone from there already."""
    BLOCKED = "blocked"
    """Its disruption budget does not allow it now."""
    REFUSED = "refused"
    """It cannot be evicted at all: it names its members (PickFixed), or is namespaced."""


class Drained(msgspec.Struct, frozen=True):
    """What became of one placement; ``eviction`` is empty where none could be asked for."""

    placement: str
    namespace: str
    eviction: str
    outcome: Outcome
    message: str


async def cordon(client: Client, cluster: str) -> bool:
    """Taint a member, so that nothing new is placed on it; whether it was not tainted so already.

    Raises:
        NotFound: there is no such member.
    """
    return await _set_taints(client, cluster, lambda taints: (*(t for t in taints if t != CORDON), CORDON))


async def uncordon(client: Client, cluster: str) -> bool:
    """Take away the taint that ``cordon`` gave; whether it was there.

    Raises:
        NotFound: there is no such member.
    """
    return await _set_taints(client, cluster, lambda taints: tuple(t for t in taints if t != CORDON))


async def drain(
    client: Client, cluster: str, *, on_outcome: Callable[[Drained], None] = lambda _: None
) -> Sequence[Drained]:
    """Cordon a member and evict every placement from it; what became of each, by name.

    Waits until every eviction was judged, not until its objects are gone from the member. Bound it
    with ``asyncio.timeout``: where nobody judges evictions it waits for ever.

    Args:
        client: may patch MemberClusters, list bindings, and create and watch evictions.
        cluster: name of the member.
        on_outcome: called with each as it becomes known.

    Raises:
        NotFound: there is no such member.
    """
    await cordon(client, cluster)
    done: list[Drained] = []

    def note(drained: Drained) -> None:
        done.append(drained)
        on_outcome(drained)

    for drained in await _beyond_eviction(client, cluster):
        note(drained)
    asked = await _evict_all(client, cluster)
    async for eviction in _judged(client, asked):
        note(_drained(eviction))
    return sorted(done, key=lambda drained: (drained.namespace, drained.placement))


async def _set_taints(client: Client, cluster: str, change: Callable[[tuple[Taint, ...]], tuple[Taint, ...]]) -> bool:
    """Change the taints of a member as they are at that moment; whether that changed anything."""
    while True:
        member = await client.get(MemberCluster, cluster)
        taints = change(member.spec.taints)
        if set(taints) == set(member.spec.taints):
            return False
        spec = msgspec.structs.replace(member.spec, taints=taints)
        try:
            await client.patch_object(member, msgspec.structs.replace(member, spec=spec), lock=True)
        except Conflict:
            continue  # somebody changed it in between: once more, with what it is now
        return True


async def _beyond_eviction(client: Client, cluster: str) -> Sequence[Drained]:
    """The namespaced placements on a member."""
    bindings = (await client.list(ResourceBinding)).items
    message = "evictions are for ClusterResourcePlacements; change the placement's policy, or delete it"
    return [
        Drained(
            binding.metadata.labels.get(names.PARENT_PLACEMENT, ""),
            binding.metadata.namespace,
            "",
            Outcome.REFUSED,
            message,
        )
        for binding in bindings
        if binding.spec.target_cluster == cluster and binding.metadata.deletion_timestamp is None
    ]


async def _evict_all(client: Client, cluster: str) -> Sequence[ClusterResourcePlacementEviction]:
    """Ask for the eviction of each placement that has a binding for a member."""
    bindings = (await client.list(ClusterResourceBinding)).items
    placements = {
        binding.metadata.labels.get(names.PARENT_PLACEMENT, "")
        for binding in bindings
        if binding.spec.target_cluster == cluster and binding.metadata.deletion_timestamp is None
    }
    asked: list[ClusterResourcePlacementEviction] = []
    for placement in sorted(placements - {""}):
        name = f"drain-eviction-{placement}-{cluster}-{uuid.uuid4().hex[:8]}"
        spec = EvictionSpec(placement_name=placement, cluster_name=cluster)
        eviction = ClusterResourcePlacementEviction(metadata=ObjectMeta(name=name), spec=spec)
        asked.append(await client.create(eviction))
    return asked


async def _judged(
    client: Client, asked: Iterable[ClusterResourcePlacementEviction]
) -> AsyncIterator[ClusterResourcePlacementEviction]:
    """Evictions, each as soon as it was judged or is gone."""
    waiting = {eviction.metadata.name: eviction for eviction in asked}
    while waiting:
        unseen = set(waiting)
        async with client.watch(ClusterResourcePlacementEviction, initial_events=True) as watch:
            async for event in watch:
                ended = unseen if event.initial_events_end else set()
                found = event.object
                if found is not None and found.metadata.name in waiting:
                    unseen.discard(found.metadata.name)
                    waiting[found.metadata.name] = found
                    if event.type == "DELETED" or is_terminal(found):
                        ended = {found.metadata.name}
                for name in sorted(ended):
                    yield waiting.pop(name)
                if not waiting:
                    break


def _drained(eviction: ClusterResourcePlacementEviction) -> Drained:
    outcome, message = _outcome(eviction)
    return Drained(eviction.spec.placement_name, "", eviction.metadata.name, outcome, message)


def _outcome(eviction: ClusterResourcePlacementEviction) -> tuple[Outcome, str]:
    valid = find_condition(eviction.status.conditions, VALID)
    executed = find_condition(eviction.status.conditions, EXECUTED)
    if valid is not None and valid.status == "False":
        gone = valid.message in (judgement.NO_PLACEMENT, judgement.DELETING_PLACEMENT, judgement.NO_BINDING)
        return Outcome.NOTHING_THERE if gone else Outcome.REFUSED, valid.message
    if executed is None:
        return Outcome.REFUSED, "the eviction was deleted before it was judged"
    if executed.status == "True":
        return Outcome.EVICTED, executed.message
    empty = executed.message == judgement.NOTHING_PLACED
    return Outcome.NOTHING_THERE if empty else Outcome.BLOCKED, executed.message
