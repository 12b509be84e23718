"""``echelon rollout rollback``: go back to what was last available everywhere."""

from __future__ import annotations

import asyncio
from typing import cast

import click

from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.errors import Failed
from echelon.cli.kinds import find_placement, snapshots_of
from echelon.cli.rollout_state import set_state
from echelon.cli.runs import list_runs, local_now, runs_of
from echelon.cli.starting import check_external, check_run_name, find_strategy, start_run
from echelon.cli.transport import brief_transport
from echelon.cli.tree import clock
from echelon.explain.access import Access
from echelon.explain.kinds import Placement, Run, index_of, is_master, kinds_of
from echelon.explain.outline import outline
from echelon.explain.rollback import Choice, NoWayBack, choose
from echelon.explain.waiting import scope_words
from echelon.kube.client import Client
from echelon.kube.errors import NotFound


@click.command()
@click.argument("name", metavar="PLACEMENT|RUN")
@click.option("--strategy", metavar="NAME", help="Strategy to follow; without it, that of the run gone back from.")
@click.option("--name", "run_name", metavar="NAME", help="Name of the run; without it, as with start.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@namespace_option
@access_options
def rollback(
    name: str, strategy: str | None, run_name: str | None, dry_run: bool, namespace: str, access: Access
) -> None:
    """Roll out again what was available everywhere before.

    PLACEMENT goes back from its newest run, RUN from that one. The snapshot to go back to is that of
    the last run before it that succeeded on all its members with another snapshot. A run that is
    still going on is stopped first. Rolling back once more goes to what was available everywhere before
    that, never forward again. A placement and a run of one name: the placement is taken.
    """
    if run_name is not None:
        check_run_name(run_name)
    asyncio.run(_rollback(name, strategy, run_name, dry_run, namespace, access))


async def _rollback(
    name: str, strategy: str | None, run_name: str | None, dry_run: bool, namespace: str, access: Access
) -> None:
    async with connected(access, brief_transport) as client:
        placement, bad = await _what(client, name, namespace)
        check_external(placement)
        called = placement.metadata.name
        runs = await runs_of(client, called, namespace)
        kept = {index_of(part) for part in await snapshots_of(client, called, namespace) if is_master(part)}
        try:
            choice = choose(called, runs, kept, bad)
        except NoWayBack as error:
            raise Failed(str(error)) from None
        chosen = await find_strategy(
            client, strategy or choice.bad.spec.staged_rollout_strategy_name, [choice.bad], namespace
        )
        click.echo(_reason(called, choice))
        active = [run for run in runs if not outline(run).is_over and run.spec.state != "Stop"]
        for run in active:
            click.echo(f"{'Would stop' if dry_run else 'Stopping'} {run.metadata.name}, which is still going on")
            if not dry_run:
                await _stop(client, run)
        if dry_run:
            click.echo(f"Would start a run of snapshot {choice.to.index}, by strategy {chosen}")
            return
        run = await start_run(client, placement, chosen, str(choice.to.index), run_name, back_to=choice.to.run)
    click.echo(f"Started {run.metadata.name}: {called}, snapshot {choice.to.index}, by strategy {chosen}")
    click.echo(f"Follow it: {access.command('rollout', 'watch', run.metadata.name, *scope_words(namespace))}")


async def _what(client: Client, name: str, namespace: str) -> tuple[Placement, Run | None]:
    """The placement to roll back, and the run that was named, if it was one. Raises Failed."""
    kinds = kinds_of(namespace)
    try:
        return cast(Placement, await client.get(kinds.placement, (namespace, name))), None
    except NotFound:
        pass
    try:
        run = cast(Run, await client.get(kinds.run, (namespace, name)))
    except NotFound:
        where = f" in namespace {namespace!r}" if namespace else ""
        runs = ", ".join(run.metadata.name for run in await list_runs(client, namespace)) or "none"
        placements = await client.list(kinds.placement, namespace=namespace or None)
        there = ", ".join(placement.metadata.name for placement in placements.items) or "none"
        raise Failed(
            f"no {kinds.placement.resource.kind} and no {kinds.run.resource.kind} {name!r}{where}; "
            f"there is the placement {there} and the run {runs}"
        ) from None
    return await find_placement(client, run.spec.placement_name, namespace), run


async def _stop(client: Client, run: Run) -> None:
    """Have a run start nothing more; one that was only initialized does nothing anyway."""
    if run.spec.state != "Initialize":
        await set_state(client, run, "Stop")


def _reason(placement: str, choice: Choice) -> str:
    now, proof = local_now(), choice.to
    away = "nothing yet" if choice.from_index is None else f"snapshot {choice.from_index}"
    everybody = f"{proof.members} member{'s' * (proof.members != 1)}"
    return (
        f"{placement} goes back from {away} (run {choice.bad.metadata.name}, {outline(choice.bad).state.value}) "
        f"to snapshot {proof.index}: the last that was available everywhere, "
        f"on {everybody} at {clock(proof.ended, now)} (run {proof.run})"
    )
