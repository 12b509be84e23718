"""What a placement selects, what it never selects, what of it travels, and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.meta import LabelSelector, Resource
from echelon.api.placement import ResourceSelector
from echelon.placement.selection import BadSelector, is_reserved_namespace, is_selectable_kind, select, strip

KINDS = {
    ("", "Namespace"): ("v1", "namespaces", False),
    ("", "ConfigMap"): ("v1", "configmaps", True),
    ("", "Secret"): ("v1", "secrets", True),
    ("", "Service"): ("v1", "services", True),
    ("", "ServiceAccount"): ("v1", "serviceaccounts", True),
    ("", "Endpoints"): ("v1", "endpoints", True),
    ("", "Pod"): ("v1", "pods", True),
    ("apps", "Deployment"): ("v1", "deployments", True),
    ("apps", "ReplicaSet"): ("v1", "replicasets", True),
    ("apps", "ControllerRevision"): ("v1", "controllerrevisions", True),
    ("discovery.k8s.io", "EndpointSlice"): ("v1", "endpointslices", True),
    ("rbac.authorization.k8s.io", "ClusterRole"): ("v1", "clusterroles", False),
    ("example.com", "Widget"): ("v1", "widgets", True),
    ("example.com", "Area"): ("v1", "areas", False),
    ("batch", "Job"): ("v1", "jobs", True),
    ("placement.kubernetes-fleet.io", "Work"): ("v1beta1", "works", True),
}


class Hub:
    """The content of a hub, in memory."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self._objects = objects

    def resource(self, group: str, version: str, kind: str) -> Resource | None:
        served = KINDS.get((group, kind))
        if served is None or served[0] != version:
            return None
        return Resource(group, version, served[1], kind, served[2])

    def namespaced_resources(self) -> Iterable[Resource]:
        return [Resource(g, v, p, k, n) for (g, k), (v, p, n) in KINDS.items() if n]

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        return next((o for o in self.list(resource, namespace or None) if o["metadata"]["name"] == name), None)

    def list(self, resource: Resource, namespace: str | None = None) -> Iterable[dict[str, Any]]:
        for obj in self._objects:
            if (obj["apiVersion"], obj["kind"]) != (resource.api_version, resource.kind):
                continue
            if namespace is None or obj["metadata"].get("namespace") == namespace:
                yield obj


def obj(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    group = next(group for group, found in KINDS if found == kind)
    version = KINDS[group, kind][0]
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {}) | more.pop("metadata", {})
    api_version = f"{group}/{version}" if group else version
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def selector(kind: str, name: str = "", version: str = "v1", **more: Any) -> ResourceSelector:
    group = next(group for group, found in KINDS if found == kind)
    return ResourceSelector(group=group, version=version, kind=kind, name=name, **more)


def names(objects: Iterable[Any]) -> list[str]:
    return [f"{o['kind']} {o['metadata']['name']}" for o in objects]


APP = obj("Namespace", "app")
SETTINGS = obj("ConfigMap", "settings", "app", data={"key": "value"})


def test_a_namespace_with_what_is_in_it() -> None:
    hub = Hub(APP, SETTINGS, obj("Deployment", "web", "app"), obj("ConfigMap", "settings", "other"))
    assert names(select([selector("Namespace", "app")], hub)) == [
        "Namespace app",
        "ConfigMap settings",
        "Deployment web",
    ]


def test_a_namespace_alone() -> None:
    chosen = select([selector("Namespace", "app", selection_scope="NamespaceOnly")], Hub(APP, SETTINGS))
    assert names(chosen) == ["Namespace app"]


def test_a_namespace_with_what_other_selectors_choose_in_it() -> None:
    hub = Hub(APP, SETTINGS, obj("Secret", "key", "app"), obj("ConfigMap", "x", "other"), obj("ClusterRole", "reader"))
    selectors = [
        selector("Namespace", "app", selection_scope="NamespaceWithResourceSelectors"),
        selector("ConfigMap"),
        selector("ClusterRole", "reader"),
    ]
    assert names(select(selectors, hub)) == ["Namespace app", "ConfigMap settings", "ClusterRole reader"]


def test_by_label() -> None:
    hub = Hub(
        obj("ClusterRole", "a", metadata={"labels": {"team": "web"}}),
        obj("ClusterRole", "b", metadata={"labels": {"team": "db"}}),
        obj("ClusterRole", "c"),
    )
    chosen = select([selector("ClusterRole", label_selector=LabelSelector(match_labels={"team": "web"}))], hub)
    assert names(chosen) == ["ClusterRole a"]
    assert names(select([selector("ClusterRole")], hub)) == ["ClusterRole a", "ClusterRole b", "ClusterRole c"]


