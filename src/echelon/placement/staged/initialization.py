"""What a run is going to do: its stages and their members, fixed when the run is initialised.

Pure. The rules and their messages are KubeFleet's (reference, section 2.4), except that a placement
that is still being scheduled is waited for, as it is a matter of moments and not of a mistake.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from echelon.api import names
from echelon.api.binding import UNSCHEDULED, ResourceBindingSpec
from echelon.api.cluster import MemberCluster
from echelon.api.meta import LabelSelector, ObjectMeta
from echelon.api.placement import ApplyStrategy, PlacementSpec
from echelon.api.policy import PlacementPolicy
from echelon.api.staged import (
    ClusterUpdatingStatus,
    StageConfig,
    StageTask,
    StageTaskStatus,
    StageUpdatingStatus,
    UpdateRunStatus,
    UpdateStrategySpec,
)
from echelon.placement.dialect import Dialect
from echelon.placement.durations import format_duration, parse_duration

CLIENT_ERROR = "failed to process the request due to a client error: "
UNEXPECTED = "unexpected behavior which cannot be handled by the controller: "
_SHOWN_CLUSTERS = 10
_INTEGER = re.compile(r"[+-]?[0-9]+")


class CannotInitialize(Exception):
    """The run can never be carried out as it is; the message is for the user."""


class NotYet(Exception):
    """The run cannot be initialised at this moment; what it waits for, in a sentence."""


class PolicyView(msgspec.Struct, frozen=True):
    """The latest policy snapshot of the placement. ``scheduled`` is whether the scheduler is done with it."""

    name: str
    index: str | None
    policy: PlacementPolicy | None
    number_of_clusters: str | None
    scheduled: bool
    obstacle: str = ""


class BindingView(msgspec.Struct, frozen=True):
    """A binding of the placement."""

    metadata: ObjectMeta
    spec: ResourceBindingSpec


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run finds on the hub when it is initialised. ``strategy`` is None when there is none of that name.

    ``strategy_key`` is ``namespace/name``, for messages.
    """

    placement: PlacementSpec | None
    policies: Sequence[PolicyView]
    bindings: Sequence[BindingView]
    strategy: UpdateStrategySpec | None
    strategy_key: str
    members: Sequence[MemberCluster]


class Chosen(msgspec.Struct, frozen=True):
    """The members of a placement: those it selects, and those that wait to be emptied."""

    selected: tuple[str, ...]
    to_delete: tuple[str, ...]


def initialize(run: str, around: Surroundings, resource_index: str, dialect: Dialect) -> UpdateRunStatus:
    """The status of a run that is ready to go, its conditions aside.

    Args:
        run: its name.
        around: what there is on the hub.
        resource_index: index of the resource snapshot to roll out, already found.
        dialect: decides the names of approval requests.

    Raises:
        CannotInitialize: the run is wrong, or asks for something that is not there.
        NotYet: the placement is still being scheduled.
    """
    placement = external_placement(around)
    policy = latest_policy(around)
    chosen = choose_members(around, policy)
    if around.strategy is None:
        raise CannotInitialize(f"{CLIENT_ERROR}referenced updateStrategy not found: `{around.strategy_key}`")
    stages = _stages(run, around, around.strategy, chosen.selected, dialect)
    delete = tuple(ClusterUpdatingStatus(cluster_name=name) for name in sorted(chosen.to_delete))
    return UpdateRunStatus(
        policy_snapshot_index_used=policy.index or "",
        policy_observed_cluster_count=len(chosen.selected),
        resource_snapshot_index_used=resource_index,
        applied_strategy=effective_apply_strategy(placement),
        staged_update_strategy_snapshot=_canonical(around.strategy),
        stages_status=stages,
        deletion_stage_status=StageUpdatingStatus(stage_name=names.DELETE_STAGE, clusters=delete),
    )


def external_placement(around: Surroundings) -> PlacementSpec:
    """The placement, which has to leave its rollout to runs.

    Raises:
        CannotInitialize: there is none, or it rolls out by itself.
    """
    if around.placement is None:
        raise CannotInitialize(f"{CLIENT_ERROR}parent placement not found")
    kind = around.placement.strategy.type
    if kind != "External":
        raise CannotInitialize(
            f"{CLIENT_ERROR}parent placement does not have an external rollout strategy, current strategy: {kind}"
        )
    return around.placement


