"""The providers that work through Kubernetes objects, on servers that hold nothing of Echelon: Cluster API on the hub,
Plans on a member that a Secret leads to. Their controllers are played; servers know no virtual time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import yaml

from echelon.api.meta import SystemClock
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load
from echelon.upgrade.providers.contract import Member, Provider
from echelon.upgrade.providers.management import ManagementClusters, over_http

from ..upgrade.providers.test_cluster_api import Topology
from ..upgrade.providers.test_plans import Controller

MEMBER = "member1"
WITHIN = 60.0


@asynccontextmanager
async def client_of(clusters: Path, context: str) -> AsyncIterator[Client]:
    client = Client(HttpTransport(load(clusters, context=context)), field_manager="test")
    try:
        yield client
    finally:
        await client.close()


async def create_namespace(client: Client, name: str) -> None:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


async def upgrade(provider: Provider, member: Member, platform: Topology | Controller) -> list[str]:
    """Upgrade a member as the controller does, by watching; what its progress said of the parts, in order."""
    seen = await provider.observe(member)
    assert not seen.busy
    handle = await provider.start(member, platform.target, "key-1")
    assert await provider.start(member, platform.target, "key-1") == handle
    messages = []
    async with asyncio.timeout(WITHIN), aclosing(provider.watch(member, handle)) as watching:
        async for progress in watching:
            messages.append(progress.message.partition(":")[0])
            if len(messages) == 1 or progress.handle:
                await platform.carry_on()
            assert progress.ended or progress.state == "Running", progress
    assert progress.state == "Succeeded", progress
    after = await provider.observe(member)
    assert after.control_plane_version == platform.target.control_plane_version
    assert {pool.kubernetes_version for pool in after.node_pools} == {platform.target.node_version}
    assert not after.busy
    return list(dict.fromkeys(message for message in messages if message))


def test_cluster_api_on_the_hub(clusters: Path) -> None:
    async def run() -> None:
        async with client_of(clusters, "hub") as hub:
            topology = Topology(hub, ManagementClusters(hub, over_http), SystemClock(), "v1beta2")
            await topology.set_up("v1beta2")
            member = Member(name=MEMBER, cluster_resource_id="capi://default/one")
            assert await upgrade(topology.provider, member, topology) == [
                "Upgrading the control plane",
                "Upgrading node pool a",
                "Upgrading node pool b",
            ]

    asyncio.run(run())


def test_plans_on_a_member_that_a_secret_leads_to(clusters: Path) -> None:
    content = {**yaml.safe_load(clusters.read_text()), "current-context": MEMBER}

    async def run() -> None:
        async with client_of(clusters, "hub") as hub, client_of(clusters, MEMBER) as admin:
            await create_namespace(hub, f"fleet-member-{MEMBER}")
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "member-kubeconfig", "namespace": f"fleet-member-{MEMBER}"},
                "data": {"kubeconfig": base64.b64encode(yaml.safe_dump(content).encode()).decode()},
            }
            await hub.create(secret)
            management = ManagementClusters(hub, over_http)
            controller = Controller(admin, management)
            await controller.set_up()
            member = Member(name=MEMBER, cluster_resource_id="plan://default")
            assert await upgrade(controller.provider, member, controller) == [
                "Upgrading the control plane",
                "Upgrading node pool agents",
            ]
            await management.close()

    asyncio.run(run())
