"""Copies of a store: backup while it is in use, and the way back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from echelon.apiserver.storage.errors import StorageError
from echelon.apiserver.storage.lock import FileLock
from echelon.apiserver.storage.log import check_format, create_folder, read_only, sync, translated

RESTORE_LEAP = 1_000_000_000
"""How far a restored store's revisions lie beyond the backup's; more than any store writes between two backups."""


def copy(source: Path, destination: Path, complete: Callable[[sqlite3.Connection], None] | None = None) -> None:
    """Write a consistent copy of a store that may be in use, with everything acknowledged by now.

    The copy is readable by its owner only and appears whole or not at all; a file that is there
    already is replaced. ``complete`` may change the copy before. Raises ``StorageError``.
    """
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}")
    try:
        if destination.exists() and destination.samefile(source):
            raise StorageError(f"{destination} is the store itself: choose another file")
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with closing(read_only(source)) as connection:
                connection.execute("VACUUM INTO ?", (str(unfinished),))
            if complete is not None:
                with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
                    complete(connection)
            sync(unfinished)
            unfinished.replace(destination)
            sync(destination.parent)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except sqlite3.Error as error:
        raise translated(error, destination) from error
    except OSError as error:
        raise StorageError(f"cannot write {destination}: {error.strerror}") from error


def restore(backup: Path, path: Path) -> None:
    """Put a backup in the place of the store at ``path``, which must not be in use.

    Whatever the store held is gone afterwards. Clients may have seen revisions that the backup has
    not, and must not meet other objects under them: so the restored store goes on far beyond, with
    no history, and everyone lists anew. A backup that is damaged or of a newer format is refused
    before anything is touched. Raises ``InUse``, ``NewerFormat`` or ``StorageError``.
    """
    check(backup)
    create_folder(path.parent)
    lock = FileLock(path)
    try:
        settle(path)
        copy(backup, path, complete=leap)
    finally:
        lock.release()


def leap(connection: sqlite3.Connection) -> None:
    """Move the revision of every keyspace far ahead, and its compaction mark with it."""
    connection.execute(
        """UPDATE space SET compacted = ? +
        max(compacted, (SELECT ifnull(max(revision), 0) FROM log WHERE log.space = space.id))""",
        (RESTORE_LEAP,),
    )


def check(path: Path) -> None:
    """Refuse a file that is no store, or a damaged one."""
    if not path.is_file():
        raise StorageError(f"{path} is not a file")
    try:
        with closing(read_only(path)) as connection:
            check_format(connection, path)
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise translated(error, path) from error
    if verdict != "ok":
        raise StorageError(f"{path} is damaged: {verdict}")


def settle(path: Path) -> None:
    """Do away with the WAL of a store about to be replaced: SQLite would take it for the new file's."""
    if path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.DatabaseError:
            pass  # too damaged to be opened, which may be why a backup is being restored
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
