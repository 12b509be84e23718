"""The simulated platform against the contract, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from echelon.kube.client import Client
from echelon.local.rights import PROVIDER_USER
from echelon.upgrade.providers.contract import Code, Member, Operation, ProviderError
from echelon.upgrade.providers.simulated import SimulatedProvider, platform
from echelon.upgrade.providers.simulated.platform import BadSimulation

from .contract import ProviderContract
from .world import NEW, SimulatedMember, World


class SimulatedPlatform:
    target = Operation(control_plane_version="1.30.4", node_version="1.30.4", node_images=(NEW,))
    queues = True

    def __init__(self, world: World, member: SimulatedMember) -> None:
        self._world = world
        self._member = member

    async def started(self) -> int:
        await self._world.hub.settle()
        return len(self._member.operations)

    async def carry_on(self) -> None:
        await self._member.edit(fault="")
        await self._world.hub.pass_time(200)

    async def fail(self) -> None:
        await self._member.edit(fault="fail:Capacity")
        await self._world.hub.pass_time(200)

    async def hold_back(self) -> None:
        await self._member.edit(fault="busy")
        await self._world.hub.settle()

    async def cut_off(self) -> None:
        self._world.unreachable.add(self._member.name)


class TestContract(ProviderContract):
    @pytest.fixture
    async def provider(self, bare_world: World, member: SimulatedMember) -> AsyncIterator[SimulatedProvider]:
        client = member.client(user=PROVIDER_USER)

        def connect(name: str) -> Client | None:
            return None if name in bare_world.unreachable else client

        yield SimulatedProvider(connect, bare_world.catalogue, bare_world.hub.clock)
        await client.close()

    @pytest.fixture
    def platform(self, bare_world: World, member: SimulatedMember) -> SimulatedPlatform:
        return SimulatedPlatform(bare_world, member)

    @pytest.fixture
    def cluster(self, member: SimulatedMember) -> Member:
        return Member(name=member.name, cluster_resource_id=f"simulated://{member.name}")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("controlPlaneVersion", "newest", "'newest' is not a Kubernetes version"),
        ("secondsPerNode", "soon", "'soon' is no number of seconds"),
        ("secondsPerNode", "-1", "'-1' is no number of seconds"),
        ("running", "yes", "'yes' is neither true nor false"),
        ("fault", "explode", "want fail, hang or busy"),
        ("fault", "fail:Nothing", "one of the codes Quota, Capacity"),
    ],
)
async def test_what_a_user_writes_wrong_is_told(
    bare_world: World, member: SimulatedMember, key: str, value: str, said: str
) -> None:
    client = member.client(user=PROVIDER_USER)
    provider = SimulatedProvider(lambda _: client, bare_world.catalogue, bare_world.hub.clock)
    await member.edit(**{key: value})
    with pytest.raises(ProviderError, match=said) as caught:
        await provider.observe(Member(name="member1", cluster_resource_id="simulated://member1"))
    assert caught.value.retryable
    await client.close()


@pytest.mark.parametrize("text", ["", "fail", "hang", "busy", *(f"fail:{code}" for code in Code)])
def test_faults(text: str) -> None:
    assert platform.read_fault(text) == text


@pytest.mark.parametrize("text", ["FAIL", "fail:", "hang:Quota", "x"])
def test_no_faults(text: str) -> None:
    with pytest.raises(BadSimulation, match="nothing that the simulation can be told to do"):
        platform.read_fault(text)
