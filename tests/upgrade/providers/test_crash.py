"""Both sides of an upgrade killed at every one of their writes: the end is that of an undisturbed upgrade.

Nothing is started twice: there is one operation, and each node was replaced once.
"""

from __future__ import annotations

import pytest

from .world import CLUSTER, NEW, KillAt, SimulatedMember, World

PROVIDER_WRITES = 9
SIMULATION_WRITES = 22


async def check(world: World, member: SimulatedMember) -> None:
    assert await member.version() == "v1.30.4"
    assert member.kubelets == ["v1.30.4"] * 3
    assert member.images == [NEW] * 3
    assert member.cordoned == []
    assert member.replacements == ["system-0", "user-0", "user-1"]
    assert len(member.operations) == 1
    assert member.operations == [world.status().operation_id]
    assert (world.status().nodes_done, world.status().nodes_total) == (3, 3)


@pytest.mark.parametrize("write", range(1, PROVIDER_WRITES + 1))
async def test_the_hub_dies(bare_world: World, member: SimulatedMember, write: int) -> None:
    async with bare_world.provided(kill=KillAt(write)):
        await bare_world.upgrade("Full", "1.30.4")
        await bare_world.ended()
    await check(bare_world, member)


@pytest.mark.parametrize("write", range(1, SIMULATION_WRITES + 1))
async def test_the_simulation_dies(bare_world: World, write: int) -> None:
    member = await bare_world.join("member1")
    async with member.simulated(CLUSTER, kill=KillAt(write)), bare_world.provided():
        await bare_world.until(lambda: member.is_set_up and len(member.nodes) == 3)
        await bare_world.upgrade("Full", "1.30.4")
        await bare_world.ended()
        await check(bare_world, member)


async def test_the_writes_are_all_those_that_there_are(bare_world: World) -> None:
    """Keeps the two numbers above true."""
    hub, simulation = Counted(), Counted()
    member = await bare_world.join("member1")
    async with member.simulated(CLUSTER, kill=simulation), bare_world.provided(kill=hub):
        await bare_world.until(lambda: member.is_set_up and len(member.nodes) == 3)
        await bare_world.upgrade("Full", "1.30.4")
        await bare_world.ended()
    assert (hub.count, simulation.count) == (PROVIDER_WRITES, SIMULATION_WRITES)


class Counted(KillAt):
    """Counts writes and lets them be."""

    def __init__(self) -> None:
        super().__init__(0)
        self.count = 0

    def __call__(self, method: str, path: str) -> None:
        self.count += 1
