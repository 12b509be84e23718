"""The states of a run and what it may go to: every row of the reference's section 4.1, on a hub."""

from __future__ import annotations

import pytest

from echelon.api.fleet import Gate, UpdateRun, UpdateStrategy
from echelon.kube.errors import Invalid

from .hub import Hub, control_plane, order, stage, weekly
from .provider import FAIL, HANG, SKIP, Behaviour, FakeProvider

CLOSED = weekly("Friday", "22:00", 4)  # the tests begin on a Monday
APPROVAL = [{"type": "Approval"}]


async def running(hub: Hub, provider: FakeProvider, count: int = 2) -> None:
    """A run of so many members, the first of which is being upgraded."""
    provider.behave("m1", HANG)
    await hub.join(*(f"m{n + 1}" for n in range(count)))
    await hub.begin()
    await hub.until(lambda: hub.member("m1").state == "Running")


async def failed(hub: Hub, provider: FakeProvider) -> None:
    """A run whose first member has failed."""
    provider.behave("m1", FAIL)
    await hub.join("m1", "m2")
    await hub.begin()
    await hub.ended("Failed")


# -- NotStarted ---------------------------------------------------------------------------------


async def test_4_1_not_started_to_running(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1")
    await hub.create()
    await hub.planned()
    assert hub.state() == "NotStarted"
    await hub.pass_time(900)
    assert provider.begun == []
    await hub.start()
    await hub.until(lambda: hub.state() == "Running")
    assert hub.condition("Progressing")[:2] == ("True", "Running")


async def test_4_1_not_started_to_pending(hub: Hub) -> None:
    await hub.join("m1", window=CLOSED)
    await hub.begin()
    await hub.ended("Pending")


# -- Running ------------------------------------------------------------------------------------


async def test_4_1_running_to_pending(hub: Hub) -> None:
    await hub.join("m1")
    await hub.join("m2", window=CLOSED)
    await hub.begin()
    await hub.until(lambda: hub.state() == "Running")
    await hub.ended("Pending")
    assert hub.states() == {"m1": "Completed", "m2": "Pending"}


async def test_4_1_running_to_failed(hub: Hub, provider: FakeProvider) -> None:
    await failed(hub, provider)
    assert hub.states() == {"m1": "Failed", "m2": "NotStarted"}


async def test_4_1_running_to_stopping_to_stopped(hub: Hub, provider: FakeProvider) -> None:
    await running(hub, provider)
    await hub.stop()
    await hub.ended("Stopping")
    assert hub.member("m1").state == "Running"
    provider.behave("m1", Behaviour())
    await hub.ended("Stopped")
    assert hub.states() == {"m1": "Completed", "m2": "NotStarted"}


async def test_4_1_running_to_completed(hub: Hub) -> None:
    await hub.join("m1", "m2")
    await hub.begin()
    await hub.ended("Completed")
    assert hub.condition("Succeeded") == ("True", "Completed", "The run has ended; members: 2 Completed")


async def test_4_1_running_to_skipped(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", SKIP)
    await hub.join("m1")
    await hub.begin()
    await hub.ended("Skipped")


# -- Pending ------------------------------------------------------------------------------------


async def test_4_1_pending_to_running(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", window=weekly("Monday", "09:10", 4))
    await hub.begin()
    await hub.ended("Pending")
    await hub.until(lambda: hub.state() == "Running", within=900)
    assert f"{hub.clock.now():%A %H:%M}" == "Monday 09:10"
    await hub.ended()


async def test_4_1_pending_to_failed(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", Behaviour(held="a node pool is being scaled"))
    await hub.join("m1")
    await hub.begin()
    await hub.ended("Pending")
    provider.behave("m1", FAIL._replace(seconds=0))
    await hub.ended("Failed")


async def test_4_1_pending_to_stopped(hub: Hub) -> None:
    await hub.join("m1", window=CLOSED)
    await hub.begin()
    await hub.ended("Pending")
    await hub.stop()
    await hub.ended("Stopped")
    assert hub.member("m1").state == "NotStarted"


# -- Stopping -----------------------------------------------------------------------------------


async def test_4_1_stopping_to_stopped_awaits_what_was_issued(hub: Hub, provider: FakeProvider) -> None:
    await running(hub, provider)
    await hub.stop()
    await hub.ended("Stopping")
    await hub.pass_time(900)
    assert hub.state() == "Stopping"
    assert len(hub.upgrades("m1")) == 1


async def test_4_1_stopping_to_failed(hub: Hub, provider: FakeProvider) -> None:
    await running(hub, provider)
    await hub.stop()
    await hub.ended("Stopping")
    provider.behave("m1", FAIL)
    await hub.ended("Failed")


async def test_4_1_stopping_after_a_failure_while_others_finish(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", FAIL)
    provider.behave("m2", HANG)
    await hub.join("m1", "m2", "m3", group="a")
    await hub.begin(strategy=order(stage("s", {"name": "a", "maxConcurrency": 2})))
    await hub.ended("Stopping")
    assert hub.states() == {"m1": "Failed", "m2": "Running", "m3": "NotStarted"}
    provider.behave("m2", Behaviour())
    await hub.ended("Failed")
    assert hub.states() == {"m1": "Failed", "m2": "Completed", "m3": "NotStarted"}


# -- Stopped ------------------------------------------------------------------------------------


async def test_4_1_stopped_to_running(hub: Hub, provider: FakeProvider) -> None:
    await running(hub, provider)
    await hub.stop()
    provider.behave("m1", Behaviour())
    await hub.ended("Stopped")
    await hub.start()
    await hub.until(lambda: hub.state() == "Running")
    await hub.ended()
    assert provider.began() == ["m1", "m2"]


async def test_4_1_stopped_to_pending(hub: Hub) -> None:
    await hub.join("m1", window=CLOSED)
    await hub.begin()
    await hub.stop()
    await hub.ended("Stopped")
    await hub.start()
    await hub.ended("Pending")


async def test_4_1_stopped_to_failed(hub: Hub, provider: FakeProvider) -> None:
    await running(hub, provider)
    await hub.stop()
    provider.behave("m1", Behaviour())
    await hub.ended("Stopped")
    provider.behave("m2", FAIL._replace(seconds=0))
    await hub.start()
    await hub.ended("Failed")


# -- Failed -------------------------------------------------------------------------------------


async def test_4_1_failed_to_running(hub: Hub, provider: FakeProvider) -> None:
    await failed(hub, provider)
    provider.behave("m1", Behaviour())
    await hub.start()
    await hub.until(lambda: hub.state() == "Running")
    await hub.ended()
    assert [begun.attempt for begun in provider.begun] == [1, 2, 2]


async def test_4_1_failed_to_pending(hub: Hub, provider: FakeProvider) -> None:
    await failed(hub, provider)
    provider.behave("m1", Behaviour(held="another operation is in progress"))
    await hub.start()
    await hub.ended("Pending")


async def test_4_1_failed_to_failed(hub: Hub, provider: FakeProvider) -> None:
    await failed(hub, provider)
    await hub.start()
    await hub.until(lambda: hub.state() == "Running")
    await hub.ended("Failed")
    assert [begun.attempt for begun in provider.begun] == [1, 2]


# -- Skipped and Completed ----------------------------------------------------------------------


async def test_4_1_skipped_to_stopped(hub: Hub) -> None:
    await hub.join("m1", version="1.30.4")
    await hub.begin(managedClusterUpdate=control_plane("1.30.4"))
    await hub.ended("Skipped")
    await hub.stop()
    await hub.ended("Stopped")


async def test_4_1_completed_is_the_end(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1")
    await hub.begin()
    await hub.ended()
    for change in ({"attempt": 2}, {"state": "Stop"}, {"skips": [{"type": "Member", "name": "m1"}]}):
        with pytest.raises(Invalid, match="the run is completed and cannot be started, stopped or changed any more"):
            await hub.edit(UpdateRun, "run", {"spec": change})
    await hub.settle()
    assert hub.state() == "Completed"
    assert provider.began() == ["m1"]


# -- changes of a run ---------------------------------------------------------------------------


async def test_a_started_run_cannot_be_changed(hub: Hub, provider: FakeProvider) -> None:
    await running(hub, provider)
    with pytest.raises(Invalid, match="managedClusterUpdate cannot be changed once the run was started"):
        await hub.edit(UpdateRun, "run", {"spec": {"managedClusterUpdate": control_plane("1.30.4")}})
    with pytest.raises(Invalid, match="the strategy cannot be changed once the run was started"):
        await hub.edit(UpdateRun, "run", {"spec": {"strategy": order(stage("s", "a"))}})


async def test_a_run_can_be_changed_until_it_is_started(hub: Hub) -> None:
    await hub.join("m1", "m2", group="a")
    await hub.create()
    await hub.planned()
    await hub.edit(UpdateRun, "run", {"spec": {"strategy": order(stage("s", "a", beforeGates=APPROVAL))}})
    await hub.until(lambda: hub.stage().name == "s")
    assert hub.states() == {"m1": "NotStarted", "m2": "NotStarted"}
    assert hub.all(Gate) == []


async def test_a_run_that_makes_no_sense_says_so_and_is_planned_once_it_does(hub: Hub) -> None:
    await hub.catalogue({"1.30.0": []})
    await hub.join("m1")
    await hub.create(state="Run")
    await hub.until(lambda: hub.status().error)
    error = hub.status().error
    assert error is not None
    assert (hub.state(), error.code) == ("NotStarted", "InvalidUpdateRun")
    assert "'1.30.4' is in no ReleaseCatalog" in error.message
    assert hub.condition("Initialized")[:2] == ("False", "InvalidUpdateRun")
    await hub.catalogue({"1.30.0": [], "1.30.4": []})
    await hub.ended()
    assert hub.status().error is None


async def test_a_strategy_is_copied(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.create(updateStrategyName="weekly")
    await hub.until(lambda: hub.status().error)
    strategy = {
        "apiVersion": "fleet.echelon.dev/v1alpha1",
        "kind": "UpdateStrategy",
        "metadata": {"name": "weekly"},
        "spec": {"strategy": order(stage("s", "a"))},
    }
    await hub.admin.create(strategy)
    await hub.planned()
    await hub.admin.delete(UpdateStrategy, "weekly")
    await hub.start()
    await hub.ended()
    copied = hub.status().strategy
    assert copied is not None
    assert [found.name for found in copied.stages] == ["s"]


async def test_a_run_without_members_is_skipped(hub: Hub) -> None:
    await hub.begin()
    await hub.ended("Skipped")
