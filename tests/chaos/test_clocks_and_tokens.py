"""Clocks that differ and tokens that end while an agent works."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from echelon.api.meta import parse_time

from .story import MEMBER, NAMESPACE, Story, story

PLACEMENT = {
    "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
    "kind": "ClusterResourcePlacement",
    "metadata": {"name": "shop"},
    "spec": {
        "resourceSelectors": [{"group": "", "version": "v1", "kind": "Namespace", "name": "shop"}],
        "policy": {"placementType": "PickN", "numberOfClusters": 1},
    },
}


def heartbeat_is_of_the_hub(told: Story) -> bool:
    found = told.hub.find("InternalMemberCluster", MEMBER, NAMESPACE)
    assert found is not None
    beats = [each["lastReceivedHeartbeat"] for each in (found.get("status") or {}).get("agentStatus") or ()]
    now = told.hub.clock.now()
    return bool(beats) and abs(parse_time(beats[0]) - now) < timedelta(minutes=1)


@pytest.mark.parametrize("off", [timedelta(hours=-3), timedelta(hours=3)], ids=["behind", "ahead"])
async def test_the_clock_of_an_agent_may_be_wrong(tmp_path: Path, off: timedelta) -> None:
    """It is chosen by the scheduler, and what goes is waited for: neither goes by the agent's clock."""
    async with story(tmp_path) as told:
        told.clock.off = off
        await told.start_agent()
        await told.joined()
        await told.until(lambda: heartbeat_is_of_the_hub(told))
        await told.hub.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        await told.hub.admin.create(PLACEMENT)
        await told.until(lambda: told.member.find("Namespace", "shop"))
        await told.place("settings", "one")
        await told.placed("settings", "one")
        await told.remove("settings")
        await told.gone("settings")


async def test_a_token_that_ends_while_the_agent_works(tmp_path: Path) -> None:
    """The agent says so, and goes on as soon as it has another; nothing of what was to be done is lost."""
    async with story(tmp_path) as told:
        await told.start_agent()
        await told.joined()
        await told.place("settings", "one")
        await told.placed("settings", "one")
        told.hub.clock.off = timedelta(days=1)  # all tokens have ended; the agent could not know
        told.network.break_all()
        await told.place("settings", "two")
        assert told.process is not None
        async with asyncio.timeout(20):
            while not told.process.not_ready().startswith("the agent's token ended at"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # nobody tells when a request was refused
        assert "echelon member join one --renew" in told.process.not_ready()
        await told.give_token()
        await told.placed("settings", "two")
        assert told.process.not_ready() == ""
        assert len(told.member.effects) == 2


async def test_a_token_is_renewed_by_the_agent_in_its_place(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        first = told.token.read_text()
        told.hub.clock.off = timedelta(minutes=30)  # half an hour of its hour has passed
        await told.start_agent()
        async with asyncio.timeout(20):
            while told.token.read_text() == first:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # a file tells nobody
        told.hub.clock.off = timedelta(minutes=70)
        told.network.break_all()
        await told.place("settings", "one")
        await told.placed("settings", "one")
