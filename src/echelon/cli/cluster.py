"""``echelon cluster``: take everything off a member, and let it take placements again."""

from __future__ import annotations

import asyncio
from collections import Counter

import click

from echelon.cli.access import access_options, connected
from echelon.cli.errors import Failed
from echelon.cli.kinds import listed_names
from echelon.explain.access import Access
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.http import HttpTransport

_DEFAULT_TIMEOUT = 60.0


@click.group()
def cluster() -> None:
    """Empty members for maintenance, and take them back."""


@cluster.command()
@click.argument("name")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the hub to judge the evictions.",
)
@access_options
def drain(name: str, timeout: float, access: Access) -> None:
    """Take every placement off the member NAME, as far as disruption budgets allow.

    The member is cordoned first: nothing new is placed on it until it is uncordoned. Exit code 1 when
    something is left on it; the command can be repeated.
    """
    left = asyncio.run(_drain(name, timeout, access))
    again = access.command("cluster", "uncordon", name)
    click.echo(f"{name} is cordoned; to have placements come back: {again}")
    if left:
        raise Failed(f"{left} placement{'s' * (left != 1)} could not be taken off {name!r}; see above")


async def _drain(name: str, timeout: float, access: Access) -> int:
    from echelon.placement.eviction import drain as draining  # here, for what it takes to load

    def tell(drained: draining.Drained) -> None:
        called = "/".join(part for part in (drained.namespace, drained.placement) if part)
        click.echo(f"{called}  {drained.outcome.value}" + (f": {drained.message}" if drained.message else ""))

    async with connected(access, HttpTransport) as client:
        try:
            async with asyncio.timeout(timeout):
                done = await draining.drain(client, name, on_outcome=tell)
        except NotFound:
            raise await _no_member(client, name) from None
        except TimeoutError:
            raise Failed(
                f"the hub has not judged all evictions from {name!r} within {timeout:g} s; it may still do so, "
                "and the command can be repeated"
            ) from None
    counts = Counter(drained.outcome for drained in done)
    if not done:
        click.echo(f"{name} has no placements")
    return counts[draining.Outcome.BLOCKED] + counts[draining.Outcome.REFUSED]


@cluster.command()
@click.argument("name")
@access_options
def uncordon(name: str, access: Access) -> None:
    """Let placements be put on the member NAME again."""
    changed = asyncio.run(_uncordon(name, access))
    click.echo(f"{name} takes placements again" if changed else f"{name} was not cordoned")


async def _uncordon(name: str, access: Access) -> bool:
    from echelon.placement.eviction import drain as draining

    async with connected(access, HttpTransport) as client:
        try:
            return await draining.uncordon(client, name)
        except NotFound:
            raise await _no_member(client, name) from None


async def _no_member(client: Client, name: str) -> Failed:
    from echelon.api.cluster import MemberCluster

    there = await listed_names(client, MemberCluster, "")
    return Failed(f"no MemberCluster {name!r}; there is {there}")
