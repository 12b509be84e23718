"""What waits for an approval: gates of update runs, approval requests of staged rollouts."""

from __future__ import annotations

from collections.abc import Iterable

from echelon.api.conditions import APPROVAL_ACCEPTED, APPROVED, find_condition
from echelon.api.fleet import Gate
from echelon.explain.kinds import Approval


def count(gates: Iterable[Gate], requests: Iterable[Approval]) -> int:
    """How many approvals somebody has to give. A gate that opens by itself is not one of them."""
    return sum(map(waits_for_somebody, gates)) + sum(map(is_open, requests))


def waits_for_somebody(gate: Gate) -> bool:
    """Whether a gate is closed until somebody opens it."""
    return gate.status.state == "Pending" and gate.metadata.deletion_timestamp is None


def is_open(request: Approval) -> bool:
    """Whether a request was not approved as it is now."""
    if request.metadata.deletion_timestamp is not None:
        return False
    conditions = request.status.conditions
    accepted, approved = find_condition(conditions, APPROVAL_ACCEPTED), find_condition(conditions, APPROVED)
    if accepted is not None and accepted.status == "True":
        return False
    if approved is None or approved.status != "True":
        return True
    return approved.observed_generation not in (0, request.metadata.generation)
