"""The agent of a member: applies what the hub wants there, and reports.

It is a client of two API servers, the hub's and the member's, and reads nothing of the hub but its
own namespace. It pulls: the hub never has to reach the member. ``Agent.run`` runs until it is
cancelled or stopped. A member that cannot be reached does not keep the agent from saying so.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from echelon.agent.applier import WorkApplier
from echelon.agent.capacity import Capacity
from echelon.agent.join import JoinReconciler
from echelon.agent.ledger import Ledger
from echelon.agent.namespaces import Namespaces
from echelon.agent.objects import ObjectApplier
from echelon.agent.properties import Properties
from echelon.agent.watching import MemberWatch
from echelon.api import names
from echelon.api.cluster import JOIN, LEAVE, InternalMemberCluster
from echelon.api.meta import Clock, SystemClock
from echelon.api.work import AppliedWork, Work
from echelon.kube.backoff import Backoff
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Controller, For, Request, Watches, generation_changed
from echelon.kube.informer import Change
from echelon.kube.manager import Manager

__all__ = ["Agent"]

_WORKERS = 5
_BACKOFF = Backoff(first=0.05, cap=30.0)  # when the hub, or the member as a whole, does not answer


class Agent:
    """The agent of one member."""

    def __init__(
        self,
        name: str,
        hub: Client,
        member: Client,
        *,
        clock: Clock | None = None,
        rng: Random | None = None,
        entrypoint: str = "",
        certificate_authority: str = "",
        collect_namespaces: bool = False,
    ) -> None:
        """``hub`` and ``member`` are clients of the two API servers; they stay the caller's to close.

        ``entrypoint`` (a URL) and ``certificate_authority`` (base64 of PEM) are reported as properties
        of the member when they are given. With ``collect_namespaces`` so are the member's namespaces, and
        namespaced placements then go there only if theirs is among them.
        """
        clock = clock or SystemClock()
        rng = rng or Random()
        self.name = name
        self._namespace = names.member_namespace(name)
        self._manager = Manager(hub, rng=rng)
        self._member_cache = SharedCache(member, rng=rng)
        self._internal = self._manager.cache.informer(InternalMemberCluster, namespace=self._namespace)
        self._work_informer = self._manager.cache.informer(Work, namespace=self._namespace)
        self._watch = MemberWatch(member, self._member_cache, self._look_at)
        self._capacity = Capacity(self._member_cache, self._report)
        objects = ObjectApplier(member, self._watch)
        self._ledger = Ledger(member, self._member_cache, objects)
        properties = Properties(
            member, self._capacity, clock, entrypoint=entrypoint, certificate_authority=certificate_authority
        )
        join = JoinReconciler(
            hub,
            self._internal,
            self._work_informer,
            member,
            properties,
            clock,
            rng,
            works_are_read=lambda: self._ledger.has_synced,
            namespaces=Namespaces(self._member_cache, clock, self._report) if collect_namespaces else None,
        )
        applier = WorkApplier(
            hub,
            self._work_informer,
            objects,
            self._watch,
            self._ledger,
            clock,
            belongs=lambda: self._wanted_state() == JOIN,
            leaves=lambda: self._wanted_state() == LEAVE,
        )
        self._works = Controller(
            f"agent-{name}-works",
            applier.reconcile,
            For(Work, namespace=self._namespace),
            Watches(InternalMemberCluster, self._all_works, _state_changed, namespace=self._namespace),
            workers=_WORKERS,
            backoff=_BACKOFF,
        )
        self._join = Controller(
            f"agent-{name}-join",
            join.reconcile,
            For(InternalMemberCluster, generation_changed, namespace=self._namespace),
            backoff=_BACKOFF,
        )
        self._manager.add(self._join, self._works)
        self._manager.add_runnable("member cache", self._member_cache.run)
        self._manager.add_runnable("member known", self._tell_once_known)
        Watches(AppliedWork, self._work_of, generation_changed).attach(self._member_cache, self._works.enqueue)

    async def run(self) -> None:
        """Work until cancelled or stopped; raises what made it fail."""
        try:
            await self._manager.run()
        finally:
            await self._watch.close()

    @property
    def ready(self) -> bool:
        """Whether it knows what the hub wants, and what it has applied on the member."""
        return self._manager.ready and self._ledger.has_synced

    def stop(self) -> None:
        """Make ``run`` finish what is under way and return."""
        self._manager.stop()

    async def _tell_once_known(self) -> None:
        """Begin once it is known what was applied; report once it is known what the member has."""
        await self._ledger.wait_for_sync()
        for request in self._all_works():
            self._works.enqueue(request)
        self._report()
        await self._capacity.wait_for_sync()
        self._report()

    def _wanted_state(self) -> str | None:
        internal = self._internal.get((self._namespace, self.name))
        return None if internal is None else internal.spec.state

    def _all_works(self, _: InternalMemberCluster | None = None) -> Iterable[Request]:
        return [Request(*work.key) for work in self._work_informer.list()]

    def _work_of(self, applied: AppliedWork) -> Iterable[Request]:
        return (Request(self._namespace, applied.metadata.name),)

    def _look_at(self, work: str) -> None:
        self._works.enqueue(Request(self._namespace, work))

    def _report(self) -> None:
        self._join.enqueue(Request(self._namespace, self.name))


def _state_changed(change: Change[InternalMemberCluster]) -> bool:
    return change.old is None or change.new is None or change.old.spec.state != change.new.spec.state
