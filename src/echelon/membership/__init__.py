"""Membership on the hub: members join, report, and leave.

A MemberCluster is what an administrator creates. For each the hub keeps a namespace of the member's
own, with the rights that its agent needs there and nowhere else, and an InternalMemberCluster
through which hub and agent talk. What the agent reports there is copied to the MemberCluster.

``add_controllers`` adds the controller to a manager.
"""

from __future__ import annotations

from collections.abc import Iterable

from echelon.api import names
from echelon.api.cluster import InternalMemberCluster, MemberCluster
from echelon.api.core import Namespace, Role, RoleBinding
from echelon.api.meta import Clock, KubeObject
from echelon.api.work import Work
from echelon.kube.controller import Controller, For, Request, Watches
from echelon.kube.manager import Manager
from echelon.membership.members import MemberReconciler

__all__ = ["add_controllers"]


def add_controllers(manager: Manager, clock: Clock, *, workers: int = 4) -> None:
    """Add the controller of members to a manager."""
    reconciler = MemberReconciler(manager.client, manager.cache, clock)
    manager.add(
        Controller(
            "members",
            reconciler.reconcile,
            For(MemberCluster),
            Watches(InternalMemberCluster, _of_namespace),
            Watches(Namespace, _of_namespace_object),
            Watches(Role, _of_namespace),
            Watches(RoleBinding, _of_namespace),
            Watches(Work, _of_namespace, _going),
            workers=workers,
        )
    )


def _of_namespace(obj: KubeObject) -> Iterable[Request]:
    """The member in whose namespace an object is."""
    member = names.member_of_namespace(obj.metadata.namespace)
    return () if member is None else (Request("", member),)


def _of_namespace_object(namespace: Namespace) -> Iterable[Request]:
    member = names.member_of_namespace(namespace.metadata.name)
    return () if member is None else (Request("", member),)


def _going(change: object) -> bool:
    """Works matter to membership only when they go: a member that leaves is let go once it has none."""
    return getattr(change, "new", None) is None
