"""One run over 100 members in stages of 20, 30 and 50, half of each stage at a time."""

from __future__ import annotations

from bench.figures import Figure, emit, peak_memory, quantile, spread
from bench.rollouts import fleet_of, members, stage
from echelon.cli.loop import run

STAGES = (("small", 20), ("medium", 30), ("large", 50))
RUNS = 10


async def measure() -> list[Figure]:
    seconds = []
    async with fleet_of(members(STAGES)) as bench:
        await bench.set_up([stage(name, "50%") for name, _ in STAGES])
        for _ in range(RUNS):
            index = await bench.change()
            seconds.append(await bench.roll_out(index))
    return [
        Figure("run over 100 members in 20/30/50 at 50 %, p50", quantile(seconds, 0.5), "s", None, spread(seconds, 2)),
        Figure("run over 100 members in 20/30/50 at 50 %, p90", quantile(seconds, 0.9), "s", 5.0),
        Figure("memory, hub and 100 members in one process", peak_memory(), "MB"),
    ]


if __name__ == "__main__":
    emit(run(measure()))
