"""What the hub shows of a run's members, as facts: every state of a binding, in stages and in the delete stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBindingSpec, ResourceBindingStatus
from echelon.api.meta import Condition, ObjectMeta
from echelon.api.placement import ApplyStrategy
from echelon.api.snapshot import ClusterDecision
from echelon.api.staged import ClusterStagedUpdateRun, UpdateRunSpec
from echelon.placement.staged.observation import (
    is_up_to_date,
    latecomers,
    observe,
    started_message,
    wanted_spec,
)
from echelon.placement.staged.translation import plan_of, progress_of
from echelon.rollout import Facts, Intent, Outcome, TargetProgress, TargetState

from .runs import AZURE, KUBEFLEET, initialized, stage

STATUS = initialized(stage("one"), members={"a": {}}, delete=["x"])
GENERATION = 4


def run(state: Any = "Run", index: str = "0") -> ClusterStagedUpdateRun:
    return ClusterStagedUpdateRun(
        metadata=ObjectMeta(name="first", uid="run-uid"),
        spec=UpdateRunSpec(
            placement_name="web", staged_rollout_strategy_name="s", resource_snapshot_index=index, state=state
        ),
    )


RUN = run()


def binding(cluster: str = "a", *conditions: Condition, **more: Any) -> ClusterResourceBinding:
    """A binding that nobody has given anything."""
    metadata = ObjectMeta(name=f"web-{cluster}", generation=GENERATION, **more.pop("metadata", {}))
    spec = ResourceBindingSpec(
        state="Scheduled",
        resource_snapshot_name="",
        scheduling_policy_snapshot_name="web-0",
        target_cluster=cluster,
        cluster_decision=ClusterDecision(cluster_name=cluster, selected=True, reason="r"),
    )
    return ClusterResourceBinding(
        metadata=metadata,
        spec=msgspec.structs.replace(spec, **more),
        status=ResourceBindingStatus(conditions=conditions),
    )


def given(*conditions: Condition, **more: Any) -> ClusterResourceBinding:
    """A binding that has what the run gives it."""
    found = binding("a", *conditions, **more)
    return msgspec.structs.replace(found, spec=wanted_spec(found, RUN, STATUS))


def said(type_: str, status: str = "True", generation: int = GENERATION) -> Condition:
    return Condition(type_, status, "R", "", observed_generation=generation)  # type: ignore[arg-type]


def facts(*bindings: ClusterResourceBinding, **more: Any) -> Facts:
    """``running`` names members that the status knows to be under way."""
    running: Sequence[str] = more.pop("running", ())
    progress = progress_of(plan_of(STATUS), STATUS)

    def target(found: TargetProgress) -> TargetProgress:
        if found.name not in running:
            return found
        return msgspec.structs.replace(found, state=TargetState.RUNNING, attempt=1, observed=True)

    stages = tuple(
        msgspec.structs.replace(
            s,
            groups=tuple(msgspec.structs.replace(g, targets=tuple(target(t) for t in g.targets)) for g in s.groups),
        )
        for s in progress.stages
    )
    values: dict[str, Any] = {
        "bindings": bindings,
        "members": frozenset("ax"),
        "selected": frozenset("a"),
        "approvals": {},
        "dialect": AZURE,
    } | more
    of = values.pop("run", RUN)
    begun = values.pop("begun", frozenset())
    return observe(of, STATUS, msgspec.structs.replace(progress, stages=stages), begun, **values)


@pytest.mark.parametrize(
    ("state", "dialect", "intent"),
    [
        ("Run", AZURE, Intent.RUN),
        ("Stop", AZURE, Intent.STOP),
        ("Initialize", AZURE, Intent.INITIALIZE),
        (None, AZURE, Intent.RUN),
        (None, KUBEFLEET, Intent.INITIALIZE),
    ],
)
def test_what_is_wanted(state: Any, dialect: Any, intent: Intent) -> None:
    assert facts(run=run(state), dialect=dialect).intent is intent


# What a run gives a binding


def test_what_a_run_gives() -> None:
    spec = wanted_spec(binding(), RUN, STATUS)
    assert (spec.state, spec.resource_snapshot_name) == ("Bound", "web-0-snapshot")
    assert spec.apply_strategy == ApplyStrategy()
    assert spec.cluster_decision == binding().spec.cluster_decision
    assert not is_up_to_date(binding(), RUN, STATUS)
    assert is_up_to_date(given(), RUN, STATUS)


def test_the_message_on_a_binding() -> None:
    assert started_message(run(index="")) == (
        "Detected the new changes on the resources and started the rollout process, resourceSnapshotIndex: , "
        "updateRun: first"
    )


# Members of a stage


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        ((), None),
        ((said("Available"),), Outcome.SUCCEEDED),
        ((said("DiffReported"),), Outcome.SUCCEEDED),
        ((said("Available", generation=GENERATION - 1),), None),
        ((said("Available", "False"),), None),
        ((said("Applied", "False"),), None),
    ],
)
def test_how_a_member_is_doing(conditions: tuple[Condition, ...], outcome: Outcome | None) -> None:
    assert facts(given(*conditions), running=["a"]).operations["a"].outcome is outcome


def test_a_member_that_was_not_started_has_no_operation() -> None:
    assert facts(binding()).operations == {}
    assert facts(given(said("Available"))).operations == {}


def test_a_member_started_in_this_pass() -> None:
    assert facts(given(), begun=frozenset("a")).operations["a"].outcome is None


def test_a_member_that_another_run_took() -> None:
    taken = given(resource_snapshot_name="web-1-snapshot")
    taken = msgspec.structs.replace(
        taken, spec=msgspec.structs.replace(taken.spec, resource_snapshot_name="web-1-snapshot")
    )
    operation = facts(taken, running=["a"]).operations["a"]
    assert operation.outcome is Outcome.FAILED
    assert operation.message == (
        "failed to process the request due to a client error: the binding of the updating cluster `a` in the stage "
        "`one` is not up-to-date with the desired status, please check the status of binding `web-a` and see if there "
        "is a concurrent updateRun referencing the same placement and updating the same cluster"
    )


STARTED = said("RolloutStarted")
MARK = {names.UPDATE_RUN_UID: "run-uid"}


@pytest.mark.parametrize(
    ("annotations", "conditions", "begun"),
    [
        (MARK, (STARTED,), True),
        (MARK, (), False),
        (MARK, (said("RolloutStarted", generation=GENERATION - 1),), False),
        (MARK, (said("RolloutStarted", "False"),), False),
        ({names.UPDATE_RUN_UID: "an earlier run of this name"}, (STARTED,), False),
        ({}, (STARTED,), False),
    ],
)
def test_a_start_that_no_status_knows(annotations: Any, conditions: tuple[Condition, ...], begun: bool) -> None:
    found = facts(given(*conditions, metadata={"annotations": annotations}))
    assert ("a" in found.operations) is begun


@pytest.mark.parametrize(
    ("bindings", "more", "why"),
    [
        ([given()], {"members": frozenset("x")}, "The cluster has left the fleet"),
        ([binding("a", state="Unscheduled")], {}, "The placement no longer selects the cluster"),
        ([], {"selected": frozenset()}, "The placement no longer selects the cluster"),
    ],
)
@pytest.mark.parametrize("running", [(), ("a",)])
def test_members_that_are_no_longer_part_of_it(
    bindings: list[ClusterResourceBinding], more: Any, why: str, running: Sequence[str]
) -> None:
    found = facts(*bindings, running=running, **more)
    assert found.left["a"] == why
    assert "a" not in found.operations


def test_a_binding_that_is_being_made_anew() -> None:
    going = binding(metadata={"deletion_timestamp": "2026-03-02T09:00:00Z"})
    for bindings in ([], [going]):
        found = facts(*bindings)
        assert list(found.unready) == ["a"]
        assert "a" not in found.left
        assert facts(*bindings, running=["a"]).operations["a"].outcome is None


def test_a_binding_that_was_made_anew_while_it_was_updated() -> None:
    found = facts(binding(), running=["a"])
    assert (found.lost, found.operations) == (frozenset("a"), {})


# Members to empty


def test_a_member_to_empty() -> None:
    unscheduled = binding("x", state="Unscheduled")
    going = binding("x", state="Unscheduled", metadata={"deletion_timestamp": "2026-03-02T09:00:00Z"})
    assert facts(unscheduled).operations == {}
    assert facts(unscheduled, running=["delete:x"]).operations["delete:x"].outcome is None
    assert facts(going, running=["delete:x"]).operations["delete:x"].outcome is None
    assert facts(running=["delete:x"]).operations["delete:x"].outcome is Outcome.SUCCEEDED
    assert facts().left == {}


def test_a_member_that_is_selected_again_is_not_emptied() -> None:
    found = facts(binding("x"))
    assert found.left == {"delete:x": "The placement selects the cluster again"}


def test_members_that_were_chosen_after_the_run_began() -> None:
    status = initialized(stage("one"), members={"a": {}, "b": {}}, delete=["z"])
    assert latecomers(status, frozenset("abz")) == []
    assert latecomers(status, frozenset("dac")) == ["c", "d"]
