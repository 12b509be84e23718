"""What a simulated cluster consists of at first, and how it comes to be.

Written once, when the cluster is new: from then on its objects are the truth, and upgrades change
them. Only how the simulation behaves follows what the user says at a later start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec
import orjson

from echelon.api import names
from echelon.api.core import ConfigMap, Node, NodeCondition, NodeSpec, NodeStatus, NodeSystemInfo
from echelon.api.meta import Clock, ObjectMeta, format_time
from echelon.apiserver.metadata import Summary
from echelon.apiserver.storage import Keyspace
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, NotFound
from echelon.upgrade.providers.simulated import platform
from echelon.upgrade.providers.simulated.platform import CLUSTER, NAMESPACE, ClusterState
from echelon.upgrade.versions import KubeVersion, NotAVersion

DEFAULT_VERSION = "1.33.0"
DEFAULT_REGION = "local"
DEFAULT_IMAGE = "SimulatedLinux-202501.01.0"
DEFAULT_NODES = 3

CAPACITY = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "128Gi", "pods": "110"}
ALLOCATABLE = {"cpu": "3860m", "memory": "14Gi", "ephemeral-storage": "119Gi", "pods": "110"}


class SimulatedPool(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that are alike. Without a version, that of the control plane."""

    name: str = "pool"
    nodes: int = DEFAULT_NODES
    kubernetes_version: str = ""
    node_image: str = DEFAULT_IMAGE


class SimulatedCluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster as it begins. Times in seconds of an upgrade."""

    region: str = DEFAULT_REGION
    kubernetes_version: str = DEFAULT_VERSION
    pools: tuple[SimulatedPool, ...] = (SimulatedPool(),)
    control_plane_seconds: float = 1.0
    seconds_per_node: float = 1.0
    long_term_support: bool = False


async def ensure(client: Client, wanted: SimulatedCluster | None, clock: Clock) -> None:
    """Make the objects of a new cluster; of one that is there, take over how fast it is wanted to be."""
    cluster = wanted or SimulatedCluster()
    try:
        present = await client.get(ConfigMap, (NAMESPACE, CLUSTER))
    except NotFound:
        await asyncio.gather(*(_create(client, node) for node in nodes_of(cluster, clock)))
        await client.create(platform.cluster_config_map(_first_state(cluster)))  # last: it says that all is there
        return
    if wanted is None:
        return
    pace = platform.cluster_data(_first_state(cluster))
    data = {**present.data, **{key: pace[key] for key in ("controlPlaneSeconds", "secondsPerNode")}}
    await client.patch_object(present, msgspec.structs.replace(present, data=data))


def _first_state(cluster: SimulatedCluster) -> ClusterState:
    return ClusterState(
        region=cluster.region,
        control_plane_version=cluster.kubernetes_version,
        control_plane_seconds=cluster.control_plane_seconds,
        seconds_per_node=cluster.seconds_per_node,
        long_term_support=cluster.long_term_support,
    )


async def _create(client: Client, node: Node) -> None:
    try:
        await client.create(node)
    except AlreadyExists:
        return  # of a start that did not come to its end


def nodes_of(cluster: SimulatedCluster, clock: Clock) -> Iterable[Node]:
    """The nodes of a cluster as it begins."""
    for pool in cluster.pools:
        version = pool.kubernetes_version or cluster.kubernetes_version
        for number in range(pool.nodes):
            yield _node(f"{pool.name}-{number}", cluster.region, pool, version, clock)


def _node(name: str, region: str, pool: SimulatedPool, version: str, clock: Clock) -> Node:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        platform.REGION: region,
        names.NODE_POOL: pool.name,
        names.NODE_IMAGE: pool.node_image,
    }
    return Node(
        metadata=ObjectMeta(name=name, labels=labels),
        spec=NodeSpec(provider_id=f"{platform.SCHEME}://{pool.name}/{name}"),
        status=NodeStatus(
            capacity=CAPACITY,
            allocatable=ALLOCATABLE,
            conditions=(ready_condition(clock, ready=True),),
            node_info=node_info(version, pool.node_image),
        ),
    )


def node_info(version: str, image: str) -> NodeSystemInfo:
    """What a node says of itself at a version and with an image."""
    return NodeSystemInfo(
        kubelet_version=f"v{KubeVersion.parse(version)}",
        os_image=image,
        kernel_version="6.8.0-simulated",
        container_runtime_version="containerd://2.0.0",
        operating_system="linux",
        architecture="amd64",
    )


def ready_condition(clock: Clock, *, ready: bool) -> NodeCondition:
    """Whether the kubelet answers, since now."""
    moment = format_time(clock.now())
    return NodeCondition(
        type="Ready",
        status="True" if ready else "False",
        reason="KubeletReady" if ready else "KubeletNotReady",
        message="kubelet is posting ready status" if ready else "the node is being replaced",
        last_heartbeat_time=moment,
        last_transition_time=moment,
    )


def served_version(keyspace: Keyspace[Summary], default: str = f"v{DEFAULT_VERSION}") -> Callable[[], str]:
    """The version that a cluster's API server tells: that of the simulated control plane, as stored right now."""
    bucket = keyspace.bucket("/configmaps")

    def version() -> str:
        record = bucket.get(NAMESPACE, CLUSTER)
        if record is None:
            return default
        told = orjson.loads(record.value).get("data", {}).get("controlPlaneVersion", "")
        try:
            return f"v{KubeVersion.parse(told)}"
        except NotAVersion:
            return default  # a user has written something else there, which the simulation complains of

    return version
