"""``echelon placement``: the group of commands about placements."""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon.cli.lazy import LazyGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "status": ("echelon.cli.placement_status:status", "Show where a placement stands, member by member."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def placement() -> None:
    """See where placements stand."""
