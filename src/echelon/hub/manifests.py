"""Everything that is put on a cluster to make it a hub, as plain objects.

``manifests`` gives all of it for some values, in the order in which it is to be applied. The chart is made from
the same functions, with holes where values go (``chart``), so the two cannot differ.

The pods are as the *restricted* pod security standard wants them: no root, no capabilities, nothing to write but
a temporary folder. Probes and metrics are on one port, without authentication: they tell nothing of objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from echelon import __version__
from echelon.api import crds, roles
from echelon.api.core import RBAC
from echelon.hub import rights
from echelon.hub.values import Values, settings_text

NAME: Final = "echelon-hub"  # of all that is the hub's alone
LEASE: Final = NAME
SETTINGS_KEY: Final = "settings.yaml"
PORT: Final = 8080
_ELECTION_ROLE: Final = "echelon:hub-election"
_CONTAINER: Final = "hub"
_USER: Final = 65532  # as the image has it
_SELECTOR: Final = {"app.kubernetes.io/name": "echelon", "app.kubernetes.io/component": "hub"}
_FOLDER: Final = "/etc/echelon"

Object = dict[str, Any]


def manifests(values: Values, namespace: str) -> Sequence[Object]:
    """All objects of a hub; the namespace first, then what others need."""
    image = f"{values.image.repository}:{values.image.tag or __version__}"
    settings = settings_text(values.settings)
    return [
        namespace_object(namespace),
        *crds.manifests(),
        *roles.manifests(),
        *access(namespace, dict(values.service_account.annotations)),
        settings_object(namespace, settings),
        service(namespace),
        disruption_budget(namespace),
        deployment(values, namespace, image, hashlib.sha256(settings.rstrip("\n").encode()).hexdigest()),
    ]


def namespace_object(namespace: str) -> Object:
    """The namespace of the hub."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": dict(crds.OURS)}}


def access(namespace: str, annotations: dict[str, str]) -> Sequence[Object]:
    """The service account of the hub, with its rights."""
    subject = rights.service_account(NAME, namespace)
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {**_metadata(NAME, namespace), "annotations": annotations},
        "automountServiceAccountToken": False,
    }
    objects = [
        rights.role(rights.HUB_ROLE, rights.hub_rules()),
        rights.binding(rights.HUB_ROLE, rights.HUB_ROLE, subject),
        rights.role(_ELECTION_ROLE, rights.election_rules(), namespace),
        rights.binding(_ELECTION_ROLE, _ELECTION_ROLE, subject, namespace),
    ]
    for made in objects:
        made["metadata"]["labels"] = _labels()
    return [account, *objects]


def settings_object(namespace: str, text: str) -> Object:
    """The settings, where the pods read them."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(NAME, namespace),
        "data": {SETTINGS_KEY: text},
    }


def service(namespace: str) -> Object:
    """Where the metrics of all replicas are found."""
    metadata = _metadata(f"{NAME}-metrics", namespace)
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata, "annotations": annotations},
        "spec": {
            "clusterIP": "None",
            "selector": dict(_SELECTOR),
            "ports": [{"name": "metrics", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def disruption_budget(namespace: str) -> Object:
    """Keeps a drain of nodes from taking more than one replica at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(NAME, namespace),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(_SELECTOR)}},
    }


def deployment(values: Values, namespace: str, image: str, settings_digest: str) -> Object:
    """The replicas. New settings make new pods: their digest is an annotation of them."""
    annotations = {"fleet.echelon.dev/settings": settings_digest, **values.pod_annotations}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(NAME, namespace),
        "spec": {
            "replicas": values.replicas,
            "selector": {"matchLabels": dict(_SELECTOR)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {**_labels(), **values.pod_labels}, "annotations": annotations},
                "spec": _pod(values, image),
            },
        },
    }


def _pod(values: Values, image: str) -> Object:
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "imagePullSecrets": values.image_pull_secrets,
        "terminationGracePeriodSeconds": 30,
        "nodeSelector": values.node_selector,
        "tolerations": values.tolerations,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(_SELECTOR)},
            }
        ],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(values, image)],
        "volumes": [
            {"name": "settings", "configMap": {"name": NAME}},
            {"name": "temporary", "emptyDir": {"sizeLimit": "64Mi"}},
            *values.volumes,
        ],
    }


def _container(values: Values, image: str) -> Object:
    arguments = ["hub", "run", "--namespace", "$(NAMESPACE)", "--replica-name", "$(POD)"]
    arguments += ["--settings", f"{_FOLDER}/{SETTINGS_KEY}", "--probes", f":{PORT}", "--log-format", "json"]
    return {
        "name": _CONTAINER,
        "image": image,
        "imagePullPolicy": values.image.pull_policy,
        "args": arguments,
        "env": [_from_field("NAMESPACE", "metadata.namespace"), _from_field("POD", "metadata.name"), *values.env],
        "envFrom": values.env_from,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5, "timeoutSeconds": 5},
        "resources": values.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "settings", "mountPath": _FOLDER, "readOnly": True},
            {"name": "temporary", "mountPath": "/tmp"},
            *values.volume_mounts,
        ],
    }


def _from_field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _labels() -> dict[str, str]:
    return {**_SELECTOR, **crds.OURS, "app.kubernetes.io/version": __version__}


def _metadata(name: str, namespace: str) -> Object:
    return {"name": name, "namespace": namespace, "labels": _labels()}


KINDS: Final = {
    "Namespace": ("", "v1", "namespaces", False),
    "CustomResourceDefinition": ("apiextensions.k8s.io", "v1", "customresourcedefinitions", False),
    "ClusterRole": (RBAC, "v1", "clusterroles", False),
    "ClusterRoleBinding": (RBAC, "v1", "clusterrolebindings", False),
    "Role": (RBAC, "v1", "roles", True),
    "RoleBinding": (RBAC, "v1", "rolebindings", True),
    "ServiceAccount": ("", "v1", "serviceaccounts", True),
    "ConfigMap": ("", "v1", "configmaps", True),
    "Service": ("", "v1", "services", True),
    "PodDisruptionBudget": ("policy", "v1", "poddisruptionbudgets", True),
    "Deployment": ("apps", "v1", "deployments", True),
}
"""Where the objects above are served: group, version, plural, and whether in a namespace."""
