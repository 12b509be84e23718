"""What a member gets for its agent. Pure: the objects, to be put there by server-side apply.

A pulling agent gets a Deployment, and a Secret with all it takes to get into the hub: the token and the
hub's certificate authority. Where the hub applies by itself, the account is for the hub and there is
neither. In both cases a ConfigMap says which member of which hub the cluster is, so that no other hub
takes it unawares.

The account holds what an agent needs for itself, and a role for what it places: ``cluster-admin`` unless
another is named, since a placement may bring any object. Of Secrets it could otherwise change only the
one with its own token.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from echelon.agent.places import TOKEN_KEY
from echelon.agent.token import DEFAULT_LIFE
from echelon.api import names
from echelon.api import placement as placement_api
from echelon.api.core import RBAC

Object = dict[str, Any]

NAMESPACE: Final = names.SYSTEM_NAMESPACE
ACCOUNT: Final = names.AGENT_ACCOUNT
HUB_ID, HUB_URL, MEMBER = "hubID", "hub", "member"  # keys of the ConfigMap
AUTHORITY_KEY = "ca.crt"
_OWN_ROLE = "echelon:fleet-agent"
_PLACING = "echelon:fleet-agent:placing"
_MOUNT = "/var/run/echelon/hub"
_PORT = 8080
_USER = 65532  # has no name and owns nothing
_LABELS = {"app.kubernetes.io/name": "fleet-agent", "app.kubernetes.io/managed-by": "echelon"}
_READ = ["get", "list", "watch"]


class Belonging(msgspec.Struct, frozen=True):
    """Which member of which hub a cluster is; ``hub_id`` is the uid of the hub's kube-system."""

    member: str
    hub_url: str
    hub_id: str


class HubSecret(msgspec.Struct, frozen=True):
    """How an agent gets into the hub. ``authority`` is PEM; without it the system's authorities are trusted."""

    token: str
    authority: bytes | None

    def __repr__(self) -> str:
        return "HubSecret(…)"


def foundation(belonging: Belonging, placing_role: str) -> list[Object]:
    """Namespace, account, rights, and whose member it is."""
    data = {MEMBER: belonging.member, HUB_URL: belonging.hub_url, HUB_ID: belonging.hub_id}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named(ACCOUNT)},
        *_rights(placing_role),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(names.AGENT_CONFIG_MAP), "data": data},
    ]


def pulling(belonging: Belonging, secret: HubSecret, image: str, token_life: timedelta = DEFAULT_LIFE) -> list[Object]:
    """The Secret for the hub and the Deployment of an agent that pulls."""
    return [secret_for(secret), _deployment(belonging, secret, image, token_life)]


def secret_for(secret: HubSecret) -> Object:
    """The Secret with which an agent gets into the hub."""
    data = {TOKEN_KEY: secret.token.encode()} | ({AUTHORITY_KEY: secret.authority} if secret.authority else {})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _named(names.AGENT_SECRET),
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def belonging_of(config_map: Mapping[str, Any]) -> Belonging:
    """Which member of which hub a cluster is, by its ConfigMap."""
    data = config_map.get("data") or {}
    return Belonging(member=data.get(MEMBER, ""), hub_url=data.get(HUB_URL, ""), hub_id=data.get(HUB_ID, ""))


def removal() -> list[Object]:
    """What goes when a member has left, in this order; the namespace and what records placements stay.

    The ConfigMap goes last, so that an end half-way is seen and can be gone on with.
    """
    parts: list[tuple[str, str, Mapping[str, str]]] = [
        ("apps/v1", "Deployment", _named(ACCOUNT)),
        ("v1", "Secret", _named(names.AGENT_SECRET)),
        (f"{RBAC}/v1", "ClusterRoleBinding", {"name": _PLACING}),
        (f"{RBAC}/v1", "ClusterRoleBinding", {"name": _OWN_ROLE}),
        (f"{RBAC}/v1", "ClusterRole", {"name": _OWN_ROLE}),
        (f"{RBAC}/v1", "RoleBinding", _named(_OWN_ROLE)),
        (f"{RBAC}/v1", "Role", _named(_OWN_ROLE)),
        ("v1", "ServiceAccount", _named(ACCOUNT)),
        ("v1", "ConfigMap", _named(names.AGENT_CONFIG_MAP)),
    ]
    return [{"apiVersion": version, "kind": kind, "metadata": dict(metadata)} for version, kind, metadata in parts]


def _named(name: str) -> Object:
    return {"name": name, "namespace": NAMESPACE, "labels": dict(_LABELS)}


def _rights(placing_role: str) -> list[Object]:
    works = [
        {
            "apiGroups": [placement_api.GROUP],
            "resources": ["appliedworks"],
            "verbs": [*_READ, "create", "patch", "delete"],
        },
        {"apiGroups": [placement_api.GROUP], "resources": ["appliedworks/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["nodes", "pods", "namespaces"], "verbs": _READ},
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": _READ},
        {"nonResourceURLs": ["/readyz", "/version"], "verbs": ["get"]},
    ]
    own_token = [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [names.AGENT_SECRET], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [ACCOUNT], "verbs": ["create"]},
    ]
    return [
        _role("ClusterRole", {"name": _OWN_ROLE}, works),
        _role("Role", {"name": _OWN_ROLE, "namespace": NAMESPACE}, own_token),
        _binding("ClusterRoleBinding", {"name": _OWN_ROLE}, "ClusterRole", _OWN_ROLE),
        _binding("RoleBinding", {"name": _OWN_ROLE, "namespace": NAMESPACE}, "Role", _OWN_ROLE),
        _binding("ClusterRoleBinding", {"name": _PLACING}, "ClusterRole", placing_role),
    ]


def _role(kind: str, metadata: Mapping[str, str], rules: list[Object]) -> Object:
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {**metadata, "labels": dict(_LABELS)}, "rules": rules}


def _binding(kind: str, metadata: Mapping[str, str], role_kind: str, role: str) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {**metadata, "labels": dict(_LABELS)},
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
    }


def _deployment(belonging: Belonging, secret: HubSecret, image: str, token_life: timedelta) -> Object:
    arguments = ["agent", "run", belonging.member, "--hub-url", belonging.hub_url]
    arguments += ["--hub-ca", f"{_MOUNT}/{AUTHORITY_KEY}"] if secret.authority else []
    arguments += ["--token-file", f"{_MOUNT}/{TOKEN_KEY}", "--token-secret", f"{NAMESPACE}/{names.AGENT_SECRET}"]
    arguments += ["--token-life", f"{token_life.total_seconds():g}s", "--probes", f":{_PORT}"]
    container = {
        "name": "agent",
        "image": image,
        "args": arguments,
        "ports": [{"name": "probes", "containerPort": _PORT}],
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "probes"},
            "periodSeconds": 20,
            "failureThreshold": 6,
        },
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "probes"}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "hub", "mountPath": _MOUNT, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    pod = {
        "serviceAccountName": ACCOUNT,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "hub", "secret": {"secretName": names.AGENT_SECRET, "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    selector = {"app.kubernetes.io/name": _LABELS["app.kubernetes.io/name"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _named(ACCOUNT),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},  # two at a time would only be in each other's way
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": dict(_LABELS)}, "spec": pod},
        },
    }
