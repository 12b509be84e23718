"""A hub and a member in virtual time, with what runs the agents of pushed members in the hub."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import looptime
import pytest

from echelon import membership
from echelon.agent import push
from echelon.agent.push.kubeconfigs import secret_of
from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import find_condition
from echelon.api.meta import Condition
from echelon.kube.kubeconfig import Connection, Entry
from echelon.kube.manager import Manager
from echelon.kube.rest import BeforeWrite

from ..clusters import Cluster, Clusters, LoopClock, Network, Object, Stored, fleet_definitions

MEMBER = "one"
NAMESPACE = names.member_namespace(MEMBER)
TOKEN = "agent"


class Pushing:
    """A hub that pushes to a member, or is to."""

    def __init__(self, clusters: Clusters, hub: Cluster, member: Cluster) -> None:
        self.hub = hub
        self.member = member
        self.until = clusters.until
        self.pass_time = clusters.pass_time
        self.connected: list[tuple[str, Connection]] = []
        self._manager: Manager | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self, before_write: BeforeWrite | None = None) -> asyncio.Task[None]:
        """Start the hub's controllers, as one process; the task ends when that does."""
        clock = LoopClock()
        self._manager = Manager(self.hub.client("controllers", before_write=before_write))
        membership.add_controllers(self._manager, clock, leave_deadline=timedelta(minutes=5))
        push.add_controllers(
            self._manager,
            clock,
            lambda: self.hub.client("agent", before_write=before_write),
            connect=self._connect,
        )
        self._running = asyncio.create_task(self._manager.run())
        return self._running

    async def stop(self) -> None:
        if self._manager is not None and self._running is not None:
            self._manager.stop()
            await asyncio.wait([self._running])
        self._manager = self._running = None

    def _connect(self, connection: Connection) -> Network:
        self.connected.append((connection.server, connection))
        return Network(self.member, "agent")

    async def declare(self, connection: str = names.PUSH) -> None:
        """Make the member, one to push to."""
        metadata = {"name": MEMBER, "annotations": {names.CONNECTION: connection}}
        identity = {"kind": "ServiceAccount", "name": "fleet-agent", "namespace": NAMESPACE}
        version = MemberCluster.resource.api_version
        obj: Object = {"apiVersion": version, "kind": "MemberCluster", "metadata": metadata}
        await self.hub.create(obj | {"spec": {"identity": identity}})
        await self.until(lambda: self.hub.find("InternalMemberCluster", MEMBER, NAMESPACE))

    async def keep(self, server: str = "https://one.example.com", token: str = TOKEN) -> None:
        """Give the hub a kubeconfig for the member, or another one."""
        await self.hub.admin.apply(secret_of(NAMESPACE, Entry(MEMBER, server, token=token)))

    async def keep_text(self, text: str) -> None:
        secret: dict[str, Any] = secret_of(NAMESPACE, Entry(MEMBER, ""))
        secret["data"] = {"kubeconfig": base64.b64encode(text.encode()).decode()}
        await self.hub.admin.apply(secret)

    async def forget(self) -> None:
        await self.hub.delete("Secret", names.MEMBER_KUBECONFIG, NAMESPACE)

    def condition(self, type_: str) -> Condition | None:
        found = self.hub.typed(MemberCluster, MEMBER)
        return None if found is None else find_condition(found.status.conditions, type_)

    def shows(self, type_: str, status: str, text: str = "") -> bool:
        found = self.condition(type_)
        return found is not None and found.status == status and text in found.message

    async def joined(self) -> None:
        await self.until(lambda: self.shows("Joined", "True"), describe=lambda: self.condition("Joined"))


@pytest.fixture(scope="session")
def definitions() -> Stored:
    return fleet_definitions()


@pytest.fixture
async def virtual_time() -> AsyncIterator[None]:
    with looptime.enabled(strict=True):
        yield


@pytest.fixture
async def pushing(virtual_time: None, definitions: Stored) -> AsyncIterator[Pushing]:
    """A hub whose controllers run, with a member that nobody has told it of."""
    clusters = Clusters(definitions)
    async with clusters.start("hub") as hub, clusters.start("member") as member:
        fleet = Pushing(clusters, hub, member)
        await member.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}})
        await fleet.start()
        yield fleet
        await fleet.stop()
