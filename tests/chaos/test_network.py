"""Agents behind networks that delay, reset, lose and refuse: what was placed in the end, and all that was done for
it, is as in an undisturbed run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from .proxy import Network
from .story import Story, story

Fault = Callable[[Network], None]
HELD = 0.3  # seconds that a fault lasts after something has changed on the hub


def refuse(between: Network) -> None:
    between.refuses = True
    between.break_all()


def reset(between: Network) -> None:
    between.break_all()


def swallow(between: Network) -> None:
    between.swallows = frozenset({"to", "from"})


def half_open_to(between: Network) -> None:
    between.swallows = frozenset({"to"})


def half_open_from(between: Network) -> None:
    between.swallows = frozenset({"from"})


def delay(between: Network) -> None:
    between.delay = 0.15


def cut_in_pieces(between: Network) -> None:
    between.cuts = 0.4
    between.break_all()


BRIEF: tuple[Fault, ...] = (refuse, swallow, half_open_from, cut_in_pieces)
FAULTS: tuple[Fault, ...] = (*BRIEF, reset, half_open_to, delay)


async def tell(told: Story, disturb: Callable[[], None] | None = None) -> list[tuple[str, str]]:
    """Make, change and remove something, with a disturbance each time; the writes on the member."""
    before = len(told.member.effects)

    async def disturbed() -> None:
        if disturb is not None:
            disturb()
            await asyncio.sleep(HELD)
            told.network.heal()

    await told.place("settings", "one")
    await disturbed()
    await told.placed("settings", "one")
    if disturb is not None:
        disturb()
    await told.place("settings", "two")
    await disturbed()
    await told.placed("settings", "two")
    await told.remove("settings")
    await disturbed()
    await told.gone("settings")
    return told.member.effects[before:]


@pytest.mark.parametrize("fault", BRIEF, ids=lambda fault: fault.__name__)
async def test_a_member_catches_up_when_its_network_is_back(tmp_path: Path, fault: Fault) -> None:
    async with story(tmp_path) as told:
        await told.start_agent()
        await told.joined()
        undisturbed = await tell(told)
        assert len(undisturbed) == 2  # made and changed; it went with its owner
        assert await tell(told, lambda: fault(told.network)) == undisturbed


async def test_an_agent_may_be_started_before_its_hub_can_be_reached(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        refuse(told.network)
        await told.place("settings", "one")
        await told.start_agent()
        await asyncio.sleep(HELD)
        assert told.process is not None
        assert told.process.not_ready()
        told.network.heal()
        await told.placed("settings", "one")
        assert told.process.not_ready() == ""


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
async def test_a_member_bears_any_network_for_long(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    async with story(tmp_path, seed) as told:
        await told.start_agent()
        await told.joined()
        undisturbed = await tell(told)
        for _ in range(3):
            assert await tell(told, lambda: rng.choice(FAULTS)(told.network)) == undisturbed
