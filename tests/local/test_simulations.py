"""The members of an embedded fleet while they are upgraded: what kubectl sees of them, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import looptime
import msgspec
import pytest

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.core import Node
from echelon.api.fleet import UpdateRun, UpdateRunSpec
from echelon.api.meta import ObjectMeta
from echelon.apiserver import Database, summarize
from echelon.kube.client import Client
from echelon.kube.patches import MergePatch
from echelon.local.fleet import EmbeddedFleet, FleetOptions
from echelon.local.members import MemberSpec
from echelon.local.simulation import SIMULATE_UPGRADE, SimulatedCluster, SimulatedPool

from ..upgrade.hub import LoopClock, moment

OLD, NEW = "v1.30.0", "v1.30.4"
CLUSTER = SimulatedCluster(
    kubernetes_version="1.30.0", pools=(SimulatedPool(nodes=2),), control_plane_seconds=60, seconds_per_node=30
)


@pytest.fixture
async def virtual_time() -> AsyncIterator[None]:
    with looptime.enabled(strict=True):
        yield


@pytest.fixture
async def fleet(virtual_time: None) -> AsyncIterator[EmbeddedFleet]:
    database = Database.open(None, summarize=summarize)
    fleet = EmbeddedFleet(database, FleetOptions(admin_token="secret"), clock=LoopClock())
    await fleet.start([MemberSpec("one", cluster=CLUSTER)])
    yield fleet
    await fleet.close()
    await database.close()


async def start(hub: Client) -> None:
    content = {"state": "Run", "managedClusterUpdate": {"upgrade": {"type": "Full", "kubernetesVersion": "1.30.4"}}}
    await hub.create(UpdateRun(metadata=ObjectMeta(name="run"), spec=msgspec.convert(content, UpdateRunSpec)))


async def until_state(hub: Client, state: str) -> UpdateRun:
    async with asyncio.timeout(3600), hub.watch(UpdateRun, initial_events=True) as events:
        async for event in events:
            if event.object is not None and event.object.status.state == state:
                return event.object
    raise AssertionError("the watch ended")


def seen_of(node: Node) -> tuple[str, bool, bool]:
    """What ``kubectl get nodes`` shows: version, whether it is Ready, whether scheduling is disabled."""
    ready = any(found.type == "Ready" and found.status == "True" for found in node.status.conditions)
    return node.status.node_info.kubelet_version, ready, node.spec.unschedulable


async def test_version_and_nodes_show_an_upgrade_as_it_happens(fleet: EmbeddedFleet) -> None:
    hub, member = fleet.hub.administrator("test"), fleet.clusters["one"].administrator("test")
    assert (await member.version()).git_version == OLD
    shown: dict[str, list[tuple[str, bool, bool]]] = {}
    order: list[str] = []
    versions: list[str] = []

    async def follow() -> None:
        async with member.watch(Node, initial_events=True) as events:
            async for event in events:
                if event.object is None:
                    continue
                name, now = event.object.metadata.name, seen_of(event.object)
                if shown.setdefault(name, [now])[-1] != now:
                    shown[name].append(now)
                    order.append(name)
                    versions.append((await member.version()).git_version)

    following = asyncio.create_task(follow())
    await asyncio.sleep(1)
    await start(hub)
    await asyncio.sleep(55)
    assert (await member.version()).git_version == OLD
    assert versions == []  # control plane first: no node has changed
    await asyncio.sleep(10)
    assert (await member.version()).git_version == NEW
    await until_state(hub, "Completed")
    following.cancel()
    as_kubectl_shows = [
        (OLD, True, False),
        (OLD, True, True),
        (OLD, False, True),
        (NEW, True, True),
        (NEW, True, False),
    ]
    assert shown == {"pool-0": as_kubectl_shows, "pool-1": as_kubectl_shows}
    assert order == ["pool-0"] * 4 + ["pool-1"] * 4  # one after the other
    assert set(versions) == {NEW}


async def test_the_agent_reports_the_new_version_to_the_hub(fleet: EmbeddedFleet) -> None:
    hub = fleet.hub.administrator("test")
    before = await hub.get(MemberCluster, "one")
    assert before.status.properties[names.KUBERNETES_VERSION].value == OLD
    await start(hub)
    run = await until_state(hub, "Completed")
    (found,) = run.status.stages[0].groups[0].members
    begun, ended = moment(found.start_time), moment(found.completed_time)
    assert 120 <= (ended - begun).total_seconds() < 122  # the control plane and two nodes
    await asyncio.sleep(61)  # a heartbeat
    after = await hub.get(MemberCluster, "one")
    assert after.status.properties[names.KUBERNETES_VERSION].value == NEW


async def test_a_member_that_hangs_goes_on_when_the_annotation_is_gone(fleet: EmbeddedFleet) -> None:
    hub, member = fleet.hub.administrator("test"), fleet.clusters["one"].administrator("test")
    await _annotate(hub, "hang")
    await start(hub)
    await asyncio.sleep(1000)
    assert (await member.version()).git_version == OLD
    assert (await hub.get(UpdateRun, "run")).status.state == "Running"
    await _annotate(hub, None)
    await until_state(hub, "Completed")
    assert [seen_of(node) for node in (await member.list(Node)).items] == [(NEW, True, False)] * 2


async def test_a_member_that_fails_says_so_and_is_tried_again(fleet: EmbeddedFleet) -> None:
    hub = fleet.hub.administrator("test")
    await _annotate(hub, "fail:Quota")
    await start(hub)
    run = await until_state(hub, "Failed")
    (found,) = run.status.stages[0].groups[0].members
    assert found.error is not None
    assert (found.error.code, found.message) == ("Quota", "The simulation was told to fail")
    await _annotate(hub, None)
    await hub.patch(UpdateRun, "run", MergePatch({"spec": {"attempt": 2}}))
    await until_state(hub, "Completed")


async def _annotate(hub: Client, fault: str | None) -> None:
    patch = MergePatch({"metadata": {"annotations": {SIMULATE_UPGRADE: fault}}})
    await hub.patch(MemberCluster, "one", patch)
    await asyncio.sleep(0.5)
