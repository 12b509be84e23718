"""Which changes on the hub make a snapshot, and that many at once make one."""

from __future__ import annotations

import pytest

from echelon.api.meta import Resource
from echelon.api.placement import ResourceSelector
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.placement.scope import CLUSTER, NAMESPACED

from .hub import Hub

CONFIG_MAPS = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", namespaced=True))


async def placed(hub: Hub) -> None:
    await hub.configure("content 0")
    await hub.place()
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"})


async def test_changes_in_quick_succession_are_one_snapshot(hub: Hub) -> None:
    await placed(hub)
    for number in range(5):
        await hub.configure(f"change {number}")
        await hub.pass_time(0.15)
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    await hub.pass_time(10)
    assert list(hub.masters()) == ["web-0-snapshot", "web-1-snapshot"]
    snapshot = hub.get(hub.scope.snapshot, "web-1-snapshot")
    assert b"change 4" in b"".join(bytes(manifest) for manifest in snapshot.spec.selected_resources)


async def test_constant_change_does_not_put_snapshots_off(hub: Hub) -> None:
    await placed(hub)
    for number in range(60):
        await hub.configure(f"change {number}")
        await hub.pass_time(0.1)
    assert 4 <= len(hub.masters()) <= 8


async def test_a_change_that_is_taken_back_makes_none(hub: Hub) -> None:
    await placed(hub)
    await hub.configure("oops")
    await hub.pass_time(0.2)
    await hub.configure("content 0")
    await hub.pass_time(10)
    assert list(hub.masters()) == ["web-0-snapshot"]


@pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
async def test_objects_that_come_and_go(hub: Hub) -> None:
    kind, name = ("ConfigMap", "") if hub.namespace else ("Namespace", "app")
    selector = ResourceSelector(group="", version="v1", kind=kind, name=name)
    await hub.place(selectors=[selector])
    await hub.until(lambda: hub.masters())
    await hub.configure("new", "extra")
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    await hub.admin.delete(CONFIG_MAPS, ("app", "extra"))
    await hub.until(lambda: "web-2-snapshot" in hub.masters())


async def test_what_is_not_selected_makes_no_pass(hub: Hub) -> None:
    await placed(hub)
    await hub.pass_time(10)
    before = len(hub.writes)
    await hub.create("v1", "Namespace", "elsewhere")
    await hub.create("v1", "ConfigMap", "settings", "elsewhere", data={"key": "other"})
    await hub.pass_time(10)
    assert [write for write in hub.writes[before:] if write.user == "controllers"] == []


async def test_a_status_alone_makes_no_snapshot(hub: Hub) -> None:
    await hub.create(
        "apps/v1",
        "Deployment",
        "shop",
        "app",
        spec={
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "shop", "image": "shop:1"}]},
            },
        },
    )
    await placed(hub)
    deployments = Unstructured(await hub.admin.mapper.resource("apps/v1", "Deployment"))
    patch = MergePatch({"status": {"replicas": 1, "observedGeneration": 1}})
    await hub.admin.patch(deployments, ("app", "shop"), patch, subresource="status")
    await hub.pass_time(10)
    assert list(hub.masters()) == ["web-0-snapshot"]


async def test_a_change_while_the_controllers_are_away_is_found(hub: Hub) -> None:
    await placed(hub)
    await hub.stop_controllers()
    await hub.configure("meanwhile")
    await hub.pass_time(30)
    await hub.start_controllers()
    await hub.until(lambda: "web-1-snapshot" in hub.masters())


async def test_a_restart_alone_makes_no_snapshot_and_writes_nothing(hub: Hub) -> None:
    await placed(hub)
    await hub.join("a")
    await hub.until(lambda: hub.bound_to() == {"a": "Scheduled"})
    await hub.pass_time(10)
    await hub.stop_controllers()
    before = len(hub.writes)
    await hub.start_controllers()
    await hub.pass_time(60)
    assert hub.writes[before:] == []


async def test_several_placements_at_a_start(bare_hub: Hub) -> None:
    """None of them reads while another is still finding out which kinds there are."""
    hub = bare_hub
    await hub.configure("content")
    for name in ("one", "two", "three"):
        await hub.place(name)
    await hub.start_controllers()
    await hub.until(lambda: all(hub.masters(name) for name in ("one", "two", "three")))
    await hub.pass_time(10)
    for name in ("one", "two", "three"):
        assert list(hub.masters(name)) == [f"{name}-0-snapshot"]
        assert hub.is_placement("Scheduled", "True", name=name)
        assert hub.get(hub.scope.snapshot, f"{name}-0-snapshot").spec.selected_resources != ()
    before = len(hub.writes)
    await hub.stop_controllers()
    await hub.start_controllers()
    await hub.pass_time(30)
    assert hub.writes[before:] == []


WIDGETS = {
    "group": "example.com",
    "scope": "Namespaced",
    "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
    "versions": [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }
    ],
}


async def test_objects_of_a_kind_that_came_later(hub: Hub) -> None:
    await placed(hub)
    await hub.pass_time(30)
    await hub.create("apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets.example.com", spec=WIDGETS)
    await hub.pass_time(30)
    hub.admin.mapper.forget()
    await hub.create("example.com/v1", "Widget", "wheel", "app", spec={"size": 3})
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    definitions = Unstructured(await hub.admin.mapper.resource("apiextensions.k8s.io/v1", "CustomResourceDefinition"))
    await hub.admin.delete(definitions, "widgets.example.com")
    await hub.until(lambda: "web-2-snapshot" in hub.masters())
    sizes = [len(snapshot.spec.selected_resources) for snapshot in hub.all(hub.scope.snapshot)]
    assert sizes == [2, 3, 2]
