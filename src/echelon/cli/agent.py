"""``echelon agent``: the agent of a member, as a process."""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon.cli.lazy import LazyGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("echelon.cli.agent_run:run_agent", "Be the agent of a member, until stopped."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def agent() -> None:
    """Run the agent of a member."""
