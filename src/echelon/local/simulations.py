"""The simulations of all members of an embedded fleet, and the provider's way to them.

A member's simulation begins with its cluster and lasts as long as the member belongs to the fleet.
It and the provider are users of that cluster with rights of their own (see ``rights``).
What a user wants it to show is an annotation of the MemberCluster (see ``simulation``), and so may be what
it consists of at first: ``fleet.echelon.dev/simulated-cluster``, in the form of a member of a fleet file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping

import msgspec
import structlog

from echelon.api.meta import Clock
from echelon.apiserver import User
from echelon.kube.client import Client
from echelon.kube.rest import BeforeWrite
from echelon.local.cluster import EmbeddedCluster
from echelon.local.document import BadDocument
from echelon.local.fleet_file import parse_cluster
from echelon.local.rights import PROVIDER_USER, SIMULATION_USER, give, simulation_rights
from echelon.local.simulation import SIMULATE_UPGRADE, SIMULATED_CLUSTER, SimulatedCluster, Simulation
from echelon.local.workloads import Workloads
from echelon.upgrade.providers.simulated.platform import BadSimulation, read_fault

WatchOver = Callable[[Coroutine[None, None, None], str], asyncio.Task[None]]

log = structlog.get_logger(__name__)


class _Running(msgspec.Struct):
    cluster: EmbeddedCluster
    simulation: Simulation
    task: asyncio.Task[None]
    own: Client
    provider: Client
    workloads: Workloads
    shown: str | None = None


class Simulations:
    """``watch_over`` runs what must not fail; ``before_write`` is called before each write (crash tests)."""

    def __init__(self, watch_over: WatchOver, clock: Clock, before_write: BeforeWrite | None) -> None:
        self._watch_over = watch_over
        self._clock = clock
        self._before_write = before_write
        self._running: dict[str, _Running] = {}
        self.first: dict[str, SimulatedCluster] = {}
        """What members that are new consist of; those not named here consist of a few nodes."""

    async def keep(self, cluster: EmbeddedCluster, annotations: Mapping[str, str]) -> None:
        """Simulate a cluster, if that is not done already, and let it show what the annotations say."""
        running = self._running.get(cluster.name) or await self._start(cluster, annotations)
        try:
            fault = read_fault(annotations.get(SIMULATE_UPGRADE, ""))
        except BadSimulation as error:
            log.warning("annotation is passed over", member=cluster.name, annotation=SIMULATE_UPGRADE, error=str(error))
            return
        if fault != running.shown:
            await running.simulation.show(fault)
            running.shown = fault

    async def end(self, name: str) -> None:
        """Simulate a cluster no more; its objects stay."""
        if (running := self._running.pop(name, None)) is not None:
            running.simulation.stop()
            await asyncio.wait([running.task])
            await running.workloads.end()
            await running.cluster.release(running.own)
            await running.cluster.release(running.provider)

    async def stop(self) -> None:
        """Make all finish what they are at."""
        for running in self._running.values():
            running.simulation.stop()
        await asyncio.gather(*(running.task for running in self._running.values()), return_exceptions=True)
        await asyncio.gather(*(running.workloads.end() for running in self._running.values()))

    def connect(self, name: str) -> Client | None:
        """The provider's client of a cluster; None for one that is not simulated here."""
        running = self._running.get(name)
        return None if running is None else running.provider

    async def _start(self, cluster: EmbeddedCluster, annotations: Mapping[str, str]) -> _Running:
        await _give_rights(cluster)
        own, provider = self._client(cluster, SIMULATION_USER), self._client(cluster, PROVIDER_USER)
        simulation = Simulation(cluster.name, own, self._clock)
        try:
            await simulation.set_up(self.first.get(cluster.name) or _described(cluster.name, annotations))
        except BaseException:
            await cluster.release(own)
            await cluster.release(provider)
            raise
        task = self._watch_over(simulation.run(), f"simulation of {cluster.name}")
        workloads = Workloads(cluster, self._clock, self._watch_over, self._before_write)
        running = self._running[cluster.name] = _Running(cluster, simulation, task, own, provider, workloads)
        workloads.begin()
        return running

    def _client(self, cluster: EmbeddedCluster, user: str) -> Client:
        manager = user.removeprefix("system:")
        return cluster.client(User(user), field_manager=manager, before_write=self._before_write)


def _described(name: str, annotations: Mapping[str, str]) -> SimulatedCluster | None:
    """What the annotations of a member say that it consists of."""
    if (text := annotations.get(SIMULATED_CLUSTER)) is None:
        return None
    try:
        return parse_cluster(SIMULATED_CLUSTER, text)
    except BadDocument as error:
        log.warning("annotation is passed over", member=name, annotation=SIMULATED_CLUSTER, error=str(error))
        return None


async def _give_rights(cluster: EmbeddedCluster) -> None:
    """Let simulation and provider do what they do; nothing is written where they may."""
    administrator = cluster.administrator("echelon-up")
    try:
        await give(administrator, simulation_rights())
    finally:
        await cluster.release(administrator)
