"""The controllers killed at every write from a new version to the last member caught up: the runs are the same."""

from __future__ import annotations

import asyncio

import pytest

from ..hub import Hub
from ..provider import FakeProvider
from ..providers.world import KillAt, Killed
from .fleet import Agents, create_profile, reason, status_of, went_to

OLD = {"1.29.9": [], "1.30.4": []}
NEW = {**OLD, "1.31.1": []}
WRITES = 29


class Counted(KillAt):
    """Counts writes and lets them be."""

    def __init__(self) -> None:
        super().__init__(0)
        self.count = 0

    def __call__(self, method: str, path: str) -> None:
        self.count += 1


async def play(hub: Hub, kill: KillAt) -> None:
    """A version appears, a member is two minor versions behind; whoever dies comes back."""
    working = await hub.start_controllers(before_write=kill)

    async def survive() -> None:
        try:
            await asyncio.shield(working)
        except Killed:
            await hub.start_controllers()

    surviving = asyncio.create_task(survive())
    await hub.catalogue(OLD)
    await hub.join("m1", version="1.30.4")
    await hub.join("m2", version="1.29.9")
    await create_profile(hub)
    await hub.catalogue(NEW)
    await hub.until(lambda: len(went_to(hub)) == 3 and reason(hub) == "MembersAtTarget")
    await hub.settle()
    surviving.cancel()
    await asyncio.wait([surviving])
    await hub.stop_controllers()


async def check(hub: Hub, provider: FakeProvider) -> None:
    assert went_to(hub) == ["1.31.1", "1.30.4", "1.31.1"]
    assert provider.began() == ["m1", "m2", "m2"]
    assert status_of(hub).last_trigger_status == "Succeeded"
    assert status_of(hub).last_trigger_upgrade_versions == ("1.31.1",)


@pytest.mark.parametrize("write", range(1, WRITES + 1))
async def test_the_hub_dies(bare_hub: Hub, agents: Agents, provider: FakeProvider, write: int) -> None:
    await play(bare_hub, KillAt(write))
    await check(bare_hub, provider)


async def test_the_writes_are_all_those_that_there_are(bare_hub: Hub, agents: Agents, provider: FakeProvider) -> None:
    """Keeps the number above true."""
    undisturbed = Counted()
    await play(bare_hub, undisturbed)
    await check(bare_hub, provider)
    assert undisturbed.count == WRITES
