"""Deadlines within a pass, in the time of the event loop."""

from __future__ import annotations

import asyncio

from echelon.kube.controller import Result

_RESOLUTION = 0.001


def remaining(due: float) -> float:
    """Seconds until a deadline, 0 when it has come.

    What is left of less than a millisecond is no more than the rounding of a timer: asking for it
    again would be asking for ever.
    """
    left = due - asyncio.get_running_loop().time()
    return left if left > _RESOLUTION else 0.0


def sooner(wait: float | None, result: Result | None) -> Result | None:
    """The earlier of two deadlines, in seconds from now; None when there is neither."""
    if wait is None:
        return result
    if result is None or result.requeue_after is None:
        return Result(requeue_after=wait)
    return Result(requeue_after=min(wait, result.requeue_after))
