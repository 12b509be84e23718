"""A hub with auto-upgrade profiles, in words of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from echelon.api import names
from echelon.api.cluster import MemberCluster, PropertyValue
from echelon.api.conditions import find_condition
from echelon.api.fleet import UpdateRun, UpdateStrategy
from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import (
    AutoUpgradeProfile,
    AutoUpgradeProfileSpec,
    AutoUpgradeProfileStatus,
    ClusterUpgrade,
    ReleaseCatalog,
)
from echelon.kube.controller import Controller, For, Request
from echelon.kube.manager import Manager
from echelon.upgrade.fleet import member_name
from echelon.upgrade.members import member_of
from echelon.upgrade.releases import releases_of
from echelon.upgrade.validation import Surroundings, strategies_of

from ..hub import Hub


async def create_profile(hub: Hub, channel: str = "Rapid", name: str = "p", **spec: Any) -> None:
    """Make a profile and wait until it was looked at."""
    content = msgspec.convert({"channel": channel, **spec}, AutoUpgradeProfileSpec)
    await hub.admin.create(AutoUpgradeProfile(metadata=ObjectMeta(name=name), spec=content))
    await hub.until(lambda: status_of(hub, name).observed_generation)


async def create_strategy(hub: Hub, name: str, order: Mapping[str, Any]) -> None:
    content = msgspec.convert({"metadata": {"name": name}, "spec": {"strategy": order}}, UpdateStrategy)
    await hub.admin.create(content)


def status_of(hub: Hub, name: str = "p") -> AutoUpgradeProfileStatus:
    found = hub.find(AutoUpgradeProfile, name)
    return AutoUpgradeProfileStatus() if found is None else found.status


def condition(hub: Hub, type_: str, name: str = "p") -> tuple[str, str, str]:
    """Status, reason and message of a condition; three question marks where there is none."""
    found = find_condition(status_of(hub, name).conditions, type_)
    return ("?", "?", "?") if found is None else (found.status, found.reason, found.message)


def reason(hub: Hub, name: str = "p") -> str:
    """Why members are, or are not, where the channel is."""
    return condition(hub, "UpToDate", name)[1]


def went_to(hub: Hub) -> list[str]:
    """The Kubernetes versions of the runs, in the order in which they were made."""
    runs = sorted(hub.all(UpdateRun), key=lambda run: run.metadata.creation_timestamp or "")
    return [run.spec.managed_cluster_update.upgrade.kubernetes_version or "" for run in runs]


def surroundings_of(hub: Hub) -> Surroundings:
    """What command lines judge a run against."""
    return Surroundings(
        members=[member_of(member) for member in hub.all(MemberCluster)],
        strategies=strategies_of(hub.all(UpdateStrategy)),
        releases=releases_of(hub.all(ReleaseCatalog), hub.clock.now()),
    )


class Agents:
    """The agents of all members: they report the Kubernetes version that an upgrade brought."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.manager = Manager(hub.client("provider"))
        self.manager.add(Controller("agents", self._report, For(ClusterUpgrade)))

    async def _report(self, request: Request) -> None:
        upgrade = self.manager.cache.get(ClusterUpgrade, request.key)
        if upgrade is not None and upgrade.status.state == "Completed" and upgrade.spec.upgrade.kubernetes_version:
            await self._hub.set_version(member_name(upgrade), upgrade.spec.upgrade.kubernetes_version)


async def set_images(hub: Hub, member: str, *images: str) -> None:
    """The member's agent reports node images."""
    found = await hub.admin.get(MemberCluster, member)
    value = PropertyValue(value=",".join(images), observation_time="2026-03-02T09:00:00Z")
    properties = {**found.status.properties, names.NODE_IMAGES: value}
    await hub.admin.patch_status(found, replace(found, status=replace(found.status, properties=properties)))
