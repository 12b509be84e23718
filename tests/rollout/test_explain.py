"""Every reason to wait, as a value and as a sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from echelon.rollout import (
    Gate,
    GateKind,
    Group,
    Intent,
    Limit,
    Plan,
    Remedy,
    SkipKind,
    Stage,
    Timing,
    Unready,
    WeeklyTime,
    sentence,
)

SINCE = "since 2026-03-02T09:00:00Z"


def words(run) -> list[str]:
    return [sentence(blocker) for blocker in run.decision.blocked_on]


def one_group(*targets: str, **group: object) -> Plan:
    return Plan((Stage("one", (Group("g", targets, **group),)),))


def test_a_run_that_was_not_started(play) -> None:
    run = play(one_group("a"), intent=Intent.INITIALIZE)
    assert words(run) == ["the run has not been started"]
    assert run.decision.blocked_on[0].remedy is Remedy.START


def test_targets_that_run_and_targets_that_wait_for_a_place(play) -> None:
    run = play(one_group("a", "b", "c", "d", "e", "f", max_concurrency=Limit(4)))
    assert words(run) == [
        f"a, b, c and 1 more in group g of stage one are being updated {SINCE}",
        "2 more wait for a place: group g updates at most 4 at a time",
    ]
    assert [blocker.remedy for blocker in run.decision.blocked_on] == [Remedy.OPERATION, Remedy.OPERATION]


def test_a_stage_without_a_place(play) -> None:
    groups = (Group("g", ("a", "b")), Group("h", ("c",)))
    run = play(Plan((Stage("one", groups, max_concurrency=Limit(1)),)))
    assert words(run) == [
        f"a in group g of stage one is being updated {SINCE}",
        "2 more wait for a place: stage one updates at most 1 at a time",
    ]


def test_gates(play) -> None:
    slot = Gate("slot", GateKind.SCHEDULED_START, WeeklyTime(0, 18))
    group = Group("g", ("a",), before=(Gate("check"),))
    run = play(Plan((Stage("one", (group,), before=(slot,)),)))
    assert words(run) == [
        f"gate slot before stage one waits for its scheduled start {SINCE}, until 2026-03-02T18:00:00Z"
    ]
    assert run.decision.blocked_on[0].remedy is Remedy.TIME
    run.after(9 * 3600)
    assert words(run) == ["gate check before group g of stage one waits for an approval since 2026-03-02T18:00:00Z"]
    assert run.decision.blocked_on[0].remedy is Remedy.APPROVAL


def test_a_wait(play) -> None:
    run = play(Plan((Stage("one", (Group("g", ("a",)),), wait=timedelta(minutes=1)), Stage("two"))))
    run.end("a")
    assert words(run) == [f"stage one waits after its updates {SINCE}, until 2026-03-02T09:01:00Z"]
    run.skip(SkipKind.AFTER_STAGE_WAIT, "one")
    assert words(run) == []


@pytest.mark.parametrize("known", [True, False])
def test_targets_that_are_not_ready(play, known: bool) -> None:
    until = play(one_group("a")).now + timedelta(hours=4) if known else None
    run = play(one_group("a", "b"), unready={"b": Unready("its maintenance window is closed", until)})
    end = ", until 2026-03-02T13:00:00Z" if known else ""
    assert words(run)[1] == f"b in group g of stage one is not ready {SINCE}{end}: its maintenance window is closed"
    assert run.decision.blocked_on[1].remedy is (Remedy.TIME if known else Remedy.READINESS)


def test_a_stop(play) -> None:
    run = play(one_group("a", "b", max_concurrency=Limit(1)))
    run.stop()
    assert words(run)[0] == f"stop requested by the user {SINCE}; 1 still being updated"
    run.now += timedelta(seconds=9)
    run.end("a")
    assert words(run) == [f"stopped by the user {SINCE}; start the run to go on"]


def test_failures(play) -> None:
    run = play(one_group("a", "b", max_concurrency=Limit(1), max_failures=Limit(0)))
    run.fail("a")
    assert words(run) == ["a failed, and group g may have at most 0 failures; start the run to retry"]
    assert run.decision.blocked_on[0].remedy is Remedy.RETRY


def test_failures_of_a_stage(play) -> None:
    groups = (Group("g", ("a",)), Group("h", ("b",)))
    run = play(Plan((Stage("one", groups, max_failures=Limit(1)), Stage("two", (Group("i", ("c",)),)))))
    run.fail("a", "b")
    assert words(run) == ["a, b failed, and stage one may have at most 1 failures; start the run to retry"]


def test_a_run_at_its_end_waits_for_nothing(play) -> None:
    run = play(one_group("a"))
    run.end("a")
    assert run.decision.blocked_on == ()


def test_a_gate_after_a_stage_beside_its_wait(play) -> None:
    stage = Stage("one", (Group("g", ("a",)),), after=(Gate("check"),), wait=timedelta(minutes=1))
    run = play(Plan((stage, Stage("two", (Group("h", ("b",)),)))))
    run.end("a")
    assert [type(blocker).__name__ for blocker in run.decision.blocked_on] == ["GateBlocker", "WaitBlocker"]
    run.approve("one", Timing.AFTER)
    assert [type(blocker).__name__ for blocker in run.decision.blocked_on] == ["WaitBlocker"]
