"""What a member consists of: nodes, version, and what its nodes offer, for scheduling by property.

Derived from the member's Nodes, which are watched. Values that did not change keep the time at which
they were first seen, so that an unchanged member makes an unchanged report.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from echelon.api import names
from echelon.api.cluster import PropertyValue, ResourceUsage
from echelon.api.core import Node
from echelon.api.meta import Clock, format_time
from echelon.kube.cache import SharedCache

_SUFFIXES = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
_SUMMED = ("cpu", "memory")


class Properties:
    """The properties of one member."""

    def __init__(self, cache: SharedCache, clock: Clock) -> None:
        self._nodes = cache.informer(Node)
        self._clock = clock

    def values(self, before: Mapping[str, PropertyValue]) -> Mapping[str, PropertyValue]:
        """Properties by name."""
        nodes = self._nodes.list()
        found = {names.NODE_COUNT: str(len(nodes))}
        versions = {node.status.node_info.kubelet_version for node in nodes} - {""}
        if versions:
            found[names.KUBERNETES_VERSION] = min(versions)
        moment = format_time(self._clock.now())
        return {
            name: before[name]
            if name in before and before[name].value == value
            else PropertyValue(value=value, observation_time=moment)
            for name, value in found.items()
        }

    def usage(self, before: ResourceUsage | None) -> ResourceUsage:
        """What the nodes have and offer."""
        nodes = self._nodes.list()
        capacity = _sum([node.status.capacity for node in nodes])
        allocatable = _sum([node.status.allocatable for node in nodes])
        if before is not None and (before.capacity, before.allocatable) == (capacity, allocatable):
            return before
        return ResourceUsage(
            capacity=capacity,
            allocatable=allocatable,
            available=allocatable,
            observation_time=format_time(self._clock.now()),
        )


def _sum(quantities: list[Mapping[str, int | str]]) -> Mapping[str, int | str]:
    return {name: _format(sum((_parse(q.get(name, 0)) for q in quantities), Decimal(0))) for name in _SUMMED}


def _parse(quantity: int | str) -> Decimal:
    """The number that a quantity stands for, 0 for one that cannot be read: a node's word is not ours to refuse."""
    text = str(quantity)
    number = text.rstrip("mkKMGTPEi")
    try:
        return Decimal(number) * _SUFFIXES[text[len(number) :]]
    except (InvalidOperation, KeyError):
        return Decimal(0)


def _format(amount: Decimal) -> str:
    if amount != amount.to_integral_value():
        return f"{int(amount * 1000)}m"
    whole = int(amount)
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIXES[suffix])
        if whole and whole % unit == 0:
            return f"{whole // unit}{suffix}"
    return str(whole)
