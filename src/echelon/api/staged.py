"""Staged rollouts: runs, the strategies they follow and the approvals they ask for.

Each comes cluster-scoped (for a ClusterResourcePlacement) and namespaced (for a ResourcePlacement)
with the same spec and status. A run copies the strategy into its status when it is initialised and
does not look at it again.

``spec.state`` has no default: what a run without one does is the dialect of the hub, which the
server must not decide.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from echelon.api.fields import IMMUTABLE, Field, IntOrPercent, Rule, Time, Value
from echelon.api.meta import Condition, KubeObject, LabelSelector, Resource
from echelon.api.placement import CONDITIONS, GROUP, ApplyStrategy, NamespacedName

RunState = Literal["Initialize", "Run", "Stop"]
StageTaskType = Literal["TimedWait", "Approval"]

NAME_RULE = Rule("size(self.metadata.name) < 64", "metadata.name max length is 63")
WAIT_TIME_PATTERN = r"^(?:(?:0|[1-9][0-9]*)(\.[0-9]+)?(?:s|m|h))+$"


# -- strategies ---------------------------------------------------------------------------------


class StageTask(Value, frozen=True, kw_only=True):
    """Something that must happen before a rollout goes on."""

    type: Annotated[
        StageTaskType,
        Field("TimedWait lets a time pass; Approval waits until somebody approves a request that the run makes."),
    ]
    wait_time: Annotated[str | None, Field("How long a TimedWait lasts, such as 1h30m.", pattern=WAIT_TIME_PATTERN)] = (
        None
    )


APPROVAL_WITHOUT_WAIT = Rule(
    "self.all(t, t.type != 'Approval' || !has(t.waitTime))",
    "AfterStageTaskType is Approval, waitTime is not allowed",
)


class StageConfig(Value, frozen=True, kw_only=True):
    """One stage: some of the members, updated together."""

    name: Annotated[
        str,
        Field(
            "Name of the stage: lower-case letters and digits. No two stages share one.",
            max_length=63,
            pattern="^[a-z0-9]+$",
        ),
    ]
    label_selector: Annotated[
        LabelSelector | None,
        Field(
            "Labels of the members of the stage. An empty selector takes all members, a missing one takes none.",
            map_type="atomic",
        ),
    ] = None
    sorting_label_key: Annotated[
        str | None,
        Field(
            "Label by whose whole-number value the members are put in order, lowest first; every member of the stage "
            "must have it. Without it they go by name."
        ),
    ] = None
    max_concurrency: Annotated[
        IntOrPercent,
        Field(
            "How many members of the stage are updated at a time: a count, or a percentage of the stage that is "
            "rounded down to no less than 1.",
            pattern="^(100|[1-9][0-9]?)%$",
            rules=(Rule("type(self) != int || self >= 1", "maxConcurrency must be at least 1"),),
        ),
    ] = 1
    before_stage_tasks: Annotated[
        tuple[StageTask, ...],
        Field(
            "What must happen before the first member of the stage is updated: at most one Approval.",
            max_items=1,
            rules=(
                Rule("self.all(t, t.type != 'TimedWait')", "BeforeStageTaskType cannot be TimedWait"),
                APPROVAL_WITHOUT_WAIT,
            ),
        ),
    ] = ()
    after_stage_tasks: Annotated[
        tuple[StageTask, ...],
        Field(
            "What must happen after the last member of the stage was updated and before the next stage: at most one "
            "TimedWait and one Approval, both at once.",
            max_items=2,
            rules=(
                APPROVAL_WITHOUT_WAIT,
                Rule(
                    "self.all(t, t.type != 'TimedWait' || has(t.waitTime))",
                    "AfterStageTaskType is TimedWait, waitTime is required",
                ),
            ),
        ),
    ] = ()


class UpdateStrategySpec(Value, frozen=True, kw_only=True):
    """The order in which members are updated."""

    stages: Annotated[
        tuple[StageConfig, ...],
        Field(
            "The stages in order. Every member of the placement must be in exactly one of them.",
            max_items=31,
            rules=(
                Rule(
                    "self.all(s, self.exists_one(t, t.name == s.name))",
                    "stage names must be unique within a strategy",
                ),
            ),
        ),
    ]


class ClusterStagedUpdateStrategy(KubeObject, frozen=True, kw_only=True):
    """The stages by which runs roll a ClusterResourcePlacement out. Any number of runs may use it."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterstagedupdatestrategies", "ClusterStagedUpdateStrategy", namespaced=False
    )

    spec: Annotated[UpdateStrategySpec, Field("The order in which members are updated.")]


