"""Availability, kind by kind (reference: the work applier's table)."""

import pytest

from echelon.agent.availability import Availability, availability_of

AVAILABLE, NOT_YET, NOT_TRACKABLE = Availability.AVAILABLE, Availability.NOT_YET, Availability.NOT_TRACKABLE


def workload(spec, status, generation=2):
    return {"metadata": {"generation": generation}, "spec": spec, "status": status}


READY = {"observedGeneration": 2, "availableReplicas": 3, "updatedReplicas": 3, "replicas": 3}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (READY, AVAILABLE),
        ({}, NOT_YET),
        (READY | {"observedGeneration": 1}, NOT_YET),
        (READY | {"availableReplicas": 2}, NOT_YET),
        (READY | {"updatedReplicas": 2}, NOT_YET),
        (READY | {"unavailableReplicas": 1}, NOT_YET),
    ],
)
def test_deployment(status, expected):
    assert availability_of("apps", "Deployment", workload({"replicas": 3}, status)) is expected


def test_a_deployment_wants_one_replica_unless_it_says_otherwise():
    status = {"observedGeneration": 2, "availableReplicas": 1, "updatedReplicas": 1}
    assert availability_of("apps", "Deployment", workload({}, status)) is AVAILABLE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, AVAILABLE),
        ({"currentReplicas": 1}, NOT_YET),
        ({"currentRevision": "a"}, NOT_YET),
        ({"availableReplicas": 1}, NOT_YET),
    ],
)
def test_stateful_set(changes, expected):
    status = {
        "observedGeneration": 2,
        "availableReplicas": 2,
        "currentReplicas": 2,
        "updatedReplicas": 2,
        "currentRevision": "b",
        "updateRevision": "b",
    }
    assert availability_of("apps", "StatefulSet", workload({"replicas": 2}, status | changes)) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, AVAILABLE), ({"numberAvailable": 1}, NOT_YET), ({"updatedNumberScheduled": 0}, NOT_YET)],
)
def test_daemon_set(changes, expected):
    status = {
        "observedGeneration": 2,
        "desiredNumberScheduled": 2,
        "numberAvailable": 2,
        "currentNumberScheduled": 2,
        "updatedNumberScheduled": 2,
    }
    assert availability_of("apps", "DaemonSet", workload({}, status | changes)) is expected


def ended(how: str) -> dict[str, object]:
    return {"conditions": [{"type": how, "status": "True"}]}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, NOT_YET),
        ({"active": 1}, NOT_YET),
        ({"active": 1, "ready": 1}, AVAILABLE),
        ({"active": 1, "succeeded": 1}, AVAILABLE),
        ({"succeeded": 2} | ended("Complete"), AVAILABLE),
        (ended("Complete"), AVAILABLE),
        ({"active": 1, "failed": 2}, NOT_YET),
        ({"succeeded": 1, "failed": 7} | ended("Failed"), NOT_YET),
        (ended("Suspended"), NOT_YET),
    ],
)
def test_job(status, expected):
    assert availability_of("batch", "Job", workload({}, status)) is expected


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"clusterIPs": ["10.0.0.1"]}, {}, AVAILABLE),
        ({}, {}, NOT_YET),
        ({"type": "NodePort", "clusterIPs": ["10.0.0.1"]}, {}, AVAILABLE),
        ({"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"]}, {}, NOT_YET),
        ({"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}, AVAILABLE),
        ({"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}, AVAILABLE),
        ({"type": "ExternalName"}, {}, NOT_TRACKABLE),
    ],
)
def test_service(spec, status, expected):
    assert availability_of("", "Service", workload(spec, status)) is expected


@pytest.mark.parametrize(
    ("established", "accepted", "expected"),
    [("True", "True", AVAILABLE), ("False", "True", NOT_YET), ("True", "False", NOT_YET)],
)
def test_custom_resource_definition(established, accepted, expected):
    conditions = [{"type": "NamesAccepted", "status": accepted}, {"type": "Established", "status": established}]
    crd = workload({}, {"conditions": conditions})
    assert availability_of("apiextensions.k8s.io", "CustomResourceDefinition", crd) is expected


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("", "Namespace"),
        ("", "ConfigMap"),
        ("", "Secret"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("storage.k8s.io", "StorageClass"),
        ("scheduling.k8s.io", "PriorityClass"),
    ],
)
def test_available_once_there(group, kind):
    assert availability_of(group, kind, {"metadata": {}}) is AVAILABLE


@pytest.mark.parametrize(
    ("group", "kind"), [("batch", "CronJob"), ("networking.k8s.io", "Ingress"), ("example.com", "ConfigMap")]
)
def test_not_trackable(group, kind):
    assert availability_of(group, kind, {"metadata": {}}) is NOT_TRACKABLE


def test_a_disruption_budget_waits_for_its_controller():
    assert availability_of("policy", "PodDisruptionBudget", workload({}, {"observedGeneration": 2})) is AVAILABLE
    assert availability_of("policy", "PodDisruptionBudget", workload({}, {})) is NOT_YET
