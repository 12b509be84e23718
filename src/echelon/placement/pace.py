"""Deadlines of a pass: which of two comes first."""

from __future__ import annotations

from echelon.kube.controller import Result


def sooner(wait: float | None, result: Result | None) -> Result | None:
    """The earlier of two deadlines, in seconds from now; None when there is neither."""
    if wait is None:
        return result
    if result is None or result.requeue_after is None:
        return Result(requeue_after=wait)
    return Result(requeue_after=min(wait, result.requeue_after))
