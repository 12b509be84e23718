"""One process at a time opens a store: an advisory lock on a file beside it.

The operating system lets go of the lock when the process ends, however it ends, so there is never
a stale one. The file itself stays, since removing it would let two processes lock two files.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from echelon.apiserver.storage.errors import InUse, StorageError


class FileLock:
    """An exclusive lock, held from creation until ``release``."""

    def __init__(self, path: Path) -> None:
        """Lock the store at ``path``. Raises ``InUse`` when it is locked already, by this process even."""
        lock_path = path.with_name(path.name + ".lock")
        try:
            self._file = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"cannot create {lock_path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise InUse(path) from error
            raise StorageError(f"cannot lock {lock_path}: {error.strerror}") from error

    def release(self) -> None:
        """Let go of the lock. Repeating it is harmless."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
