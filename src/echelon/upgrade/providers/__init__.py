"""Providers: whoever brings a member to another version.

``contract`` says what a provider is, one module or package a platform is one. The controller drives
them for the ClusterUpgrades of members whose platform is built in; those of other platforms are left
to whoever watches for them.

``builtin`` has those of every hub. Most platforms only know single operations: ``steps`` makes whole
upgrades of them. ``clouds`` and ``management`` are what providers of clouds, and those that work through
objects of other clusters, share.

``add_controllers`` adds the controller to a manager::

    built_in = BuiltIn(manager.client, settings, clock)
    manager.add_runnable("upgrade-providers", built_in.run)
    add_controllers(manager, built_in.providers, HubCatalogue(manager.cache, clock), settings, clock)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.meta import Clock
from echelon.api.upgrade import ClusterUpgrade, ReleaseCatalog
from echelon.kube.cache import SharedCache
from echelon.kube.controller import Controller, For, Request, Watches, annotations_changed, generation_changed
from echelon.kube.manager import Manager
from echelon.upgrade.catalogue import Catalogue, read_catalogue
from echelon.upgrade.providers.contract import Provider
from echelon.upgrade.providers.controller import ClusterUpgradeReconciler
from echelon.upgrade.providers.registry import Registry
from echelon.upgrade.providers.settings import ProviderSettings
from echelon.upgrade.providers.status import is_final

__all__ = ["HubCatalogue", "ProviderSettings", "add_controllers"]


class HubCatalogue:
    """What the ReleaseCatalogs of a hub have at the moment of the call; read anew when that changes."""

    def __init__(self, cache: SharedCache, clock: Clock) -> None:
        self._informer = cache.informer(ReleaseCatalog)
        self._clock = clock
        self._read: tuple[frozenset[str], Catalogue] | None = None

    def __call__(self) -> Catalogue:
        catalogs, now = self._informer.list(), self._clock.now()
        versions = frozenset(catalog.metadata.resource_version for catalog in catalogs)
        if self._read is not None and self._read[0] == versions:
            catalogue = self._read[1]
            if catalogue.next_publication is None or catalogue.next_publication > now:
                return catalogue
        catalogue = read_catalogue(catalogs, now)
        self._read = (versions, catalogue)
        return catalogue


def add_controllers(
    manager: Manager,
    built_in: Mapping[str, Provider],
    catalogue: Callable[[], Catalogue],
    settings: ProviderSettings,
    clock: Clock,
) -> None:
    """Add the controller of ClusterUpgrades to a manager; ``built_in`` has the providers by scheme."""
    cache = manager.cache
    cache.informer(MemberCluster)

    def wake(request: Request) -> None:
        controller.enqueue(request)

    def open_upgrades(namespace: str | None = None) -> Iterable[Request]:
        return [Request(*found.key) for found in cache.list(ClusterUpgrade, namespace) if not is_final(found)]

    reconciler = ClusterUpgradeReconciler(manager.client, cache, Registry(built_in), catalogue, settings, clock, wake)
    controller = Controller(
        "cluster-upgrade",
        reconciler.reconcile,
        For(ClusterUpgrade, generation_changed),
        Watches(
            MemberCluster,
            lambda member: open_upgrades(names.member_namespace(member.metadata.name)),
            annotations_changed,
        ),
        Watches(ReleaseCatalog, lambda _: open_upgrades(), generation_changed),
        workers=settings.workers,
    )
    manager.add(controller)
    manager.add_runnable("cluster-upgrade-watches", reconciler.followers.run)
