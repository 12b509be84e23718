"""Durations in Go's notation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.placement.durations import format_duration, parse_duration

DURATIONS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000))


@given(DURATIONS)
def test_what_is_formatted_is_read_back(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(DURATIONS)
def test_the_canonical_form_is_its_own(duration: timedelta) -> None:
    text = format_duration(duration)
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0s", "0s"),
        ("5m", "5m0s"),
        ("90s", "1m30s"),
        ("1h", "1h0m0s"),
        ("1.5h", "1h30m0s"),
        ("0.5s", "0.5s"),
        ("1h30m15.25s", "1h30m15.25s"),
        ("30m1h", "1h30m0s"),
        ("48h", "48h0m0s"),
    ],
)
def test_canonical_forms(text: str, canonical: str) -> None:
    assert format_duration(parse_duration(text)) == canonical


@pytest.mark.parametrize("text", ["", "5", "m", "5d", "-5m", "5 m", "1h30", "h1", "5m ", "1..5h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; want hours, minutes and seconds"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["99999999999999h", "2562047h47m17s"])
def test_a_duration_beyond_all_measure(text: str) -> None:
    with pytest.raises(ValueError, match="is longer than any duration can be; the longest is 2562047h47m16s"):
        parse_duration(text)


def test_the_longest_duration() -> None:
    assert format_duration(parse_duration("2562047h47m16s")) == "2562047h47m16s"
