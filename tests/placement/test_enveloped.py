"""Envelopes on a hub: Works of their own, kept up with their envelope, and what is said of bad ones."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from echelon.api import names
from echelon.api.envelope import ClusterResourceEnvelope, ResourceEnvelope
from echelon.api.meta import ObjectMeta
from echelon.api.override import ResourceOverride
from echelon.api.placement import EnvelopeIdentifier, ResourceSelector
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.placement.overrides.matching import Identity
from echelon.placement.scope import CLUSTER, NAMESPACED

from .agents import Behaviour, FakeAgents
from .hub import Hub, stage
from .overrides.hubs import conditions, message, says, write
from .overrides.values import delete

both_scopes = pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
GROUP = "placement.kubernetes-fleet.io"


def quota(name: str = "quota", namespace: str = "app") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hard": {"pods": "20"}},
    }


def config_map(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "app"},
        "data": {"key": "wrapped"},
    }


async def wrap(hub: Hub, name: str, *objects: dict[str, Any]) -> None:
    data = {obj["metadata"]["name"]: msgspec.Raw(msgspec.json.encode(obj)) for obj in objects}
    await hub.admin.create(ResourceEnvelope(metadata=ObjectMeta(name=name, namespace="app"), data=data))


async def rolled_out(hub: Hub, *, wait: bool = True) -> None:
    await hub.join("a")
    await hub.configure("content")
    selectors = [*hub.selectors()]
    if hub.namespace:
        selectors.append(ResourceSelector(group=GROUP, version="v1beta1", kind="ResourceEnvelope"))
    await hub.place(selectors=selectors)
    await hub.plan(stage("all"))
    await hub.start()
    if wait:
        await hub.succeeded()


async def run_again(hub: Hub) -> None:
    """Roll out what has changed."""
    count = len(hub.masters())
    await hub.until(lambda: len(hub.masters()) == count + 1)
    await hub.start(f"run-{count}")
    await hub.succeeded(f"run-{count}")


def content(hub: Hub) -> dict[str, list[str]]:
    """The Works of the member, each with the names of what is in it."""
    return {
        work.metadata.name: [msgspec.json.decode(text)["metadata"]["name"] for text in work.spec.workload.manifests]
        for work in hub.works("a")
    }


def work_name(hub: Hub, name: str) -> str:
    base = "app.web" if hub.namespace else "web"
    return names.envelope_work(base, "ResourceEnvelope", "app", name)


@both_scopes
async def test_what_is_wrapped_has_a_work_of_its_own(hub: Hub, agents: FakeAgents) -> None:
    await wrap(hub, "one", quota("b"), quota("a"))
    await rolled_out(hub)
    main = names.work(names.work_base("web", hub.namespace))
    assert content(hub)[work_name(hub, "one")] == ["b", "a"]
    assert "one" not in content(hub)[main]
    (work,) = [each for each in hub.works("a") if each.metadata.name != main]
    binding = hub.binding("a")
    labels = {
        names.PARENT_BINDING: binding.metadata.name,
        names.PARENT_PLACEMENT: "web",
        names.PARENT_SNAPSHOT_INDEX: "0",
        names.ENVELOPE_TYPE: "ResourceEnvelope",
        names.ENVELOPE_NAME: "one",
        names.ENVELOPE_NAMESPACE: "app",
    }
    if hub.namespace:
        labels[names.PARENT_PLACEMENT_NAMESPACE] = "app"
    assert work.metadata.labels == labels
    master = hub.get(hub.scope.snapshot, "web-0-snapshot")
    assert master.metadata.annotations[names.NUMBER_OF_ENVELOPES] == "1"
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert "ResourceEnvelope" in {found.kind for found in hub.placement().status.selected_resources}


async def test_cluster_scoped_objects(hub: Hub, agents: FakeAgents) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": []}
    data = {"role": msgspec.Raw(msgspec.json.encode(role))}
    await hub.admin.create(ClusterResourceEnvelope(metadata=ObjectMeta(name="wrapped"), data=data))
    await hub.join("a")
    await hub.configure("content")
    selector = ResourceSelector(group=GROUP, version="v1beta1", kind="ClusterResourceEnvelope", name="wrapped")
    await hub.place(selectors=[selector])
    await hub.plan(stage("all"))
    await hub.start()
    await hub.succeeded()
    name = names.envelope_work("web", "ClusterResourceEnvelope", "", "wrapped")
    assert content(hub) == {"web-work": [], name: ["r"]}
    (work,) = [each for each in hub.works("a") if each.metadata.name == name]
    assert names.ENVELOPE_NAMESPACE not in work.metadata.labels


async def test_works_come_and_go_with_their_envelope(hub: Hub, agents: FakeAgents) -> None:
    await wrap(hub, "one", quota("a"))
    await rolled_out(hub)
    await wrap(hub, "two", quota("b"))
    await run_again(hub)
    assert content(hub)[work_name(hub, "two")] == ["b"]
    envelopes = Unstructured(ResourceEnvelope.resource)
    await hub.admin.patch(envelopes, ("app", "two"), MergePatch({"data": {"c": quota("c")}}))
    await run_again(hub)
    assert content(hub)[work_name(hub, "two")] == ["c", "b"]
    await hub.admin.delete(ResourceEnvelope, ("app", "two"))
    await run_again(hub)
    await hub.until(lambda: sorted(content(hub)) == sorted(["web-work", work_name(hub, "one")]))


async def test_what_fails_says_in_which_envelope_it_was(hub: Hub, agents: FakeAgents) -> None:
    agents.behave("a", Behaviour.FAILED)
    await wrap(hub, "one", quota("a"))
    await rolled_out(hub, wait=False)
    await hub.until(lambda: hub.bindings() and hub.binding("a").status.failed_placements)
    envelopes = {found.name: found.envelope for found in hub.binding("a").status.failed_placements}
    assert envelopes["a"] == EnvelopeIdentifier(name="one", namespace="app", type="ResourceEnvelope")
    assert envelopes["settings"] is None
    await hub.until(lambda: any(shown.failed_placements for shown in hub.placement().status.placement_statuses))
    (shown,) = hub.placement().status.placement_statuses
    assert [found.envelope.name for found in shown.failed_placements if found.envelope] == ["one"]


async def test_overrides_are_for_what_is_wrapped(hub: Hub, agents: FakeAgents) -> None:
    """The wrapped object is not on the hub, nor is its name in the placement's selection."""
    await wrap(hub, "one", config_map("settings-in"), quota("a"))
    await write(
        hub, ResourceOverride, "o", says("overridden"), objects=[Identity("", "ConfigMap", "app", "settings-in")]
    )
    await write(hub, ResourceOverride, "p", delete(), objects=[Identity("", "ResourceQuota", "app", "a")])
    await rolled_out(hub)
    assert content(hub)[work_name(hub, "one")] == ["settings-in"]
    (work,) = [each for each in hub.works("a") if each.metadata.name == work_name(hub, "one")]
    assert msgspec.json.decode(work.spec.workload.manifests[0])["data"] == {"key": "overridden"}
    assert [each.name for each in hub.binding("a").spec.resource_override_snapshots] == ["o-0", "p-0"]


@both_scopes
async def test_a_bad_envelope(hub: Hub, agents: FakeAgents) -> None:
    await wrap(hub, "one", quota("a", namespace="other"))
    await rolled_out(hub, wait=False)
    await hub.until(lambda: hub.bindings() and len(conditions(hub, "a")) == 3)
    assert conditions(hub, "a")[-1] == ("WorkSynchronized", "False", "SyncWorkFailed")
    assert message(hub, "a") == (
        "Failed to synchronize the work to the latest: 'a' of ResourceEnvelope app/one (ResourceQuota other/a) is in "
        "namespace other; a ResourceEnvelope holds objects of its own namespace only, app"
    )
    await hub.until(lambda: hub.is_placement("WorkSynchronized", "False", "WorkNotSynchronizedYet"))
    assert not hub.works("a")
    before = len(hub.writes)
    await hub.pass_time(200)
    assert not [write for write in hub.writes[before:] if "bindings" in write.path]
