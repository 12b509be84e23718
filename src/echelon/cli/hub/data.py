"""``echelon hub backup`` and ``restore``: the data of an embedded hub, and the way back."""

from __future__ import annotations

from pathlib import Path

import click

from echelon.cli.errors import Failed
from echelon.cli.up import default_data
from echelon.local.backup import BackupError, back_up, bring_back

_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_data,
    show_default="~/.local/share/echelon",
    help="Folder of the hub, as given to echelon up.",
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_data
def backup(file: Path, data: Path) -> None:
    """Write a backup of the hub and its members to FILE, also while it is running.

    The backup has every object, secrets among them, and can be read by its owner only. The certificates
    and keys in the data folder are not part of it.
    """
    try:
        size = back_up(data, file)
    except BackupError as error:
        raise Failed(str(error)) from None
    click.echo(f"Backed {data} up to {file}, {size / 1e6:.1f} MB")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_data
@click.option("--yes", is_flag=True, help="Do not ask before present data is replaced.")
def restore(file: Path, data: Path, yes: bool) -> None:
    """Restore the hub and its members from FILE, while it is stopped.

    What the data folder holds now is lost, but for its certificates and keys.
    """
    if (data / "echelon.db").exists() and not yes:
        click.confirm(f"Replace the data in {data} by {file}?", abort=True)
    try:
        bring_back(file, data)
    except BackupError as error:
        raise Failed(str(error)) from None
    click.echo(f"Restored {data} from {file}; start it with: echelon up --data {data}")
