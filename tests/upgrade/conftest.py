"""Hubs with the controller of runs and a provider, one a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import looptime
import pytest

from .hub import Hub, Stored, fleet_definitions, running_server
from .provider import FakeProvider


@pytest.fixture(scope="session")
def definitions() -> Stored:
    return fleet_definitions()


@pytest.fixture
async def virtual_time() -> AsyncIterator[None]:
    """The loop's time is virtual from here on, in the fixtures that use this and in the test."""
    with looptime.enabled(strict=True):
        yield


@pytest.fixture
async def bare_hub(virtual_time: None, definitions: Stored) -> AsyncIterator[Hub]:
    """A hub on which nobody works."""
    async with running_server(definitions) as server:
        hub = Hub(server)
        await hub.open()
        yield hub
        await hub.close()


@pytest.fixture
async def provider(bare_hub: Hub) -> AsyncIterator[FakeProvider]:
    client = bare_hub.client("provider")
    provider = FakeProvider(client, bare_hub.clock)
    running = asyncio.create_task(provider.manager.run())
    await provider.manager.wait_until_ready()
    yield provider
    provider.manager.stop()
    await running
    await client.close()


@pytest.fixture
async def hub(bare_hub: Hub, provider: FakeProvider) -> AsyncIterator[Hub]:
    """A hub with the controller of runs, and a provider for all members."""
    await bare_hub.start_controllers()
    yield bare_hub
    await bare_hub.stop_controllers()
