"""Whether an applied object does its work yet, read off its status.

A pure rule a kind. Objects without a rule cannot be tracked: they count as available as soon as
they are applied, and the report says so. The rules are those of KubeFleet's work applier; that of Jobs is the
one which its documentation promises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

Object = Mapping[str, Any]


class Availability(Enum):
    """What is known of an applied object."""

    AVAILABLE = "available"
    NOT_YET = "not yet"
    NOT_TRACKABLE = "not trackable"


def availability_of(group: str, kind: str, obj: Object) -> Availability:
    """The availability of an object as it stands on the member."""
    if (group, kind) in _AVAILABLE_ONCE_THERE:
        return Availability.AVAILABLE
    rule = _RULES.get((group, kind))
    return Availability.NOT_TRACKABLE if rule is None else rule(obj)


def _when(ready: bool) -> Availability:
    return Availability.AVAILABLE if ready else Availability.NOT_YET


def _observed(obj: Object) -> bool:
    """Whether the controller of the object has seen its current spec."""
    return bool((obj.get("status") or {}).get("observedGeneration") == obj["metadata"].get("generation"))


def _deployment(obj: Object) -> Availability:
    wanted = (obj.get("spec") or {}).get("replicas", 1)
    status = obj.get("status") or {}
    return _when(
        _observed(obj)
        and status.get("availableReplicas", 0) == wanted
        and status.get("updatedReplicas", 0) == wanted
        and status.get("unavailableReplicas", 0) == 0
    )


def _stateful_set(obj: Object) -> Availability:
    wanted = (obj.get("spec") or {}).get("replicas", 1)
    status = obj.get("status") or {}
    return _when(
        _observed(obj)
        and status.get("availableReplicas", 0) == wanted
        and status.get("currentReplicas", 0) == status.get("updatedReplicas", 0)
        and status.get("currentRevision") == status.get("updateRevision")
    )


def _daemon_set(obj: Object) -> Availability:
    status = obj.get("status") or {}
    return _when(
        _observed(obj)
        and status.get("numberAvailable", 0) == status.get("desiredNumberScheduled", 0)
        and status.get("currentNumberScheduled", 0) == status.get("updatedNumberScheduled", 0)
    )


def _job(obj: Object) -> Availability:
    """A Job works once a pod of it is ready or has succeeded; one that has failed never will."""
    status = obj.get("status") or {}
    ended = {item["type"] for item in status.get("conditions") or () if item["status"] == "True"}
    working = status.get("succeeded", 0) > 0 or status.get("ready", 0) > 0
    return _when("Failed" not in ended and ("Complete" in ended or working))


def _service(obj: Object) -> Availability:
    spec = obj.get("spec") or {}
    match spec.get("type", "ClusterIP"):
        case "ClusterIP" | "NodePort":
            return _when(bool((spec.get("clusterIPs") or [""])[0]))
        case "LoadBalancer":
            ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
            return _when(bool(ingress[0].get("ip") or ingress[0].get("hostname")))
        case _:
            return Availability.NOT_TRACKABLE


def _custom_resource_definition(obj: Object) -> Availability:
    conditions = {item["type"]: item["status"] for item in (obj.get("status") or {}).get("conditions") or ()}
    return _when(conditions.get("Established") == "True" and conditions.get("NamesAccepted") == "True")


_RULES: Mapping[tuple[str, str], Callable[[Object], Availability]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _custom_resource_definition,
    ("policy", "PodDisruptionBudget"): lambda obj: _when(_observed(obj)),
}

_AVAILABLE_ONCE_THERE = frozenset(
    (group, kind)
    for group, kinds in {
        "": "Namespace Secret ConfigMap ServiceAccount LimitRange ResourceQuota",
        "rbac.authorization.k8s.io": "Role ClusterRole RoleBinding ClusterRoleBinding",
        "networking.k8s.io": "NetworkPolicy IngressClass",
        "storage.k8s.io": "CSIDriver CSINode StorageClass CSIStorageCapacity",
        "apps": "ControllerRevision",
        "scheduling.k8s.io": "PriorityClass",
    }.items()
    for kind in kinds.split()
)
