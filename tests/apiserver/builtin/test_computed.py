"""Defaults that depend on other fields."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver.builtin.schema import BuiltinSchema


def default(key: str, obj: dict[str, Any]) -> dict[str, Any]:
    BuiltinSchema(key).default(obj)
    return obj


def pod(spec: dict[str, Any]) -> dict[str, Any]:
    settled: dict[str, Any] = default("core.Pod", {"metadata": {"name": "p"}, "spec": spec})["spec"]
    return settled


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
def test_images_that_move_are_always_pulled(image: str, policy: str) -> None:
    assert pod({"containers": [{"name": "c", "image": image}]})["containers"][0]["imagePullPolicy"] == policy


def test_limits_of_pods_stand_in_for_requests_but_not_in_templates() -> None:
    container = {
        "name": "c",
        "image": "i:1",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
    }
    resources = pod({"containers": [container]})["containers"][0]["resources"]
    assert resources["requests"] == {"cpu": "500m", "memory": "1Gi"}
    template = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]}}
    deployment = default("apps.Deployment", {"spec": {"template": template}})
    assert "requests" not in deployment["spec"]["template"]["spec"]["containers"][0]["resources"]


def test_a_volume_without_a_source_is_scratch_space() -> None:
    assert pod({"volumes": [{"name": "v"}]})["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_both_names_of_the_service_account_agree() -> None:
    assert pod({"serviceAccount": "robot"})["serviceAccountName"] == "robot"
    assert pod({"serviceAccountName": "robot"})["serviceAccount"] == "robot"


def test_probes() -> None:
    probe = pod({"containers": [{"name": "c", "livenessProbe": {"httpGet": {"port": 80}}}]})["containers"][0][
        "livenessProbe"
    ]
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_a_recreating_deployment_has_no_rolling_update() -> None:
    strategy = default("apps.Deployment", {"spec": {"strategy": {"type": "Recreate"}}})["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}


def test_stateful_and_daemon_sets() -> None:
    stateful = default("apps.StatefulSet", {"spec": {"volumeClaimTemplates": [{"metadata": {"name": "d"}}]}})["spec"]
    assert stateful["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert stateful["podManagementPolicy"] == "OrderedReady"
    assert stateful["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    claim = stateful["volumeClaimTemplates"][0]
    assert (claim["kind"], claim["apiVersion"]) == ("PersistentVolumeClaim", "v1")
    assert claim["spec"]["volumeMode"] == "Filesystem"
    daemon = default("apps.DaemonSet", {})["spec"]
    assert daemon["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}


def test_jobs() -> None:
    spec = default("batch.Job", {})["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert spec["podReplacementPolicy"] == "TerminatingOrFailed"
    assert "completions" not in default("batch.Job", {"spec": {"parallelism": 2}})["spec"]
    cron = default("batch.CronJob", {})["spec"]
    assert (cron["successfulJobsHistoryLimit"], cron["failedJobsHistoryLimit"], cron["suspend"]) == (3, 1, False)


def test_services() -> None:
    spec = default("core.Service", {"spec": {"ports": [{"port": 80}], "type": "LoadBalancer"}})["spec"]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert spec["sessionAffinity"] == "None"
    assert spec["externalTrafficPolicy"] == "Cluster"
    assert spec["allocateLoadBalancerNodePorts"] is True
    sticky = default("core.Service", {"spec": {"sessionAffinity": "ClientIP"}})["spec"]
    assert sticky["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    named = default("core.Service", {"spec": {"type": "ExternalName", "externalName": "example.com"}})["spec"]
    assert "internalTrafficPolicy" not in named


def test_plain_text_of_a_secret_becomes_data() -> None:
    secret = default("core.Secret", {"stringData": {"p": "hello"}, "data": {"q": "aGk=", "p": "b2xk"}})
    assert secret["data"] == {"q": "aGk=", "p": "aGVsbG8="}
    assert "stringData" not in secret
    assert secret["type"] == "Opaque"


def test_a_namespace_carries_its_name_as_a_label() -> None:
    namespace = default("core.Namespace", {"metadata": {"name": "team", "labels": {"a": "b"}}})
    assert namespace["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "team"}


def test_subjects_policies_autoscalers_and_resource_definitions() -> None:
    group = "rbac.authorization.k8s.io"
    subjects = [{"kind": "User", "name": "ann"}, {"kind": "ServiceAccount", "name": "robot"}]
    binding = default("rbac.RoleBinding", {"subjects": subjects})
    assert [subject.get("apiGroup") for subject in binding["subjects"]] == [group, None]
    assert binding["roleRef"]["apiGroup"] == group
    assert default("networking.NetworkPolicy", {"spec": {"egress": [{}]}})["spec"]["policyTypes"] == [
        "Ingress",
        "Egress",
    ]
    metric = default("autoscaling2.HorizontalPodAutoscaler", {"spec": {}})["spec"]["metrics"][0]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 80}
    names = {"plural": "fleets", "kind": "Fleet"}
    spec = default("apiextensions.CustomResourceDefinition", {"spec": {"names": names}})["spec"]
    assert spec["names"]["singular"] == "fleet"
    assert spec["names"]["listKind"] == "FleetList"
    assert spec["conversion"] == {"strategy": "None"}


def test_replication_controllers_take_after_their_template() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {}}
    controller = default("core.ReplicationController", {"metadata": {"name": "rc"}, "spec": {"template": template}})
    assert controller["spec"]["selector"] == {"app": "web"}
    assert controller["metadata"]["labels"] == {"app": "web"}
