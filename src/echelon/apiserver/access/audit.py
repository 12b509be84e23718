"""The audit log: who did what to which object, one line of JSON a write, refused ones included.

A line says who asked (and as whom), the verb and the object, and how it was answered. It never holds
a body, a query or a header other than the user agent, so no secret gets into it. Reviews, which write
nothing, are left out; the token of a service account that is issued is not.

Lines are handed to a thread, so that no request waits for a disk. They reach the file in order, some
milliseconds late; what a crash of the machine may lose are the last ones. When the file cannot be
written, or lines come faster than it takes them, they are dropped, and the log of the server says how
many. The file is readable by its owner only and set aside when it has grown to its limit.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

_PENDING = 100_000

log = structlog.get_logger(__name__)


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """A write and its outcome. ``user`` is who asked, ``impersonated_user`` as whom; both empty when unknown (401)."""

    time: datetime
    request_id: str
    user: str
    impersonated_user: str = ""
    verb: str
    group: str = ""
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    dry_run: bool = False
    code: int
    latency_seconds: float
    source: str = ""
    user_agent: str = ""


class AuditLog:
    """Appends to a file. Close it after the server."""

    def __init__(self, path: Path, *, max_bytes: int = 64 * 1024 * 1024, keep: int = 8) -> None:
        """Begin, or go on with, a log.

        ``path`` is set aside as ``<path>.1`` at ``max_bytes``; ``keep`` such files are kept.

        Raises:
            OSError: the file cannot be opened.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._encoder = msgspec.json.Encoder()
        self._pending: deque[bytes] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._dropped = 0
        self._failing = False
        self._open()
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    def write(self, event: AuditEvent) -> None:
        """Take a line; it is written soon. Never waits."""
        line = self._encoder.encode(event) + b"\n"
        with self._wake:
            if self._closing or len(self._pending) >= _PENDING:
                self._dropped += 1
                return
            self._pending.append(line)
            self._wake.notify()

    def close(self) -> None:
        """Write what is pending and close the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._closing)
                lines, closing, dropped = list(self._pending), self._closing, self._dropped
                self._pending.clear()
                self._dropped = 0
            if dropped:
                log.warning("audit lines were dropped: they came faster than they could be written", lines=dropped)
            if lines:
                self._append(lines)
            elif closing:
                break
        os.close(self._file)

    def _append(self, lines: list[bytes]) -> None:
        data = b"".join(lines)
        try:
            if self._size and self._size + len(data) > self._max_bytes:
                self._rotate()
            while data:
                written = os.write(self._file, data)
                self._size += written
                data = data[written:]
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._failing = True
                log.exception("the audit log cannot be written", path=str(self._path), error=error.strerror)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.fchmod(self._file, 0o600)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        for number in range(self._keep, 0, -1):
            older = self._aside(number)
            newer = self._aside(number - 1) if number > 1 else self._path
            if newer.exists():
                newer.replace(older)
        if self._keep == 0:
            self._path.unlink()
        os.close(self._file)
        self._open()

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class _Name(msgspec.Struct, gc=False):
    name: str = ""


class _Answered(msgspec.Struct, gc=False):
    """Where an answer names the object it is about: an object in its metadata, a Status in its details."""

    metadata: _Name = msgspec.field(default_factory=_Name)
    details: _Name = msgspec.field(default_factory=_Name)


_decode = msgspec.json.Decoder(_Answered).decode


def name_in(body: bytes) -> str:
    """The name of the object that an answer in JSON is about; empty when it does not say."""
    try:
        answered = _decode(body)
    except msgspec.MsgspecError:
        return ""
    return answered.metadata.name or answered.details.name
