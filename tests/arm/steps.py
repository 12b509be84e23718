"""What tests do with the official client, in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from azure.mgmt.containerservicefleet import ContainerServiceFleetMgmtClient
from azure.mgmt.containerservicefleet import models as m

from .conftest import SUBSCRIPTION

PATIENCE = 60.0


def cluster_id(name: str, group: str = "demo") -> str:
    """The id of a managed cluster, in the casing of AKS."""
    start = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{group}"
    return f"{start}/providers/Microsoft.ContainerService/managedClusters/{name}"


@contextmanager
def fleet(azure: ContainerServiceFleetMgmtClient, name: str, group: str = "team") -> Iterator[tuple[str, str]]:
    """A fleet of one's own, for a while."""
    azure.fleets.begin_create_or_update(group, name, m.Fleet(location="eastus")).result()
    try:
        yield group, name
    finally:
        azure.fleets.begin_delete(group, name).result()


def join(azure: ContainerServiceFleetMgmtClient, where: tuple[str, str], name: str, **properties: Any) -> m.FleetMember:
    """Add a member, which is a managed cluster of that name."""
    given = m.FleetMemberProperties(cluster_resource_id=cluster_id(name), **properties)
    return azure.fleet_members.begin_create(*where, name, m.FleetMember(properties=given)).result()


def update(type_: str = "Full", version: str | None = "1.30.4", images: str | None = None) -> m.ManagedClusterUpdate:
    """What a run is to do."""
    selection = None if images is None else m.NodeImageSelection(type=images)
    upgrade = m.ManagedClusterUpgradeSpec(type=type_, kubernetes_version=version)
    return m.ManagedClusterUpdate(upgrade=upgrade, node_image_selection=selection)


def create_run(
    azure: ContainerServiceFleetMgmtClient,
    where: tuple[str, str],
    name: str,
    what: m.ManagedClusterUpdate,
    **order: Any,
) -> m.UpdateRun:
    """Create a run."""
    run = m.UpdateRun(properties=m.UpdateRunProperties(managed_cluster_update=what, **order))
    return azure.update_runs.begin_create_or_update(*where, name, run).result()


def state(run: m.UpdateRun) -> str:
    found: str = run.properties.status.status.state
    return str(getattr(found, "value", found))


def ends(azure: ContainerServiceFleetMgmtClient, where: tuple[str, str], name: str, *wanted: str) -> m.UpdateRun:
    """The run once it is in one of these states."""
    return until(lambda: azure.update_runs.get(*where, name), lambda run: state(run) in (wanted or ("Completed",)))


def until(read: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """What is read once it is as wanted: another process is asked, whose time is the real one."""
    deadline = time.monotonic() + PATIENCE
    while not wanted(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found
