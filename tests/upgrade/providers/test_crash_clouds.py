"""The hub killed at each of its writes during the upgrade of a cluster in a cloud: nothing is started twice."""

from __future__ import annotations

import asyncio

import pytest

from echelon.api import names
from echelon.api.upgrade import ClusterUpgrade
from echelon.kube.backoff import Backoff
from echelon.kube.manager import Manager
from echelon.testing.fakeclouds import PacedClock
from echelon.upgrade import providers
from echelon.upgrade.providers import HubCatalogue

from ..hub import Hub, Stored, running_server
from .clouds import Played, playing
from .world import KillAt, Killed

CLOUDS = ("aks", "eks", "gke")
WRITES = 6
PACE = 3000.0
VERSIONS = {"aks": "1.31.1", "eks": "1.31", "gke": "1.31.4-gke.300"}
KEY = (names.member_namespace("one"), "by-hand")


class Counted(KillAt):
    """Counts writes and lets them be."""

    def __init__(self) -> None:
        super().__init__(0)
        self.count = 0

    def __call__(self, method: str, path: str) -> None:
        self.count += 1


async def live(hub: Hub, played: Played, kill: KillAt) -> None:
    """One life of the process of the providers; returns when it is killed."""
    client = hub.client("controllers", kill)
    manager = Manager(client)
    provider, platform = played.provider(polling=Backoff(first=0.01, cap=0.02), retry=Backoff(first=0.01, cap=0.02))
    settings = platform._settings
    catalogue = HubCatalogue(manager.cache, hub.clock)
    providers.add_controllers(manager, {played.cloud: provider}, catalogue, settings, hub.clock)
    try:
        await manager.run()
    except Killed:
        return
    finally:
        await platform.close()
        await client.close()


async def upgraded(definitions: Stored, cloud: str, kill: KillAt) -> Played:
    """The cloud after an upgrade, the hub killed once on the way."""
    async with running_server(definitions) as server, playing(cloud, PacedClock(PACE)) as played:
        hub = Hub(server)
        await hub.open()
        await hub.join("one")
        upgrade = {"type": "Full", "kubernetesVersion": VERSIONS[cloud]}
        content = {"upgrade": upgrade, "clusterResourceId": played.cluster.id, "updateRun": "run", "attempt": 1}
        metadata = {"namespace": KEY[0], "name": KEY[1]}
        kind = {"apiVersion": "fleet.echelon.dev/v1alpha1", "kind": "ClusterUpgrade"}
        await hub.admin.create({**kind, "metadata": metadata, "spec": content})

        async def lives() -> None:
            await live(hub, played, kill)
            await live(hub, played, KillAt(0))

        def over() -> bool:
            found = hub.find(ClusterUpgrade, KEY)
            return found is not None and found.status.state in ("Completed", "Failed")

        running = asyncio.create_task(lives())
        try:
            await hub.until(over, within=30.0)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        found = hub.find(ClusterUpgrade, KEY)
        assert found is not None
        assert (found.status.state, found.status.nodes_done) == ("Completed", 3), found.status
        await hub.close()
    return played


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("write", range(1, WRITES + 1))
async def test_the_hub_dies(definitions: Stored, cloud: str, write: int) -> None:
    played = await upgraded(definitions, cloud, KillAt(write))
    assert [found.pool for found in played.operations] == ["", "system", "user"]
    assert played.cluster.version == VERSIONS[cloud]


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_the_writes_are_all_those_that_there_are(definitions: Stored, cloud: str) -> None:
    """Keeps the number above true: finalizer, start, three handles, end; glimpses of the way come on top."""
    counted = Counted()
    await upgraded(definitions, cloud, counted)
    assert WRITES <= counted.count <= WRITES + 3
