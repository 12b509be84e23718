"""A hub with simulated members, one a test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from echelon.apiserver import Database, summarize

from ..hub import Hub
from .world import CLUSTER, IMAGES, VERSIONS, SimulatedMember, World


@pytest.fixture
async def bare_world(bare_hub: Hub) -> AsyncIterator[World]:
    """A hub with a catalogue, and nobody at work."""
    database = Database.open(None, summarize=summarize)
    await bare_hub.catalogue(VERSIONS, IMAGES)
    world = World(bare_hub, database)
    yield world
    await world.close()
    await database.close()


@pytest.fixture
async def member(bare_world: World) -> AsyncIterator[SimulatedMember]:
    """A member of three nodes in two pools, at 1.30.0, in eastus, that is simulated."""
    member = await bare_world.join("member1")
    async with member.simulated(CLUSTER):
        await bare_world.until(lambda: member.is_set_up and len(member.nodes) == 3)
        yield member


@pytest.fixture
async def world(bare_world: World, member: SimulatedMember) -> AsyncIterator[World]:
    """A hub with the controller of upgrades, and one member."""
    async with bare_world.provided():
        yield bare_world
