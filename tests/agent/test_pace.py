"""When a Work is looked at again without a reason."""

from __future__ import annotations

from echelon.agent.pace import FREE_CORRECTIONS, QUIET, Pace


def test_failures_are_tried_again_each_time_later():
    pace = Pace()
    assert [pace.failed("web", "x") for _ in range(5)] == [1, 2, 4, 8, 16]
    assert [pace.failed("web", "x") for _ in range(20)][-1] == 900


def test_another_result_begins_anew():
    pace = Pace()
    assert [pace.failed("web", result) for result in ("x", "x", "y", "y", "x")] == [1, 2, 1, 2, 1]


def test_success_begins_anew():
    pace = Pace()
    pace.failed("web", "x")
    pace.succeeded("web")
    assert pace.failed("web", "x") == 1


def test_works_do_not_share_their_failures():
    pace = Pace()
    pace.failed("web", "x")
    assert pace.failed("db", "x") == 1


def corrected(pace: Pace, times: int, at: float = 0.0, generation: int = 1) -> None:
    pace.applied("web", generation, at, wrote=True)
    for _ in range(times):
        pace.applied("web", generation, at, wrote=True)


def test_the_first_corrections_are_made_at_once():
    pace = Pace()
    corrected(pace, FREE_CORRECTIONS - 1)
    assert pace.wait("web", 1, 0.0) == 0


def test_then_they_are_made_less_and_less_often():
    pace = Pace()
    corrected(pace, FREE_CORRECTIONS)
    waits = []
    for _ in range(10):
        waits.append(pace.wait("web", 1, 0.0))
        pace.applied("web", 1, 0.0, wrote=True)
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_pass_that_wrote_nothing_is_no_correction():
    pace = Pace()
    for _ in range(20):
        pace.applied("web", 1, 0.0, wrote=False)
    assert pace.wait("web", 1, 0.0) == 0


def test_quiet_makes_good():
    pace = Pace()
    corrected(pace, FREE_CORRECTIONS + 5)
    pace.applied("web", 1, QUIET + 1, wrote=True)
    assert pace.wait("web", 1, QUIET + 1) == 0


def test_a_new_version_does_not_wait():
    pace = Pace()
    corrected(pace, FREE_CORRECTIONS + 5)
    assert pace.wait("web", 2, 0.0) == 0


def test_nothing_is_remembered_of_a_work_that_is_gone():
    pace = Pace()
    corrected(pace, FREE_CORRECTIONS + 5)
    pace.failed("web", "x")
    pace.forget("web")
    assert pace.wait("web", 1, 0.0) == 0
    assert pace.failed("web", "x") == 1
