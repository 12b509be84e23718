"""Which snapshot a run rolls out: the one it names, or what is selected at this moment."""

from __future__ import annotations

import pytest

from echelon.api.conditions import find_condition
from echelon.api.work import Work
from echelon.placement import PlacementSettings

from ..agents import Behaviour, FakeAgents
from ..hub import APPROVAL, Hub, stage
from .conftest import Prepare


def content(hub: Hub, member: str) -> str:
    (work,) = hub.works(member)
    found = [bytes(manifest).decode() for manifest in work.spec.workload.manifests]
    return next(text.split('"key":"')[1].split('"')[0] for text in found if '"ConfigMap"' in text)


async def test_an_older_index_rolls_back(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a", "b", contents=2)
    await hub.plan(stage("all"))
    await hub.start("forward", index="1")
    await hub.succeeded("forward")
    assert content(hub, "a") == "content 1"
    await hub.until(lambda: hub.placement().status.observed_resource_index == "1")
    await hub.start("back", index="0")
    await hub.succeeded("back")
    assert [content(hub, member) for member in "ab"] == ["content 0", "content 0"]
    assert agents.got("a") == ["1", "0"]
    assert hub.masters() == {"web-0-snapshot": "false", "web-1-snapshot": "true"}
    await hub.until(lambda: hub.placement().status.observed_resource_index == "0")
    assert hub.is_placement("Available", "True")


async def test_without_an_index_the_run_takes_what_is_selected_now(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare("a")
    await hub.plan(stage("all"))
    await hub.configure("just now")
    await hub.start()
    await hub.succeeded()
    assert hub.status().resource_snapshot_index_used == "1"
    assert content(hub, "a") == "just now"
    await hub.pass_time(10)
    assert hub.masters() == {"web-0-snapshot": "false", "web-1-snapshot": "true"}


async def test_without_an_index_and_without_a_change_the_latest_is_taken(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare("a", contents=2)
    await hub.plan(stage("all"))
    await hub.start()
    await hub.succeeded()
    assert hub.status().resource_snapshot_index_used == "1"
    assert list(hub.masters()) == ["web-0-snapshot", "web-1-snapshot"]


async def test_the_other_dialect_makes_snapshots_for_runs_only(
    bare_hub: Hub, agents: FakeAgents, kubefleet: PlacementSettings
) -> None:
    hub = bare_hub
    await hub.start_controllers(kubefleet)
    await hub.join("a")
    await hub.configure("one")
    await hub.place()
    await hub.until(lambda: hub.is_placement("Scheduled", "True"))
    await hub.pass_time(60)
    assert hub.masters() == {}
    await hub.plan(stage("all"))
    await hub.start()
    await hub.succeeded()
    await hub.configure("two")
    await hub.pass_time(60)
    assert list(hub.masters()) == ["web-0-snapshot"]
    await hub.start("second")
    await hub.succeeded("second")
    assert content(hub, "a") == "two"


@pytest.mark.parametrize("index", ["7", "00000000000000000007"])
async def test_an_index_that_is_not_there(hub: Hub, prepare: Prepare, index: str) -> None:
    await prepare("a")
    await hub.plan(stage("all"))
    await hub.start(index=index)
    await hub.until(lambda: hub.is_run("Initialized", "False", "UpdateRunInitializedFailed"))
    condition = hub.condition("Initialized")
    assert condition is not None
    assert condition.message == (
        "cannot continue the updateRun: failed to validate the updateRun: failed to process the request due to a "
        "client error: no resourceSnapshots with index `7` found for placement `web`"
    )


@pytest.mark.parametrize("index", ["-1", "one", "1.0", "²"])
async def test_an_index_that_is_none(hub: Hub, prepare: Prepare, index: str) -> None:
    await prepare("a")
    await hub.plan(stage("all"))
    await hub.start(index=index)
    await hub.until(lambda: hub.is_run("Initialized", "False"))
    condition = hub.condition("Initialized")
    assert condition is not None
    assert condition.message.endswith(f"invalid resource snapshot index `{index}` provided, expected an integer >= 0")


async def test_what_a_member_has_is_kept_beyond_the_history(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a", contents=2, history=2)
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.succeeded()
    for value in range(3, 6):
        await hub.configure(f"content {value}")
        await hub.until(lambda value=value: f"web-{value - 1}-snapshot" in hub.masters())
    await hub.until(lambda: list(hub.masters()) == ["web-0-snapshot", "web-3-snapshot", "web-4-snapshot"])
    assert hub.placement().status.observed_resource_index == "0"


async def test_a_snapshot_that_is_deleted_under_a_run_stops_nothing_that_has_it(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    await prepare("a", contents=2)
    await hub.plan(stage("all"))
    await hub.start(index="0")
    await hub.succeeded()
    works = hub.all(Work)
    await hub.delete(hub.scope.snapshot, "web-0-snapshot")
    await hub.pass_time(10)
    assert hub.all(Work) == works
    agents.behave("a", Behaviour.NOT_YET)
    await hub.until(lambda: find_condition(hub.binding("a").status.conditions, "Available").status == "False")  # type: ignore[union-attr]


async def test_a_snapshot_that_is_deleted_before_its_member_is_reached(
    hub: Hub, agents: FakeAgents, prepare: Prepare
) -> None:
    """The run waits, and the binding and the placement say for what."""
    await prepare("a", contents=2)
    await hub.plan(stage("all", APPROVAL))
    await hub.start(index="0")
    await hub.until(lambda: hub.find(hub.scope.approval, "first-before-all"))
    await hub.delete(hub.scope.snapshot, "web-0-snapshot")
    await hub.approve("first-before-all")
    await hub.until(lambda: find_condition(hub.binding("a").status.conditions, "WorkSynchronized"))
    condition = find_condition(hub.binding("a").status.conditions, "WorkSynchronized")
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "SyncWorkFailed")
    assert condition.message == (
        "Failed to synchronize the work to the latest: the resource snapshot web-0-snapshot, which the binding names, "
        "is gone"
    )
    assert not hub.works("a")
    await hub.start("second", index="1")
    await hub.approve("second-before-all")
    await hub.succeeded("second")
