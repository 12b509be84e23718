"""The kinds that the simulation of workloads reads and writes, and what all its objects have in common. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from echelon.api.meta import LabelSelector, LabelSelectorRequirement, Resource
from echelon.kube.kinds import Unstructured

Object = Mapping[str, Any]

DEPLOYMENTS = Unstructured(Resource("apps", "v1", "deployments", "Deployment", namespaced=True))
REPLICA_SETS = Unstructured(Resource("apps", "v1", "replicasets", "ReplicaSet", namespaced=True))
STATEFUL_SETS = Unstructured(Resource("apps", "v1", "statefulsets", "StatefulSet", namespaced=True))
DAEMON_SETS = Unstructured(Resource("apps", "v1", "daemonsets", "DaemonSet", namespaced=True))
REVISIONS = Unstructured(Resource("apps", "v1", "controllerrevisions", "ControllerRevision", namespaced=True))
JOBS = Unstructured(Resource("batch", "v1", "jobs", "Job", namespaced=True))
PODS = Unstructured(Resource("", "v1", "pods", "Pod", namespaced=True))
SERVICES = Unstructured(Resource("", "v1", "services", "Service", namespaced=True))
NODES = Unstructured(Resource("", "v1", "nodes", "Node", namespaced=False))
BUDGETS = Unstructured(Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True))

_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels and no look-alikes, so that names stay free of words
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def annotations_of(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("annotations") or {}


def labels_of(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def status_of(obj: Object) -> Mapping[str, Any]:
    return obj.get("status") or {}


def is_going(obj: Object) -> bool:
    """Whether an object is being deleted."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def is_owned_by(obj: Object, uid: str) -> bool:
    """Whether the object of this UID controls another."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and owner["uid"] == uid for owner in owners)


def owner_reference(kind: Unstructured, owner: Object) -> dict[str, Any]:
    """The reference by which an object goes with the one that controls it."""
    return {
        "apiVersion": kind.resource.api_version,
        "kind": kind.resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def handed_down(obj: Object) -> dict[str, str]:
    """The annotations that a workload hands down to what it makes."""
    return {key: value for key, value in annotations_of(obj).items() if key != _LAST_APPLIED}


def content_hash(value: object) -> str:
    """Ten letters that stand for a value."""
    digest = hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()
    return "".join(_HASH_ALPHABET[byte % len(_HASH_ALPHABET)] for byte in digest[:10])


def scaled(bound: int | str, total: int, *, up: bool) -> int:
    """A count, or a percentage of ``total``, rounded up or down."""
    if isinstance(bound, int):
        return bound
    percent = int(bound.removesuffix("%")) * total
    return -(-percent // 100) if up else percent // 100


def without_zeros(status: Mapping[str, Any], *kept: str) -> dict[str, Any]:
    """A status as Kubernetes writes it: counts of zero are left out, except those named."""
    return {key: value for key, value in status.items() if key in kept or value not in (0, None, [])}


def selector_of(obj: Object) -> LabelSelector:
    """The label selector in an object's spec; one that is missing selects what an empty one does."""
    selector = obj["spec"].get("selector") or {}
    return LabelSelector(
        match_labels=selector.get("matchLabels") or {},
        match_expressions=tuple(
            LabelSelectorRequirement(term["key"], term["operator"], tuple(term.get("values") or ()))
            for term in selector.get("matchExpressions") or ()
        ),
    )
