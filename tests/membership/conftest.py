"""A hub with the controller of members, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import looptime
import pytest

from ..agent.clusters import Clusters, Stored, fleet_definitions
from .fleet import Fleet


@pytest.fixture(scope="session")
def definitions() -> Stored:
    return fleet_definitions()


@pytest.fixture
async def bare(definitions: Stored) -> AsyncIterator[Fleet]:
    """A hub on which nobody works yet."""
    with looptime.enabled(strict=True):
        clusters = Clusters(definitions)
        async with clusters.start("hub") as hub:
            fleet = Fleet(clusters, hub)
            yield fleet
            await fleet.stop()


@pytest.fixture
async def fleet(bare: Fleet) -> Fleet:
    """A hub on which the controller of members works."""
    await bare.start()
    return bare
