"""The controllers of a hub, wherever it runs: membership, placement, update runs and the providers of upgrades; and
the agents of members to which the hub pushes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from echelon import membership, placement, upgrade
from echelon.agent import push
from echelon.api.meta import Clock
from echelon.kube.client import Client
from echelon.kube.manager import Manager
from echelon.membership.members import LEAVE_DEADLINE
from echelon.placement import PlacementSettings
from echelon.upgrade import UpgradeSettings, providers
from echelon.upgrade.providers import HubCatalogue, ProviderSettings
from echelon.upgrade.providers.builtin import BuiltIn
from echelon.upgrade.providers.contract import Provider

GivenProviders = Callable[[HubCatalogue], Mapping[str, Provider]]


class ControllerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the controllers of a hub behave, part by part."""

    placement: PlacementSettings = PlacementSettings()
    upgrade: UpgradeSettings = UpgradeSettings()
    providers: ProviderSettings = ProviderSettings()
    leave_deadline: timedelta = LEAVE_DEADLINE


def _none(_: HubCatalogue) -> Mapping[str, Provider]:
    return {}


def add_controllers(
    manager: Manager,
    settings: ControllerSettings,
    clock: Clock,
    *,
    agent_client: Callable[[], Client],
    given: GivenProviders = _none,
) -> None:
    """Add the controllers of a hub to a manager.

    ``agent_client`` makes a client of the hub for an agent that runs in it, one that writes only while the
    controllers may. ``given`` makes the providers that only this hub has, by scheme.
    """
    membership.add_controllers(manager, clock, leave_deadline=settings.leave_deadline)
    push.add_controllers(manager, clock, agent_client)
    placement.add_controllers(manager, settings.placement, clock)
    upgrade.add_controllers(manager, settings.upgrade, clock)
    catalogue = HubCatalogue(manager.cache, clock)
    built_in = BuiltIn(manager.client, settings.providers, clock)
    manager.add_runnable("upgrade-providers", built_in.run)
    found = {**built_in.providers, **given(catalogue)}
    kept = {scheme: provider for scheme, provider in found.items() if scheme not in settings.providers.disabled}
    providers.add_controllers(manager, kept, catalogue, settings.providers, clock)
