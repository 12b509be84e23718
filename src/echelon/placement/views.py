"""Reads the objects of a placement into the view from which its status is derived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from echelon.api import names
from echelon.api.conditions import SCHEDULED, find_condition
from echelon.api.placement import ResourceIdentifier
from echelon.placement.policy import effective
from echelon.placement.scope import Binding, Placement, PolicySnapshot, Scope, Snapshot
from echelon.placement.status import MemberView, View


def status_view(
    placement: Placement,
    scope: Scope,
    policy: PolicySnapshot,
    bindings: Sequence[Binding],
    masters: Sequence[Snapshot],
    *,
    latest_index: str,
    selected: Sequence[ResourceIdentifier],
    resources_of: Callable[[str], Sequence[ResourceIdentifier]],
    bad_selectors: str | None,
) -> View:
    """The view of a placement as things are now. Bindings of older policies and those on their way out do not count."""
    index_of = {master.metadata.name: master.metadata.labels.get(names.RESOURCE_INDEX, "") for master in masters}
    current = [
        binding
        for binding in bindings
        if binding.spec.scheduling_policy_snapshot_name == policy.metadata.name
        and binding.metadata.deletion_timestamp is None
    ]
    strategy = placement.spec.strategy
    up_to_date = policy.status.observed_crp_generation == placement.metadata.generation
    external = strategy.type == "External"
    return View(
        kind=scope.placement.resource.kind,
        run_kind=scope.run.resource.kind,
        generation=placement.metadata.generation,
        external=external,
        report_diff=strategy.apply_strategy is not None and strategy.apply_strategy.type == "ReportDiff",
        scheduled=find_condition(policy.status.conditions, SCHEDULED) if up_to_date else None,
        decisions=policy.status.target_clusters,
        members={
            binding.spec.target_cluster: _member(binding, index_of, None if external else latest_index)
            for binding in current
        },
        latest_index=latest_index,
        resources_of=resources_of,
        selected=selected,
        bad_selectors=bad_selectors,
        wanted=effective(policy.spec.policy, policy.metadata.annotations).number_of_clusters,
    )


def _member(binding: Binding, index_of: Mapping[str, str], latest_index: str | None) -> MemberView:
    index = index_of.get(binding.spec.resource_snapshot_name)
    return MemberView(
        cluster=binding.spec.target_cluster,
        generation=binding.metadata.generation,
        index=index,
        status=binding.status,
        cluster_overrides=binding.spec.cluster_resource_override_snapshots,
        overrides=binding.spec.resource_override_snapshots,
        outdated=latest_index is not None and index is not None and index != latest_index,
    )
