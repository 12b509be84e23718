"""Upgrades of a simulated member from end to end: order, progress, ends, obstacles, deletion."""

from __future__ import annotations

from echelon.api.core import Node
from echelon.api.upgrade import ClusterUpgrade
from echelon.kube.patches import MergePatch
from echelon.upgrade.providers.contract import Member, Operation

from .world import COMMON, NEW, OLD, SimulatedMember, World, Wrapped


async def test_full(world: World, member: SimulatedMember) -> None:
    await world.upgrade("Full", "1.30.4")
    await world.ended()
    assert await member.version() == "v1.30.4"
    assert member.kubelets == ["v1.30.4"] * 3
    assert member.images == [NEW] * 3
    assert member.cordoned == []
    status = world.status()
    assert (status.nodes_done, status.nodes_total) == (3, 3)
    assert status.start_time
    assert status.completed_time
    assert status.error is None


async def test_the_control_plane_goes_first_then_one_node_at_a_time(world: World, member: SimulatedMember) -> None:
    await world.upgrade("Full", "1.30.4")
    await world.until(lambda: world.status().message == "Upgrading the control plane")
    assert member.cordoned == []
    await world.until(lambda: member.cordoned)
    assert await member.version() == "v1.30.4"
    assert member.cordoned == ["system-0"]
    await world.until(lambda: world.status().nodes_done == 1)
    assert world.status().message == "Replacing node user-0"
    await world.ended()
    assert member.replacements == ["system-0", "user-0", "user-1"]


async def test_control_plane_only(world: World, member: SimulatedMember) -> None:
    await world.upgrade("ControlPlaneOnly", "1.31.1")
    await world.ended()
    assert await member.version() == "v1.31.1"
    assert member.kubelets == ["v1.30.0"] * 3
    assert member.images == [OLD] * 3
    assert member.replacements == []


async def test_node_images_only(world: World, member: SimulatedMember) -> None:
    await world.upgrade("NodeImageOnly", None, COMMON)
    await world.ended()
    assert await member.version() == "v1.30.0"
    assert member.kubelets == ["v1.30.0"] * 3
    assert member.images == [COMMON] * 3


async def test_a_node_that_a_user_cordoned_stays_so(world: World, member: SimulatedMember) -> None:
    await member.admin.patch(Node, "user-1", MergePatch({"spec": {"unschedulable": True}}))
    await world.upgrade("Full", "1.30.4")
    await world.ended()
    assert member.cordoned == ["user-1"]
    assert member.kubelets == ["v1.30.4"] * 3


async def test_nothing_to_do_is_skipped(world: World, member: SimulatedMember) -> None:
    await world.upgrade("ControlPlaneOnly", "1.30.0")
    await world.ended("Skipped")
    assert world.status().message == "The control plane is at 1.30.0 or ahead of it"
    assert member.operations == []
    found = world.find()
    assert found is not None
    assert not found.metadata.finalizers


async def test_what_cannot_be_done_fails(world: World, member: SimulatedMember) -> None:
    await world.upgrade("ControlPlaneOnly", "1.32.0")
    await world.ended("Failed")
    status = world.status()
    assert status.error is not None
    assert status.error.code == "InvalidVersion"
    assert "2 minor versions ahead of the control plane, which is at 1.30.0; go to 1.31 first" in status.message
    assert member.operations == []


async def test_a_version_that_is_not_there_yet_is_waited_for(world: World, member: SimulatedMember) -> None:
    await world.hub.catalogue({"1.30.0": [], "1.30.4": ["westeurope"]})
    await world.upgrade("ControlPlaneOnly", "1.30.4")
    await world.until(lambda: world.status().message)
    status = world.status()
    assert status.state == "Pending"
    assert status.error is not None
    assert status.error.code == "KubernetesVersionNotAvailable"
    assert status.message == "Waiting for Kubernetes 1.30.4 to be available in the region eastus"
    await world.hub.catalogue({"1.30.0": [], "1.30.4": []})
    await world.ended()


async def test_another_operation_is_waited_for(world: World, member: SimulatedMember) -> None:
    await world.upgrade("ControlPlaneOnly", "1.30.4")
    await world.until(lambda: world.status().state == "Running")
    await world.upgrade("NodeImageOnly", None, COMMON, name="other")
    await world.until(lambda: world.status(name="other").message)
    assert world.status(name="other").state == "Pending"
    assert world.status(name="other").message == "Waiting for another operation on the cluster to end"
    await world.ended()
    await world.until(lambda: world.status(name="other").state == "Completed")
    assert len(member.operations) == 2


async def test_a_stopped_cluster_is_skipped(world: World, member: SimulatedMember) -> None:
    await member.edit(running="false")
    await world.upgrade()
    await world.ended("Skipped")
    assert world.status().message == "The cluster is stopped; start it and run the upgrade again"


async def test_pools_that_are_there_are_left_alone_with_a_word(world: World, member: SimulatedMember) -> None:
    await world.upgrade("NodeImageOnly", None, COMMON)
    await world.ended()
    await world.upgrade("NodeImageOnly", None, OLD, name="back")
    await world.until(lambda: world.status(name="back").state == "Completed")
    message = "Left alone, their node image being ahead of the target: node pools system, user"
    assert world.status(name="back").message == message
    assert member.images == [COMMON] * 3


async def test_who_has_no_provider_here_is_left_to_others(world: World) -> None:
    await world.upgrade(clusterResourceId="gke://project/europe-west1/one")
    await world.until(lambda: world.status().message)
    assert world.status().state == "Pending"
    assert world.status().message == (
        "Waiting for a provider for gke://project/europe-west1/one; built into this hub: simulated"
    )
    found = world.find()
    assert found is not None
    assert not found.metadata.finalizers


async def test_deleted_before_it_began_it_is_called_off(world: World, member: SimulatedMember) -> None:
    await member.edit(fault="busy")
    await world.upgrade()
    await world.until(lambda: world.status().message)
    await world.hub.admin.delete(ClusterUpgrade, ("fleet-member-member1", "run-1"))
    await world.until(lambda: world.find() is None)
    await member.edit(fault="")
    await world.hub.pass_time(120)
    assert member.operations == []
    assert await member.version() == "v1.30.0"


async def test_deleted_while_the_platform_has_not_begun_it_is_called_off(
    bare_world: World, member: SimulatedMember
) -> None:
    class BusyAtTheStart(Wrapped):
        async def start(self, member_: Member, operation: Operation, key: str) -> str:
            await member.edit(fault="busy")
            await bare_world.hub.settle()
            return await self.inner.start(member_, operation, key)

    world = bare_world
    async with world.provided(wrap=BusyAtTheStart):
        await world.upgrade("ControlPlaneOnly", "1.30.4")
        await world.until(lambda: world.status().operation_id)
        assert world.status().message == "Waiting for the platform to begin"
        await world.hub.admin.delete(ClusterUpgrade, ("fleet-member-member1", "run-1"))
        await world.until(lambda: world.find() is None)
        await member.edit(fault="")
        await world.hub.pass_time(120)
        assert await member.version() == "v1.30.0"
        assert member.progress(member.operations[0]).state == "Aborted"


async def test_deleted_while_it_runs_it_goes_on(world: World, member: SimulatedMember) -> None:
    await world.upgrade("ControlPlaneOnly", "1.30.4")
    await world.until(lambda: world.status().message == "Upgrading the control plane")
    await world.hub.admin.delete(ClusterUpgrade, ("fleet-member-member1", "run-1"))
    await world.until(lambda: world.find() is None)
    await world.hub.pass_time(120)
    assert await member.version() == "v1.30.4"
