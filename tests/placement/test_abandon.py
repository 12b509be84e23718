"""What becomes of the objects on the members when their placement goes."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.api import names
from echelon.api.work import AppliedWork
from echelon.kube.errors import NotFound

from .agents import Behaviour, FakeAgents
from .hub import Hub, stage
from .test_crash import CONFIG_MAPS, Member


async def on_member(member: Member) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = await member.admin.get(CONFIG_MAPS, ("app", "settings"))
    except NotFound:
        return None
    return found


async def placed_and_gone(hub: Hub, **delete_strategy: str) -> None:
    await hub.place()
    if delete_strategy:
        await hub.edit(hub.scope.placement, "web", {"spec": {"strategy": {"deleteStrategy": delete_strategy}}})
    await hub.plan(stage("all"))
    await hub.start()
    await hub.succeeded()
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
    assert hub.works("a") == []


async def test_what_was_placed_stays(bare_hub: Hub, member: Member) -> None:
    """With the deleteStrategy Abandon it belongs to nobody from then on."""
    await placed_and_gone(bare_hub, propagationPolicy="Abandon")
    await bare_hub.pass_time(60)
    found = await on_member(member)
    assert found is not None
    assert found["data"] == {"key": "content"}
    assert not found["metadata"].get("ownerReferences")
    assert not (await member.admin.list(AppliedWork)).items


@pytest.mark.parametrize("strategy", [{}, {"propagationPolicy": "Delete"}], ids=["default", "Delete"])
async def test_what_was_placed_goes(bare_hub: Hub, member: Member, strategy: dict[str, str]) -> None:
    await placed_and_gone(bare_hub, **strategy)
    assert await on_member(member) is None


async def test_only_a_placement_that_goes_abandons(hub: Hub, agents: FakeAgents) -> None:
    """Members that it no longer selects are emptied."""
    await hub.join("a", env="one")
    await hub.join("b", env="two")
    await hub.configure("content")
    await hub.place()
    strategy = {"spec": {"strategy": {"deleteStrategy": {"propagationPolicy": "Abandon"}}}}
    await hub.edit(hub.scope.placement, "web", strategy)
    await hub.plan(stage("all", concurrency=2))
    await hub.start()
    await hub.succeeded()
    agents.behave("b", Behaviour.SILENT)
    await hub.admin.delete(hub.scope.binding, hub.binding("b").key)
    await hub.until(lambda: hub.works("b")[0].metadata.deletion_timestamp)
    assert names.ABANDONED not in hub.works("b")[0].metadata.annotations
