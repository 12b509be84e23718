"""What the nodes of a member have, what they offer, and what pods have asked for of it.

Kept up by watching nodes and pods: a change costs what it changes, however large the cluster is. Of
a pod only what it asks for is kept in memory. A pod counts from when it is bound to a node until it
has ended. It asks for the sum of its containers or, if that is more, for what its start needs: init
containers run one after the other, beside those among them that stay (sidecars).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

import msgspec

from echelon.agent.quantities import Quantity, parse, render
from echelon.api import names
from echelon.api.core import Node
from echelon.api.fields import Value
from echelon.api.meta import KubeObject, Resource
from echelon.kube.cache import SharedCache
from echelon.kube.informer import Change

RESOURCES = ("cpu", "memory")
_IMAGE_LABELS = (names.NODE_IMAGE, names.AZURE_NODE_IMAGE)
Amounts = tuple[Decimal, Decimal]  # of RESOURCES

_NOTHING: Amounts = (Decimal(0), Decimal(0))


class Requirements(Value, frozen=True, kw_only=True):
    requests: Mapping[str, Quantity] = {}


class Container(Value, frozen=True, kw_only=True):
    resources: Requirements = Requirements()
    restart_policy: str = ""


class PodSpec(Value, frozen=True, kw_only=True):
    node_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    overhead: Mapping[str, Quantity] = {}


class PodStatus(Value, frozen=True, kw_only=True):
    phase: str = ""


class Pod(KubeObject, frozen=True, kw_only=True):
    """As much of a pod as says what it asks for."""

    resource: ClassVar[Resource] = Resource("", "v1", "pods", "Pod", namespaced=True)

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Offer(msgspec.Struct, frozen=True):
    """What all nodes together are; ``available`` is what no pod has asked for."""

    nodes: int
    capacity: Mapping[str, Quantity]
    allocatable: Mapping[str, Quantity]
    available: Mapping[str, Quantity]


class Capacity:
    """The sums over a member's nodes and pods."""

    def __init__(self, cache: SharedCache, on_change: Callable[[], None]) -> None:
        """``on_change`` is called when nodes come, go, or offer something else, not for pods."""
        self._nodes = cache.informer(Node)
        self._pods = cache.informer(Pod)
        self._on_change = on_change
        self._capacity = self._allocatable = self._requested = _NOTHING
        self._count = 0
        self._images: Counter[str] = Counter()
        self._nodes.add_handler(self._node_changed)
        self._pods.add_handler(self._pod_changed)

    @property
    def has_synced(self) -> bool:
        return self._nodes.has_synced and self._pods.has_synced

    async def wait_for_sync(self) -> None:
        await self._nodes.wait_for_sync()
        await self._pods.wait_for_sync()

    def offer(self) -> Offer:
        """The sums as they are."""
        available = (max(_ZERO, left) for left in _minus(self._allocatable, self._requested))
        return Offer(self._count, _named(self._capacity), _named(self._allocatable), _named(available))

    def node_images(self) -> Sequence[str]:
        """The images of all nodes that name theirs, each once."""
        return sorted(image for image, count in self._images.items() if image and count > 0)

    def _node_changed(self, change: Change[Node]) -> None:
        before, after = _of_node(change.old), _of_node(change.new)
        if before == after:
            return
        self._count += (change.new is not None) - (change.old is not None)
        self._capacity = _plus(_minus(self._capacity, before[0]), after[0])
        self._allocatable = _plus(_minus(self._allocatable, before[1]), after[1])
        self._images.subtract([before[3]])
        self._images.update([after[3]])
        self._on_change()

    def _pod_changed(self, change: Change[Pod]) -> None:
        self._requested = _plus(_minus(self._requested, requests_of(change.old)), requests_of(change.new))


def requests_of(pod: Pod | None) -> Amounts:
    """What a pod takes of its node."""
    if pod is None or not pod.spec.node_name or pod.status.phase in ("Succeeded", "Failed"):
        return _NOTHING
    staying = start = _NOTHING
    for container in pod.spec.init_containers:
        wants = _amounts(container.resources.requests)
        if container.restart_policy == "Always":
            staying = _plus(staying, wants)
            wants = _NOTHING
        start = _larger(start, _plus(staying, wants))
    running = staying
    for container in pod.spec.containers:
        running = _plus(running, _amounts(container.resources.requests))
    return _plus(_larger(start, running), _amounts(pod.spec.overhead))


_ZERO = Decimal(0)


def _of_node(node: Node | None) -> tuple[Amounts, Amounts, str | None, str]:
    """What a report says of a node: what it has and offers, its version and its image."""
    if node is None:
        return _NOTHING, _NOTHING, None, ""
    image = next((node.metadata.labels[key] for key in _IMAGE_LABELS if key in node.metadata.labels), "")
    status = node.status
    return _amounts(status.capacity), _amounts(status.allocatable), status.node_info.kubelet_version, image


def _amounts(quantities: Mapping[str, Quantity]) -> Amounts:
    cpu, memory = (parse(quantities.get(name, 0)) for name in RESOURCES)
    return cpu, memory


def _named(amounts: Iterable[Decimal]) -> Mapping[str, Quantity]:
    return {name: render(amount) for name, amount in zip(RESOURCES, amounts, strict=True)}


def _plus(one: Amounts, other: Amounts) -> Amounts:
    return one[0] + other[0], one[1] + other[1]


def _minus(one: Amounts, other: Amounts) -> Amounts:
    return one[0] - other[0], one[1] - other[1]


def _larger(one: Amounts, other: Amounts) -> Amounts:
    return max(one[0], other[0]), max(one[1], other[1])
