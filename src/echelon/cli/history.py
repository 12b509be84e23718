"""The history of a placement: its snapshots with what changed in each, and its runs with what became of them.

Pure. What is known of a snapshot is found by ``explain.revisions``; here it is put into words and data.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from echelon.cli.tree import clock, state_style, took
from echelon.explain.kinds import Run
from echelon.explain.outline import outline
from echelon.explain.revisions import Revision
from echelon.explain.rollback import snapshot_index
from echelon.explain.waiting import waits

LINES_SHOWN = 8
_NAMED = 4


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
