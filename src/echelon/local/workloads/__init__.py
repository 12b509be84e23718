"""Workloads of an embedded member come to life: Deployments get pods, pods become ready, Jobs get done.

Nothing runs. The simulation does what users and agents see of the controllers and kubelets of a
cluster: it makes ReplicaSets, pods and revisions, owned as in Kubernetes, so that the server's garbage
collection takes them away again, and keeps every status right at each moment. How long a pod takes to
be ready and whether it ever is are annotations (``rehearsal``), so that a bad rollout can be rehearsed.

It works as a user of the member with rights of its own (``rights``), and all it knows is what is
stored there, so a restart goes on where it was. Only what wakes it is not a watch: the server of an
embedded cluster is in this process, and tells of each change by itself. So a member without workloads
costs nothing, one with workloads keeps no copy of them, and nothing is ever polled: what time brings
about is a deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from echelon.api.meta import Clock
from echelon.apiserver import User
from echelon.apiserver.objects import Changed
from echelon.kube.client import Client
from echelon.kube.controller import Controller, Reconcile, Request
from echelon.kube.kinds import Unstructured
from echelon.kube.manager import Manager
from echelon.kube.rest import BeforeWrite
from echelon.local.cluster import EmbeddedCluster
from echelon.local.rights import WORKLOADS_USER, give, workload_rights
from echelon.local.workloads.daemon_sets import DaemonSets
from echelon.local.workloads.deployments import Deployments
from echelon.local.workloads.jobs import Jobs
from echelon.local.workloads.kinds import (
    BUDGETS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
)
from echelon.local.workloads.kubelet import OWNERS, Kubelet, Wishes
from echelon.local.workloads.replica_sets import ReplicaSets
from echelon.local.workloads.services import Budgets, LoadBalancers
from echelon.local.workloads.stateful_sets import StatefulSets
from echelon.local.workloads.world import World

__all__ = ["Workloads"]

WatchOver = Callable[[Coroutine[None, None, None], str], asyncio.Task[None]]

_COALESCE = 0.01  # a burst of changes of one object is one pass
_SIMULATED = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, JOBS, PODS, SERVICES, BUDGETS)
_OF_THE_SERVER = ("default", "kubernetes")  # the Service of the API server itself
_ALL_NODES = Request("", "all")

log = structlog.get_logger(__name__)


def _resource(kind: Unstructured) -> tuple[str, str]:
    return kind.resource.group, kind.resource.plural


_WAKING = frozenset(_resource(kind) for kind in _SIMULATED)


class Workloads:
    """The workloads of one cluster. It sleeps until there is one."""

    def __init__(
        self, cluster: EmbeddedCluster, clock: Clock, watch_over: WatchOver, before_write: BeforeWrite | None = None
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._watch_over = watch_over
        self._before_write = before_write
        self._manager: Manager | None = None
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._controllers: dict[tuple[str, str], Controller] = {}
        self._stopped = False

    def begin(self) -> None:
        """Listen from now on, and take up what is there."""
        objects = self._cluster.server.objects
        objects.observe(self._observe)
        for kind in _SIMULATED:
            group, plural = _resource(kind)
            records = objects.keyspace.bucket(f"{group}/{plural}").list()
            if any(_concerns(group, plural, record.key.namespace, record.key.name) for record in records):
                self._wake()

    async def end(self) -> None:
        """Finish what is under way, and do nothing any more; the objects stay."""
        self._stopped = True
        if self._manager is not None:
            self._manager.stop()
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._client is not None:
            await self._cluster.release(self._client)
            self._client = None

    def _observe(self, changed: Changed) -> None:
        if self._stopped:
            return
        definition = changed.definition
        if self._task is None:
            if _concerns(definition.group, definition.plural, changed.namespace, changed.name):
                self._wake()
            return
        self._tell(changed)

    def _wake(self) -> None:
        if self._task is None:
            self._task = self._watch_over(self._run(), f"workloads of {self._cluster.name}")

    async def _run(self) -> None:
        administrator = self._cluster.administrator("echelon-up")
        try:
            await give(administrator, workload_rights())
        finally:
            await self._cluster.release(administrator)
        user = User(WORKLOADS_USER)
        manager_name = WORKLOADS_USER.removeprefix("system:")
        self._client = self._cluster.client(user, field_manager=manager_name, before_write=self._before_write)
        world = World(self._client, self._clock)
        manager = self._manager = Manager(self._client)
        self._add_controllers(manager, world)
        if self._stopped:
            return
        log.debug("workloads are simulated", member=self._cluster.name)
        await self._take_up(world)
        await manager.run()

    def _add_controllers(self, manager: Manager, world: World) -> None:
        def add(kind: Unstructured, reconcile: Reconcile) -> Controller:
            name = f"simulated-{kind.resource.plural}"
            controller = self._controllers[_resource(kind)] = Controller(name, reconcile, coalesce=_COALESCE)
            manager.add(controller)
            return controller

        add(DEPLOYMENTS, Deployments(world).reconcile)
        add(REPLICA_SETS, ReplicaSets(world).reconcile)
        add(STATEFUL_SETS, StatefulSets(world).reconcile)
        add(JOBS, Jobs(world).reconcile)
        add(SERVICES, LoadBalancers(world).reconcile)
        add(BUDGETS, Budgets(world).reconcile)
        daemon_sets = add(DAEMON_SETS, DaemonSets(world).reconcile)
        pods = add(PODS, Kubelet(world).reconcile)
        self._wishes = Controller("simulated-wishes", Wishes(world, pods.enqueue).reconcile, coalesce=_COALESCE)
        manager.add(self._wishes)

        async def nodes_changed(_: Request) -> None:
            for daemon_set in await world.all(DAEMON_SETS):
                daemon_sets.enqueue(Request(*DAEMON_SETS.key(daemon_set)))
            for pod in await world.all(PODS):
                if not pod["spec"].get("nodeName"):
                    pods.enqueue(Request(*PODS.key(pod)))

        add(NODES, nodes_changed)

    async def _take_up(self, world: World) -> None:
        """Have everything that is there looked at."""
        for kind in _SIMULATED:
            for obj in await world.all(kind):
                namespace, name = kind.key(obj)
                self._enqueue(kind, namespace, "" if kind is BUDGETS else name)

    def _tell(self, changed: Changed) -> None:
        """Wake who is concerned by a change: the object itself, who made it, and what counts it."""
        resource = changed.definition.group, changed.definition.plural
        if resource not in self._controllers:
            return
        if resource == _resource(NODES):
            self._enqueue(NODES, *_ALL_NODES.key)
            return
        if resource == _resource(BUDGETS):
            self._enqueue(BUDGETS, changed.namespace, "")
            return
        self._controllers[resource].enqueue(Request(changed.namespace, changed.name))
        if changed.definition.kind in OWNERS:
            self._wishes.enqueue(Request(changed.namespace, f"{changed.definition.kind}/{changed.name}"))
        if resource == _resource(PODS):
            self._enqueue(BUDGETS, changed.namespace, "")
        summary = changed.after or changed.before
        for reference in () if summary is None else summary.owner_references:
            kind = DEPLOYMENTS if reference.kind == DEPLOYMENTS.resource.kind else OWNERS.get(reference.kind)
            if reference.controller and kind is not None:
                self._enqueue(kind, changed.namespace, reference.name)

    def _enqueue(self, kind: Unstructured, namespace: str, name: str) -> None:
        if controller := self._controllers.get(_resource(kind)):
            controller.enqueue(Request(namespace, name))


def _concerns(group: str, plural: str, namespace: str, name: str) -> bool:
    """Whether an object is one for which the simulation has to be awake."""
    return (group, plural) in _WAKING and (plural != "services" or (namespace, name) != _OF_THE_SERVER)
