"""Conditions of workloads. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from echelon.api.meta import format_time
from echelon.local.workloads.kinds import Object


def condition_of(status: Object, type_: str) -> Object | None:
    """The condition of a type, None if there is none."""
    return next((c for c in status.get("conditions") or () if c["type"] == type_), None)


def with_condition(
    conditions: Sequence[Object], type_: str, status: str, reason: str, message: str, now: datetime, *stamps: str
) -> list[dict[str, Any]]:
    """Conditions with one of them set; its time is kept while its status is.

    ``stamps`` are further times of the condition, which are of now unless nothing of it has changed.
    """
    before = next((c for c in conditions if c["type"] == type_), None)
    told = {"type": type_, "status": status, "reason": reason, "message": message}
    if before is not None and all(before.get(key) == value for key, value in told.items()):
        return [dict(condition) for condition in conditions]
    since = before["lastTransitionTime"] if before is not None and before["status"] == status else format_time(now)
    changed = {**told, "lastTransitionTime": since, **dict.fromkeys(stamps, format_time(now))}
    return [*(dict(condition) for condition in conditions if condition["type"] != type_), changed]
