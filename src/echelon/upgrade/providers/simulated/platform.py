"""The interface of the simulated platform: what it keeps in the namespace kube-system of each cluster.

Clusters of this platform have no cloud behind them that could be asked; the cluster itself is where
everything about it is written down. One ConfigMap, CLUSTER, holds the version of the control plane
and how the simulation behaves; users may edit it. Another one is an operation: whoever wants an
upgrade creates it, and the simulation, of which this module knows nothing, writes its progress.
The rest are Node objects with the labels NODE_POOL and NODE_IMAGE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from echelon.api.core import ConfigMap, Node
from echelon.api.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta
from echelon.api.names import NODE_IMAGE, NODE_POOL, OWN_PREFIX
from echelon.upgrade.providers.contract import Code, NodePool, Operation, Progress
from echelon.upgrade.versions import ImageVersion, KubeVersion, NotAVersion

SCHEME = "simulated"
NAMESPACE = "kube-system"
CLUSTER = "simulated-cluster"

PART = OWN_PREFIX + "simulation"
"""Label of all ConfigMaps of the platform: ``cluster`` or ``operation``."""
PARTS = LabelSelector(match_expressions=(LabelSelectorRequirement(key=PART, operator="Exists"),))
OPERATIONS = {PART: "operation"}

REGION = "topology.kubernetes.io/region"

FAIL, HANG, BUSY = "fail", "hang", "busy"
FAULTS = (FAIL, HANG, BUSY)


class BadSimulation(ValueError):
    """What stands in a ConfigMap of the platform cannot be taken; the message says what would be."""


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """The ConfigMap CLUSTER. Times in seconds; ``fault`` is one of FAULTS, ``fail:<code>``, or empty."""

    region: str
    control_plane_version: str
    control_plane_seconds: float = 1.0
    seconds_per_node: float = 1.0
    fault: str = ""
    long_term_support: bool = False
    running: bool = True


class OperationState(msgspec.Struct, frozen=True, kw_only=True):
    """An operation. ``step`` is what the platform is at: CONTROL_PLANE, or a node by name."""

    operation: Operation
    progress: Progress
    created: datetime
    step: str = ""
    step_started: datetime | None = None


CONTROL_PLANE = "control-plane/"  # no node has a name like this


# -- the cluster --------------------------------------------------------------------------------


def cluster_config_map(state: ClusterState) -> ConfigMap:
    """A cluster as its ConfigMap."""
    metadata = ObjectMeta(name=CLUSTER, namespace=NAMESPACE, labels={PART: "cluster"})
    return ConfigMap(metadata=metadata, data=cluster_data(state))


def cluster_data(state: ClusterState) -> Mapping[str, str]:
    """What stands in the ConfigMap of a cluster."""
    return {
        "region": state.region,
        "controlPlaneVersion": state.control_plane_version,
        "controlPlaneSeconds": f"{state.control_plane_seconds:g}",
        "secondsPerNode": f"{state.seconds_per_node:g}",
        "fault": state.fault,
        "longTermSupport": str(state.long_term_support).lower(),
        "running": str(state.running).lower(),
    }


def read_cluster(config_map: ConfigMap) -> ClusterState:
    """Read a cluster's ConfigMap.

    Raises:
        BadSimulation: a value makes no sense.
    """
    data = config_map.data
    version = data.get("controlPlaneVersion", "")
    try:
        KubeVersion.parse(version)
    except NotAVersion as error:
        raise BadSimulation(f"ConfigMap {NAMESPACE}/{CLUSTER}, controlPlaneVersion: {error}") from error
    return ClusterState(
        region=data.get("region", ""),
        control_plane_version=version,
        control_plane_seconds=_seconds(data, "controlPlaneSeconds"),
        seconds_per_node=_seconds(data, "secondsPerNode"),
        fault=read_fault(data.get("fault", "")),
        long_term_support=_truth(data, "longTermSupport", default=False),
        running=_truth(data, "running", default=True),
    )


def read_fault(text: str) -> str:
    """Read a fault that the simulation is to show.

    Raises:
        BadSimulation: there is no such fault.
    """
    kind, colon, code = text.partition(":")
    if text in ("", *FAULTS) or (kind == FAIL and colon and code in list(Code)):
        return text
    raise BadSimulation(
        f"{text!r} is nothing that the simulation can be told to do; want fail, hang or busy, "
        f"or fail:<code> with one of the codes {', '.join(Code)}"
    )


def _seconds(data: Mapping[str, str], key: str) -> float:
    text = data.get(key, "1")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise BadSimulation(f"ConfigMap {NAMESPACE}/{CLUSTER}, {key}: {text!r} is no number of seconds, such as 1.5")
    return seconds


def _truth(data: Mapping[str, str], key: str, *, default: bool) -> bool:
    text = data.get(key, str(default).lower())
    if text not in ("true", "false"):
        raise BadSimulation(f"ConfigMap {NAMESPACE}/{CLUSTER}, {key}: {text!r} is neither true nor false")
    return text == "true"


# -- operations ---------------------------------------------------------------------------------


def operation_name(key: str) -> str:
    """The name of the operation that was started with a key."""
    return f"simulated-operation-{key}".lower()


def operation_config_map(name: str, state: OperationState) -> ConfigMap:
    """An operation as its ConfigMap."""
    metadata = ObjectMeta(name=name, namespace=NAMESPACE, labels=OPERATIONS)
    return ConfigMap(metadata=metadata, data=operation_data(state))


def operation_data(state: OperationState) -> Mapping[str, str]:
    """What stands in the ConfigMap of an operation."""
    return {
        "operation": msgspec.json.encode(state.operation).decode(),
        "progress": msgspec.json.encode(state.progress).decode(),
        "created": state.created.isoformat(),
        "step": state.step,
        "stepStarted": state.step_started.isoformat() if state.step_started else "",
    }


def read_operation(config_map: ConfigMap) -> OperationState:
    """Read an operation's ConfigMap.

    Raises:
        BadSimulation: it is not one that this module wrote.
    """
    data = config_map.data
    try:
        return OperationState(
            operation=msgspec.json.decode(data["operation"], type=Operation),
            progress=msgspec.json.decode(data["progress"], type=Progress),
            created=datetime.fromisoformat(data["created"]),
            step=data["step"],
            step_started=datetime.fromisoformat(data["stepStarted"]) if data["stepStarted"] else None,
        )
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise BadSimulation(f"ConfigMap {NAMESPACE}/{config_map.metadata.name} is no operation: {error}") from error


def first_unfinished(operations: Sequence[tuple[str, OperationState]]) -> tuple[str, OperationState] | None:
    """The operation that the platform is at, or takes up next: one at a time, in the order they came."""
    unfinished = [(state.created, name, state) for name, state in operations if not state.progress.ended]
    if not unfinished:
        return None
    _, name, state = min(unfinished, key=lambda item: item[:2])
    return name, state


# -- nodes --------------------------------------------------------------------------------------


def node_pools(nodes: Sequence[Node]) -> Sequence[NodePool]:
    """The pools that nodes belong to, each at the lowest version of its nodes; other nodes are no pool's."""
    pools: dict[str, list[Node]] = {}
    for node in nodes:
        if pool := node.metadata.labels.get(NODE_POOL):
            pools.setdefault(pool, []).append(node)
    return [
        NodePool(
            name=name,
            count=len(members),
            kubernetes_version=min(map(kubelet_version, members), key=KubeVersion.parse),
            node_image=min(map(image_of, members), key=_image_order),
        )
        for name, members in sorted(pools.items())
    ]


def kubelet_version(node: Node) -> str:
    """A node's version, without the v in front."""
    return node.status.node_info.kubelet_version.removeprefix("v")


def _image_order(image: str) -> tuple[ImageVersion, ...]:
    return (ImageVersion.parse(image),) if image else ()


def image_of(node: Node) -> str:
    """A node's image; empty when it names none."""
    return node.metadata.labels.get(NODE_IMAGE, "")
