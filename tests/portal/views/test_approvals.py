"""The inbox: what waits for somebody, what hangs on it, what was approved."""

from __future__ import annotations

from typing import Any

from echelon.portal.views.activity import activity
from echelon.portal.views.approvals import Inbox, count, inbox

from .objects import at, gate, run, stage

DONE = {"state": "Completed", "startTime": at(-600), "completedTime": at(-300)}
FAILED = {**DONE, "state": "Failed"}
RUN = run(
    "r",
    "Pending",
    [
        stage(
            "one",
            "Pending",
            [{"name": "m1", **DONE}, {"name": "m2", **{**DONE, "state": "Failed"}}],
            startTime=at(-600),
        ),
        stage("two", "NotStarted", [{"name": f"n{number}", "state": "NotStarted"} for number in range(10)]),
    ],
    startTime=at(-600),
)


def found(*gates: Any, may: bool = True) -> Inbox:
    return inbox(gates, [RUN], [], [], may_gates=may, may_requests=lambda request: may)


def test_an_approval_says_what_was_and_what_hangs_on_it() -> None:
    waiting = found(gate("g", "r", "one")).waiting[0]
    assert (waiting.title, waiting.run, waiting.place) == ("Looks good", "r", "after stage one")
    assert waiting.what == "Kubernetes 1.31.1, latest node images"
    assert waiting.last is not None
    assert (waiting.last.name, waiting.last.failed) == ("one", 1)
    assert waiting.opens is not None
    assert (waiting.opens.name, waiting.opens.total, len(waiting.opens.members)) == ("two", 10, 8)


def test_before_a_stage_the_last_one_is_the_one_before() -> None:
    waiting = found(gate("g", "r", "two", timing="Before")).waiting[0]
    assert (waiting.last.name, waiting.opens.name) == ("one", "two")  # type: ignore[union-attr]


def test_after_the_last_stage_nothing_follows() -> None:
    assert found(gate("g", "r", "two")).waiting[0].opens is None


def test_a_gate_whose_run_is_not_seen_is_still_there() -> None:
    waiting = found(gate("g", "another", "one"), may=False).waiting[0]
    assert (waiting.last, waiting.opens, waiting.may) == (None, None, False)


def test_what_was_approved_is_not_counted() -> None:
    opened = gate("g", "r", "one", state="Completed", completedBy="ada", message="fine", completedTime=at(-5))
    skipped = gate("h", "r", "one", state="Skipped")
    assert count([opened, skipped, gate("i", "r", "one")], []) == 1
    given = found(opened, skipped).given
    assert [(one.by, one.note) for one in given] == [("ada", "fine")]


def test_activity_goes_from_new_to_old_and_names_whoever_is_known() -> None:
    opened = gate("g", "r", "one", state="Completed", completedBy="ada", message="fine", completedTime=at(-5))
    acts = activity([], [RUN], [opened], [], [], [])
    assert [(act.kind, act.what, act.who) for act in acts] == [
        ("gate", "opened", "ada"),
        ("member", "failed in update run r", ""),
        ("update run", "began", ""),
    ]
