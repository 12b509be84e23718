"""What a run waits for, since when, until when and what would unblock it."""

from __future__ import annotations

import json
import shlex

from echelon.api.conditions import INITIALIZED, PROGRESSING
from echelon.cli.waiting import waits

from . import runs
from .runs import at, condition


def test_a_timed_wait_names_its_end() -> None:
    (wait,) = waits(runs.in_timed_wait())
    assert wait.what == "the 1m30s after stage staging"
    assert (wait.since, wait.until, wait.command) == (at(4), at(94), "")


def test_an_approval_names_the_command_that_gives_it() -> None:
    (wait,) = waits(runs.waiting_for_approval(), kubectl="kubectl --context hub")
    assert wait.what == "the approval of rollout-1-canary (stage canary)"
    assert (wait.since, wait.until) == (at(97), None)
    assert wait.unblock == "set the condition Approved of ClusterApprovalRequest rollout-1-canary"
    words = shlex.split(wait.command.replace("'$(date -u +%FT%TZ)'", "2026-03-01T12:00:00Z"))
    assert words[:6] == ["kubectl", "--context", "hub", "patch", "clusterapprovalrequests", "rollout-1-canary"]
    (approved,) = json.loads(words[-1])["status"]["conditions"]
    assert approved["type"] == "Approved"
    assert approved["status"] == "True"
    assert approved["observedGeneration"] == 1


def test_members_that_are_being_updated_are_named_up_to_three() -> None:
    stage = runs.stage("staging", [runs.updating(f"m{number}", number) for number in range(5)], runs.STAGE_STARTED)
    run = runs.run([stage], runs.INITIALIZED_OK, condition(PROGRESSING, "True", "UpdateRunProgressing", 0))
    (wait,) = waits(run)
    assert wait.what == "m0, m1, m2 and 2 more in stage staging to be updated"
    assert wait.since == at(0)


def test_a_run_that_is_not_started_says_how_to_start_it() -> None:
    for run in (
        runs.run([], runs.INITIALIZED_OK, state="Initialize"),
        runs.run([], runs.INITIALIZED_OK, condition(PROGRESSING, "False", "UpdateRunStopped", 1), state="Stop"),
    ):
        (wait,) = waits(run)
        assert wait.unblock == "set spec.state to Run"
        assert shlex.split(wait.command)[-1] == '{"spec":{"state":"Run"}}'


def test_a_run_that_cannot_be_initialized_yet_says_why() -> None:
    message = "the placement is not scheduled"
    (wait,) = waits(runs.run([], condition(INITIALIZED, "Unknown", "UpdateRunWaitingForPlacement", 0, message)))
    assert wait.what == message


def test_a_run_that_is_over_waits_for_nothing() -> None:
    assert waits(runs.succeeded()) == ()
    assert waits(runs.failed()) == ()
