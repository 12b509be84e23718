"""What the controllers of a hub may do, on the embedded hub and on any other.

They have a role for what they write. They read everything, since a placement may select any object of the
hub. Rights on the hub are handed to members only by way of the membership controller's roles, and it can
grant nothing that it does not have: that is why its role holds every right that an agent's role has.
The kubeconfigs of members to which the hub pushes are renewed by it; it can change no other Secret. Where
the hub manages clusters of Cluster API, it changes their version.

Where replicas elect a leader, they have one more right, in the namespace of the hub: over its lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from echelon.api import cluster, fleet, names, placement
from echelon.api.core import RBAC
from echelon.membership.rights import AGENT_RULES

HUB_ROLE: Final = "echelon:hub"

Object = dict[str, Any]
Rules = list[dict[str, Any]]

_READ = ["get", "list", "watch"]
_MANAGE = ["create", "patch", "delete"]


def hub_rules() -> Rules:
    """What the controllers may do everywhere."""
    return [
        {"apiGroups": [cluster.GROUP, placement.GROUP, fleet.GROUP], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["*"], "resources": ["*"], "verbs": _READ},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": _MANAGE},
        {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": _MANAGE},
        {"apiGroups": ["cluster.x-k8s.io"], "resources": ["clusters"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [names.MEMBER_KUBECONFIG], "verbs": ["patch"]},
        *msgspec.json.decode(msgspec.json.encode(AGENT_RULES)),
    ]


def election_rules() -> Rules:
    """What a replica may do in the namespace of the hub: stand for election."""
    return [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]}]


def role(name: str, rules: Rules, namespace: str = "") -> Object:
    """A role everywhere, or in one namespace."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": _metadata(name, namespace),
        "rules": rules,
    }


def binding(name: str, role: str, subject: Mapping[str, str], namespace: str = "") -> Object:
    """The role of a subject everywhere, or in one namespace."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": RBAC, "kind": "Role" if namespace else "ClusterRole", "name": role},
        "subjects": [dict(subject)],
    }


def user(name: str) -> dict[str, str]:
    """A user, as a subject of a binding."""
    return {"apiGroup": RBAC, "kind": "User", "name": name}


def service_account(name: str, namespace: str) -> dict[str, str]:
    """A service account, as a subject of a binding."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _metadata(name: str, namespace: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}
