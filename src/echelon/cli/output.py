"""What a command prints: for people, or as data in a format of the user's choice.

Without ``-o`` a command prints what is made for people: tables, trees, sentences. With ``-o json|yaml|tsv``
it prints data and nothing else; ``--query`` (JMESPath) picks from the data first, and its result can be
shown as a table too. Data are plain JSON values.

Tab-separated values: a list is a line for each item, an item a line of its values. A value that is a list
itself is shown as its length and an object as nothing, so that the columns stay where they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Literal, TypeVar, cast

import click
import msgspec

from echelon.cli.errors import CannotStart, Failed

Format = Literal["table", "json", "yaml", "tsv"]
FORMATS = ("table", "json", "yaml", "tsv")

Command = TypeVar("Command", bound=Callable[..., Any])


class Output(msgspec.Struct, frozen=True):
    """How the user wants to see a result: the format, and a JMESPath expression or nothing."""

    format: Format = "table"
    query: str = ""

    @property
    def for_people(self) -> bool:
        """Whether nothing but the default was asked for."""
        return self.format == "table" and not self.query

    def show(self, data: object, people: Callable[[], object]) -> None:
        """Print a result.

        Args:
            data: the result as plain data.
            people: prints it for people, or gives a renderable of ``rich`` that does.
        """
        if self.for_people:
            _print_rich(people())
            return
        chosen = select(data, self.query)
        match self.format:
            case "json":
                click.echo(json.dumps(chosen, indent=2, ensure_ascii=False))
            case "yaml":
                import yaml  # here, for what it takes to load

                click.echo(yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True), nl=False)
            case "tsv":
                for line in tab_separated(chosen):
                    click.echo(line)
            case "table":
                _print_rich(_table(chosen))


def output_options(command: Command) -> Command:
    """Give a command ``-o`` and ``--query``, and an ``Output`` as its argument ``output``."""

    @wraps(command)
    def call(*args: Any, output: Format, query: str, **rest: Any) -> Any:
        if query:
            compiled(query)  # before anything is done
        return command(*args, output=Output(output, query), **rest)

    with_format = click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        help="How to print the result.",
        show_default=True,
    )
    with_query = click.option("--query", default="", metavar="JMESPATH", help="What to pick from the result.")
    return cast(Command, with_format(with_query(call)))


def compiled(query: str) -> Any:
    """A JMESPath expression, ready to be asked. Raises CannotStart when it is none."""
    import jmespath
    import jmespath.exceptions

    try:
        return jmespath.compile(query)
    except jmespath.exceptions.ParseError as error:
        why = " ".join(str(error).split())
        raise CannotStart(f"--query {query!r} is no JMESPath expression: {why}") from None
    except jmespath.exceptions.JMESPathError as error:
        raise CannotStart(f"--query {query!r} is no JMESPath expression: {error}") from None


def select(data: object, query: str) -> object:
    """What an expression picks from data; all of it without one."""
    if not query:
        return data
    expression = compiled(query)
    import jmespath.exceptions

    try:
        return expression.search(data)
    except jmespath.exceptions.JMESPathError as error:
        raise Failed(f"--query {query!r} cannot be answered: {error}") from None


def tab_separated(data: object) -> Sequence[str]:
    """Data as lines of tab-separated values."""
    if data is None:
        return []
    if isinstance(data, list):
        return [_row(item) for item in data]
    return [_row(data)]


def _row(item: object) -> str:
    if isinstance(item, Mapping):
        return "\t".join(map(_cell, item.values()))
    if isinstance(item, list):
        return "\t".join(map(_cell, item))
    return _cell(item)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return str(len(value))
    if value is None or isinstance(value, Mapping):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(str(value).split())


def _table(data: object) -> object:
    """Any data as a table: the single values of objects, a row an item."""
    from rich.table import Table

    items = data if isinstance(data, list) else [] if data is None else [data]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    rows = [item if isinstance(item, Mapping) else {"result": item} for item in items]
    scalars = [{key: value for key, value in row.items() if not isinstance(value, (list, Mapping))} for row in rows]
    headings = list(dict.fromkeys(key for row in scalars for key in row))
    for heading in headings:
        table.add_column(heading.upper(), no_wrap=True)
    for row in scalars:
        table.add_row(*(_cell(row.get(heading)) for heading in headings))
    return table if headings else None


def _print_rich(shown: object) -> None:
    """Print a renderable, or several. Sentences and commands are left to the terminal to wrap, so they copy whole."""
    if shown is None:
        return
    from rich.console import Console, Group
    from rich.text import Text

    console = Console(highlight=False)
    for part in shown.renderables if isinstance(shown, Group) else [shown]:
        console.print(part, soft_wrap=isinstance(part, Text))
