"""A hub with 1,000 placements on 100 clusters is started again: how long until it is at rest, with how much memory.

It takes long to set up, as every object is written by the controllers that would write it, so this scenario
runs only when it is named. ``BENCH_PLACEMENTS`` makes it smaller. Members are embedded: their API servers and
agents are part of the process and of its memory.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench.figures import Figure, emit
from bench.hubs import hub, seconds_to_rest
from bench.rollouts import CONFIG_MAP, NAMESPACE
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
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import load

PLACEMENTS = int(os.environ.get("BENCH_PLACEMENTS", "1000"))
CLUSTERS = 100
_AVAILABLE = placement_condition("ClusterResourcePlacement", AVAILABLE)


async def place(data: Path) -> None:
    """Create all placements, and wait until each is available everywhere."""
    client = Client(HttpTransport(load(data / "kubeconfig", context="hub")))
    waiting = {f"app-{number:04d}" for number in range(PLACEMENTS)}
    try:
        for name in sorted(waiting):
            await _application(client, name)
        while waiting:
            async with client.watch(ClusterResourcePlacement, initial_events=True) as watch:
                async for event in watch:
                    found = None if event.object is None else event.object
                    done = None if found is None else find_condition(found.status.conditions, _AVAILABLE)
                    if found is not None and done is not None and done.status == "True":
                        waiting.discard(found.metadata.name)
                    if not waiting:
                        break
    finally:
        await client.close()


async def _application(client: Client, name: str) -> None:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, NAMESPACE)
    metadata = {"name": "settings", "namespace": name}
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}, CONFIG_MAP)
    strategy = RolloutStrategy(type="RollingUpdate", rolling_update=RollingUpdateConfig(max_unavailable="100%"))
    selector = ResourceSelector(group="", version="v1", kind="Namespace", name=name)
    spec = PlacementSpec(resource_selectors=(selector,), strategy=strategy)
    await client.create(ClusterResourcePlacement(metadata=ObjectMeta(name=name), spec=spec))


def main() -> None:
    members = [f"member-{number:03d}" for number in range(CLUSTERS)]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with hub(data, members):
            run(place(data))
        with hub(data, members) as again:
            rest = seconds_to_rest(again)
            memory = again.process.memory() / 1e6
    what = f"restart with {PLACEMENTS:,} placements on {CLUSTERS} clusters"
    emit(
        [
            Figure(f"{what}: until ready", again.ready, "s"),
            Figure(f"{what}: until at rest", rest, "s", 60.0),
            Figure(f"{what}: memory, members included", memory, "MB", 1500.0),
        ]
    )


if __name__ == "__main__":
    main()
