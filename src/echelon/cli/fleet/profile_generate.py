"""``echelon autoupgradeprofile generate-update-run``: the run of a profile for what is published now, not started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import click
from rich.text import Text

from echelon.api.fleet import UpdateRun
from echelon.api.meta import from_dict
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.cli.errors import Failed
from echelon.cli.fleet.changing import refuse
from echelon.cli.fleet.nouns import PROFILE, RUN, Plain
from echelon.cli.fleet.reading import read
from echelon.cli.fleet.run_create import created_words, until_taken_up
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import name_option
from echelon.cli.output import Output, output_options
from echelon.kube.errors import AlreadyExists
from echelon.upgrade.asking import surroundings
from echelon.upgrade.autoupgrade import Generated, generate


@click.command()
@name_option(*PROFILE.other_names)
@click.option("--no-wait", is_flag=True, help="Do not wait until the hub has planned the run.")
@output_options
@scope_options
def generate_update_run(scope: Scope, name: str, no_wait: bool, output: Output) -> None:
    """Make the run that brings the fleet to what the profile NAME stands for now. It is not started.

    Also for a profile that is disabled. A run that was made for the same before is given as it is.
    """
    found, left_out, exists = asyncio.run(_generate(scope, name, no_wait))
    output.show(RUN.view(found), lambda: _words(scope, found, left_out, exists))


async def _generate(scope: Scope, name: str, no_wait: bool) -> tuple[Plain, Mapping[str, str], bool]:
    now = datetime.now(UTC)
    async with scope.hub() as client:
        profile = from_dict(AutoUpgradeProfile, await read(client, PROFILE, name))
        around, runs = await surroundings(client, now), await client.list(UpdateRun)
        made = generate(profile, around, runs.items, now)
        if not isinstance(made, Generated):
            refuse([made], f"a run of {name!r}")
            raise Failed(str(made))
        run, exists = made.run, made.exists
        if not exists:
            try:
                run = await client.create(run)
            except AlreadyExists:  # somebody made the same at the same moment
                exists = True
        if exists or no_wait:
            return await read(client, RUN, run.metadata.name), made.left_out, exists
        return await until_taken_up(client, run), made.left_out, exists


def _words(scope: Scope, found: Plain, left_out: Mapping[str, str], exists: bool) -> Text:
    if exists:
        run, state = found["metadata"]["name"], (found.get("status") or {}).get("state", "NotStarted")
        words = Text(f"Update run {run} was made for the same before; it is {state}\n")
        words.append("To see it:  ", style="dim")
        return words.append(scope.command("updaterun", "show", "-n", run), style="cyan")
    words = created_words(scope, found)
    for member, why in left_out.items():
        words.append(f"\n! {member} is left out: {why}", style="yellow")
    return words
