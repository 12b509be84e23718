"""How many writes a staged run costs the hub, counted where the requests arrive."""

from __future__ import annotations

from collections import Counter

import pytest

from .agents import FakeAgents
from .hub import Hub, Written, stage

MEMBERS = 20
PER_MEMBER = 6
PER_RUN = 12  # finalizer, initialisation, end, approvals, and the status of the placement


def kinds(writes: list[Written]) -> Counter[str]:
    """What was written, without names: ``POST works``, ``PATCH clusterresourcebindings/status``."""
    found: Counter[str] = Counter()
    for write in writes:
        segments = write.path.split("/")[4:]
        if segments[0] == "namespaces":
            segments = segments[2:]
        found[" ".join([write.method, "/".join([segments[0], *segments[2:]])])] += 1
    return found


@pytest.mark.parametrize("concurrency", [1, 5, "50%", "100%"])
async def test_writes_for_each_member(hub: Hub, agents: FakeAgents, concurrency: int | str) -> None:
    for number in range(MEMBERS):
        await hub.join(f"member-{number:02}")
    await hub.configure("content 0")
    await hub.place()
    await hub.plan(stage("all", concurrency=concurrency))
    for index, name in enumerate(("first", "second")):
        await hub.configure(f"content {index}")
        await hub.until(lambda index=index: f"web-{index}-snapshot" in hub.masters())
        await hub.pass_time(5)
        before = len(hub.writes)
        await hub.start(name, index=str(index))
        await hub.succeeded(name)
        await hub.until(lambda: hub.is_placement("Available", "True"))
        await hub.pass_time(5)
        written = [write for write in hub.writes[before:] if write.user != "admin"]
        assert all(write.status < 300 for write in written), kinds([w for w in written if w.status >= 300])
        assert len(written) <= PER_MEMBER * MEMBERS + PER_RUN, kinds(written)
        assert [agents.got(f"member-{number:02}") for number in range(MEMBERS)] == [
            [str(done) for done in range(index + 1)]
        ] * MEMBERS
