"""Groups that load their commands when they are called."""

from __future__ import annotations

import click
from click.testing import CliRunner

from echelon.cli.errors import INTERRUPTED
from echelon.cli.lazy import LazyGroup


@click.command()
def interrupted() -> None:
    raise KeyboardInterrupt


GROUP = LazyGroup("tool", table={"stop": (f"{__name__}:interrupted", "Stop."), "absent": ("no.such:thing", "Fail.")})


def test_help_loads_no_command() -> None:
    done = CliRunner().invoke(GROUP, ["--help"])
    assert done.exit_code == 0
    assert "absent  Fail." in done.output


def test_an_unknown_command_is_refused() -> None:
    done = CliRunner().invoke(GROUP, ["stp"])
    assert done.exit_code == 2
    assert "No such command 'stp'" in done.output


def test_an_interrupted_command_says_so_by_its_exit_code() -> None:
    done = CliRunner().invoke(GROUP, ["stop"])
    assert (done.exit_code, done.output) == (INTERRUPTED, "")
