"""What played clouds consist of: clusters, what happens to them, and faults.

A cluster does one operation at a time: its control plane goes to a version, or a node pool to a version and an
image. ``Clouds.settle`` ends what is due at a moment. Clouds differ in what they call things, and in what their
versions look like; what differs otherwise (who may go where, what an image is) their own modules say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

CloudName = Literal["aks", "eks", "gke"]
OperationState = Literal["Running", "Succeeded", "Failed"]
Reason = Literal[
    "not-found", "conflict", "changed", "stopped", "quota", "version", "throttled", "denied", "down", "unknown"
]

_IDS: Mapping[CloudName, re.Pattern[str]] = {
    "aks": re.compile(
        r"/subscriptions/(?P<scope>[^/]+)/resourceGroups/(?P<place>[^/]+)"
        r"/providers/Microsoft\.ContainerService/managedClusters/(?P<name>[^/]+)",
        re.IGNORECASE,
    ),
    "eks": re.compile(r"eks://(?P<scope>)(?P<place>[^/]+)/(?P<name>[^/]+)"),
    "gke": re.compile(r"gke://(?P<scope>[^/]+)/(?P<place>[^/]+)/(?P<name>[^/]+)"),
}
_NUMBERS = re.compile(r"\d+")


class BadCluster(ValueError):
    """A cluster that is to be played makes no sense; the message says why."""


class Refusal(Exception):
    """The cloud does not do what was asked. ``reason`` is one for all clouds, each has its own code for it."""

    def __init__(self, reason: Reason, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.reason = reason
        self.message = message


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What goes wrong at a cluster.

    * ``throttle``: so many of the next requests are refused, to be tried again after ``retry_after`` seconds.
    * ``quota``: no upgrade can begin, for lack of quota.
    * ``drain``: upgrades of node pools fail, as a pod cannot be evicted.
    * ``error``: upgrades take their time and end with an error.
    * ``slow``: upgrades take so many times as long.
    * ``wedge``: upgrades that have begun do not get on.
    * ``denied``: nobody has the right to anything. ``down``: nothing answers in a useful way.
    """

    throttle: int = 0
    retry_after: float = 10.0
    quota: bool = False
    drain: bool = False
    error: bool = False
    slow: float = 1.0
    wedge: bool = False
    denied: bool = False
    down: bool = False


