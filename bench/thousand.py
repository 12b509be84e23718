"""One placement of a ConfigMap of 1 KB to 1,000 members: from its creation until it is available everywhere."""

from __future__ import annotations

import asyncio

from bench.figures import Figure, emit, peak_memory
from bench.rollouts import CONFIG_MAP, NAME, NAMESPACE, Bench, fleet_of, members
from echelon.api.conditions import AVAILABLE, find_condition, placement_condition
from echelon.api.meta import ObjectMeta
from echelon.api.placement import (
    ClusterResourcePlacement,
    PlacementSpec,
    ResourceSelector,
    RollingUpdateConfig,
    RolloutStrategy,
)
from echelon.cli.loop import run

MEMBERS = 1000
SIZE = 1024


async def measure() -> list[Figure]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with fleet_of(members([("all", MEMBERS)])) as bench:
        joined = loop.time() - began
        before = bench.writes()
        seconds = await place(bench)
        writes = (bench.writes() - before) / MEMBERS
    return [
        Figure("1,000 members start and join", joined, "s"),
        Figure("1 KB placed on 1,000 members, until available everywhere", seconds, "s"),
        Figure("API writes a member for it, its binding included, all writers", writes, "writes"),
        Figure("memory, hub and 1,000 members in one process", peak_memory(), "MB"),
    ]


async def place(bench: Bench) -> float:
    """Place the ConfigMap by a rolling update that may have all members unavailable; seconds until all have it."""
    client, loop = bench.client, asyncio.get_running_loop()
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}, NAMESPACE)
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": NAME}}
    await client.create({**config_map, "data": {"payload": "x" * SIZE}}, CONFIG_MAP)
    strategy = RolloutStrategy(type="RollingUpdate", rolling_update=RollingUpdateConfig(max_unavailable="100%"))
    began = loop.time()
    await client.create(
        ClusterResourcePlacement(
            metadata=ObjectMeta(name=NAME),
            spec=PlacementSpec(
                resource_selectors=(ResourceSelector(group="", version="v1", kind="Namespace", name=NAME),),
                strategy=strategy,
            ),
        )
    )
    wanted = placement_condition("ClusterResourcePlacement", AVAILABLE)
    async with client.watch(ClusterResourcePlacement, initial_events=True, timeout=1800) as watch:
        async for event in watch:
            found = None if event.object is None else find_condition(event.object.status.conditions, wanted)
            if found is not None and found.status == "True":
                return loop.time() - began
    raise RuntimeError("the watch of the placement ended before it was available")


if __name__ == "__main__":
    emit(run(measure()))
