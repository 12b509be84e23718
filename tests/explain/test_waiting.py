"""What a run waits for, since when, until when and what would unblock it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from echelon.api.binding import ClusterResourceBinding, ResourceBindingSpec, ResourceBindingStatus
from echelon.api.conditions import (
    APPLIED,
    AVAILABLE,
    INITIALIZED,
    OVERRIDDEN,
    PROGRESSING,
    ROLLOUT_STARTED,
    WORK_SYNCHRONIZED,
)
from echelon.api.meta import ObjectMeta
from echelon.api.snapshot import ClusterDecision
from echelon.explain.access import Access
from echelon.explain.outline import outline
from echelon.explain.waiting import waits

from ..cli import runs
from ..cli.runs import at, condition


def test_a_timed_wait_names_its_end() -> None:
    (wait,) = waits(runs.in_timed_wait())
    assert wait.what == "the 1m30s after stage staging"
    assert (wait.since, wait.until, wait.command) == (at(4), at(94), "")


def test_an_approval_names_the_command_that_gives_it() -> None:
    access = Access(kubeconfig=Path("/my hubs/one"), context="hub")
    (wait,) = waits(runs.waiting_for_approval(), access=access)
    assert wait.what == "the approval of rollout-1-canary (stage canary)"
    assert (wait.since, wait.until, wait.unblock) == (at(97), None, "approve it")
    assert wait.command == ("echelon rollout approve rollout-1 canary --kubeconfig '/my hubs/one' --context hub")


def test_commands_for_a_namespace_name_it() -> None:
    done = runs.waiting_for_approval()
    namespaced = msgspec.structs.replace(done, metadata=msgspec.structs.replace(done.metadata, namespace="team"))
    (wait,) = waits(namespaced)
    assert wait.command == "echelon rollout approve rollout-1 canary -n team"


def test_members_that_are_being_updated_are_named_up_to_three() -> None:
    stage = runs.stage("staging", [runs.updating(f"m{number}", number) for number in range(5)], runs.STAGE_STARTED)
    run = runs.run([stage], runs.INITIALIZED_OK, condition(PROGRESSING, "True", "UpdateRunProgressing", 0))
    (wait,) = waits(run)
    assert wait.what == "m0, m1, m2 and 2 more in stage staging to be updated"
    assert wait.since == at(0)


def test_a_run_that_is_not_started_says_how_to_start_it() -> None:
    initialized = runs.run([], runs.INITIALIZED_OK, state="Initialize")
    stopped = runs.run([], runs.INITIALIZED_OK, condition(PROGRESSING, "False", "UpdateRunStopped", 1), state="Stop")
    (first,) = waits(initialized)
    (second,) = waits(stopped)
    assert (first.what, first.since) == ("somebody to start it: it is only initialized", None)
    assert (second.what, second.since) == ("somebody to resume it: it is stopped", at(1))
    assert first.command == second.command == "echelon rollout resume rollout-1"


def test_a_member_in_trouble_is_named_with_the_way_back() -> None:
    stage = runs.stage("staging", [runs.updating("one", 1), runs.updating("two", 1)], runs.STAGE_STARTED)
    run = runs.run([stage], runs.INITIALIZED_OK, condition(PROGRESSING, "True", "UpdateRunProgressing", 0))
    broken = condition(AVAILABLE, "False", "NotAllWorkAreAvailable", 5, "the image cannot be pulled")
    steps = [condition(step, "True", "Fine", 2) for step in (ROLLOUT_STARTED, OVERRIDDEN, WORK_SYNCHRONIZED, APPLIED)]
    binding = ClusterResourceBinding(
        metadata=ObjectMeta(name="web-two", generation=1),
        spec=ResourceBindingSpec(
            state="Bound",
            resource_snapshot_name="web-4-snapshot",
            scheduling_policy_snapshot_name="web-0",
            target_cluster="two",
            cluster_decision=ClusterDecision(cluster_name="two", selected=True, reason="picked"),
        ),
        status=ResourceBindingStatus(conditions=(*steps, broken)),
    )
    (wait,) = waits(run, outline(run, [binding]))
    assert wait.what == "one, two in stage staging to be updated: on two, the image cannot be pulled"
    assert wait.unblock.endswith("to go back instead, roll back")
    assert wait.command == "echelon rollout rollback rollout-1"


def test_a_run_that_cannot_be_initialized_yet_says_why() -> None:
    message = "the placement is not scheduled"
    (wait,) = waits(runs.run([], condition(INITIALIZED, "Unknown", "UpdateRunWaitingForPlacement", 0, message)))
    assert wait.what == message


def test_a_run_that_is_over_waits_for_nothing() -> None:
    assert waits(runs.succeeded()) == ()
    assert waits(runs.failed()) == ()
