"""Whenever the agent is killed, the next one finishes what it left: the end is that of an undisturbed run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from echelon.api import names

from .clusters import Object
from .crashes import Deaths, Killed, surviving
from .member import NAMESPACE, Member, config_map, custom, custom_definition, deployment, namespace, ready, secret


def manifests(version: str) -> list[Object]:
    return [namespace("app"), config_map("a", version), config_map(f"only-{version}"), secret(), deployment()]


async def live(member: Member, **strategy: Any) -> None:
    """A Work comes, is available, changes, and the member leaves and comes back."""
    await member.work("web", *manifests("one"), **strategy)
    await member.until(lambda: member.member.find("Deployment", "web", "app"))
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.available()
    await member.rework("web", *manifests("two"), custom_definition(), custom(size=1), **strategy)
    await member.available()
    await member.until(lambda: member.member.find("ConfigMap", "only-one", "app") is None)
    await member.want("Leave")
    await member.until(lambda: member.is_agent("Joined", "False"))
    await member.want("Join")
    await member.until(lambda: member.is_agent("Joined", "True"))
    await member.until(lambda: is_held(member))


def is_held(member: Member) -> bool:
    """Whether the agent has taken the Work up again: one that it let go when it left may go without it."""
    work = member.find_work()
    return work is not None and names.WORK_CLEANUP in work.metadata.finalizers


def state(member: Member) -> Object:
    """What there is in the end."""
    objects = [("ConfigMap", "a"), ("ConfigMap", "only-one"), ("ConfigMap", "only-two"), ("Secret", "credentials")]
    found = {name: member.member.find(kind, name, "app") for kind, name in [*objects, ("Widget", "w")]}
    data = {name: obj and (obj.get("data"), obj.get("spec")) for name, obj in found.items()}
    work = member.hub.get("placement.kubernetes-fleet.io/Work", "web", NAMESPACE)
    reasons = [
        (each["identifier"]["name"], [condition["reason"] for condition in each["conditions"]])
        for each in work["status"]["manifestConditions"]
    ]
    return {"data": data, "reasons": reasons, "recorded": sorted(member.recorded())}


@pytest.mark.parametrize("strategy", [{}, {"type": "ServerSideApply"}], ids=["client-side", "server-side"])
async def test_killed_at_each_write(member: Member, strategy: dict[str, Any]):
    await member.stop()
    ends = []
    for at in range(60):  # at 0 nothing happens
        deaths = Deaths(at)
        async with surviving(member.start, deaths):
            await live(member, **strategy)
            await member.until(lambda: len(member.recorded()) == 7)
            ends.append(state(member))
            await member.unwork("web")
            await member.until(lambda: member.find_work() is None)
        await member.stop()
        assert member.member.find("ConfigMap", "a", "app") is None
        assert member.member.find("ConfigMap", "only-one", "app") is None
        await member.until(lambda: member.member.find("CustomResourceDefinition", "widgets.test.echelon.dev") is None)
        await member.member.admin.create(namespace("app")) if member.member.find("Namespace", "app") is None else None
        if at and not deaths.killed:
            break
    assert not deaths.killed
    assert at > 15
    assert all(end == ends[0] for end in ends)


async def test_killed_between_creating_an_object_and_writing_it_down(member: Member):
    """The Work changes before the agent is back: what it created in its last moment is removed all the same."""
    await member.stop()
    created = False

    def before_write(method: str, path: str) -> None:
        nonlocal created
        if created:
            raise Killed
        created = path.endswith("/configmaps")

    await member.work("web", config_map("a"))
    process = await member.start(before_write)
    await asyncio.wait([process])
    assert isinstance(process.exception(), Killed)
    assert member.member.find("ConfigMap", "a", "app") is not None
    await member.rework("web", config_map("b"))
    await member.start()
    await member.until(lambda: member.is_work("Available", "True"))
    await member.until(lambda: member.member.find("ConfigMap", "a", "app") is None)
