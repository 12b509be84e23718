"""How the built-in resources are served."""

from __future__ import annotations

import pytest

from echelon.apiserver.builtin import BuiltinSchema, builtin_definitions, components
from echelon.apiserver.definitions import ResourceDefinition

DEFINITIONS = builtin_definitions()
BY_RESOURCE = {(entry.group, entry.plural): entry for entry in DEFINITIONS}

WANTED = {
    "": "namespaces configmaps secrets serviceaccounts services endpoints events nodes pods podtemplates"
    " persistentvolumes persistentvolumeclaims replicationcontrollers resourcequotas limitranges",
    "apps": "deployments statefulsets daemonsets replicasets controllerrevisions",
    "batch": "jobs cronjobs",
    "autoscaling": "horizontalpodautoscalers",
    "policy": "poddisruptionbudgets",
    "networking.k8s.io": "networkpolicies ingresses ingressclasses",
    "rbac.authorization.k8s.io": "roles rolebindings clusterroles clusterrolebindings",
    "coordination.k8s.io": "leases",
    "storage.k8s.io": "storageclasses csidrivers csinodes csistoragecapacities volumeattachments",
    "scheduling.k8s.io": "priorityclasses",
    "discovery.k8s.io": "endpointslices",
    "events.k8s.io": "events",
    "admissionregistration.k8s.io": "validatingwebhookconfigurations mutatingwebhookconfigurations"
    " validatingadmissionpolicies validatingadmissionpolicybindings",
    "apiregistration.k8s.io": "apiservices",
    "certificates.k8s.io": "certificatesigningrequests",
    "apiextensions.k8s.io": "customresourcedefinitions",
    "authentication.k8s.io": "tokenreviews selfsubjectreviews",
    "authorization.k8s.io": "subjectaccessreviews selfsubjectaccessreviews selfsubjectrulesreviews"
    " localsubjectaccessreviews",
}


def test_all_resources_are_there_once() -> None:
    assert len(BY_RESOURCE) == len(DEFINITIONS)
    found: dict[str, set[str]] = {}
    for entry in DEFINITIONS:
        found.setdefault(entry.group, set()).add(entry.plural)
    assert found == {group: set(plurals.split()) for group, plurals in WANTED.items()}


@pytest.mark.parametrize("entry", DEFINITIONS, ids=lambda entry: entry.bucket)
def test_definitions_are_sound(entry: ResourceDefinition) -> None:
    assert entry.builtin
    assert entry.storage_version in entry.versions
    version = entry.versions[entry.storage_version]
    assert isinstance(version.schema, BuiltinSchema)
    component = components()[version.schema.component]
    assert component["x-kubernetes-group-version-kind"] == [
        {"group": entry.group, "version": version.name, "kind": entry.kind}
    ]
    assert version.status == ("status" in component["properties"] and not entry.virtual)
    assert entry.verbs == ("create",) if entry.virtual else len(entry.verbs) == 8
    names = [column.name for column in version.columns]
    assert entry.virtual or "Name" in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("group", "plural", "short"),
    [
        ("", "configmaps", ("cm",)),
        ("", "namespaces", ("ns",)),
        ("apps", "deployments", ("deploy",)),
        ("apiextensions.k8s.io", "customresourcedefinitions", ("crd", "crds")),
    ],
)
def test_short_names(group: str, plural: str, short: tuple[str, ...]) -> None:
    assert BY_RESOURCE[group, plural].short_names == short


def test_short_names_are_unambiguous_within_a_group() -> None:
    taken = [(entry.group, name) for entry in DEFINITIONS for name in entry.short_names]
    assert len(set(taken)) == len(taken)


def test_generation_is_kept_only_where_kubernetes_keeps_one() -> None:
    kept = {entry.plural for entry in DEFINITIONS if entry.generation}
    assert {"deployments", "jobs", "pods", "networkpolicies", "customresourcedefinitions"} <= kept
    assert not kept & {"configmaps", "secrets", "namespaces", "nodes", "serviceaccounts", "leases", "roles", "events"}


def test_names_follow_the_rule_of_their_kind() -> None:
    rules = {plural: BY_RESOURCE[group, plural].name_rule for group, plural in BY_RESOURCE}
    assert rules["namespaces"] == "dns-label"
    assert rules["services"] == "dns-1035-label"
    assert rules["clusterroles"] == "path-segment"
    assert rules["configmaps"] == "dns-subdomain"


def test_what_can_be_scaled_says_where() -> None:
    scaled = {entry.plural for entry in DEFINITIONS for version in entry.versions.values() if version.scale}
    assert scaled == {"deployments", "replicasets", "statefulsets", "replicationcontrollers"}
