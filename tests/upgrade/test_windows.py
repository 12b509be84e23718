"""Maintenance windows, compared with counting days one by one."""

from __future__ import annotations

import calendar
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.upgrade.windows import WEEK_INDEXES, WEEKDAYS, InvalidWindow, MaintenanceWindow, Windows, parse

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

intervals = st.integers(1, 4)
recurrences = st.one_of(
    st.fixed_dictionaries({"daily": st.fixed_dictionaries({"intervalDays": intervals})}),
    st.fixed_dictionaries(
        {
            "weekly": st.fixed_dictionaries(
                {
                    "intervalWeeks": intervals,
                    "daysOfWeek": st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3),
                }
            )
        }
    ),
    st.fixed_dictionaries(
        {"absoluteMonthly": st.fixed_dictionaries({"intervalMonths": intervals, "dayOfMonth": st.integers(1, 31)})}
    ),
    st.fixed_dictionaries(
        {
            "relativeMonthly": st.fixed_dictionaries(
                {
                    "intervalMonths": intervals,
                    "weekIndex": st.sampled_from(WEEK_INDEXES),
                    "dayOfWeek": st.sampled_from(WEEKDAYS),
                }
            )
        }
    ),
)
days = st.dates(date(2025, 1, 1), date(2027, 12, 31))


@st.composite
def denied_dates(draw: st.DrawFn) -> list[dict[str, str]]:
    found = []
    for _ in range(draw(st.integers(0, 2))):
        start = draw(days)
        found.append({"start": str(start), "end": str(start + draw(st.integers(0, 20)) * DAY)})
    return found


@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    content: dict[str, Any] = {
        "schedule": draw(recurrences),
        "startTime": f"{draw(st.integers(0, 23)):02}:{draw(st.sampled_from([0, 15, 30])):02}",
        "durationHours": draw(st.sampled_from([0.5, 1, 4, 8, 24])),
        "notAllowedDates": draw(denied_dates()),
    }
    zone = draw(st.sampled_from(["offset", "none", *ZONES]))
    if zone == "offset":
        content["utcOffset"] = draw(st.sampled_from(["+05:30", "-09:00", "+14:00", "+00:00"]))
    elif zone != "none":
        content["timeZone"] = zone
    if draw(st.booleans()):
        content["startDate"] = str(draw(days))
    return content


moments = st.datetimes(datetime(2025, 3, 1), datetime(2027, 11, 30)).map(lambda found: found.replace(tzinfo=UTC))


# -- the same, counted ---------------------------------------------------------------------------


def days_of(content: dict[str, Any], last: date) -> list[date]:
    """All days on which a window begins, counted from its anchor on."""
    anchor = date.fromisoformat(content.get("startDate", "2024-01-01"))
    ((kind, rule),) = content["schedule"].items()
    found = []
    if kind == "daily":
        day = anchor
        while day <= last:
            found.append(day)
            day += rule["intervalDays"] * DAY
    elif kind == "weekly":
        monday = anchor - anchor.weekday() * DAY
        while monday <= last:
            found += [monday + n * DAY for n in range(7) if WEEKDAYS[n] in rule["daysOfWeek"]]
            monday += rule["intervalWeeks"] * 7 * DAY
    else:
        year, month = anchor.year, anchor.month
        while date(year, month, 1) <= last:
            found.append(day_of_month(kind, rule, year, month))
            month += rule["intervalMonths"]
            year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return [day for day in found if anchor <= day <= last] if "startDate" in content else found


def day_of_month(kind: str, rule: dict[str, Any], year: int, month: int) -> date:
    weeks = calendar.monthcalendar(year, month)
    if kind == "absoluteMonthly":
        return date(year, month, min(rule["dayOfMonth"], max(map(max, weeks))))
    column = [week[WEEKDAYS.index(rule["dayOfWeek"])] for week in weeks]
    chosen = [day for day in column if day]
    return date(year, month, chosen[-1 if rule["weekIndex"] == "Last" else WEEK_INDEXES.index(rule["weekIndex"])])


def local(window: MaintenanceWindow, day: date, at: str) -> datetime:
    """A time of day of the window's zone, the earlier one of two and pushed on when there is none."""
    hour, minute = map(int, at.split(":"))
    wall = datetime(day.year, day.month, day.day, hour, minute)
    if window.utc_offset is not None:
        return datetime.fromisoformat(f"{wall.isoformat()}{window.utc_offset}").astimezone(UTC)
    return wall.replace(tzinfo=ZoneInfo(window.time_zone or "UTC")).astimezone(UTC)


def is_open_counted(content: dict[str, Any], window: MaintenanceWindow, moment: datetime) -> bool:
    for denied in content["notAllowedDates"]:
        first, last = date.fromisoformat(denied["start"]), date.fromisoformat(denied["end"])
        if local(window, first, "00:00") <= moment < local(window, last + DAY, "00:00"):
            return False
    duration = timedelta(hours=content["durationHours"])
    for day in days_of(content, moment.date() + 2 * DAY):
        if day >= moment.date() - 4 * DAY:
            opens_at = local(window, day, content["startTime"])
            if opens_at <= moment < opens_at + duration:
                return True
    return False


@given(contents(), moments)
@settings(max_examples=300)
def test_open_as_counted(content: dict[str, Any], moment: datetime) -> None:
    window = parse(json.dumps(content))
    assert window.is_open(moment) == is_open_counted(content, window, moment)


