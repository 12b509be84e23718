"""The table form of built-in kinds: columns and cells as ``kubectl get`` shows them.

The columns of the kinds in the conformance answers are spelled out as those answers have them.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.builtin import builtin_definitions
from echelon.apiserver.definitions import Column

Object = dict[str, Any]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR_AGO = "2026-01-01T11:00:00Z"
MINUTE_AGO = "2026-01-01T11:59:00Z"


class NoonClock:
    def now(self) -> datetime:
        return NOON


DEFINITIONS = {(entry.group, entry.kind): entry for entry in builtin_definitions(NoonClock())}
STORED = {key: entry for key, entry in DEFINITIONS.items() if not entry.virtual}


def columns(kind: str, group: str = "") -> list[Column]:
    definition = DEFINITIONS[group, kind]
    return list(definition.versions[definition.storage_version].columns)


def cells(kind: str, obj: Object, group: str = "", *, wide: bool = False) -> list[Any]:
    """The cells of an object as it is stored, with its defaults."""
    obj = {"kind": kind, "metadata": {"name": "a", "creationTimestamp": HOUR_AGO}} | copy.deepcopy(obj)
    definition = DEFINITIONS[group, kind]
    definition.versions[definition.storage_version].schema.default(obj)
    return [column.value(obj) for column in columns(kind, group) if wide or column.priority == 0]


def shape(kind: str, group: str = "") -> list[tuple[str, str, str, int]]:
    return [(column.name, column.type, column.format, column.priority) for column in columns(kind, group)]


NAME = ("Name", "string", "name", 0)
AGE = ("Age", "string", "", 0)


def test_columns_of_the_conformance_answers() -> None:
    assert shape("ConfigMap") == [NAME, ("Data", "string", "", 0), AGE]
    assert shape("Secret") == [NAME, ("Type", "string", "", 0), ("Data", "string", "", 0), AGE]
    assert shape("Namespace") == [NAME, ("Status", "string", "", 0), AGE]
    assert shape("Deployment", "apps") == [
        NAME,
        ("Ready", "string", "", 0),
        ("Up-to-date", "string", "", 0),
        ("Available", "string", "", 0),
        AGE,
        ("Containers", "string", "", 1),
        ("Images", "string", "", 1),
        ("Selector", "string", "", 1),
    ]
    crd = columns("CustomResourceDefinition", "apiextensions.k8s.io")
    assert [column.name for column in crd] == ["Name", "Created At"]


WEB: Object = {"containers": [{"name": "c", "image": "nginx:1"}]}


def test_cells_of_the_conformance_answers() -> None:
    assert cells("ConfigMap", {"data": {"x": "1", "y": "2"}}) == ["a", 2, "60m"]
    assert cells("Secret", {"stringData": {"x": "1"}}) == ["a", "Opaque", 1, "60m"]
    assert cells("Namespace", {"status": {"phase": "Active"}}) == ["a", "Active", "60m"]
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": WEB}}
    assert cells("Deployment", {"spec": spec}, "apps", wide=True) == [
        "a", "0/2", 0, 0, "60m", "c", "nginx:1", "app=web",
    ]  # fmt: skip
    worker = {"name": "a", "creationTimestamp": HOUR_AGO, "labels": {"node-role.kubernetes.io/worker": ""}}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.30.1"}}
    assert cells("Node", {"metadata": worker, "status": status}) == ["a", "Ready", "worker", "60m", "v1.30.1"]


def test_nodes() -> None:
    status = {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}
    row = cells("Node", {"spec": {"unschedulable": True}, "status": status}, wide=True)
    assert row == [
        "a", "Unknown,SchedulingDisabled", "<none>", "60m", "",
        "10.0.0.1", "<none>", "<unknown>", "<unknown>", "<unknown>",
    ]  # fmt: skip


# Pods.


def pod(status: Object, spec: Object | None = None, **metadata: Any) -> list[Any]:
    row = cells(
        "Pod",
        {
            "metadata": {"name": "a", "creationTimestamp": HOUR_AGO, **metadata},
            "spec": spec or {"containers": [{"name": "c", "image": "i"}]},
            "status": status,
        },
    )
    return row[1:4]


def container(name: str = "c", **facts: Any) -> Object:
    return {"name": name, **facts}


RUNNING = {"running": {"startedAt": HOUR_AGO}}
TWO_STEPS = {
    "initContainers": [{"name": "one", "image": "i"}, {"name": "two", "image": "i"}],
    "containers": [{"name": "c", "image": "i"}],
}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Pending"}, ["0/1", "Pending", "0"]),
        ({"phase": "Running", "containerStatuses": [container(ready=True, state=RUNNING)]}, ["1/1", "Running", "0"]),
        (
            {"containerStatuses": [container(restartCount=3, state={"waiting": {"reason": "CrashLoopBackOff"}})]},
            ["0/1", "CrashLoopBackOff", "3"],
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    container(
                        ready=True,
                        restartCount=2,
                        state=RUNNING,
                        lastState={"terminated": {"exitCode": 1, "finishedAt": MINUTE_AGO}},
                    )
                ],
            },
            ["1/1", "Running", "2 (60s ago)"],
        ),
        ({"containerStatuses": [container(state={"terminated": {"exitCode": 2}})]}, ["0/1", "ExitCode:2", "0"]),
        (
            {"containerStatuses": [container(state={"terminated": {"exitCode": 0, "reason": "Completed"}})]},
            ["0/1", "Completed", "0"],
        ),
        (
            {"containerStatuses": [container(state={"terminated": {"exitCode": 137, "signal": 9}})]},
            ["0/1", "Signal:9", "0"],
        ),
        ({"phase": "Failed", "reason": "Evicted"}, ["0/1", "Evicted", "0"]),
        (
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            ["0/1", "SchedulingGated", "0"],
        ),
    ],
)
def test_the_word_for_a_pod(status: Object, expected: list[Any]) -> None:
    assert pod(status) == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ({"running": {}}, "Init:0/2"),
        ({"terminated": {"exitCode": 0}}, "Init:1/2"),
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, "Init:Error"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "Init:ImagePullBackOff"),
        ({"waiting": {"reason": "PodInitializing"}}, "Init:0/2"),
    ],
)
def test_the_word_for_a_pod_that_is_being_initialised(first: Object, expected: str) -> None:
    statuses = [container("one", state=first), container("two", state={"waiting": {}})]
    assert pod({"phase": "Pending", "initContainerStatuses": statuses}, TWO_STEPS)[1] == expected


def test_sidecars_count_among_the_containers() -> None:
    spec = {
        "initContainers": [{"name": "proxy", "image": "i", "restartPolicy": "Always"}],
        "containers": [{"name": "c", "image": "i"}],
    }
    status = {
        "phase": "Running",
        "initContainerStatuses": [container("proxy", ready=True, started=True, restartCount=1, state=RUNNING)],
        "containerStatuses": [container(ready=True, state=RUNNING)],
    }
    assert pod(status, spec) == ["2/2", "Running", "1"]


def test_a_pod_that_is_being_deleted() -> None:
    assert pod({"phase": "Running"}, deletionTimestamp=MINUTE_AGO)[1] == "Terminating"
    assert pod({"phase": "Running", "reason": "NodeLost"}, deletionTimestamp=MINUTE_AGO)[1] == "Unknown"
    assert pod({"phase": "Succeeded"}, deletionTimestamp=MINUTE_AGO)[1] == "Succeeded"


def test_wide_columns_of_pods() -> None:
    spec = {"nodeName": "n1", "readinessGates": [{"conditionType": "A"}, {"conditionType": "B"}]}
    status = {"podIP": "10.1.0.1", "conditions": [{"type": "A", "status": "True"}]}
    assert cells("Pod", {"spec": spec, "status": status}, wide=True)[5:] == ["10.1.0.1", "n1", "<none>", "1/2"]


# Events.


def test_both_kinds_of_events_show_the_same() -> None:
    core = {
        "involvedObject": {"kind": "Pod", "name": "p"},
        "reason": "Started",
        "message": " Started it\n",
        "type": "Normal",
        "lastTimestamp": MINUTE_AGO,
        "firstTimestamp": HOUR_AGO,
        "count": 4,
        "source": {"component": "kubelet", "host": "n1"},
    }
    row = ["60s", "Normal", "Started", "pod/p", "", "kubelet, n1", "Started it", "60m", 4, "a"]
    assert cells("Event", core, wide=True) == row
    new = {
        "regarding": {"kind": "Pod", "name": "p"},
        "reason": "Started",
        "note": "Started it",
        "type": "Normal",
        "deprecatedLastTimestamp": MINUTE_AGO,
        "deprecatedFirstTimestamp": HOUR_AGO,
        "deprecatedCount": 4,
        "deprecatedSource": {"component": "kubelet", "host": "n1"},
    }
    assert cells("Event", new, "events.k8s.io", wide=True) == row


def test_an_event_without_times_of_its_own_has_that_of_the_first_observation() -> None:
    row = cells("Event", {"eventTime": "2026-01-01T11:00:00.000000Z", "series": {"count": 3}}, wide=True)
    assert (row[0], row[8]) == ("60m", 3)


# Workloads.


@pytest.mark.parametrize(
    ("conditions", "spec", "status", "expected"),
    [
        ([], {}, {}, ["Running", "0/1", ""]),
        ([{"type": "Complete", "status": "True"}], {}, {"succeeded": 1}, ["Complete", "1/1", ""]),
        ([{"type": "Failed", "status": "True"}], {"completions": 3}, {"succeeded": 1}, ["Failed", "1/3", ""]),
        ([{"type": "Suspended", "status": "True"}], {"parallelism": 2}, {}, ["Suspended", "0/1 of 2", ""]),
        ([], {}, {"startTime": MINUTE_AGO}, ["Running", "0/1", "60s"]),
        ([], {}, {"startTime": HOUR_AGO, "completionTime": MINUTE_AGO}, ["Running", "0/1", "59m"]),
    ],
)
def test_jobs(conditions: list[Object], spec: Object, status: Object, expected: list[str]) -> None:
    assert cells("Job", {"spec": spec, "status": status | {"conditions": conditions}}, "batch")[1:4] == expected


def test_cron_jobs() -> None:
    obj = {"spec": {"schedule": "0 3 * * *"}, "status": {"lastScheduleTime": HOUR_AGO, "active": [{}]}}
    assert cells("CronJob", obj, "batch") == ["a", "0 3 * * *", "<none>", "False", 1, "60m", "60m"]


def test_sets() -> None:
    assert cells("StatefulSet", {"spec": {"replicas": 2}, "status": {"readyReplicas": 1}}, "apps")[1] == "1/2"
    assert cells("ReplicaSet", {"spec": {"replicas": 2}, "status": {"replicas": 2}}, "apps")[1:4] == [2, 2, 0]
    template = {"spec": {"nodeSelector": {"disk": "ssd"}}}
    daemon = {"spec": {"template": template}, "status": {"desiredNumberScheduled": 3, "numberReady": 1}}
    assert cells("DaemonSet", daemon, "apps")[1:7] == [3, 0, 1, 0, 0, "disk=ssd"]


def test_selectors_with_expressions() -> None:
    terms = [
        {"key": "tier", "operator": "In", "values": ["b", "a"]},
        {"key": "env", "operator": "NotIn", "values": ["dev"]},
        {"key": "x", "operator": "Exists"},
        {"key": "y", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": terms}
    row = cells("ReplicaSet", {"spec": {"selector": selector}}, "apps", wide=True)
    assert row[-1] == "app=web,env notin (dev),tier in (a,b),x,!y"


def test_autoscalers_and_budgets() -> None:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 4}
    row = cells("HorizontalPodAutoscaler", {"spec": spec}, "autoscaling")
    assert row == ["a", "Deployment/web", "cpu: <unknown>/80%", "1", 4, 0, "60m"]
    current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 30}}}]
    seen = cells("HorizontalPodAutoscaler", {"spec": spec, "status": {"currentMetrics": current}}, "autoscaling")
    assert seen[2] == "cpu: 30%/80%"
    budget = {"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}}
    assert cells("PodDisruptionBudget", budget, "policy") == ["a", "50%", "N/A", 1, "60m"]


# Networking.


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"clusterIP": "10.96.0.5"}, {}, ["ClusterIP", "10.96.0.5", "<none>", "80/TCP"]),
        ({"clusterIP": "None"}, {}, ["ClusterIP", "None", "<none>", "80/TCP"]),
        (
            {"type": "NodePort", "clusterIP": "10.96.0.5", "ports": [{"port": 80, "nodePort": 30080}]},
            {},
            ["NodePort", "10.96.0.5", "<none>", "80:30080/TCP"],
        ),
        ({"type": "LoadBalancer"}, {}, ["LoadBalancer", "<none>", "<pending>", "80/TCP"]),
        (
            {"type": "LoadBalancer"},
            {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
            ["LoadBalancer", "<none>", "1.2.3.4", "80/TCP"],
        ),
        (
            {"type": "ExternalName", "externalName": "example.com", "ports": []},
            {},
            ["ExternalName", "<none>", "example.com", "<none>"],
        ),
    ],
)
def test_services(spec: Object, status: Object, expected: list[str]) -> None:
    assert cells("Service", {"spec": {"ports": [{"port": 80}]} | spec, "status": status})[1:5] == expected


def test_ingresses_endpoints_and_slices() -> None:
    rules = [{"host": f"h{number}"} for number in range(4)]
    ingress = {"spec": {"rules": rules, "tls": [{}]}}
    assert cells("Ingress", ingress, "networking.k8s.io")[1:5] == ["<none>", "h0,h1,h2 + 1 more...", "", "80, 443"]
    subset = {"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 80}]}
    assert cells("Endpoints", {"subsets": [subset]})[1] == "10.0.0.1:80,10.0.0.2:80"
    assert cells("Endpoints", {})[1] == "<none>"
    slice_ = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]}
    assert cells("EndpointSlice", slice_, "discovery.k8s.io")[1:4] == ["IPv4", "80", "10.0.0.1"]


# Access, storage and the rest.


def test_bindings() -> None:
    subjects = [
        {"kind": "User", "name": "ann"},
        {"kind": "Group", "name": "ops"},
        {"kind": "ServiceAccount", "name": "robot", "namespace": "team"},
    ]
    obj = {"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": subjects}
    row = cells("RoleBinding", obj, "rbac.authorization.k8s.io", wide=True)
    assert row == ["a", "ClusterRole/view", "60m", "ann", "ops", "team/robot"]


def test_volumes_and_claims() -> None:
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadOnlyMany", "ReadWriteOnce"],
        "claimRef": {"namespace": "team", "name": "data"},
    }
    row = cells("PersistentVolume", {"spec": spec, "status": {"phase": "Bound"}})
    assert row == ["a", "1Gi", "RWO,ROX", "Retain", "Bound", "team/data", "", "<unset>", "", "60m"]
    claim = {"spec": {"storageClassName": "fast"}, "status": {"phase": "Pending", "capacity": {"storage": "1Gi"}}}
    assert cells("PersistentVolumeClaim", claim) == ["a", "Pending", "", "", "", "fast", "<unset>", "60m"]


def test_quotas() -> None:
    status = {"hard": {"pods": "3", "limits.cpu": "2", "requests.cpu": "1"}, "used": {"pods": "1"}}
    row = cells("ResourceQuota", {"status": status})
    assert row[1:3] == ["pods: 1/3, requests.cpu: 0/1", "limits.cpu: 0/2"]


def test_certificate_requests() -> None:
    group = "certificates.k8s.io"
    spec = {"signerName": "x", "username": "ann", "expirationSeconds": 3600}
    row = cells("CertificateSigningRequest", {"spec": spec}, group)
    assert row == ["a", "60m", "x", "ann", "60m", "Pending"]
    status = {"conditions": [{"type": "Approved", "status": "True"}], "certificate": "AA=="}
    assert cells("CertificateSigningRequest", {"status": status}, group)[-1] == "Approved,Issued"


def test_leases_and_classes() -> None:
    assert cells("Lease", {"spec": {"holderIdentity": "me"}}, "coordination.k8s.io") == ["a", "me", "60m"]
    row = cells("PriorityClass", {"value": 5}, "scheduling.k8s.io")
    assert row == ["a", 5, False, "60m", "PreemptLowerPriority"]
    row = cells("StorageClass", {"provisioner": "p"}, "storage.k8s.io")
    assert row == ["a", "p", "Delete", "Immediate", False, "60m"]


@pytest.mark.parametrize(("group", "kind"), sorted(STORED))
def test_an_empty_object_has_all_cells(group: str, kind: str) -> None:
    assert len(cells(kind, {}, group, wide=True)) == len(columns(kind, group))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(sorted(STORED)))
def test_no_valid_object_breaks_a_table(objects: Any, data: st.DataObject, resource: tuple[str, str]) -> None:
    group, kind = resource
    definition = DEFINITIONS[resource]
    schema = definition.versions[definition.storage_version].schema
    obj = data.draw(objects(schema.key))
    cells(kind, obj | {"kind": kind}, group, wide=True)
