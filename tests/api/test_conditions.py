"""Lists of conditions: what a change keeps and what it renews."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.conditions import (
    find_condition,
    has_status,
    is_false_at_generation,
    is_true_at_generation,
    observe,
    placement_condition,
    remove_conditions,
    set_condition,
)
from echelon.api.meta import Condition, format_time

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)

CONDITIONS = st.builds(
    Condition,
    type=st.sampled_from(["Initialized", "Progressing", "Succeeded"]),
    status=st.sampled_from(["True", "False", "Unknown"]),
    reason=st.sampled_from(["One", "Two"]),
    message=st.sampled_from(["", "why"]),
    observed_generation=st.integers(0, 3),
)


def condition(status: str = "True", reason: str = "Because", **fields: object) -> Condition:
    return msgspec.convert({"type": "Ready", "status": status, "reason": reason, **fields}, Condition)


def test_the_first_setting_takes_the_time_of_now() -> None:
    assert set_condition((), condition(), START)[0].last_transition_time == "2026-01-31T08:00:00Z"


def test_the_transition_time_is_kept_while_the_status_stays() -> None:
    before = set_condition((), condition(), START)
    after = set_condition(before, condition(reason="Other", observedGeneration=2), START + timedelta(hours=1))
    assert (after[0].reason, after[0].observed_generation) == ("Other", 2)
    assert after[0].last_transition_time == before[0].last_transition_time


def test_the_transition_time_is_renewed_when_the_status_changes() -> None:
    after = set_condition(set_condition((), condition(), START), condition("False"), START + timedelta(hours=1))
    assert after[0].last_transition_time == "2026-01-31T09:00:00Z"


def test_a_transition_time_that_is_brought_is_taken_when_the_status_changes() -> None:
    brought = condition("False", lastTransitionTime="2025-01-01T00:00:00Z")
    assert set_condition(set_condition((), condition(), START), brought, START)[0] == brought


@given(st.lists(CONDITIONS, max_size=12))
def test_any_sequence_of_settings(changes: list[Condition]) -> None:
    """One condition a type, in the order of first setting, each as last set, since its last change of status."""
    conditions: tuple[Condition, ...] = ()
    since: dict[str, tuple[str, str]] = {}
    last: dict[str, Condition] = {}
    for minute, change in enumerate(changes):
        now = START + timedelta(minutes=minute)
        conditions = set_condition(conditions, change, now)
        if since.get(change.type, ("", ""))[0] != change.status:
            since[change.type] = (change.status, format_time(now))
        last[change.type] = change
    assert [item.type for item in conditions] == list(dict.fromkeys(change.type for change in changes))
    assert list(conditions) == [
        msgspec.structs.replace(last[item.type], last_transition_time=since[item.type][1]) for item in conditions
    ]


@given(st.lists(CONDITIONS, max_size=6), CONDITIONS)
def test_setting_twice_is_setting_once(changes: list[Condition], change: Condition) -> None:
    conditions: tuple[Condition, ...] = ()
    for item in changes:
        conditions = set_condition(conditions, item, START)
    once = set_condition(conditions, change, START)
    assert set_condition(once, change, START + timedelta(days=1)) == once


def test_a_condition_counts_only_at_the_generation_it_was_observed_at() -> None:
    conditions = (condition(observedGeneration=2),)
    assert is_true_at_generation(conditions, "Ready", 2)
    assert not is_true_at_generation(conditions, "Ready", 3)
    assert not is_false_at_generation(conditions, "Ready", 2)
    assert not is_true_at_generation(conditions, "Missing", 2)
    assert has_status((condition("Unknown", observedGeneration=1),), "Ready", "Unknown", 1)


def test_find_and_remove() -> None:
    conditions = (condition(),)
    assert find_condition(conditions, "Ready") is conditions[0]
    assert find_condition(conditions, "Missing") is None
    assert remove_conditions(conditions, "Missing", "Ready") == ()


def test_observe_changes_the_generation_alone() -> None:
    current, old = condition(observedGeneration=2), condition(observedGeneration=1, message="why")
    observed = observe((current, old), 2)
    assert observed[0] is current
    assert observed[1] == msgspec.structs.replace(old, observed_generation=2)


def test_placement_conditions_begin_with_the_kind() -> None:
    assert placement_condition("ResourcePlacement", "Scheduled") == "ResourcePlacementScheduled"
