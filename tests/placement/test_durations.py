"""Durations in Go's notation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.placement.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds", "canonical"),
    [
        ("0s", 0, "0s"),
        ("5s", 5, "5s"),
        ("1m", 60, "1m0s"),
        ("90s", 90, "1m30s"),
        ("1h30m", 5400, "1h30m0s"),
        ("1.5h", 5400, "1h30m0s"),
        ("0.25s", 0.25, "0.25s"),
        ("24h", 86400, "24h0m0s"),
        ("1h1s", 3601, "1h0m1s"),
    ],
)
def test_read_and_written_as_go_does(text, seconds, canonical):
    duration = parse_duration(text)
    assert duration == timedelta(seconds=seconds)
    assert format_duration(duration) == canonical


@pytest.mark.parametrize("text", ["", "5", "m", "5 s", "-5s", "1d", "5s6", "1h-3m"])
def test_what_is_none(text):
    with pytest.raises(ValueError, match="is not a duration; want hours, minutes and seconds"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["2562048h", "9999999999h", "9" * 400 + "s"])
def test_longer_than_go_can_count(text):
    with pytest.raises(ValueError, match="is longer than any duration can be"):
        parse_duration(text)


def test_the_longest():
    assert format_duration(parse_duration("2562047h47m16s")) == "2562047h47m16s"


@given(st.timedeltas(timedelta(0), timedelta(days=100_000)))
def test_writing_and_reading_again_gives_the_same(duration):
    assert parse_duration(format_duration(duration)) == duration
