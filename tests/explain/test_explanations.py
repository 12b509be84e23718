"""What each kind of object waits for, since when, and the command that unblocks it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBindingSpec, ResourceBindingStatus
from echelon.api.cluster import AgentStatus, MemberCluster, MemberClusterSpec, MemberClusterStatus, Taint
from echelon.api.core import Subject
from echelon.api.eviction import ClusterResourcePlacementEviction, EvictionSpec, EvictionStatus
from echelon.api.fleet import ClusterUpgradeTarget, Gate, GateSpec, GateStatus, GateTarget
from echelon.api.meta import Condition, ObjectMeta, format_time
from echelon.api.placement import (
    ClusterResourcePlacement,
    FailedResourcePlacement,
    PerClusterPlacementStatus,
    PlacementSpec,
    PlacementStatus,
    ResourceSelector,
    RolloutStrategy,
)
from echelon.api.snapshot import ClusterDecision
from echelon.api.staged import ApprovalRequestSpec, ApprovalRequestStatus, ClusterApprovalRequest
from echelon.api.upgrade import ClusterUpgrade, ClusterUpgradeSpec, ClusterUpgradeStatus
from echelon.api.work import ManifestCondition, Work, WorkResourceIdentifier, WorkStatus
from echelon.cli.errors import CannotStart
from echelon.cli.explain import TOPICS, topic_of
from echelon.explain.access import Access
from echelon.explain.explanation import Explanation
from echelon.explain.members import explain_member
from echelon.explain.placements import explain_binding, explain_placement, explain_work
from echelon.explain.rollouts import explain_approval, explain_eviction
from echelon.explain.upgrades import explain_gate, explain_upgrade

from ..cli import runs
from ..cli.runs import START, at, condition

HUB = Access(context="hub")
CREATED = format_time(START)
SELECTOR = ResourceSelector(group="", version="v1", kind="Namespace", name="shop")
DECISION = ClusterDecision(cluster_name="one", selected=True, reason="picked by scheduling policy")


def meta(name: str, namespace: str = "") -> ObjectMeta:
    return ObjectMeta(name=name, namespace=namespace, generation=1, creation_timestamp=CREATED)


def only(found: Explanation) -> tuple[str, str]:
    """What the one wait is for, and its command."""
    (wait,) = found.waits
    return wait.what, wait.command


# -- placements ---------------------------------------------------------------------------------


def placement(
    *conditions: Condition, members: tuple[PerClusterPlacementStatus, ...] = (), external: bool = True
) -> ClusterResourcePlacement:
    strategy = RolloutStrategy(type="External" if external else "RollingUpdate")
    return ClusterResourcePlacement(
        metadata=meta("web"),
        spec=PlacementSpec(resource_selectors=(SELECTOR,), strategy=strategy),
        status=PlacementStatus(conditions=conditions, placement_statuses=members),
    )


SCHEDULED = condition("ClusterResourcePlacementScheduled", "True", "SchedulingPolicyFulfilled", 1)
EXTERNAL = condition(
    "ClusterResourcePlacementRolloutStarted", "Unknown", "RolloutControlledByExternalController", 1, "runs decide"
)


def test_a_placement_that_is_not_scheduled_yet() -> None:
    found = explain_placement(placement(), [], HUB)
    assert found.state == "not scheduled"
    assert only(found) == ("the scheduler to choose members", "")


def test_a_placement_without_enough_members_says_where_the_reasons_are() -> None:
    unfulfilled = condition("ClusterResourcePlacementScheduled", "False", "Unfulfilled", 1, "2 of 3 members found")
    found = explain_placement(placement(unfulfilled, external=False), [], HUB)
    assert only(found) == (
        "members that its policy accepts: 2 of 3 members found",
        "echelon placement status web --context hub",
    )


def test_an_external_placement_that_nobody_has_rolled_out() -> None:
    members = (PerClusterPlacementStatus(cluster_name="one"), PerClusterPlacementStatus(cluster_name="two"))
    found = explain_placement(placement(SCHEDULED, EXTERNAL, members=members), [], HUB)
    assert found.state == "being rolled out by runs"
    assert found.facts[-1] == "no snapshot on one, two"
    assert only(found) == (
        "a run: nothing was rolled out to one, two yet",
        "echelon rollout start web --context hub",
    )


def test_a_placement_waits_for_what_its_run_waits_for() -> None:
    found = explain_placement(placement(SCHEDULED, EXTERNAL), [runs.waiting_for_approval()], HUB)
    assert only(found) == (
        "its run rollout-1, which waits for the approval of rollout-1-canary (stage canary)",
        "echelon rollout approve rollout-1 canary --context hub",
    )


def test_a_placement_names_what_fails_on_which_member() -> None:
    bad = condition("Available", "False", "ManifestNotAvailableYet", 7, "0 of 1 replicas")
    failed = FailedResourcePlacement(
        group="apps", version="v1", kind="Deployment", namespace="shop", name="web", condition=bad
    )
    member = PerClusterPlacementStatus(
        cluster_name="one", observed_resource_index="1", failed_placements=(failed,), conditions=(bad,)
    )
    available = condition("ClusterResourcePlacementAvailable", "False", "ResourceNotAvailableYet", 7)
    found = explain_placement(placement(SCHEDULED, available, members=(member,)), [runs.succeeded()], HUB)
    assert found.state == "not available everywhere"
    assert only(found) == ("one: Deployment shop/web: 0 of 1 replicas", "echelon rollout rollback web --context hub")
    assert found.waits[0].since == at(7)
    rolling = explain_placement(placement(SCHEDULED, available, members=(member,), external=False), [], HUB)
    assert only(rolling)[1] == ""


def test_a_placement_whose_status_cannot_be_copied_says_why() -> None:
    failed = condition("ClusterResourcePlacementStatusSynced", "False", "StatusSyncFailed", 1, "no namespace app")
    found = explain_placement(placement(SCHEDULED, failed, external=False), [], HUB)
    assert only(found) == ("its status to be copied into its namespace: no namespace app", "")


# -- bindings and Works -------------------------------------------------------------------------


def binding(state: str, snapshot: str, *conditions: Condition) -> ClusterResourceBinding:
    metadata = msgspec.structs.replace(meta("web-one"), labels={names.PARENT_PLACEMENT: "web"})
    return ClusterResourceBinding(
        metadata=metadata,
        spec=ResourceBindingSpec(
            state=state,
            resource_snapshot_name=snapshot,
            scheduling_policy_snapshot_name="web-0",
            target_cluster="one",
            cluster_decision=DECISION,
        ),
        status=ResourceBindingStatus(conditions=conditions),
    )


START_COMMAND = "echelon rollout start web --context hub"


@pytest.mark.parametrize(
    ("found", "what", "command"),
    [
        (binding("Scheduled", ""), "a run to give it a snapshot", START_COMMAND),
        (
            binding("Unscheduled", "web-0-snapshot"),
            "the member to be emptied: the placement chooses it no longer",
            START_COMMAND,
        ),
        (
            binding("Bound", "web-0-snapshot", condition("RolloutStarted", "True", "RolloutStarted", 1)),
            "the step Overridden: not reported yet",
            "echelon explain member one --context hub",
        ),
    ],
    ids=["scheduled", "unscheduled", "bound"],
)
def test_a_binding_names_its_next_step(found: ClusterResourceBinding, what: str, command: str) -> None:
    assert only(explain_binding(found, placement(SCHEDULED), HUB)) == (what, command)


def test_a_binding_that_has_everything_waits_for_nothing() -> None:
    steps = ("RolloutStarted", "Overridden", "WorkSynchronized", "Applied", "Available")
    done = [condition(step, "True", "Fine", 1) for step in steps]
    assert explain_binding(binding("Bound", "web-0-snapshot", *done), placement(SCHEDULED), HUB).waits == ()


def work(*manifests: ManifestCondition, reported: bool = True) -> Work:
    conditions = (condition("Applied", "True", "AllManifestsApplied", 1),) if reported else ()
    return Work(
        metadata=meta("web-work", "fleet-member-one"),
        status=WorkStatus(conditions=conditions, manifest_conditions=manifests),
    )


def test_a_work_that_no_agent_has_taken_up() -> None:
    found = explain_work(work(reported=False), member(), HUB)
    assert found.state == "not taken up"
    assert only(found) == ("the agent of one to take it up", "echelon explain member one --context hub")
    assert "which is not healthy" in only(explain_work(work(reported=False), None, HUB))[0]


def test_a_work_names_each_object_that_is_not_well() -> None:
    identifier = WorkResourceIdentifier(ordinal=0, kind="ConfigMap", namespace="shop", name="settings")
    taken = condition("Applied", "False", "FailedToTakeOver", 5, "somebody else owns it")
    found = explain_work(work(ManifestCondition(identifier=identifier, conditions=(taken,))), member(), HUB)
    assert found.state == "not all is well"
    assert only(found)[0] == "ConfigMap shop/settings: somebody else owns it"


# -- approvals and evictions --------------------------------------------------------------------


def approval(*conditions: Condition) -> ClusterApprovalRequest:
    return ClusterApprovalRequest(
        metadata=meta("rollout-1-canary"),
        spec=ApprovalRequestSpec(parent_stage_rollout="rollout-1", target_stage="canary"),
        status=ApprovalRequestStatus(conditions=conditions),
    )


def test_an_open_approval_names_the_command_that_gives_it() -> None:
    found = explain_approval(approval(), runs.waiting_for_approval(), HUB)
    assert found.state == "open"
    assert only(found) == ("somebody to approve it", "echelon rollout approve rollout-1 canary --context hub")


def test_an_approval_of_another_generation_counts_for_nothing() -> None:
    stale = msgspec.structs.replace(condition("Approved", "True", "lgtm", 3), observed_generation=7)
    found = explain_approval(approval(stale), runs.waiting_for_approval(), HUB)
    assert only(found)[0].startswith("an approval of its generation 1: that which it has is of another (7)")


def test_an_approval_that_was_given() -> None:
    given = condition("Approved", "True", "lgtm", 3, "looks good")
    assert only(explain_approval(approval(given), runs.waiting_for_approval(), HUB))[0] == "the hub to take note"
    accepted = condition("ApprovalAccepted", "True", "Accepted", 4)
    found = explain_approval(approval(given, accepted), runs.waiting_for_approval(), HUB)
    assert (found.state, found.waits, found.facts[-1]) == ("approved", (), "note: looks good")


@pytest.mark.parametrize("run", [None, runs.failed()], ids=["gone", "over"])
def test_an_approval_of_a_run_that_does_not_go_on_is_not_needed(run: object) -> None:
    found = explain_approval(approval(), run, HUB)  # type: ignore[arg-type]
    assert (found.state, found.waits) == ("not needed", ())


def test_an_eviction_that_its_budget_did_not_allow() -> None:
    def eviction(*conditions: Condition) -> ClusterResourcePlacementEviction:
        spec = EvictionSpec(placement_name="web", cluster_name="one")
        status = EvictionStatus(conditions=conditions)
        return ClusterResourcePlacementEviction(metadata=meta("e"), spec=spec, status=status)

    assert only(explain_eviction(eviction(), HUB))[0] == "the hub to judge it"
    valid = condition("Valid", "True", "Valid", 1)
    refused = condition("Executed", "False", "NotExecuted", 1, "1 of 1 must stay")
    found = explain_eviction(eviction(valid, refused), HUB)
    assert found.state == "not carried out"
    assert only(found)[0].endswith("1 of 1 must stay")
    assert only(found)[1] == "echelon cluster drain one --context hub"
    done = eviction(valid, condition("Executed", "True", "Executed", 1, "allowed"))
    assert explain_eviction(done, HUB).waits == ()


# -- members ------------------------------------------------------------------------------------

JOINED = condition("Joined", "True", "MemberClusterJoined", 1)
READY = condition("ReadyToJoin", "True", "MemberClusterReadyToJoin", 1)


def member(
    *conditions: Condition, heartbeat: float | None = None, taints: tuple[Taint, ...] = (), leaving: bool = False
) -> MemberCluster:
    agents = ()
    if heartbeat is not None:
        agents = (AgentStatus(type="MemberAgent", last_received_heartbeat=format_time(at(heartbeat))),)
    metadata = meta("one")
    if leaving:
        metadata = msgspec.structs.replace(metadata, deletion_timestamp=format_time(at(9)))
    return MemberCluster(
        metadata=metadata,
        spec=MemberClusterSpec(identity=Subject(kind="User", name="agent-one"), taints=taints),
        status=MemberClusterStatus(
            conditions=conditions or (READY, JOINED, condition("Healthy", "True", "Fine", 1)), agent_status=agents
        ),
    )


def test_a_healthy_member_waits_for_nothing() -> None:
    found = explain_member(member(heartbeat=10), at(20), HUB)
    assert (found.state, found.waits) == ("joined and healthy", ())


def test_a_member_whose_agent_never_came() -> None:
    unknown = condition("Joined", "Unknown", "MemberClusterJoinStateUnknown", 2)
    found = explain_member(member(READY, unknown), at(60), HUB)
    assert found.state == "not joined"
    assert only(found)[0] == "its agent to join"
    assert found.waits[0].unblock == "start the agent at the member, as User agent-one on the hub"


def test_a_member_that_has_fallen_silent() -> None:
    found = explain_member(member(heartbeat=10), at(10) + timedelta(seconds=181), HUB)
    assert (found.state, found.waits[0].since) == ("joined, but silent", at(10))
    assert explain_member(member(heartbeat=10), at(10) + timedelta(seconds=179), HUB).waits == ()


def test_a_cordoned_member_names_the_way_back() -> None:
    cordon = Taint(key="cordon-key", value="cordon-value", effect="NoSchedule")
    found = explain_member(member(heartbeat=10, taints=(cordon,)), at(20), HUB)
    assert only(found)[1] == "echelon cluster uncordon one --context hub"
    assert "tainted cordon-key=cordon-value:NoSchedule" in found.facts[-1]


def test_a_member_that_leaves_waits_for_its_agent() -> None:
    found = explain_member(member(heartbeat=10, leaving=True), at(20), HUB)
    assert (found.state, found.waits[0].since) == ("leaving", at(9))


# -- upgrades -----------------------------------------------------------------------------------


def test_a_gate_names_its_time_and_the_command() -> None:
    target = GateTarget(update_run="may", stage="prod", group="west", timing="Before")
    spec = GateSpec(display_name="go", gate_type="Approval", target=target)
    found = explain_gate(Gate(metadata=meta("gate-1"), spec=spec), HUB)
    assert found.facts == ["before group west of stage prod of run may"]
    assert only(found) == ("somebody to approve it", "echelon gate approve -n gate-1 --context hub")
    scheduled = GateStatus(absolute_start_time=format_time(at(100)))
    (wait,) = explain_gate(Gate(metadata=meta("gate-1"), spec=spec, status=scheduled), HUB).waits
    assert (wait.what, wait.until) == ("its scheduled start", at(100))
    done = GateStatus(state="Completed", completed_by="ada", message="fine")
    found = explain_gate(Gate(metadata=meta("gate-1"), spec=spec, status=done), HUB)
    assert (found.facts[-1], found.waits) == ("completed by ada: fine", [])


def upgrade(**status: object) -> ClusterUpgrade:
    target = ClusterUpgradeTarget(type="Full", kubernetes_version="1.31.1")
    spec = ClusterUpgradeSpec(upgrade=target, cluster_resource_id="eks://eu/one", update_run="may", attempt=1)
    return ClusterUpgrade(
        metadata=meta("one", "fleet-member-one"),
        spec=spec,
        status=ClusterUpgradeStatus(**status),  # type: ignore[arg-type]
    )


SKIP = "echelon updaterun skip -n may --targets Member:one --context hub"


def test_an_upgrade_that_no_provider_takes_up() -> None:
    assert only(explain_upgrade(upgrade(), HUB)) == ("a provider for eks:// to take it up", SKIP)


def test_an_upgrade_outside_its_window() -> None:
    found = explain_upgrade(
        upgrade(state="Pending", message="its window is closed", observed_generation=1, not_before=format_time(at(50))),
        HUB,
    )
    assert only(found) == ("its window is closed", SKIP)
    assert found.waits[0].until == at(50)


def test_an_upgrade_that_is_carried_out_or_failed() -> None:
    running = explain_upgrade(upgrade(state="Running", operation_id="op-7", nodes_done=1, nodes_total=3), HUB)
    assert only(running)[0] == "the platform to finish (operation op-7)"
    assert "1 of 3 nodes upgraded" in running.facts
    stepped = explain_upgrade(upgrade(state="Running", operation_id="op-7?step=user", message="Upgrading user"), HUB)
    assert only(stepped)[0] == "the platform to finish (operation op-7): Upgrading user"
    failed = explain_upgrade(upgrade(state="Failed"), HUB)
    assert only(failed)[1] == "echelon updaterun start -n may --context hub"


# -- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOPICS)
def test_every_topic_is_found_by_each_of_its_words(name: str) -> None:
    topic = TOPICS[name]
    for word in (name, *topic.words):
        assert topic_of(word) is topic
        assert topic_of(word.upper() + "s") is topic


def test_another_word_is_refused_with_those_there_are() -> None:
    with pytest.raises(CannotStart, match="'pod' is no kind that can be explained; want one of placement, binding,"):
        topic_of("pod")
