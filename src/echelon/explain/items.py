"""The parts of a run as a person sees them: a tree of items, each with its state and times.

Runs of both kinds become such trees: staged runs in ``outline``, update runs in ``run_outline``, and so do schedules.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import msgspec


class State(StrEnum):
    """Where a part of a run stands; the values are for people."""

    NOT_STARTED = "not started"
    UPDATING = "updating"
    WAITING = "waiting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    STUCK = "stuck"
    SKIPPED = "skipped"
    DONE = "done"
    FAILED = "failed"
    PLANNED = "planned"


OVER = frozenset({State.SKIPPED, State.DONE, State.FAILED})


class Part(StrEnum):
    """What a line of the outline is."""

    RUN = "run"
    STAGE = "stage"
    GROUP = "group"
    MEMBER = "member"
    WAIT = "timed wait"
    APPROVAL = "approval"
    GATE = "gate"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a run. ``note`` says what is worth knowing besides; ``until`` is when a wait ends.

    ``steps_done`` of ``steps`` is how far a member is in itself, where that is known. ``troubled`` is a member that is
    being updated and reports that something is not as it should be.
    """

    part: Part
    name: str
    state: State
    since: datetime | None = None
    ended: datetime | None = None
    until: datetime | None = None
    note: str = ""
    steps_done: int = 0
    steps: int = 0
    troubled: bool = False
    items: tuple[Item, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    def members(self) -> Iterator[Item]:
        """The members of this part, at any depth."""
        for item in self.items:
            if item.part is Part.MEMBER:
                yield item
            yield from item.members()
