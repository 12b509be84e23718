"""A cluster with simulated workloads, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from echelon.apiserver import ApiServer, Database
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.local.cluster import EmbeddedCluster
from echelon.local.workloads import Workloads
from echelon.local.workloads.kinds import NODES, PODS

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
WITHIN = 900.0  # virtual seconds after which what is waited for will not come
Object = dict[str, Any]


class LoopClock:
    """The time of the running loop as a moment of the day."""

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())


class ClusterInVirtualTime(EmbeddedCluster):
    """An embedded cluster whose server tells the time of the loop."""

    def __init__(self, database: Database[Any]) -> None:
        super().__init__("member1", database, admin_token="secret")
        keyspace = database.keyspace("member1")
        self.server = ApiServer(keyspace, authenticator=self._tokens, clock=LoopClock())


class Rehearsed:
    """What tests do to the cluster, and see of it."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self.clock = LoopClock()
        self.admin: Client = cluster.administrator("tests")
        self.failed: list[BaseException] = []
        self.workloads = self._workloads()

    def _workloads(self) -> Workloads:
        return Workloads(self.cluster, self.clock, self._watch_over)

    def _watch_over(self, work: Coroutine[None, None, None], what: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=what)

    async def restart(self) -> None:
        await self.workloads.end()
        self.workloads = self._workloads()
        self.workloads.begin()

    async def node(self, name: str, **spec: Any) -> None:
        await self.create(NODES, name, spec=spec)

    async def create(self, kind: Unstructured, name: str, **fields: Any) -> Object:
        metadata = {"name": name, **fields.pop("metadata", {})}
        if kind.resource.namespaced:
            metadata["namespace"] = "default"
        whole = {"apiVersion": kind.resource.api_version, "kind": kind.resource.kind, "metadata": metadata, **fields}
        return await self.admin.create(whole, kind)

    async def workload(self, kind: Unstructured, name: str = "web", image: str = "app:1", **spec: Any) -> Object:
        """A workload; ``metadata`` is its own, ``annotations`` those of its template."""
        metadata = spec.pop("metadata", {})
        annotations = spec.pop("annotations", {})
        pod = {"containers": [{"name": "c", "image": image}], **spec.pop("pod", {})}
        labels = {"app": name}
        template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod}
        if kind.resource.kind != "Job":
            spec["selector"] = {"matchLabels": labels}
        return await self.create(kind, name, metadata=metadata, spec={"template": template, **spec})

    async def edit(self, kind: Unstructured, name: str, content: Mapping[str, Any]) -> None:
        await self.admin.patch(kind, ("default", name), MergePatch(content))

    async def set_image(self, kind: Unstructured, image: str, name: str = "web") -> None:
        pod = {"containers": [{"name": "c", "image": image}]}
        await self.edit(kind, name, {"spec": {"template": {"spec": pod}}})

    async def get(self, kind: Unstructured, name: str = "web") -> Object:
        return await self.admin.get(kind, ("default", name))

    async def all(self, kind: Unstructured) -> list[Object]:
        found = (await self.admin.list(kind, namespace="default")).items
        return sorted(found, key=lambda obj: obj["metadata"]["name"])

    async def pods(self) -> list[Object]:
        return await self.all(PODS)

    async def until(
        self, kind: Unstructured, is_so: Callable[[Mapping[str, Any]], object], name: str = "web"
    ) -> Object:
        """Wait until the status of an object is as wanted; gives the object."""
        last: Object = {}
        try:
            async with asyncio.timeout(WITHIN):
                while True:
                    async with self.admin.watch(kind, fields=f"metadata.name={name}", initial_events=True) as watch:
                        async for event in watch:
                            if event.type != "DELETED" and event.object is not None:
                                last = event.object
                                if is_so(last.get("status") or {}):
                                    return last
        except TimeoutError:
            raise AssertionError(f"not so within {WITHIN:g} s; the status is {last.get('status')}") from None

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time go by; whatever is due happens."""
        await asyncio.sleep(seconds)

    def since_begin(self) -> float:
        return (self.clock.now() - BEGIN).total_seconds()


def condition(status: Mapping[str, Any], type_: str) -> tuple[str, str] | None:
    """Status and reason of a condition."""
    found = next((c for c in status.get("conditions") or () if c["type"] == type_), None)
    return None if found is None else (found["status"], found.get("reason", ""))
