"""Decisions over time."""

from __future__ import annotations

from echelon.placement.scheduling.decisions import refused, settled


def test_how_long_ago_something_was_is_not_worth_a_write() -> None:
    before = [refused("a", "silent (last received 6.00 minutes ago)"), refused("b", "left")]
    now = [refused("a", "silent (last received 7.25 minutes ago)"), refused("b", "back"), refused("c", "new")]
    assert settled(before, now) == [before[0], now[1], now[2]]
