"""To which snapshot a rollback goes, and when there is none."""

from __future__ import annotations

import msgspec
import pytest

from echelon.api.conditions import SUCCEEDED
from echelon.cli.errors import Failed
from echelon.cli.rollback import choose, proof_of
from echelon.explain.kinds import Run

from . import runs
from .runs import condition


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
    with pytest.raises(Failed, match="not kept any more: 0, 1; there is 2 "):
        choose("web", [GOOD, BETTER, BAD], {2})


def test_without_a_proof_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(Failed, match="the placement 'web' has no runs"):
        choose("web", [], {0})
    with pytest.raises(Failed, match="no other snapshot of 'web' is known to have been available everywhere"):
        choose("web", [GOOD], {0, 1})
    again = named(runs.failed(), "again", 0)
    with pytest.raises(Failed, match="before the run 'again'"):
        choose("web", [GOOD, again], {0})
