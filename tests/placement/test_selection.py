"""Which objects a placement selects, kind by kind (reference, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.meta import LabelSelector, Resource
from echelon.api.placement import ResourceSelector
from echelon.placement.selection import BadSelector, is_reserved_namespace, is_selectable_kind, select, strip

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True)
SECRETS = Resource("", "v1", "secrets", "Secret", True)
SERVICES = Resource("", "v1", "services", "Service", True)
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", True)
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", True)
PODS = Resource("", "v1", "pods", "Pod", True)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", True)
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", True)
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False)
ALL = (
    *(NAMESPACES, CONFIG_MAPS, SECRETS, SERVICES, ENDPOINTS, ACCOUNTS, PODS, DEPLOYMENTS, REPLICA_SETS),
    *(SLICES, ROLES),
)


class Hub:
    """Objects in a dict; satisfies ``selection.Content``."""

    def __init__(self, *objects: Mapping[str, Any]) -> None:
        self._objects: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        for obj in objects:
            metadata = obj["metadata"]
            self._objects[obj["kind"], metadata.get("namespace", ""), metadata["name"]] = obj

    def resource(self, group: str, version: str, kind: str) -> Resource | None:
        return next((r for r in ALL if (r.group, r.version, r.kind) == (group, version, kind)), None)

    def namespaced_resources(self) -> Iterable[Resource]:
        return [resource for resource in ALL if resource.namespaced]

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        return self._objects.get((resource.kind, namespace, name))

    def list(self, resource: Resource, namespace: str | None = None) -> Iterable[Mapping[str, Any]]:
        return [
            obj
            for (kind, where, _), obj in self._objects.items()
            if kind == resource.kind and namespace in (None, where)
        ]


def make(resource: Resource, name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}


def choosing(resource: Resource, name: str = "", **fields: Any) -> ResourceSelector:
    return ResourceSelector(group=resource.group, version="v1", kind=resource.kind, name=name, **fields)


def chosen(hub: Hub, *selectors: ResourceSelector, namespace: str | None = None) -> list[str]:
    found = select(selectors, hub, namespace=namespace)
    return [f"{obj['kind']}/{obj['metadata']['name']}" for obj in found]


APP = make(NAMESPACES, "app", metadata={"labels": {"team": "one"}})
OTHER = make(NAMESPACES, "other")


def test_a_namespace_brings_what_is_in_it_in_the_order_it_is_applied():
    hub = Hub(
        APP,
        OTHER,
        make(DEPLOYMENTS, "web", "app"),
        make(CONFIG_MAPS, "settings", "app"),
        make(SECRETS, "key", "app"),
        make(CONFIG_MAPS, "elsewhere", "other"),
    )
    expected = ["Namespace/app", "Secret/key", "ConfigMap/settings", "Deployment/web"]
    assert chosen(hub, choosing(NAMESPACES, "app")) == expected


def test_a_namespace_alone():
    hub = Hub(APP, make(CONFIG_MAPS, "settings", "app"))
    assert chosen(hub, choosing(NAMESPACES, "app", selection_scope="NamespaceOnly")) == ["Namespace/app"]


def test_other_selectors_look_inside_a_named_namespace():
    hub = Hub(APP, make(CONFIG_MAPS, "a", "app"), make(CONFIG_MAPS, "b", "app"), make(CONFIG_MAPS, "a", "other"))
    inside = choosing(NAMESPACES, "app", selection_scope="NamespaceWithResourceSelectors")
    assert chosen(hub, inside, choosing(CONFIG_MAPS, "a")) == ["Namespace/app", "ConfigMap/a"]


def test_by_label_by_name_and_all_of_a_kind():
    hub = Hub(make(ROLES, "reader", metadata={"labels": {"team": "one"}}), make(ROLES, "writer"), APP, OTHER)
    assert chosen(hub, choosing(ROLES, label_selector=LabelSelector({"team": "one"}))) == ["ClusterRole/reader"]
    assert chosen(hub, choosing(ROLES, "writer")) == ["ClusterRole/writer"]
    assert chosen(hub, choosing(ROLES)) == ["ClusterRole/reader", "ClusterRole/writer"]


def test_what_is_not_there_selects_nothing():
    assert chosen(Hub(), choosing(ROLES, "nobody")) == []


def test_what_is_on_its_way_out_is_left():
    going = make(ROLES, "reader", metadata={"deletionTimestamp": "2026-03-02T09:00:00Z"})
    assert chosen(Hub(going), choosing(ROLES)) == []


def test_a_team_selects_in_its_own_namespace():
    hub = Hub(make(CONFIG_MAPS, "a", "app"), make(CONFIG_MAPS, "b", "other"))
    assert chosen(hub, choosing(CONFIG_MAPS), namespace="app") == ["ConfigMap/a"]


@pytest.mark.parametrize(
    ("selectors", "namespace", "said"),
    [
        ([choosing(CONFIG_MAPS, "a")], None, "kind 'ConfigMap' is namespaced; a ClusterResourcePlacement selects"),
        ([choosing(ROLES, "reader")], "app", "kind 'ClusterRole' is cluster-scoped; a ResourcePlacement selects"),
        ([choosing(PODS, "p")], "app", "objects of kind 'Pod' in group '' are never placed"),
        ([choosing(NAMESPACES, "kube-system")], None, "namespace kube-system is not allowed to propagate"),
        ([choosing(NAMESPACES, "fleet-member-a")], None, "namespace fleet-member-a is not allowed to propagate"),
        ([choosing(NAMESPACES, "default")], None, "namespace default is not allowed to propagate"),
        ([choosing(ROLES, "reader"), choosing(ROLES)], None, "found duplicate resource rbac.authorization.k8s.io/v1"),
        (
            [ResourceSelector(group="example.com", version="v1", kind="Widget")],
            None,
            "no kind 'Widget' is served in version 'v1' of group 'example.com'",
        ),
    ],
)
def test_what_cannot_be_followed(selectors, namespace, said):
    system = [make(NAMESPACES, name) for name in ("kube-system", "fleet-member-a", "default")]
    with pytest.raises(BadSelector) as caught:
        select(selectors, Hub(make(ROLES, "reader"), *system), namespace=namespace)
    assert said in str(caught.value)


OWNED = {"metadata": {"ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "1"}]}}


@pytest.mark.parametrize(
    ("obj", "placed"),
    [
        (make(CONFIG_MAPS, "kube-root-ca.crt", "app"), False),
        (make(ACCOUNTS, "default", "app"), False),
        (make(ACCOUNTS, "robot", "app"), True),
        (make(SECRETS, "token", "app", type="kubernetes.io/service-account-token"), False),
        (make(SECRETS, "key", "app", type="Opaque"), True),
        (make(REPLICA_SETS, "web-1", "app", **OWNED), False),
        (make(REPLICA_SETS, "alone", "app"), True),
        (make(PODS, "web-1-x", "app"), False),
        (make(ENDPOINTS, "web", "app"), False),
        (make(ENDPOINTS, "outside", "app"), True),
        (make(SLICES, "web-x", "app", metadata={"labels": {"endpointslice.kubernetes.io/managed-by": "c"}}), False),
        (make(SLICES, "mine", "app"), True),
    ],
    ids=lambda value: value["metadata"]["name"] if isinstance(value, dict) else str(value),
)
def test_what_a_cluster_makes_for_itself_stays(obj, placed):
    hub = Hub(APP, make(SERVICES, "web", "app"), obj)
    wanted = f"{obj['kind']}/{obj['metadata']['name']}"
    assert (wanted in chosen(hub, choosing(NAMESPACES, "app"))) is placed


@pytest.mark.parametrize(
    ("group", "kind", "selectable"),
    [
        ("", "ConfigMap", True),
        ("", "Pod", False),
        ("", "Node", False),
        ("coordination.k8s.io", "Lease", False),
        ("events.k8s.io", "Event", False),
        ("metrics.k8s.io", "PodMetrics", False),
        ("cluster.kubernetes-fleet.io", "MemberCluster", False),
        ("fleet.echelon.dev", "UpdateRun", False),
        ("placement.kubernetes-fleet.io", "StagedUpdateRun", False),
        ("placement.kubernetes-fleet.io", "Work", False),
        ("placement.kubernetes-fleet.io", "ResourceEnvelope", True),
        ("placement.kubernetes-fleet.io", "ClusterResourceEnvelope", True),
        ("networking.fleet.azure.com", "ServiceImport", False),
        ("example.com", "Widget", True),
    ],
)
def test_kinds_that_are_never_placed(group, kind, selectable):
    assert is_selectable_kind(group, kind) is selectable


@pytest.mark.parametrize(
    ("name", "reserved"), [("default", True), ("kube-public", True), ("fleet-system", True), ("app", False)]
)
def test_reserved_namespaces(name, reserved):
    assert is_reserved_namespace(name) is reserved


def test_what_belongs_to_the_hub_is_stripped_and_the_rest_is_kept():
    stripped = strip(
        make(
            CONFIG_MAPS,
            "settings",
            "app",
            metadata={
                "uid": "1",
                "resourceVersion": "7",
                "generation": 2,
                "creationTimestamp": "2026-03-02T09:00:00Z",
                "managedFields": [],
                "ownerReferences": [],
                "labels": {"a": "b"},
                "finalizers": ["example.com/keep"],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"},
            },
            data={"k": "v"},
            status={"phase": "x"},
        )
    )
    assert stripped == make(
        CONFIG_MAPS,
        "settings",
        "app",
        metadata={"labels": {"a": "b"}, "finalizers": ["example.com/keep"], "annotations": {"mine": "1"}},
        data={"k": "v"},
    )


@pytest.mark.parametrize("address", ["10.0.0.7", "None"])
def test_a_service_loses_what_the_cluster_allotted(address):
    spec = {
        "clusterIP": address,
        "clusterIPs": [address],
        "healthCheckNodePort": 31000,
        "ports": [{"port": 80, "nodePort": 30080}],
    }
    kept = strip(make(SERVICES, "web", "app", spec=spec))["spec"]
    assert ("clusterIP" in kept) is (address == "None")
    assert kept["ports"] == [{"port": 80}]
    assert "healthCheckNodePort" not in kept


def test_a_job_loses_the_labels_of_its_controller_unless_it_chose_them():
    labels = {"controller-uid": "1", "batch.kubernetes.io/controller-uid": "1", "app": "job"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec}
    assert strip(job)["spec"] == {
        "selector": {"matchLabels": {"app": "job"}},
        "template": {"metadata": {"labels": {"app": "job"}}},
    }
    assert strip(job | {"spec": spec | {"manualSelector": True}})["spec"]["selector"] == {"matchLabels": labels}


@given(st.permutations([make(CONFIG_MAPS, name, "app") for name in "abc"] + [make(SECRETS, "s", "app"), APP]))
def test_the_order_of_the_hub_does_not_matter(objects):
    expected = ["Namespace/app", "Secret/s", "ConfigMap/a", "ConfigMap/b", "ConfigMap/c"]
    assert chosen(Hub(*objects), choosing(NAMESPACES, "app")) == expected


@given(st.sampled_from([make(SERVICES, "web", "app", spec={"clusterIP": "1", "ports": [{"nodePort": 1}]}), APP]))
def test_stripping_twice_is_stripping_once(obj):
    assert strip(strip(obj)) == strip(obj)
