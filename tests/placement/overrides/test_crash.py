"""Kill the hub's controllers at every write of the life of an override: it ends as if nothing had happened.

A life takes many writes, so each process of a life is killed after a few of its own; the first one
after more and more of them, so that every write is the last of some process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from echelon.api.cluster import MemberCluster
from echelon.api.override import ClusterResourceOverride, ResourceOverride
from echelon.api.work import Work

from ..agents import FakeAgents
from ..hub import Hub, stage
from ..test_crash import FaultPoint, Killed
from .hubs import SNAPSHOTS, annotates, got, remove, roll, says, snapshots, value, write
from .values import operation, patch

STRIDE = 7  # writes of a process that another one left its work to


@asynccontextmanager
async def controllers_that_die(hub: Hub, first: int) -> AsyncIterator[None]:
    """Controllers of which the first process dies in place of that write (from 0), and each after it later."""

    async def keep_alive(working: asyncio.Task[None]) -> None:
        while True:
            await asyncio.wait({working})
            assert isinstance(working.exception(), Killed)
            working = await hub.start_controllers(before_write=FaultPoint(STRIDE))

    keeping = asyncio.create_task(keep_alive(await hub.start_controllers(before_write=FaultPoint(first))))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await hub.stop_controllers()


async def available(hub: Hub) -> None:
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await hub.pass_time(2)


async def live_and_die(hub: Hub) -> None:
    """An override comes, changes and goes, under a placement that rolls out by itself."""
    await write(hub, ClusterResourceOverride, "a", annotates("cluster"))
    await roll(hub)
    await available(hub)
    assert got(hub, "m")["metadata"]["annotations"] == {"by": "cluster"}
    await write(hub, ResourceOverride, "a", says("one"))
    await hub.until(lambda: value(hub, "m") == "one")
    await write(hub, ResourceOverride, "a", says("two"))
    await hub.until(lambda: value(hub, "m") == "two")
    await available(hub)
    assert snapshots(hub, ResourceOverride) == {"a-0": "false", "a-1": "true"}
    assert snapshots(hub, ClusterResourceOverride) == {"a-0": "true"}
    for kind in (ResourceOverride, ClusterResourceOverride):
        await remove(hub, kind, "a")
    await hub.until(lambda: value(hub, "m") == "content")
    await available(hub)
    assert hub.is_placement("Overridden", "True", "NoOverrideSpecified")
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
    await hub.pass_time(2)


async def test_the_hub_dies_at_every_write(bare_hub: Hub, agents: FakeAgents) -> None:
    hub = bare_hub
    await hub.join("m")
    await hub.configure("content")
    for position in range(STRIDE + 1):
        async with controllers_that_die(hub, position):
            await live_and_die(hub)
            made = (*SNAPSHOTS, *SNAPSHOTS.values(), hub.scope.binding, Work)
            assert [hub.all(kind) for kind in made] == [[]] * len(made), f"killed at write {position}"
        await hub.beat("m")


async def run_and_end(hub: Hub, agents: FakeAgents) -> None:
    """A staged run gives an override, though it has changed by then; the next one gives the change."""
    await write(hub, ResourceOverride, "a", says("one"))
    await hub.place()
    await hub.start("first", state="Initialize")
    await hub.until(lambda: hub.is_run("Initialized", "True"))
    await write(hub, ResourceOverride, "a", says("two"))
    await hub.until(lambda: "a-1" in snapshots(hub, ResourceOverride))
    before = len(agents.effects)
    await hub.set_state("Run")
    await hub.succeeded("first")
    assert value(hub, "m") == "one"
    await hub.start("second")
    await hub.succeeded("second")
    assert value(hub, "m") == "two"
    await available(hub)
    assert len(agents.effects) == before + 2
    for run in ("first", "second"):
        await hub.delete(hub.scope.run, run)
    await hub.delete(hub.scope.placement, "web")
    await remove(hub, ResourceOverride, "a")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None and not hub.all(hub.scope.run))
    await hub.until(lambda: not hub.all(ResourceOverride))
    await hub.pass_time(2)


async def test_the_hub_dies_at_every_write_of_a_run(bare_hub: Hub, agents: FakeAgents) -> None:
    hub = bare_hub
    await hub.join("m")
    await hub.configure("content")
    await hub.plan(stage("all"))
    for position in range(STRIDE + 1):
        async with controllers_that_die(hub, position):
            await run_and_end(hub, agents)
        assert not hub.all(Work), f"killed at write {position}"
        await hub.beat("m")


async def test_a_run_that_has_succeeded_has_brought_the_label_wherever_the_hub_died(
    bare_hub: Hub, agents: FakeAgents
) -> None:
    """The spec of the binding stays, and what was reported of the label before is no report of this one."""
    hub = bare_hub
    await hub.join("m", tier="begin")
    await hub.configure("content")
    await hub.plan(stage("all"))
    label = patch(operation("replace", "/data/key", "${MEMBER-CLUSTER-LABEL-KEY-tier}"))
    await hub.start_controllers()
    await write(hub, ResourceOverride, "a", label)
    await hub.place()
    await hub.start("begin")
    await hub.succeeded("begin")
    await hub.stop_controllers()
    for position in range(STRIDE + 1):
        async with controllers_that_die(hub, position):
            await hub.edit(MemberCluster, "m", {"metadata": {"labels": {"tier": f"at-{position}"}}})
            await hub.start(f"run-{position}", index="0")
            await hub.succeeded(f"run-{position}")
            assert value(hub, "m") == f"at-{position}", f"killed at write {position}"
        await hub.beat("m")
