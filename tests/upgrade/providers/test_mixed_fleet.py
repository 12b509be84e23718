"""An update run over a fleet of all platforms, from the run down to each platform and back.

Clouds are reached through their SDKs over sockets, so time is ours here; the clouds' is a thousand times as fast.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.upgrade import ClusterUpgrade
from echelon.kube.backoff import Backoff
from echelon.kube.manager import Manager
from echelon.kube.patches import MergePatch
from echelon.testing.fakeclouds import Clouds, Cluster, Faults, PacedClock, Server, cluster_of
from echelon.upgrade import UpgradeSettings, providers
from echelon.upgrade.providers import HubCatalogue, ProviderSettings
from echelon.upgrade.providers.builtin import BuiltIn
from echelon.upgrade.providers.management import ManagementClusters, Watched, changes, over_http
from echelon.upgrade.providers.settings import AwsSettings, AzureSettings, CommandSettings, GoogleSettings

from ..hub import Hub, Stored, order, running_server, stage
from . import scripted
from .clouds import CLUSTERS, IMAGES, VERSIONS
from .test_cluster_api import Topology
from .test_external import PROGRAM
from .test_plans import PLANS, Controller

PACE = 1000.0
WITHIN = 30.0
PLATFORM_IDS = {
    "capi-1": "capi://default/one",
    "plan-1": "plan://default?kubeconfig=",
    "exec-1": "exec://lab/rack-7",
}


class Fleet:
    """The hub, its clouds, and members of all platforms."""

    def __init__(self, hub: Hub, clouds: Server, folder: Path) -> None:
        self.hub = hub
        self.clouds = clouds
        self.script = folder / "state.json"
        self.script.write_text(json.dumps({**scripted.START, "quick": True}))
        self.settings = ProviderSettings(
            polling=Backoff(first=0.02, cap=0.05),
            retry=Backoff(first=0.02, cap=0.1),
            progress_interval=0.0,
            azure=AzureSettings(endpoint=clouds.url),
            aws=AwsSettings(endpoint=clouds.url),
            google=GoogleSettings(endpoint=clouds.url),
            commands={"lab": CommandSettings(command=(*PROGRAM, str(self.script)))},
        )

    async def join(self, name: str, resource_id: str, group: str) -> None:
        await self.hub.join(name, group=group, version="")
        note = {"metadata": {"annotations": {names.CLUSTER_RESOURCE_ID: resource_id}}}
        await self.hub.admin.patch(MemberCluster, name, MergePatch(note))

    def cloud(self, name: str) -> Cluster:
        """The cluster of a member in its cloud."""
        cloud = name.partition("-")[0]
        return self.clouds.clouds.find(str(CLUSTERS[cloud]["id"]).replace("one", name))

    def handles(self) -> dict[str, str]:
        found = [upgrade for upgrade in self.hub.all(ClusterUpgrade) if upgrade.status.operation_id]
        return {str(names.member_of_namespace(u.metadata.namespace)): u.status.operation_id for u in found}

    @asynccontextmanager
    async def provided(self) -> AsyncIterator[None]:
        """One life of the process of the providers."""
        client = self.hub.client("controllers")
        manager = Manager(client)
        catalogue = HubCatalogue(manager.cache, self.hub.clock)
        built_in = BuiltIn(client, self.settings, self.hub.clock)
        manager.add_runnable("upgrade-providers", built_in.run)
        providers.add_controllers(manager, built_in.providers, catalogue, self.settings, self.hub.clock)
        running = asyncio.create_task(manager.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.close()


async def play(platform: Topology | Controller, watched: list[Watched]) -> None:
    """The controller of a platform: carries on whenever something has changed."""
    async for _ in changes(platform.admin, watched, WITHIN):
        await platform.carry_on()


@pytest.fixture
async def fleet(definitions: Stored, tmp_path: Path) -> AsyncIterator[Fleet]:
    content: list[dict[str, Any]] = []
    for cloud, fields in CLUSTERS.items():
        content += [{**fields, "id": str(fields["id"]).replace("one", f"{cloud}-{n}")} for n in (1, 2)]
    clouds = Clouds(map(cluster_of, content), VERSIONS)
    for image in IMAGES:
        clouds.publish(*image)
    async with running_server(definitions) as server, Server(clouds, PacedClock(PACE)) as played:
        hub = Hub(server)
        await hub.open()
        fleet = Fleet(hub, played, tmp_path)
        clusters = ManagementClusters(hub.admin, over_http)
        topology, plans = Topology(hub.admin, clusters, hub.clock, "v1beta2"), Controller(hub.admin, clusters)
        await topology.set_up("v1beta2")
        versions = {"kubernetesVersions": ["v1.30.4", "v1.31.1"]}
        await topology.edit("ClusterClass", "small", {"spec": versions})
        await plans.set_up()
        for cluster in clouds.clusters:
            await fleet.join(cluster.name, cluster.id, "cloud")
        for name, resource_id in PLATFORM_IDS.items():
            await fleet.join(name, resource_id, "own")
        playing = [
            asyncio.create_task(play(topology, [Watched(topology._kinds["Cluster"], "default")])),
            asyncio.create_task(play(plans, [Watched(PLANS, "default")])),
        ]
        await hub.start_controllers(UpgradeSettings())
        yield fleet
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
        await hub.close()


STAGES = order(
    stage("clouds", {"name": "cloud", "maxConcurrency": "6"}, maxConcurrency="6"),
    stage("own", {"name": "own", "maxConcurrency": "3"}, maxConcurrency="3"),
)
MEMBERS = ("aks-1", "aks-2", "eks-1", "eks-2", "gke-1", "gke-2", *PLATFORM_IDS)


async def run_ended(fleet: Fleet, state: str) -> None:
    await fleet.hub.until(lambda: fleet.hub.state() in ("Completed", "Failed", "Stopped"), WITHIN)
    assert fleet.hub.state() == state, fleet.hub.describe()


async def test_all_platforms_follow_one_run(fleet: Fleet) -> None:
    fleet.cloud("aks-2").faults = Faults(throttle=2, retry_after=0.05)
    fleet.cloud("eks-2").faults = Faults(throttle=2, retry_after=0.05)
    async with fleet.provided():
        await fleet.hub.create(update="1.31", strategy=STAGES, state="Run")
        await run_ended(fleet, "Completed")
    assert fleet.hub.states() == dict.fromkeys(MEMBERS, "Completed")
    assert [fleet.cloud(f"{cloud}-1").version for cloud in CLUSTERS] == ["1.31.1", "1.31", "1.31.4-gke.300"]
    for name in MEMBERS[:6]:
        assert [found.pool for found in fleet.cloud(name).operations] == ["", "system", "user"]
    state = json.loads(fleet.script.read_text())
    assert state["version"] == "1.31.1"
    assert len(state["operations"]) == 1
    done = {names.member_of_namespace(u.metadata.namespace): u.status.nodes_done for u in fleet.hub.all(ClusterUpgrade)}
    assert done == {**dict.fromkeys(MEMBERS, 3), "plan-1": 2}


async def test_a_hub_that_dies_again_and_again_starts_nothing_twice(fleet: Fleet) -> None:
    await fleet.hub.create(update="1.31", strategy=STAGES, state="Run")
    seen: set[frozenset[tuple[str, str]]] = set()

    def something_new() -> bool:
        now = frozenset(fleet.handles().items())
        return fleet.hub.state() == "Completed" or now not in seen

    lives = 0
    while fleet.hub.state() != "Completed":
        async with fleet.provided():
            await fleet.hub.until(something_new, WITHIN)
            seen.add(frozenset(fleet.handles().items()))
        lives += 1
    assert lives > 5
    for name in MEMBERS[:6]:
        assert [found.pool for found in fleet.cloud(name).operations] == ["", "system", "user"]
    assert len(json.loads(fleet.script.read_text())["operations"]) == 1


async def test_a_member_that_fails_is_tried_again_and_goes_on_where_it_was(fleet: Fleet) -> None:
    fleet.cloud("gke-1").faults = Faults(drain=True)
    fleet.cloud("aks-1").faults = Faults(quota=True)
    async with fleet.provided():
        await fleet.hub.create(update="1.31", strategy=STAGES, state="Run")
        await run_ended(fleet, "Failed")
        codes = {name: m.error.code for name, m in fleet.hub.members().items() if m.error is not None}
        assert codes == {"gke-1": "PodDisruptionBudgetBlocked", "aks-1": "Quota"}
        gke = fleet.hub.member("gke-1").error
        assert gke is not None
        assert gke.message.startswith("FAILED_PRECONDITION: Cannot evict pod default/web-0")
        for name in ("gke-1", "aks-1"):
            fleet.cloud(name).faults = Faults()
        await fleet.hub.start()
        await fleet.hub.until(lambda: fleet.hub.state() != "Failed", WITHIN)
        await run_ended(fleet, "Completed")
    assert [found.pool for found in fleet.cloud("gke-1").operations] == ["", "system", "system", "user"]
    assert [found.pool for found in fleet.cloud("aks-1").operations] == ["", "system", "user"]


async def test_stopped_clusters_are_waited_for(fleet: Fleet) -> None:
    fleet.settings = replace(fleet.settings, stopped_clusters="Wait")
    fleet.cloud("aks-1").running = False
    for name in MEMBERS[1:6]:
        await fleet.hub.admin.delete(MemberCluster, name)
    async with fleet.provided():
        await fleet.hub.create(update="1.31", strategy=order(stage("clouds", "cloud")), state="Run")
        await fleet.hub.until(lambda: fleet.hub.members() and fleet.hub.member("aks-1").error is not None, WITHIN)
        assert fleet.hub.member("aks-1").message == "Waiting for the cluster, which is stopped, to be started"
        fleet.cloud("aks-1").running = True
        await run_ended(fleet, "Completed")


async def test_windows_of_platforms_are_kept_and_others_go_first(fleet: Fleet) -> None:
    schedule = {"weekly": {"intervalWeeks": 1, "dayOfWeek": "Saturday"}}
    window = {"schedule": schedule, "durationHours": 4, "utcOffset": "+00:00", "startTime": "01:00"}
    fleet.cloud("aks-1").maintenance = {"aksManagedAutoUpgradeSchedule": window}
    async with fleet.provided():
        await fleet.hub.create(update="1.31", strategy=order(stage("clouds", "cloud")), state="Run")
        await fleet.hub.until(lambda: fleet.hub.states().get("gke-2") == "Completed", WITHIN)
        await fleet.hub.until(lambda: fleet.hub.state() == "Pending", WITHIN)
    waiting = fleet.hub.member("aks-1")
    assert waiting.state == "Pending"
    assert waiting.message.startswith("The maintenance configuration aksManagedAutoUpgradeSchedule opens at ")
    assert waiting.not_before is not None
    assert fleet.cloud("aks-1").operations == []
