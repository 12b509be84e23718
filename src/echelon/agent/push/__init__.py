"""Members to which the hub pushes: their agents run in the hub, each under a kubeconfig that the hub keeps.

For members that cannot run an agent or cannot reach the hub. The annotation ``connection: push`` of a
MemberCluster asks for it; the Secret ``member-kubeconfig`` in the member's namespace says how to get in
(see ``kubeconfigs`` for what is refused). The agent is the same as in a pod of the member, and its token
is renewed in the same way, into the Secret. A kubeconfig that changes takes effect at once: another token
without a break, anything else with a new agent.

``add_controllers`` adds the controller to a hub's manager.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from echelon.agent.push.agents import Connect, PushedAgents
from echelon.agent.push.controller import PushReconciler
from echelon.agent.push.kubeconfigs import Secret
from echelon.agent.token import DEFAULT_LIFE
from echelon.api import names
from echelon.api.cluster import InternalMemberCluster, MemberCluster
from echelon.api.meta import Clock
from echelon.kube.client import Client
from echelon.kube.controller import (
    Controller,
    For,
    Request,
    Watches,
    annotations_changed,
    any_of,
    generation_changed,
)
from echelon.kube.http import HttpTransport
from echelon.kube.informer import Change
from echelon.kube.manager import Manager

__all__ = ["add_controllers"]


def add_controllers(
    manager: Manager,
    clock: Clock,
    hub: Callable[[], Client],
    *,
    connect: Connect = HttpTransport,
    token_life: timedelta = DEFAULT_LIFE,
    workers: int = 8,
) -> None:
    """Add what runs the agents of pushed members to a manager.

    Args:
        manager: of the hub's controllers.
        clock: the time.
        hub: makes a client of the hub for one agent, which closes it; with the rights of the hub's controllers,
            and refusing writes where those do.
        connect: makes the transport to a member.
        token_life: for how long a token of a member is asked for when it is renewed.
        workers: how many members are looked after at once.
    """
    secrets = manager.cache.informer(Secret, fields=f"metadata.name={names.MEMBER_KUBECONFIG}")
    agents = PushedAgents(manager.client, hub, connect, secrets, clock, token_life, lambda name: look_at(name))
    reconciler = PushReconciler(manager.client, manager.cache, secrets, agents, clock)
    controller = Controller(
        "pushed-members",
        reconciler.reconcile,
        For(MemberCluster, any_of(annotations_changed, generation_changed)),
        Watches(InternalMemberCluster, _of_internal, generation_changed),
        workers=workers,
    )

    def look_at(name: str) -> None:
        controller.enqueue(Request("", name))

    def changed(change: Change[Secret]) -> None:
        for name in _member_of(change.object.metadata.namespace):
            look_at(name)

    secrets.add_handler(changed)
    manager.add(controller)
    manager.add_runnable("pushed agents", agents.run)


def _of_internal(internal: InternalMemberCluster) -> Iterable[Request]:
    return [Request("", name) for name in _member_of(internal.metadata.namespace)]


def _member_of(namespace: str) -> Iterable[str]:
    member = names.member_of_namespace(namespace)
    return () if member is None else (member,)