class StagedUpdateStrategy(KubeObject, frozen=True, kw_only=True):
    """The stages by which runs of the same namespace roll a ResourcePlacement out."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "stagedupdatestrategies", "StagedUpdateStrategy", namespaced=True
    )

    spec: Annotated[UpdateStrategySpec, Field("The order in which members are updated.")]


# -- runs ---------------------------------------------------------------------------------------


def refused_transition(before: RunState, after: RunState) -> Rule:
    """The rule that keeps a run from going from one state to another."""
    return Rule(
        f"!(oldSelf == '{before}' && self == '{after}')",
        f"invalid state transition: cannot transition from {before} to {after}",
    )


class UpdateRunSpec(Value, frozen=True, kw_only=True):
    """What is rolled out, by which strategy, and whether it goes on."""

    placement_name: Annotated[
        str,
        Field(
            "The placement to roll out; its strategy must be External.",
            max_length=255,
            rules=(Rule(IMMUTABLE, "placementName is immutable"),),
        ),
    ]
    resource_snapshot_index: Annotated[
        str,
        Field(
            "Index of the resource snapshot to roll out, an older one to roll back. Empty takes the newest.",
            rules=(Rule(IMMUTABLE, "resourceSnapshotIndex is immutable"),),
        ),
    ] = ""
    staged_rollout_strategy_name: Annotated[
        str,
        Field(
            "The strategy to follow.",
            rules=(Rule(IMMUTABLE, "stagedRolloutStrategyName is immutable"),),
        ),
    ]
    state: Annotated[
        RunState | None,
        Field(
            "Initialize only works out what would be done, Run does it, Stop lets members under way finish and starts "
            "no more. A stopped run goes on with Run.",
            rules=(
                refused_transition("Initialize", "Stop"),
                refused_transition("Run", "Initialize"),
                refused_transition("Stop", "Initialize"),
            ),
        ),
    ] = None


class ClusterUpdatingStatus(Value, frozen=True, kw_only=True):
    """One member in a run."""

    cluster_name: Annotated[str, Field("The member.")]
    resource_override_snapshots: Annotated[
        tuple[NamespacedName, ...], Field("Snapshots of the ResourceOverrides that it gets, as of initialisation.")
    ] = ()
    cluster_resource_override_snapshots: Annotated[
        tuple[str, ...], Field("Snapshots of the ClusterResourceOverrides that it gets, as of initialisation.")
    ] = ()
    conditions: Annotated[
        tuple[Condition, ...],
        Field("Started and Succeeded.", list_type="map", list_map_keys=("type",)),
    ] = ()


class StageTaskStatus(Value, frozen=True, kw_only=True):
    """One task of a stage in a run."""

    type: Annotated[StageTaskType, Field("Which task this is.")]
    approval_request_name: Annotated[str, Field("The approval request of an Approval.")] = ""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            "ApprovalRequestCreated and ApprovalRequestApproved, or WaitTimeElapsed.",
            list_type="map",
            list_map_keys=("type",),
        ),
    ] = ()


class StageUpdatingStatus(Value, frozen=True, kw_only=True):
    """One stage in a run."""

    stage_name: Annotated[str, Field("Name of the stage.")]
    clusters: Annotated[tuple[ClusterUpdatingStatus, ...], Field("The members of the stage in their order.")]
    before_stage_task_status: Annotated[
        tuple[StageTaskStatus, ...], Field("The tasks before the stage.", max_items=1)
    ] = ()
    after_stage_task_status: Annotated[
        tuple[StageTaskStatus, ...], Field("The tasks after the stage.", max_items=2)
    ] = ()
    start_time: Annotated[Time | None, Field("When the first member was started.")] = None
    end_time: Annotated[Time | None, Field("When the stage ended.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field("Progressing and Succeeded.", list_type="map", list_map_keys=("type",)),
    ] = ()


class UpdateRunStatus(Value, frozen=True, kw_only=True):
    """What a run was initialised with and how far it is."""

    policy_snapshot_index_used: Annotated[str, Field("Index of the policy snapshot that chose the members.")] = ""
    policy_observed_cluster_count: Annotated[int, Field("How many members the policy chose.")] = 0
    resource_snapshot_index_used: Annotated[str, Field("Index of the resource snapshot that is rolled out.")] = ""
    applied_strategy: Annotated[
        ApplyStrategy | None, Field("How objects are written on the members, as of initialisation.")
    ] = None
    staged_update_strategy_snapshot: Annotated[
        UpdateStrategySpec | None, Field("The strategy as of initialisation, which the run follows.")
    ] = None
    stages_status: Annotated[tuple[StageUpdatingStatus, ...], Field("The stages in order.")] = ()
    deletion_stage_status: Annotated[
        StageUpdatingStatus | None,
        Field("The last stage: members that the placement no longer chooses are emptied."),
    ] = None
    conditions: Annotated[tuple[Condition, ...], CONDITIONS] = ()


class ClusterStagedUpdateRun(KubeObject, frozen=True, kw_only=True):
    """Rolls one resource snapshot of a ClusterResourcePlacement out to its members, stage by stage."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterstagedupdateruns", "ClusterStagedUpdateRun", namespaced=False
    )
    rules: ClassVar[tuple[Rule, ...]] = (NAME_RULE,)

    spec: Annotated[UpdateRunSpec, Field("What is rolled out and how.")]
    status: Annotated[UpdateRunStatus, Field("How far the run is.")] = UpdateRunStatus()


