"""How the simulation of workloads reads and writes its cluster.

It keeps no copy of anything. What it needs to see in a pass it reads from the API server, which is in
this process, so a pass hardly ever acts on what is no longer so, and a cluster in which nothing
happens costs nothing. Writes are patches of what differs; none is sent where nothing does. They need
no locks: whatever changes in between brings the pass back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from echelon.api.meta import Clock
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, NotFound
from echelon.kube.kinds import Key, Unstructured
from echelon.local.workloads.kinds import NODES, PODS, Object, is_owned_by, status_of
from echelon.local.workloads.pods import is_active


class World:
    """One cluster."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.client = client
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    async def get(self, kind: Unstructured, key: Key) -> dict[str, Any] | None:
        try:
            return await self.client.get(kind, key)
        except NotFound:
            return None

    async def all(self, kind: Unstructured, namespace: str | None = None) -> list[dict[str, Any]]:
        """All objects of a kind, or those of a namespace."""
        return list((await self.client.list(kind, namespace=namespace)).items)

    async def owned(self, kind: Unstructured, owner: Object) -> list[dict[str, Any]]:
        """The objects of a kind that another one controls, oldest first."""
        metadata = owner["metadata"]
        found = [obj for obj in await self.all(kind, metadata["namespace"]) if is_owned_by(obj, metadata["uid"])]
        return sorted(found, key=lambda obj: (obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]))

    async def create(self, kind: Unstructured, obj: dict[str, Any]) -> dict[str, Any] | None:
        """Create an object; None when there is one of its name, which a next pass looks at."""
        try:
            return await self.client.create(obj, kind)
        except AlreadyExists:
            return None

    async def change(self, kind: Unstructured, old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """Change metadata and spec of an object; gives it as it is then."""
        return await self.client.patch_object(old, dict(new), kind)

    async def report(self, kind: Unstructured, obj: dict[str, Any], status: Mapping[str, Any]) -> None:
        """Make the status of an object this one."""
        try:
            await self.client.patch_status(obj, {**obj, "status": dict(status)}, kind)
        except NotFound:
            return  # it went in between

    async def delete(self, kind: Unstructured, obj: Object, *, grace_period: int | None = None) -> None:
        metadata = obj["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        await self.client.delete(kind, key, uid=metadata["uid"], grace_period=grace_period, missing_ok=True)

    async def pick_nodes(self, count: int) -> list[str]:
        """Where so many new pods go: each to the node with the fewest; nothing when there is no node for them."""
        open_to_pods = [node["metadata"]["name"] for node in await self.all(NODES) if is_open(node)]
        if not open_to_pods or count < 1:
            return []
        pods = await self.all(PODS)
        load = Counter(pod["spec"].get("nodeName", "") for pod in pods if is_active(pod))
        picked = []
        for _ in range(count):
            node = min(open_to_pods, key=lambda name: (load[name], name))
            load[node] += 1
            picked.append(node)
        return picked


def is_open(node: Object) -> bool:
    """Whether new pods may go to a node: it is ready and not cordoned."""
    return not (node.get("spec") or {}).get("unschedulable") and is_node_ready(node)


def is_node_ready(node: Object) -> bool:
    conditions = status_of(node).get("conditions") or ()
    return all(condition["status"] == "True" for condition in conditions if condition["type"] == "Ready")
