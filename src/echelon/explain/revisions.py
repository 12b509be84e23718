"""The snapshots of a placement: what each changed, which members have it, and which run proved it.

Pure, from the snapshots, bindings and runs of one placement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from echelon.api import names
from echelon.api.meta import parse_time
from echelon.explain.changes import changes
from echelon.explain.kinds import Binding, Run, Snapshot, index_of, is_master
from echelon.explain.rollback import proof_of


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot. ``changes`` is None for the first that is kept, as what was before is not known."""

    index: int
    made: datetime
    latest: bool
    objects: int
    changes: Sequence[str] | None
    members: Sequence[str]
    proven_by: str


def revisions(snapshots: Iterable[Snapshot], bindings: Iterable[Binding], runs: Iterable[Run]) -> Sequence[Revision]:
    """The snapshots of a placement, oldest first."""
    parts: dict[int, list[Snapshot]] = {}
    for part in snapshots:
        parts.setdefault(index_of(part), []).append(part)
    having: dict[str, list[str]] = {}
    for binding in bindings:
        having.setdefault(binding.spec.resource_snapshot_name, []).append(binding.spec.target_cluster)
    proofs = {proof.index: proof.run for run in runs if (proof := proof_of(run)) is not None}
    found: list[Revision] = []
    before: list[dict[str, Any]] | None = None
    for index, group in sorted(parts.items()):
        master = next((part for part in group if is_master(part)), None)
        if master is None:
            continue  # it is being made
        objects = [msgspec.json.decode(raw) for part in group for raw in part.spec.selected_resources]
        metadata = master.metadata
        found.append(
            Revision(
                index=index,
                made=parse_time(metadata.creation_timestamp or ""),
                latest=metadata.labels.get(names.IS_LATEST_SNAPSHOT) == "true",
                objects=len(objects),
                changes=None if before is None else changes(before, objects),
                members=sorted(having.get(metadata.name, ())),
                proven_by=proofs.get(index, ""),
            )
        )
        before = objects
    return found
