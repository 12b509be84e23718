"""Whenever the controller of members is killed, what it leaves behind is finished by the next."""

from __future__ import annotations

from ..agent.crashes import Deaths, surviving
from .fleet import Fleet


async def live(fleet: Fleet, name: str) -> None:
    """A member joins, reports, leaves."""
    await fleet.joined(name)
    await fleet.work(member=name)
    await fleet.remove(name)
    await fleet.until(lambda: (found := fleet.internal(name)) and found.spec.state == "Leave")
    await fleet.report(name, joined="False")
    await fleet.gone(name)


async def test_killed_at_each_write_members_join_and_leave_all_the_same(bare: Fleet):
    for at in range(1, 40):
        deaths = Deaths(at)
        async with surviving(bare.start, deaths):
            await live(bare, f"member-{at}")
        await bare.stop()
        assert bare.hub.find("Namespace", f"fleet-member-member-{at}") is None
        if not deaths.killed:
            break
    assert not deaths.killed
    assert at > 8