def test_what_is_not_there_or_on_its_way_out_is_not_selected() -> None:
    gone = obj("Namespace", "gone", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    going = obj("ConfigMap", "going", "app", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    hub = Hub(APP, gone, going)
    assert select([selector("Namespace", "gone")], hub) == []
    assert select([selector("Namespace", "nowhere")], hub) == []
    assert names(select([selector("Namespace", "app")], hub)) == ["Namespace app"]


def test_a_placement_of_a_namespace() -> None:
    hub = Hub(APP, SETTINGS, obj("ConfigMap", "settings", "other"))
    (chosen,) = select([selector("ConfigMap", "settings")], hub, namespace="app")
    assert chosen["metadata"]["namespace"] == "app"
    with pytest.raises(BadSelector, match="kind 'Namespace' is cluster-scoped; a ResourcePlacement"):
        select([selector("Namespace", "app")], hub, namespace="app")


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ([selector("Namespace", "kube-system")], "namespace kube-system is not allowed to propagate"),
        ([selector("Namespace", "fleet-member-a")], "namespace fleet-member-a is not allowed to propagate"),
        ([selector("Namespace", "default")], "namespace default is not allowed to propagate"),
        ([selector("Namespace")], "namespace default is not allowed to propagate"),
        ([selector("ConfigMap", "settings")], "kind 'ConfigMap' is namespaced; a ClusterResourcePlacement selects"),
        ([selector("Pod", "p")], "objects of kind 'Pod' in group '' are never placed"),
        ([selector("Area", "a", version="v2")], "no kind 'Area' is served in version 'v2' of group 'example.com'"),
        ([selector("Namespace", "app")] * 2, "found duplicate resource v1 Namespace app"),
        (
            [
                selector("Namespace", "app", selection_scope="NamespaceWithResourceSelectors"),
                selector("ConfigMap"),
                selector("ConfigMap", "settings"),
            ],
            "found duplicate resource v1 ConfigMap app/settings",
        ),
        (
            [selector("Work", "w", version="v1beta1")],
            "objects of kind 'Work' in group 'placement.kubernetes-fleet.io' are never placed",
        ),
    ],
)
def test_selectors_that_cannot_be_followed(selectors: list[ResourceSelector], message: str) -> None:
    namespaces = [obj("Namespace", name) for name in ("default", "kube-system", "fleet-member-a")]
    with pytest.raises(BadSelector) as raised:
        select(selectors, Hub(*namespaces, APP, SETTINGS))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    "kept_back",
    [
        obj("ConfigMap", "kube-root-ca.crt", "app"),
        obj("ServiceAccount", "default", "app"),
        obj("Secret", "token", "app", type="kubernetes.io/service-account-token"),
        obj("ReplicaSet", "web-1", "app", metadata={"ownerReferences": [{"kind": "Deployment"}]}),
        obj("ControllerRevision", "db-1", "app", metadata={"ownerReferences": [{"kind": "StatefulSet"}]}),
        obj(
            "EndpointSlice",
            "web-x",
            "app",
            metadata={"labels": {"endpointslice.kubernetes.io/managed-by": "controller"}},
        ),
        obj("Pod", "p", "app"),
        obj("Work", "w", "app"),
    ],
    ids=lambda found: f"{found['kind']} {found['metadata']['name']}",
)
def test_what_a_cluster_makes_for_itself_stays(kept_back: dict[str, Any]) -> None:
    assert names(select([selector("Namespace", "app")], Hub(APP, kept_back))) == ["Namespace app"]


@pytest.mark.parametrize(
    "placed",
    [
        obj("ServiceAccount", "robot", "app"),
        obj("Secret", "key", "app", type="Opaque"),
        obj("ReplicaSet", "own", "app"),
        obj("EndpointSlice", "own", "app"),
        obj("Endpoints", "external", "app"),
    ],
    ids=lambda found: f"{found['kind']} {found['metadata']['name']}",
)
def test_what_users_made_travels(placed: dict[str, Any]) -> None:
    assert len(select([selector("Namespace", "app")], Hub(APP, placed))) == 2


def test_endpoints_of_a_service_stay() -> None:
    hub = Hub(APP, obj("Service", "web", "app"), obj("Endpoints", "web", "app"))
    assert names(select([selector("Namespace", "app")], hub)) == ["Namespace app", "Service web"]


