"""Maintenance windows: when a member may be upgraded.

A member says so in annotations, one for upgrades of Kubernetes (``fleet.echelon.dev/maintenance-window``) and one
for node images (``fleet.echelon.dev/node-image-maintenance-window``). Their value is JSON in the words of AKS's
maintenance configurations, a time zone and several weekdays added::

    {"schedule": {"weekly": {"intervalWeeks": 1, "daysOfWeek": ["Saturday", "Sunday"]}},
     "startTime": "22:00", "durationHours": 4, "timeZone": "Europe/Berlin",
     "startDate": "2026-01-01", "notAllowedDates": [{"start": "2026-12-20", "end": "2027-01-05"}]}

``schedule`` is one of ``daily {intervalDays}``, ``weekly {intervalWeeks, dayOfWeek | daysOfWeek}``,
``absoluteMonthly {intervalMonths, dayOfMonth}`` and ``relativeMonthly {intervalMonths, weekIndex, dayOfWeek}``; every
interval is 1 unless given. The rules:

* Intervals count from the start date: its day, its week (weeks begin on Monday), its month. Without one they count
  from Monday, 1 January 2024. No window begins before the start date.
* A day of the month that a month lacks is its last day.
* A window begins at the start time on the wall clock of its zone (``utcOffset`` or ``timeZone``; without either UTC)
  and lasts its duration in real time. A start time that a change of clocks leaves out comes as much later as the
  clocks are moved; one that it repeats is the first of the two.
* On denied dates, first to last whole days of the zone, nothing is open. What is left of a window that reaches into
  or out of them stays open.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from echelon.api.fleet import DayOfWeek
from echelon.rollout import Window

WEEKDAYS: tuple[DayOfWeek, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEK_INDEXES = ("First", "Second", "Third", "Fourth", "Last")
ANCHOR = date(2024, 1, 1)
LONGEST = timedelta(hours=24)
HORIZON = timedelta(days=3660)
"""How far ahead a window is looked for: all intervals come round within it."""

_DAY = timedelta(days=1)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_OFFSET = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)", re.ASCII)


class InvalidWindow(ValueError):
    """The text describes no maintenance window."""


class Daily(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Every ``interval_days`` days."""

    interval_days: int = 1

    def falls_on(self, day: date, anchor: date) -> bool:
        return (day - anchor).days % self.interval_days == 0


