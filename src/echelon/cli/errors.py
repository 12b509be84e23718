"""How commands end that do not succeed: one line on standard error and an exit code, never a traceback."""

from __future__ import annotations

import sys

import click

FAILED = 1
NOT_TAKEN = 2
INTERRUPTED = 130


class Failed(click.ClickException):
    """What was asked for failed: one line, exit code 1."""

    exit_code = FAILED

    def show(self, file: object = None) -> None:
        click.echo(f"echelon: {self.format_message()}", file=sys.stderr)


class CannotStart(Failed):
    """A command that cannot be taken as it was given: one line, exit code 2."""

    exit_code = NOT_TAKEN
