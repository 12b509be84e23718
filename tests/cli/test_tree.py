"""The tree of a run on a terminal of 80 columns, in words and in symbols."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone

import pytest
from rich.console import Console, RenderableType

from echelon.cli.tree import ASCII, UNICODE, Glyphs, changes, clock, duration, event, explanation, failures, tree
from echelon.explain.kinds import Run
from echelon.explain.outline import outline, what_is_rolled_out
from echelon.explain.waiting import waits

from . import runs
from .runs import at


def text(shown: RenderableType, width: int = 80) -> str:
    """What is on the terminal, without colours and blanks at the ends of lines."""
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def of(run: Run, now: datetime, glyphs: Glyphs = UNICODE, width: int = 80) -> str:
    return text(tree(outline(run), now, title=what_is_rolled_out(run), glyphs=glyphs), width)


IN_TIMED_WAIT = """\
◆ rollout-1         waiting     40s  web, snapshot 4
├─ ◆ staging        waiting     39s  1 of 1 member
│  ├─ ✓ one         updated      2s
│  ╰─ ◆ wait 1m30s  waiting     36s  until 12:01:34, 54s left
╰─ ○ canary                          2 members
   ├─ ○ two
   ├─ ○ three
   ╰─ ○ approval
"""
WAITING_FOR_APPROVAL = """\
◆ rollout-1       waiting   1m40s  web, snapshot 4
├─ ✓ staging      done      1m33s  1 member
│  ╰─ ✓ one       updated      2s
╰─ ◆ canary       waiting      6s  2 of 2 members
   ├─ ✓ two       updated      1s
   ├─ ✓ three     updated      2s
   ╰─ ◆ approval  waiting      3s  since 12:01:37: rollout-1-canary
"""


def test_a_run_in_its_timed_wait() -> None:
    assert of(runs.in_timed_wait(), at(40)) + "\n" == IN_TIMED_WAIT


def test_a_run_that_waits_for_an_approval() -> None:
    assert of(runs.waiting_for_approval(), at(100)) + "\n" == WAITING_FOR_APPROVAL


def test_ascii_stands_in() -> None:
    shown = of(runs.in_second_stage(), at(100), ASCII)
    assert shown.isascii()
    assert "|- + staging" in shown
    assert "   |- * three" in shown


@pytest.mark.parametrize("make", [runs.in_timed_wait, runs.in_second_stage, runs.waiting_for_approval, runs.failed])
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_tree_keeps_to_its_width(make: type[Run], width: int) -> None:
    assert all(len(line) <= width for line in of(make(), at(100), width=width).splitlines())


def test_what_is_being_updated_moves() -> None:
    item = outline(runs.in_second_stage())
    frames = {text(tree(item, at(100) + timedelta(seconds=tenth / 10), moving=True)) for tenth in range(10)}
    assert len(frames) == 10
    assert len({text(tree(item, at(100) + timedelta(seconds=tenth / 10))) for tenth in range(10)}) == 1


def test_a_large_stage_shows_what_matters_and_counts_the_rest() -> None:
    members = [runs.updated(f"m{number:03}", 1, 2) for number in range(60)]
    members += [runs.updating("m060", 2), runs.updating("m061", 2)]
    members += [runs.member(f"m{number:03}") for number in range(62, 100)]
    run = runs.run([runs.stage("staging", members, runs.STAGE_STARTED, began=1)], runs.INITIALIZED_OK)
    lines = of(run, at(5)).splitlines()
    assert len(lines) == 5
    assert "60 of 100 members" in lines[1]
    assert lines[2].split()[2] == "m060"
    assert "60 updated, 38 not started" in lines[4]


def test_why_a_run_waits() -> None:
    shown = text(explanation(waits(runs.in_timed_wait()), at(40)))
    assert shown == "Waits for the 1m30s after stage staging\n  since 12:00:04 (36s), until 12:01:34 (54s left)"
    shown = text(explanation(waits(runs.in_timed_wait()), at(95)))
    assert shown.endswith("until 12:01:34 (due)")


def test_failures_are_shown_in_full() -> None:
    assert "canary/two: the binding of `two` is not up-to-date" in text(failures(outline(runs.failed())))


def test_what_happened_between_two_states() -> None:
    before, after = outline(runs.in_timed_wait()), outline(runs.waiting_for_approval())
    lines = [event(path, item, at(100)) for path, item in changes(before, after)]
    assert lines == [
        "12:01:40  rollout-1/staging  done  (1m33s, 1 member)",
        "12:01:40  rollout-1/canary  waiting  (2 of 2 members)",
        "12:01:40  rollout-1/canary/two  updated  (1s)",
        "12:01:40  rollout-1/canary/three  updated  (2s)",
        "12:01:40  rollout-1/canary/approval  waiting  (since 12:01:37: rollout-1-canary)",
    ]
    assert changes(after, after) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "<1s"), (12.9, "12s"), (185, "3m05s"), (7620, "2h07m"), (86400 * 4 + 3600 * 3, "4d03h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_times_are_those_of_the_place() -> None:
    now = at(0).astimezone(timezone(timedelta(hours=2)))
    assert clock(at(60), now) == "14:01:00"
    assert clock(at(86400), now) == "2026-03-02 14:00:00"