def effective_apply_strategy(placement: PlacementSpec) -> ApplyStrategy:
    """How the placement's objects are applied, defaults filled in."""
    return placement.strategy.apply_strategy or ApplyStrategy()


def latest_policy(around: Surroundings) -> PolicyView:
    """The policy snapshot that holds.

    Raises:
        CannotInitialize: it is malformed, or there are several.
        NotYet: there is none yet, or the scheduler is not done with it.
    """
    if not around.policies:
        raise NotYet("no latest policy snapshot found for the placement yet")
    if len(around.policies) > 1:
        found = ", ".join(sorted(policy.name for policy in around.policies))
        raise NotYet(f"multiple active policy snapshots found for the placement: {found}")
    (policy,) = around.policies
    if policy.index is None:
        raise CannotInitialize(f"{UNEXPECTED}policy snapshot `{policy.name}` does not have a policy index label")
    if not policy.scheduled:
        why = f": {policy.obstacle}" if policy.obstacle else ""
        raise NotYet(f"policy snapshot `{policy.name}` not fully scheduled yet{why}")
    return policy


def choose_members(around: Surroundings, policy: PolicyView) -> Chosen:
    """The members that the placement selects, and those that are to be emptied.

    Raises:
        CannotInitialize: there are none, or not as many as the policy asks for.
        NotYet: the scheduler is about to change a binding.
    """
    selected, to_delete = [], []
    for binding in around.bindings:
        name, spec = binding.metadata.name, binding.spec
        if spec.state == UNSCHEDULED:
            to_delete.append(spec.target_cluster)
        elif spec.scheduling_policy_snapshot_name == policy.name:
            selected.append(spec.target_cluster)
        else:
            raise NotYet(
                f"binding `{name}` with old policy snapshot `{spec.scheduling_policy_snapshot_name}` has state "
                f"{spec.state}"
            )
    if not selected and not to_delete:
        raise CannotInitialize(
            f"no scheduled or to-be-deleted bindings found for the latest policy snapshot {policy.name}"
        )
    expected = _expected_count(policy)
    if expected is not None and expected != len(selected):
        raise CannotInitialize(
            f"{UNEXPECTED}the number of selected bindings {len(selected)} is not equal to the observed cluster count "
            f"{expected}"
        )
    return Chosen(tuple(sorted(selected)), tuple(sorted(to_delete)))


def _expected_count(policy: PolicyView) -> int | None:
    kind = "PickAll" if policy.policy is None else policy.policy.placement_type
    if kind == "PickFixed" and policy.policy is not None:
        return len(policy.policy.cluster_names)
    if kind == "PickN":
        number = policy.number_of_clusters or ""
        if not number.isdecimal():
            raise CannotInitialize(
                f"{UNEXPECTED}policy snapshot `{policy.name}` has the invalid number of clusters {number!r}"
            )
        return int(number)
    return None


def _stages(
    run: str, around: Surroundings, strategy: UpdateStrategySpec, selected: Sequence[str], dialect: Dialect
) -> tuple[StageUpdatingStatus, ...]:
    _check_names(strategy)
    labels = {member.metadata.name: member.metadata.labels for member in around.members}
    placed: set[str] = set()
    result = []
    for stage in strategy.stages:
        _check_tasks(around.strategy_key, stage)
        _check_selector(around.strategy_key, stage)
        clusters = _clusters_of(stage, selected, labels)
        for name in clusters:
            if name in placed:
                raise CannotInitialize(f"{CLIENT_ERROR}cluster `{name}` appears in more than one stages")
            placed.add(name)
        result.append(_stage_status(run, stage, clusters, dialect))
    missing = [name for name in selected if name not in placed]
    if missing:
        shown = ", ".join(missing[:_SHOWN_CLUSTERS])
        raise CannotInitialize(
            f"{CLIENT_ERROR}some clusters are not placed in any stage, total {len(missing)}, showing up to "
            f"{_SHOWN_CLUSTERS}: {shown}"
        )
    return tuple(result)


def _check_names(strategy: UpdateStrategySpec) -> None:
    """Approval requests are named after their stage, so no two stages may share a name."""
    for name, count in Counter(stage.name for stage in strategy.stages).items():
        if count > 1:
            raise CannotInitialize(f"{CLIENT_ERROR}the stage name `{name}` is used {count} times in the strategy")


