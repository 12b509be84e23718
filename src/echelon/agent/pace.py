"""How soon a Work is looked at again when nothing tells that it should be.

Pure but for the time, which is passed in (seconds of the loop). Watches tell of everything that can
be watched, so there are two cases only. What failed is tried again, each time later, anew after the
Work or its result has changed. And an object that somebody keeps changing back is corrected at once
a few times, then less and less often, so that two controllers of different opinion do not wear the
cluster out.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

import msgspec

from echelon.kube.backoff import Backoff

RETRY: Final = Backoff(first=1.0, cap=900.0)
CORRECTION: Final = Backoff(first=0.5, cap=60.0)
FREE_CORRECTIONS: Final = 5
QUIET: Final = 120.0  # seconds without a correction after which all is forgotten


class _Retried(msgspec.Struct, frozen=True):
    result: Hashable
    attempts: int


class _Corrected(msgspec.Struct, frozen=True):
    generation: int
    times: int
    at: float


class Pace:
    """The pace of all Works of a member, by name."""

    def __init__(self) -> None:
        self._retried: dict[str, _Retried] = {}
        self._corrected: dict[str, _Corrected] = {}

    def failed(self, work: str, result: Hashable) -> float:
        """Seconds until a Work with this result is tried again."""
        earlier = self._retried.get(work)
        attempts = earlier.attempts if earlier is not None and earlier.result == result else 0
        self._retried[work] = _Retried(result, attempts + 1)
        return RETRY.delay(attempts)

    def succeeded(self, work: str) -> None:
        """The next failure of a Work is its first."""
        self._retried.pop(work, None)

    def applied(self, work: str, generation: int, now: float, *, wrote: bool) -> None:
        """A pass over a Work has ended; one that wrote although the Work has not changed was a correction."""
        earlier = self._corrected.get(work)
        if earlier is None or earlier.generation != generation:
            self._corrected[work] = _Corrected(generation, 0, now)
        elif wrote:
            times = earlier.times + 1 if now - earlier.at < QUIET else 1
            self._corrected[work] = _Corrected(generation, times, now)

    def wait(self, work: str, generation: int, now: float) -> float:
        """Seconds until a Work may be corrected again, 0 when it may now."""
        earlier = self._corrected.get(work)
        if earlier is None or earlier.generation != generation or earlier.times < FREE_CORRECTIONS:
            return 0.0
        return max(0.0, earlier.at + CORRECTION.delay(earlier.times - FREE_CORRECTIONS) - now)

    def forget(self, work: str) -> None:
        """A Work is gone."""
        self._retried.pop(work, None)
        self._corrected.pop(work, None)
