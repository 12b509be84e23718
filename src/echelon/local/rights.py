"""What the parts of an embedded fleet may do: exactly what they would be given on clusters of their own.

The hub's controllers have a role for what they write. They read everything, since a placement may
select any object of the hub. Rights on the hub are handed to members only by way of the membership
controller's roles, and it can grant nothing that it does not have: that is why its role holds every
right that an agent's role has. An agent administers its own member, where it applies whatever the hub
places there, roles included.

Of a member that is simulated, the simulation changes nodes, empties them, and keeps its notes in
kube-system; the provider of upgrades, which stands for somebody who calls a cloud, looks at nodes and
writes operations into those notes, and can touch nothing else. The simulation of its workloads makes and
deletes pods and what they are made by, and reports; it reads no configuration and no secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from echelon.api import cluster, fleet, placement, roles
from echelon.api.core import RBAC, Subject
from echelon.api.meta import Resource
from echelon.apiserver import User
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.membership.rights import AGENT_RULES
from echelon.upgrade.providers.simulated.platform import NAMESPACE

HUB_USER = "system:echelon-hub"
SIMULATION_USER = "system:echelon-simulation"
PROVIDER_USER = "system:echelon-provider"
WORKLOADS_USER = "system:echelon-workloads"
_HUB_ROLE = "echelon:hub"
_AGENT_BINDING = "echelon:agent"

_KINDS = {
    "ClusterRole": Unstructured(Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)),
    "ClusterRoleBinding": Unstructured(
        Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
    ),
    "Role": Unstructured(Resource(RBAC, "v1", "roles", "Role", namespaced=True)),
    "RoleBinding": Unstructured(Resource(RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True)),
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

Rules = list[dict[str, Any]]

_SIMULATION_RULES: Rules = [
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "create", "patch"]},
    {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch", "delete"]},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["list", "watch"]},
]
_SIMULATION_NOTES: Rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": [*_READ, *_MANAGE]}]
_PROVIDER_RULES: Rules = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
_PROVIDER_NOTES: Rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": [*_READ, "create", "patch"]}]
_WORKLOAD_RULES: Rules = [
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "patch"]},
    {"apiGroups": ["apps"], "resources": ["statefulsets", "daemonsets"], "verbs": ["get", "list"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get", "list", *_MANAGE]},
    {"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": ["list", *_MANAGE]},
    {
        "apiGroups": ["apps"],
        "resources": [f"{kind}/status" for kind in ("deployments", "replicasets", "statefulsets", "daemonsets")],
        "verbs": ["patch"],
    },
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "delete"]},
    {"apiGroups": ["batch"], "resources": ["jobs/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", *_MANAGE]},
    {"apiGroups": [""], "resources": ["pods/status", "services/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["list"]},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets/status"], "verbs": ["patch"]},
]


def hub_rights() -> list[dict[str, Any]]:
    """The role of the hub's controllers, and its binding; and the roles that the hub offers to people."""
    return [_role(_HUB_ROLE, _HUB_RULES), _binding(_HUB_ROLE, _HUB_ROLE, HUB_USER), *roles.manifests()]


def member_rights(agent: str) -> list[dict[str, Any]]:
    """What makes a user the administrator of a member."""
    return [_binding(_AGENT_BINDING, "cluster-admin", agent)]


def simulation_rights() -> list[dict[str, Any]]:
    """What the simulation of a member and the provider of its upgrades may do there."""
    rights = []
    for user, everywhere, notes in (
        (SIMULATION_USER, _SIMULATION_RULES, _SIMULATION_NOTES),
        (PROVIDER_USER, _PROVIDER_RULES, _PROVIDER_NOTES),
    ):
        name = user.removeprefix("system:").replace("-", ":", 1)
        rights += [_role(name, everywhere), _binding(name, name, user)]
        rights += [_role(name, notes, NAMESPACE), _binding(name, name, user, NAMESPACE)]
    return rights


def workload_rights() -> list[dict[str, Any]]:
    """What the simulation of a member's workloads may do there."""
    name = "echelon:workloads"
    return [_role(name, _WORKLOAD_RULES), _binding(name, name, WORKLOADS_USER)]


def _role(name: str, rules: Rules, namespace: str = "") -> dict[str, Any]:
    """A role everywhere, or in one namespace."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": _metadata(name, namespace),
        "rules": rules,
    }


def _binding(name: str, role: str, user: str, namespace: str = "") -> dict[str, Any]:
    """A user's role everywhere, or in one namespace."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": RBAC, "kind": "Role" if namespace else "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }


def _metadata(name: str, namespace: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}


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
