"""When the log is compacted, and how far.

A keyspace is compacted once it has a tenth more revisions than are to be kept, and whatever is
beyond that at opening. The work is cut into steps, each a transaction of a few milliseconds; the
writer does one between two batches. After the last one the WAL is brought in and cut.

A compaction that fails, for want of disk space say, harms nothing: it is logged and tried again when
the next one would have been due.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from echelon.apiserver.storage.errors import StorageError
from echelon.apiserver.storage.log import Log, Space

STEP_REVISIONS = 128
STEP_ROWS = 256

logger = structlog.get_logger(__name__)


class Compactor:
    """Keeps ``history`` revisions of each keyspace in the log, and no rows of dropped keyspaces."""

    def __init__(self, log: Log, history: int) -> None:
        self._log = log
        self._history = history
        self._slack = max(1, history // 10)
        self._marks: dict[int, int] = {}
        """The marks to reach, by keyspace, of the compactions under way."""
        self._due: dict[int, int] = {}
        """The revision at which each keyspace is next compacted."""
        self._dropped = log.orphans()
        self._dirty = False
        for space in log.spaces.values():
            self._due[space.id] = space.compacted + history + 1
        self.wrote(log.spaces.values())

    @property
    def due(self) -> bool:
        """Whether there is work to be done."""
        return bool(self._marks or self._dropped or self._dirty)

    def wrote(self, spaces: Iterable[Space]) -> None:
        """Note that keyspaces have new revisions."""
        for space in spaces:
            due = self._due.setdefault(space.id, space.compacted + self._history + self._slack)
            if space.last >= due:
                self._marks.setdefault(space.id, space.last - self._history)
                self._due[space.id] = space.last + self._slack

    def dropped(self, space: int) -> None:
        """Note that a keyspace was dropped."""
        self._marks.pop(space, None)
        self._due.pop(space, None)
        self._dropped.append(space)

    def step(self) -> None:
        """Do a few milliseconds of the work, if there is any."""
        try:
            if self._marks:
                self._advance(next(iter(self._marks)))
            elif self._dropped:
                self._purge(self._dropped[-1])
            elif self._dirty:
                self._dirty = False
                self._log.checkpoint()
        except StorageError as error:
            logger.warning("compaction of the store failed, it is tried again later", error=str(error))
            self._marks.clear()
            self._dropped.clear()  # found again at the next start
            self._dirty = False

    def _advance(self, id: int) -> None:
        space = self._log.spaces[id]
        mark = min(self._marks[id], space.compacted + STEP_REVISIONS)
        self._log.compact(space, mark)
        self._dirty = True
        if mark == self._marks[id]:
            del self._marks[id]

    def _purge(self, space: int) -> None:
        if not self._log.purge(space, STEP_ROWS):
            self._dropped.remove(space)
        self._dirty = True
