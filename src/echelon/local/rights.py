"""What the parts of an embedded fleet may do: exactly what they would be given on clusters of their own.

The hub's controllers have the role that they have on any hub (``echelon.hub.rights``). An agent administers
its own member, where it applies whatever the hub places there, roles included.

Of a member that is simulated, the simulation changes nodes, empties them, and keeps its notes in
kube-system; the provider of upgrades, which stands for somebody who calls a cloud, looks at nodes and
writes operations into those notes, and can touch nothing else. The simulation of its workloads makes and
deletes pods and what they are made by, and reports; it reads no configuration and no secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from echelon.api import roles
from echelon.api.core import RBAC, Subject
from echelon.api.meta import Resource
from echelon.apiserver import User
from echelon.hub.rights import HUB_ROLE, Rules, binding, hub_rules, role, user
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.upgrade.providers.simulated.platform import NAMESPACE

HUB_USER = "system:echelon-hub"
SIMULATION_USER = "system:echelon-simulation"
PROVIDER_USER = "system:echelon-provider"
WORKLOADS_USER = "system:echelon-workloads"
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
    return [role(HUB_ROLE, hub_rules()), binding(HUB_ROLE, HUB_ROLE, user(HUB_USER)), *roles.manifests()]


def member_rights(agent: str) -> list[dict[str, Any]]:
    """What makes a user the administrator of a member."""
    return [binding(_AGENT_BINDING, "cluster-admin", user(agent))]


def simulation_rights() -> list[dict[str, Any]]:
    """What the simulation of a member and the provider of its upgrades may do there."""
    rights = []
    for who, everywhere, notes in (
        (SIMULATION_USER, _SIMULATION_RULES, _SIMULATION_NOTES),
        (PROVIDER_USER, _PROVIDER_RULES, _PROVIDER_NOTES),
    ):
        name = who.removeprefix("system:").replace("-", ":", 1)
        rights += [role(name, everywhere), binding(name, name, user(who))]
        rights += [role(name, notes, NAMESPACE), binding(name, name, user(who), NAMESPACE)]
    return rights


def workload_rights() -> list[dict[str, Any]]:
    """What the simulation of a member's workloads may do there."""
    name = "echelon:workloads"
    return [role(name, _WORKLOAD_RULES), binding(name, name, user(WORKLOADS_USER))]


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