class Weekly(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """On days of every ``interval_weeks``-th week."""

    interval_weeks: int = 1
    day_of_week: DayOfWeek | None = None
    days_of_week: tuple[DayOfWeek, ...] = ()

    @property
    def days(self) -> tuple[DayOfWeek, ...]:
        return self.days_of_week if self.day_of_week is None else (self.day_of_week, *self.days_of_week)

    def falls_on(self, day: date, anchor: date) -> bool:
        weeks = ((day - anchor).days + anchor.weekday()) // 7
        return weeks % self.interval_weeks == 0 and WEEKDAYS[day.weekday()] in self.days


class AbsoluteMonthly(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """On a day of every ``interval_months``-th month."""

    day_of_month: int
    interval_months: int = 1

    def falls_on(self, day: date, anchor: date) -> bool:
        if _months(day, anchor) % self.interval_months:
            return False
        return day.day == min(self.day_of_month, calendar.monthrange(day.year, day.month)[1])


class RelativeMonthly(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """On such a weekday as the second Tuesday of every ``interval_months``-th month."""

    week_index: str
    day_of_week: DayOfWeek
    interval_months: int = 1

    def falls_on(self, day: date, anchor: date) -> bool:
        if _months(day, anchor) % self.interval_months or WEEKDAYS[day.weekday()] != self.day_of_week:
            return False
        if self.week_index == WEEK_INDEXES[-1]:
            return (day + 7 * _DAY).month != day.month
        return (day.day - 1) // 7 == WEEK_INDEXES.index(self.week_index)


def _months(day: date, anchor: date) -> int:
    return (day.year - anchor.year) * 12 + day.month - anchor.month


Recurrence = Daily | Weekly | AbsoluteMonthly | RelativeMonthly


class Schedule(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The days on which windows begin: exactly one of these is given."""

    daily: Daily | None = None
    weekly: Weekly | None = None
    absolute_monthly: AbsoluteMonthly | None = None
    relative_monthly: RelativeMonthly | None = None

    @property
    def given(self) -> tuple[Recurrence, ...]:
        every = (self.daily, self.weekly, self.absolute_monthly, self.relative_monthly)
        return tuple(recurrence for recurrence in every if recurrence is not None)


class DateRange(Struct, frozen=True, forbid_unknown_fields=True):
    """Days from ``start`` to ``end``, both included."""

    start: date
    end: date


class MaintenanceWindow(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """When a member may be upgraded, as in its annotation; ``parse`` makes one that is valid."""

    schedule: Schedule
    start_time: str
    duration_hours: float
    utc_offset: str | None = None
    time_zone: str | None = None
    start_date: date | None = None
    not_allowed_dates: tuple[DateRange, ...] = ()

    def next_opening(self, moment: datetime) -> Window | None:
        """The window that is open at ``moment``, or else the next one; None if none opens within ten years."""
        zone = self._zone()
        recurrence = self.schedule.given[0]
        anchor = self.start_date or ANCHOR
        for day in _days_from(moment.astimezone(zone).date() - 2 * _DAY, self.start_date):
            if recurrence.falls_on(day, anchor):
                for window in self._windows(day, zone):
                    if moment < window.closes_at:
                        return window
        return None

    def is_open(self, moment: datetime) -> bool:
        """Whether a member may be upgraded at ``moment``."""
        window = self.next_opening(moment)
        return window is not None and window.open_at(moment)

    def _windows(self, day: date, zone: tzinfo) -> Iterator[Window]:
        """What is open of the window that begins on a day."""
        opens_at = _moment(day, time.fromisoformat(self.start_time), zone)
        closes_at = opens_at + timedelta(hours=self.duration_hours)
        for denied in sorted(self.not_allowed_dates, key=lambda dates: dates.start):
            from_, until = _moment(denied.start, time(), zone), _moment(denied.end + _DAY, time(), zone)
            if from_ >= closes_at:
                break
            if opens_at < from_:
                yield Window(opens_at, from_)
            opens_at = max(opens_at, until)
        if opens_at < closes_at:
            yield Window(opens_at, closes_at)

    def _zone(self) -> tzinfo:
        if self.time_zone is not None:
            return ZoneInfo(self.time_zone)
        found = None if self.utc_offset is None else _OFFSET.fullmatch(self.utc_offset)
        if found is None:
            return UTC
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-offset if found[1] == "-" else offset)


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    """A time of day in a zone, as UTC. Of a repeated one the first, of a skipped one as much later (``fold`` 0)."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def _days_from(day: date, earliest: date | None) -> Iterator[date]:
    day = day if earliest is None else max(day, earliest)
    last = day + min(HORIZON, date.max - day - 8 * _DAY)
    while day <= last:
        yield day
        day += _DAY


@lru_cache(4096)
def parse(text: str) -> MaintenanceWindow:
    """Read the value of an annotation.

    Raises:
        InvalidWindow: the text is none, with all reasons.
    """
    try:
        window = msgspec.json.decode(text, type=MaintenanceWindow)
    except msgspec.DecodeError as error:
        raise InvalidWindow(str(error)) from error
    problems = list(_problems(window))
    if problems:
        raise InvalidWindow("; ".join(problems))
    return window


class Windows:
    """The maintenance window that is open or opens next, by its text; each is worked out once until it has closed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime, Window | None]] = {}

    def of(self, text: str, now: datetime) -> Window | None:
        """The window of a valid text; None when it never opens again."""
        known = self._known.get(text)
        if known is not None and known[0] <= now and (known[1] is None or now < known[1].closes_at):
            return known[1]
        window = parse(text).next_opening(now)
        self._known[text] = now, window
        return window


def _problems(window: MaintenanceWindow) -> Iterator[str]:
    given = window.schedule.given
    if len(given) != 1:
        yield "schedule must be one of daily, weekly, absoluteMonthly and relativeMonthly"
    for recurrence in given:
        yield from _recurrence_problems(recurrence)
    if _TIME.fullmatch(window.start_time) is None:
        yield f"startTime {window.start_time!r} is not a time of day such as 22:00"
    if not timedelta(0) < timedelta(hours=min(window.duration_hours, 1e6)) <= LONGEST:
        yield f"durationHours {window.duration_hours:g} is not above 0 and at most 24"
    yield from _zone_problems(window)
    for dates in window.not_allowed_dates:
        if dates.end < dates.start or dates.end.year > 9998:
            yield f"notAllowedDates from {dates.start} to {dates.end} are none"


def _zone_problems(window: MaintenanceWindow) -> Iterator[str]:
    if window.utc_offset is not None and window.time_zone is not None:
        yield "utcOffset and timeZone cannot both be set"
    if window.utc_offset is not None and _OFFSET.fullmatch(window.utc_offset) is None:
        yield f"utcOffset {window.utc_offset!r} is not an offset such as +01:00"
    if window.time_zone is not None:
        try:
            ZoneInfo(window.time_zone)
        except (OSError, ValueError, LookupError):
            yield f"timeZone {window.time_zone!r} is not a time zone such as Europe/Berlin"


def _recurrence_problems(recurrence: Recurrence) -> Iterator[str]:
    match recurrence:
        case Daily(interval):
            yield from _interval_problems("intervalDays", interval, 366)
        case Weekly(interval):
            yield from _interval_problems("intervalWeeks", interval, 52)
            if not recurrence.days:
                yield "weekly needs dayOfWeek or daysOfWeek"
        case AbsoluteMonthly(day, interval):
            yield from _interval_problems("intervalMonths", interval, 60)
            if not 1 <= day <= 31:
                yield f"dayOfMonth {day} is not between 1 and 31"
        case RelativeMonthly(index, _, interval):
            yield from _interval_problems("intervalMonths", interval, 60)
            if index not in WEEK_INDEXES:
                yield f"weekIndex {index!r} is not one of {', '.join(WEEK_INDEXES)}"


def _interval_problems(name: str, interval: int, most: int) -> Iterator[str]:
    if not 1 <= interval <= most:
        yield f"{name} {interval} is not between 1 and {most}"
