"""The history of a placement: its snapshots with what changed in each, and its runs with what became of them.

Pure. The members that have a snapshot are told from the bindings, the runs that rolled it out from the
runs' status.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from echelon.api import names
from echelon.api.meta import parse_time
from echelon.cli.changes import changes
from echelon.cli.rollback import proof_of, snapshot_index
from echelon.cli.tree import clock, state_style, took
from echelon.explain.kinds import Binding, Run, Snapshot, index_of, is_master
from echelon.explain.outline import outline
from echelon.explain.waiting import waits

LINES_SHOWN = 8
_NAMED = 4


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


def shown(found: Sequence[Revision], runs: Sequence[Run], now: datetime) -> RenderableType:
    """The history for people: snapshots with their changes, then runs, oldest first."""
    parts: list[RenderableType] = []
    for revision in found:
        parts += _revision(revision, now)
    if not found:
        parts.append(Text("No snapshots."))
    parts.append(Text())
    parts.append(_runs(runs, now) if runs else Text("No runs."))
    return Group(*parts)


def _revision(revision: Revision, now: datetime) -> list[RenderableType]:
    head = Text().append(f"snapshot {revision.index}", style="bold")
    head.append(f"  {clock(revision.made, now)}, {revision.objects} object{'s' * (revision.objects != 1)}")
    if revision.latest:
        head.append(", newest")
    if revision.proven_by:
        head.append(f", was available everywhere (run {revision.proven_by})", style="green")
    if revision.members:
        head.append(f", now on {_listed(revision.members)}")
    if revision.changes is None:
        return [head]
    lines = [Text(f"  {line}") for line in revision.changes[:LINES_SHOWN]] or [Text("  as before")]
    if len(revision.changes) > LINES_SHOWN:
        lines.append(Text(f"  and {len(revision.changes) - LINES_SHOWN} more changes"))
    return [head, *lines]


def _listed(members: Sequence[str]) -> str:
    more = f" and {len(members) - _NAMED} more" if len(members) > _NAMED else ""
    return ", ".join(members[:_NAMED]) + more


def _runs(runs: Sequence[Run], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for heading in ("RUN", "SNAPSHOT", "STRATEGY", "STATE", "STARTED", "TIME", "NOTE"):
        last = heading == "NOTE"
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if last else None)
    for run in runs:
        item, index = outline(run), snapshot_index(run)
        first = next(iter(waits(run, item)), None)
        table.add_row(
            run.metadata.name,
            "newest" if index is None else str(index),
            run.spec.staged_rollout_strategy_name,
            Text(item.state.value, style=state_style(item.state)),
            "" if item.since is None else clock(item.since, now),
            took(item, now),
            Text(item.note if first is None else f"waits for {first.what}"),
        )
    return table


def plain(found: Sequence[Revision], runs: Sequence[Run]) -> dict[str, Any]:
    """The history as data."""
    return {
        "snapshots": [msgspec.to_builtins(revision) for revision in found],
        "runs": [
            {
                "name": run.metadata.name,
                "snapshot": snapshot_index(run),
                "strategy": run.spec.staged_rollout_strategy_name,
                "state": item.state.value,
                "started": run.metadata.creation_timestamp,
                "ended": None if item.ended is None else item.ended.isoformat(),
                "note": item.note,
            }
            for run, item in ((run, outline(run)) for run in runs)
        ],
    }
