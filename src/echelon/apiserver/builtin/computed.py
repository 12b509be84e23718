"""Defaults that depend on other fields, by the type they belong to.

Constant defaults stand in the table. Each function here works in place on an object of its type
whose own constant defaults, and whose parts' defaults, are already filled in; running it again
changes nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from echelon.apiserver.builtin import notation

Object = dict[str, Any]
Compute = Callable[[Object], None]


def defaults_of(entry: notation.Type) -> list[Compute]:
    """The computed defaults of a type, those of inlined types first."""
    found = [
        compute for field in entry.fields if field.inline for compute in defaults_of(notation.find(field.type.name))
    ]
    own = _COMPUTED.get(entry.key)
    return [*found, own] if own else found


def _container(container: Object) -> None:
    image = container.get("image", "")
    if "imagePullPolicy" not in container and image:
        name, _, digest = image.partition("@")
        tag = name.rpartition("/")[2].partition(":")[2]
        container["imagePullPolicy"] = "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"
    elif "imagePullPolicy" not in container:
        container["imagePullPolicy"] = "IfNotPresent"


def _pod_spec(spec: Object) -> None:
    if name := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = name
    for volume in spec.get("volumes", ()):
        if volume.keys() <= {"name"}:
            volume["emptyDir"] = {}


def _pod(pod: Object) -> None:
    spec = pod["spec"]
    spec.setdefault("enableServiceLinks", True)
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        resources = container["resources"]
        limits = resources.get("limits")
        if limits:
            resources["requests"] = limits | resources.get("requests", {})
        if spec.get("hostNetwork"):
            for port in container.get("ports", ()):
                port.setdefault("hostPort", port.get("containerPort", 0))


def _quarter(settings: Object, *names: str) -> None:
    for name in names:
        settings.setdefault(name, "25%")


def _deployment_strategy(strategy: Object) -> None:
    if strategy.get("type") == "RollingUpdate":
        _quarter(strategy.setdefault("rollingUpdate", {}), "maxUnavailable", "maxSurge")


def _stateful_set_strategy(strategy: Object) -> None:
    if strategy.get("type") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)


def _daemon_set_strategy(strategy: Object) -> None:
    if strategy.get("type") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)


def _stateful_set_spec(spec: Object) -> None:
    spec.setdefault("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"})
    for claim in spec.get("volumeClaimTemplates", ()):
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim["status"].setdefault("phase", "Pending")


def _job_spec(spec: Object) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    if "backoffLimitPerIndex" in spec and "maxFailedIndexes" not in spec and spec.get("backoffLimit") == 6:
        spec["backoffLimit"] = 2**31 - 1
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")


def _labelled_by_template(obj: Object) -> None:
    """Replication controllers take selector and labels from their template."""
    spec = obj["spec"]
    labels = spec.get("template", {}).get("metadata", {}).get("labels")
    if labels:
        spec.setdefault("selector", dict(labels))
        obj["metadata"].setdefault("labels", dict(labels))


def _service_spec(spec: Object) -> None:
    kind = spec.get("type")
    for port in spec.get("ports", ()):
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if spec.get("sessionAffinity") == "ClientIP":
        seconds = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        seconds.setdefault("timeoutSeconds", 10800)
    elif spec.get("sessionAffinity") == "None":
        spec.pop("sessionAffinityConfig", None)
    if kind == "ExternalName":
        spec.pop("internalTrafficPolicy", None)
    if kind in {"NodePort", "LoadBalancer"}:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _role_subject(subject: Object) -> None:
    if "apiGroup" not in subject and subject.get("kind") in {"User", "Group"}:
        subject["apiGroup"] = "rbac.authorization.k8s.io"


def _network_policy_spec(spec: Object) -> None:
    if "policyTypes" not in spec:
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _autoscaler_spec(spec: Object) -> None:
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _crd_spec(spec: Object) -> None:
    names = spec["names"]
    if kind := names.get("kind"):
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})


def _secret(secret: Object) -> None:
    """What was given as plain text becomes data."""
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode("ascii") for key, value in plain.items()}
        secret["data"] = secret.get("data", {}) | encoded


def _namespace(namespace: Object) -> None:
    """The label by which selectors find a namespace by name."""
    name = namespace["metadata"].get("name")
    if name:
        namespace["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


_COMPUTED: dict[str, Compute] = {
    "core.Namespace": _namespace,
    "core.Secret": _secret,
    "core.Container": _container,
    "core.EphemeralContainerCommon": _container,
    "core.PodSpec": _pod_spec,
    "core.Pod": _pod,
    "core.ServiceSpec": _service_spec,
    "core.ReplicationController": _labelled_by_template,
    "apps.DeploymentStrategy": _deployment_strategy,
    "apps.StatefulSetUpdateStrategy": _stateful_set_strategy,
    "apps.DaemonSetUpdateStrategy": _daemon_set_strategy,
    "apps.StatefulSetSpec": _stateful_set_spec,
    "batch.JobSpec": _job_spec,
    "rbac.Subject": _role_subject,
    "networking.NetworkPolicySpec": _network_policy_spec,
    "autoscaling2.HorizontalPodAutoscalerSpec": _autoscaler_spec,
    "apiextensions.CustomResourceDefinitionSpec": _crd_spec,
}
