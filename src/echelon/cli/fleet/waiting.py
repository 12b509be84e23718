"""Waiting for an object to be as somebody wants it, by watching it. Nothing is asked twice.

The hub ends each watch in time for the deadline, so that one connection serves all of a command.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from echelon.cli.errors import Failed
from echelon.cli.fleet.nouns import Noun
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured

TIMED_OUT = 3
_WATCH = 300.0  # seconds that one watch lasts at most

Condition = Callable[[dict[str, Any] | None], bool]


class TimedOut(Failed):
    """The time is up and it is not as it should be: exit code 3."""

    exit_code = TIMED_OUT


class Deadline(msgspec.Struct, frozen=True):
    """A moment of the monotonic clock; infinite for none."""

    moment: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds, seconds)

    @classmethod
    def never(cls) -> Deadline:
        return cls(float("inf"), float("inf"))

    def left(self) -> float:
        return self.moment - time.monotonic()


async def until(
    client: Client, noun: Noun, name: str, condition: Condition, deadline: Deadline
) -> dict[str, Any] | None:
    """Wait until an object meets a condition; gives it, None when it is not there.

    Raises:
        TimedOut: it did not in time.
    """
    kind = Unstructured(noun.kind.resource)
    while True:
        seconds = max(1.0, min(_WATCH, deadline.left()))
        found: dict[str, Any] | None = None
        listed = False
        async with client.watch(kind, fields=f"metadata.name={name}", initial_events=True, timeout=seconds) as events:
            async for event in events:
                if event.type == "BOOKMARK":
                    listed = listed or event.initial_events_end
                else:
                    found = None if event.type == "DELETED" else event.object
                if (listed or found is not None) and condition(found):
                    return found
        if deadline.left() <= 0:
            raise TimedOut(f"the {noun.word} {name!r} is not as wanted after {deadline.seconds:g} s")
