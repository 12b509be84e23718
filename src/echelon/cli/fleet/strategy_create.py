"""``echelon updatestrategy create``."""

from __future__ import annotations

import asyncio

import click
from msgspec.structs import replace
from rich.console import Group
from rich.text import Text

from echelon.api.fleet import UpdateStrategy, UpdateStrategySpec
from echelon.api.meta import ObjectMeta
from echelon.cli.fleet.changing import create_or_change, refuse
from echelon.cli.fleet.nouns import STRATEGY, Plain
from echelon.cli.fleet.reading import read, table
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.stages import read_stages
from echelon.cli.fleet.values import name_option
from echelon.cli.output import Output, output_options
from echelon.upgrade.validation import strategy_problems


@click.command()
@name_option()
@click.option("--stages", required=True, metavar="FILE|JSON", help="The order: a JSON file, or JSON written out.")
@click.option("--no-wait", is_flag=True, help="Taken for the sake of scripts: there is nothing to wait for.")
@output_options
@scope_options
def create(scope: Scope, name: str, stages: str, no_wait: bool, output: Output) -> None:
    """Create the update strategy NAME, or change the one of that name. Runs that were made from it keep their copy."""
    order = read_stages(stages)
    refuse(strategy_problems(order, field="strategy"), f"update strategy {name!r}")
    wanted = UpdateStrategy(metadata=ObjectMeta(name=name), spec=UpdateStrategySpec(strategy=order))

    async def write() -> Plain:
        async with scope.hub() as client:
            await create_or_change(client, UpdateStrategy, wanted, lambda present: replace(present, spec=wanted.spec))
            return await read(client, STRATEGY, name)

    found = STRATEGY.view(asyncio.run(write()))
    command = scope.command("updaterun", "create", "-n", "RUN", "--update-strategy-name", name, "--upgrade-type", "…")
    line = Text("To use it:  ", style="dim").append(command, style="cyan")
    output.show(found, lambda: Group(table(STRATEGY, [found]), line))  # type: ignore[arg-type]  # a renderable
