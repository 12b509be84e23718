"""What of the objects of a placement goes into its status."""

from __future__ import annotations

from typing import Any

import msgspec

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBindingSpec
from echelon.api.meta import Condition, ObjectMeta
from echelon.api.placement import ApplyStrategy, ClusterResourcePlacement, PlacementSpec, RolloutStrategy
from echelon.api.snapshot import (
    ClusterDecision,
    ClusterResourceSnapshot,
    ClusterSchedulingPolicySnapshot,
    ResourceSnapshotSpec,
    SchedulingPolicySnapshotSpec,
    SchedulingPolicySnapshotStatus,
)
from echelon.placement.scope import CLUSTER
from echelon.placement.status import View
from echelon.placement.views import status_view


def placement(strategy: RolloutStrategy) -> ClusterResourcePlacement:
    return ClusterResourcePlacement(
        metadata=ObjectMeta(name="web", generation=3), spec=PlacementSpec(resource_selectors=(), strategy=strategy)
    )


def binding(cluster: str, snapshot: str = "", policy: str = "web-1", **metadata: Any) -> ClusterResourceBinding:
    return ClusterResourceBinding(
        metadata=ObjectMeta(name=f"web-{cluster}", generation=2, **metadata),
        spec=ResourceBindingSpec(
            state="Bound",
            resource_snapshot_name=snapshot,
            scheduling_policy_snapshot_name=policy,
            target_cluster=cluster,
            cluster_decision=ClusterDecision(cluster_name=cluster, selected=True, reason="r"),
        ),
    )


POLICY = ClusterSchedulingPolicySnapshot(
    metadata=ObjectMeta(name="web-1"),
    spec=SchedulingPolicySnapshotSpec(policy_hash=b"x"),
    status=SchedulingPolicySnapshotStatus(
        observed_crp_generation=3,
        conditions=(Condition("Scheduled", "True", "R"),),
        target_clusters=(ClusterDecision(cluster_name="a", selected=True, reason="r"),),
    ),
)
MASTERS = [
    ClusterResourceSnapshot(
        metadata=ObjectMeta(name=f"web-{index}-snapshot", labels={names.RESOURCE_INDEX: str(index)}),
        spec=ResourceSnapshotSpec(selected_resources=()),
    )
    for index in range(2)
]
EXTERNAL = RolloutStrategy(type="External")


def view(*bindings: ClusterResourceBinding, strategy: RolloutStrategy = EXTERNAL, policy: Any = POLICY) -> View:
    return status_view(
        placement(strategy),
        CLUSTER,
        policy,
        bindings,
        MASTERS,
        latest_index="1",
        selected=(),
        resources_of=lambda index: (),
        bad_selectors=None,
    )


def test_only_living_bindings_of_the_policy_count() -> None:
    found = view(
        binding("a", "web-0-snapshot"),
        binding("b", policy="web-0"),
        binding("c", deletion_timestamp="2026-01-01T00:00:00Z"),
    )
    assert list(found.members) == ["a"]
    assert (found.members["a"].index, found.members["a"].generation) == ("0", 2)


def test_a_snapshot_that_is_gone_has_no_index() -> None:
    assert view(binding("a", "web-7-snapshot")).members["a"].index is None
    assert view(binding("a")).members["a"].index is None


def test_who_is_outdated_is_a_question_of_rolling_updates_only() -> None:
    old, new = binding("a", "web-0-snapshot"), binding("b", "web-1-snapshot")
    assert [m.outdated for m in view(old, new).members.values()] == [False, False]
    rolling = view(old, new, strategy=RolloutStrategy())
    assert not rolling.external
    assert [m.outdated for m in rolling.members.values()] == [True, False]


def test_decisions_for_an_earlier_generation_are_not_decisions_yet() -> None:
    assert view().scheduled is not None
    status = msgspec.structs.replace(POLICY.status, observed_crp_generation=2)
    assert view(policy=msgspec.structs.replace(POLICY, status=status)).scheduled is None


def test_only_reporting_differences() -> None:
    assert not view().report_diff
    strategy = RolloutStrategy(type="External", apply_strategy=ApplyStrategy(type="ReportDiff"))
    assert view(strategy=strategy).report_diff
