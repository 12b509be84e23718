"""Gates: reference 4.9 and 4.10."""

from __future__ import annotations

import re
from typing import Any

import pytest

from echelon.api.fleet import Gate, UpdateRun
from echelon.kube.errors import Invalid

from .hub import Hub, moment, order, stage
from .provider import HANG, Behaviour, FakeProvider

APPROVAL = [{"type": "Approval"}]
NAMED = [{"type": "Approval", "displayName": "sign-off"}]


def scheduled(day: str, time: str, offset: str = "+00:00") -> list[dict[str, Any]]:
    start = {"startDay": day, "startTime": time, "utcOffset": offset}
    return [{"type": "ScheduledStart", "displayName": "start", "scheduledStartConfiguration": start}]


async def gate_of(hub: Hub, stage: str, group: str = "", timing: str = "Before") -> Gate:
    """The Gate at a place, once it is there."""

    def found() -> Gate | None:
        wanted = ("run", stage, group, timing)
        for gate in hub.all(Gate):
            target = gate.spec.target
            if (target.update_run, target.stage, target.group, target.timing) == wanted:
                return gate
        return None

    await hub.until(found)
    gate = found()
    assert gate is not None
    return gate


def states(hub: Hub) -> list[str]:
    return sorted(gate.status.state for gate in hub.all(Gate))


async def test_4_9_a_gate_is_made_when_it_is_reached(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", group="a")
    both = {"beforeGates": APPROVAL, "afterGates": NAMED}
    await hub.begin(strategy=order(stage("s", {"name": "a", **both}, **both)))
    gate = await gate_of(hub, "s")
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", gate.metadata.name)
    assert (gate.spec.gate_type, gate.status.state) == ("Approval", "Pending")
    await hub.until(lambda: hub.stage().before_gates[0].gate_name)
    (shown,) = hub.stage().before_gates
    assert (shown.state, shown.gate_name) == ("Pending", gate.metadata.name)
    assert shown.start_time
    assert hub.group("a").before_gates[0].state == "NotStarted"
    assert hub.group("a").before_gates[0].gate_name == ""
    await hub.pass_time(600)
    assert len(hub.all(Gate)) == 1
    assert provider.begun == []


async def test_4_10_the_order_of_a_stage(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    both = {"beforeGates": APPROVAL, "afterGates": APPROVAL}
    stages = order(stage("one", {"name": "a", **both}, afterStageWaitInSeconds=60, **both), stage("two", "b"))
    await hub.begin(strategy=stages)
    await hub.approve(await gate_of(hub, "one"))
    before_group = await gate_of(hub, "one", "a")
    assert provider.begun == []
    await hub.approve(before_group)
    after_group = await gate_of(hub, "one", "a", "After")
    assert provider.began() == ["m1"]
    await hub.until(lambda: hub.group("a").state == "Pending")
    await hub.pass_time(300)
    assert hub.stage().after_stage_wait_status is not None
    assert hub.stage().after_stage_wait_status.state == "NotStarted"
    await hub.approve(after_group)
    after_stage = await gate_of(hub, "one", "", "After")
    await hub.until(lambda: hub.stage().after_gates[0].state == "Pending")
    wait = hub.stage().after_stage_wait_status
    assert wait is not None
    assert wait.state == "Running"
    await hub.pass_time(120)
    assert (hub.stage().state, provider.began()) == ("Pending", ["m1"])
    await hub.approve(after_stage)
    await hub.ended()
    assert provider.began() == ["m1", "m2"]
    assert states(hub) == ["Completed"] * 4


async def test_4_10_the_wait_outlasts_an_early_approval(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    first = stage("one", "a", afterGates=APPROVAL, afterStageWaitInSeconds=600)
    await hub.begin(strategy=order(first, stage("two", "b")))
    await hub.approve(await gate_of(hub, "one", "", "After"))
    await hub.pass_time(500)
    assert hub.stage().state == "Running"
    assert provider.began() == ["m1"]
    await hub.ended()
    assert (moment(hub.member("m2").start_time) - moment(hub.member("m1").completed_time)).total_seconds() >= 600


async def test_4_9_a_group_gate_blocks_that_group_only(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    await hub.begin(strategy=order(stage("s", {"name": "a", "beforeGates": APPROVAL}, "b")))
    await hub.until(lambda: hub.group("b").state == "Completed")
    assert (hub.group("a").state, hub.stage().state, hub.state()) == ("Pending", "Pending", "Pending")
    assert provider.began() == ["m2"]


@pytest.mark.parametrize("target", ["Group:a", "Stage:s"])
async def test_4_9_skipping_what_a_gate_guards_skips_the_gate(hub: Hub, target: str) -> None:
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    gates = {"beforeGates": APPROVAL, "afterGates": APPROVAL}
    await hub.begin(strategy=order(stage("s", {"name": "a", **gates}), stage("t", "b")))
    await gate_of(hub, "s", "a")
    await hub.skip(target)
    await hub.ended()
    (gate,) = hub.all(Gate)
    assert (gate.status.state, gate.status.message) == ("Skipped", "what the gate guards was skipped")
    found = hub.group("a")
    assert (found.before_gates[0].state, found.after_gates[0].state) == ("Skipped", "Skipped")


async def test_4_9_a_gate_that_is_passed_cannot_change(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=APPROVAL)))
    gate = await gate_of(hub, "s")
    await hub.approve(gate)
    await hub.ended()
    with pytest.raises(Invalid, match="a gate that is Completed or Skipped cannot change"):
        await hub.approve(gate, "Pending")
    (gate,) = hub.all(Gate)
    assert gate.status.completed_time == hub.stage().before_gates[0].completed_time


async def test_4_9_a_gate_cannot_be_skipped_or_deleted_by_itself(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=APPROVAL)))
    gate = await gate_of(hub, "s")
    await hub.approve(gate, "Skipped")
    await hub.until(lambda: [found.metadata.uid for found in hub.all(Gate)] not in ([], [gate.metadata.uid]))
    (second,) = hub.all(Gate)
    assert (second.metadata.name, second.status.state) == (gate.metadata.name, "Pending")
    await hub.admin.delete(Gate, second.key)
    await hub.until(lambda: [found.metadata.uid for found in hub.all(Gate)] not in ([], [second.metadata.uid]))
    assert provider.begun == []
    await hub.approve(await gate_of(hub, "s"))
    await hub.ended()


