"""``echelon rollout watch``: follow a run until it is over."""

from __future__ import annotations

import click
from rich.console import Console

from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.errors import INTERRUPTED, Failed
from echelon.cli.follow import Gone, follow
from echelon.cli.logs import log_to_stderr
from echelon.cli.loop import run
from echelon.cli.runs import get_run
from echelon.explain.access import Access
from echelon.explain.items import State
from echelon.explain.outline import outline
from echelon.kube.http import HttpTransport


@click.command()
@click.argument("name")
@namespace_option
@access_options
def watch(name: str, namespace: str, access: Access) -> None:
    """Follow the run NAME until it is over.

    A live tree on a terminal, else a line for each change. Exit code 0 when the run succeeded, 1
    when it failed or was deleted. Ctrl-C stops watching (130); the run goes on.
    """
    log_to_stderr(verbose=False)
    try:
        run(_watch(Console(highlight=False), name, namespace, access))
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


async def _watch(console: Console, name: str, namespace: str, access: Access) -> None:
    async with connected(access, HttpTransport) as client:
        found = await get_run(client, name, namespace)
        try:
            ended = await follow(client, found, console)
        except Gone:
            raise Failed(f"the run {name!r} was deleted") from None
    if outline(ended).state is State.FAILED:
        raise Failed(f"the run {name!r} failed")
