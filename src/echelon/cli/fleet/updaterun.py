"""``echelon updaterun``: runs that upgrade the clusters of the fleet."""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon.cli.fleet.nouns import RUN
from echelon.cli.fleet.verbs import delete_command, list_command, wait_command
from echelon.cli.lazy import LazyGroup

_HERE = "echelon.cli.fleet"
COMMANDS: Mapping[str, tuple[str, str]] = {
    "plan": (f"{_HERE}.run_plan:plan", "The schedule and expected end, before anything is started."),
    "create": (f"{_HERE}.run_create:create", "Create a run; it is planned and waits to be started."),
    "start": (f"{_HERE}.run_intents:start", "Start a run, or go on with one that was stopped or has failed."),
    "watch": (f"{_HERE}.run_watch:watch", "Follow a run until it is over: a live tree."),
    "show": (f"{_HERE}.run_show:show", "Show where a run stands, what it waits for and what would unblock it."),
    "list": (f"{_HERE}.updaterun:list_runs", "List the runs."),
    "stop": (f"{_HERE}.run_intents:stop", "Start no more members of a run."),
    "skip": (f"{_HERE}.run_intents:skip", "Leave out members, groups, stages or waits of a run."),
    "wait": (f"{_HERE}.updaterun:wait_for_run", "Wait until a run is as you want it."),
    "delete": (f"{_HERE}.updaterun:delete_run", "Delete a run and its gates."),
}

list_runs = list_command(RUN)
wait_for_run = wait_command(RUN)
delete_run = delete_command(RUN, " and its gates", dependents_first=True)


@click.group(cls=LazyGroup, table=COMMANDS)
def updaterun() -> None:
    """Upgrade the clusters of the fleet, stage by stage."""
