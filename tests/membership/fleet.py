"""What tests of membership do to a hub, in the place of administrators and agents, and see of it."""

from __future__ import annotations

import asyncio
from typing import Any

from echelon.api import names
from echelon.api.cluster import MEMBER_AGENT, InternalMemberCluster, MemberCluster
from echelon.api.conditions import find_condition
from echelon.api.meta import Condition, format_time
from echelon.kube.manager import Manager
from echelon.kube.metrics import RECONCILES
from echelon.kube.rest import BeforeWrite
from echelon.membership import add_controllers

from ..agent.clusters import Cluster, Clusters, LoopClock, Object

HEALTH = {"True": "InternalMemberClusterHealthy", "False": "InternalMemberClusterUnhealthy"}


class Fleet:
    def __init__(self, clusters: Clusters, hub: Cluster) -> None:
        self.hub = hub
        self.until = clusters.until
        self.pass_time = clusters.pass_time
        self.clock = LoopClock()
        self._manager: Manager | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self, before_write: BeforeWrite | None = None) -> asyncio.Task[None]:
        """Start the controller, as one process; the task ends when that does."""
        self._manager = Manager(self.hub.client("controllers", before_write=before_write))
        add_controllers(self._manager, self.clock)
        self._running = asyncio.create_task(self._manager.run())
        return self._running

    async def stop(self) -> None:
        if self._manager is not None and self._running is not None:
            self._manager.stop()
            await asyncio.wait([self._running])
        self._manager = self._running = None

    # seeing

    def find(self, name: str = "one") -> MemberCluster | None:
        return self.hub.typed(MemberCluster, name)

    def member(self, name: str = "one") -> MemberCluster:
        found = self.find(name)
        assert found is not None
        return found

    def internal(self, name: str = "one") -> InternalMemberCluster | None:
        return self.hub.typed(InternalMemberCluster, name, names.member_namespace(name))

    def condition(self, type_: str, name: str = "one") -> Condition | None:
        found = self.find(name)
        return None if found is None else find_condition(found.status.conditions, type_)

    def shows(self, type_: str, status: str, reason: str, name: str = "one") -> bool:
        found = self.condition(type_, name)
        return found is not None and (found.status, found.reason) == (status, reason)

    # the administrator

    async def add(self, name: str = "one", **spec: Any) -> None:
        identity = {"kind": "User", "name": f"agent-of-{name}", "apiGroup": "rbac.authorization.k8s.io"}
        await self.hub.create(
            {
                "apiVersion": "cluster.kubernetes-fleet.io/v1beta1",
                "kind": "MemberCluster",
                "metadata": {"name": name},
                "spec": {"identity": identity, **spec},
            }
        )

    async def ready(self, name: str = "one", **spec: Any) -> None:
        """Add a member, and wait until its agent can come."""
        await self.add(name, **spec)
        await self.until(lambda: self.shows("ReadyToJoin", "True", "MemberClusterReadyToJoin", name))

    async def remove(self, name: str = "one") -> None:
        await self.hub.delete("MemberCluster", name)

    async def gone(self, name: str = "one", within: float = 120.0) -> None:
        await self.until(lambda: self.find(name) is None, within=within, describe=lambda: self.find(name))

    # the agent

    async def report(
        self, name: str = "one", joined: str = "True", reason: str = "", healthy: str = "True", **status: Any
    ) -> None:
        """The agent reports."""
        now = format_time(self.clock.now())
        reasons = {"True": "InternalMemberClusterJoined", "False": "InternalMemberClusterLeft"}
        state = {"observedGeneration": 1, "lastTransitionTime": now, "message": ""}
        conditions = [
            {"type": "Joined", "status": joined, "reason": reason or reasons[joined], **state},
            {"type": "Healthy", "status": healthy, "reason": HEALTH[healthy], **state},
        ]
        agent = {"type": MEMBER_AGENT, "lastReceivedHeartbeat": now, "conditions": conditions}
        content = {"status": {"agentStatus": [agent], **status}}
        namespace = names.member_namespace(name)
        await self.hub.edit("InternalMemberCluster", name, content, namespace, subresource="status")

    async def joined(self, name: str = "one") -> None:
        """A member whose agent has joined."""
        await self.ready(name)
        await self.report(name)
        await self.until(lambda: self.shows("Joined", "True", "MemberClusterJoined", name))

    async def work(self, name: str = "web", member: str = "one") -> None:
        await self.hub.create(
            {
                "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
                "kind": "Work",
                "metadata": {
                    "name": name,
                    "namespace": names.member_namespace(member),
                    "finalizers": [names.WORK_CLEANUP],
                },
                "spec": {"workload": {"manifests": []}},
            }
        )


def passes() -> float:
    """How often the controller of members has reconciled anything, of all hubs so far."""
    return sum(RECONCILES.labels("members", result)._value.get() for result in ("success", "error", "terminal"))


def brief(obj: Object) -> Object:
    return {key: obj[key] for key in ("rules", "subjects", "roleRef") if key in obj}
