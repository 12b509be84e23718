"""``echelon updaterun create``: a run, judged before it is written and planned by the hub, not started."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import click
from msgspec.structs import replace
from rich.text import Text

from echelon.api.fleet import UpdateRun
from echelon.api.meta import from_dict
from echelon.cli.errors import Failed
from echelon.cli.fleet.changing import create_or_change, refuse
from echelon.cli.fleet.nouns import RUN, Plain, members_of, upgrade_words
from echelon.cli.fleet.reading import read
from echelon.cli.fleet.run_request import RunRequest, run_options
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import name_option
from echelon.cli.fleet.waiting import Deadline, until
from echelon.cli.output import Output, output_options
from echelon.kube.client import Client
from echelon.upgrade.asking import surroundings
from echelon.upgrade.intents import edit_problems
from echelon.upgrade.validation import run_problems

PATIENCE = 30.0
"""Seconds that the hub has to take a change up."""

_NAMED = 4


@click.command()
@name_option()
@run_options
@click.option("--no-wait", is_flag=True, help="Do not wait until the hub has planned it.")
@output_options
@scope_options
def create(scope: Scope, name: str, request: RunRequest, no_wait: bool, output: Output) -> None:
    """Create the update run NAME. It is planned and waits to be started.

    Without --stages and --update-strategy-name, all members are upgraded one by one. A run of that name that
    was not started yet is changed; one that was started is left alone.
    """
    wanted = request.run(name)
    found = asyncio.run(_create(scope, wanted, no_wait))
    output.show(RUN.view(found), lambda: created_words(scope, found))


async def _create(scope: Scope, wanted: UpdateRun, no_wait: bool) -> Plain:
    name = wanted.metadata.name
    async with scope.hub() as client:
        around = await surroundings(client, datetime.now(UTC))
        refuse(run_problems(wanted, around), f"update run {name!r}")
        run, _ = await create_or_change(client, UpdateRun, wanted, lambda present: _edited(present, wanted))
        if no_wait:
            return await read(client, RUN, name)
        return await until_taken_up(client, run)


def _edited(present: UpdateRun, wanted: UpdateRun) -> UpdateRun:
    """The run that is there, made the one that is wanted, if it may still be changed."""
    changed = replace(
        present,
        spec=replace(
            present.spec,
            managed_cluster_update=wanted.spec.managed_cluster_update,
            strategy=wanted.spec.strategy,
            update_strategy_name=wanted.spec.update_strategy_name,
        ),
    )
    if changed == present and present.spec.state != "Initialize":
        raise Failed(f"update run {present.metadata.name!r} exists and is {present.status.state}; nothing was changed")
    refuse(edit_problems(present, changed), f"update run {present.metadata.name!r}")
    return changed


async def until_taken_up(client: Client, run: UpdateRun) -> Plain:
    """Wait until the hub has seen what was asked of a run last; gives the run.

    Raises:
        TimedOut: no controller of the hub has taken it up.
    """
    generation, name = run.metadata.generation, run.metadata.name
    found = await until(
        client,
        RUN,
        name,
        lambda found: found is None or (found.get("status") or {}).get("observedGeneration", 0) >= generation,
        Deadline.after(PATIENCE),
    )
    if found is None:
        raise Failed(f"update run {name!r} was deleted meanwhile")
    error = from_dict(UpdateRun, found).status.error
    if error is not None and found["status"]["state"] == "NotStarted":
        raise Failed(f"update run {name!r} cannot be planned: {error.message}")
    return found


def created_words(scope: Scope, found: Plain) -> Text:
    """What was made, and what to do next."""
    name, status = found["metadata"]["name"], found.get("status") or {}
    words = Text(f"Update run {name} created, not started: ").append(
        upgrade_words(found["spec"]["managedClusterUpdate"]), style="bold"
    )
    for stage in status.get("stages") or ():
        words.append(f"\n  {stage['name']}: {_stage_words(stage)}")
    words.append("\nThe schedule:  ", style="dim").append(scope.command("updaterun", "plan", "-n", name), style="cyan")
    words.append("\nTo start it:   ", style="dim").append(scope.command("updaterun", "start", "-n", name), style="cyan")
    return words


def _stage_words(stage: Plain) -> str:
    groups = [
        f"{group['name']} ({_listed([member['name'] for member in group.get('members') or ()])})"
        for group in stage.get("groups") or ()
    ]
    wait = stage.get("afterStageWaitStatus")
    seconds = f", then a wait of {wait['waitDurationInSeconds']} s" if wait else ""
    together = " beside ".join(groups)
    if len(groups) == 1 and groups[0].startswith("default ("):
        members = members_of({"stages": [stage]})
        together = f"{len(members)} members one by one: {_listed([member['name'] for member in members])}"
    return together + seconds


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more if names else "no members"
