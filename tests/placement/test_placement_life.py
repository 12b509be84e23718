"""A placement from its creation to its end: finalizers, snapshots, history, deletion."""

from __future__ import annotations

import pytest

from echelon.api import names
from echelon.api.meta import LabelSelector
from echelon.api.placement import ResourceSelector
from echelon.api.policy import PlacementPolicy
from echelon.placement.scope import CLUSTER, NAMESPACED, Scope

from .agents import Behaviour, FakeAgents
from .hub import Hub, stage

both_scopes = pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])


def select(kind: str, name: str = "", group: str = "", version: str = "v1", **more: object) -> ResourceSelector:
    return ResourceSelector(group=group, version=version, kind=kind, name=name, **more)  # type: ignore[arg-type]


async def rolled_out(hub: Hub, *members: str) -> None:
    for member in members:
        await hub.join(member)
    await hub.configure("content 0")
    await hub.place()
    await hub.plan(stage("all"))
    await hub.start()
    await hub.succeeded()


@both_scopes
async def test_what_a_new_placement_gets(hub: Hub, scope: Scope) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True") and hub.masters())
    placement = hub.placement()
    assert list(placement.metadata.finalizers) == [scope.placement_finalizer, names.SCHEDULER_CLEANUP]
    policy = hub.get(scope.policy_snapshot, "web-0")
    assert policy.metadata.labels == {
        names.PARENT_PLACEMENT: "web",
        names.IS_LATEST_SNAPSHOT: "true",
        names.POLICY_INDEX: "0",
    }
    assert policy.metadata.annotations == {names.PLACEMENT_GENERATION: "1"}
    snapshot = hub.get(scope.snapshot, "web-0-snapshot")
    assert snapshot.metadata.labels == {
        names.PARENT_PLACEMENT: "web",
        names.IS_LATEST_SNAPSHOT: "true",
        names.RESOURCE_INDEX: "0",
    }
    assert snapshot.metadata.annotations[names.NUMBER_OF_SNAPSHOTS] == "1"
    for made in (policy, snapshot):
        (owner,) = made.metadata.owner_references
        assert (owner.kind, owner.name, owner.uid, owner.controller) == (
            scope.placement.resource.kind,
            "web",
            placement.metadata.uid,
            True,
        )


@both_scopes
async def test_each_content_gets_a_snapshot(hub: Hub, scope: Scope) -> None:
    await hub.configure("content 0")
    await hub.place()
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"})
    for index in range(1, 4):
        await hub.configure(f"content {index}")
        await hub.until(lambda index=index: hub.masters().get(f"web-{index}-snapshot") == "true")
    await hub.until(lambda: list(hub.masters().values()) == ["false", "false", "false", "true"])


async def test_a_content_that_comes_back_gets_a_new_index(hub: Hub) -> None:
    for index, content in enumerate(("one", "two", "one")):
        await hub.configure(content)
        if not index:
            await hub.place()
        await hub.until(lambda index=index: hub.masters().get(f"web-{index}-snapshot") == "true")
    hashes = [s.metadata.annotations[names.RESOURCE_HASH] for s in hub.all(hub.scope.snapshot)]
    assert hashes[0] == hashes[2] != hashes[1]


async def test_an_empty_selection_is_a_snapshot_too(hub: Hub) -> None:
    await hub.place(selectors=[select("Namespace", "nowhere")])
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"})
    assert hub.get(hub.scope.snapshot, "web-0-snapshot").spec.selected_resources == ()


async def test_old_snapshots_are_trimmed_to_the_history(hub: Hub) -> None:
    await hub.configure("content 0")
    await hub.place(history=3)
    for index in range(6):
        await hub.configure(f"content {index}")
        await hub.until(lambda index=index: f"web-{index}-snapshot" in hub.masters())
    await hub.until(lambda: list(hub.masters()) == ["web-3-snapshot", "web-4-snapshot", "web-5-snapshot"])


