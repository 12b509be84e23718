"""How far a rolling update may go at once: bounds that hold for any fleet, and KubeFleet's cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.binding import (
    BOUND,
    SCHEDULED,
    UNSCHEDULED,
    ClusterResourceBinding,
    ResourceBindingSpec,
    ResourceBindingStatus,
)
from echelon.api.meta import Condition, ObjectMeta, format_time
from echelon.api.placement import RollingUpdateConfig
from echelon.api.snapshot import ClusterDecision
from echelon.placement.rolling import has_failed, pace, ready_in, share

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PERIOD = timedelta(seconds=60)
AVAILABLE = (("Available", "True", "AllWorkAreAvailable"),)
BUSY = (("Applied", "False", "ApplyInProgress"),)
FAILED = (("Applied", "False", "NotAllWorkHaveBeenApplied"),)
UNTRACKED = (("Available", "True", "NotAllWorkAreAvailabilityTrackable"),)


def binding(name, state=BOUND, conditions=AVAILABLE, *, deleting=False, since=NOW):
    decision = ClusterDecision(cluster_name=name, selected=True, reason="")
    return ClusterResourceBinding(
        metadata=ObjectMeta(name=name, generation=1, deletion_timestamp="2026-03-02T08:00:00Z" if deleting else None),
        spec=ResourceBindingSpec(
            state=state,
            resource_snapshot_name="web-0-snapshot" if state != SCHEDULED else "",
            scheduling_policy_snapshot_name="web-0",
            target_cluster=name,
            cluster_decision=decision,
        ),
        status=ResourceBindingStatus(
            conditions=tuple(
                Condition(t, s, r, "", format_time(since), 1)  # type: ignore[arg-type]
                for t, s, r in (() if state == SCHEDULED else conditions)
            )
        ),
    )


def decide(bindings, target, *, unavailable="25%", surge="25%", outdated=True):
    config = RollingUpdateConfig(max_unavailable=unavailable, max_surge=surge)
    stale = {b.metadata.name: outdated for b in bindings}
    decided = pace(bindings, stale, target, config, NOW)
    return [[b.metadata.name for b in group] for group in (decided.update, decided.delete, decided.blocked)]


@pytest.mark.parametrize(
    ("bound", "total", "expected"), [(3, 10, 3), ("25%", 10, 3), ("25%", 4, 1), ("0%", 4, 0), ("2", 9, 2)]
)
def test_a_share_is_rounded_up(bound, total, expected):
    assert share(bound, total) == expected


def test_a_quarter_of_the_members_at_a_time():
    fleet = [binding(name) for name in "abcdefgh"]
    assert decide(fleet, 8) == [["a", "b"], [], ["c", "d", "e", "f", "g", "h"]]


def test_nothing_more_while_as_many_are_busy_as_may_be():
    fleet = [binding("a", conditions=BUSY), binding("b", conditions=BUSY), *(binding(name) for name in "cdefgh")]
    stale = {b.metadata.name: b.metadata.name in "cdefgh" for b in fleet}
    decided = pace(fleet, stale, 8, RollingUpdateConfig(max_unavailable="25%"), NOW)
    assert not decided.update
    assert len(decided.blocked) == 6


def test_what_fails_is_changed_without_waiting():
    fleet = [binding("a", conditions=FAILED), *(binding(name) for name in "bcd")]
    update, _, blocked = decide(fleet, 4, unavailable=0)
    assert update == ["a"]
    assert blocked == ["b", "c", "d"]


def test_new_members_come_within_the_surge():
    fleet = [*(binding(name) for name in "abcd"), *(binding(name, SCHEDULED) for name in "efgh")]
    update, _, blocked = decide(fleet, 4, surge=2, outdated=False)
    assert update == ["e", "f"]
    assert blocked == ["g", "h"]


def test_unwanted_members_are_emptied_before_outdated_ones_are_updated():
    fleet = [binding("a", UNSCHEDULED), binding("b"), binding("c"), binding("d"), binding("e")]
    update, delete, blocked = decide(fleet, 4, unavailable=1)
    assert delete == ["a"]
    assert update == ["b"]
    assert blocked == ["c", "d", "e"]


def test_a_member_on_its_way_out_is_not_counted_as_served():
    fleet = [binding("a", deleting=True), binding("b"), binding("c")]
    update, _, blocked = decide(fleet, 2, unavailable=0)
    assert update == []
    assert blocked == ["b", "c"]


def test_what_cannot_be_tracked_counts_once_its_time_is_over():
    fresh = binding("a", conditions=UNTRACKED, since=NOW - timedelta(seconds=20))
    assert ready_in(fresh, NOW, PERIOD) == timedelta(seconds=40)
    assert ready_in(binding("a", conditions=UNTRACKED, since=NOW - PERIOD), NOW, PERIOD) == timedelta(0)
    decided = pace([fresh], {"a": False}, 1, RollingUpdateConfig(), NOW)
    assert decided.wait == timedelta(seconds=40)


@pytest.mark.parametrize(
    ("conditions", "failed"),
    [
        (AVAILABLE, False),
        (BUSY, False),
        (FAILED, True),
        ((("Available", "False", "NotAllWorkAreAvailable"),), False),
        ((("Overridden", "False", "OverriddenFailed"),), True),
        ((("DiffReported", "False", "NotAllWorkHaveDiffReported"),), True),
        ((), False),
    ],
)
def test_what_counts_as_failed(conditions, failed):
    assert has_failed(binding("a", conditions=conditions)) is failed


bindings = st.lists(
    st.tuples(
        st.sampled_from([BOUND, SCHEDULED, UNSCHEDULED]),
        st.sampled_from([AVAILABLE, BUSY, FAILED, ()]),
        st.booleans(),
    ),
    max_size=12,
).map(lambda rows: [binding(f"m{i:02}", s, c, deleting=d) for i, (s, c, d) in enumerate(rows)])


@given(bindings, st.integers(0, 12), st.integers(0, 4), st.integers(0, 4))
def test_the_bounds_hold(fleet, target, unavailable, surge):
    config = RollingUpdateConfig(max_unavailable=unavailable, max_surge=surge)
    decided = pace(fleet, {b.metadata.name: True for b in fleet}, target, config, NOW)
    ready = [b for b in fleet if ready_in(b, NOW, PERIOD) == timedelta(0) and b.metadata.deletion_timestamp is None]
    taken = [b for b in (*decided.update, *decided.delete) if b in ready]
    if taken:
        assert len(ready) - len(taken) >= target - unavailable
    added = [b for b in decided.update if b.spec.state == SCHEDULED]
    hopeful = [b for b in fleet if b.spec.state in (BOUND, UNSCHEDULED) and not has_failed(b)]
    if added:
        assert len(hopeful) + len(added) <= target + surge


@given(bindings, st.integers(0, 12))
def test_every_binding_that_has_to_change_is_changed_or_told_to_wait(fleet, target):
    decided = pace(fleet, {b.metadata.name: True for b in fleet}, target, RollingUpdateConfig(), NOW)
    handled = sorted(b.metadata.name for b in (*decided.update, *decided.delete, *decided.blocked))
    assert handled == sorted(b.metadata.name for b in fleet if b.metadata.deletion_timestamp is None)
