"""What the engine does, step by step. The order of a stage's life is that of the reference, section 4.10."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from echelon.rollout import (
    Facts,
    Gate,
    GateKind,
    GateState,
    Group,
    Intent,
    Limit,
    Operation,
    Outcome,
    Plan,
    Skip,
    SkipKind,
    Stage,
    State,
    TargetState,
    Timing,
    Unready,
    WaitState,
    WeeklyTime,
    Window,
    decide,
    initial,
)

GATE = (Gate("check"),)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def one_group(*targets: str, **group: object) -> Plan:
    return Plan((Stage("one", (Group("g", targets, **group),)),))


def test_a_stage_lives_in_order(play) -> None:
    group = Group("g", ("a",), before=GATE, after=GATE)
    stage = Stage("one", (group,), before=GATE, after=GATE, wait=timedelta(seconds=60))
    run = play(Plan((stage, Stage("two", (Group("h", ("b",)),)))))

    def closed() -> list[tuple[str | None, str]]:
        return [(gate.gate.group, gate.gate.timing.value) for gate in run.decision.open_gates]

    assert closed() == [(None, "Before")]
    run.approve("one", Timing.BEFORE)
    assert closed() == [("g", "Before")]
    run.approve("one", Timing.BEFORE, "g")
    assert run.pop_started() == ["a"]
    run.end("a")
    assert closed() == [("g", "After")]
    assert run.progress.stages[0].wait.state is WaitState.NOT_STARTED
    run.approve("one", Timing.AFTER, "g")
    assert closed() == [(None, "After")]
    assert run.progress.stages[0].wait.state is WaitState.RUNNING
    run.after(60)
    assert run.pop_started() == []
    run.approve("one", Timing.AFTER)
    assert run.pop_started() == ["b"]


def test_the_gate_of_a_group_holds_up_that_group_alone(play) -> None:
    run = play(Plan((Stage("one", (Group("g", ("a",), before=GATE), Group("h", ("b",)))),)))
    assert run.pop_started() == ["b"]


def test_targets_start_in_order_within_the_concurrency_of_the_group(play) -> None:
    run = play(one_group("c", "a", "b", max_concurrency=Limit(2)))
    assert run.pop_started() == ["c", "a"]
    run.end("a")
    assert run.pop_started() == ["b"]


def test_the_concurrency_of_the_stage_goes_over_that_of_its_groups(play) -> None:
    groups = (Group("g", tuple("abcdefgh"), max_concurrency=Limit(50, True)), Group("h", tuple("ijklmnopqrst")))
    run = play(Plan((Stage("one", groups, max_concurrency=Limit(25, True)),)))
    assert sorted(run.pop_started()) == ["a", "b", "c", "i", "j"]


def test_the_places_of_a_stage_go_to_the_group_that_uses_fewest(play) -> None:
    groups = (Group("g", ("a", "b", "c")), Group("h", ("d", "e", "f")))
    run = play(Plan((Stage("one", groups, max_concurrency=Limit(2)),)))
    assert run.pop_started() == ["a", "d"]
    run.end("d")
    assert run.pop_started() == ["e"]


def test_without_a_concurrency_all_start_at_once(play) -> None:
    run = play(one_group(*"abcdef"))
    assert run.pop_started() == list("abcdef")


def test_a_target_that_is_not_ready_leaves_its_place_to_the_next(play) -> None:
    until = play(one_group("a")).now + timedelta(seconds=30)
    run = play(one_group("a", "b", max_concurrency=Limit(1)), unready={"a": Unready("another operation runs", until)})
    assert run.pop_started() == ["b"]
    assert run.decision.wake_at == until
    run.end("b")
    assert run.state is State.PENDING
    run.after(30)
    assert run.pop_started() == ["a"]


def test_an_open_window_goes_first_and_a_closed_one_waits(play) -> None:
    now = play(one_group("a")).now
    hour = timedelta(hours=1)
    windows = {"a": Window(now + hour, now + 2 * hour), "c": Window(now - hour, now + hour)}
    run = play(one_group("a", "b", "c", max_concurrency=Limit(1)), windows=windows)
    assert run.pop_started() == ["c"]
    assert run.target("a").until == now + hour
    assert run.decision.wake_at == now + hour
    run.end("c")
    assert run.pop_started() == ["b"]
    run.after(3600)
    run.end("b")
    assert run.pop_started() == ["a"]


def test_a_window_that_has_closed_holds_a_target_until_the_next_is_known(play) -> None:
    now = play(one_group("a")).now
    run = play(one_group("a"), windows={"a": Window(now - timedelta(hours=2), now - timedelta(hours=1))})
    assert run.state is State.PENDING
    assert run.decision.wake_at is None
    run.change(windows={})
    assert run.pop_started() == ["a"]


def test_a_scheduled_start_opens_by_itself_or_early(play) -> None:
    gate = Gate("check", GateKind.SCHEDULED_START, WeeklyTime(4, 18, 0, timedelta(hours=-5)))
    plan = Plan((Stage("one", (Group("g", ("a",)),), before=(gate,)),))
    run, early = play(plan), play(plan)
    opens_at = run.decision.open_gates[0].opens_at
    assert opens_at is not None
    assert f"{opens_at:%A %H:%M}" == "Friday 23:00"
    assert run.decision.wake_at == opens_at
    run.after((opens_at - run.now).total_seconds())
    assert run.pop_started() == ["a"]
    early.approve("one", Timing.BEFORE)
    assert early.pop_started() == ["a"]


def test_a_wait_counts_from_the_end_of_the_last_target_as_observed(play) -> None:
    run = play(
        Plan((Stage("one", (Group("g", ("a",)),), wait=timedelta(seconds=60)), Stage("two", (Group("h", ("b",)),))))
    )
    ended_at = run.now
    run.now += timedelta(seconds=45)  # the hub was away meanwhile
    run.change(operations={"a": Operation(1, Outcome.SUCCEEDED, ended_at=ended_at)})
    assert run.decision.wake_at == ended_at + timedelta(seconds=60)
    run.after(15)
    assert run.pop_started() == ["a", "b"]


def test_the_wait_after_a_stage_can_be_skipped(play) -> None:
    run = play(Plan((Stage("one", (Group("g", ("a",)),), wait=timedelta(days=1)), Stage("two", (Group("h", ("b",)),)))))
    run.end("a")
    run.skip(SkipKind.AFTER_STAGE_WAIT, "one")
    assert run.progress.stages[0].wait.state is WaitState.SKIPPED
    assert run.stage_state("one") is State.COMPLETED
    assert run.pop_started() == ["a", "b"]


def test_skipping_a_group_skips_its_gates_and_awaits_what_runs(play) -> None:
    run = play(one_group("a", "b", "c", max_concurrency=Limit(1), after=GATE))
    run.skip(SkipKind.GROUP, "g")
    assert [run.target(name).state for name in "abc"] == ["Running", "Skipped", "Skipped"]
    assert run.progress.stages[0].groups[0].after[0].state is GateState.SKIPPED
    run.end("a")
    assert run.target("a").state is TargetState.COMPLETED
    assert (run.group_state("g"), run.state) == (State.COMPLETED, State.COMPLETED)


def test_a_group_skipped_halfway_does_not_shorten_the_wait_after_its_stage(play) -> None:
    run = play(
        Plan((Stage("one", (Group("g", ("a",)),), wait=timedelta(seconds=60)), Stage("two", (Group("h", ("b",)),))))
    )
    run.skip(SkipKind.GROUP, "g")
    run.end("a")
    assert run.pop_started() == ["a"]
    run.after(60)
    assert run.pop_started() == ["b"]


def test_a_stage_skipped_halfway_is_over_once_what_runs_has_ended(play) -> None:
    stage = Stage("one", (Group("g", ("a", "c"), max_concurrency=Limit(1)),), after=GATE, wait=timedelta(seconds=60))
    run = play(Plan((stage, Stage("two", (Group("h", ("b",)),)))))
    run.skip(SkipKind.STAGE, "one")
    run.end("a")
    assert run.pop_started() == ["a", "b"]
    assert run.stage_state("one") is State.COMPLETED


def test_skipping_what_has_ended_changes_nothing(play) -> None:
    run = play(Plan((Stage("one", (Group("g", ("a",)),)), Stage("two", (Group("h", ("b",)),)))))
    run.end("a")
    run.decide()
    before = run.progress
    for kind, name in [(SkipKind.MEMBER, "a"), (SkipKind.GROUP, "g"), (SkipKind.STAGE, "one"), (SkipKind.GROUP, "?")]:
        run.skip(kind, name)
    assert run.progress is before


def test_where_nothing_was_done_nothing_is_approved(play) -> None:
    stage = Stage("one", (Group("g", ("a",)),), after=GATE, wait=timedelta(hours=1))
    run = play(Plan((stage, Stage("two", (Group("h", ("b",)),)))), unneeded={"a": "already there"})
    assert run.stage_state("one") is State.SKIPPED
    assert run.pop_started() == ["b"]


def test_an_empty_stage_is_skipped_when_it_is_reached(play) -> None:
    run = play(
        Plan((Stage("one", (Group("g"),), before=GATE, after=GATE, wait=timedelta(1)),)), intent=Intent.INITIALIZE
    )
    assert run.stage_state("one") is State.NOT_STARTED
    run.change(intent=Intent.RUN)
    assert (run.stage_state("one"), run.state) == (State.SKIPPED, State.SKIPPED)


def test_more_failures_than_allowed_start_nothing_new(play) -> None:
    run = play(one_group("a", "b", "c", "d", max_concurrency=Limit(2), max_failures=Limit(1)))
    run.fail("a")
    assert run.pop_started() == ["a", "b", "c"]
    run.fail("b")
    assert run.pop_started() == []
    run.fail("c")
    assert run.progress.stages[0].groups[0].failure_count == 3
    assert run.state is State.FAILED


def test_a_stuck_target_just_keeps_running_where_there_is_no_failure_limit(play) -> None:
    run = play(one_group("a"))
    run.after(10**6)
    assert run.state is State.RUNNING
    assert run.decision.wake_at is None


def test_a_new_attempt_keeps_what_completed_and_retries_what_failed(play) -> None:
    run = play(one_group("a", "b", "c", max_concurrency=Limit(2), max_failures=Limit(0), before=GATE))
    run.approve("one", Timing.BEFORE, "g")
    run.end("a")
    run.fail("b")
    run.end("c")
    run.pop_started()
    run.start()
    assert run.pop_started() == ["b"]
    assert run.target("b").attempt == 2
    assert run.decision.start[0].attempt == 2
    run.end("b")
    assert run.state is State.COMPLETED
    assert run.target("a").attempt == 1


def test_a_new_attempt_retries_failures_that_an_earlier_stage_allowed_first(play) -> None:
    first = Stage("one", (Group("g", ("a", "b"), max_failures=Limit(1)),))
    run = play(Plan((first, Stage("two", (Group("h", ("c",), max_failures=Limit(0)),)))))
    run.fail("a")
    run.end("b")
    run.fail("c")
    assert (run.stage_state("one"), run.state) == (State.COMPLETED, State.FAILED)
    run.pop_started()
    run.start()
    assert run.pop_started() == ["a"]
    run.end("a")
    assert run.pop_started() == ["c"]


def test_a_retry_during_the_wait_after_a_stage_makes_it_wait_anew(play) -> None:
    first = Stage("one", (Group("g", ("a", "b")),), wait=timedelta(seconds=60))
    run = play(Plan((first, Stage("two", (Group("h", ("c",)),)))))
    run.fail("a")
    run.end("b")
    run.after(30)
    run.start()
    assert run.decision.wake_at is None
    run.after(10)
    run.end("a")
    assert run.decision.wake_at == run.now + timedelta(seconds=60)
    run.after(59)
    assert run.stage_state("two") is State.NOT_STARTED
    run.after(1)
    assert run.stage_state("two") is State.RUNNING


def test_skipping_what_failed_and_starting_again_goes_on_without_it(play) -> None:
    run = play(one_group("a", "b", max_concurrency=Limit(1), max_failures=Limit(0)))
    run.fail("a")
    run.skip(SkipKind.MEMBER, "a")
    assert run.state is State.FAILED
    run.start()
    assert run.target("a").state is TargetState.SKIPPED
    assert run.pop_started() == ["a", "b"]


def test_a_stopped_run_goes_on_where_it_was(play) -> None:
    run = play(one_group("a", "b", max_concurrency=Limit(1)))
    run.stop()
    run.end("a")
    assert run.pop_started() == ["a"]
    run.change(intent=Intent.RUN)
    assert run.pop_started() == ["b"]


def test_a_run_whose_last_target_ends_while_it_stops_is_completed(play) -> None:
    run = play(one_group("a"))
    run.stop()
    run.end("a")
    assert run.state is State.COMPLETED


def test_a_target_that_left_ends_as_skipped_even_while_it_runs(play) -> None:
    run = play(one_group("a", "b", "c", max_concurrency=Limit(1)))
    run.change(left={"a": "left the fleet", "b": "left the fleet"}, operations={})
    assert [run.target(name).state for name in "abc"] == ["Skipped", "Skipped", "Running"]
    assert run.target("a").message == "left the fleet"


def test_an_operation_that_is_lost_is_started_again_under_its_key(play) -> None:
    run = play(one_group("a"))
    run.decide()
    assert run.decision.start == ()
    run.change(operations={}, lost=frozenset({"a"}))
    assert [(start.target, start.attempt) for start in run.decision.start] == [("a", 1)]


def test_a_start_is_repeated_until_its_operation_is_seen() -> None:
    plan, now = one_group("a", "b", max_concurrency=Limit(1)), Facts()
    first = decide(plan, initial(plan), now, START)
    second = decide(plan, first.progress, now, START + timedelta(minutes=5))
    assert second.start == first.start
    assert second.progress is first.progress


def test_a_start_that_was_never_seen_is_given_back_when_the_run_stops() -> None:
    plan = one_group("a")
    claimed = decide(plan, initial(plan), Facts(), START)
    stopped = decide(plan, claimed.progress, Facts(intent=Intent.STOP), START)
    assert stopped.start == ()
    assert stopped.progress.state is State.STOPPED
    seen_late = Facts(intent=Intent.STOP, operations={"a": Operation(1)})
    assert decide(plan, stopped.progress, seen_late, START).progress.state is State.STOPPING


def test_what_runs_is_found_when_no_progress_was_stored() -> None:
    plan = one_group("a", "b", max_concurrency=Limit(1))
    lost = decide(plan, initial(plan), Facts(operations={"b": Operation(1, started_at=START)}), START)
    assert lost.start == ()
    assert lost.progress.stages[0].groups[0].targets[1].state is TargetState.RUNNING


@pytest.mark.parametrize("attempt", [0, 1])
def test_an_operation_of_an_earlier_attempt_says_nothing_of_a_retry(play, attempt: int) -> None:
    run = play(one_group("a", max_failures=Limit(0)))
    run.fail("a")
    run.start()
    run.change(operations={"a": Operation(attempt, Outcome.FAILED)})
    assert run.target("a").state is TargetState.RUNNING


def test_nothing_changed_is_the_same_object(play) -> None:
    run = play(one_group("a", "b", max_concurrency=Limit(1)))
    run.decide()
    before = run.progress
    run.after(1)
    assert run.progress is before


@pytest.mark.parametrize("skip", [Skip(SkipKind.MEMBER, "a"), Skip(SkipKind.GROUP, "g"), Skip(SkipKind.STAGE, "one")])
def test_a_start_that_was_never_seen_is_given_back_when_its_target_is_skipped(skip: Skip) -> None:
    plan = one_group("a")
    claimed = decide(plan, initial(plan), Facts(), START)
    skipped = decide(plan, claimed.progress, Facts(skips=frozenset({skip})), START)
    assert skipped.start == ()
    assert skipped.progress.state is State.SKIPPED


def test_a_start_that_was_never_seen_is_given_back_when_its_window_closes() -> None:
    plan = one_group("a", "b", max_concurrency=Limit(1))
    claimed = decide(plan, initial(plan), Facts(), START)
    closed = decide(plan, claimed.progress, Facts(unready={"a": Unready("its window is closed")}), START)
    assert [start.target for start in closed.start] == ["b"]
    assert closed.progress.stages[0].groups[0].targets[0].state is TargetState.PENDING
