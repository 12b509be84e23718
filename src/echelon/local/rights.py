"""What the parts of an embedded fleet may do: exactly what they would be given on clusters of their own.

The hub's controllers have a role for what they write. They read everything, since a placement may
select any object of the hub. Rights on the hub are handed to members only by way of the membership
controller's roles, and it can grant nothing that it does not have: that is why its role holds every
right that an agent's role has. An agent administers its own member, where it applies whatever the hub
places there, roles included.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from echelon.api import cluster, fleet, placement
from echelon.api.core import RBAC, Subject
from echelon.api.meta import Resource
from echelon.apiserver import User
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.membership.rights import AGENT_RULES

HUB_USER = "system:echelon-hub"
_HUB_ROLE = "echelon:hub"
_AGENT_BINDING = "echelon:agent"

_KINDS = {
    "ClusterRole": Unstructured(Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)),
    "ClusterRoleBinding": Unstructured(
        Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
    ),
}

_READ = ["get", "list", "watch"]
_MANAGE = ["create", "patch", "delete"]
_HUB_RULES = [
    {"apiGroups": [cluster.GROUP, placement.GROUP, fleet.GROUP], "resources": ["*"], "verbs": ["*"]},
    {"apiGroups": ["*"], "resources": ["*"], "verbs": _READ},
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": _MANAGE},
    {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": _MANAGE},
    *map(msgspec.to_builtins, AGENT_RULES),
]


def hub_rights() -> list[dict[str, Any]]:
    """The role of the hub's controllers, and its binding."""
    role = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _HUB_ROLE},
        "rules": _HUB_RULES,
    }
    return [role, _binding(_HUB_ROLE, _HUB_ROLE, HUB_USER)]


def member_rights(agent: str) -> list[dict[str, Any]]:
    """What makes a user the administrator of a member."""
    return [_binding(_AGENT_BINDING, "cluster-admin", agent)]


def _binding(name: str, role: str, user: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }


async def give(client: Client, rights: Iterable[dict[str, Any]]) -> None:
    """Make roles and bindings as they are here; nothing is written where they are."""
    for obj in rights:
        await client.apply(obj, _KINDS[obj["kind"]])


def user_of(identity: Subject, fallback: str) -> User:
    """The user that a subject stands for; a member of a group is called ``fallback``."""
    if identity.kind == "ServiceAccount":
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{identity.namespace}")
        return User(f"system:serviceaccount:{identity.namespace}:{identity.name}", groups)
    if identity.kind == "Group":
        return User(fallback, (identity.name,))
    return User(identity.name)