async def test_4_9_an_approval_while_stopped_counts_once_started_again(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=APPROVAL)))
    gate = await gate_of(hub, "s")
    await hub.stop()
    await hub.ended("Stopped")
    await hub.approve(gate)
    await hub.pass_time(60)
    assert (hub.state(), provider.begun) == ("Stopped", [])
    await hub.start()
    await hub.ended()


async def test_gates_of_passed_stages_stay_as_they_are_on_a_retry(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", Behaviour(outcome="Failed", message="no"))
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=APPROVAL)))
    gate = await gate_of(hub, "s")
    await hub.approve(gate)
    await hub.ended("Failed")
    provider.behave("m1", Behaviour())
    await hub.start()
    await hub.ended()
    (same,) = hub.all(Gate)
    assert same.metadata.uid == gate.metadata.uid


async def test_gates_go_with_their_run(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=APPROVAL)))
    await gate_of(hub, "s")
    await hub.admin.delete(UpdateRun, "run")
    await hub.until(lambda: hub.all(Gate) == [])


async def test_several_gates_in_one_place_must_all_open(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=[*NAMED, *NAMED, *APPROVAL])))
    await hub.until(lambda: len(hub.all(Gate)) == 3)
    for gate in hub.all(Gate)[:2]:
        await hub.approve(gate)
    await hub.settle()
    assert provider.begun == []
    await hub.approve(hub.all(Gate)[2])
    await hub.ended()


# -- ScheduledStart -----------------------------------------------------------------------------


async def test_a_scheduled_start_opens_at_its_time(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=scheduled("Monday", "04:05", "-05:00"))))
    gate = await gate_of(hub, "s")
    await hub.until(lambda: hub.all(Gate)[0].status.absolute_start_time)
    (gate,) = hub.all(Gate)
    assert gate.status.absolute_start_time == "2026-03-02T09:05:00.000000Z"
    assert gate.spec.scheduled_start is not None
    await hub.ended("Pending")
    await hub.ended()
    (gate,) = hub.all(Gate)
    assert (gate.status.state, gate.status.completed_by) == ("Completed", "schedule")
    assert moment(hub.member("m1").start_time) >= moment(gate.status.absolute_start_time)


async def test_a_scheduled_start_whose_time_has_passed_today_opens_next_week(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=scheduled("Monday", "08:59"))))
    await hub.until(lambda: [gate.status.absolute_start_time for gate in hub.all(Gate)] not in ([], [None]))
    assert hub.all(Gate)[0].status.absolute_start_time == "2026-03-09T08:59:00.000000Z"


async def test_a_scheduled_start_can_be_approved_before_its_time(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=scheduled("Friday", "18:00", "-05:00"))))
    await hub.approve(await gate_of(hub, "s"))
    await hub.ended()
    assert hub.all(Gate)[0].status.completed_by == ""
