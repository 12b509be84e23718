"""One cluster a test, with two nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import looptime
import pytest

from echelon.apiserver import Database, summarize

from .cluster import ClusterInVirtualTime, Rehearsed


@pytest.fixture
async def rehearsed() -> AsyncIterator[Rehearsed]:
    with looptime.enabled(strict=True):
        database = Database.open(None, summarize=summarize)
        cluster = ClusterInVirtualTime(database)
        await cluster.start()
        rehearsed = Rehearsed(cluster)
        rehearsed.workloads.begin()
        for name in ("n1", "n2"):
            await rehearsed.node(name)
        yield rehearsed
        await rehearsed.workloads.end()
        await cluster.close()
        await database.close()
