"""The agent of a member: applies what the hub wants there, and reports.

It is a client of two API servers, the hub's and the member's, and reads nothing of the hub but its
own namespace. It pulls: the hub never has to reach the member. ``Agent.run`` runs until it is
cancelled or stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random

from echelon.agent.applier import WorkApplier
from echelon.agent.join import JoinReconciler, Membership
from echelon.agent.objects import ObjectApplier
from echelon.agent.properties import Properties
from echelon.api import names
from echelon.api.cluster import InternalMemberCluster
from echelon.api.core import Node
from echelon.api.meta import Clock, SystemClock
from echelon.api.work import AppliedWork, Work
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Controller, For, Request, Watches
from echelon.kube.manager import Manager

__all__ = ["Agent"]

_WORKERS = 5


class Agent:
    """The agent of one member."""

    def __init__(
        self, name: str, hub: Client, member: Client, *, clock: Clock | None = None, rng: Random | None = None
    ) -> None:
        """``hub`` and ``member`` are clients of the two API servers; they stay the caller's to close."""
        clock = clock or SystemClock()
        rng = rng or Random()
        self.name = name
        self._namespace = names.member_namespace(name)
        self._manager = Manager(hub, rng=rng)
        self._member_cache = SharedCache(member, rng=rng)
        membership = Membership(self._apply_all)
        objects = ObjectApplier(member, self._member_cache, self._object_changed)
        join = JoinReconciler(
            hub,
            self._manager.cache,
            member,
            Properties(self._member_cache, clock),
            membership,
            clock,
            rng,
            namespace=self._namespace,
        )
        applier = WorkApplier(
            hub,
            self._manager.cache,
            member,
            self._member_cache,
            objects,
            clock,
            namespace=self._namespace,
            joined=lambda: membership.joined,
        )
        self._works = Controller(
            f"agent-{name}-works", applier.reconcile, For(Work, namespace=self._namespace), workers=_WORKERS
        )
        self._join = Controller(
            f"agent-{name}-join", join.reconcile, For(InternalMemberCluster, namespace=self._namespace)
        )
        self._manager.add(self._join, self._works)
        Watches(AppliedWork, self._works_of).attach(self._member_cache, self._works.enqueue)
        Watches(Node, lambda _: [Request(self._namespace, name)]).attach(self._member_cache, self._join.enqueue)

    async def run(self) -> None:
        """Work until cancelled or stopped; raises what made it fail."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._member_cache.run(), name=f"agent-{self.name}-member-cache")
            await self._member_cache.wait_for_sync()
            try:
                await self._manager.run()
            finally:
                watching.cancel()

    def stop(self) -> None:
        """Make ``run`` finish what is under way and return."""
        self._manager.stop()

    def _works_of(self, applied: AppliedWork) -> Iterable[Request]:
        return (Request(applied.spec.work_namespace, applied.spec.work_name),)

    def _object_changed(self, applied_work: str) -> None:
        self._works.enqueue(Request(self._namespace, applied_work))

    def _apply_all(self) -> None:
        """Look at every Work again: the member has just (re)joined."""
        for work in self._manager.cache.list(Work, self._namespace):
            self._works.enqueue(Request(*work.key))
