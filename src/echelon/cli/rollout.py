"""``echelon rollout``: the group of commands about staged rollouts."""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon.cli.lazy import LazyGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "start": ("echelon.cli.rollout_start:start", "Start a run of a placement."),
    "status": ("echelon.cli.rollout_status:status", "Show where a run stands and what it waits for."),
    "watch": ("echelon.cli.rollout_watch:watch", "Follow a run until it is over."),
    "approve": ("echelon.cli.rollout_approve:approve", "Approve what a run waits for."),
    "stop": ("echelon.cli.rollout_state:stop", "Let a run start no more members."),
    "resume": ("echelon.cli.rollout_state:resume", "Let a stopped or initialized run go on."),
    "rollback": ("echelon.cli.rollout_rollback:rollback", "Go back to what was last available everywhere."),
    "history": ("echelon.cli.rollout_history:history", "Show the runs of a placement and what changed."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def rollout() -> None:
    """Roll placements out stage by stage, see what runs wait for, and go back."""
