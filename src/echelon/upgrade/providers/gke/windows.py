"""When GKE lets a cluster be maintained, in our own terms. Pure.

Google has windows that recur, daily or by a rule of RFC 5545, and exclusions. They are meant for its automatic
upgrades; an update run keeps them too. Of the rules, those that people write are understood: every day or so many
days, weekdays of every or so many weeks, a day of the month or such a weekday as the second Tuesday.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from echelon.upgrade.windows import (
    WEEK_INDEXES,
    WEEKDAYS,
    AbsoluteMonthly,
    Daily,
    MaintenanceWindow,
    RelativeMonthly,
    Schedule,
    Weekly,
)

Scope = Literal["NO_UPGRADES", "NO_MINOR_UPGRADES", "NO_MINOR_OR_NODE_UPGRADES"]

_DAYS = dict(zip(("MO", "TU", "WE", "TH", "FR", "SA", "SU"), WEEKDAYS, strict=True))
_ORDINAL = re.compile(r"(?P<index>[1-4]|-1)(?P<day>[A-Z]{2})")


class NotUnderstood(ValueError):
    """A recurrence that cannot be kept; the message says which."""


class Exclusion(Struct, frozen=True, kw_only=True):
    """A time without upgrades of some kind; ``end`` None has no end that is known."""

    name: str
    start: datetime
    end: datetime | None
    scope: Scope


def daily(start_time: str) -> MaintenanceWindow:
    """Four hours from a time of day, UTC, each day."""
    return MaintenanceWindow(schedule=Schedule(daily=Daily()), start_time=start_time, duration_hours=4.0)


def recurring(start: datetime, end: datetime, rule: str) -> MaintenanceWindow:
    """A window that comes again by a rule of RFC 5545.

    Raises:
        NotUnderstood: the rule is one that is not known here.
    """
    start = start.astimezone(UTC)
    hours = (end - start) / timedelta(hours=1)
    if not 0 < hours <= 24:
        raise NotUnderstood(f"a window of {hours:g} hours")
    return MaintenanceWindow(
        schedule=_schedule(rule, start),
        start_time=f"{start:%H:%M}",
        duration_hours=hours,
        start_date=start.date(),
    )


def _schedule(rule: str, start: datetime) -> Schedule:
    parts = dict(part.split("=", 1) for part in rule.removeprefix("RRULE:").split(";") if "=" in part)
    frequency, every = parts.pop("FREQ", ""), parts.pop("INTERVAL", "1")
    days = [day for day in parts.pop("BYDAY", "").split(",") if day]
    date = parts.pop("BYMONTHDAY", "")
    if parts.keys() - {"WKST"} or not every.isdecimal() or int(every) < 1:
        raise NotUnderstood(f"the recurrence {rule!r}")
    interval = int(every)
    if frequency == "DAILY" and not days and not date:
        return Schedule(daily=Daily(interval_days=interval))
    weekly = frequency == "WEEKLY" or (frequency == "DAILY" and interval == 1)
    if weekly and not date and all(day in _DAYS for day in days):
        names = tuple(_DAYS[day] for day in days) or (WEEKDAYS[start.weekday()],)
        return Schedule(weekly=Weekly(interval_weeks=interval, days_of_week=names))
    if frequency == "MONTHLY" and date.isdecimal() and not days:
        return Schedule(absolute_monthly=AbsoluteMonthly(day_of_month=int(date), interval_months=interval))
    found = _ORDINAL.fullmatch(days[0]) if frequency == "MONTHLY" and len(days) == 1 and not date else None
    if found is None or found["day"] not in _DAYS:
        raise NotUnderstood(f"the recurrence {rule!r}")
    index = WEEK_INDEXES[-1] if found["index"] == "-1" else WEEK_INDEXES[int(found["index"]) - 1]
    monthly = RelativeMonthly(week_index=index, day_of_week=_DAYS[found["day"]], interval_months=interval)
    return Schedule(relative_monthly=monthly)


def excluded(exclusions: Iterable[Exclusion], now: datetime, *, minor: bool, nodes: bool) -> Exclusion | None:
    """The exclusion that holds now for an upgrade, which changes the minor version or nodes; the one that ends last."""
    concerned: Mapping[Scope, bool] = {
        "NO_UPGRADES": True,
        "NO_MINOR_UPGRADES": minor,
        "NO_MINOR_OR_NODE_UPGRADES": minor or nodes,
    }
    holding = [
        found
        for found in exclusions
        if concerned[found.scope] and found.start <= now and (found.end is None or now < found.end)
    ]
    return max(holding, key=lambda found: found.end or datetime.max.replace(tzinfo=UTC), default=None)
