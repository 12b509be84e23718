"""When a request counts as approved, and which requests a run has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from echelon.api.meta import Condition, ObjectMeta
from echelon.api.staged import ApprovalRequestSpec, ApprovalRequestStatus, ClusterApprovalRequest
from echelon.placement.staged.approvals import approved_at, request_names
from echelon.placement.staged.translation import gate_reference
from echelon.rollout import Timing

from .runs import APPROVAL, AZURE, KUBEFLEET, initialized, stage, wait

SPEC = ApprovalRequestSpec(parent_stage_rollout="first", target_stage="one")


def request(*conditions: Condition, generation: int = 1) -> ClusterApprovalRequest:
    return ClusterApprovalRequest(
        metadata=ObjectMeta(name="first-one", generation=generation),
        spec=SPEC,
        status=ApprovalRequestStatus(conditions=conditions),
    )


def approved(status: Any = "True", at: str = "2026-03-02T09:30:00Z", generation: int = 1) -> Condition:
    return Condition("Approved", status, "LooksGood", "", at, generation)


def test_approved() -> None:
    assert approved_at(request(approved())) == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def test_a_client_that_leaves_the_generation_out() -> None:
    assert approved_at(request(approved(generation=0))) is not None
    assert approved_at(request(approved(generation=0), generation=4)) is not None


@pytest.mark.parametrize(
    "found",
    [
        request(),
        request(approved("False")),
        request(approved("Unknown")),
        request(approved(generation=2)),
        request(approved(generation=1), generation=2),
        request(Condition("ApprovalAccepted", "True", "R", "", "2026-03-02T09:30:00Z", 1)),
        request(approved(at="this morning")),
    ],
)
def test_not_approved(found: ClusterApprovalRequest) -> None:
    assert approved_at(found) is None


@pytest.mark.parametrize(("dialect", "after"), [(AZURE, "first-two"), (KUBEFLEET, "first-after-two")])
def test_the_requests_of_a_run(dialect: Any, after: str) -> None:
    status = initialized(
        stage("one", before=[APPROVAL], env="one"),
        stage("two", after=[wait("5m"), APPROVAL], env="two"),
        stage("three", after=[wait("5m")]),
        members={},
        delete=["x"],
        dialect=dialect,
    )
    assert request_names(status) == {
        gate_reference("one", Timing.BEFORE): "first-before-one",
        gate_reference("two", Timing.AFTER): after,
    }