class StagedUpdateRun(KubeObject, frozen=True, kw_only=True):
    """Rolls one resource snapshot of a ResourcePlacement of its namespace out to members, stage by stage."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "stagedupdateruns", "StagedUpdateRun", namespaced=True)
    rules: ClassVar[tuple[Rule, ...]] = (NAME_RULE,)

    spec: Annotated[UpdateRunSpec, Field("What is rolled out and how.")]
    status: Annotated[UpdateRunStatus, Field("How far the run is.")] = UpdateRunStatus()


# -- approval requests --------------------------------------------------------------------------


class ApprovalRequestSpec(Value, frozen=True, kw_only=True):
    """What is to be approved."""

    parent_stage_rollout: Annotated[str, Field("The run that waits.")]
    target_stage: Annotated[str, Field("The stage before or after which it waits.")]


class ApprovalRequestStatus(Value, frozen=True, kw_only=True):
    """Whether it was approved."""

    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            "Approved is set by who approves, with the observedGeneration of the request; ApprovalAccepted by the hub "
            "once the run has taken note, after which the approval cannot be taken back.",
            list_type="map",
            list_map_keys=("type",),
        ),
    ] = ()


SPEC_IMMUTABLE = (Rule(IMMUTABLE, "The spec field is immutable"),)


class ClusterApprovalRequest(KubeObject, frozen=True, kw_only=True):
    """Made by a ClusterStagedUpdateRun that waits for an approval. Set the condition Approved to let it go on."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterapprovalrequests", "ClusterApprovalRequest", namespaced=False
    )

    spec: Annotated[ApprovalRequestSpec, Field("What is to be approved.", rules=SPEC_IMMUTABLE)]
    status: Annotated[ApprovalRequestStatus, Field("Whether it was approved.")] = ApprovalRequestStatus()


class ApprovalRequest(KubeObject, frozen=True, kw_only=True):
    """Made by a StagedUpdateRun that waits for an approval. Set the condition Approved to let it go on."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "approvalrequests", "ApprovalRequest", namespaced=True)

    spec: Annotated[ApprovalRequestSpec, Field("What is to be approved.", rules=SPEC_IMMUTABLE)]
    status: Annotated[ApprovalRequestStatus, Field("Whether it was approved.")] = ApprovalRequestStatus()
