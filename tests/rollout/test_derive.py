"""Every row of the derivation table (reference: cluster update runs, sections 4.1 and 4.2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from echelon.rollout import (
    Gate,
    Group,
    Intent,
    Limit,
    Outcome,
    Plan,
    SkipKind,
    Stage,
    State,
    TargetState,
    Timing,
    Unready,
)

NO_FAILURES = Limit(0)
GATE = (Gate("check"),)


def two_groups(**stage: object) -> Plan:
    """Stage one with groups g (a, b) and h (c), stage two with group i (d)."""
    groups = (Group("g", ("a", "b"), max_failures=NO_FAILURES), Group("h", ("c",), max_failures=NO_FAILURES))
    return Plan((Stage("one", groups, **stage), Stage("two", (Group("i", ("d",), max_failures=NO_FAILURES),))))


def not_ready(*names: str) -> dict[str, Unready]:
    return {name: Unready("its maintenance window is closed") for name in names}


def test_nothing_has_started(play) -> None:
    run = play(two_groups(), intent=Intent.INITIALIZE)
    assert (run.state, run.stage_state("one"), run.group_state("g")) == (State.NOT_STARTED,) * 3


def test_running_is_a_target_in_progress(play) -> None:
    run = play(two_groups())
    assert (run.state, run.stage_state("one"), run.group_state("g")) == (State.RUNNING,) * 3
    assert run.stage_state("two") is State.NOT_STARTED


def test_a_member_that_is_not_ready_is_pending(play) -> None:
    run = play(two_groups(), unready=not_ready("a"))
    assert run.target("a").state is TargetState.PENDING
    assert run.target("a").message == "its maintenance window is closed"
    assert run.group_state("g") is State.RUNNING


def test_a_group_of_pending_members_is_pending(play) -> None:
    run = play(two_groups(), unready=not_ready("a", "b"))
    assert run.group_state("g") is State.PENDING
    assert run.stage_state("one") is State.RUNNING


def test_a_stage_of_pending_groups_and_its_run_are_pending(play) -> None:
    run = play(two_groups(), unready=not_ready("a", "b", "c"))
    assert (run.state, run.stage_state("one"), run.group_state("h")) == (State.PENDING,) * 3


def test_what_is_left_of_a_group_counts_for_pending(play) -> None:
    run = play(two_groups(), unready=not_ready("b"))
    run.end("a", "c")
    assert (run.state, run.stage_state("one"), run.group_state("g")) == (State.PENDING,) * 3


def test_a_pending_gate_makes_its_group_pending(play) -> None:
    run = play(Plan((Stage("one", (Group("g", ("a",), before=GATE), Group("h", ("b",)))),)))
    assert (run.state, run.stage_state("one"), run.group_state("g")) == (State.RUNNING, State.RUNNING, State.PENDING)
    run.end("b")
    assert (run.state, run.stage_state("one")) == (State.PENDING, State.PENDING)


@pytest.mark.parametrize("timing", list(Timing))
def test_a_pending_gate_makes_its_stage_pending(play, timing: Timing) -> None:
    gates = {"before": GATE} if timing is Timing.BEFORE else {"after": GATE}
    run = play(Plan((Stage("one", (Group("g", ("a",)),), **gates),)))
    if timing is Timing.AFTER:
        run.end("a")
    assert (run.state, run.stage_state("one")) == (State.PENDING, State.PENDING)


def test_a_wait_is_running(play) -> None:
    run = play(two_groups(wait=timedelta(seconds=5)))
    run.end("a", "b", "c")
    assert (run.state, run.stage_state("one"), run.group_state("g")) == (State.RUNNING, State.RUNNING, State.COMPLETED)


def test_a_member_is_skipped_by_the_user_or_when_nothing_is_to_be_done(play) -> None:
    run = play(Plan((Stage("one", (Group("g", ("a", "b", "c")),)),)), unneeded={"b": "already at 1.31.1"})
    run.skip(SkipKind.MEMBER, "c")
    assert run.pop_started() == ["a", "c"]
    run.end("a")
    run.end("c", outcome=Outcome.SKIPPED)
    assert [run.target(name).state for name in "abc"] == ["Completed", "Skipped", "Skipped"]
    assert run.target("b").message == "already at 1.31.1"
    assert run.group_state("g") is State.COMPLETED


@pytest.mark.parametrize(
    "skips",
    [[(SkipKind.MEMBER, "a"), (SkipKind.MEMBER, "b")], [(SkipKind.GROUP, "g")]],
)
def test_a_group_is_skipped_by_the_user_or_when_all_members_are(play, skips: list[tuple[SkipKind, str]]) -> None:
    run = play(two_groups(), intent=Intent.INITIALIZE)
    for kind, name in skips:
        run.skip(kind, name)
    assert run.group_state("g") is State.SKIPPED
    assert (run.state, run.stage_state("one")) == (State.NOT_STARTED, State.NOT_STARTED)


@pytest.mark.parametrize("skips", [[(SkipKind.GROUP, "g"), (SkipKind.GROUP, "h")], [(SkipKind.STAGE, "one")]])
def test_a_stage_is_skipped_by_the_user_or_when_all_groups_are(play, skips: list[tuple[SkipKind, str]]) -> None:
    run = play(two_groups(wait=timedelta(hours=1), after=GATE), intent=Intent.INITIALIZE)
    for kind, name in skips:
        run.skip(kind, name)
    assert run.stage_state("one") is State.SKIPPED
    run.start()
    assert run.pop_started() == ["d"]


def test_a_run_is_skipped_when_all_stages_are(play) -> None:
    run = play(two_groups(), intent=Intent.INITIALIZE)
    run.skip(SkipKind.STAGE, "one")
    run.skip(SkipKind.STAGE, "two")
    assert run.state is State.SKIPPED


def test_a_mix_of_completed_and_skipped_is_completed(play) -> None:
    run = play(two_groups())
    run.skip(SkipKind.STAGE, "two")
    run.end("a", "b", "c")
    assert run.stage_state("one") is State.COMPLETED
    assert run.stage_state("two") is State.SKIPPED
    assert run.state is State.COMPLETED


def test_a_failed_member_fails_group_stage_and_run_once_the_others_have_ended(play) -> None:
    run = play(two_groups())
    run.fail("a")
    assert (run.state, run.stage_state("one"), run.group_state("g")) == (State.STOPPING,) * 3
    run.end("b")
    assert run.group_state("g") is State.FAILED
    assert (run.state, run.stage_state("one"), run.group_state("h")) == (State.STOPPING,) * 3
    run.end("c")
    assert (run.state, run.stage_state("one")) == (State.FAILED, State.FAILED)
    assert (run.group_state("h"), run.stage_state("two")) == (State.COMPLETED, State.NOT_STARTED)
    assert run.progress.failure_count == 1


def test_a_stage_fails_by_its_own_limit(play) -> None:
    groups = (Group("g", ("a", "b")), Group("h", ("c",)))
    run = play(Plan((Stage("one", groups, max_failures=Limit(1)),)))
    run.fail("a")
    assert run.state is State.RUNNING
    run.fail("c")
    run.end("b")
    assert (run.group_state("g"), run.group_state("h")) == (State.COMPLETED, State.COMPLETED)
    assert (run.stage_state("one"), run.state) == (State.FAILED, State.FAILED)


def test_a_scope_is_completed_with_failures_within_its_limit(play) -> None:
    run = play(Plan((Stage("one", (Group("g", ("a", "b", "c"), max_failures=Limit(34, True)),)),)))
    run.fail("a", "b")
    run.end("c")
    assert (run.group_state("g"), run.state) == (State.COMPLETED, State.COMPLETED)


def test_stop_shows_stopping_until_what_runs_has_ended(play) -> None:
    run = play(two_groups(max_concurrency=Limit(1)))
    run.stop()
    assert (run.state, run.stage_state("one"), run.group_state("g")) == (State.STOPPING,) * 3
    run.end("a")
    assert (run.state, run.stage_state("one"), run.group_state("g")) == (State.STOPPED,) * 3
    assert run.stage_state("two") is State.NOT_STARTED


def test_a_failure_after_a_stop_ends_in_failed(play) -> None:
    run = play(two_groups())
    run.stop()
    run.fail("a")
    run.end("b", "c")
    assert run.state is State.FAILED


@pytest.mark.parametrize("pending", [True, False])
def test_a_pending_run_may_be_stopped_and_started(play, pending: bool) -> None:
    run = play(two_groups(before=GATE))
    assert run.state is State.PENDING
    run.stop()
    assert run.state is State.STOPPED
    if not pending:
        run.approve("one", Timing.BEFORE)
        assert run.state is State.STOPPED
        assert run.pop_started() == []
    run.start()
    assert run.state is (State.PENDING if pending else State.RUNNING)


def test_a_stopped_run_may_fail_again_after_its_start(play) -> None:
    run = play(two_groups())
    run.stop()
    run.end("a", "b", "c")
    assert run.state is State.STOPPED
    run.start()
    assert run.state is State.RUNNING
    run.fail("d")
    assert run.state is State.FAILED
    run.change(unready=not_ready("d"))
    run.start()
    assert run.state is State.PENDING
