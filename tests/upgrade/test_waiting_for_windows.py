"""A run that waits for maintenance windows: it says until when, asks nothing of anybody meanwhile, and goes on exactly
when a window opens, whatever clocks did in between.

Virtual time, which begins half an hour before each opening; from how far away an opening is found, and that there is
none before it, is the matter of ``test_windows``.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from . import hub as hubs
from .hub import Hub, moment, node_images
from .provider import FakeProvider


def window(schedule: dict[str, Any], start: str = "02:30", **more: Any) -> str:
    return json.dumps({"schedule": schedule, "startTime": start, "durationHours": 4, **more})


DAILY = {"daily": {}}
FEW = [{"start": "2026-03-02", "end": "2026-03-05"}]


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        (window(DAILY, "10:15"), "2026-03-02T10:15"),
        (window(DAILY, "10:15", utcOffset="-05:00"), "2026-03-02T15:15"),
        (window(DAILY, "10:15", timeZone="Asia/Kathmandu"), "2026-03-03T04:30"),
        (window({"weekly": {"daysOfWeek": ["Wednesday", "Sunday"]}}), "2026-03-04T02:30"),
        (window({"absoluteMonthly": {"dayOfMonth": 31}}), "2026-03-31T02:30"),
        (window({"relativeMonthly": {"weekIndex": "First", "dayOfWeek": "Sunday"}}), "2026-04-05T02:30"),
        (window({"relativeMonthly": {"weekIndex": "Last", "dayOfWeek": "Friday"}}), "2026-03-27T02:30"),
        # denied: today and the three days after
        (window(DAILY, notAllowedDates=FEW), "2026-03-06T02:30"),
        (window(DAILY, "23:00", notAllowedDates=FEW), "2026-03-06T00:00"),  # what is left of the one of the 5th
        # New York changes to summer time on 8 March at two: 2:30 is left out, and comes as 3:30, at 7:30 UTC
        (window({"weekly": {"dayOfWeek": "Sunday"}}, timeZone="America/New_York"), "2026-03-08T07:30"),
        (window({"weekly": {"dayOfWeek": "Monday"}}, "09:00", timeZone="America/New_York"), "2026-03-02T14:00"),
        (window({"relativeMonthly": {"weekIndex": "Second", "dayOfWeek": "Monday"}}, "09:00",
                timeZone="America/New_York"), "2026-03-09T13:00"),  # nine is an hour earlier now
        # Berlin changes on 29 March
        (window({"relativeMonthly": {"weekIndex": "Last", "dayOfWeek": "Sunday"}}, timeZone="Europe/Berlin"),
         "2026-03-29T01:30"),
    ],
)  # fmt: skip
async def test_the_run_goes_on_when_the_window_opens_and_nobody_is_asked_before(
    hub: Hub, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, text: str, opens: str
) -> None:
    opening = datetime.fromisoformat(f"{opens}+00:00")
    monkeypatch.setattr(hubs, "BEGIN", opening - timedelta(minutes=30))
    await hub.join("m1", window=text)
    await hub.begin()
    await hub.ended("Pending")
    await hub.settle()
    found = hub.member("m1")
    assert (found.state, moment(found.not_before)) == ("Pending", opening)
    assert found.message == f"its maintenance window is closed; it opens next at {opening:%Y-%m-%d %H:%M:%S} UTC"
    calls = len(hub.calls)
    await hub.pass_time((opening - hub.clock.now()).total_seconds() - 0.1)
    assert hub.calls[calls:] == []
    assert provider.begun == []
    assert (hub.state(), hub.member("m1").state) == ("Pending", "Pending")
    await hub.ended()
    begun = moment(hub.member("m1").start_time)
    assert timedelta(0) <= begun - opening < timedelta(seconds=0.1)


async def test_several_windows_open_one_after_the_other(hub: Hub, provider: FakeProvider) -> None:
    opens = {"m1": "09:30", "m2": "09:10", "m3": "09:20"}
    for name, start in opens.items():
        await hub.join(name, image_window=window(DAILY, start))
    await hub.begin(managedClusterUpdate=node_images())
    await hub.until(lambda: hub.state() == "Completed", within=3600)
    assert provider.began() == ["m2", "m3", "m1"]
    for name, start in opens.items():
        assert f"{moment(hub.member(name).start_time):%H:%M:%S}" == f"{start}:00"
