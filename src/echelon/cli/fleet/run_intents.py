"""``echelon updaterun start``, ``stop`` and ``skip``: what users ask of a run that is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import click
from rich.text import Text

from echelon.api.fleet import SkipTarget, UpdateRun
from echelon.cli.errors import CannotStart
from echelon.cli.fleet.changing import Problem, change, refuse
from echelon.cli.fleet.nouns import RUN, Plain
from echelon.cli.fleet.reading import read
from echelon.cli.fleet.run_create import until_taken_up
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import name_option
from echelon.cli.output import Output, output_options
from echelon.upgrade.intents import (
    parse_skip,
    skip_problems,
    skipping,
    start_problems,
    started,
    stop_problems,
    stopped,
)

Judge = Callable[[UpdateRun], Sequence[Problem]]
_no_wait = click.option("--no-wait", is_flag=True, help="Do not wait until the hub has taken it up.")


@click.command()
@name_option(*RUN.other_names)
@_no_wait
@output_options
@scope_options
def start(scope: Scope, name: str, no_wait: bool, output: Output) -> None:
    """Start the update run NAME, or go on with one that was stopped or has failed.

    What is completed stays completed; what failed is tried once more, with the target it had.
    """
    found = asyncio.run(_ask(scope, name, "the start of", _start_problems, started, no_wait))
    output.show(RUN.view(found), lambda: _words(scope, f"Update run {name} started", name, "watch", "To follow it:  "))


@click.command()
@name_option(*RUN.other_names)
@_no_wait
@output_options
@scope_options
def stop(scope: Scope, name: str, no_wait: bool, output: Output) -> None:
    """Stop the update run NAME: no more members are started, upgrades under way are awaited."""
    found = asyncio.run(_ask(scope, name, "the stop of", stop_problems, stopped, no_wait))
    said = f"Update run {name} stops: upgrades under way come to their end, no more are started"
    output.show(RUN.view(found), lambda: _words(scope, said, name, "start", "To go on:  "))


@click.command()
@name_option(*RUN.other_names)
@click.option(
    "--targets",
    "first",
    multiple=True,
    required=True,
    metavar="TYPE:NAME…",
    help="What to skip: Member:NAME, Group:NAME, Stage:NAME (with its wait) or AfterStageWait:STAGE; one or more.",
)
@click.argument("more", nargs=-1, metavar="[TYPE:NAME]…")
@_no_wait
@output_options
@scope_options
def skip(scope: Scope, name: str, first: Sequence[str], more: Sequence[str], no_wait: bool, output: Output) -> None:
    """Skip members, groups, stages or waits of the update run NAME.

    Gates of a stage or group that is skipped are skipped with it. A member that is being upgraded is awaited.
    """
    targets = [_target(text) for text in (*first, *more)]
    found = asyncio.run(
        _ask(
            scope,
            name,
            "the skip in",
            lambda run: skip_problems(run, targets),
            lambda run: skipping(run, targets),
            no_wait,
        )
    )
    listed = ", ".join(f"{target.type} {target.name}" for target in targets)
    said = f"Update run {name} skips {listed}"
    output.show(RUN.view(found), lambda: _words(scope, said, name, "show", "How it stands:  "))


def _start_problems(run: UpdateRun) -> Sequence[Problem]:
    """Why a run cannot be started; also one that the hub could not plan cannot."""
    if run.status.state == "NotStarted" and run.status.error is not None:
        return [f"it cannot be planned: {run.status.error.message}"]
    return start_problems(run)


def _target(text: str) -> SkipTarget:
    try:
        return parse_skip(text)
    except ValueError as error:
        raise CannotStart(f"--targets: {error}") from None


async def _ask(
    scope: Scope, name: str, what: str, problems: Judge, changed: Callable[[UpdateRun], UpdateRun], no_wait: bool
) -> Plain:
    """Ask something of a run, if it can be asked; gives the run once the hub has taken it up."""

    def judged(run: UpdateRun) -> UpdateRun:
        refuse(problems(run), f"{what} update run {name!r}")
        return changed(run)

    async with scope.hub() as client:
        run = await change(client, RUN, UpdateRun, name, judged)
        return await (read(client, RUN, name) if no_wait else until_taken_up(client, run))


def _words(scope: Scope, said: str, name: str, verb: str, next_: str) -> Text:
    return (
        Text(f"{said}\n").append(next_, style="dim").append(scope.command("updaterun", verb, "-n", name), style="cyan")
    )
