"""What makes an embedded member look like a cluster: nodes, and upgrades that take their time.

All state of the simulation is on the member's own API server, in the objects that
``upgrade.providers.simulated.platform`` describes. So it can be looked at and edited with kubectl, and
the process may die at any moment.

Faults are asked for by the annotation ``fleet.echelon.dev/simulate-upgrade`` of the MemberCluster:
``fail`` (at the end of the step that it is at, or ``fail:<code>`` with a code of the provider
contract), ``hang`` (no progress until the annotation is gone) or ``busy`` (takes up no operation).
"""

from __future__ import annotations

import msgspec

from echelon.api.core import ConfigMap
from echelon.api.meta import Clock
from echelon.api.names import OWN_PREFIX
from echelon.kube.client import Client
from echelon.kube.controller import Controller, Watches
from echelon.kube.manager import Manager
from echelon.local.simulation.cluster import SimulatedCluster, SimulatedPool, ensure, served_version
from echelon.local.simulation.upgrades import UPGRADES, UpgradeSimulator
from echelon.upgrade.providers.simulated.platform import CLUSTER, NAMESPACE, PARTS

__all__ = ["SIMULATED_CLUSTER", "SIMULATE_UPGRADE", "SimulatedCluster", "SimulatedPool", "Simulation", "served_version"]

SIMULATE_UPGRADE = OWN_PREFIX + "simulate-upgrade"
SIMULATED_CLUSTER = OWN_PREFIX + "simulated-cluster"


class Simulation:
    """The simulation of one member. ``client`` is one of the member's API server and stays the caller's to close."""

    def __init__(self, name: str, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._manager = Manager(client)
        self._parts = self._manager.cache.informer(ConfigMap, namespace=NAMESPACE, labels=PARTS)
        upgrades = UpgradeSimulator(client, self._manager.cache, self._parts, clock, self._wake)
        self._upgrades = Controller(
            f"simulated-upgrades-{name}",
            upgrades.reconcile,
            Watches(ConfigMap, lambda _: [UPGRADES], namespace=NAMESPACE, labels=PARTS),
        )
        self._manager.add(self._upgrades)

    async def set_up(self, cluster: SimulatedCluster | None) -> None:
        """Make what the cluster consists of, if it is new; once, before ``run``."""
        await ensure(self._client, cluster, self._clock)

    async def show(self, fault: str) -> None:
        """Let upgrades fail, hang or find the cluster busy; nothing, with an empty text."""
        present = await self._client.get(ConfigMap, (NAMESPACE, CLUSTER))
        changed = msgspec.structs.replace(present, data={**present.data, "fault": fault})
        await self._client.patch_object(present, changed)

    async def run(self) -> None:
        """Work until cancelled or stopped; raises what made it fail."""
        await self._manager.run()

    def stop(self) -> None:
        """Make ``run`` finish what is under way and return."""
        self._manager.stop()

    def _wake(self) -> None:
        self._upgrades.enqueue(UPGRADES)