async def test_policy_snapshots_follow_the_policy(hub: Hub) -> None:
    await hub.place(policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a",)), history=2)
    await hub.until(lambda: hub.find(hub.scope.policy_snapshot, "web-0"))
    for index, members in enumerate((["b"], ["c"]), start=1):
        await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": members}}})
        await hub.until(lambda index=index: hub.find(hub.scope.policy_snapshot, f"web-{index}"))

    def marks() -> dict[str, str]:
        snapshots = hub.all(hub.scope.policy_snapshot)
        return {s.metadata.name: s.metadata.labels[names.IS_LATEST_SNAPSHOT] for s in snapshots}

    await hub.until(lambda: marks() == {"web-1": "false", "web-2": "true"})


async def test_what_is_no_policy_does_not_make_a_policy_snapshot(hub: Hub) -> None:
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    await hub.edit(hub.scope.placement, "web", {"spec": {"revisionHistoryLimit": 5}})
    await hub.until(
        lambda: hub.get(hub.scope.policy_snapshot, "web-0").metadata.annotations[names.PLACEMENT_GENERATION] == "2"
    )
    await hub.pass_time(5)
    assert len(hub.all(hub.scope.policy_snapshot)) == 1
    await hub.until(lambda: hub.placement_condition("Scheduled").observed_generation == 2)  # type: ignore[union-attr]
    assert hub.is_placement("Scheduled", "True")


@pytest.mark.parametrize("name", ["kube-system", "fleet-system", "default"])
async def test_bad_selectors_are_shown(hub: Hub, name: str) -> None:
    await hub.join("a")
    await hub.configure("content")
    with_ns = name == "fleet-system"
    if with_ns:
        await hub.create("v1", "Namespace", name)
    await hub.place(selectors=[select("Namespace", name)])
    await hub.until(lambda: hub.is_placement("Scheduled", "False", "InvalidResourceSelectors"))
    condition = hub.placement_condition("Scheduled")
    assert condition is not None
    assert condition.message == f"The resource selectors are invalid: namespace {name} is not allowed to propagate"
    assert hub.masters() == {}
    good = {"group": "", "version": "v1", "kind": "Namespace", "name": "app"}
    await hub.edit(hub.scope.placement, "web", {"spec": {"resourceSelectors": [good]}})
    await hub.until(lambda: hub.is_placement("Scheduled", "True") and hub.masters())


async def test_a_kind_that_comes_later_mends_the_selectors(hub: Hub) -> None:
    await hub.place(selectors=[select("Widget", group="example.com", version="v1")])
    await hub.until(lambda: hub.is_placement("Scheduled", "False", "InvalidResourceSelectors"))
    await hub.create(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "widgets.example.com",
        spec={
            "group": "example.com",
            "scope": "Cluster",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    )
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"})
    hub.admin.mapper.forget()
    await hub.create("example.com/v1", "Widget", "wheel", spec={"size": 3})
    await hub.until(lambda: "web-1-snapshot" in hub.masters())


@both_scopes
async def test_deletion_takes_everything_along(hub: Hub, agents: FakeAgents, scope: Scope) -> None:
    await rolled_out(hub, "a", "b")
    assert hub.works("a")
    await hub.delete(scope.placement, "web")
    await hub.until(lambda: hub.find(scope.placement, "web") is None)
    for kind in (scope.binding, scope.snapshot, scope.policy_snapshot):
        assert hub.all(kind) == []
    assert not hub.works("a")
    assert not hub.works("b")


async def test_deletion_waits_for_the_members(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a", "b")
    agents.behave("b", Behaviour.SILENT)
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.bound_to() == {"b": "Bound"})
    await hub.pass_time(600)
    assert hub.placement().metadata.deletion_timestamp
    (work,) = hub.works("b")
    assert work.metadata.deletion_timestamp
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)


async def test_deletion_does_not_wait_for_a_member_that_left(hub: Hub, agents: FakeAgents) -> None:
    """Its namespace, and the Works in it, go with it."""
    await rolled_out(hub, "a", "b")
    agents.behave("b", Behaviour.SILENT)
    await hub.leave("b")
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.bound_to().keys() <= {"b"})
    agents.behave("b", Behaviour.AVAILABLE)
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)


async def test_a_placement_of_the_same_name_begins_anew(hub: Hub, agents: FakeAgents) -> None:
    await rolled_out(hub, "a")
    await hub.configure("content 1")
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
    await hub.place()
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"} and hub.bound_to() == {"a": "Scheduled"})
    await hub.start("second", index="0")
    await hub.succeeded("second")
    assert agents.got("a") == ["0", "0"]


async def test_a_placement_deleted_before_anything_happened(hub: Hub) -> None:
    await hub.place()
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
    await hub.pass_time(10)
    assert hub.all(hub.scope.policy_snapshot) == hub.all(hub.scope.snapshot) == hub.all(hub.scope.binding) == []


