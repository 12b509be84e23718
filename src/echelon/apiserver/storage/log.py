"""The file: every write is a row of one append-only SQLite table.

A row holds a whole object as it was after the write, or, when ``deleted``, as it was last. Nothing
is updated in place, so the newest row of a key is its state, the rows up to a revision are the
state at that revision, and replaying the rows in order gives the events. Keyspaces share the
table; each counts revisions of its own.

Compaction moves a keyspace's mark (``space.compacted``) forward. The state at the mark, and
everything after it, stays readable: what goes is rows superseded at or before the mark, and
tombstones up to it. A trigger on the mark removes them, so that mark and rows change in one
statement and hence in one transaction; so does an append. That matters beyond brevity: each
statement costs a hand-over of the interpreter lock, which a busy event loop gives up unwillingly.

WAL mode lets the writer, readers of history and backups work side by side. With synchronous=FULL
an append has been through fsync when it returns. After a failed append SQLite has rolled back, and
the next one overwrites whatever reached the WAL. Should the process die before that, the failed
write may be found complete at the next start: its client was told of an error, not of its outcome.

A ``Log`` is used by one thread at a time. The functions beside it open connections of their own.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from echelon.apiserver.storage.errors import Compacted, NewerFormat, StorageError, StorageFull
from echelon.apiserver.storage.record import Key

FORMAT = 1
APPLICATION_ID = 0x4563_686C
PAGE_SIZE = 8192

Synchronous = Literal["FULL", "NORMAL"]

SCHEMA = f"""
BEGIN;
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('format', {FORMAT});
CREATE TABLE space (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    compacted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE log (
    id        INTEGER PRIMARY KEY,
    space     INTEGER NOT NULL,
    revision  INTEGER NOT NULL,
    bucket    TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    deleted   INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    value     BLOB NOT NULL
);
CREATE UNIQUE INDEX log_by_revision ON log (space, revision);
CREATE INDEX log_by_key ON log (space, bucket, namespace, name, revision, deleted);
CREATE TRIGGER compact AFTER UPDATE OF compacted ON space BEGIN
    DELETE FROM log WHERE id IN (
        SELECT older.id FROM log AS newer CROSS JOIN log AS older
            ON older.space = newer.space AND older.bucket = newer.bucket
            AND older.namespace = newer.namespace AND older.name = newer.name
            AND older.revision < newer.revision
        WHERE newer.space = NEW.id AND newer.revision > OLD.compacted AND newer.revision <= NEW.compacted
        UNION ALL
        SELECT id FROM log
        WHERE space = NEW.id AND revision > OLD.compacted AND revision <= NEW.compacted AND deleted
    );
END;
PRAGMA application_id = {APPLICATION_ID};
COMMIT;
"""


class Row(NamedTuple):
    """A row of the log, in the order of its columns."""

    space: int
    revision: int
    bucket: str
    namespace: str
    name: str
    deleted: bool
    created: int
    value: bytes

    @property
    def key(self) -> Key:
        return Key(self.bucket, self.namespace, self.name)


class Space:
    """A keyspace as the log knows it: its mark, and the newest revision of it."""

    __slots__ = ("compacted", "id", "last", "name")

    def __init__(self, id: int, name: str, compacted: int = 0, last: int = 0) -> None:
        self.id = id
        self.name = name
        self.compacted = compacted
        self.last = last


class Log:
    """The one writing connection to a file."""

    def __init__(self, path: Path, synchronous: Synchronous = "FULL") -> None:
        """Open or create the file.

        Raises ``NewerFormat`` when a newer release wrote it, ``StorageError`` when it is damaged or
        something else than a store.
        """
        self.path = path
        self.rows = 0
        self.spaces: dict[int, Space] = {}
        create_private(path)
        try:
            # A reader never blocks the writer in WAL mode and no other writer exists: nothing to wait for.
            self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(synchronous)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise translated(error, path) from error

    def _prepare(self, synchronous: Synchronous) -> None:
        execute = self._connection.execute
        (tables,) = execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables:
            check_format(self._connection, self.path)
        else:
            execute(f"PRAGMA page_size = {PAGE_SIZE}")
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {synchronous}")
        if synchronous == "FULL":
            execute("PRAGMA fullfsync = ON")  # macOS: reach the disk, not only its cache
        if not tables:
            self._connection.executescript(SCHEMA)
        for id, name, compacted in execute("SELECT id, name, compacted FROM space"):
            self.spaces[id] = Space(id, name, compacted, last=compacted)

    def replay(self) -> Iterator[Row]:
        """All rows of all keyspaces, in the order in which they were written. Call it once, after opening."""
        cursor = self._connection.execute(
            "SELECT space, revision, bucket, namespace, name, deleted, created, value FROM log ORDER BY id"
        )
        cursor.row_factory = lambda _, values: Row._make(values)
        try:
            for row in cursor:
                self.rows += 1
                space = self.spaces.get(row.space)
                if space is not None:
                    space.last = max(space.last, row.revision)
                    yield row
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def next_space(self) -> int:
        """An id that no keyspace has, nor any row left behind by a dropped one."""
        (highest,) = self._connection.execute("SELECT max(space) FROM log").fetchone()
        return max([highest or 0, *self.spaces]) + 1

    def orphans(self) -> list[int]:
        """The ids of dropped keyspaces that still have rows."""
        found = self._connection.execute("SELECT DISTINCT space FROM log WHERE space NOT IN (SELECT id FROM space)")
        return [space for (space,) in found]

    def append(self, rows: Sequence[Row], new_spaces: Sequence[Space] = ()) -> None:
        """Append rows, durably, all or none. ``new_spaces`` are keyspaces of which these are the first rows."""
        values = [value for row in rows for value in row]
        try:
            if not new_spaces:
                self._connection.execute(insertion(len(rows)), values)
            else:
                with transaction(self._connection, "IMMEDIATE"):
                    for space in new_spaces:
                        self._connection.execute("INSERT INTO space (id, name) VALUES (?, ?)", (space.id, space.name))
                    self._connection.execute(insertion(len(rows)), values)
        except sqlite3.Error as error:
            raise translated(error, self.path) from error
        self.rows += len(rows)
        for space in new_spaces:
            self.spaces[space.id] = space
        for row in rows:
            self.spaces[row.space].last = row.revision

    def compact(self, space: Space, mark: int) -> None:
        """Move a keyspace's mark forward to ``mark`` and drop what only the history before it needs."""
        before = self._connection.total_changes
        try:
            self._connection.execute("UPDATE space SET compacted = ? WHERE id = ?", (mark, space.id))
        except sqlite3.Error as error:
            raise translated(error, self.path) from error
        space.compacted = mark
        self.rows -= self._connection.total_changes - before - 1

    def forget(self, space: int) -> None:
        """Drop a keyspace. Its rows stay, unread, until they are purged."""
        try:
            self._connection.execute("DELETE FROM space WHERE id = ?", (space,))
        except sqlite3.Error as error:
            raise translated(error, self.path) from error
        self.spaces.pop(space, None)

    def purge(self, space: int, count: int) -> bool:
        """Remove up to ``count`` rows of a dropped keyspace; whether there may be more."""
        try:
            removed = self._connection.execute(
                "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE space = ? LIMIT ?)", (space, count)
            ).rowcount
        except sqlite3.Error as error:
            raise translated(error, self.path) from error
        self.rows -= removed
        return removed == count

    def checkpoint(self) -> None:
        """Bring the WAL into the main file and cut it, as far as readers allow."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def size(self) -> int:
        """The bytes on disk, WAL included. May be called from any thread."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def wal_size(self) -> int:
        """The bytes of the WAL. May be called from any thread."""
        wal = self.path.with_name(self.path.name + "-wal")
        return wal.stat().st_size if wal.exists() else 0

    def touch(self) -> None:
        """Write something, durably, that changes nothing."""
        try:
            self._connection.execute("UPDATE meta SET value = value WHERE key = 'format'")
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def read_state(
    path: Path, space: int, after: Key, revision: int, namespace: str | None, limit: int | None
) -> tuple[list[Row], int]:
    """A bucket's state at a revision: its rows behind the key ``after``, in one namespace or all; how many more follow.

    ``limit`` bounds the rows. Raises ``Compacted`` when the revision lies below the keyspace's mark.
    """
    if namespace is None:
        within = "(namespace, name) > (:after_namespace, :after_name)"
    else:
        within = "namespace = :namespace AND name > :after_name AND namespace >= :after_namespace"
    newest = f"""
        SELECT id, namespace, name, deleted, max(revision) FROM log
        WHERE space = :space AND bucket = :bucket AND {within} AND revision <= :revision
        GROUP BY namespace, name HAVING NOT deleted"""
    parameters = {
        "space": space,
        "bucket": after.bucket,
        "revision": revision,
        "namespace": namespace,
        "after_namespace": after.namespace,
        "after_name": after.name,
        "limit": -1 if limit is None else limit,
    }
    try:
        with closing(read_only(path)) as connection, transaction(connection, "DEFERRED"):
            mark = connection.execute("SELECT compacted FROM space WHERE id = ?", (space,)).fetchone()
            if mark is None or mark[0] > revision:
                raise Compacted(revision, mark[0] if mark else 0)
            rows = connection.execute(
                f"""SELECT space, revision, bucket, namespace, name, deleted, created, value FROM log
                WHERE id IN (SELECT id FROM ({newest} ORDER BY namespace, name LIMIT :limit))
                ORDER BY namespace, name""",
                parameters,
            ).fetchall()
            (total,) = connection.execute(f"SELECT count(*) FROM ({newest})", parameters).fetchone()
    except sqlite3.Error as error:
        raise translated(error, path) from error
    return [Row._make(row) for row in rows], total - len(rows)


def read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


@contextmanager
def transaction(connection: sqlite3.Connection, kind: Literal["IMMEDIATE", "DEFERRED"]) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends the transaction by itself
            connection.execute("ROLLBACK")
        raise


@cache
def insertion(count: int) -> str:
    """The statement that inserts ``count`` rows."""
    rows = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * count)
    return f"INSERT INTO log (space, revision, bucket, namespace, name, deleted, created, value) VALUES {rows}"


