"""The verbs that every noun has: ``list``, ``show``, ``delete`` and ``wait``, made from the noun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import click

from echelon.cli.errors import Failed
from echelon.cli.fleet.nouns import Noun, Plain
from echelon.cli.fleet.reading import plural, read, read_all, table
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import name_option
from echelon.cli.fleet.waiting import Condition, Deadline, until
from echelon.cli.output import Output, compiled, output_options
from echelon.kube.client import Client, Propagation
from echelon.kube.errors import NotFound

People = Callable[[Scope, Plain], object]


def list_command(noun: Noun) -> click.Command:
    """``list``: all objects."""

    @click.command("list", help=f"List the {plural(noun)} of the fleet.")
    @output_options
    @scope_options
    def command(scope: Scope, output: Output) -> None:
        async def views() -> Sequence[Plain]:
            async with scope.hub() as client:
                return [noun.view(found) for found in await read_all(client, noun)]

        found = asyncio.run(views())
        output.show(found, lambda: table(noun, found))

    return command


def show_command(noun: Noun, people: People | None = None) -> click.Command:
    """``show``: one object; ``people`` shows it for people, otherwise a line of the list does."""

    @click.command("show", help=f"Show the {noun.word} NAME.")
    @name_option(*noun.other_names)
    @output_options
    @scope_options
    def command(scope: Scope, name: str, output: Output) -> None:
        async def one() -> Plain:
            async with scope.hub() as client:
                return await read(client, noun, name)

        found = asyncio.run(one())
        view = noun.view(found)
        output.show(view, lambda: table(noun, [view]) if people is None else people(scope, found))

    return command


def delete_command(noun: Noun, gone: str = "", *, dependents_first: bool = False) -> click.Command:
    """``delete``: one object, and what goes with it, which ``gone`` says; ``dependents_first``: before it is gone."""

    @click.command("delete", help=f"Delete the {noun.word} NAME{gone}.")
    @name_option(*noun.other_names)
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    @click.option("--no-wait", is_flag=True, help="Do not wait until it is gone.")
    @scope_options
    def command(scope: Scope, name: str, yes: bool, no_wait: bool) -> None:
        if not yes:
            click.confirm(f"Delete the {noun.word} {name!r}{gone}?", abort=True)

        async def delete() -> None:
            async with scope.hub() as client:
                await read(client, noun, name)  # so that one that is not there is named with those that are
                propagation: Propagation = "Foreground" if dependents_first else "Background"
                await client.delete(noun.kind, name, propagation=propagation, missing_ok=True)
                if not no_wait:
                    await _until_gone(client, noun, name)

        asyncio.run(delete())
        click.echo(f"Deleted the {noun.word} {name}" if not no_wait else f"The {noun.word} {name} is being deleted")

    return command


async def _until_gone(client: Client, noun: Noun, name: str) -> None:
    try:
        await client.get(noun.kind, name)
    except NotFound:
        return
    await until(client, noun, name, lambda found: found is None, Deadline.never())


def wait_command(noun: Noun) -> click.Command:
    """``wait``: until an object is there, gone, or as an expression wants it."""

    @click.command("wait", help=f"Wait until the {noun.word} NAME is as you want it. Exit code 3 when the time is up.")
    @name_option(*noun.other_names)
    @click.option("--created", is_flag=True, help="Until it is there and set up.")
    @click.option("--updated", is_flag=True, help="Until what was asked of it last is taken up.")
    @click.option("--exists", is_flag=True, help="Until it is there.")
    @click.option("--deleted", is_flag=True, help="Until it is gone.")
    @click.option(
        "--custom", metavar="JMESPATH", help="Until this picks something true: \"status.state=='Completed'\"."
    )
    @click.option(
        "--timeout", type=click.FloatRange(0), default=3600, show_default=True, metavar="SECONDS", help="For how long."
    )
    @click.option("--interval", type=click.FloatRange(0), hidden=True, help="Taken for the sake of scripts.")
    @scope_options
    def command(
        scope: Scope,
        name: str,
        created: bool,
        updated: bool,
        exists: bool,
        deleted: bool,
        custom: str | None,
        timeout: float,
        interval: float | None,
    ) -> None:
        chosen = [created, updated, exists, deleted, custom is not None]
        if sum(chosen) != 1:
            raise click.UsageError("want one of --created, --updated, --exists, --deleted and --custom")
        condition = _condition(noun, created or updated, deleted, custom)

        async def wait() -> None:
            async with scope.hub() as client:
                await until(client, noun, name, condition, Deadline.after(timeout))

        asyncio.run(wait())

    return command


def _condition(noun: Noun, settled: bool, deleted: bool, custom: str | None) -> Condition:
    if deleted:
        return lambda found: found is None
    if custom is not None:
        expression = compiled(custom)
        return lambda found: found is not None and bool(expression.search(noun.view(found)))
    if settled:
        return lambda found: found is not None and _is_settled(noun, found)
    return lambda found: found is not None


def _is_settled(noun: Noun, found: dict[str, Any]) -> bool:
    state = noun.view(found)["provisioningState"]
    if state == "Failed":
        name = found["metadata"]["name"]
        raise Failed(f"the {noun.word} {name!r} cannot be set up: {why_not(found)}")
    observed = (found.get("status") or {}).get("observedGeneration")
    return state == "Succeeded" and observed in (None, found["metadata"].get("generation"))


def why_not(found: Plain) -> str:
    """Why an object is not as it should be, as its conditions say."""
    conditions = (found.get("status") or {}).get("conditions") or ()
    return next(
        (condition["message"] for condition in conditions if condition["status"] == "False"), "it does not say why"
    )