async def test_large_selections_come_in_parts(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    for number in range(3):
        await hub.configure("x" * 500_000, f"large-{number}")
    await hub.place()
    await hub.until(lambda: len(hub.all(hub.scope.snapshot)) == 3)
    master, *parts = sorted(
        hub.all(hub.scope.snapshot), key=lambda s: names.RESOURCE_HASH not in s.metadata.annotations
    )
    assert master.metadata.annotations[names.NUMBER_OF_SNAPSHOTS] == "3"
    assert sorted(part.metadata.name for part in parts) == ["web-0-0", "web-0-1"]
    for part in parts:
        assert names.IS_LATEST_SNAPSHOT not in part.metadata.labels
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.succeeded()
    assert [work.metadata.name for work in hub.works("a")] == ["web-0", "web-1", "web-work"]
    assert sum(len(work.spec.workload.manifests) for work in hub.works("a")) == 4
    await hub.until(lambda: len(hub.placement().status.selected_resources) == 4)
    for number in range(3):
        await hub.patch("v1", "ConfigMap", f"large-{number}", "app", {"data": {"key": "small"}})
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    await hub.start("second", index="1")
    await hub.succeeded("second")
    await hub.until(lambda: [work.metadata.name for work in hub.works("a")] == ["web-work"])
    assert hub.is_run("Succeeded", "True", name="second")


async def test_an_object_too_large_to_store_is_refused_with_its_size_and_the_limit(hub: Hub) -> None:
    await hub.join("a")
    await hub.configure("content")
    await hub.place()
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"})
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    template["spec"]["containers"][0]["args"] = ["x" * 1_450_000]  # type: ignore[index]
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template}
    await hub.create("apps/v1", "Deployment", "huge", "app", spec=spec)
    await hub.until(lambda: hub.is_placement("Scheduled", "False", "InvalidResourceSelectors"))
    condition = hub.placement_condition("Scheduled")
    assert condition is not None
    assert condition.message.startswith("The resource selectors are invalid: apps/v1 Deployment app/huge has 1450")
    assert condition.message.endswith(" bytes; an object in a resource snapshot has at most 1415578 bytes")
    assert hub.masters() == {"web-0-snapshot": "true"}
    template["spec"]["containers"][0]["args"] = ["x"]  # type: ignore[index]
    await hub.patch("apps/v1", "Deployment", "huge", "app", {"spec": {"template": template}})
    await hub.until(lambda: hub.is_placement("Scheduled", "True") and "web-1-snapshot" in hub.masters())


async def test_a_part_that_is_lost_is_made_again(hub: Hub) -> None:
    for number in range(2):
        await hub.configure("x" * 500_000, f"large-{number}")
    await hub.place()
    await hub.until(lambda: len(hub.all(hub.scope.snapshot)) == 2)
    await hub.delete(hub.scope.snapshot, "web-0-0")
    await hub.until(lambda: hub.find(hub.scope.snapshot, "web-0-0") is None)
    await hub.until(lambda: hub.find(hub.scope.snapshot, "web-0-0"))
    assert list(hub.masters()) == ["web-0-snapshot"]


async def test_a_lost_master_is_made_again(hub: Hub) -> None:
    await hub.configure("content")
    await hub.place()
    await hub.until(lambda: hub.masters())
    await hub.delete(hub.scope.snapshot, "web-0-snapshot")
    await hub.until(lambda: not hub.masters())
    await hub.until(lambda: hub.masters() == {"web-0-snapshot": "true"})


async def test_selection_by_label(hub: Hub) -> None:
    selector = LabelSelector(match_labels={"team": "web"})
    await hub.place(selectors=[select("Namespace", label_selector=selector)])
    await hub.until(lambda: hub.masters())
    await hub.create("v1", "Namespace", "front", metadata={"labels": {"team": "web"}})
    await hub.until(lambda: "web-1-snapshot" in hub.masters())
    await hub.patch("v1", "Namespace", "front", "", {"metadata": {"labels": {"team": "other"}}})
    await hub.until(lambda: "web-2-snapshot" in hub.masters())
    sizes = [len(snapshot.spec.selected_resources) for snapshot in hub.all(hub.scope.snapshot)]
    assert sizes == [0, 1, 0]
