"""To which snapshot a rollback goes, and why: the last one that was available everywhere.

Pure, from a placement's runs and snapshots. A run proves that a snapshot was available everywhere when
it succeeded and left no member out. What is rolled back from is the snapshot of one run: the newest, or
one that the user names. Of the proofs from before that run, the newest for another snapshot that is
still kept is taken.

A run that was started by a rollback says so, and which run proved its snapshot: rolling back once more goes
on from that one, to what was there before it, and never forward to what was gone back from.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from echelon.api import names
from echelon.api.conditions import SUCCEEDED, find_condition
from echelon.api.meta import parse_time
from echelon.explain.items import Part, State
from echelon.explain.kinds import Run
from echelon.explain.outline import outline


class NoWayBack(Exception):
    """There is nothing to go back to; the message says why, and what can be done."""


class Proof(msgspec.Struct, frozen=True):
    """A snapshot was available on all members of a run when it ended."""

    index: int
    run: str
    members: int
    ended: datetime


class Choice(msgspec.Struct, frozen=True):
    """A rollback: from the snapshot of a run, to one that was proven. ``from_index`` is None when it has none yet."""

    bad: Run
    from_index: int | None
    to: Proof


def snapshot_index(run: Run) -> int | None:
    """The snapshot that a run rolls out; None for one that has not settled on any."""
    text = run.status.resource_snapshot_index_used or run.spec.resource_snapshot_index
    return int(text) if text.isascii() and text.isdecimal() else None


def proof_of(run: Run) -> Proof | None:
    """What a run proves, if it succeeded and left nobody out."""
    succeeded, index = find_condition(run.status.conditions, SUCCEEDED), snapshot_index(run)
    if succeeded is None or succeeded.status != "True" or index is None:
        return None
    members = [
        item
        for stage in outline(run).items
        for item in stage.items
        if item.part is Part.MEMBER and stage.name != "removal"
    ]
    if any(member.state is not State.DONE for member in members):
        return None
    return Proof(index, run.metadata.name, len(members), parse_time(succeeded.last_transition_time))


def choose(placement: str, runs: Sequence[Run], kept: Collection[int], bad: Run | None = None) -> Choice:
    """What to go back to.

    Args:
        placement: its name, for messages.
        runs: all of the placement, oldest first.
        kept: the indexes of the snapshots that are still there.
        bad: the run to go back from; None for the newest.

    Raises:
        NoWayBack: nothing was rolled out, or nothing that was available everywhere before is left.
    """
    if not runs:
        raise NoWayBack(f"the placement {placement!r} has no runs; there is nothing to go back from")
    bad = bad or runs[-1]
    from_index = snapshot_index(bad)
    found = [proof for run in _before(runs, bad) if (proof := proof_of(run)) is not None]
    proofs = sorted((proof for proof in found if proof.index != from_index), key=lambda proof: proof.ended)
    if not proofs:
        if names.ROLLED_BACK_TO in bad.metadata.annotations:
            raise NoWayBack(
                f"the run {bad.metadata.name!r} goes back to snapshot {from_index} of {placement!r} already "
                f"({outline(bad).state.value}), and nothing older is known to have been available everywhere; choose "
                "a snapshot yourself with echelon rollout start --snapshot"
            )
        raise NoWayBack(
            f"no other snapshot of {placement!r} is known to have been available everywhere before the run "
            f"{bad.metadata.name!r}: no earlier run of another snapshot succeeded on all its members; choose one "
            "yourself with echelon rollout start --snapshot"
        )
    left = [proof for proof in proofs if proof.index in kept]
    if not left:
        lost = ", ".join(dict.fromkeys(str(proof.index) for proof in proofs))
        there = ", ".join(map(str, sorted(kept))) or "none"
        raise NoWayBack(
            f"the snapshots of {placement!r} that were available everywhere are not kept any more: {lost}; there is "
            f"{there} (spec.revisionHistoryLimit says how many are kept)"
        )
    return Choice(bad, from_index, left[-1])


def _before(runs: Sequence[Run], bad: Run) -> Sequence[Run]:
    """The runs before one, or, where it went back to an earlier one, before that.

    Where that one is gone, so is the knowledge of what was before it: what rolled out older snapshots is left.
    """
    positions = {run.metadata.name: number for number, run in enumerate(runs)}
    position = positions[bad.metadata.name]
    while (name := runs[position].metadata.annotations.get(names.ROLLED_BACK_TO)) is not None:
        earlier, index = positions.get(name), snapshot_index(runs[position])
        if earlier is None or earlier >= position:
            return [run for run in runs[:position] if (snapshot_index(run) or 0) < (index or 0)]
        position = earlier
    return runs[:position]
