"""The hub's overhead a member: from the start of one to the start of the next, one at a time."""

from __future__ import annotations

import asyncio
import itertools

from bench.figures import Figure, emit, quantile, spread
from bench.rollouts import fleet_of, members, stage
from echelon.cli.loop import run

MEMBERS = 50
RUNS = 4


async def measure() -> list[Figure]:
    gaps: list[float] = []
    writes: list[float] = []
    async with fleet_of(members([("all", MEMBERS)])) as bench:
        await bench.set_up([stage("all")])
        for _ in range(RUNS):
            index = await bench.change()
            before = bench.writes()
            watching = asyncio.create_task(bench.starts(index))
            await bench.roll_out(index)
            moments = await watching
            writes.append((bench.writes() - before) / MEMBERS)
            gaps += [(later - earlier) * 1000 for earlier, later in itertools.pairwise(moments)]
    return [
        Figure("hub overhead a member, p50", quantile(gaps, 0.5), "ms", 50.0, spread(gaps)),
        Figure("hub overhead a member, p99", quantile(gaps, 0.99), "ms", 250.0),
        Figure("API writes a member, all writers", max(writes), "writes", 6.0, spread(writes, 2)),
    ]


if __name__ == "__main__":
    emit(run(measure()))
