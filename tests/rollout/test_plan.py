from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from echelon.rollout import Gate, GateKind, Group, InvalidPlan, Limit, Plan, Stage, WeeklyTime


@pytest.mark.parametrize(
    ("text", "total", "concurrency"),
    [
        ("25%", 20, 5),
        ("50%", 8, 4),
        ("25%", 12, 3),
        ("100%", 1, 1),
        ("50%", 1, 1),
        ("7", 1, 7),
        (3, 10, 3),
        ("1%", 0, 1),
    ],
)
def test_concurrency_is_rounded_down_and_at_least_one(text: str | int, total: int, concurrency: int) -> None:
    assert Limit.parse(text).concurrency(total) == concurrency


@pytest.mark.parametrize(
    ("text", "total", "failures"),
    [("10%", 5, 1), ("34%", 3, 2), ("0%", 100, 0), ("100%", 7, 7), ("3", 1, 3), (0, 9, 0)],
)
def test_failures_are_rounded_up(text: str | int, total: int, failures: int) -> None:
    assert Limit.parse(text).failures(total) == failures


@pytest.mark.parametrize("text", ["", "-1", "101%", "1.5", "07", "5 %", "%", "ten", "1" * 12])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="want a count such as 3"):
        Limit.parse(text)


@pytest.mark.parametrize("text", ["3", "25%", "0", "100%"])
def test_a_limit_is_written_as_it_is_read(text: str) -> None:
    assert str(Limit.parse(text)) == text


def test_a_scheduled_start_is_the_next_one_in_utc() -> None:
    friday_evening = WeeklyTime(4, 18, 0, timedelta(hours=-5))
    assert friday_evening.next(datetime(2026, 3, 2, 9, tzinfo=UTC)) == datetime(2026, 3, 6, 23, tzinfo=UTC)
    assert friday_evening.next(datetime(2026, 3, 6, 23, tzinfo=UTC)) == datetime(2026, 3, 6, 23, tzinfo=UTC)
    assert friday_evening.next(datetime(2026, 3, 6, 23, 0, 1, tzinfo=UTC)) == datetime(2026, 3, 13, 23, tzinfo=UTC)


@pytest.mark.parametrize("arguments", [(7, 0), (-1, 0), (0, 24), (0, 0, 60), (0, 0, 0, timedelta(days=1))])
def test_a_time_that_is_in_no_week_is_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is "):
        WeeklyTime(*arguments)


SLOT = WeeklyTime(0, 8)


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ([Stage("")], "a stage has no name"),
        ([Stage("a"), Stage("a")], "stage 'a' appears twice"),
        ([Stage("a", (Group(""),))], "a group of stage 'a' has no name"),
        ([Stage("a", (Group("g"),)), Stage("b", (Group("g"),))], "group 'g' appears in stage 'a' and in stage 'b'"),
        ([Stage("a", (Group("g", ("x", "x")),))], "target 'x' appears twice in group 'g'"),
        (
            [Stage("a", (Group("g", ("x",)), Group("h", ("x",))))],
            "target 'x' appears in group 'g' and in group 'h'",
        ),
        ([Stage("a", (Group("g", ("",)),))], "a target of group 'g' has no name"),
        ([Stage("a", wait=timedelta(seconds=-1))], "stage 'a': a wait of -1 day, 23:59:59 is negative"),
        (
            [Stage("a", max_concurrency=Limit(0))],
            "stage 'a': a concurrency of 0 is out of range; want a count of 1 or more, or 1% to 100%",
        ),
        (
            [Stage("a", (Group("g", max_failures=Limit(101, True)),))],
            "group 'g': a failure limit of 101% is out of range; want a count of 0 or more, or 0% to 100%",
        ),
        ([Stage("a", before=(Gate("x"), Gate("x")))], "stage 'a': gate 'x' appears twice before it"),
        (
            [Stage("a", after=(Gate("x", GateKind.SCHEDULED_START, SLOT),))],
            "stage 'a': gate 'x' is a scheduled start, which can stand before it only",
        ),
        (
            [Stage("a", before=(Gate("x", GateKind.SCHEDULED_START),))],
            "stage 'a': gate 'x' is a scheduled start without a time",
        ),
        (
            [Stage("a", before=(Gate("x", starts=SLOT),))],
            "stage 'a': gate 'x' is an approval and cannot have a start time",
        ),
    ],
)
def test_a_plan_that_cannot_be_carried_out_cannot_be_built(stages: list[Stage], problem: str) -> None:
    with pytest.raises(InvalidPlan) as found:
        Plan(tuple(stages))
    assert found.value.problems == (problem,)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(InvalidPlan) as found:
        Plan((Stage("a", (Group("g", ("x", "x")),), wait=timedelta(seconds=-1)), Stage("a")))
    assert len(found.value.problems) == 3
    assert str(found.value).count("; ") >= 2


def test_a_plan_knows_where_its_names_stand() -> None:
    plan = Plan((Stage("a", (Group("g", ("x", "y")),)), Stage("b", (Group("h", ("z",)),))))
    assert plan.size == 3
    assert plan.places.targets["z"] == (1, 0, 0)
    assert plan.places.groups == {"g": (0, 0), "h": (1, 0)}
    assert plan.places is plan.places
