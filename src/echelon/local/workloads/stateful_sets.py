"""Simulated StatefulSets: pods with a name and a place in a row.

Pods are made in order, each when those before it are ready (all at once with the Parallel policy), and
taken away from the end. An update goes from the end to the partition, one pod at a time. Outdated pods
that are not ready are replaced at once, wherever they stand: a bad version is healed by going back.
Pods are always made of the newest template. Claims for volumes are not simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.kube.controller import Request, Result
from echelon.local.workloads.kinds import PODS, STATEFUL_SETS, Object, is_going, labels_of, status_of, without_zeros
from echelon.local.workloads.pods import Counts, count, has_ended, is_active, is_ready, pod_of
from echelon.local.workloads.revisions import REVISION_HASH, keep_revision
from echelon.local.workloads.world import World


class StatefulSets:
    """Reconciles the StatefulSets of one cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, request: Request) -> Result | None:
        found = await self._world.get(STATEFUL_SETS, request.key)
        if found is None or is_going(found):
            return None
        revision = await keep_revision(self._world, STATEFUL_SETS, found)
        pods = await self._world.owned(PODS, found)
        if to_delete := surplus(found, pods, revision):
            for pod in to_delete:
                await self._world.delete(PODS, pod)
        else:
            for name in missing(found, pods):
                if (made := await self._create(found, name, revision)) is not None:
                    pods.append(made)
        active = [pod for pod in pods if is_active(pod) and pod not in to_delete]
        counts = count(active, found["spec"].get("minReadySeconds", 0), self._world.now())
        await self._world.report(STATEFUL_SETS, found, _status(found, active, counts, revision))
        return None if counts.wait is None else Result(requeue_after=counts.wait)

    async def _create(self, found: Object, name: str, revision: str) -> dict[str, Any] | None:
        nodes = await self._world.pick_nodes(1) or [""]
        labels = {
            REVISION_HASH: revision,
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(_ordinal(name)),
        }
        template = found["spec"]["template"]
        return await self._world.create(
            PODS, pod_of(template, STATEFUL_SETS, found, node=nodes[0], name=name, labels=labels)
        )


def missing(found: Object, pods: Sequence[Object]) -> list[str]:
    """The names of the pods to be made now. Pure."""
    there = {pod["metadata"]["name"]: pod for pod in pods}
    absent = [name for name in _names(found) if name not in there]
    if _at_once(found):
        return absent
    for name in _names(found):
        if name not in there:
            return [name]
        if not is_ready(there[name]):
            return []
    return []


def surplus(found: Object, pods: Sequence[Object], revision: str) -> list[Object]:
    """The pods to be deleted now: at their end, beyond the wanted number, or outdated. Pure."""
    if ended := [pod for pod in pods if has_ended(pod) and not is_going(pod)]:
        return ended
    names = _names(found)
    beyond = [pod for pod in pods if pod["metadata"]["name"] not in names]
    if beyond:
        last_first = sorted(beyond, key=lambda pod: _ordinal(pod["metadata"]["name"]), reverse=True)
        going = [pod for pod in (last_first if _at_once(found) else last_first[:1]) if not is_going(pod)]
        return going
    outdated = [pod for pod in pods if not is_going(pod) and _is_to_be_updated(found, pod, revision)]
    broken = [pod for pod in outdated if not is_ready(pod)]
    if broken:
        return broken
    if outdated and len(pods) == len(names) and all(is_ready(pod) and not is_going(pod) for pod in pods):
        return [max(outdated, key=lambda pod: _ordinal(pod["metadata"]["name"]))]
    return []


def _is_to_be_updated(found: Object, pod: Object, revision: str) -> bool:
    strategy = found["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return False
    first = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    return labels_of(pod).get(REVISION_HASH) != revision and _ordinal(pod["metadata"]["name"]) >= first


def _status(found: Object, active: Sequence[Object], counts: Counts, revision: str) -> Mapping[str, Any]:
    before = status_of(found)
    updated = sum(labels_of(pod).get(REVISION_HASH) == revision for pod in active)
    is_done = updated == len(active) == found["spec"].get("replicas", 1) and counts.ready == updated
    current = revision if is_done else before.get("currentRevision") or revision
    return without_zeros(
        {
            "observedGeneration": found["metadata"].get("generation", 0),
            "replicas": len(active),
            "readyReplicas": counts.ready,
            "availableReplicas": counts.available,
            "currentReplicas": sum(labels_of(pod).get(REVISION_HASH) == current for pod in active),
            "updatedReplicas": updated,
            "currentRevision": current,
            "updateRevision": revision,
            "collisionCount": 0,
        },
        "replicas",
        "availableReplicas",
        "collisionCount",
    )


def _names(found: Object) -> list[str]:
    start = (found["spec"].get("ordinals") or {}).get("start", 0)
    name = found["metadata"]["name"]
    return [f"{name}-{start + offset}" for offset in range(found["spec"].get("replicas", 1))]


def _ordinal(pod_name: str) -> int:
    return int(pod_name.rpartition("-")[2])


def _at_once(found: Object) -> bool:
    return bool(found["spec"].get("podManagementPolicy") == "Parallel")
