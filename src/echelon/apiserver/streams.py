"""Open watch streams of a server: what they share, and that they are ended together when it stops."""

from __future__ import annotations

from collections import OrderedDict

from echelon.apiserver.errors import StatusError
from echelon.apiserver.metadata import Summary
from echelon.apiserver.storage import Watcher

LineKey = tuple[str | int, ...]


class LineCache:
    """Lines of the newest events in other forms than the stored one."""

    def __init__(self, limit: int = 512) -> None:
        self._lines: OrderedDict[LineKey, bytes] = OrderedDict()
        self._limit = limit

    def get(self, key: LineKey) -> bytes | None:
        return self._lines.get(key)

    def put(self, key: LineKey, line: bytes) -> None:
        self._lines[key] = line
        if len(self._lines) > self._limit:
            self._lines.popitem(last=False)


class Streams:
    """The watchers behind open streams."""

    def __init__(self) -> None:
        self.lines = LineCache()
        self._open: set[Watcher[Summary]] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, watcher: Watcher[Summary]) -> None:
        """Keep a watcher until it is removed.

        Raises:
            StatusError: 503 when the server is stopping.
        """
        if self._closing:
            watcher.close()
            raise StatusError(503, "ServiceUnavailable", "the server is shutting down", details={}, retry_after=1)
        self._open.add(watcher)

    def remove(self, watcher: Watcher[Summary]) -> None:
        self._open.discard(watcher)
        watcher.close()

    def close(self) -> None:
        """End all streams, after what they have still to send; new ones are refused from now on."""
        self._closing = True
        for watcher in list(self._open):
            watcher.close()
