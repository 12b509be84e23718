"""``echelon updatestrategy``: orders of stages and groups, to be used by many runs."""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon.cli.fleet.nouns import STRATEGY
from echelon.cli.fleet.verbs import delete_command, list_command, show_command, wait_command
from echelon.cli.lazy import LazyGroup

_HERE = "echelon.cli.fleet"
COMMANDS: Mapping[str, tuple[str, str]] = {
    "create": (f"{_HERE}.strategy_create:create", "Create an order of stages, or change it."),
    "list": (f"{_HERE}.updatestrategy:list_strategies", "List the strategies."),
    "show": (f"{_HERE}.updatestrategy:show_strategy", "Show a strategy."),
    "wait": (f"{_HERE}.updatestrategy:wait_for_strategy", "Wait until a strategy is as you want it."),
    "delete": (f"{_HERE}.updatestrategy:delete_strategy", "Delete a strategy; runs keep the copy they have."),
}

list_strategies = list_command(STRATEGY)
show_strategy = show_command(STRATEGY)
wait_for_strategy = wait_command(STRATEGY)
delete_strategy = delete_command(STRATEGY)


@click.group(cls=LazyGroup, table=COMMANDS)
def updatestrategy() -> None:
    """Keep orders of stages and groups for update runs."""
