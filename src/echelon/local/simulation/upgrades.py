"""Carries out the operations of a simulated cluster: control plane first, then node by node.

One operation at a time, one node at a time. A node is cordoned, drained, not ready for a while, then
there again with its new version and image, and uncordoned, unless a user had cordoned it before. Each
pass looks at what is and takes the next step, so a pass may be cut short anywhere; when a step began
is kept in the operation, so that a restart neither waits anew nor cuts the time short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from echelon.api import names
from echelon.api.core import ConfigMap, Node
from echelon.api.meta import Clock
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.informer import Informer
from echelon.local.simulation import replacement
from echelon.local.simulation.drain import BUDGETS, PODS, drain
from echelon.upgrade.providers.contract import Code, Operation, Progress
from echelon.upgrade.providers.simulated import platform
from echelon.upgrade.providers.simulated.platform import (
    BUSY,
    CLUSTER,
    CONTROL_PLANE,
    FAIL,
    HANG,
    NAMESPACE,
    ClusterState,
    OperationState,
)
from echelon.upgrade.versions import KubeVersion

KEPT = 5
"""How many operations that have ended are kept."""

UPGRADES = Request(NAMESPACE, "upgrades")
"""What is reconciled: all operations of the cluster together."""

log = structlog.get_logger(__name__)


class _Current(msgspec.Struct, frozen=True):
    """The operation that a pass is about."""

    config_map: ConfigMap
    state: OperationState


class UpgradeSimulator:
    """Reconciles the operations of one cluster. ``parts`` holds the ConfigMaps of the platform."""

    def __init__(
        self, client: Client, cache: SharedCache, parts: Informer[ConfigMap], clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._client = client
        self._cache = cache
        self._parts = parts
        self._clock = clock
        self._wake = wake
        self._watched: list[Informer[dict[str, Any]]] = []

    async def reconcile(self, request: Request) -> Result | None:
        found = self._parts.get((NAMESPACE, CLUSTER))
        current = self._current()
        if found is None or current is None:
            return None
        cluster = platform.read_cluster(found)
        if cluster.fault == BUSY and current.state.progress.state == "Queued":
            return None  # until somebody edits the ConfigMap
        nodes = await self._nodes()
        step = _next_step(cluster, nodes, current.state.operation)
        if not step:
            await self._end(current, Progress(state="Succeeded"))
            return None
        if step != current.state.step:
            current = await self._enter(current, nodes, step)
        if cluster.fault == HANG:
            return None  # as above
        if step == CONTROL_PLANE:
            return await self._upgrade_control_plane(current, found, cluster)
        return await self._upgrade_node(current, cluster, next(node for node in nodes if node.metadata.name == step))

    def _current(self) -> _Current | None:
        operations = {
            found.metadata.name: found for found in self._parts.list(NAMESPACE) if found.metadata.name != CLUSTER
        }
        first = platform.first_unfinished([(name, platform.read_operation(op)) for name, op in operations.items()])
        return None if first is None else _Current(operations[first[0]], first[1])

    async def _nodes(self) -> Sequence[Node]:
        """The nodes of the cluster's pools, in the order in which they are upgraded."""
        nodes = (await self._client.list(Node)).items
        simulated = [node for node in nodes if names.NODE_POOL in node.metadata.labels]
        return sorted(simulated, key=lambda node: (node.metadata.labels[names.NODE_POOL], node.metadata.name))

    # steps

    async def _enter(self, current: _Current, nodes: Sequence[Node], step: str) -> _Current:
        """Note that a step begins now, and how many are done."""
        behind = sum(replacement.is_behind(node, current.state.operation) for node in nodes)
        before = current.state.progress
        total = before.nodes_total if before.state == "Running" else behind
        message = "Upgrading the control plane" if step == CONTROL_PLANE else f"Replacing node {step}" if step else ""
        progress = Progress(
            state="Running",
            message=message,
            nodes_done=max(0, total - behind),
            nodes_total=total,
            changed=self._clock.now().isoformat(),
        )
        state = msgspec.structs.replace(current.state, progress=progress, step=step, step_started=self._clock.now())
        return await self._write(current, state)

    async def _upgrade_control_plane(self, current: _Current, found: ConfigMap, cluster: ClusterState) -> Result | None:
        wait = self._time_left(current, cluster.control_plane_seconds)
        if wait > 0:
            return Result(requeue_after=wait)
        if cluster.fault.startswith(FAIL):
            await self._fail(current, cluster)
            return None
        data = {**found.data, "controlPlaneVersion": current.state.operation.control_plane_version or ""}
        await self._client.patch_object(found, msgspec.structs.replace(found, data=data), lock=True)
        self._wake()
        return None

    async def _upgrade_node(self, current: _Current, cluster: ClusterState, node: Node) -> Result | None:
        node = await self._client.patch_object(node, replacement.cordoned(node, self._clock), lock=True)
        budget = await drain(self._client, node.metadata.name)
        if budget:
            await self._blocked(current, node, budget)
            return None
        node = await self._client.patch_status(node, replacement.not_ready(node, self._clock))
        wait = self._time_left(current, cluster.seconds_per_node)
        if wait > 0:
            return Result(requeue_after=wait)
        if cluster.fault.startswith(FAIL):
            await self._fail(current, cluster)
            return None
        node = await self._client.patch_status(node, replacement.replaced(node, current.state.operation, self._clock))
        await self._client.patch_object(node, replacement.released(node, current.state.operation), lock=True)
        self._wake()
        return None

    def _time_left(self, current: _Current, seconds: float) -> float:
        started = current.state.step_started or self._clock.now()
        return (started + timedelta(seconds=seconds) - self._clock.now()).total_seconds()

    async def _blocked(self, current: _Current, node: Node, budget: str) -> None:
        """Wait for a pod or a budget to change."""
        for kind in () if self._watched else (PODS, BUDGETS):
            informer = self._cache.informer(kind)
            informer.add_handler(lambda _: self._wake())
            self._watched.append(informer)
        progress = msgspec.structs.replace(
            current.state.progress,
            message=f"Node {node.metadata.name} cannot be drained: the PodDisruptionBudget {budget} does not allow it",
            code=Code.PDB_BLOCKED,
        )
        await self._write(current, msgspec.structs.replace(current.state, progress=progress))

    # ends

    async def _fail(self, current: _Current, cluster: ClusterState) -> None:
        code = Code(cluster.fault.partition(":")[2] or Code.UNKNOWN)
        await self._end(current, Progress(state="Failed", code=code, message="The simulation was told to fail"))

    async def _end(self, current: _Current, end: Progress) -> None:
        before = current.state.progress
        end = msgspec.structs.replace(
            end,
            nodes_done=before.nodes_total if end.state == "Succeeded" else before.nodes_done,
            nodes_total=before.nodes_total,
            changed=self._clock.now().isoformat(),
        )
        await self._write(current, msgspec.structs.replace(current.state, progress=end))
        log.info("upgrade of a simulated cluster ended", operation=current.config_map.metadata.name, state=end.state)
        for informer in self._watched:
            await self._cache.drop(informer)
        self._watched.clear()
        await self._forget_old()
        self._wake()  # for the next one in the queue

    async def _write(self, current: _Current, state: OperationState) -> _Current:
        found = current.config_map
        changed = msgspec.structs.replace(found, data=platform.operation_data(state))
        return _Current(await self._client.patch_object(found, changed, lock=True), state)

    async def _forget_old(self) -> None:
        operations = [found for found in self._parts.list(NAMESPACE) if found.metadata.name != CLUSTER]
        ended = [
            (state.created, found.metadata.name)
            for found in operations
            if (state := platform.read_operation(found)).progress.ended
        ]
        for _, name in sorted(ended)[:-KEPT]:
            await self._client.delete(ConfigMap, (NAMESPACE, name), missing_ok=True)


def _next_step(cluster: ClusterState, nodes: Sequence[Node], operation: Operation) -> str:
    """CONTROL_PLANE, or the name of a node, or nothing when all is done."""
    target = operation.control_plane_version
    if target is not None and KubeVersion.parse(cluster.control_plane_version) < KubeVersion.parse(target):
        return CONTROL_PLANE
    under_way = [node for node in nodes if replacement.is_under_way(node)]
    behind = [node for node in nodes if replacement.is_behind(node, operation)]
    return next((node.metadata.name for node in (*under_way, *behind)), "")
