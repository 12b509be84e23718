"""Waiting longer each time something fails."""

from __future__ import annotations

from random import Random

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """Delays that double from ``first`` to ``cap`` seconds, each longer by up to ``jitter`` of itself."""

    first: float
    cap: float
    jitter: float = 0.0

    def delay(self, failures: int, rng: Random | None = None) -> float:
        """The delay after so many failures in a row, counted from 0; ``cap`` bounds it with its jitter."""
        delay = self.first * 2.0 ** min(failures, 64)
        if rng is not None:
            delay *= 1 + self.jitter * rng.random()
        return min(self.cap, delay)
