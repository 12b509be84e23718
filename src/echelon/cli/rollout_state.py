"""``echelon rollout stop`` and ``resume``: whether a run starts members."""

from __future__ import annotations

import asyncio
from typing import Literal

import click

from echelon.cli.access import access_options, connected, namespace_option
from echelon.cli.errors import Failed
from echelon.cli.runs import get_run
from echelon.cli.transport import brief_transport
from echelon.explain.access import Access
from echelon.explain.kinds import Run
from echelon.explain.outline import outline
from echelon.explain.waiting import scope_words
from echelon.kube.client import Client
from echelon.kube.patches import MergePatch


@click.command()
@click.argument("name", metavar="RUN")
@namespace_option
@access_options
def stop(name: str, namespace: str, access: Access) -> None:
    """Let RUN start no more members. Those under way finish; what was rolled out stays."""
    changed = asyncio.run(_ask(name, namespace, access, "Stop"))
    what = "stops: members under way finish, no more are started" if changed else "was stopped already"
    click.echo(f"{name} {what}")
    click.echo(f"Go on: {access.command('rollout', 'resume', name, *scope_words(namespace))}")


@click.command()
@click.argument("name", metavar="RUN")
@namespace_option
@access_options
def resume(name: str, namespace: str, access: Access) -> None:
    """Let RUN go on where it was stopped, or begin when it was only initialized."""
    changed = asyncio.run(_ask(name, namespace, access, "Run"))
    click.echo(f"{name} goes on" if changed else f"{name} is going on already")
    click.echo(f"Follow it: {access.command('rollout', 'watch', name, *scope_words(namespace))}")


async def _ask(name: str, namespace: str, access: Access, state: Literal["Run", "Stop"]) -> bool:
    """Have a run be in a state; whether that is a change."""
    async with connected(access, brief_transport) as client:
        run = await get_run(client, name, namespace)
        _check(run, state)
        if run.spec.state == state:
            return False
        await set_state(client, run, state)
        return True


def _check(run: Run, state: Literal["Run", "Stop"]) -> None:
    name, item = run.metadata.name, outline(run)
    verb = "resumed" if state == "Run" else "stopped"
    if item.is_over:
        raise Failed(f"the run {name!r} cannot be {verb}: it is over ({item.state.value}); start another one")
    if state == "Stop" and run.spec.state == "Initialize":
        raise Failed(f"the run {name!r} cannot be stopped: it has not begun (spec.state 'Initialize'); delete it")


async def set_state(client: Client, run: Run, state: Literal["Run", "Stop"]) -> None:
    """Write what is wanted of a run."""
    await client.patch(type(run), run.key, MergePatch({"spec": {"state": state}}))
