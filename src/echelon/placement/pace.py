"""Deadlines within a pass, in the time of the event loop."""

from __future__ import annotations

import asyncio

from echelon.kube.controller import Result

_RESOLUTION = 0.001
_SHARE = 0.1  # of the time that may go into telling the same thing again
_LONGEST = 5.0  # seconds


def remaining(due: float) -> float:
    """Seconds until a deadline, 0 when it has come.

    What is left of less than a millisecond is no more than the rounding of a timer: asking for it
    again would be asking for ever.
    """
    left = due - asyncio.get_running_loop().time()
    return left if left > _RESOLUTION else 0.0


def spacing(least: float, took: float) -> float:
    """Seconds from one telling of the same thing to the next, when the last one took so many.

    What is told of a hundred members takes its time, and more of it the more there is to do: then it is told
    less often, so that the work is not held up by reports of it.
    """
    return max(least, min(took / _SHARE, _LONGEST))


def sooner(wait: float | None, result: Result | None) -> Result | None:
    """The earlier of two deadlines, in seconds from now; None when there is neither."""
    if wait is None:
        return result
    if result is None or result.requeue_after is None:
        return Result(requeue_after=wait)
    return Result(requeue_after=min(wait, result.requeue_after))
