"""The status of objects, where the hub wants it back."""

from __future__ import annotations

from typing import Any

import msgspec

from echelon.api.work import BackReportedStatus

from .member import NAMESPACE, Member, config_map, deployment, ready

MIRROR = {"spec": {"reportBackStrategy": {"type": "Mirror", "destination": "WorkAPI"}}}
WORK = "placement.kubernetes-fleet.io/Work"


async def mirrored(member: Member) -> None:
    await member.work("web", config_map(), deployment())
    await member.hub.edit(WORK, "web", MIRROR, NAMESPACE)
    await member.applied()


def of(member: Member, ordinal: int) -> BackReportedStatus | None:
    return member.manifest(ordinal).back_reported_status


def content(member: Member) -> dict[str, Any]:
    found = of(member, 1)
    assert found is not None
    decoded: dict[str, Any] = msgspec.json.decode(found.observed_status)
    return decoded


async def test_the_status_of_objects_is_in_the_work(member: Member):
    await mirrored(member)
    await member.member.edit("Deployment", "web", ready(replicas=1), "app", subresource="status")
    await member.until(lambda: of(member, 1))
    assert content(member) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "app"},
        "status": ready(replicas=1)["status"],
    }
    assert of(member, 0) is None
    first = of(member, 1)
    assert first is not None
    await member.pass_time(30)
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.until(lambda: content(member)["status"] == ready()["status"])
    later = of(member, 1)
    assert later is not None
    assert later.observation_time > first.observation_time


async def test_the_time_stays_while_the_status_does(member: Member):
    await mirrored(member)
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.available()
    before = of(member, 1)
    await member.pass_time(30)
    await member.member.edit("ConfigMap", "settings", {"data": {"more": "1"}}, "app")
    await member.pass_time(30)
    assert of(member, 1) == before


async def test_nothing_comes_back_unless_it_is_asked_for(member: Member):
    await mirrored(member)
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.until(lambda: of(member, 1))
    disabled = {"spec": {"reportBackStrategy": {"type": "Disabled", "destination": None}}}
    await member.hub.edit(WORK, "web", disabled, NAMESPACE)
    await member.until(lambda: of(member, 1) is None)
