"""An explanation: of one object, in a form that people and programs can read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from echelon.api.meta import Condition, parse_time
from echelon.explain.waiting import Wait


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where an object stands.

    ``what`` names it, ``state`` says in a few words how it is, ``facts`` what is worth knowing. Without ``waits``
    there is nothing that it waits for.
    """

    what: str
    state: str
    facts: Sequence[str] = ()
    waits: Sequence[Wait] = ()

    def plain(self) -> dict[str, Any]:
        """The explanation as data; times in ISO form."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def since(condition: Condition | None) -> datetime | None:
    """When a condition last changed."""
    if condition is None or not condition.last_transition_time:
        return None
    return parse_time(condition.last_transition_time)


def moment(text: str | None) -> datetime | None:
    """A time of a status."""
    return parse_time(text) if text else None


def listed(words: Sequence[str], most: int = 5) -> str:
    """Words as a list, cut to the first few."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def said(condition: Condition) -> str:
    """What a condition says: its message, or its reason when it has none."""
    return " ".join(condition.message.split()) or condition.reason
