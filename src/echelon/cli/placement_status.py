"""``echelon placement status``: where a placement stands, member by member."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from echelon.api.conditions import find_condition
from echelon.api.meta import Condition, to_dict
from echelon.api.placement import PerClusterPlacementStatus
from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.explain import shown
from echelon.cli.kinds import find_placement
from echelon.cli.output import Output, output_options
from echelon.cli.runs import runs_of
from echelon.cli.transport import brief_transport
from echelon.explain.access import Access
from echelon.explain.explanation import said
from echelon.explain.kinds import Placement, Run
from echelon.explain.placements import explain_placement
from echelon.kube.client import Client

_STYLES = {"True": "green", "False": "red", "Unknown": "yellow"}


@click.command()
@click.argument("name")
@namespace_option
@output_options
@access_options
def status(name: str, namespace: str, output: Output, access: Access) -> None:
    """Show where the placement NAME stands.

    Each member with its snapshot and how far it is, why members were not chosen, what failed or
    drifted there, and what the placement waits for.
    """
    placement, runs = asyncio.run(_read(name, namespace, access))
    output.show(to_dict(placement.status), lambda: people(placement, runs, access))


async def _read(name: str, namespace: str, access: Access) -> tuple[Placement, Sequence[Run]]:
    async with connected(access, brief_transport) as client:
        return await find_placement(client, name, namespace), await _runs(client, name, namespace)


async def _runs(client: Client, name: str, namespace: str) -> Sequence[Run]:
    return await runs_of(client, name, namespace)


def people(placement: Placement, runs: Sequence[Run], access: Access) -> RenderableType:
    """A placement for people."""
    statuses = placement.status.placement_statuses
    chosen = [status for status in statuses if status.cluster_name]
    parts: list[RenderableType] = [shown(explain_placement(placement, runs, access))]
    if chosen:
        parts += [Text(), _table(chosen)]
    for status in chosen:
        parts += [Text(line) for line in _details(status)]
    parts += [Text(f"not chosen: {_reason(status)}") for status in statuses if not status.cluster_name]
    return Group(*parts)


def _table(statuses: Sequence[PerClusterPlacementStatus]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for heading in ("MEMBER", "SNAPSHOT", "STEP", "STATUS", "MESSAGE"):
        last = heading == "MESSAGE"
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if last else None)
    for status in statuses:
        last_step = _last_step(status)
        if last_step is None:
            table.add_row(status.cluster_name, status.observed_resource_index, "", "", "")
            continue
        table.add_row(
            status.cluster_name,
            status.observed_resource_index or "none",
            last_step.type,
            Text(last_step.status, style=_STYLES[last_step.status]),
            said(last_step),
        )
    return table


def _last_step(status: PerClusterPlacementStatus) -> Condition | None:
    """How far a member is: the first step that is not done, or the last one when all are."""
    undone = next((condition for condition in status.conditions if condition.status != "True"), None)
    return undone or (status.conditions[-1] if status.conditions else None)


def _details(status: PerClusterPlacementStatus) -> Sequence[str]:
    """What failed, drifted or differs on a member."""
    member = status.cluster_name
    lines = [f"{member}: {_named(item)} failed: {said(item.condition)}" for item in status.failed_placements]
    lines += [
        f"{member}: {_named(item)} drifted since {item.first_drifted_observed_time}: "
        + ", ".join(detail.path for detail in item.observed_drifts)
        for item in status.drifted_placements
    ]
    lines += [
        f"{member}: {_named(item)} differs since {item.first_diffed_observed_time}: "
        + (", ".join(detail.path for detail in item.observed_diffs) or "it is not there")
        for item in status.diffed_placements
    ]
    return lines


def _named(item: object) -> str:
    kind, namespace, name = (getattr(item, field) for field in ("kind", "namespace", "name"))
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _reason(status: PerClusterPlacementStatus) -> str:
    scheduled = find_condition(status.conditions, "Scheduled")
    return "no reason given" if scheduled is None else said(scheduled)
