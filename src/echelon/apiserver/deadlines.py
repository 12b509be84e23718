"""Time limits on requests, at next to no cost while they are kept.

All requests have the same limit unless they ask for a shorter one, so those that came first are due
first: one timer, for the oldest, serves them all. What is due is cancelled and told so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from echelon.apiserver.errors import StatusError, bad_request

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"([0-9]*)(?:\.([0-9]*))?", re.ASCII)
_UNIT = re.compile(r"[^0-9.]*", re.ASCII)
_LONGEST = 64


class Visit:
    """A request under way in a task. ``expired`` once it was cancelled for taking too long."""

    __slots__ = ("_timer", "due", "expired", "task")

    def __init__(self, task: asyncio.Task[object], due: float) -> None:
        self.task = task
        self.due = due
        self.expired = False
        self._timer: asyncio.TimerHandle | None = None

    def expire(self) -> None:
        """Cut the request off."""
        self.expired = True
        self.task.cancel()

    def shorten(self, seconds: float) -> None:
        """Let the request be due earlier."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.expire)

    def settle(self) -> None:
        """Stop the timer of its own, if it has one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Deadlines:
    """The requests under way, the oldest first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._visits: dict[Visit, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._visits)

    def begin(self) -> Visit:
        """The visit of the current task, which ``end`` ends."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        visit = Visit(task, loop.time() + self._seconds)
        self._visits[visit] = None
        if self._timer is None:
            self._timer = loop.call_at(visit.due, self._expire)
        return visit

    def end(self, visit: Visit) -> None:
        """No longer limit a visit; repeating it is harmless."""
        self._visits.pop(visit, None)
        visit.settle()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._visits:
            visit = next(iter(self._visits))
            if visit.due > loop.time():
                self._timer = loop.call_at(visit.due, self._expire)
                return
            del self._visits[visit]
            visit.expire()


def timed_out() -> StatusError:
    """504: the request took longer than it may. A write may have been done or not."""
    return StatusError(504, "Timeout", "Timeout: request did not complete within requested timeout", details={})


def requested_seconds(query: Mapping[str, str]) -> float | None:
    """How long a client wants to wait at most, from ``timeout`` (as Go writes durations) or ``timeoutSeconds``.

    Raises:
        StatusError: 400 when ``timeout`` is no duration.
    """
    text = query.get("timeout", "")
    seconds: float | None = None
    if text:
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            raise bad_request(f"invalid timeout specified in the request URL - {error}") from None
    whole = query.get("timeoutSeconds", "")
    if not seconds and whole.isascii() and whole.isdigit() and len(whole) < 10:
        seconds = float(whole)
    return seconds if seconds and seconds > 0 else None


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``1m30s`` or ``-1.5h``. Raises ``ValueError`` in Go's words."""
    rest = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if rest == "0":
        return 0.0
    shown = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    total = 0.0
    if not rest or len(rest) > _LONGEST:
        raise ValueError(f"time: invalid duration {shown}")
    while rest:
        number = _NUMBER.match(rest)
        assert number is not None
        if not (number[1] or number[2]):
            raise ValueError(f"time: invalid duration {shown}")
        rest = rest[number.end() :]
        unit = _UNIT.match(rest)
        assert unit is not None
        if not unit[0]:
            raise ValueError(f"time: missing unit in duration {shown}")
        if unit[0] not in _UNITS:
            raise ValueError(f'time: unknown unit "{unit[0]}" in duration {shown}')
        rest = rest[unit.end() :]
        total += float(f"{number[1] or 0}.{number[2] or 0}") * _UNITS[unit[0]]
    return -total if text.startswith("-") else total
