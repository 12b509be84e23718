"""``echelon rollout``: the group of commands about staged rollouts."""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon.cli.lazy import LazyGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "status": ("echelon.cli.rollout_status:status", "Show where a run stands and what it waits for."),
    "watch": ("echelon.cli.rollout_watch:watch", "Follow a run until it is over."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def rollout() -> None:
    """Follow staged rollouts and see what they wait for."""
