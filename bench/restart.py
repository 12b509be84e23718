"""A hub with 1,000 placements on 100 clusters is started again: how long until it is at rest, with how much memory.

One placement is made by an embedded fleet, the others are copies of it (see ``copies``): 100,000 bindings and as
many Works. ``BENCH_PLACEMENTS`` and ``BENCH_CLUSTERS`` make it smaller. The agents of the members are elsewhere.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench.copies import multiply
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
CLUSTERS = int(os.environ.get("BENCH_CLUSTERS", "100"))
_AVAILABLE = placement_condition("ClusterResourcePlacement", AVAILABLE)


def name_of(number: int) -> str:
    return f"app-{number:04d}"


async def place(data: Path) -> None:
    """Create the first placement, and wait until it is available everywhere."""
    client = Client(HttpTransport(load(data / "kubeconfig", context="hub")))
    try:
        await _application(client, name_of(0))
        async with client.watch(ClusterResourcePlacement, initial_events=True) as watch:
            async for event in watch:
                found = event.object
                done = None if found is None else find_condition(found.status.conditions, _AVAILABLE)
                if done is not None and done.status == "True":
                    return
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
        run(multiply(data / "echelon.db", name_of(0), [name_of(number) for number in range(1, PLACEMENTS)]))
        with hub(data, []) as again:
            rest = seconds_to_rest(again)
            memory = again.process.memory() / 1e6
    what = f"restart with {PLACEMENTS:,} placements on {CLUSTERS} clusters"
    emit(
        [
            Figure(f"{what}: until ready", again.ready, "s"),
            Figure(f"{what}: until at rest", rest, "s", 60.0),
            Figure(f"{what}: memory", memory, "MB", 1500.0),
        ]
    )


if __name__ == "__main__":
    main()
