"""A hub and a member in virtual time, one of each a test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import looptime
import pytest

from .clusters import Clusters, Stored, fleet_definitions
from .member import Member


@pytest.fixture(scope="session")
def definitions() -> Stored:
    return fleet_definitions()


@pytest.fixture
async def virtual_time() -> AsyncIterator[None]:
    """The loop's time is virtual from here on, in the fixtures that use this and in the test."""
    with looptime.enabled(strict=True):
        yield


@pytest.fixture
async def fleet(virtual_time: None, definitions: Stored) -> AsyncIterator[Member]:
    """A hub with one member whose agent was not started yet."""
    clusters = Clusters(definitions)
    async with clusters.start("hub") as hub, clusters.start("member") as cluster:
        fleet = Member(clusters, hub, cluster)
        await fleet.open()
        yield fleet
        await fleet.stop()


@pytest.fixture
async def member(fleet: Member) -> Member:
    """A member that has joined."""
    await fleet.started()
    return fleet
