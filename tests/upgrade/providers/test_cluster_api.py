"""Cluster API against the contract, in both versions of its API, with a topology controller that is played."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from echelon.api.meta import Clock, Resource
from echelon.kube import crds
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.upgrade.providers.cluster_api import ClusterApiPlatform
from echelon.upgrade.providers.cluster_api.topology import DEFER, OURS
from echelon.upgrade.providers.contract import Code, Member, Operation, ProviderError
from echelon.upgrade.providers.management import ManagementClusters, over_http
from echelon.upgrade.providers.settings import ClusterApiSettings
from echelon.upgrade.providers.steps import SteppedProvider

from ..hub import Hub
from .contract import ProviderContract, finished
from .definitions import definition
from .severed import SeverableTransport

GROUP = "cluster.x-k8s.io"
MEMBER = Member(name="one", cluster_resource_id="capi://default/one")


class Topology:
    """The platform: one cluster with a server and three workers in two MachineDeployments."""

    target = Operation(control_plane_version="1.31.1", node_version="1.31.1")
    queues = False

    def __init__(self, admin: Client, clusters: ManagementClusters, clock: Clock, version: str) -> None:
        self.admin = admin
        self.clock = clock
        self._api_version = f"{GROUP}/{version}"
        self._kinds = {
            kind: Unstructured(Resource(GROUP, version, plural, kind, namespaced=True))
            for kind, plural in (("Cluster", "clusters"), ("Machine", "machines"), ("ClusterClass", "clusterclasses"))
        }
        self.cut_off: Callable[[], Awaitable[None]]
        self.capi = ClusterApiPlatform(clusters, ClusterApiSettings(), clock)
        self.provider = SteppedProvider(self.capi, self.capi.changes)

    async def set_up(self, version: str) -> None:
        await crds.install(self.admin, [definition(GROUP, version, kind) for kind in self._kinds])
        deployments = [{"class": "linux", "name": name, "replicas": count} for name, count in (("a", 1), ("b", 2))]
        topology: dict[str, Any] = {"version": "v1.30.4", "workers": {"machineDeployments": deployments}}
        topology |= {"class": "small"} if version == "v1beta1" else {"classRef": {"name": "small"}}
        await self.create("Cluster", "one", spec={"topology": topology})
        await self.create("ClusterClass", "small", spec={})
        await self.machine("one-server", {f"{GROUP}/control-plane": ""})
        for name, deployment in (("one-a-0", "a"), ("one-b-0", "b"), ("one-b-1", "b")):
            await self.machine(name, {"topology.cluster.x-k8s.io/deployment-name": deployment})

    async def machine(self, name: str, labels: Mapping[str, str]) -> None:
        labels = {f"{GROUP}/cluster-name": "one", **labels}
        await self.create("Machine", name, labels, spec={"version": "v1.30.4"}, status={"phase": "Running"})

    async def create(self, kind: str, name: str, labels: Mapping[str, str] | None = None, **content: Any) -> None:
        metadata = {"name": name, "namespace": "default", "labels": labels or {}}
        obj = {"apiVersion": self._api_version, "kind": kind, "metadata": metadata, **content}
        await self.admin.create(obj, self._kinds[kind])

    async def edit(self, kind: str, name: str, change: Mapping[str, Any]) -> None:
        await self.admin.patch(self._kinds[kind], ("default", name), MergePatch(change))

    async def cluster(self) -> Mapping[str, Any]:
        return await self.admin.get(self._kinds["Cluster"], ("default", "one"))

    async def deferrals(self) -> list[str | None]:
        deployments = (await self.cluster())["spec"]["topology"]["workers"]["machineDeployments"]
        return [d.get("metadata", {}).get("annotations", {}).get(DEFER) for d in deployments]

    async def condition(self, reason: str, ago: float) -> None:
        since = self.clock.now() - timedelta(seconds=ago)
        condition = {
            "type": "TopologyReconciled",
            "status": "False",
            "reason": reason,
            "message": "image for v1.31.1 not found",
            "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        await self.edit("Cluster", "one", {"status": {"conditions": [condition]}})

    async def started(self) -> int:
        return int((await self.cluster())["metadata"]["generation"]) - 1

    async def carry_on(self) -> None:
        """What the controller of topologies does."""
        topology = (await self.cluster())["spec"]["topology"]
        parts = [("one-server",)]
        for deferral, machines in zip(await self.deferrals(), (("one-a-0",), ("one-b-0", "one-b-1")), strict=True):
            if deferral is not None:
                break
            parts.append(machines)
        for machine in (name for part in parts for name in part):
            await self.edit("Machine", machine, {"spec": {"version": topology["version"]}})

    async def fail(self) -> None:
        await self.condition("ReconcileFailed", ago=3600)

    async def hold_back(self) -> None:
        raise NotImplementedError


@pytest.fixture(params=["v1beta1", "v1beta2"])
async def platform(bare_hub: Hub, request: pytest.FixtureRequest) -> AsyncIterator[Topology]:
    transport = SeverableTransport(bare_hub.server, headers={"Authorization": "Bearer provider"})
    client = Client(transport)
    topology = Topology(bare_hub.admin, ManagementClusters(client, over_http), bare_hub.clock, request.param)
    topology.cut_off = transport.sever
    await topology.set_up(request.param)
    yield topology
    await client.close()


@pytest.fixture
def provider(platform: Topology) -> SteppedProvider:
    return platform.provider


@pytest.fixture
def cluster() -> Member:
    return MEMBER


class TestContract(ProviderContract):
    pass


async def test_each_part_follows_when_its_turn_has_come(provider: SteppedProvider, platform: Topology) -> None:
    handle = await provider.start(MEMBER, platform.target, "key-1")
    seen = [await platform.deferrals()]
    messages = []
    while not (progress := await provider.poll(MEMBER, handle)).ended:
        await platform.carry_on()
        handle = progress.handle or handle
        if progress.handle:
            seen.append(await platform.deferrals())
            messages.append((progress.message, progress.nodes_done))
    assert seen == [[OURS, OURS], [None, OURS], [None, None]]
    assert messages == [("Upgrading node pool a", 0), ("Upgrading node pool b", 1)]
    assert (progress.nodes_done, progress.nodes_total) == (3, 3)
    assert (await platform.cluster())["spec"]["topology"]["version"] == "v1.31.1"


async def test_nodes_follow_a_control_plane_that_went_alone(provider: SteppedProvider, platform: Topology) -> None:
    alone = await provider.start(MEMBER, Operation(control_plane_version="1.31.1"), "key-1")
    assert (await finished(provider, MEMBER, platform, alone)).state == "Succeeded"
    assert [p.kubernetes_version for p in (await provider.observe(MEMBER)).node_pools] == ["1.30.4", "1.30.4"]
    nodes = await provider.start(MEMBER, Operation(node_version="1.31.1"), "key-2")
    assert (await finished(provider, MEMBER, platform, nodes)).state == "Succeeded"
    assert [p.kubernetes_version for p in (await provider.observe(MEMBER)).node_pools] == ["1.31.1", "1.31.1"]


async def test_what_others_defer_is_waited_for(provider: SteppedProvider, platform: Topology) -> None:
    deployments = (await platform.cluster())["spec"]["topology"]["workers"]["machineDeployments"]
    deployments[0]["metadata"] = {"annotations": {DEFER: "team-a"}}
    await platform.edit("Cluster", "one", {"spec": {"topology": {"workers": {"machineDeployments": deployments}}}})
    handle = await provider.start(MEMBER, platform.target, "key-1")
    await platform.carry_on()
    with pytest.raises(ProviderError, match="node pool a is deferred by its owner") as caught:
        await provider.poll(MEMBER, handle)
    assert caught.value.retryable
    assert await platform.deferrals() == ["team-a", OURS]


async def test_a_topology_that_fails_may_recover_for_a_while(
    provider: SteppedProvider, platform: Topology, bare_hub: Hub
) -> None:
    handle = await provider.start(MEMBER, platform.target, "key-1")
    await platform.condition("ReconcileFailed", ago=10)
    progress = await provider.poll(MEMBER, handle)
    assert (progress.state, progress.message) == ("Running", "ReconcileFailed: image for v1.31.1 not found")
    await bare_hub.pass_time(300)
    seen = [found async for found in provider.watch(MEMBER, handle)]
    assert seen[-1].state == "Failed"
    assert not (await provider.observe(MEMBER)).busy  # so that another version can be tried


async def test_a_version_that_somebody_takes_back(provider: SteppedProvider, platform: Topology) -> None:
    handle = await provider.start(MEMBER, platform.target, "key-1")
    await platform.edit("Cluster", "one", {"spec": {"topology": {"version": "v1.30.4"}}})
    progress = await provider.poll(MEMBER, handle)
    assert (progress.state, progress.code) == ("Aborted", Code.ABORTED)
    assert progress.message == "Somebody has set the version of the topology to 1.30.4"


async def test_an_upgrade_of_somebody_else_is_in_the_way_and_can_be_watched(
    provider: SteppedProvider, platform: Topology
) -> None:
    await platform.edit("Cluster", "one", {"spec": {"topology": {"version": "v1.30.6"}}})
    busy = (await provider.observe(MEMBER)).busy
    with pytest.raises(ProviderError, match=r"it is on its way to 1\.30\.6"):
        await provider.start(MEMBER, platform.target, "key-1")
    states = []
    async for progress in provider.watch(MEMBER, busy):
        states.append(progress.state)
        await platform.carry_on()
    assert states == ["Running", "Succeeded"]
    assert not (await provider.observe(MEMBER)).busy


async def test_a_cluster_that_is_paused_is_waited_for(provider: SteppedProvider, platform: Topology) -> None:
    await platform.edit("Cluster", "one", {"spec": {"paused": True}})
    (finding,) = await provider.preflight(MEMBER, platform.target)
    assert (finding.severity, finding.retryable) == ("Error", True)


async def test_versions_are_those_of_the_class(provider: SteppedProvider, platform: Topology) -> None:
    assert await provider.versions(MEMBER, "") is None
    (finding,) = await provider.preflight(MEMBER, Operation(control_plane_version="1.31"))
    assert finding.message == "the ClusterClass lists no versions: ask for a whole one, such as 1.31.1"
    await platform.edit("ClusterClass", "small", {"spec": {"kubernetesVersions": ["v1.30.4", "v1.31.1"]}})
    versions = await provider.versions(MEMBER, "")
    assert versions is not None
    assert [str(found.version) for found in versions] == ["1.30.4", "1.31.1"]


async def test_clusters_that_cannot_be_upgraded(provider: SteppedProvider, platform: Topology) -> None:
    await platform.create("Cluster", "plain", spec={})
    with pytest.raises(ProviderError, match="has no topology; clusters without a ClusterClass"):
        await provider.observe(Member(name="one", cluster_resource_id="capi://default/plain"))
    with pytest.raises(ProviderError, match=r'clusters.* "two" not found') as caught:
        await provider.observe(Member(name="one", cluster_resource_id="capi://default/two"))
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(ProviderError, match="want capi://namespace/name"):
        await provider.observe(Member(name="one", cluster_resource_id="capi://one"))


async def test_a_hub_without_cluster_api(bare_hub: Hub) -> None:
    clusters = ManagementClusters(bare_hub.admin, over_http)
    provider = SteppedProvider(ClusterApiPlatform(clusters, ClusterApiSettings(), bare_hub.clock))
    with pytest.raises(ProviderError, match=r"no Cluster of Cluster API in cluster\.x-k8s\.io/v1beta2 or"):
        await provider.observe(MEMBER)
