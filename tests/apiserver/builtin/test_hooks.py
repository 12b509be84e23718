"""Rules of single kinds. Messages equal those of Kubernetes, as recorded in the conformance answers."""

from __future__ import annotations

import copy
import ipaddress
from typing import Any

import pytest

from echelon.apiserver.builtin import builtin_definitions
from echelon.apiserver.builtin.hooks.networking import SERVICE_NETWORK
from echelon.apiserver.definitions import ResourceDefinition

DEFINITIONS = {entry.kind: entry for entry in builtin_definitions() if entry.group != "events.k8s.io"}
Object = dict[str, Any]


def settle(kind: str, obj: Object) -> tuple[ResourceDefinition, Object]:
    definition = DEFINITIONS[kind]
    obj.setdefault("kind", kind)
    obj.setdefault("metadata", {}).setdefault("name", "x")
    definition.versions[definition.storage_version].schema.default(obj)
    return definition, obj


def created(kind: str, obj: Object) -> Object:
    """The object as it is stored when it is created."""
    obj.setdefault("metadata", {}).setdefault("uid", "uid-1")
    definition, obj = settle(kind, obj)
    definition.hooks.prepare_create(obj)
    return obj


def updated(kind: str, obj: Object, old: Object) -> Object:
    definition, obj = settle(kind, copy.deepcopy(obj))
    definition.hooks.prepare_update(obj, old)
    return obj


def faults(kind: str, obj: Object, old: Object | None = None, subresource: str = "") -> list[str]:
    definition, obj = settle(kind, copy.deepcopy(obj))
    schema = definition.versions[definition.storage_version].schema
    return [str(fault) for fault in schema.validate(obj, old) + definition.hooks.validate(obj, old, subresource)]


def deployment(**spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}
    given = {"selector": {"matchLabels": {"app": "web"}}, "template": template} | spec
    return {"metadata": {"name": "web"}, "spec": {key: value for key, value in given.items() if value is not None}}


# Configuration.


def test_a_namespace_begins_active_and_held() -> None:
    namespace = created("Namespace", {"metadata": {"name": "team"}})
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}
    assert namespace["status"] == {"phase": "Active"}
    changed = updated("Namespace", {"metadata": {"name": "team"}, "spec": {}}, namespace)
    assert changed["spec"] == {"finalizers": ["kubernetes"]}


def test_the_type_of_a_secret_cannot_change() -> None:
    old = created("Secret", {"data": {}})
    assert faults("Secret", {"type": "other"}, old) == ['type: Invalid value: "other": field is immutable']


def test_immutable_objects_stay_as_they_are() -> None:
    old = {"immutable": True, "data": {"a": "1"}}
    why = "Forbidden: field is immutable when `immutable` is set"
    assert faults("ConfigMap", {"data": {"a": "2"}}, old) == [f"immutable: {why}", f"data: {why}"]
    assert faults("ConfigMap", {"immutable": True, "data": {"a": "1"}}, old) == []
    secret = created("Secret", {"immutable": True, "stringData": {"a": "1"}})
    assert faults("Secret", {"immutable": True, "stringData": {"a": "2"}}, secret) == [f"data: {why}"]


def test_keys_of_configuration() -> None:
    assert faults("ConfigMap", {"data": {"a.b_C-1": ""}}) == []
    (bad,) = faults("ConfigMap", {"data": {"a b": ""}})
    assert bad.startswith('data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters')
    both = {"data": {"k": ""}, "binaryData": {"k": "AA=="}}
    assert faults("ConfigMap", both) == ['data[k]: Invalid value: "k": duplicate of key present in binaryData']
    assert faults("ConfigMap", {"data": {"k": "x" * (1 << 20) + "x"}}) == [
        "[]: Too long: may not be more than 1048576 bytes"
    ]


def test_secrets_of_known_types_have_their_keys() -> None:
    tls = {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}
    assert faults("Secret", tls) == ["data[tls.key]: Required value"]


# Workloads.