def _check_tasks(key: str, stage: StageConfig) -> None:
    for when, problem in (
        ("before", _before_problem(stage.before_stage_tasks)),
        ("after", _after_problem(stage.after_stage_tasks)),
    ):
        if problem is not None:
            raise CannotInitialize(
                f"{CLIENT_ERROR}the {when} stage tasks are invalid, updateStrategy: `{key}`, stage: {stage.name}, "
                f"err: {problem}"
            )


def _before_problem(tasks: Sequence[StageTask]) -> str | None:
    if len(tasks) > 1:
        return "beforeStageTasks can have at most one task"
    for position, task in enumerate(tasks):
        if task.type != "Approval":
            return f"task {position} of type {task.type} is not allowed in beforeStageTasks, allowed type: Approval"
        if task.wait_time is not None:
            return f"task {position} of type Approval cannot have wait duration set"
    return None


def _after_problem(tasks: Sequence[StageTask]) -> str | None:
    if len(tasks) == 2 and tasks[0].type == tasks[1].type:
        return f"afterStageTasks cannot have two tasks of the same type: {tasks[0].type}"
    for position, task in enumerate(tasks):
        if task.type == "Approval":
            if task.wait_time is not None:
                return f"task {position} of type Approval cannot have wait duration set"
        elif task.wait_time is None:
            return f"task {position} of type TimedWait has wait duration set to nil"
        elif (problem := _duration_problem(task.wait_time)) is not None:
            return f"task {position} of type TimedWait has {problem}"
    return None


def _duration_problem(text: str) -> str | None:
    try:
        return None if parse_duration(text) else "wait duration <= 0"
    except ValueError as error:
        return f"an invalid wait duration: {error}"


def _selector_problem(selector: LabelSelector) -> str | None:
    """What is wrong with a label selector, in the words of Kubernetes."""
    for term in selector.match_expressions:
        if term.operator in ("In", "NotIn") and not term.values:
            return "for 'in', 'notin' operators, values set can't be empty"
        if term.operator in ("Exists", "DoesNotExist") and term.values:
            return "values set must be empty for exists and does not exist"
    return None


def _check_selector(key: str, stage: StageConfig) -> None:
    problem = None if stage.label_selector is None else _selector_problem(stage.label_selector)
    if problem is not None:
        raise CannotInitialize(
            f"{CLIENT_ERROR}the stage label selector is invalid, updateStrategy: `{key}`, stage: {stage.name}, "
            f"err: {problem}"
        )


def _clusters_of(stage: StageConfig, selected: Sequence[str], labels: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The selected members of a stage in their order."""
    if stage.label_selector is None:
        return []
    clusters = [name for name in selected if name in labels and stage.label_selector.matches(labels[name])]
    key = stage.sorting_label_key
    if not key:
        return sorted(clusters)
    return sorted(clusters, key=lambda name: (_sorting_value(key, name, labels[name]), name))


def _sorting_value(key: str, cluster: str, labels: Mapping[str, str]) -> int:
    text = labels.get(key, "")
    if _INTEGER.fullmatch(text):
        return int(text)
    raise CannotInitialize(
        f"{CLIENT_ERROR}the sorting label `{key}:{text}` on cluster `{cluster}` is not valid: "
        f'strconv.Atoi: parsing "{text}": invalid syntax'
    )


def _stage_status(run: str, stage: StageConfig, clusters: Sequence[str], dialect: Dialect) -> StageUpdatingStatus:
    def task_status(task: StageTask, *, before: bool) -> StageTaskStatus:
        name = dialect.approval_name(run, stage.name, before=before) if task.type == "Approval" else ""
        return StageTaskStatus(type=task.type, approval_request_name=name)

    return StageUpdatingStatus(
        stage_name=stage.name,
        clusters=tuple(ClusterUpdatingStatus(cluster_name=name) for name in clusters),
        before_stage_task_status=tuple(task_status(task, before=True) for task in stage.before_stage_tasks),
        after_stage_task_status=tuple(task_status(task, before=False) for task in stage.after_stage_tasks),
    )


def _canonical(strategy: UpdateStrategySpec) -> UpdateStrategySpec:
    """The strategy as it is kept: durations in canonical form."""

    def task(item: StageTask) -> StageTask:
        if item.wait_time is None:
            return item
        return msgspec.structs.replace(item, wait_time=format_duration(parse_duration(item.wait_time)))

    stages = tuple(
        msgspec.structs.replace(stage, after_stage_tasks=tuple(task(item) for item in stage.after_stage_tasks))
        for stage in strategy.stages
    )
    return UpdateStrategySpec(stages=stages)
