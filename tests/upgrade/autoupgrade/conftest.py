"""Hubs on which members report what was done to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ..hub import Hub
from .fleet import Agents


@pytest.fixture
async def agents(bare_hub: Hub) -> AsyncIterator[Agents]:
    agents = Agents(bare_hub)
    running = asyncio.create_task(agents.manager.run())
    await agents.manager.wait_until_ready()
    yield agents
    agents.manager.stop()
    await running
    await agents.manager.client.close()
