"""``echelon updaterun watch``: follow a run until it is over."""

from __future__ import annotations

from collections.abc import Callable

import click
from rich.console import Console

from echelon.api import names
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.meta import to_dict
from echelon.api.upgrade import ClusterUpgrade
from echelon.cli.access import connected
from echelon.cli.display import Scene, display_on
from echelon.cli.errors import INTERRUPTED, Failed
from echelon.cli.fleet.nouns import RUN, upgrade_words
from echelon.cli.fleet.reading import read
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import name_option
from echelon.cli.loop import run as run_loop
from echelon.cli.view import View
from echelon.explain.access import Access
from echelon.explain.items import Item, State
from echelon.explain.run_outline import Details, run_outline
from echelon.explain.run_waits import next_command, run_waits
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport


@click.command()
@name_option(*RUN.other_names)
@scope_options
def watch(scope: Scope, name: str) -> None:
    """Follow the update run NAME until it is over.

    A live tree on a terminal, else a line for each change; with all that the run waits for, until when, and the
    command that unblocks it. Exit code 0 when the run completed, 1 when it failed or was deleted. Ctrl-C stops
    watching (130); the run goes on.
    """
    from echelon.cli.logs import log_to_stderr  # here, for what it takes to load

    log_to_stderr(verbose=False)
    try:
        run_loop(_watch(Console(highlight=False), scope, name))
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


async def _watch(console: Console, scope: Scope, name: str) -> None:
    async with connected(scope.access, HttpTransport) as client:
        await scope.check(client)
        await read(client, RUN, name)  # so that one that is not there is named with those that are
        run, item = await follow_run(client, name, console, scope.access)
        if item.state is State.FAILED:
            command = next_command(run, item, scope.access)
            raise Failed(f"update run {name!r} failed; to try what failed once more: {command}")


async def follow_run(
    client: Client,
    name: str,
    console: Console,
    access: Access,
    *,
    on_change: Callable[[UpdateRun], None] | None = None,
) -> tuple[UpdateRun, Item]:
    """Show an update run until it is over; gives it as it was last, and its outline.

    Args:
        client: of the hub.
        name: of the run.
        console: where to show it; lines instead of a tree when it is no terminal.
        access: how the hub was reached, for commands to the same hub.
        on_change: called with the run whenever it has changed.

    Raises:
        Failed: it was deleted meanwhile.
    """
    view, of_run = View(client), {names.UPDATE_RUN: name}
    runs = view.informer(UpdateRun, fields=f"metadata.name={name}")
    gates = view.informer(Gate, labels=of_run)
    upgrades = view.informer(ClusterUpgrade, labels=of_run)
    async with view.watched():
        with display_on(console) as display:
            while True:
                run = runs.get(name)
                if run is None:
                    raise Failed(f"update run {name!r} was deleted")
                item = run_outline(run, Details(gates.list(), upgrades.list()))
                title = upgrade_words(to_dict(run.spec.managed_cluster_update))
                display.show(Scene(item, title, run_waits(run, item, access)))
                if on_change is not None:
                    on_change(run)
                if item.is_over:
                    return run, item
                await view.changed()
