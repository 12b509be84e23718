"""Simulated ReplicaSets: as many pods as wanted, and a status that counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.kube.controller import Request, Result
from echelon.local.workloads.kinds import PODS, REPLICA_SETS, Object, is_going, without_zeros
from echelon.local.workloads.pods import Counts, count, is_active, is_ready, pod_of
from echelon.local.workloads.world import World


class ReplicaSets:
    """Reconciles the ReplicaSets of one cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, request: Request) -> Result | None:
        found = await self._world.get(REPLICA_SETS, request.key)
        if found is None or is_going(found):
            return None
        pods = [pod for pod in await self._world.owned(PODS, found) if is_active(pod)]
        missing = found["spec"].get("replicas", 1) - len(pods)
        if missing > 0:
            pods += await self._create(found, missing)
        elif missing < 0:
            pods = await self._delete(pods, -missing)
        counts = count(pods, found["spec"].get("minReadySeconds", 0), self._world.now())
        await self._world.report(REPLICA_SETS, found, _status(found, pods, counts))
        return None if counts.wait is None else Result(requeue_after=counts.wait)

    async def _create(self, found: Object, missing: int) -> list[dict[str, Any]]:
        nodes = await self._world.pick_nodes(missing) or [""] * missing
        name = found["metadata"]["name"]
        made = []
        for node in nodes:
            pod = pod_of(found["spec"]["template"], REPLICA_SETS, found, node=node, generateName=f"{name}-")
            made.append(await self._world.create(PODS, pod))
        return [pod for pod in made if pod is not None]

    async def _delete(self, pods: Sequence[dict[str, Any]], surplus: int) -> list[dict[str, Any]]:
        """Delete those first that do no work yet, then the youngest."""
        youngest_first = list(reversed(pods))
        by_worth = sorted(youngest_first, key=is_ready)
        for pod in by_worth[:surplus]:
            await self._world.delete(PODS, pod)
        return by_worth[surplus:]


def _status(found: Object, pods: Sequence[Object], counts: Counts) -> Mapping[str, Any]:
    return without_zeros(
        {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": counts.ready,
            "availableReplicas": counts.available,
            "observedGeneration": found["metadata"].get("generation", 0),
        },
        "replicas",
    )
