"""Update runs as trees, what they wait for, and the commands that unblock them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from echelon.api.fleet import (
    ClusterUpgradeTarget,
    ErrorDetail,
    Gate,
    GateSpec,
    GateStatus,
    GateStatusInRun,
    GateTarget,
    GroupUpdateStatus,
    ManagedClusterUpdate,
    MemberUpdateStatus,
    StageUpdateStatus,
    UpdateRun,
    UpdateRunSpec,
    UpdateRunStatus,
    UpdateState,
    WaitStatus,
)
from echelon.api.meta import ObjectMeta, format_time
from echelon.api.upgrade import ClusterUpgrade, ClusterUpgradeSpec, ClusterUpgradeStatus
from echelon.explain.access import Access
from echelon.explain.items import Item, Part, State
from echelon.explain.run_outline import Details, run_outline, span
from echelon.explain.run_waits import next_command, run_waits

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
TARGET = ClusterUpgradeTarget(type="NodeImageOnly")


def at(seconds: float) -> str:
    return format_time(START + timedelta(seconds=seconds))


def member(name: str, state: UpdateState = "NotStarted", **fields: Any) -> MemberUpdateStatus:
    return MemberUpdateStatus(name=name, state=state, **fields)


def group(name: str, *members: MemberUpdateStatus, state: UpdateState = "Running", **fields: Any) -> GroupUpdateStatus:
    return GroupUpdateStatus(name=name, state=state, members=members, **fields)


def stage(name: str, *groups: GroupUpdateStatus, state: UpdateState = "Running", **fields: Any) -> StageUpdateStatus:
    return StageUpdateStatus(name=name, state=state, groups=groups, **fields)


def run(*stages: StageUpdateStatus, state: UpdateState = "Running", wanted: str = "Run", **fields: Any) -> UpdateRun:
    return UpdateRun(
        metadata=ObjectMeta(name="r"),
        spec=UpdateRunSpec(managed_cluster_update=ManagedClusterUpdate(upgrade=TARGET), state=wanted),  # type: ignore[arg-type]
        status=UpdateRunStatus(state=state, stages=stages, **fields),
    )


def waits(found: UpdateRun, details: Details | None = None) -> list[tuple[str, str]]:
    """What a run waits for, each with its command."""
    item = run_outline(found, details or Details())
    return [(wait.what, wait.command) for wait in run_waits(found, item, Access())]


def test_a_group_of_the_name_of_its_stage_is_not_shown() -> None:
    item = run_outline(run(stage("default", group("default", member("m1"), member("m2")))))
    (only,) = item.items
    assert [(part.part, part.name) for part in only.items] == [(Part.MEMBER, "m1"), (Part.MEMBER, "m2")]


def test_parts_stand_in_the_order_in_which_they_come() -> None:
    gate = GateStatusInRun(state="NotStarted", display_name="x")
    wait = WaitStatus(state="NotStarted", wait_duration_in_seconds=90)
    found = group("g", member("m1"), before_gates=(gate,), after_gates=(gate,))
    item = run_outline(run(stage("s", found, before_gates=(gate,), after_gates=(gate,), after_stage_wait_status=wait)))
    (only,) = item.items
    assert [part.name for part in only.items] == ["gate x", "g", "gate x", "wait 1m30s"]
    assert [part.name for part in only.items[1].items] == ["gate x", "m1", "gate x"]


def test_nodes_of_a_member_that_is_being_upgraded() -> None:
    upgrade = ClusterUpgrade(
        metadata=ObjectMeta(name="u", namespace="fleet-member-m1"),
        spec=ClusterUpgradeSpec(upgrade=TARGET, update_run="r", attempt=2),
        status=ClusterUpgradeStatus(state="Running", message="Upgrading", nodes_done=1, nodes_total=3),
    )
    found = run(stage("s", group("g", member("m1", "Running", attempt=2, start_time=at(1)))))
    (item,) = run_outline(found, Details((), [upgrade])).members()
    assert (item.steps_done, item.steps, item.note) == (1, 3, "1 of 3 nodes; Upgrading")
    assert run_waits(found, run_outline(found), Access())[0].what == "m1 in group g to be upgraded"


def test_a_closed_window_says_until_when() -> None:
    message = "its maintenance window is closed; it opens next at 2026-03-01 14:00:00 UTC"
    pending = member("m1", "Pending", message=message, not_before=at(7200))
    found = run(stage("s", group("g", pending, state="Pending"), state="Pending"), state="Pending")
    (item,) = run_outline(found).members()
    assert (item.note, item.until) == ("its maintenance window is closed", START + timedelta(hours=2))
    assert waits(found) == [
        (
            "m1 in group g: its maintenance window is closed",
            "echelon updaterun skip -n r --targets Member:m1",
        )
    ]


def test_a_gate_is_approved_by_its_name_and_may_open_by_itself() -> None:
    reached = GateStatusInRun(state="Pending", display_name="go?", gate_name="guid", start_time=at(1))
    found = run(stage("s", group("g", member("m1")), before_gates=(reached,), state="Pending"), state="Pending")
    assert waits(found) == [("the gate go? of stage s", "echelon gate approve -n guid")]
    gate = Gate(
        metadata=ObjectMeta(name="guid"),
        spec=GateSpec(gate_type="ScheduledStart", target=GateTarget(update_run="r", stage="s", timing="Before")),
        status=GateStatus(absolute_start_time=at(60)),
    )
    item = run_outline(found, Details([gate]))
    (wait,) = run_waits(found, item, Access())
    assert (wait.until, wait.unblock) == (START + timedelta(seconds=60), "wait, or approve it now")


def test_the_wait_after_a_stage() -> None:
    wait = WaitStatus(state="Running", wait_duration_in_seconds=60, start_time=at(10))
    done = group("g", member("m1", "Completed"), state="Completed")
    found = run(stage("s", done, after_stage_wait_status=wait))
    (only,) = run_waits(found, run_outline(found), Access())
    assert (only.what, only.until) == ("the 1m after stage s", START + timedelta(seconds=70))
    assert only.command == "echelon updaterun skip -n r --targets AfterStageWait:s"


@pytest.mark.parametrize(
    ("found", "state", "what", "command"),
    [
        (run(state="NotStarted", wanted="Initialize"), State.NOT_STARTED, "its start", "echelon updaterun start -n r"),
        (run(state="NotStarted"), State.NOT_STARTED, "the hub to take it up", ""),
        (
            run(state="Stopped", wanted="Stop"),
            State.STOPPED,
            "somebody to start it again: it was stopped",
            "echelon updaterun start -n r",
        ),
        (
            run(state="NotStarted", error=ErrorDetail(code="x", message="no such group")),
            State.STUCK,
            "a valid order and target: no such group",
            "",
        ),
    ],
)
def test_runs_that_do_not_move(found: UpdateRun, state: State, what: str, command: str) -> None:
    assert run_outline(found).state is state
    assert waits(found) == [(what, command)]


def test_a_failed_run_is_over_and_can_be_tried_again() -> None:
    failed = group("g", member("m1", "Failed", message="no quota"), state="Failed")
    found = run(stage("s", failed, state="Failed"), state="Failed")
    item = run_outline(found)
    assert item.is_over
    assert waits(found) == []
    assert next_command(found, item, Access()) == "echelon updaterun start -n r"
    (one,) = item.members()
    assert (one.state, one.note) == (State.FAILED, "no quota")


def test_a_stage_that_nobody_is_in() -> None:
    (empty,) = run_outline(run(stage("s", group("g", state="NotStarted"), state="NotStarted"))).items
    assert isinstance(empty, Item)
    assert empty.note == "no members"


@pytest.mark.parametrize(("seconds", "words"), [(0, "0s"), (5, "5s"), (90, "1m30s"), (3600, "1h"), (90061, "25h1m1s")])
def test_durations_of_waits(seconds: int, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words
