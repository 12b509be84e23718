"""To which snapshot a rollback goes, and when there is none."""

from __future__ import annotations

import msgspec
import pytest

from echelon.api import names
from echelon.api.conditions import SUCCEEDED
from echelon.explain.kinds import Run
from echelon.explain.rollback import NoWayBack, choose, proof_of

from ..cli import runs
from ..cli.runs import condition


def named(run: Run, name: str, index: int, ended: float = 107) -> Run:
    """A run under another name, of another snapshot, that ended at another moment."""
    status = msgspec.structs.replace(run.status, resource_snapshot_index_used=str(index))
    conditions = tuple(
        condition(found.type, found.status, found.reason, ended) if found.type == SUCCEEDED else found
        for found in status.conditions
    )
    metadata = msgspec.structs.replace(run.metadata, name=name)
    return msgspec.structs.replace(
        run, metadata=metadata, status=msgspec.structs.replace(status, conditions=conditions)
    )


GOOD = named(runs.succeeded(), "first", 0, 100)
BETTER = named(runs.succeeded(), "second", 1, 200)
BAD = named(runs.failed(), "third", 2, 300)
STUCK = named(runs.in_second_stage(), "fourth", 3)


def test_a_run_that_succeeded_on_all_members_is_a_proof() -> None:
    proof = proof_of(GOOD)
    assert proof is not None
    assert (proof.index, proof.run, proof.members) == (0, "first", 3)
    assert proof_of(BAD) is None
    assert proof_of(STUCK) is None


def test_a_run_that_left_a_member_out_is_none() -> None:
    left = runs.member("one", condition(SUCCEEDED, "True", "ClusterUpdatingSkipped", 3, "it left"))
    run = runs.run([runs.stage("staging", [left])], condition(SUCCEEDED, "True", "UpdateRunSucceeded", 5))
    assert proof_of(run) is None


@pytest.mark.parametrize("last", [BAD, STUCK], ids=["failed", "going on"])
def test_the_newest_run_is_gone_back_from(last: Run) -> None:
    choice = choose("web", [GOOD, BETTER, last], {0, 1, 2, 3})
    assert (choice.bad.metadata.name, choice.to.index, choice.to.run) == (last.metadata.name, 1, "second")


def test_what_succeeded_last_can_be_gone_back_from_too() -> None:
    choice = choose("web", [GOOD, BETTER], {0, 1})
    assert (choice.from_index, choice.to.index) == (1, 0)


def test_a_named_run_is_gone_back_from() -> None:
    choice = choose("web", [GOOD, BETTER, BAD], {0, 1, 2}, BETTER)
    assert (choice.bad.metadata.name, choice.to.index) == ("second", 0)


def test_the_last_proof_is_that_which_ended_last() -> None:
    late = named(runs.succeeded(), "first", 0, 250)
    assert choose("web", [late, BETTER, BAD], {0, 1, 2}).to.index == 0


def test_a_snapshot_that_is_not_kept_is_passed_over() -> None:
    assert choose("web", [GOOD, BETTER, BAD], {0, 2}).to.index == 0
    with pytest.raises(NoWayBack, match="not kept any more: 0, 1; there is 2 "):
        choose("web", [GOOD, BETTER, BAD], {2})


def back(run: Run, to: str) -> Run:
    """A run that a rollback started."""
    metadata = msgspec.structs.replace(run.metadata, annotations={names.ROLLED_BACK_TO: to})
    return msgspec.structs.replace(run, metadata=metadata)


BEST = named(runs.succeeded(), "third", 2, 300)
BACK = back(named(runs.succeeded(), "fourth", 1, 400), "second")


def test_rolling_back_again_goes_further_back_and_never_forward() -> None:
    history = [GOOD, BETTER, BEST]
    assert choose("web", history, {0, 1, 2}).to.run == "second"
    choice = choose("web", [*history, BACK], {0, 1, 2})
    assert (choice.bad.metadata.name, choice.from_index, choice.to.index, choice.to.run) == ("fourth", 1, 0, "first")
    going_on = back(named(runs.in_second_stage(), "fourth", 1), "second")
    assert choose("web", [*history, going_on], {0, 1, 2}).to.run == "first"


def test_rolling_back_from_a_new_version_goes_to_what_the_rollback_left() -> None:
    newest = named(runs.failed(), "fifth", 3)
    assert choose("web", [GOOD, BETTER, BEST, BACK, newest], {0, 1, 2, 3}).to.run == "fourth"
    again = back(named(runs.succeeded(), "sixth", 1, 600), "fourth")
    assert choose("web", [GOOD, BETTER, BEST, BACK, newest, again], {0, 1, 2, 3}).to.run == "first"


def test_an_older_version_that_was_started_by_hand_is_gone_back_from_like_any() -> None:
    by_hand = named(runs.succeeded(), "fourth", 0, 400)
    assert choose("web", [GOOD, BETTER, BEST, by_hand], {0, 1, 2}).to.run == "third"


def test_as_far_back_as_is_known() -> None:
    first = back(named(runs.in_second_stage(), "third", 0), "first")
    with pytest.raises(NoWayBack) as caught:
        choose("web", [GOOD, BETTER, first], {0, 1})
    assert str(caught.value).startswith("the run 'third' goes back to snapshot 0 of 'web' already (")
    assert "and nothing older is known to have been available everywhere" in str(caught.value)


def test_without_the_run_that_was_gone_back_to_older_snapshots_are_left() -> None:
    assert choose("web", [GOOD, BEST, BACK], {0, 1, 2}).to.run == "first"
    with pytest.raises(NoWayBack, match="goes back to snapshot 1 of 'web' already"):
        choose("web", [BEST, BACK], {1, 2})


def test_without_a_proof_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(NoWayBack, match="the placement 'web' has no runs"):
        choose("web", [], {0})
    with pytest.raises(NoWayBack, match="no other snapshot of 'web' is known to have been available everywhere"):
        choose("web", [GOOD], {0, 1})
    again = named(runs.failed(), "again", 0)
    with pytest.raises(NoWayBack, match="before the run 'again'"):
        choose("web", [GOOD, again], {0})
