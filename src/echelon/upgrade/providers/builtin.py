"""The providers that every hub has, by scheme: the one place where platforms are registered.

What they hold open (connections, threads, clients of management clusters) is closed when ``run`` is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from echelon.api.meta import Clock
from echelon.kube.client import Client
from echelon.upgrade.providers.aks import AksPlatform
from echelon.upgrade.providers.clouds import Threads
from echelon.upgrade.providers.cluster_api import ClusterApiPlatform
from echelon.upgrade.providers.contract import Provider
from echelon.upgrade.providers.eks import EksPlatform
from echelon.upgrade.providers.external import Commands, ExternalProvider, Webhooks
from echelon.upgrade.providers.gke import GkePlatform
from echelon.upgrade.providers.management import Connect, ManagementClusters, over_http
from echelon.upgrade.providers.plans import PlanPlatform
from echelon.upgrade.providers.registry import AZURE
from echelon.upgrade.providers.settings import ProviderSettings
from echelon.upgrade.providers.steps import SteppedProvider


class BuiltIn:
    """The providers of a hub; ``hub`` is its client, ``connect`` makes clients of other clusters."""

    def __init__(self, hub: Client, settings: ProviderSettings, clock: Clock, connect: Connect = over_http) -> None:
        self._threads = Threads(settings.threads)
        self._management = ManagementClusters(hub, connect)
        self._webhooks = Webhooks(settings.webhooks, clock)
        self._aks = AksPlatform(settings, clock)
        self._eks = EksPlatform(settings, clock, self._threads)
        self._gke = GkePlatform(settings, clock, self._threads)
        capi = ClusterApiPlatform(self._management, settings.cluster_api, clock)
        plans = PlanPlatform(self._management, settings.plans)
        self.providers: Mapping[str, Provider] = {
            AZURE: SteppedProvider(self._aks),
            "eks": SteppedProvider(self._eks),
            "gke": SteppedProvider(self._gke),
            "capi": SteppedProvider(capi, capi.changes),
            "plan": SteppedProvider(plans, plans.changes),
            "exec": ExternalProvider(Commands(settings.commands)),
            "webhook": ExternalProvider(self._webhooks),
        }

    async def run(self) -> None:
        """Hold everything open until cancelled."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close what is open."""
        for part in (self._management, self._webhooks, self._aks, self._eks, self._gke):
            await part.close()
        self._threads.close()
