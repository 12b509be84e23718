"""The time of played clouds: turned by hand, or faster than ours."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time of a cloud."""

    def now(self) -> datetime:
        """The moment."""

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""


class ManualClock:
    """Stands still but for ``advance``."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class PacedClock:
    """Begins now and goes ``pace`` times as fast as ours."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._start = datetime.now(UTC)
        self._began = time.monotonic()
        self._skipped = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._skipped + self._pace * (time.monotonic() - self._began))

    def advance(self, seconds: float) -> None:
        self._skipped += seconds
