from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from echelon.rollout import Gate, Group, Limit, Plan, Stage, State, WaitProgress, initial
from echelon.rollout.progress import Progress, from_json, to_json

PLAN = Plan(
    (
        Stage(
            "one",
            (Group("g", ("a", "b"), before=(Gate("check"),), max_failures=Limit(0)),),
            after=(Gate("check"),),
            wait=timedelta(1),
        ),
        Stage("two"),
    )
)


def test_the_initial_progress_has_the_shape_of_the_plan() -> None:
    progress = initial(PLAN)
    assert [stage.wait for stage in progress.stages] == [WaitProgress(), None]
    assert [target.name for target in progress.stages[0].groups[0].targets] == ["a", "b"]
    assert progress.state is State.NOT_STARTED
    assert not progress.at_rest


def test_what_has_not_happened_takes_no_room() -> None:
    assert to_json(Progress()) == b"{}"
    assert b"null" not in to_json(initial(PLAN))


def test_a_progress_is_read_as_it_was_written(play) -> None:
    run = play(PLAN)
    assert from_json(to_json(run.progress)) == run.progress


@pytest.mark.parametrize("text", ["{", "[]", '{"state": "Perhaps"}', '{"started_at": "2026-03-02T09:00:00"}'])
def test_what_is_no_progress_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_json(text)


@pytest.mark.parametrize(
    ("state", "at_rest", "finished"),
    [
        (State.COMPLETED, True, True),
        (State.SKIPPED, True, True),
        (State.FAILED, True, False),
        (State.STOPPED, True, False),
        (State.STOPPING, False, False),
        (State.PENDING, False, False),
    ],
)
def test_rest_and_end(state: State, at_rest: bool, finished: bool) -> None:
    progress = Progress(state=state)
    assert (progress.at_rest, progress.finished) == (at_rest, finished)
