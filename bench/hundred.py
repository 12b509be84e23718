"""A hundred runs at once, each of a placement of its own over the same 100 members in stages of 20, 30 and 50."""

from __future__ import annotations

import asyncio
import os

from bench.figures import Figure, emit, peak_memory, quantile, spread
from bench.rollouts import CONFIG_MAP, NAMESPACE, Bench, fleet_of, members, stage
from echelon.api import names
from echelon.api.conditions import SUCCEEDED, find_condition
from echelon.api.meta import ObjectMeta
from echelon.api.placement import ClusterResourcePlacement, PlacementSpec, ResourceSelector, RolloutStrategy
from echelon.api.snapshot import ClusterResourceSnapshot, ClusterSchedulingPolicySnapshot
from echelon.api.staged import (
    ClusterStagedUpdateRun,
    ClusterStagedUpdateStrategy,
    UpdateRunSpec,
    UpdateStrategySpec,
)
from echelon.cli.loop import run

STAGES = (("small", 20), ("medium", 30), ("large", 50))
RUNS = int(os.environ.get("BENCH_RUNS", "100"))
STRATEGY = "bench"


def name_of(number: int) -> str:
    return f"app-{number:03d}"


async def measure() -> list[Figure]:
    async with fleet_of(members(STAGES)) as bench:
        await set_up(bench)
        before = bench.writes()
        seconds = await roll_out(bench)
        writes = (bench.writes() - before) / (RUNS * sum(count for _, count in STAGES))
    return [
        Figure(f"{RUNS} runs at once over 100 members each, p90", quantile(seconds, 0.9), "s", 15.0, spread(seconds)),
        Figure("API writes a member of them, all writers", writes, "writes", 6.0),
        Figure("memory, hub and 100 members meanwhile", peak_memory(), "MB"),
    ]


async def set_up(bench: Bench) -> None:
    """The placements, each of a namespace with a ConfigMap, scheduled and with a snapshot."""
    client = bench.client
    stages = tuple(stage(name, "50%") for name, _ in STAGES)
    await client.create(
        ClusterStagedUpdateStrategy(metadata=ObjectMeta(name=STRATEGY), spec=UpdateStrategySpec(stages=stages))
    )
    for number in range(RUNS):
        await _application(bench, name_of(number))
    await _until(bench, ClusterResourceSnapshot, {names.resource_snapshot(name_of(n), 0) for n in range(RUNS)})
    await _until(
        bench,
        ClusterSchedulingPolicySnapshot,
        {names.policy_snapshot(name_of(number), 0) for number in range(RUNS)},
        scheduled=True,
    )


async def _application(bench: Bench, name: str) -> None:
    client = bench.client
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, NAMESPACE)
    metadata = {"name": "settings", "namespace": name}
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}, CONFIG_MAP)
    selector = ResourceSelector(group="", version="v1", kind="Namespace", name=name)
    spec = PlacementSpec(resource_selectors=(selector,), strategy=RolloutStrategy(type="External"))
    await client.create(ClusterResourcePlacement(metadata=ObjectMeta(name=name), spec=spec))


async def _until(
    bench: Bench,
    kind: type[ClusterResourceSnapshot] | type[ClusterSchedulingPolicySnapshot],
    wanted: set[str],
    *,
    scheduled: bool = False,
) -> None:
    """Wait until all these snapshots are there, and scheduled when that is asked for."""
    async with bench.client.watch(kind, initial_events=True, timeout=1800) as watch:
        async for event in watch:
            found = event.object
            status = None if found is None else getattr(found, "status", None)
            if found is not None and (not scheduled or (status is not None and status.conditions)):
                wanted.discard(found.metadata.name)
            if not wanted:
                return
    raise RuntimeError(f"the watch of {kind.resource.plural} ended before {len(wanted)} of them were as wanted")


async def roll_out(bench: Bench) -> list[float]:
    """Start all runs; how long each took from its creation to its success."""
    client, loop = bench.client, asyncio.get_running_loop()
    began: dict[str, float] = {}

    async def start(name: str) -> None:
        spec = UpdateRunSpec(
            placement_name=name, resource_snapshot_index="0", staged_rollout_strategy_name=STRATEGY, state="Run"
        )
        began[name] = loop.time()
        await client.create(ClusterStagedUpdateRun(metadata=ObjectMeta(name=name), spec=spec))

    took: dict[str, float] = {}
    async with client.watch(ClusterStagedUpdateRun, initial_events=True, timeout=1800) as watch:
        starting = asyncio.gather(*(start(name_of(number)) for number in range(RUNS)))
        async for event in watch:
            if event.object is None:
                continue
            name, done = event.object.metadata.name, find_condition(event.object.status.conditions, SUCCEEDED)
            if done is not None and done.status != "True":
                raise RuntimeError(f"{name} failed: {done.message}")
            if done is not None:
                took.setdefault(name, loop.time() - began[name])
            if len(took) == RUNS:
                break
        await starting
    return list(took.values())


if __name__ == "__main__":
    emit(run(measure()))
