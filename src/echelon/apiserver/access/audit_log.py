"""A file of lines that are written by a thread, so that no request waits for a disk.

Lines reach the file in order, some milliseconds after they were taken; what a crash of the machine may
lose are the last ones. When the file cannot be written, or lines come faster than it takes them, they
are dropped, and the log of the server says so. The file is readable by its owner only, and set aside
when it has grown to its limit.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path

import structlog

_PENDING = 100_000
"""Lines that may wait to be written."""

log = structlog.get_logger(__name__)


class AuditLog:
    """Appends to a file. Close it after the servers that write to it."""

    def __init__(self, path: Path, *, max_bytes: int = 32 * 1024 * 1024, keep: int = 4) -> None:
        """Begin, or go on with, a log.

        ``path`` is renamed to ``<path>.1`` before it would exceed ``max_bytes``, what was ``.1`` to
        ``.2`` and so on; ``keep`` such files stay, at least one.

        Raises:
            OSError: the file cannot be opened.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._keep = max(1, keep)
        self._pending: deque[bytes] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._dropped = 0
        self._failing = False
        self._open()
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Take a line, without its end; it is written soon. Never waits for the disk."""
        with self._wake:
            if self._closing or len(self._pending) >= _PENDING:
                self._dropped += 1
                return
            self._pending.append(line + b"\n")
            self._wake.notify()

    def close(self) -> None:
        """Write what is pending and close the file. Repeating it is harmless."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        lines: list[bytes] = []
        closing = False
        while lines or not closing:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._closing)
                lines, closing, dropped = list(self._pending), self._closing, self._dropped
                self._pending.clear()
                self._dropped = 0
            if dropped:
                log.warning("audit lines came faster than they could be written and were dropped", lines=dropped)
            if lines:
                self._append(lines)
        os.close(self._file)

    def _append(self, lines: list[bytes]) -> None:
        try:
            for line in lines if self._size + sum(map(len, lines)) > self._max_bytes else (b"".join(lines),):
                if self._size and self._size + len(line) > self._max_bytes:
                    self._rotate()
                self._write(line)
            self._failing = False
        except OSError as error:
            if not self._failing:  # once, until it works again
                self._failing = True
                log.error("the audit log cannot be written", path=str(self._path), error=error.strerror)

    def _write(self, data: bytes) -> None:
        while data:
            written = os.write(self._file, data)
            self._size += written
            data = data[written:]

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(self._file, 0o600)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        for number in range(self._keep, 0, -1):
            newer = self._path if number == 1 else self._aside(number - 1)
            if newer.exists():
                newer.replace(self._aside(number))
        os.close(self._file)
        self._open()

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
