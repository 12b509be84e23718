"""Backup of an embedded hub and its members, and the way back.

A backup is one file with every object of the hub and of the embedded members. It is read from the
database beside a hub that may be running, which need not know: SQLite gives a consistent picture of
everything acknowledged by then. It holds secrets, so it is readable by its owner only. Certificates,
keys and the administrator's token are not in it; they stay in the data folder, and are made anew in a
folder that has none.

Whatever is wrong is a ``BackupError`` with one line for the user.
"""

from __future__ import annotations

from pathlib import Path

from echelon.apiserver.storage import InUse, StorageError, restore
from echelon.apiserver.storage.backup import check, copy

DATABASE = "echelon.db"


class BackupError(Exception):
    """A backup cannot be made or restored; the message is one line for the user."""


def back_up(data: Path, file: Path) -> int:
    """Write a backup of the hub in a data folder to a file, replacing an older one; its size in bytes."""
    database = data / DATABASE
    if not database.is_file():
        raise BackupError(f"there is no hub in {data}: it has no {DATABASE}; name its folder with --data")
    if not file.absolute().parent.is_dir():
        raise BackupError(f"cannot write {file}: its folder does not exist")
    try:
        check(database)  # a copy of a damaged database must not replace a good one
        copy(database, file.absolute())
        return file.stat().st_size
    except StorageError as error:
        raise BackupError(str(error)) from error


def bring_back(file: Path, data: Path) -> None:
    """Put a backup in the place of what the hub in a data folder had. The hub must not be running."""
    try:
        restore(file, data / DATABASE)
    except InUse as error:
        raise BackupError(f"the hub in {data} is running: stop it first") from error
    except StorageError as error:
        raise BackupError(str(error)) from error
