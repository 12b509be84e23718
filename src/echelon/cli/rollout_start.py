"""``echelon rollout start``: start a run of a placement."""

from __future__ import annotations

import asyncio

import click

from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.errors import CannotStart
from echelon.cli.kinds import find_placement
from echelon.cli.runs import runs_of
from echelon.cli.starting import check_external, check_run_name, find_snapshot, find_strategy, start_run
from echelon.cli.transport import brief_transport
from echelon.explain.access import Access
from echelon.explain.waiting import scope_words


@click.command()
@click.argument("placement")
@click.option("--strategy", metavar="NAME", help="Strategy to follow; without it, the last run's, or the only one.")
@click.option("--name", metavar="NAME", help="Name of the run; without it, the placement's with the next number.")
@click.option("--snapshot", metavar="INDEX", help="Resource snapshot to roll out; without it, what is selected now.")
@namespace_option
@access_options
def start(
    placement: str, strategy: str | None, name: str | None, snapshot: str | None, namespace: str, access: Access
) -> None:
    """Start a run that rolls PLACEMENT out, stage by stage.

    The placement's rollout strategy has to be External, so that runs decide what its members get.
    """
    if name is not None:
        check_run_name(name)
    if snapshot is not None and not (snapshot.isascii() and snapshot.isdecimal()):
        raise CannotStart(f"--snapshot {snapshot!r} is no index of a snapshot; want a whole number from 0")
    asyncio.run(_start(placement, strategy, name, snapshot, namespace, access))


async def _start(
    placement: str, strategy: str | None, name: str | None, snapshot: str | None, namespace: str, access: Access
) -> None:
    async with connected(access, brief_transport) as client:
        found = await find_placement(client, placement, namespace)
        check_external(found)
        runs = await runs_of(client, placement, namespace)
        chosen = await find_strategy(client, strategy, runs, namespace)
        if snapshot is not None:
            await find_snapshot(client, found, int(snapshot))
        run = await start_run(client, found, chosen, snapshot or "", name)
    what = f"snapshot {snapshot}" if snapshot is not None else "what it selects now"
    click.echo(f"Started {run.metadata.name}: {placement}, {what}, by strategy {chosen}")
    click.echo(f"Follow it: {access.command('rollout', 'watch', run.metadata.name, *scope_words(namespace))}")