def create_folder(path: Path) -> None:
    """Create a folder, if it is absent, for its owner only."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot create {path}: {error.strerror}") from error


def create_private(path: Path) -> None:
    """Create the file, if it is absent, for its owner only. SQLite gives the files beside it the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync(path.parent)
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror}") from error


def sync(path: Path) -> None:
    """Bring a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what this release cannot read."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise StorageError(f"{path} is an SQLite database, but not a store of this server: choose another file")
    (found,) = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if found > FORMAT:
        raise NewerFormat(path, found, FORMAT)


_FAILED_TO_WRITE = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE)


def has_room(path: Path) -> bool:
    """Whether a file beside a store may grow as large as it: SQLite does not tell a quota from other failures."""
    sizes = [file.stat().st_size for file in (path, path.with_name(path.name + "-wal")) if file.exists()]
    try:
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as file:
            file.seek(max(sizes, default=0))
            file.write(bytes(PAGE_SIZE))
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return True


def free_bytes(folder: Path) -> int:
    """How many bytes of the disk are free, 0 when it does not tell."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def translated(error: sqlite3.Error, path: Path) -> StorageError:
    """The store's word for an error of SQLite."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_FULL or (extended in _FAILED_TO_WRITE and not has_room(path)):
        return StorageFull(f"no space left to write {path}, {free_bytes(path.parent)} bytes are free there")
    if code == sqlite3.SQLITE_NOTADB:
        return StorageError(f"{path} is not a store: {error}")
    if code == sqlite3.SQLITE_CORRUPT:
        return StorageError(f"{path} is damaged ({error}): restore it from a backup")
    return StorageError(f"{path}: {error}")
