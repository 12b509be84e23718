"""What a member gets on the hub: a namespace of its own, and the rights of its agent there.

Pure. Everything is owned by the MemberCluster, and its names follow from the member's.
"""

from __future__ import annotations

from echelon.api import cluster as cluster_api
from echelon.api import names
from echelon.api import placement as placement_api
from echelon.api.cluster import JOIN, ClusterState, InternalMemberCluster, InternalMemberClusterSpec, MemberCluster
from echelon.api.core import RBAC, Namespace, PolicyRule, Role, RoleBinding, RoleRef, Subject
from echelon.api.meta import ObjectMeta, OwnerReference
from echelon.membership.exports import NETWORKING

_READ = ("get", "list", "watch")
_REPORT = ("get", "patch", "update")
AGENT_RULES = (
    PolicyRule(api_groups=(cluster_api.GROUP,), resources=("internalmemberclusters",), verbs=_READ),
    PolicyRule(api_groups=(cluster_api.GROUP,), resources=("internalmemberclusters/status",), verbs=_REPORT),
    PolicyRule(api_groups=(placement_api.GROUP,), resources=("works",), verbs=(*_READ, "patch", "update")),
    PolicyRule(api_groups=(placement_api.GROUP,), resources=("works/status",), verbs=_REPORT),
    PolicyRule(api_groups=(NETWORKING,), resources=("*",), verbs=("*",)),
    PolicyRule(api_groups=("", "events.k8s.io"), resources=("events",), verbs=("create", "patch", "update")),
    PolicyRule(
        api_groups=("",),
        resources=("serviceaccounts/token",),
        resource_names=(names.AGENT_ACCOUNT,),
        verbs=("create",),
    ),
)
"""What an agent may do in the namespace of its member: read what is wanted of it, report, renew its own token.

It makes and deletes nothing there, and reads no Secret. Who hands this out has to hold it.
"""


def _owner(member: MemberCluster) -> OwnerReference:
    return OwnerReference(
        api_version=member.resource.api_version,
        kind=member.resource.kind,
        name=member.metadata.name,
        uid=member.metadata.uid,
        controller=True,
    )


def _metadata(member: MemberCluster, name: str, **fields: object) -> ObjectMeta:
    namespace = names.member_namespace(member.metadata.name)
    return ObjectMeta(name=name, namespace=namespace, owner_references=(_owner(member),), **fields)  # type: ignore[arg-type]


def namespace_of(member: MemberCluster) -> Namespace:
    """The member's namespace."""
    return Namespace(
        metadata=ObjectMeta(
            name=names.member_namespace(member.metadata.name),
            labels={names.IS_FLEET_RESOURCE: "true"},
            owner_references=(_owner(member),),
        )
    )


def role_of(member: MemberCluster) -> Role:
    """What the member's agent may do, in the member's namespace."""
    return Role(metadata=_metadata(member, names.member_role(member.metadata.name)), rules=AGENT_RULES)


def role_binding_of(member: MemberCluster) -> RoleBinding:
    """Gives the role to the identity by which the agent is known to the hub."""
    identity = member.spec.identity
    group = identity.api_group or (RBAC if identity.kind in ("User", "Group") else "")
    return RoleBinding(
        metadata=_metadata(member, names.member_role_binding(member.metadata.name)),
        role_ref=RoleRef(api_group=RBAC, kind="Role", name=names.member_role(member.metadata.name)),
        subjects=(Subject(kind=identity.kind, name=identity.name, namespace=identity.namespace, api_group=group),),
    )


def internal_member_of(member: MemberCluster, state: ClusterState = JOIN) -> InternalMemberCluster:
    """What the hub wants of the member."""
    return InternalMemberCluster(
        metadata=_metadata(member, member.metadata.name),
        spec=InternalMemberClusterSpec(state=state, heartbeat_period_seconds=member.spec.heartbeat_period_seconds),
    )
