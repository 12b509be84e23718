"""Membership on the hub: members join, report, and leave.

A MemberCluster is what an administrator creates. For each the hub keeps a namespace of the member's
own, with the rights that its agent needs there and nowhere else, and an InternalMemberCluster
through which hub and agent talk. What the agent reports there is copied to the MemberCluster.

``add_controllers`` adds the controller to a manager.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from echelon.api import names
from echelon.api.cluster import InternalMemberCluster, MemberCluster
from echelon.api.core import Namespace, Role, RoleBinding
from echelon.api.meta import Clock, KubeObject
from echelon.api.work import Work
from echelon.kube.controller import Controller, For, Request, Watches
from echelon.kube.informer import Change
from echelon.kube.manager import Manager
from echelon.membership.exports import ServiceExports
from echelon.membership.members import LEAVE_DEADLINE, MemberReconciler

__all__ = ["add_controllers"]


def add_controllers(
    manager: Manager, clock: Clock, *, workers: int = 4, leave_deadline: timedelta = LEAVE_DEADLINE
) -> None:
    """Add the controller of members to a manager. ``leave_deadline``: how long an agent may take to leave."""
    exports = ServiceExports(manager.client, manager.cache, lambda namespace: enqueue(namespace))
    reconciler = MemberReconciler(manager.client, manager.cache, exports, clock, leave_deadline)
    controller = Controller(
        "members",
        reconciler.reconcile,
        For(MemberCluster, _more_than_a_report),
        Watches(InternalMemberCluster, _of_namespace),
        Watches(Namespace, _of_namespace_object),
        Watches(Role, _of_namespace),
        Watches(RoleBinding, _of_namespace),
        Watches(Work, _of_namespace, _is_going),
        workers=workers,
    )

    def enqueue(namespace: str) -> None:
        for request in _of_namespace_name(namespace):
            controller.enqueue(request)

    manager.add(controller)


_OWN_FIELDS = ("generation", "deletion_timestamp", "labels", "annotations", "finalizers")


def _of_namespace(obj: KubeObject) -> Iterable[Request]:
    """The member in whose namespace an object is."""
    return _of_namespace_name(obj.metadata.namespace)


def _of_namespace_object(namespace: Namespace) -> Iterable[Request]:
    return _of_namespace_name(namespace.metadata.name)


def _of_namespace_name(namespace: str) -> Iterable[Request]:
    member = names.member_of_namespace(namespace)
    return () if member is None else (Request("", member),)


def _more_than_a_report(change: Change[MemberCluster]) -> bool:
    """The hub writes the status itself, once a heartbeat: that alone is no reason to look again."""
    if change.old is None or change.new is None:
        return True
    old, new = change.old.metadata, change.new.metadata
    return any(getattr(old, field) != getattr(new, field) for field in _OWN_FIELDS)


def _is_going(change: Change[Work]) -> bool:
    """Works matter to membership only when they go: a member that leaves is let go once it has none."""
    return change.new is None or change.new.metadata.deletion_timestamp is not None