class Pool(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A node pool. ``image`` is what the cloud calls the version of the nodes' image, ``family`` its kind."""

    name: str
    count: int = 1
    version: str
    image: str = ""
    family: str = ""


class Operation(msgspec.Struct, kw_only=True, rename="camel"):
    """Something that is done to a cluster; ``pool`` is empty for the control plane."""

    id: str
    pool: str = ""
    version: str = ""
    image: str = ""
    token: str = ""
    began: datetime
    seconds: float
    state: OperationState = "Running"
    reason: str = ""
    message: str = ""
    ended: datetime | None = None
    foreign: bool = False


class Cluster(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A cluster of some cloud. ``id`` is its cluster resource id, ``maintenance`` and ``insights`` are in the
    words of its cloud. ``control_plane_seconds`` and ``seconds_per_node`` are how long upgrades take."""

    id: str
    region: str = ""
    version: str
    pools: list[Pool] = []
    running: bool = True
    long_term_support: bool = False
    maintenance: dict[str, Any] = {}
    insights: list[dict[str, Any]] = []
    control_plane_seconds: float = 300.0
    seconds_per_node: float = 60.0
    faults: Faults = Faults()
    operations: list[Operation] = []
    generation: int = 1

    @property
    def cloud(self) -> CloudName:
        return _parts_of(self.id)[0]

    @property
    def scope(self) -> str:
        """The subscription or project."""
        return _parts_of(self.id)[1]["scope"]

    @property
    def place(self) -> str:
        """The resource group, region or location."""
        return _parts_of(self.id)[1]["place"]

    @property
    def name(self) -> str:
        return _parts_of(self.id)[1]["name"]

    @property
    def under_way(self) -> Operation | None:
        """The operation that is not at its end."""
        return next((found for found in self.operations if found.state == "Running"), None)

    def pool(self, name: str) -> Pool:
        """A node pool.

        Raises:
            Refusal: there is none of that name.
        """
        found = next((pool for pool in self.pools if pool.name == name), None)
        if found is None:
            raise Refusal("not-found", f"The node pool {name} of cluster {self.name} was not found.")
        return found

    def last(self, pool: str = "") -> Operation | None:
        """What was last done to the control plane or a pool."""
        return next((found for found in reversed(self.operations) if found.pool == pool), None)


def admit(cluster: Cluster) -> Cluster:
    """Let a request about a cluster through.

    Raises:
        Refusal: a fault is in the way.
    """
    faults = cluster.faults
    if faults.down:
        raise Refusal("down", "")
    if faults.throttle > 0:
        cluster.faults = msgspec.structs.replace(faults, throttle=faults.throttle - 1)
        raise Refusal("throttled", "Too many requests; try again later.", faults.retry_after)
    if faults.denied:
        raise Refusal("denied", "The caller does not have the right to do this.")
    return cluster


def cluster_of(content: Mapping[str, Any]) -> Cluster:
    """A cluster from what a user writes.

    Raises:
        BadCluster: it is none.
    """
    try:
        cluster = msgspec.convert(content, Cluster)
    except msgspec.ValidationError as error:
        raise BadCluster(str(error)) from error
    _parts_of(cluster.id)
    for version in (cluster.version, *(pool.version for pool in cluster.pools)):
        if len(_NUMBERS.findall(version)) < 2:
            raise BadCluster(f"cluster {cluster.id}: {version!r} is not a Kubernetes version")
    if not cluster.region:
        cluster.region = "eastus" if cluster.cloud == "aks" else cluster.place
    return cluster


def _parts_of(id_: str) -> tuple[CloudName, Mapping[str, str]]:
    for cloud, pattern in _IDS.items():
        if (found := pattern.fullmatch(id_)) is not None:
            return cloud, found.groupdict()
    raise BadCluster(
        f"{id_!r} is the id of no cluster that can be played; want /subscriptions/…/managedClusters/name, "
        "eks://region/name or gke://project/location/name"
    )


def order(version: str) -> tuple[int, ...]:
    """Versions of one cloud in their order."""
    return tuple(map(int, _NUMBERS.findall(version)))


def minor(version: str) -> tuple[int, ...]:
    """The minor version, to be compared."""
    return order(version)[:2]


class Clouds:
    """All clusters, by their ids without regard to case. ``versions`` is what each cloud offers."""

    def __init__(self, clusters: Iterable[Cluster] = (), versions: Mapping[CloudName, Sequence[str]] = {}) -> None:
        self._clusters = {cluster.id.lower(): cluster for cluster in clusters}
        self.versions: dict[CloudName, Sequence[str]] = {"aks": (), "eks": (), "gke": (), **versions}
        self._published: dict[tuple[CloudName, str, tuple[int, ...]], list[str]] = {}

    @property
    def clusters(self) -> Sequence[Cluster]:
        return list(self._clusters.values())

    def add(self, cluster: Cluster) -> None:
        """Play one more cluster, or one anew."""
        self._clusters[cluster.id.lower()] = cluster

    def remove(self, id_: str) -> None:
        self._clusters.pop(id_.lower(), None)

    def find(self, id_: str) -> Cluster:
        """A cluster by its id.

        Raises:
            Refusal: there is none.
        """
        found = self._clusters.get(id_.lower())
        if found is None:
            raise Refusal("not-found", f"The cluster {id_} was not found.")
        return found

    def images(self, cloud: CloudName, family: str, version: str) -> Sequence[str]:
        """The images of a family for a Kubernetes version, from old to new; those of the clusters count too."""
        found = {
            pool.image
            for cluster in self.clusters
            if cluster.cloud == cloud
            for pool in cluster.pools
            if pool.family == family and pool.image and minor(pool.version) == minor(version)
        }
        return sorted({*found, *self._published.get((cloud, family, minor(version)), ())}, key=order)

    def publish(self, cloud: CloudName, family: str, version: str, image: str) -> None:
        """Offer an image for a Kubernetes version."""
        self._published.setdefault((cloud, family, minor(version)), []).append(image)

    # operations

    def begin(
        self, cluster: Cluster, now: datetime, *, pool: str = "", version: str = "", image: str = "", token: str = ""
    ) -> Operation:
        """Begin an operation; with a token that was used before, that operation is given.

        Raises:
            Refusal: it cannot begin.
        """
        known = next((found for found in cluster.operations if token and found.token == token), None)
        if known is not None:
            return known
        if cluster.under_way is not None:
            message = f"Operation {cluster.under_way.id} is in progress on cluster {cluster.name}."
            raise Refusal("conflict", message)
        if not cluster.running:
            raise Refusal("stopped", f"The cluster {cluster.name} is stopped.")
        if cluster.faults.quota:
            raise Refusal("quota", "The operation needs 8 cores more than the quota of 100 cores allows.")
        seconds = self._check(cluster, pool, version)
        operation = Operation(
            id=f"operation-{len(cluster.operations) + 1}-{cluster.name}",
            pool=pool,
            version=version,
            image=image,
            token=token,
            began=now,
            seconds=seconds,
        )
        cluster.operations.append(operation)
        cluster.generation += 1
        return operation

    def _check(self, cluster: Cluster, pool: str, version: str) -> float:
        """Refuse steps that no cloud takes; gives how long one lasts."""
        if version and self.versions[cluster.cloud] and version not in self.versions[cluster.cloud]:
            raise Refusal("version", f"Kubernetes version {version} is not supported in {cluster.region}.")
        if pool:
            if version and order(version) > order(cluster.version):
                message = f"Node pool version {version} is newer than the control plane, {cluster.version}."
                raise Refusal("version", message)
            return cluster.seconds_per_node * max(1, cluster.pool(pool).count)
        if order(version) < order(cluster.version) or minor(version)[1] > minor(cluster.version)[1] + 1:
            raise Refusal("version", f"Cluster version {cluster.version} cannot be upgraded to version {version}.")
        return cluster.control_plane_seconds

    def settle(self, now: datetime) -> None:
        """End what is due."""
        for cluster in self.clusters:
            operation = cluster.under_way
            if operation is not None and not cluster.faults.wedge:
                due = operation.began + timedelta(seconds=operation.seconds * cluster.faults.slow)
                if due <= now:
                    self._end(cluster, operation, due)

    def _end(self, cluster: Cluster, operation: Operation, at: datetime) -> None:
        operation.ended = at
        cluster.generation += 1
        if operation.pool and cluster.faults.drain:
            operation.state, operation.reason = "Failed", "drain"
            operation.message = "Cannot evict pod default/web-0 as it would violate the pod's disruption budget."
        elif cluster.faults.error:
            operation.state, operation.reason = "Failed", "internal"
            operation.message = "The operation has ended with an internal error."
        else:
            operation.state = "Succeeded"
            self._apply(cluster, operation)

    def _apply(self, cluster: Cluster, operation: Operation) -> None:
        if operation.foreign:
            return
        if not operation.pool:
            cluster.version = operation.version
            return
        pool = cluster.pool(operation.pool)
        pool.version = operation.version or pool.version
        newest = self.images(cluster.cloud, pool.family, pool.version)
        pool.image = operation.image or (newest[-1] if newest else pool.image)
