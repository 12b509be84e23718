"""Staged rollouts on an embedded fleet, driven and observed through a client of the hub."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from echelon.api import names
from echelon.api.binding import BOUND, ClusterResourceBinding
from echelon.api.conditions import SUCCEEDED, find_condition
from echelon.api.meta import LabelSelector, ObjectMeta, Resource
from echelon.api.placement import ClusterResourcePlacement, PlacementSpec, ResourceSelector, RolloutStrategy
from echelon.api.snapshot import ClusterResourceSnapshot
from echelon.api.staged import (
    ClusterStagedUpdateRun,
    ClusterStagedUpdateStrategy,
    StageConfig,
    UpdateRunSpec,
    UpdateStrategySpec,
)
from echelon.apiserver import Database, summarize
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.local.fleet import EmbeddedFleet, FleetOptions
from echelon.local.members import MemberSpec

CONFIG_MAP = Unstructured(Resource("", "v1", "configmaps", "ConfigMap", namespaced=True))
NAMESPACE = Unstructured(Resource("", "v1", "namespaces", "Namespace", namespaced=False))
NAME = "bench"


class Bench:
    """One placement of a namespace with a ConfigMap on all members of a fleet."""

    def __init__(self, fleet: EmbeddedFleet) -> None:
        self.fleet = fleet
        self.client: Client = fleet.hub.administrator("bench")
        self._version = 0

    def writes(self) -> int:
        """How many writes the hub has stored so far."""
        return self.fleet.hub.server.objects.keyspace.revision

    async def set_up(self, stages: Sequence[StageConfig]) -> None:
        client = self.client
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}, NAMESPACE)
        await client.create(_config_map("0"), CONFIG_MAP)
        await client.create(
            ClusterStagedUpdateStrategy(metadata=ObjectMeta(name=NAME), spec=UpdateStrategySpec(stages=tuple(stages)))
        )
        await client.create(
            ClusterResourcePlacement(
                metadata=ObjectMeta(name=NAME),
                spec=PlacementSpec(
                    resource_selectors=(ResourceSelector(group="", version="v1", kind="Namespace", name=NAME),),
                    strategy=RolloutStrategy(type="External"),
                ),
            )
        )
        await self._until_snapshot(0)

    async def change(self) -> str:
        """Change the ConfigMap; the index of the snapshot that holds the change."""
        self._version += 1
        patch = MergePatch({"data": {"version": str(self._version)}})
        await self.client.patch(CONFIG_MAP, (NAME, NAME), patch)
        await self._until_snapshot(self._version)
        return str(self._version)

    async def _until_snapshot(self, index: int) -> None:
        name = names.resource_snapshot(NAME, index)
        async with self.client.watch(ClusterResourceSnapshot, initial_events=True) as watch:
            async for event in watch:
                if event.object is not None and event.object.metadata.name == name:
                    return

    async def roll_out(self, index: str) -> float:
        """Run the strategy for a snapshot; seconds from the creation of the run to its success."""
        loop = asyncio.get_running_loop()
        name = f"run-{index}"
        began = loop.time()
        run = ClusterStagedUpdateRun(
            metadata=ObjectMeta(name=name),
            spec=UpdateRunSpec(
                placement_name=NAME, resource_snapshot_index=index, staged_rollout_strategy_name=NAME, state="Run"
            ),
        )
        await self.client.create(run)
        async with self.client.watch(
            ClusterStagedUpdateRun, initial_events=True, fields=f"metadata.name={name}"
        ) as watch:
            async for event in watch:
                if event.object is not None:
                    done = find_condition(event.object.status.conditions, SUCCEEDED)
                    if done is not None:
                        if done.status != "True":
                            raise RuntimeError(f"{name} failed: {done.message}")
                        return loop.time() - began
        raise RuntimeError(f"the watch of {name} ended before it did")

    async def starts(self, index: str) -> list[float]:
        """When each member was given a snapshot, as the hub shows it, in the order in which it was."""
        loop = asyncio.get_running_loop()
        wanted = names.resource_snapshot(NAME, index)
        seen: dict[str, float] = {}
        async with self.client.watch(ClusterResourceBinding, initial_events=True) as watch:
            async for event in watch:
                if event.object is None:
                    continue
                spec = event.object.spec
                if spec.state == BOUND and spec.resource_snapshot_name == wanted:
                    seen.setdefault(spec.target_cluster, loop.time())
                if len(seen) == len(self.fleet.clusters) - 1:
                    break
        return sorted(seen.values())


def stage(name: str, max_concurrency: int | str = 1) -> StageConfig:
    """A stage of the members that carry its name as the label ``stage``."""
    selector = LabelSelector(match_labels={"stage": name})
    return StageConfig(name=name, label_selector=selector, max_concurrency=max_concurrency)


def members(stages: Sequence[tuple[str, int]]) -> list[MemberSpec]:
    """Members for stages of these sizes."""
    return [MemberSpec(f"{name}-{number:04d}", {"stage": name}) for name, count in stages for number in range(count)]


@asynccontextmanager
async def fleet_of(specs: Sequence[MemberSpec]) -> AsyncIterator[Bench]:
    """A fleet on fresh data on disk."""
    with tempfile.TemporaryDirectory() as folder:
        database: Database[Any] = Database.open(Path(folder) / "echelon.db", summarize=summarize)
        fleet = EmbeddedFleet(database, FleetOptions(admin_token="bench"))
        try:
            await fleet.start(specs)
            yield Bench(fleet)
        finally:
            await fleet.close()
            await database.close()


def _config_map(version: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAME},
        "data": {"version": version},
    }
