"""The command line: ``echelon`` and, as a kubectl plugin, ``kubectl echelon``.

Every command lives in a module of its own that is imported when it is called, so that a command
that reads answers at once. Exit codes: 0 done, 1 the operation failed, 2 the command could not be
taken as it was given (bad options, a port in use, data of a newer version), 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon import __version__
from echelon.cli.lazy import LazyGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("echelon.cli.up:up", "Start a hub with members on this machine."),
    "demo": ("echelon.cli.demo:demo", "Play a staged rollout on a hub of its own."),
    "hub": ("echelon.cli.hub:hub", "Back an embedded hub up, and restore it."),
    "rollout": ("echelon.cli.rollout:rollout", "Follow staged rollouts and see what they wait for."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="echelon")
def main() -> None:
    """Roll workloads and Kubernetes upgrades out to many clusters, stage by stage."""
