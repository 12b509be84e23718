"""Hubs with controllers and agents, one a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import looptime
import pytest

from echelon.api import names
from echelon.api.cluster import InternalMemberCluster, InternalMemberClusterSpec
from echelon.api.meta import ObjectMeta
from echelon.placement import PlacementSettings
from echelon.placement.dialect import DIALECTS
from echelon.placement.scope import CLUSTER, Scope

from .agents import FakeAgents
from .hub import Hub, Stored, fleet_definitions, running_server
from .test_crash import FaultPoint, Member

NEVER = 1_000_000


@pytest.fixture(scope="session")
def definitions() -> Stored:
    return fleet_definitions()


@pytest.fixture
def scope() -> Scope:
    """Which kinds the hub of a test uses; tests for both scopes parametrize it."""
    return CLUSTER


@pytest.fixture
def settings() -> PlacementSettings:
    return PlacementSettings()


@pytest.fixture
def kubefleet() -> PlacementSettings:
    return PlacementSettings(dialect=DIALECTS["kubefleet"])


@pytest.fixture
async def virtual_time() -> AsyncIterator[None]:
    """The loop's time is virtual from here on, in the fixtures that use this and in the test."""
    with looptime.enabled(strict=True):
        yield


@pytest.fixture
async def bare_hub(virtual_time: None, definitions: Stored, scope: Scope) -> AsyncIterator[Hub]:
    """A hub on which nobody works."""
    async with running_server(definitions) as server:
        hub = Hub(server, scope)
        await hub.open()
        yield hub
        await hub.close()


@pytest.fixture
async def agents(bare_hub: Hub) -> AsyncIterator[FakeAgents]:
    client = bare_hub.client("agents")
    agents = FakeAgents(client, bare_hub.clock)
    running = asyncio.create_task(agents.manager.run())
    await agents.manager.wait_until_ready()
    yield agents
    agents.manager.stop()
    await running
    await client.close()


@pytest.fixture
async def hub(bare_hub: Hub, agents: FakeAgents, settings: PlacementSettings) -> AsyncIterator[Hub]:
    """A hub with its controllers and with agents for all members."""
    await bare_hub.start_controllers(settings)
    yield bare_hub
    await bare_hub.stop_controllers()


@pytest.fixture
async def member(bare_hub: Hub, definitions: Stored) -> AsyncIterator[Member]:
    """A hub with its controllers, and one member, ``a``, with a cluster and an agent of its own."""
    hub = bare_hub
    await hub.join("a")
    await hub.admin.create(
        InternalMemberCluster(
            metadata=ObjectMeta(name="a", namespace=names.member_namespace("a")),
            spec=InternalMemberClusterSpec(state="Join"),
        )
    )
    await hub.configure("content")
    await hub.start_controllers()
    async with running_server(definitions) as server:
        member = Member(hub, server)
        async with member.agent(FaultPoint(NEVER)):
            yield member
        await member.close()
