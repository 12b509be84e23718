"""One run: its columns, what may be left out of it, its time."""

from __future__ import annotations

from datetime import timedelta

from echelon.portal.views.chart import Span, chart
from echelon.portal.views.run import MEMBERS_SHOWN, run_page
from echelon.portal.views.runs import newest_first, update_card

from .objects import NOW, at, gate, run, stage

DONE = {"state": "Completed", "startTime": at(-600), "completedTime": at(-300)}


def test_columns_show_groups_gates_and_waits_where_they_stand() -> None:
    waiting = {"state": "Pending", "startTime": at(-60), "displayName": "Looks good", "gateName": "g1"}
    first = stage("one", "Pending", [{"name": "m1", **DONE}], startTime=at(-600), afterGates=[waiting])
    second = stage(
        "two",
        "NotStarted",
        [{"name": "m2", "state": "NotStarted"}],
        afterStageWaitStatus={"state": "NotStarted", "waitDurationInSeconds": 60},
    )
    found = run_page(run("r", "Pending", [first, second], startTime=at(-600)), [gate("g1", "r", "one")], [], None, NOW)
    one, two = found.stages
    assert (one.done, one.total, one.groups[0].name) == (1, 1, "one-group")
    assert [(task.name, task.gate) for task in one.after] == [("Looks good", "g1")]
    assert [task.skip for task in two.after] == ["AfterStageWait:two"]
    assert two.skip == "Stage:two"
    assert two.groups[0].skip == "Group:two-group"
    assert two.groups[0].members[0].skip == "Member:m2"
    assert one.groups[0].members[0].skip == ""
    assert found.waits[0].what == "the gate Looks good of stage one"


def test_a_stage_of_one_group_of_its_name_shows_no_group() -> None:
    lone = {"name": "default", "state": "Running", "groups": [{"name": "default", "state": "Running", "members": []}]}
    found = run_page(run("r", "Running", [lone]), [], [], None, NOW)
    assert [group.is_named for group in found.stages[0].groups] == [False]


def test_of_a_large_group_those_at_work_are_shown_and_the_rest_is_counted() -> None:
    members = [{"name": f"m{number}", "state": "NotStarted"} for number in range(500)]
    members[450] = {"name": "m450", "state": "Running", "startTime": at(-5)}
    members[470] = {"name": "m470", "state": "Failed", "startTime": at(-50), "completedTime": at(-5)}
    group = run_page(run("r", "Running", [stage("one", "Running", members)]), [], [], None, NOW).stages[0].groups[0]
    assert [member.name for member in group.members[:2]] == ["m470", "m450"]
    assert (len(group.members), group.hidden) == (MEMBERS_SHOWN, 500 - MEMBERS_SHOWN)


def test_a_completed_run_has_nothing_to_leave_out() -> None:
    found = run_page(run("r", "Completed", [stage("one", "Completed", [{"name": "m1", **DONE}])]), [], [], None, NOW)
    assert found.stages[0].skip == ""
    assert found.waits == ()


def test_runs_at_work_come_first() -> None:
    cards = [update_card(run(name, state, [])) for name, state in (("old", "Completed"), ("now", "Running"))]
    assert [card.name for card in newest_first(cards)] == ["now", "old"]


# -- time ---------------------------------------------------------------------------------------


def span(label: str, **more: object) -> Span:
    return Span(label=label, level=0, tone="busy", state="updating", **more)  # type: ignore[arg-type]


def test_what_was_is_a_bar_what_goes_on_grows_what_is_expected_is_hollow() -> None:
    minute = timedelta(minutes=1)
    found = chart(
        [
            span("was", began=NOW - 2 * minute, ended=NOW - minute),
            span("is", began=NOW - minute),
            span("will be", expected=(NOW, NOW + minute)),
        ],
        NOW,
    )
    assert found is not None
    was, is_, will = (row.bars[0] for row in found.rows)
    assert (was.x, was.grows, was.is_expected) == (0.0, False, False)
    assert is_.grows
    assert will.is_expected
    assert will.x > is_.x > was.x
    assert 95 < will.x + will.width < 100
    assert "expected from 04 May 09:00:00 UTC to" in found.rows[2].words


def test_ticks_are_few_and_round() -> None:
    for length in (12, 300, 7200, 86400 * 3):
        found = chart([span("s", began=NOW, ended=NOW + timedelta(seconds=length))], NOW)
        assert found is not None
        assert 2 <= len(found.ticks) <= 7
        steps = {after.moment - before.moment for before, after in zip(found.ticks, found.ticks[1:], strict=False)}
        assert len(steps) == 1


def test_nothing_with_a_time_has_no_chart() -> None:
    assert chart([span("s")], NOW) is None
