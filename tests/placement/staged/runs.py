"""Values from which the tests of the pure parts of staged runs are built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from echelon.api.binding import ResourceBindingSpec
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.core import RBAC, Subject
from echelon.api.meta import Condition, LabelSelector, ObjectMeta
from echelon.api.placement import PlacementSpec, RolloutStrategy
from echelon.api.policy import PlacementPolicy
from echelon.api.snapshot import ClusterDecision
from echelon.api.staged import StageConfig, StageTask, UpdateRunStatus, UpdateStrategySpec
from echelon.placement.dialect import DIALECTS, Dialect
from echelon.placement.staged.approvals import request_names
from echelon.placement.staged.initialization import BindingView, PolicyView, Surroundings, initialize
from echelon.placement.staged.reporting import Writer, report
from echelon.placement.staged.reporting import initialized as initialized_conditions
from echelon.placement.staged.translation import gate_reference, plan_of, progress_of
from echelon.rollout import (
    Decision,
    Facts,
    GateReference,
    Intent,
    Operation,
    Outcome,
    TargetState,
    Timing,
    decide,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
AZURE, KUBEFLEET = DIALECTS["azure-docs"], DIALECTS["kubefleet"]
APPROVAL = StageTask(type="Approval")
EXTERNAL = PlacementSpec(resource_selectors=(), strategy=RolloutStrategy(type="External"))
POLICY = PolicyView(name="web-0", index="0", policy=None, number_of_clusters=None, scheduled=True)


def wait(duration: str | None) -> StageTask:
    return StageTask(type="TimedWait", wait_time=duration)


def stage(name: str, *, sort: str = "", before: Sequence[Any] = (), after: Sequence[Any] = (), **labels: str) -> Any:
    return StageConfig(
        name=name,
        label_selector=LabelSelector(match_labels=labels),
        sorting_label_key=sort or None,
        before_stage_tasks=tuple(before),
        after_stage_tasks=tuple(after),
    )


def member(name: str, **labels: str) -> MemberCluster:
    identity = Subject(kind="User", name=name, api_group=RBAC)
    return MemberCluster(metadata=ObjectMeta(name=name, labels=labels), spec=MemberClusterSpec(identity=identity))


def binding(cluster: str, *, state: str = "Scheduled", policy: str = "web-0") -> BindingView:
    return BindingView(
        ObjectMeta(name=f"web-{cluster}"),
        ResourceBindingSpec(
            state=state,
            resource_snapshot_name="",
            scheduling_policy_snapshot_name=policy,
            target_cluster=cluster,
            cluster_decision=ClusterDecision(cluster_name=cluster, selected=True, reason="r"),
        ),
    )


def surroundings(
    members: Mapping[str, Mapping[str, str]], *stages: StageConfig, delete: Sequence[str] = (), **more: Any
) -> Surroundings:
    """A hub on which all is well: these members are selected, those to delete are not any more."""
    values = {
        "placement": EXTERNAL,
        "policies": [POLICY],
        "bindings": [binding(name) for name in members] + [binding(name, state="Unscheduled") for name in delete],
        "strategy": UpdateStrategySpec(stages=stages),
        "strategy_key": "/stages",
        "members": [member(name, **labels) for name, labels in members.items()],
    }
    return Surroundings(**{**values, **more})


def initialized(
    *stages: StageConfig,
    members: Mapping[str, Mapping[str, str]],
    delete: Sequence[str] = (),
    dialect: Dialect = AZURE,
) -> UpdateRunStatus:
    """The status of a run that is ready to go, its conditions aside."""
    return initialize("first", surroundings(members, *stages, delete=delete), "0", dialect)


def pick(*names: str) -> PlacementPolicy:
    return PlacementPolicy(placement_type="PickFixed", cluster_names=names)


class Drive:
    """A run driven by the engine over its status alone, as the controller does it; the world is this object.

    ``seen`` gathers every condition that was ever shown: of what, type, status, reason, message.
    """

    def __init__(self, status: UpdateRunStatus, dialect: Dialect = AZURE) -> None:
        self.dialect = dialect
        self.now = NOW
        self.intent = Intent.RUN
        self.operations: dict[str, Operation] = {}
        self.approvals: dict[GateReference, datetime] = {}
        self.left: dict[str, str] = {}
        self.requested: frozenset[str] = frozenset()
        self.started: list[str] = []
        self.seen: set[tuple[str, str, str, str, str]] = set()
        self.status = msgspec.structs.replace(status, conditions=initialized_conditions(self.writer, ()))
        self.decision = self.decide()

    @property
    def writer(self) -> Writer:
        return Writer(1, self.now, self.dialect, "ClusterApprovalRequest")

    @property
    def facts(self) -> Facts:
        return Facts(intent=self.intent, operations=self.operations, left=self.left, approvals=self.approvals)

    def decide(self) -> Decision:
        """One pass of the controller."""
        plan = plan_of(self.status)
        progress = progress_of(plan, self.status)
        while (decision := decide(plan, progress, self.facts, self.now)).start:
            progress = decision.progress
            for start in decision.start:
                self.started.append(start.target)
                self.operations = {**self.operations, start.target: Operation()}
        requests = request_names(self.status)
        self.requested |= {requests[opening.gate] for opening in decision.open_gates}
        self.status = report(self.writer, self.status, decision.progress, self.requested)
        self.seen |= set(shown(self.status))
        self.decision = decision
        return decision

    def end(self, target: str, outcome: Outcome = Outcome.SUCCEEDED, message: str = "") -> Decision:
        self.operations = {**self.operations, target: Operation(outcome=outcome, message=message)}
        return self.decide()

    def approve(self, stage: str, timing: Timing = Timing.AFTER) -> Decision:
        self.approvals = {**self.approvals, gate_reference(stage, timing): self.now}
        return self.decide()

    def leave(self, target: str) -> Decision:
        self.left = {**self.left, target: "The cluster has left the fleet"}
        return self.decide()

    def want(self, intent: Intent) -> Decision:
        self.intent = intent
        return self.decide()

    def after(self, seconds: float) -> Decision:
        self.now += timedelta(seconds=seconds)
        return self.decide()

    @property
    def running(self) -> list[str]:
        return [
            target.name
            for stage in self.decision.progress.stages
            for group in stage.groups
            for target in group.targets
            if target.state is TargetState.RUNNING
        ]


def shown(status: UpdateRunStatus) -> Iterator[tuple[str, str, str, str, str]]:
    """Every condition of a status: of what, type, status, reason, message."""
    parts: list[tuple[str, Sequence[Condition]]] = [("run", status.conditions)]
    stages = [*status.stages_status, *filter(None, [status.deletion_stage_status])]
    for found in stages:
        parts.append(("stage", found.conditions))
        parts += [("cluster", cluster.conditions) for cluster in found.clusters]
        parts += [
            ("task", task.conditions) for task in (*found.before_stage_task_status, *found.after_stage_task_status)
        ]
    for part, conditions in parts:
        for condition in conditions:
            yield part, condition.type, condition.status, condition.reason, condition.message
