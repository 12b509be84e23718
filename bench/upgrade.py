"""Update runs: the engine alone, a run in virtual time, and a run over simulated members on an embedded hub.

The run on the hub upgrades the control planes of its members, which takes each of them a second. What the hub adds is
measured in two ways, both as its API shows them: from the end of an upgrade to the request of the one that takes its
place, and how much longer than its second each upgrade takes from request to end. Hub, members and agents share one
process, so the second has what all of them do in it, the work of the simulation included.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from bench.figures import Figure, emit, peak_memory, quantile, spread
from echelon.api.fleet import UpdateRun, UpdateRunSpec
from echelon.api.meta import ObjectMeta
from echelon.api.names import UPDATE_GROUP
from echelon.api.upgrade import ClusterUpgrade
from echelon.apiserver import Database, summarize
from echelon.cli.loop import run
from echelon.kube.client import Client
from echelon.local.fleet import EmbeddedFleet, FleetOptions
from echelon.local.members import MemberSpec
from echelon.local.simulation import SimulatedCluster, SimulatedPool
from echelon.rollout import (
    Assumptions,
    Facts,
    Group,
    Limit,
    Operation,
    Outcome,
    Plan,
    Progress,
    Stage,
    Window,
    decide,
    initial,
    simulate,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONCURRENCY = 50
ROUNDS = 50
TARGETS = 10_000
SIMULATED = 100_000
MEMBERS = 1_000
UPGRADE_SECONDS = 1.0
SETTLING = 5.0
"""Seconds in which a thousand members that have just joined say what they are."""


# -- the engine ---------------------------------------------------------------------------------


def plan_of(stages: int, groups: int, targets: int) -> Plan:
    """So many targets in all, as many in each group."""
    each = targets // stages // groups
    limit = Limit(CONCURRENCY)

    def group(stage: int, number: int) -> Group:
        names = tuple(f"member-{stage}-{number}-{target}" for target in range(each))
        return Group(f"group-{stage}-{number}", names, max_concurrency=limit)

    return Plan(
        tuple(
            Stage(f"stage-{stage}", tuple(group(stage, number) for number in range(groups)), max_concurrency=limit)
            for stage in range(stages)
        )
    )


def half_way(plan: Plan, windows: Mapping[str, Window]) -> tuple[Progress, Facts]:
    """A run of which half of the targets have ended, and the facts of a pass in which ten more have."""
    schedule = simulate(plan, NOW, Assumptions(duration=HOUR))
    assert schedule.ends_at is not None
    middle = NOW + (schedule.ends_at - NOW) / 2
    ended = {
        target.name: Operation(1, Outcome.SUCCEEDED, target.started_at, target.ended_at)
        for stage in schedule.progress.stages
        for group in stage.groups
        for target in group.targets
        if target.ended_at is not None and target.ended_at <= middle
    }
    progress = initial(plan)
    while True:  # what has ended is told as it is asked for
        decision = decide(plan, progress, Facts(operations=ended), middle)
        progress = decision.progress
        if not any(start.target in ended for start in decision.start):
            break
    running = {start.target: Operation(1, None, middle) for start in decision.start}
    progress = decide(plan, progress, Facts(operations=running), middle).progress
    news = dict.fromkeys(list(running)[:10], Operation(1, Outcome.SUCCEEDED, middle, middle))
    return progress, Facts(operations={**running, **news}, windows=windows)


def decisions(name: str, plan: Plan, windows: Mapping[str, Window]) -> Figure:
    progress, facts = half_way(plan, windows)
    samples = [timed(lambda: decide(plan, progress, facts, NOW + 2 * HOUR)) * 1000 for _ in range(ROUNDS)]
    return Figure(f"decide, {TARGETS:,} targets {name}, p50", quantile(samples, 0.5), "ms", 50.0, spread(samples))


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def engine() -> list[Figure]:
    """A decision half way through a run, for runs of several shapes."""
    flat, staged = plan_of(1, 1, TARGETS), plan_of(10, 10, TARGETS)
    tomorrow = Window(NOW + 24 * HOUR, NOW + 28 * HOUR)
    windows = dict.fromkeys(flat.places.targets, tomorrow)
    return [
        decisions("in one group", flat, {}),
        decisions("in 10 stages of 10 groups", staged, {}),
        decisions("with windows", flat, windows),
    ]


def virtual() -> Figure:
    """A whole run, start to end, in virtual time."""
    plan = plan_of(10, 10, SIMULATED)
    samples = [timed(lambda: simulate(plan, NOW, Assumptions(duration=HOUR))) for _ in range(3)]
    return Figure(f"run over {SIMULATED:,} members in virtual time", quantile(samples, 0.5), "s", 60.0, spread(samples))


# -- a run on a hub -----------------------------------------------------------------------------


class Seen:
    """When each upgrade was requested and when it ended, as the hub shows it."""

    def __init__(self) -> None:
        self.requested: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    async def follow(self, client: Client) -> None:
        """Watch until all members are through."""
        now = time.perf_counter
        async with client.watch(ClusterUpgrade, initial_events=True) as events:
            async for event in events:
                if event.object is None:
                    continue
                namespace = event.object.metadata.namespace
                self.requested.setdefault(namespace, now())
                if event.object.status.state == "Completed":
                    self.ended.setdefault(namespace, now())
                if len(self.ended) == MEMBERS:
                    return

    def gaps(self) -> list[float]:
        """From the end of each upgrade to the request of the one in its place, in ms."""
        requests, ends = sorted(self.requested.values()), sorted(self.ended.values())
        return [(later - end) * 1000 for later, end in zip(requests[CONCURRENCY:], ends, strict=False)]

    def delays(self) -> list[float]:
        """How much longer each upgrade took than the platform needs for it, in ms."""
        took = [self.ended[name] - requested for name, requested in self.requested.items()]
        return [(seconds - UPGRADE_SECONDS) * 1000 for seconds in took]


@asynccontextmanager
async def fleet() -> AsyncIterator[EmbeddedFleet]:
    """Members of one group, on fresh data on disk."""
    cluster = SimulatedCluster(pools=(SimulatedPool(nodes=1),), control_plane_seconds=UPGRADE_SECONDS)
    specs = [MemberSpec(f"member-{number:04}", {UPDATE_GROUP: "all"}, cluster=cluster) for number in range(MEMBERS)]
    with tempfile.TemporaryDirectory() as folder:
        database: Database[Any] = Database.open(Path(folder) / "echelon.db", summarize=summarize)
        fleet = EmbeddedFleet(database, FleetOptions(admin_token="bench"))
        try:
            await fleet.start(specs)
            await asyncio.sleep(SETTLING)
            yield fleet
        finally:
            await fleet.close()
            await database.close()


async def start(client: Client) -> None:
    group = {"name": "all", "maxConcurrency": CONCURRENCY}
    content = {
        "state": "Run",
        "managedClusterUpdate": {"upgrade": {"type": "ControlPlaneOnly", "kubernetesVersion": "1.33.1"}},
        "strategy": {"stages": [{"name": "all", "maxConcurrency": CONCURRENCY, "groups": [group]}]},
    }
    await client.create(UpdateRun(metadata=ObjectMeta(name="bench"), spec=msgspec.convert(content, UpdateRunSpec)))


async def until_ended(client: Client) -> None:
    async with client.watch(UpdateRun, initial_events=True) as events:
        async for event in events:
            if event.object is not None and event.object.status.completed_time is not None:
                if event.object.status.state != "Completed":
                    raise RuntimeError(f"the run ended as {event.object.status.state}: {event.object.status.error}")
                return


async def on_a_hub() -> list[Figure]:
    async with fleet() as embedded:
        client, seen = embedded.hub.administrator("bench"), Seen()
        keyspace = embedded.hub.server.objects.keyspace
        before, began = keyspace.revision, time.perf_counter()
        following = asyncio.create_task(seen.follow(client))
        await start(client)
        await until_ended(client)
        seconds, writes = time.perf_counter() - began, (keyspace.revision - before) / MEMBERS
        await following
    gaps, delays = seen.gaps(), seen.delays()
    what = f"update run, {MEMBERS:,} members, {CONCURRENCY} at a time"
    return [
        Figure(f"{what}: hub overhead a member, p50", quantile(gaps, 0.5), "ms", 50.0, spread(gaps)),
        Figure(f"{what}: hub overhead a member, p99", quantile(gaps, 0.99), "ms"),
        Figure(f"{what}: all overhead a member, p50", quantile(delays, 0.5), "ms", None, spread(delays)),
        Figure(f"{what}: hub writes a member", writes, "writes"),
        Figure(f"{what}: whole run", seconds, "s"),
        Figure(f"{what}: memory, all in one process", peak_memory(), "MB"),
    ]


if __name__ == "__main__":
    emit([*engine(), virtual(), *run(on_a_hub())])
