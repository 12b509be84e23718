"""The command line: ``echelon`` and, as a kubectl plugin, ``kubectl echelon``.

Every command lives in a module of its own that is imported when it is called, so that a command
that reads answers at once. Exit codes: 0 done, 1 the operation failed, 2 the command could not be
taken as it was given (bad options, a port in use, data of a newer version), 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import click

from echelon import __version__

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("echelon.cli.up:up", "Start a hub with members on this machine."),
    "demo": ("echelon.cli.demo:demo", "Play a staged rollout on a hub of its own."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed; help comes from the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="echelon")
def main() -> None:
    """Roll workloads and Kubernetes upgrades out to many clusters, stage by stage."""


class CannotStart(click.ClickException):
    """A command that cannot be taken as it was given: one line, exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        click.echo(f"echelon: {self.format_message()}", file=sys.stderr)
