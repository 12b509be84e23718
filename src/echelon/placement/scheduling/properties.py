"""Properties of members as numbers.

A name such as ``resources.kubernetes-fleet.io/available-cpu`` means what the nodes of a member have
in total, offer (allocatable) or have left (available) of a resource. Every other name is one of the
member's own properties. A property that a member does not have, or whose value is no quantity, is
no number: nothing compares with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from echelon.api import names
from echelon.api.cluster import MemberCluster, PropertyValue, ResourceUsage
from echelon.api.quantities import Quantity, parse

Values = Mapping[str, Quantity]


def property_of(member: MemberCluster, name: str) -> Decimal | None:
    """The number that a property of a member stands for."""
    value = _text(member, name)
    return None if value is None else number(value)


def number(quantity: Quantity) -> Decimal | None:
    """The number that a quantity stands for, if it is one."""
    try:
        return parse(quantity)
    except ValueError:
        return None


def _text(member: MemberCluster, name: str) -> Quantity | None:
    if name.startswith(names.RESOURCE_PROPERTY_PREFIX):
        capacity, _, resource = name.removeprefix(names.RESOURCE_PROPERTY_PREFIX).partition("-")
        return _amounts(member.status.resource_usage, capacity).get(resource)
    found = member.status.properties.get(name)
    return None if found is None else found.value


def _amounts(usage: ResourceUsage | None, capacity: str) -> Values:
    if usage is None:
        return {}
    match capacity:
        case "total":
            return usage.capacity
        case "allocatable":
            return usage.allocatable
        case "available":
            return usage.available
        case _:
            return {}


def changed_properties(before: MemberCluster, after: MemberCluster) -> frozenset[str]:
    """The names of the properties whose values differ; when they were observed does not matter."""
    old, new = before.status, after.status
    if old.properties == new.properties and old.resource_usage == new.resource_usage:
        return frozenset()
    changed = {
        name
        for name in old.properties.keys() | new.properties.keys()
        if _value(old.properties.get(name)) != _value(new.properties.get(name))
    }
    for capacity in ("total", "allocatable", "available"):
        some, others = _amounts(old.resource_usage, capacity), _amounts(new.resource_usage, capacity)
        changed |= {
            f"{names.RESOURCE_PROPERTY_PREFIX}{capacity}-{resource}"
            for resource in some.keys() | others.keys()
            if some.get(resource) != others.get(resource)
        }
    return frozenset(changed)


def _value(found: PropertyValue | None) -> str | None:
    return None if found is None else found.value
