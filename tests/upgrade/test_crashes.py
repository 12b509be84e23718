"""The controller of runs killed at every one of its writes: the end, and all that was done, are those of an
undisturbed run.

One run has it all: gates that a person opens and one that time opens, a wait, a skip, a failure and a second attempt,
a request that is taken back, members selected late, and in the end its own deletion. Every write of the controller is
in it, those of gates included; the writes of providers are in ``providers/test_crash.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.upgrade import ClusterUpgrade
from echelon.upgrade.fleet import member_name

from .hub import Hub, order, stage
from .provider import FAIL, Behaviour, FakeProvider
from .providers.world import KillAt, Killed

WRITES = 40
APPROVAL = [{"type": "Approval"}]
EARLY = {"startDay": "Monday", "startTime": "09:05", "utcOffset": "+00:00"}
STAGES = order(
    stage(
        "one",
        {"name": "a", "maxConcurrency": 2, "beforeGates": APPROVAL},
        "b",
        beforeGates=[{"type": "ScheduledStart", "scheduledStartConfiguration": EARLY}],
        afterGates=APPROVAL,
        afterStageWaitInSeconds=60,
    ),
    stage("two", memberSelector={"byLabel": "ring=late"}),
)
HELD_UNTIL = Behaviour(held="the platform's window is closed", not_before="2026-03-02T09:20:00Z")


class Counted(KillAt):
    """Counts writes and lets them be."""

    def __init__(self) -> None:
        super().__init__(0)
        self.count = 0

    def __call__(self, method: str, path: str) -> None:
        self.count += 1


@asynccontextmanager
async def controllers(hub: Hub, kill: KillAt) -> AsyncIterator[None]:
    """Controllers that are started again each time they die."""

    async def keep_alive() -> None:
        while True:
            process = await hub.start_controllers(before_write=kill)
            await asyncio.wait([process])
            assert isinstance(process.exception(), Killed), process.exception()

    keeper = asyncio.create_task(keep_alive())
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
        await hub.stop_controllers()


async def play(hub: Hub, provider: FakeProvider) -> dict[str, Any]:
    """What users do and providers answer; gives the end of the run."""
    provider.behave("m2", FAIL)
    provider.behave("m3", HELD_UNTIL)
    await hub.join("m1", "m2", group="a")
    await hub.join("m3", group="b")
    await hub.join("m4", "m5")
    await hub.create(strategy=STAGES)
    await hub.planned()
    await hub.start()
    for member in ("m4", "m5"):
        await hub.edit(MemberCluster, member, {"metadata": {"labels": {"ring": "late"}}})
    await hub.until(lambda: len(hub.members()) == 5)
    await hub.skip("Member:m5")
    await approve(hub, "a", "Before")
    await hub.ended("Failed")
    provider.behave("m2", Behaviour())
    await hub.start()
    await hub.until(lambda: hub.member("m2").state == "Completed")
    provider.behave("m3", Behaviour())
    await approve(hub, "", "After")
    await hub.ended()
    end = summary(hub)
    await hub.admin.delete(UpdateRun, "run")
    await hub.until(lambda: (hub.all(ClusterUpgrade), hub.all(Gate)) == ([], []))
    return end


async def approve(hub: Hub, group: str, timing: str) -> None:
    def pending() -> list[Gate]:
        return [
            gate
            for gate in hub.all(Gate)
            if (gate.spec.target.group, gate.spec.target.timing, gate.status.state) == (group, timing, "Pending")
        ]

    await hub.until(pending)
    await hub.approve(pending()[0])


def summary(hub: Hub) -> dict[str, Any]:
    """How a run, its gates and its upgrades are, without times."""
    status = hub.status()
    gates = [
        (gate.spec.target.stage, gate.spec.target.group, gate.spec.target.timing, gate.status.state)
        for gate in hub.all(Gate)
    ]
    return {
        "run": (status.state, status.failure_count, status.observed_attempt),
        "stages": [(found.state, found.failure_count, found.max_concurrency) for found in status.stages],
        "groups": [(group.name, group.state) for found in status.stages for group in found.groups],
        "members": {name: (one.state, one.attempt, one.message) for name, one in hub.members().items()},
        "gates": sorted(gates),
        "upgrades": sorted((member_name(found), found.spec.attempt) for found in hub.all(ClusterUpgrade)),
        "said": hub.condition("Succeeded"),
    }


BEGUN = [("m1", 1), ("m2", 1), ("m2", 2), ("m3", 2), ("m4", 2)]
END = {
    "run": ("Completed", 0, 2),
    "stages": [("Completed", 0, 50), ("Completed", 0, 50)],
    "groups": [("a", "Completed"), ("b", "Completed"), ("two", "Completed")],
    "members": {
        "m1": ("Completed", 1, ""),
        "m2": ("Completed", 2, ""),
        "m3": ("Completed", 2, ""),
        "m4": ("Completed", 2, ""),
        "m5": ("Skipped", 0, "skipped by the user"),
    },
    "gates": [
        ("one", "", "After", "Completed"),
        ("one", "", "Before", "Completed"),
        ("one", "a", "Before", "Completed"),
    ],
    "upgrades": BEGUN,
    "said": ("True", "Completed", "The run has ended; members: 4 Completed, 1 Skipped"),
}


async def test_undisturbed(bare_hub: Hub, provider: FakeProvider) -> None:
    """What the others are held to; also keeps the number of writes true."""
    writes = Counted()
    async with controllers(bare_hub, writes):
        assert await play(bare_hub, provider) == END
    assert sorted(provider.begun) == BEGUN
    assert writes.count == WRITES


@pytest.mark.parametrize("write", range(1, WRITES + 1))
async def test_killed_at(bare_hub: Hub, provider: FakeProvider, write: int) -> None:
    async with controllers(bare_hub, KillAt(write)):
        assert await play(bare_hub, provider) == END
    assert sorted(provider.begun) == BEGUN
