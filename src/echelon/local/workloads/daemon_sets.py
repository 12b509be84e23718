"""Simulated DaemonSets: a pod on each node that is theirs, cordoned or not.

An update replaces pods a few at a time (``maxUnavailable``); those that do no work go first. Pods on
nodes that are no longer theirs go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.kube.controller import Request, Result
from echelon.local.workloads.kinds import (
    DAEMON_SETS,
    NODES,
    PODS,
    Object,
    is_going,
    labels_of,
    scaled,
    without_zeros,
)
from echelon.local.workloads.pods import count, has_ended, is_active, is_ready, pod_of
from echelon.local.workloads.revisions import REVISION_HASH, keep_revision
from echelon.local.workloads.world import World

_ALWAYS_TOLERATED = frozenset(
    f"node.kubernetes.io/{what}"
    for what in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)


class DaemonSets:
    """Reconciles the DaemonSets of one cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, request: Request) -> Result | None:
        found = await self._world.get(DAEMON_SETS, request.key)
        if found is None or is_going(found):
            return None
        revision = (await keep_revision(self._world, DAEMON_SETS, found)).rpartition("-")[2]
        nodes = [node["metadata"]["name"] for node in await self._world.all(NODES) if is_theirs(found, node)]
        pods = await self._world.owned(PODS, found)
        to_delete = surplus(found, pods, nodes, revision)
        for pod in to_delete:
            await self._world.delete(PODS, pod)
        there = {pod["spec"].get("nodeName") for pod in pods}
        for node in nodes:
            if node not in there and (made := await self._create(found, node, revision)) is not None:
                pods.append(made)
        kept = [pod for pod in pods if is_active(pod) and pod not in to_delete]
        return await self._report(found, nodes, kept, revision)

    async def _create(self, found: Object, node: str, revision: str) -> dict[str, Any] | None:
        generated = f"{found['metadata']['name']}-"
        pod = pod_of(
            found["spec"]["template"],
            DAEMON_SETS,
            found,
            node=node,
            generateName=generated,
            labels={REVISION_HASH: revision},
        )
        return await self._world.create(PODS, pod)

    async def _report(
        self, found: dict[str, Any], nodes: Sequence[str], pods: Sequence[Object], revision: str
    ) -> Result | None:
        counts = count(pods, found["spec"].get("minReadySeconds", 0), self._world.now())
        status: Mapping[str, Any] = without_zeros(
            {
                "observedGeneration": found["metadata"].get("generation", 0),
                "currentNumberScheduled": len(pods),
                "desiredNumberScheduled": len(nodes),
                "numberMisscheduled": 0,
                "numberReady": counts.ready,
                "numberAvailable": counts.available,
                "numberUnavailable": len(nodes) - counts.available,
                "updatedNumberScheduled": sum(labels_of(pod).get(REVISION_HASH) == revision for pod in pods),
            },
            "currentNumberScheduled",
            "desiredNumberScheduled",
            "numberMisscheduled",
            "numberReady",
        )
        await self._world.report(DAEMON_SETS, found, status)
        return None if counts.wait is None else Result(requeue_after=counts.wait)


def is_theirs(found: Object, node: Object) -> bool:
    """Whether a DaemonSet has a pod on a node: its labels are those selected, and its taints are tolerated. Pure."""
    spec = found["spec"]["template"]["spec"]
    labels = labels_of(node)
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    taints = (node.get("spec") or {}).get("taints") or ()
    return all(_tolerates(spec.get("tolerations") or (), taint) for taint in taints)


def _tolerates(tolerations: Sequence[Object], taint: Object) -> bool:
    if taint["effect"] == "PreferNoSchedule" or taint["key"] in _ALWAYS_TOLERATED:
        return True
    return any(
        toleration.get("key") in (None, "", taint["key"])
        and toleration.get("effect") in (None, "", taint["effect"])
        and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))
        for toleration in tolerations
    )


def surplus(found: Object, pods: Sequence[Object], nodes: Sequence[str], revision: str) -> list[Object]:
    """The pods to be deleted now: at their end, on nodes of others, or outdated. Pure."""
    astray = [pod for pod in pods if not is_going(pod) and (has_ended(pod) or pod["spec"].get("nodeName") not in nodes)]
    strategy = found["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return astray
    rest = [pod for pod in pods if is_active(pod) and pod not in astray]
    outdated = [pod for pod in rest if labels_of(pod).get(REVISION_HASH) != revision]
    bound = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
    working = sum(is_ready(pod) for pod in rest)
    may_go = max(1, scaled(bound, len(nodes), up=True)) - (len(nodes) - working)
    broken = [pod for pod in outdated if not is_ready(pod)]
    return [*astray, *broken, *[pod for pod in outdated if is_ready(pod)][: max(0, may_go)]]