@pytest.mark.parametrize(
    ("group", "kind", "selectable"),
    [
        ("", "Namespace", True),
        ("", "Event", False),
        ("", "Node", False),
        ("events.k8s.io", "Event", False),
        ("coordination.k8s.io", "Lease", False),
        ("metrics.k8s.io", "PodMetrics", False),
        ("cluster.kubernetes-fleet.io", "MemberCluster", False),
        ("fleet.echelon.dev", "UpdateRun", False),
        ("placement.kubernetes-fleet.io", "ClusterResourcePlacement", False),
        ("placement.kubernetes-fleet.io", "ResourceEnvelope", True),
        ("placement.kubernetes-fleet.io", "ClusterResourceEnvelope", True),
        ("networking.fleet.azure.com", "ServiceImport", False),
        ("networking.fleet.azure.com", "MultiClusterService", True),
        ("apiextensions.k8s.io", "CustomResourceDefinition", True),
    ],
)
def test_kinds(group: str, kind: str, selectable: bool) -> None:
    assert is_selectable_kind(group, kind) is selectable


@pytest.mark.parametrize(
    ("name", "reserved"),
    [("default", True), ("kube-public", True), ("fleet-system", True), ("app", False), ("my-fleet-", False)],
)
def test_reserved_namespaces(name: str, reserved: bool) -> None:
    assert is_reserved_namespace(name) is reserved


# What travels of an object


def test_identity_and_status_stay() -> None:
    metadata = {
        "name": "a",
        "namespace": "app",
        "uid": "1",
        "resourceVersion": "2",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "selfLink": "/x",
        "managedFields": [],
        "ownerReferences": [{"kind": "X"}],
        "labels": {"a": "b"},
        "finalizers": ["example.com/hold"],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "deployment.kubernetes.io/revision": "3",
            "note": "kept",
        },
    }
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}, "status": {"x": 1}}
    assert strip(found) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "a",
            "namespace": "app",
            "labels": {"a": "b"},
            "finalizers": ["example.com/hold"],
            "annotations": {"note": "kept"},
        },
        "data": {"k": "v"},
    }


def test_what_a_cluster_allots_to_a_service_stays() -> None:
    spec = {
        "clusterIP": "10.0.0.1",
        "clusterIPs": ["10.0.0.1"],
        "healthCheckNodePort": 3,
        "ports": [{"port": 80, "nodePort": 30000}],
        "selector": {"a": "b"},
    }
    assert strip(obj("Service", "web", "app", spec=spec))["spec"] == {"ports": [{"port": 80}], "selector": {"a": "b"}}
    headless = {"clusterIP": "None", "clusterIPs": ["None"]}
    assert strip(obj("Service", "web", "app", spec=headless))["spec"] == headless


def test_a_service_of_another_group_is_left_alone() -> None:
    knative = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"x": 1}}
    assert strip(knative) == knative


@pytest.mark.parametrize("label", ["controller-uid", "batch.kubernetes.io/controller-uid"])
def test_what_a_cluster_allots_to_a_job_stays(label: str) -> None:
    spec = {
        "selector": {"matchLabels": {label: "1", "a": "b"}},
        "template": {"metadata": {"labels": {label: "1", "a": "b"}}, "spec": {}},
    }
    assert strip(obj("Job", "j", "app", spec=spec))["spec"] == {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {}},
    }
    manual = {**spec, "manualSelector": True}
    assert strip(obj("Job", "j", "app", spec=manual))["spec"] == manual


VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["Service", "Job", "ConfigMap", "Deployment"]),
    st.dictionaries(st.sampled_from(["uid", "generation", "labels", "annotations"]), st.just({}), max_size=4),
    st.dictionaries(st.sampled_from(["data", "other", "status"]), VALUES, max_size=3),
)
def test_stripping_twice_is_stripping_once(kind: str, metadata: dict[str, Any], fields: dict[str, Any]) -> None:
    once = strip(obj(kind, "a", "app", metadata=metadata, **fields))
    assert strip(once) == once
    assert {key: value for key, value in fields.items() if key != "status"}.items() <= once.items()


# Order

CONTENT = [
    APP,
    *(obj(kind, name, "app") for kind in ("Deployment", "ConfigMap", "Secret", "Service", "Widget") for name in "ab"),
]


@given(st.permutations(CONTENT))
def test_the_order_does_not_depend_on_that_of_the_hub(content: list[dict[str, Any]]) -> None:
    assert names(select([selector("Namespace", "app")], Hub(*content))) == [
        "Namespace app",
        "Secret a",
        "Secret b",
        "ConfigMap a",
        "ConfigMap b",
        "Service a",
        "Service b",
        "Deployment a",
        "Deployment b",
        "Widget a",
        "Widget b",
    ]


@given(st.permutations([selector("Area"), selector("ClusterRole"), selector("Namespace", "app")]))
def test_the_order_does_not_depend_on_that_of_the_selectors(selectors: list[ResourceSelector]) -> None:
    hub = Hub(obj("Area", "z"), obj("ClusterRole", "r"), APP, SETTINGS)
    assert names(select(selectors, hub)) == ["Namespace app", "ConfigMap settings", "ClusterRole r", "Area z"]