def test_a_deployment_needs_a_selector_that_matches() -> None:
    assert faults("Deployment", deployment()) == []
    mismatch = '{"app":"web"}: `selector` does not match template `labels`'
    assert faults("Deployment", deployment(selector=None)) == [
        "spec.selector: Required value",
        f"spec.template.metadata.labels: Invalid value: {mismatch}",
    ]
    other = {"matchLabels": {"app": "db"}}
    assert faults("Deployment", deployment(selector=other)) == [
        f"spec.template.metadata.labels: Invalid value: {mismatch}"
    ]
    expression = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}
    assert faults("Deployment", deployment(selector=expression)) == []
    assert faults("Deployment", deployment(selector={})) == [
        "spec.selector: Invalid value: {}: empty selector is invalid for deployment"
    ]


def test_the_selector_of_a_deployment_cannot_change() -> None:
    old = created("Deployment", deployment(selector={"matchLabels": {"app": "old"}}))
    assert 'spec.selector: Invalid value: {"matchLabels":{"app":"web"}}: field is immutable' in faults(
        "Deployment", deployment(), old
    )


def test_status_counts_must_make_sense() -> None:
    status = {"replicas": 3, "availableReplicas": 3}
    assert faults("Deployment", deployment() | {"status": status}, None, "status") == [
        "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas"
    ]
    more = {"replicas": 1, "readyReplicas": 2, "availableReplicas": 1}
    assert faults("Deployment", deployment() | {"status": more}, None, "status") == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]


@pytest.mark.parametrize(
    ("spec", "field", "fault"),
    [
        ({"replicas": -1}, "replicas", "Invalid value: -1: must be greater than or equal to 0"),
        (
            {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
            "progressDeadlineSeconds",
            "Invalid value: 5: must be greater than minReadySeconds",
        ),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
            "strategy.rollingUpdate",
            "Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            "strategy.rollingUpdate.maxUnavailable",
            "Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            {"strategy": {"type": "Slow"}},
            "strategy.type",
            'Unsupported value: "Slow": supported values: "Recreate", "RollingUpdate"',
        ),
    ],
)
def test_rules_of_deployments(spec: Object, field: str, fault: str) -> None:
    assert faults("Deployment", deployment(**spec)) == [f"spec.{field}: {fault}"]


CONTAINER = {"name": "c", "image": "i"}