@given(contents(), moments)
@settings(max_examples=200)
def test_the_next_opening_is_one_and_there_is_none_before(content: dict[str, Any], moment: datetime) -> None:
    window = parse(json.dumps(content))
    found = window.next_opening(moment)
    assert found is not None
    assert moment < found.closes_at
    assert found.opens_at < found.closes_at
    assert is_open_counted(content, window, max(moment, found.opens_at))
    assert is_open_counted(content, window, found.closes_at - timedelta(microseconds=1))
    if found.opens_at > moment:
        assert not is_open_counted(content, window, moment)
        assert not is_open_counted(content, window, found.opens_at - timedelta(microseconds=1))
        between = moment + (found.opens_at - moment) / 3
        assert not is_open_counted(content, window, between)


@given(contents(), st.lists(moments, min_size=1, max_size=5))
@settings(max_examples=50)
def test_what_is_remembered_is_what_is_worked_out(content: dict[str, Any], later: list[datetime]) -> None:
    text, windows = json.dumps(content), Windows()
    for moment in sorted(later):
        found, fresh = windows.of(text, moment), parse(text).next_opening(moment)
        assert found is not None
        assert fresh is not None
        assert found.open_at(moment) == fresh.open_at(moment)
        assert found.open_at(moment) or found.opens_at == fresh.opens_at


# -- clocks that change ---------------------------------------------------------------------------


def nightly(start: str, hours: float = 2, zone: str = "Europe/Berlin") -> MaintenanceWindow:
    schedule = {"daily": {}}
    return parse(json.dumps({"schedule": schedule, "startTime": start, "durationHours": hours, "timeZone": zone}))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_the_wall_clock_counts_across_a_change() -> None:
    window = nightly("22:00")
    before, after = window.next_opening(at("2026-03-28T12:00Z")), window.next_opening(at("2026-03-29T12:00Z"))
    assert before is not None
    assert after is not None
    assert before.opens_at == at("2026-03-28T21:00Z")
    assert after.opens_at == at("2026-03-29T20:00Z")


def test_a_start_that_a_change_leaves_out_comes_later() -> None:
    found = nightly("02:30").next_opening(at("2026-03-29T00:00Z"))  # 2:00 to 3:00 is left out
    assert found is not None
    assert (found.opens_at, found.closes_at) == (at("2026-03-29T01:30Z"), at("2026-03-29T03:30Z"))  # 3:30 to 5:30


def test_of_a_start_that_a_change_repeats_the_first_counts() -> None:
    found = nightly("02:30").next_opening(at("2026-10-25T00:00Z"))
    assert found is not None
    assert found.opens_at == at("2026-10-25T00:30Z")


def test_the_duration_is_real_time() -> None:
    found = nightly("01:00", 4).next_opening(at("2026-10-24T22:00Z"))
    assert found is not None
    assert found.closes_at - found.opens_at == timedelta(hours=4)


# -- denied dates, and what is refused ------------------------------------------------------------


def test_what_is_left_of_a_window_beside_denied_dates_is_open() -> None:
    content = {
        "schedule": {"daily": {}},
        "startTime": "22:00",
        "durationHours": 4,
        "notAllowedDates": [{"start": "2026-12-24", "end": "2026-12-25"}],
    }
    window = parse(json.dumps(content))
    eve = window.next_opening(at("2026-12-23T12:00Z"))
    assert eve is not None
    assert (eve.opens_at, eve.closes_at) == (at("2026-12-23T22:00Z"), at("2026-12-24T00:00Z"))
    after = window.next_opening(at("2026-12-24T00:00Z"))
    assert after is not None
    assert (after.opens_at, after.closes_at) == (at("2026-12-26T00:00Z"), at("2026-12-26T02:00Z"))


def test_a_window_that_is_denied_for_ever_never_opens() -> None:
    content = {
        "schedule": {"daily": {}},
        "startTime": "22:00",
        "durationHours": 4,
        "notAllowedDates": [{"start": "2026-01-01", "end": "2090-01-01"}],
    }
    assert parse(json.dumps(content)).next_opening(at("2026-06-01T00:00Z")) is None


VALID = {"schedule": {"daily": {}}, "startTime": "22:00", "durationHours": 4}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schedule": {}}, "must be one of"),
        ({"schedule": {"daily": {}, "weekly": {"dayOfWeek": "Monday"}}}, "must be one of"),
        ({"schedule": {"daily": {"intervalDays": 0}}}, "intervalDays 0 is not between 1 and 366"),
        ({"schedule": {"weekly": {}}}, "weekly needs dayOfWeek or daysOfWeek"),
        ({"schedule": {"weekly": {"dayOfWeek": "Montag"}}}, "Invalid enum value"),
        ({"schedule": {"absoluteMonthly": {"dayOfMonth": 32}}}, "dayOfMonth 32"),
        ({"schedule": {"relativeMonthly": {"weekIndex": "Fifth", "dayOfWeek": "Monday"}}}, "weekIndex 'Fifth'"),
        ({"startTime": "24:00"}, "startTime '24:00' is not a time of day"),
        ({"durationHours": 0}, "durationHours 0 is not above 0"),
        ({"durationHours": 25}, "durationHours 25 is not above 0 and at most 24"),
        ({"utcOffset": "1:00"}, "utcOffset '1:00'"),
        ({"timeZone": "Europe/Nowhere"}, "timeZone 'Europe/Nowhere'"),
        ({"timeZone": "../../etc/passwd"}, "is not a time zone"),
        ({"utcOffset": "+01:00", "timeZone": "UTC"}, "cannot both be set"),
        ({"notAllowedDates": [{"start": "2026-01-02", "end": "2026-01-01"}]}, "are none"),
        ({"days": 1}, "unknown field `days`"),
    ],
)
def test_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidWindow, match=why.replace("(", r"\(")):
        parse(json.dumps({**VALID, **changes}))
