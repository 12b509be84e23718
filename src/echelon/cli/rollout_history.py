"""``echelon rollout history``: the snapshots and runs of a placement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.history import plain, shown
from echelon.cli.kinds import bindings_of_placement, find_placement, snapshots_of
from echelon.cli.output import Output, output_options
from echelon.cli.runs import local_now, runs_of
from echelon.cli.transport import brief_transport
from echelon.explain.access import Access
from echelon.explain.kinds import Run
from echelon.explain.revisions import Revision, revisions


@click.command()
@click.argument("placement")
@namespace_option
@output_options
@access_options
def history(placement: str, namespace: str, output: Output, access: Access) -> None:
    """Show the snapshots of PLACEMENT with what changed in each, and its runs."""
    found, runs = asyncio.run(_history(placement, namespace, access))
    output.show(plain(found, runs), lambda: shown(found, runs, local_now()))


async def _history(placement: str, namespace: str, access: Access) -> tuple[Sequence[Revision], Sequence[Run]]:
    async with connected(access, brief_transport) as client:
        await find_placement(client, placement, namespace)
        runs = await runs_of(client, placement, namespace)
        bindings = await bindings_of_placement(client, placement, namespace)
        return revisions(await snapshots_of(client, placement, namespace), bindings, runs), runs
