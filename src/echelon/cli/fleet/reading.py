"""Reading from the hub, and printing what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.cli.errors import Failed
from echelon.cli.fleet.nouns import Noun, Plain
from echelon.kube.client import Client
from echelon.kube.errors import NotFound
from echelon.kube.kinds import Unstructured

_NAMED = 10
_STYLES: Mapping[str, str] = {
    "Completed": "green",
    "joined": "green",
    "Failed": "bold red",
    "unhealthy": "red",
    "Running": "cyan",
    "Pending": "yellow",
    "Stopping": "yellow",
    "Stopped": "yellow",
    "Skipped": "dim",
    "NotStarted": "dim",
    "disabled": "dim",
}


async def read(client: Client, noun: Noun, name: str) -> dict[str, Any]:
    """An object as it is on the hub. Raises Failed, naming those that there are."""
    try:
        return await client.get(Unstructured(noun.kind.resource), name)
    except NotFound:
        raise await not_there(client, noun, name) from None


async def not_there(client: Client, noun: Noun, name: str) -> Failed:
    """What to say of an object that is not there: its name, and what there is."""
    there = [found["metadata"]["name"] for found in await read_all(client, noun)]
    more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
    listed = ", ".join(there[:_NAMED]) + more if there else "none"
    return Failed(f"there is no {noun.word} {name!r}; there is: {listed}")


async def read_all(client: Client, noun: Noun) -> Sequence[dict[str, Any]]:
    """All objects of a noun, oldest first."""
    listed = await client.list(Unstructured(noun.kind.resource))
    return sorted(listed.items, key=_age)


def _age(found: Plain) -> tuple[str, str]:
    metadata = found["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["name"]


def table(noun: Noun, views: Sequence[Plain]) -> object:
    """Objects, a line each, for people."""
    from rich.console import Group  # here, for what it takes to load when data are asked for
    from rich.table import Table
    from rich.text import Text

    if not views:
        return Text(f"There are no {plural(noun)}.")
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    rows = [noun.row(view) for view in views]
    used = [index for index, heading in enumerate(noun.columns) if index == 0 or any(row[index] for row in rows)]
    for index in used:
        shown.add_column(noun.columns[index], no_wrap=index < 1, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(row[index], style=_STYLES.get(row[index], "")) for index in used))
    return Group(shown)


def plural(noun: Noun) -> str:
    """The noun of several."""
    return f"{noun.word[:-1]}ies" if noun.word.endswith("y") else f"{noun.word}s"
