"""``echelon gate``: where runs wait for somebody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import click

from echelon.cli.fleet.nouns import GATE, Plain
from echelon.cli.fleet.reading import read_all, table
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.verbs import show_command, wait_command
from echelon.cli.lazy import LazyGroup
from echelon.cli.output import Output, output_options

_HERE = "echelon.cli.fleet"
COMMANDS: Mapping[str, tuple[str, str]] = {
    "list": (f"{_HERE}.gate:list_gates", "List the gates that runs have reached."),
    "show": (f"{_HERE}.gate:show_gate", "Show a gate."),
    "approve": (f"{_HERE}.gate_approve:approve", "Let a run pass a gate."),
    "update": (f"{_HERE}.gate_approve:update", "Set the state of a gate; Completed is the one that can be set."),
    "wait": (f"{_HERE}.gate:wait_for_gate", "Wait until a gate is as you want it."),
}

show_gate = show_command(GATE)
wait_for_gate = wait_command(GATE)


@click.command("list")
@click.option(
    "--state-filter", "--state", "state", type=click.Choice(("Pending", "Skipped", "Completed")), help="Only those."
)
@click.option("--gate-type", type=click.Choice(("Approval", "ScheduledStart")), help="Only those.")
@click.option("--update-run-name", metavar="NAME", help="Only those of this run.")
@output_options
@scope_options
def list_gates(
    scope: Scope, state: str | None, gate_type: str | None, update_run_name: str | None, output: Output
) -> None:
    """List the gates that runs have reached, oldest first."""
    wanted = {"state": state, "gateType": gate_type}

    async def views() -> Sequence[Plain]:
        async with scope.hub() as client:
            return [GATE.view(found) for found in await read_all(client, GATE)]

    found = [
        view
        for view in asyncio.run(views())
        if all(value is None or view[key] == value for key, value in wanted.items())
        and update_run_name in (None, view["target"]["updateRun"])
    ]
    output.show(found, lambda: table(GATE, found))


@click.group(cls=LazyGroup, table=COMMANDS)
def gate() -> None:
    """See and approve the gates at which update runs wait."""
