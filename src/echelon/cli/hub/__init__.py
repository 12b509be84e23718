"""``echelon hub``: make a cluster a hub, run one, look after it; and the data of an embedded one.

This module knows the commands only by name: each is loaded when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from echelon.api import names
from echelon.cli.lazy import LazyGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "install": ("echelon.cli.hub.install:install", "Make a cluster a hub, or bring a hub to this version."),
    "run": ("echelon.cli.hub.run:run_hub", "Be the controllers of a hub, until stopped."),
    "status": ("echelon.cli.hub.status:status", "Say what is on a hub and what is wrong with it."),
    "uninstall": ("echelon.cli.hub.uninstall:uninstall", "Take the hub off a cluster."),
    "backup": ("echelon.cli.hub.data:backup", "Write a backup of an embedded hub to a file."),
    "restore": ("echelon.cli.hub.data:restore", "Restore an embedded hub from a file."),
}

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(cls=LazyGroup, table=COMMANDS)
def hub() -> None:
    """Make a cluster a hub, run one, and look after it."""


def hub_namespace_option(command: Command) -> Command:
    """Give a command ``--namespace``: that of the hub's own objects."""
    option = click.option(
        "-n",
        "--namespace",
        metavar="NAME",
        default=names.SYSTEM_NAMESPACE,
        show_default=True,
        help="Namespace of the hub's own objects.",
    )
    return option(command)


def namespace_words(namespace: str) -> Sequence[str]:
    """The words of a command line for a hub in a namespace."""
    return () if namespace == names.SYSTEM_NAMESPACE else ("--namespace", namespace)
