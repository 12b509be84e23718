"""How a Deployment moves from its old ReplicaSets to its new one: sizes for now. Pure.

During a rolling update at most ``max_surge`` pods more than wanted are there, and at most
``max_unavailable`` fewer than wanted are available. What is not available anyway is taken away first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from echelon.local.workloads.kinds import Object, scaled


class Size(msgspec.Struct, frozen=True):
    """A ReplicaSet by name: how many pods it is to have and how many are available."""

    name: str
    wanted: int
    available: int


def sizes(spec: Object, new: Size, old: Sequence[Size]) -> Mapping[str, int]:
    """How many pods each ReplicaSet is to have now.

    Args:
        spec: of the Deployment.
        new: the ReplicaSet of the present template.
        old: the others, oldest first.
    """
    replicas: int = spec.get("replicas", 1)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        left = sum(other.wanted + other.available for other in old)
        return {other.name: 0 for other in old} | {new.name: min(new.wanted, replicas) if left else replicas}
    surge, unavailable = bounds(spec)
    total = new.wanted + sum(other.wanted for other in old)
    grown = min(replicas, max(new.wanted, new.wanted + replicas + surge - total))
    return _shrunk(old, new, replicas - unavailable) | {new.name: grown}


def bounds(spec: Object) -> tuple[int, int]:
    """How many pods may be there beyond those wanted, and how many of these may be unavailable."""
    replicas: int = spec.get("replicas", 1)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    return surge, min(replicas, unavailable if surge or unavailable else 1)


def _shrunk(old: Sequence[Size], new: Size, least: int) -> dict[str, int]:
    """Old ReplicaSets without as many pods as may go while ``least`` stay available."""
    total = new.wanted + sum(other.wanted for other in old)
    may_go = max(0, total - least - (new.wanted - min(new.wanted, new.available)))
    spare = new.available + sum(other.available for other in old) - least
    result: dict[str, int] = {}
    for other in old:  # what does no work goes first
        useless = min(max(0, other.wanted - other.available), may_go)
        may_go -= useless
        result[other.name] = other.wanted - useless
    for other in old:
        gone = max(0, min(result[other.name], may_go, spare))
        may_go, spare = may_go - gone, spare - gone
        result[other.name] -= gone
    return result
