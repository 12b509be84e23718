"""The copy of a status in the namespace that is placed, for a team that may read no more than that."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.api.meta import ObjectMeta
from echelon.api.placement import (
    ClusterResourcePlacementStatus,
    PlacementSpec,
    ResourceSelector,
    RolloutStrategy,
    StatusReportingScope,
)
from echelon.kube.errors import Forbidden, Invalid, NotFound

from .agents import FakeAgents
from .hub import Hub, stage

SYNCED = "ClusterResourcePlacementStatusSynced"


async def place(hub: Hub, scope: StatusReportingScope = "NamespaceAccessible", **selector: Any) -> None:
    found = ResourceSelector(**{"group": "", "version": "v1", "kind": "Namespace", "name": "app"} | selector)
    await hub.admin.create(
        hub.scope.placement(
            metadata=ObjectMeta(name="web"),
            spec=PlacementSpec(
                resource_selectors=(found,), strategy=RolloutStrategy(type="External"), status_reporting_scope=scope
            ),
        )
    )


async def copy_in(hub: Hub, namespace: str = "app") -> ClusterResourcePlacementStatus:
    return await hub.admin.get(ClusterResourcePlacementStatus, (namespace, "web"))


async def test_the_copy_follows_the_status(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.configure("content")
    await place(hub)
    await hub.until(lambda: hub.is_placement("StatusSynced", "True", "StatusSyncSucceeded"))
    condition = hub.placement_condition("StatusSynced")
    assert condition is not None
    assert condition.type == SYNCED
    assert condition.message == "Successfully created or updated ClusterResourcePlacementStatus in namespace 'app'"
    await hub.plan(stage("all"))
    await hub.start()
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.pass_time(5)
    status, copy = hub.placement().status, await copy_in(hub)
    assert [found.type for found in status.conditions][-1] == SYNCED
    assert copy.source_status.conditions == status.conditions[:-1]
    assert copy.source_status.placement_statuses == status.placement_statuses
    assert copy.source_status.selected_resources == status.selected_resources
    assert copy.source_status.observed_resource_index == "0"
    assert copy.last_updated_time
    (owner,) = copy.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid) == (
        "ClusterResourcePlacement",
        "web",
        hub.placement().metadata.uid,
    )


async def test_the_copy_is_written_only_when_it_changes(hub: Hub) -> None:
    await place(hub)
    await hub.until(lambda: hub.is_placement("StatusSynced", "True"))
    await hub.pass_time(5)
    before = (await copy_in(hub)).metadata.resource_version
    await hub.edit(hub.scope.placement, "web", {"metadata": {"labels": {"seen": "yes"}}})
    await hub.pass_time(5)
    assert (await copy_in(hub)).metadata.resource_version == before


async def test_a_copy_that_others_change_or_delete_is_put_right(hub: Hub) -> None:
    await hub.join("a")
    await place(hub)
    await hub.until(lambda: hub.is_placement("StatusSynced", "True"))
    await hub.pass_time(5)
    before = (await copy_in(hub)).source_status
    changed = {"sourceStatus": {"observedResourceIndex": "77"}}
    await hub.patch("placement.kubernetes-fleet.io/v1beta1", "ClusterResourcePlacementStatus", "web", "app", changed)
    await hub.pass_time(5)
    assert (await copy_in(hub)).source_status == before
    await hub.admin.delete(ClusterResourcePlacementStatus, ("app", "web"))
    await hub.pass_time(5)
    assert (await copy_in(hub)).source_status == before


async def test_the_copy_goes_with_its_placement(hub: Hub) -> None:
    await place(hub)
    await hub.until(lambda: hub.is_placement("StatusSynced", "True"))
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
    await hub.pass_time(30)
    with pytest.raises(NotFound):
        await copy_in(hub)


async def test_another_namespace_cannot_be_chosen(hub: Hub) -> None:
    await hub.create("v1", "Namespace", "other")
    await place(hub)
    await hub.until(lambda: hub.is_placement("StatusSynced", "True"))
    selector = {"group": "", "version": "v1", "kind": "Namespace", "name": "other"}
    await hub.edit(hub.scope.placement, "web", {"spec": {"resourceSelectors": [selector]}})
    await hub.until(lambda: hub.is_placement("Scheduled", "False", "InvalidResourceSelectors"))
    condition = hub.placement_condition("Scheduled")
    assert condition is not None
    assert condition.message == (
        "The resource selectors are invalid: namespace resource selector is choosing a different namespace 'other' "
        "from what was originally picked 'app'. This is not allowed for NamespaceAccessible ClusterResourcePlacement"
    )
    assert (await copy_in(hub)).source_status.conditions == (condition,)


async def test_a_namespace_that_comes_later(hub: Hub) -> None:
    await place(hub, name="later")
    await hub.until(lambda: hub.is_placement("StatusSynced", "False", "StatusSyncFailed"))
    condition = hub.placement_condition("StatusSynced")
    assert condition is not None
    assert condition.message.endswith(": one namespace has to be selected, to hold it; there is none")
    await hub.create("v1", "Namespace", "later")
    await hub.until(lambda: hub.is_placement("StatusSynced", "True", "StatusSyncSucceeded"))


async def test_what_the_server_has_against_it_is_said_and_tried_again(bare_hub: Hub) -> None:
    refuses = True

    def before_write(method: str, path: str) -> None:
        if refuses and "clusterresourceplacementstatuses" in path:
            raise Forbidden("the quota of the namespace is used up")

    await bare_hub.start_controllers(before_write=before_write)
    await place(bare_hub)
    await bare_hub.until(lambda: bare_hub.is_placement("StatusSynced", "False", "StatusSyncFailed"))
    condition = bare_hub.placement_condition("StatusSynced")
    assert condition is not None
    assert condition.message == (
        "Failed to create or update ClusterResourcePlacementStatus: the quota of the namespace is used up"
    )
    refuses = False
    await bare_hub.until(lambda: bare_hub.is_placement("StatusSynced", "True"))


async def test_without_being_asked_for_there_is_no_copy(hub: Hub) -> None:
    await place(hub, "ClusterScopeOnly")
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    await hub.pass_time(5)
    assert hub.placement_condition("StatusSynced") is None
    with pytest.raises(NotFound):
        await copy_in(hub)


async def test_the_scope_of_the_report_stays_and_wants_one_namespace(bare_hub: Hub) -> None:
    await place(bare_hub)
    with pytest.raises(Invalid, match="statusReportingScope is immutable"):
        await bare_hub.edit(bare_hub.scope.placement, "web", {"spec": {"statusReportingScope": "ClusterScopeOnly"}})
    await bare_hub.delete(bare_hub.scope.placement, "web")
    with pytest.raises(Invalid, match="exactly one resourceSelector with kind 'Namespace' is required"):
        await place(bare_hub, group="rbac.authorization.k8s.io", kind="ClusterRole")