@pytest.mark.parametrize(
    ("pod", "fault"),
    [
        ({}, "containers: Required value"),
        ({"containers": [{"name": "c"}]}, "containers[0].image: Required value"),
        ({"containers": [{"name": "C", "image": "i"}]}, "containers[0].name: Invalid value"),
        ({"containers": [CONTAINER] * 2}, 'containers[1].name: Duplicate value: "c"'),
        (
            {"containers": [CONTAINER | {"ports": [{"containerPort": 70000}]}]},
            "ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            {"containers": [CONTAINER | {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
            'volumeMounts[0].name: Not found: "v"',
        ),
        ({"containers": [CONTAINER | {"env": [{"name": "A=B"}]}]}, "env[0].name: Invalid value"),
        (
            {"containers": [CONTAINER | {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]},
            'requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            {"containers": [CONTAINER], "restartPolicy": "Never"},
            'restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
    ],
)
def test_rules_of_pod_templates(pod: Object, fault: str) -> None:
    found = faults("Deployment", deployment(template={"metadata": {"labels": {"app": "web"}}, "spec": pod}))
    assert len(found) == 1
    assert found[0].startswith("spec.template.spec.")
    assert fault in found[0]


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet"])
def test_other_workloads_need_a_selector_too(kind: str) -> None:
    assert faults(kind, deployment()) == []
    assert "spec.selector: Required value" in faults(kind, deployment(selector=None))


def test_little_of_a_stateful_set_can_change() -> None:
    old = created("StatefulSet", deployment(serviceName="a"))
    assert faults("StatefulSet", deployment(serviceName="a", replicas=5), old) == []
    (fault,) = faults("StatefulSet", deployment(serviceName="b"), old)
    assert fault.startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas'")


def job(**pod: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"} | pod
    return {"metadata": {"name": "once"}, "spec": {"template": {"spec": spec}}}


def test_a_job_is_told_by_its_uid() -> None:
    obj = created("Job", job())
    assert obj["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "uid-1"}}
    assert obj["spec"]["template"]["metadata"]["labels"]["job-name"] == "once"
    assert faults("Job", obj) == []
    changed = copy.deepcopy(obj)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    (fault,) = faults("Job", changed, obj)
    assert fault.startswith("spec.template: Invalid value: ")
    assert fault.endswith("field is immutable")


def test_pods_of_jobs_are_not_restarted_for_ever() -> None:
    where = "spec.template.spec.restartPolicy"
    assert faults("Job", created("Job", job(restartPolicy="Always"))) == [
        f'{where}: Required value: valid values: "OnFailure", "Never"'
    ]
    cron = {"spec": {"schedule": "* * *", "jobTemplate": {"spec": job()["spec"]}}}
    (fault,) = faults("CronJob", cron)
    assert fault.startswith('spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3')


def test_a_pod_begins_pending_and_hardly_changes() -> None:
    pod = created("Pod", {"spec": {"containers": [{"name": "c", "image": "i:1"}]}})
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    changed = copy.deepcopy(pod)
    changed["spec"]["containers"][0]["image"] = "i:2"
    changed["spec"]["nodeName"] = "n1"
    assert faults("Pod", changed, pod) == []
    changed["spec"]["hostNetwork"] = True
    (fault,) = faults("Pod", changed, pod)
    assert fault.startswith("spec: Forbidden: pod updates may not change fields other than")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: Object, expected: str) -> None:
    pod = created("Pod", {"spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}})
    assert pod["status"]["qosClass"] == expected


# Access.

GROUP = "rbac.authorization.k8s.io"


def binding(role: str, kind: str = "Role") -> Object:
    return {"roleRef": {"apiGroup": GROUP, "kind": kind, "name": role}, "subjects": [{"kind": "User", "name": "ann"}]}


def test_the_role_of_a_binding_cannot_change() -> None:
    shown = '{"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"other"}'
    assert faults("RoleBinding", binding("other"), created("RoleBinding", binding("reader"))) == [
        f"roleRef: Invalid value: {shown}: cannot change roleRef"
    ]


def test_rules_of_bindings() -> None:
    assert faults("RoleBinding", binding("a")) == []
    assert faults("ClusterRoleBinding", binding("a")) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'
    ]
    obj = binding("a") | {"subjects": [{"kind": "ServiceAccount", "name": "robot"}]}
    assert faults("RoleBinding", obj) == ["subjects[0].namespace: Required value"]


def test_rules_of_roles() -> None:
    assert faults("Role", {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}) == []
    assert faults("Role", {"rules": [{}]}) == [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
    ]
    paths = {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]}
    assert faults("ClusterRole", paths) == []
    why = "namespaced rules cannot apply to non-resource URLs"
    assert faults("Role", paths) == [f'rules[0].nonResourceURLs: Invalid value: ["/metrics"]: {why}']


# Networking.


def service(**spec: Any) -> Object:
    return {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]} | spec}


def test_a_service_gets_an_address_and_keeps_it() -> None:
    obj = created("Service", service())
    address = obj["spec"]["clusterIP"]
    assert obj["spec"]["clusterIPs"] == [address]
    assert ipaddress.ip_address(address) in SERVICE_NETWORK
    assert (obj["spec"]["ipFamilies"], obj["spec"]["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    assert obj["status"] == {"loadBalancer": {}}
    again = updated("Service", service(), obj)
    assert again["spec"]["clusterIP"] == address
    assert faults("Service", again, obj) == []
    moved = service(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    assert faults("Service", moved, obj) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set'
    ]


def test_headless_and_named_services_get_no_address() -> None:
    assert created("Service", service(clusterIP="None"))["spec"]["clusterIPs"] == ["None"]
    named = created("Service", service(type="ExternalName", externalName="example.com", ports=[]))
    assert "clusterIP" not in named["spec"]
    assert faults("Service", named) == []


def test_node_ports_are_given_and_kept() -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    obj = created("Service", service(type="NodePort", ports=ports))
    given = [port["nodePort"] for port in obj["spec"]["ports"]]
    assert len(set(given)) == 2
    assert all(30000 <= port < 32768 for port in given)
    again = updated(
        "Service", service(type="NodePort", ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}]), obj
    )
    assert [port["nodePort"] for port in again["spec"]["ports"]] == given


def test_rules_of_services() -> None:
    assert faults("Service", service(ports=[])) == ["spec.ports: Required value"]
    assert (
        faults("Service", service(ports=[{"port": 0}]))[0]
        == "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"
    )
    twice = [{"port": 80}, {"port": 80, "name": "b"}]
    assert faults("Service", service(ports=twice)) == [
        "spec.ports[0].name: Required value",
        'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}',
    ]


def test_paths_of_ingresses() -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    path = {"path": "web", "pathType": "Prefix", "backend": backend}
    obj = {"spec": {"rules": [{"http": {"paths": [path, {"backend": backend}]}}]}}
    where = "spec.rules[0].http.paths"
    assert faults("Ingress", obj) == [
        f'{where}[0].path: Invalid value: "web": must be an absolute path',
        f"{where}[1].pathType: Required value: pathType must be specified",
    ]


# The cluster.


PERCENT = "a valid percent string must be a numeric string followed by an ending '%'"
PERCENT_EXAMPLES = "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
RESERVED = "priority class names with 'system-' prefix are reserved for system use only"


@pytest.mark.parametrize(
    ("kind", "obj", "field", "fault"),
    [
        (
            "Lease",
            {"spec": {"leaseDurationSeconds": 0}},
            "spec.leaseDurationSeconds",
            "Invalid value: 0: must be greater than 0",
        ),
        (
            "Lease",
            {"spec": {"leaseTransitions": -1}},
            "spec.leaseTransitions",
            "Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "Event",
            {"metadata": {"namespace": "a"}, "involvedObject": {"namespace": "b"}},
            "involvedObject.namespace",
            'Invalid value: "b": does not match event.namespace',
        ),
        (
            "PodDisruptionBudget",
            {"spec": {"minAvailable": "half"}},
            "spec.minAvailable",
            f'Invalid value: "half": {PERCENT} {PERCENT_EXAMPLES}',
        ),
        ("PriorityClass", {"metadata": {"name": "system-x"}}, "metadata.name", f"Forbidden: {RESERVED}"),
        (
            "PersistentVolumeClaim",
            {"spec": {"resources": {"requests": {"storage": "1Gi"}}}},
            "spec.accessModes",
            "Required value: at least 1 access mode is required",
        ),
    ],
)
def test_rules_of_other_kinds(kind: str, obj: Object, field: str, fault: str) -> None:
    assert faults(kind, obj) == [f"{field}: {fault}"]


def test_a_node_s_taints_differ_in_key_or_effect() -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    assert faults("Node", {"spec": {"taints": [taint, taint | {"effect": "NoExecute"}]}}) == []
    (fault,) = faults("Node", {"spec": {"taints": [taint, taint]}})
    assert fault.endswith("taints must be unique by key and effect pair")


def test_classes_do_not_change() -> None:
    old = created("PriorityClass", {"value": 1})
    assert faults("PriorityClass", {"value": 2}, old) == ["value: Forbidden: may not be changed in an update."]
    storage = created("StorageClass", {"provisioner": "a"})
    assert faults("StorageClass", {"provisioner": "b"}, storage) == [
        "provisioner: Forbidden: updates to provisioner are forbidden."
    ]


@pytest.mark.parametrize("kind", sorted(DEFINITIONS))
def test_no_hook_fails_on_an_empty_object(kind: str) -> None:
    obj = created(kind, {"apiVersion": "v1"})
    old = copy.deepcopy(obj)
    changed = updated(kind, obj, old)
    for subresource in ("", "status"):
        faults(kind, changed, old, subresource)
