"""What the agent watches on a member: each namespace while they are few, all at once when they are many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from echelon.agent import watching

from .member import Member, config_map, namespace


def watched(kind: str) -> Sequence[str]:
    """What the informers that run say of themselves, of a kind."""
    return sorted(name for task in asyncio.all_tasks() if (name := task.get_name()).startswith(f"Informer({kind}"))


@pytest.fixture
async def many(member: Member, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """Works in as many namespaces as are watched together."""
    monkeypatch.setattr(watching, "WIDE", 3)
    spaces = ["one", "two", "three"]
    for space in spaces:
        await member.member.create(namespace(space))
        await member.work(space, config_map(namespace=space))
        await member.available(space)
    await member.pass_time(30)
    return spaces


async def test_a_kind_in_few_namespaces_is_watched_in_each(member: Member):
    await member.work("web", config_map())
    await member.available()
    assert len(informers := watched(_CONFIG_MAPS)) == 1
    assert "namespace='app'" in informers[0]


async def test_a_kind_in_many_namespaces_is_watched_in_all_by_one(member: Member, many: Sequence[str]):
    assert len(informers := watched(_CONFIG_MAPS)) == 1
    assert "namespace=None" in informers[0]
    for space in many:
        await member.member.edit("ConfigMap", "settings", {"data": {"key": "by hand"}}, space)
    await member.pass_time(30)
    assert [member.member.get("ConfigMap", "settings", space)["data"] for space in many] == [{"key": "one"}] * 3


async def test_a_namespace_that_comes_later_needs_no_watch_of_its_own(member: Member, many: Sequence[str]):
    await member.work("web", config_map())
    await member.available()
    assert len(watched(_CONFIG_MAPS)) == 1


async def test_the_watch_of_all_ends_with_the_last_work(member: Member, many: Sequence[str]):
    for space in many:
        await member.unwork(space)
    await member.pass_time(30)
    assert watched(_CONFIG_MAPS) == []


_CONFIG_MAPS = "Unstructured(resource=Resource(group='', version='v1', plural='configmaps'"
