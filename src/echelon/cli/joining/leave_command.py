"""``echelon member leave``: a cluster leaves the fleet, and its agent goes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import click

from echelon.api import names
from echelon.cli.errors import CannotStart, Failed
from echelon.cli.fleet.values import NAME
from echelon.cli.joining import leaving
from echelon.cli.joining.ends import End, Ends, ends_options, reached


@click.command()
@click.argument("name", type=NAME)
@ends_options(member_required=False)
@click.option("--keep", is_flag=True, help="What was placed stays on it. This is the default.")
@click.option("--delete", is_flag=True, help="What was placed is deleted first.")
@click.option("--force", is_flag=True, help="Do not wait for its agent: for a member that is lost.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=1200,
    show_default=True,
    metavar="SECONDS",
    help="For how long to wait.",
)
def leave(name: str, ends: Ends, keep: bool, delete: bool, force: bool, yes: bool, timeout: float) -> None:
    """Let the member NAME leave the fleet, and take its agent off it.

    The agent is told to leave and says when it has; the hub waits for it for 15 minutes. Without --member-context the
    agent is not removed; it does nothing any more, and the same command with that option removes it later.
    """
    if keep and delete:
        raise CannotStart("want --keep or --delete, not both")
    if force and delete:
        raise CannotStart("--force does not wait for the agent, and nobody else can delete what was placed: not both")
    mode = names.LEAVE_FORCED if force else names.LEAVE_DELETE if delete else ""

    async def act() -> None:
        async with AsyncExitStack() as open_:
            hub = await open_.enter_async_context(reached("hub", ends.hub))
            member = None
            if ends.member is not None:
                member = await open_.enter_async_context(reached("member", ends.member))
            gone = await _let_go(hub, name, mode, timedelta(seconds=timeout), yes)
            await _remove_agent(hub, member, name, emptied=delete, gone=gone)

    asyncio.run(act())


async def _let_go(hub: End, name: str, mode: str, timeout: timedelta, yes: bool) -> bool:
    """Have the hub let a member go; False when it has none of that name."""
    found = await leaving.find(hub, name)
    if found is None:
        return False
    placed = await leaving.placed(hub, name)
    if not yes:
        click.confirm(_question(name, mode, placed), abort=True)
    await leaving.leave(hub, found, mode, timeout, click.echo)
    click.echo(f"{name} has left")
    if placed and mode != names.LEAVE_DELETE:
        click.echo(f"What was placed stays on it:\n{leaving.brief(placed)}")
    return True


async def _remove_agent(hub: End, member: End | None, name: str, *, emptied: bool, gone: bool) -> None:
    if member is None:
        if not gone:
            raise Failed(f"the hub has no member {name!r}; with --member-context its agent is removed from the member")
        click.echo(f"Its agent, if it has one, stays too: echelon member leave {name} --member-context … removes it")
        return
    removed = await leaving.remove_agent(hub, member, name, emptied=emptied)
    if removed:
        click.echo(f"Its agent is removed from the {member.title}")
    elif not gone:
        raise Failed(f"the hub has no member {name!r}, and there is no agent on the {member.title}")


def _question(name: str, mode: str, placed: Sequence[str]) -> str:
    count = f"{len(placed)} object{'s' * (len(placed) != 1)}"
    becomes = {
        names.LEAVE_DELETE: f"{count} placed there are deleted",
        names.LEAVE_FORCED: f"its agent is not waited for, and {count} placed there stay",
    }.get(mode, f"{count} placed there stay")
    return f"Let {name} leave the fleet? Of what the hub knows, {becomes}."
