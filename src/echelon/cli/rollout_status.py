"""``echelon rollout status``: where runs stand and what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.runs import bindings_of, get_run, list_runs, local_now
from echelon.cli.transport import brief_transport
from echelon.cli.tree import clock, explanation, failures, glyphs_for, state_style, took, tree
from echelon.explain.access import Access
from echelon.explain.kinds import Run
from echelon.explain.outline import outline, what_is_rolled_out
from echelon.explain.waiting import waits


@click.command()
@click.argument("name", required=False)
@namespace_option
@access_options
def status(name: str | None, namespace: str, access: Access) -> None:
    """Show where the run NAME stands.

    Its stages and members, what it waits for, since when, until when, and what would unblock it.
    Without NAME, one line for each run.
    """
    console = Console(highlight=False)
    if name is None:
        asyncio.run(_all(console, namespace, access))
    else:
        asyncio.run(_one(console, name, namespace, access))


async def _one(console: Console, name: str, namespace: str, access: Access) -> None:
    async with connected(access, brief_transport) as client:
        run = await get_run(client, name, namespace)
        bindings = await bindings_of(client, run)
    item, now = outline(run, bindings), local_now()
    console.print(tree(item, now, title=what_is_rolled_out(run), glyphs=glyphs_for(console)))
    if item.is_over:
        console.print(failures(item))
        return
    for wait in waits(run, item, access=access):
        console.print(explanation([wait], now))
        if wait.command:  # whole, to be copied
            console.print(f"  {wait.command}", style="cyan", markup=False, soft_wrap=True)


async def _all(console: Console, namespace: str, access: Access) -> None:
    async with connected(access, brief_transport) as client:
        runs = await list_runs(client, namespace)
    if runs:
        console.print(runs_table(runs, local_now()))
    else:
        where = f"the namespace {namespace!r}" if namespace else "this hub"
        console.print(f"No staged runs on {where}.", markup=False)


def runs_table(runs: Sequence[Run], now: datetime) -> Table:
    """Runs, a line each, with the first thing that each of them waits for."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for heading in ("NAME", "PLACEMENT", "SNAPSHOT", "STATE", "TIME", "WAITS FOR"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if heading == "WAITS FOR" else None)
    for run in runs:
        item = outline(run)
        first = next(iter(waits(run, item)), None)
        index = run.status.resource_snapshot_index_used or run.spec.resource_snapshot_index
        until = f" until {clock(first.until, now)}" if first is not None and first.until is not None else ""
        table.add_row(
            run.metadata.name,
            run.spec.placement_name,
            index or "newest",
            Text(item.state.value, style=state_style(item.state)),
            took(item, now),
            Text("" if first is None else first.what + until),
        )
    return table
