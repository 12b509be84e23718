"""Writes that fail now and then, in every path: the controllers come to the same end, only later."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from echelon.api.policy import PlacementPolicy
from echelon.api.work import Work
from echelon.kube.errors import ApiError, Conflict, ServerError, Unreachable

from .agents import FakeAgents
from .hub import APPROVAL, Hub, Written, stage


def every(turn: int, offset: int, error: type[ApiError]) -> Callable[[str, str], None]:
    """Fails every so many writes, before they are sent."""
    count = offset

    def before_write(method: str, path: str) -> None:
        nonlocal count
        count += 1
        if count % turn == 0:
            raise error(f"{method} {path} is refused")

    return before_write


async def live_and_die(hub: Hub, agents: FakeAgents) -> None:
    for name in ("a", "b", "c"):
        await hub.join(name, env="one" if name == "a" else "two")
    await hub.configure("content 0")
    await hub.place(policy=PlacementPolicy(placement_type="PickFixed", cluster_names=("a", "b", "c")))
    await hub.plan(stage("one", env="one"), stage("two", APPROVAL, concurrency=2, env="two"))
    await hub.start("first")
    await hub.approve("first-before-two")
    await hub.succeeded("first")
    await hub.configure("content 1")
    await hub.edit(hub.scope.placement, "web", {"spec": {"policy": {"clusterNames": ["a", "b"]}}})
    await hub.until(lambda: hub.bound_to() == {"a": "Bound", "b": "Bound", "c": "Unscheduled"})
    await hub.start("second")
    await hub.approve("second-before-two")
    await hub.succeeded("second")
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert {member: agents.got(member) for member in "abc"} == {"a": ["0", "1"], "b": ["0", "1"], "c": ["0"]}
    for run in ("first", "second"):
        await hub.delete(hub.scope.run, run)
    await hub.delete(hub.scope.placement, "web")
    made = (hub.scope.binding, hub.scope.snapshot, hub.scope.policy_snapshot, hub.scope.approval, hub.scope.run, Work)
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None and not any(hub.all(kind) for kind in made))


@pytest.mark.parametrize("error", [Conflict, ServerError, Unreachable])
@pytest.mark.parametrize(("turn", "offset"), [(2, 0), (3, 1), (4, 2)])
async def test_writes_that_are_refused(
    bare_hub: Hub, agents: FakeAgents, error: type[ApiError], turn: int, offset: int
) -> None:
    await bare_hub.start_controllers(before_write=every(turn, offset, error))
    await live_and_die(bare_hub, agents)


@pytest.mark.parametrize(("turn", "offset"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
async def test_answers_that_are_lost(bare_hub: Hub, agents: FakeAgents, turn: int, offset: int) -> None:
    """The write took place, and nobody knows."""
    count = offset

    def loses(written: Written) -> bool:
        nonlocal count
        count += written.user == "controllers"
        return written.user == "controllers" and count % turn == 0

    bare_hub.loses = loses
    await bare_hub.start_controllers()
    await live_and_die(bare_hub, agents)
