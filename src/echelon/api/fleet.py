"""Update runs: the order in which the clusters of the fleet are upgraded (``fleet.echelon.dev``).

An UpdateRun upgrades members stage by stage: it plans once, when it is initialised, and from then on
asks for the upgrade of one member after the other (see ``upgrade``). A Gate is where a run waits for
somebody. An UpdateStrategy is an order to be used again.

The states of a run, its stages, groups and members are derived bottom-up; all levels share the form
of ``UpdateStatus``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from echelon.api.fields import IMMUTABLE, Field, Int32, Int64, IntOrPercent, Rule, Time, Value
from echelon.api.meta import Condition, KubeObject, Resource
from echelon.api.staged import RunState, refused_transition

GROUP = "fleet.echelon.dev"
VERSION = "v1alpha1"

UpdateState = Literal["NotStarted", "Running", "Stopping", "Stopped", "Skipped", "Failed", "Pending", "Completed"]
UpgradeType = Literal["Full", "NodeImageOnly", "ControlPlaneOnly"]
NodeImageSelectionType = Literal["Latest", "Consistent", "Custom"]
SkipTargetType = Literal["Member", "Group", "Stage", "AfterStageWait"]
GateType = Literal["Approval", "ScheduledStart"]
GateState = Literal["Pending", "Skipped", "Completed"]
GateTiming = Literal["Before", "After"]
DayOfWeek = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

NAME_RULE = Rule("size(self.metadata.name) <= 50", "metadata.name max length is 50")
NAME_PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
VERSION_PATTERN = r"^[0-9]+\.[0-9]+(\.[0-9]+)?([-+][0-9A-Za-z.+-]+)?$"

CONDITIONS = Field("Observed state, by type of condition.", list_type="map", list_map_keys=("type",))


class ErrorDetail(Value, frozen=True, kw_only=True):
    """What went wrong."""

    code: Annotated[str, Field("A code for programs.")]
    message: Annotated[str, Field("A sentence for people.")] = ""


# -- what an upgrade is -------------------------------------------------------------------------


class NodeImageVersion(Value, frozen=True, kw_only=True):
    """One node image."""

    version: Annotated[
        str, Field("Family and version, such as AKSUbuntu-2204gen2containerd-202410.15.0.", max_length=256)
    ]


class NodeImageSelection(Value, frozen=True, kw_only=True):
    """Which node images members get."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.type == 'Custom') == (has(self.customNodeImageVersions) && size(self.customNodeImageVersions) > 0)",
            "customNodeImageVersions must be set when type is Custom, and only then",
        ),
    )

    type: Annotated[
        NodeImageSelectionType,
        Field(
            "Latest: the newest image where the member is, when its upgrade starts. Consistent: the newest that all "
            "members of the run can have. Custom: those named."
        ),
    ]
    custom_node_image_versions: Annotated[
        tuple[NodeImageVersion, ...],
        Field("The images of a Custom selection, at most one a family; nodes of other families stay.", max_items=64),
    ] = ()


class ClusterUpgradeTarget(Value, frozen=True, kw_only=True):
    """What is upgraded, and to which Kubernetes version."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type == 'NodeImageOnly' || has(self.kubernetesVersion)",
            "kubernetesVersion is required when type is Full or ControlPlaneOnly",
        ),
        Rule(
            "self.type != 'NodeImageOnly' || !has(self.kubernetesVersion)",
            "kubernetesVersion must not be set when type is NodeImageOnly",
        ),
    )

    type: Annotated[
        UpgradeType,
        Field(
            "Full: control plane, nodes and node images. ControlPlaneOnly: the control plane. NodeImageOnly: the "
            "images of the nodes, at the Kubernetes version that they have."
        ),
    ]
    kubernetes_version: Annotated[
        str | None,
        Field("The Kubernetes version to go to, such as 1.31.1.", max_length=64, pattern=VERSION_PATTERN),
    ] = None


class ManagedClusterUpdate(Value, frozen=True, kw_only=True):
    """What a run does to each member."""

    upgrade: Annotated[ClusterUpgradeTarget, Field("What is upgraded, and to what.")]
    node_image_selection: Annotated[
        NodeImageSelection | None, Field("Which node images members get; without it, the latest.")
    ] = None


# -- strategies ---------------------------------------------------------------------------------


class ScheduledStart(Value, frozen=True, kw_only=True):
    """A moment of the week at which a gate opens by itself."""

    start_day: Annotated[DayOfWeek, Field("Day of the week.")]
    start_time: Annotated[str, Field("Time of day, such as 18:00.", pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    utc_offset: Annotated[
        str,
        Field(
            "Offset of that time of day from UTC, such as -05:00.",
            pattern=r"^[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00)$",
        ),
    ]


SCHEDULE_RULE = Rule(
    "(self.type == 'ScheduledStart') == has(self.scheduledStartConfiguration)",
    "scheduledStartConfiguration must be set when type is ScheduledStart, and only then",
)


class GateConfiguration(Value, frozen=True, kw_only=True):
    """A gate that runs are to have."""

    rules: ClassVar[tuple[Rule, ...]] = (SCHEDULE_RULE,)

    display_name: Annotated[str, Field("A name for people.", max_length=100)] = ""
    type: Annotated[
        GateType, Field("Approval opens when somebody completes it, ScheduledStart also at a moment of the week.")
    ]
    scheduled_start_configuration: Annotated[ScheduledStart | None, Field("When a ScheduledStart opens by itself.")] = (
        None
    )


BEFORE_GATES = Field("Gates that must open before it begins.", max_items=8)
AFTER_GATES = Field(
    "Gates that must open before what follows it begins.",
    max_items=8,
    rules=(Rule("self.all(g, g.type != 'ScheduledStart')", "a gate of type ScheduledStart can only be a before gate"),),
)
CONCURRENCY_PATTERN = "^([1-9][0-9]*|([1-9][0-9]?|100)%)$"
FAILURES = Field(
    "How many members, as a count or a percentage rounded up, may fail before no more are started; none by default.",
    pattern="^([0-9]+|([0-9]|[1-9][0-9]|100)%)$",
    minimum=0,
)


class MemberSelector(Value, frozen=True, kw_only=True):
    """Selects members."""

    by_label: Annotated[
        str, Field("A label selector in the notation of kubectl, such as env=prod,tier!=edge.", max_length=512)
    ]


class UpdateGroup(Value, frozen=True, kw_only=True):
    """Members that are upgraded in order, beside the other groups of the stage."""

    name: Annotated[
        str,
        Field(
            "The update group: the members whose label fleet.echelon.dev/update-group has this value.",
            max_length=50,
            pattern=NAME_PATTERN,
        ),
    ]
    max_concurrency: Annotated[
        IntOrPercent,
        Field(
            "How many members of the group are upgraded at a time: a count, or a percentage of the group that is "
            "rounded down to no less than 1.",
            pattern=CONCURRENCY_PATTERN,
            minimum=1,
        ),
    ] = 1
    max_allowed_failures: Annotated[IntOrPercent | None, FAILURES] = None
    before_gates: Annotated[tuple[GateConfiguration, ...], BEFORE_GATES] = ()
    after_gates: Annotated[tuple[GateConfiguration, ...], AFTER_GATES] = ()
    member_selector: Annotated[
        MemberSelector | None, Field("Takes these members instead; the name is then a name only.")
    ] = None


class UpdateStage(Value, frozen=True, kw_only=True):
    """Groups that are upgraded side by side, after the stage before and before the stage after."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.memberSelector) || (has(self.groups) && size(self.groups) > 0)",
            "a stage needs at least one group or a memberSelector",
        ),
    )

    name: Annotated[str, Field("Name of the stage.", max_length=50, pattern=NAME_PATTERN)]
    groups: Annotated[
        tuple[UpdateGroup, ...],
        Field(
            "The groups. A group may be in one stage only.",
            max_items=50,
            rules=(Rule("self.all(g, self.exists_one(h, h.name == g.name))", "group names must be unique"),),
        ),
    ] = ()
    max_concurrency: Annotated[
        IntOrPercent,
        Field(
            "How many members of the stage, over all its groups, are upgraded at a time: a count, or a percentage of "
            "the stage that is rounded down to no less than 1.",
            pattern=CONCURRENCY_PATTERN,
            minimum=1,
        ),
    ] = 50
    max_allowed_failures: Annotated[IntOrPercent | None, FAILURES] = None
    before_gates: Annotated[tuple[GateConfiguration, ...], BEFORE_GATES] = ()
    after_gates: Annotated[tuple[GateConfiguration, ...], AFTER_GATES] = ()
    after_stage_wait_in_seconds: Annotated[
        Int32, Field("How long to wait after the stage; the gates after it are open to approval meanwhile.", minimum=0)
    ] = 0
    member_selector: Annotated[
        MemberSelector | None,
        Field("Takes only these members of the groups; without groups, these members as one group."),
    ] = None


class UpdateRunStrategy(Value, frozen=True, kw_only=True):
    """An order of stages."""

    stages: Annotated[
        tuple[UpdateStage, ...],
        Field(
            "The stages in order.",
            min_items=1,
            max_items=50,
            rules=(Rule("self.all(s, self.exists_one(t, t.name == s.name))", "stage names must be unique"),),
        ),
    ]


class UpdateStrategySpec(Value, frozen=True, kw_only=True):
    """An order to be used by many runs."""

    strategy: Annotated[UpdateRunStrategy, Field("The order.")]


class UpdateStrategy(KubeObject, frozen=True, kw_only=True):
    """An order of stages and groups for update runs. A run copies it; later changes do not reach that run."""

    resource: ClassVar[Resource] = Resource(GROUP, VERSION, "updatestrategies", "UpdateStrategy", namespaced=False)
    rules: ClassVar[tuple[Rule, ...]] = (NAME_RULE,)

    spec: Annotated[UpdateStrategySpec, Field("The order.")]


# -- runs ---------------------------------------------------------------------------------------


class SkipTarget(Value, frozen=True, kw_only=True):
    """Something that a run is to leave out."""

    type: Annotated[
        SkipTargetType,
        Field("What is skipped. Stage includes the wait after it; AfterStageWait is that wait alone."),
    ]
    name: Annotated[str, Field("Name of the member, group or stage.", max_length=63)]


class UpdateRunSpec(Value, frozen=True, kw_only=True):
    """What is done to which members in which order, and whether it goes on."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.strategy) && has(self.updateStrategyName))",
            "strategy and updateStrategyName cannot both be set",
        ),
        Rule(
            "oldSelf.state == 'Initialize' || self.managedClusterUpdate == oldSelf.managedClusterUpdate",
            "managedClusterUpdate cannot be changed once the run was started",
        ),
        Rule(
            "oldSelf.state == 'Initialize' || (has(self.strategy) == has(oldSelf.strategy)"
            " && (!has(self.strategy) || self.strategy == oldSelf.strategy)"
            " && has(self.updateStrategyName) == has(oldSelf.updateStrategyName)"
            " && (!has(self.updateStrategyName) || self.updateStrategyName == oldSelf.updateStrategyName))",
            "the strategy cannot be changed once the run was started",
        ),
        Rule(
            "!has(oldSelf.attempt) || (has(self.attempt) && self.attempt >= oldSelf.attempt)",
            "attempt cannot be lowered",
        ),
    )

    managed_cluster_update: Annotated[ManagedClusterUpdate, Field("What is done to each member.")]
    strategy: Annotated[
        UpdateRunStrategy | None,
        Field("The order. With neither this nor updateStrategyName, all members go one by one."),
    ] = None
    update_strategy_name: Annotated[str | None, Field("The UpdateStrategy to copy the order from.", max_length=50)] = (
        None
    )
    state: Annotated[
        RunState,
        Field(
            "Initialize only plans, Run does it, Stop lets upgrades under way finish and starts no more. A stopped or "
            "failed run goes on with Run and a higher attempt.",
            rules=(refused_transition("Run", "Initialize"), refused_transition("Stop", "Initialize")),
        ),
    ] = "Initialize"
    attempt: Annotated[
        Int64, Field("Raised by each start, so that starting a failed run again is a change.", minimum=0)
    ] = 0
    skips: Annotated[tuple[SkipTarget, ...], Field("What is left out.", max_items=10000)] = ()


class UpdateStatus(Value, frozen=True, kw_only=True):
    """The state of a run or of a part of it."""

    state: Annotated[UpdateState, Field("The state.")]
    start_time: Annotated[Time | None, Field("When it began.")] = None
    completed_time: Annotated[Time | None, Field("When it ended.")] = None
    error: Annotated[ErrorDetail | None, Field("What went wrong or stands in the way.")] = None


class GateStatusInRun(UpdateStatus, frozen=True, kw_only=True):
    """A gate of a run."""

    display_name: Annotated[str, Field("The gate's name for people.")] = ""
    gate_name: Annotated[str, Field("The Gate; empty until the run reaches it.")] = ""


class MemberUpdateStatus(UpdateStatus, frozen=True, kw_only=True):
    """One member in a run."""

    name: Annotated[str, Field("The member.")]
    cluster_resource_id: Annotated[str, Field("What the member is on its platform.")] = ""
    attempt: Annotated[Int64, Field("The attempt of the run in which it is, or was last, upgraded.")] = 0
    operation_id: Annotated[str, Field("The operation of the platform that upgrades the member.")] = ""
    message: Annotated[str, Field("What the member waits for, or what was done or left.")] = ""
    not_before: Annotated[Time | None, Field("When a Pending member can go on at the earliest.")] = None


class GroupUpdateStatus(UpdateStatus, frozen=True, kw_only=True):
    """One group in a run."""

    name: Annotated[str, Field("The group.")]
    max_concurrency: Annotated[Int32, Field("How many members are upgraded at a time.")] = 0
    max_allowed_failures: Annotated[Int32, Field("How many members may fail.")] = 0
    failure_count: Annotated[Int32, Field("How many members failed.")] = 0
    before_gates: Annotated[tuple[GateStatusInRun, ...], Field("The gates before the group.")] = ()
    members: Annotated[tuple[MemberUpdateStatus, ...], Field("The members in their order.")] = ()
    after_gates: Annotated[tuple[GateStatusInRun, ...], Field("The gates after the group.")] = ()


class WaitStatus(UpdateStatus, frozen=True, kw_only=True):
    """The wait after a stage."""

    wait_duration_in_seconds: Annotated[Int32, Field("How long it lasts.")]


class StageUpdateStatus(UpdateStatus, frozen=True, kw_only=True):
    """One stage in a run."""

    name: Annotated[str, Field("The stage.")]
    max_concurrency: Annotated[Int32, Field("How many members are upgraded at a time.")] = 0
    max_allowed_failures: Annotated[Int32, Field("How many members may fail.")] = 0
    failure_count: Annotated[Int32, Field("How many members failed.")] = 0
    before_gates: Annotated[tuple[GateStatusInRun, ...], Field("The gates before the stage.")] = ()
    groups: Annotated[tuple[GroupUpdateStatus, ...], Field("The groups.")] = ()
    after_gates: Annotated[tuple[GateStatusInRun, ...], Field("The gates after the stage.")] = ()
    after_stage_wait_status: Annotated[WaitStatus | None, Field("The wait after the stage, if there is one.")] = None


class SelectedNodeImages(Value, frozen=True, kw_only=True):
    """The node images of a run."""

    selected_node_image_versions: Annotated[
        tuple[NodeImageVersion, ...], Field("The images of a Consistent or Custom selection, one a family.")
    ] = ()


class UpdateRunStatus(UpdateStatus, frozen=True, kw_only=True):
    """How far a run is."""

    observed_generation: Annotated[Int64, Field("Generation of the run that this status is about.")] = 0
    observed_attempt: Annotated[Int64, Field("The attempt that this status is about.")] = 0
    plan_hash: Annotated[str, Field("Stands for what was planned; another spec before the start is planned anew.")] = ""
    strategy: Annotated[UpdateRunStrategy | None, Field("The order as copied, which the run follows.")] = None
    stages: Annotated[tuple[StageUpdateStatus, ...], Field("The stages in order.")] = ()
    failure_count: Annotated[Int32, Field("How many members failed.")] = 0
    node_image_selection: Annotated[SelectedNodeImages | None, Field("The node images that the run settled on.")] = None
    conditions: Annotated[tuple[Condition, ...], CONDITIONS] = ()


class UpdateRun(KubeObject, frozen=True, kw_only=True):
    """Upgrades the clusters of the fleet, stage by stage. It begins when spec.state is set to Run."""

    resource: ClassVar[Resource] = Resource(GROUP, VERSION, "updateruns", "UpdateRun", namespaced=False)
    rules: ClassVar[tuple[Rule, ...]] = (
        NAME_RULE,
        Rule(
            "!has(oldSelf.status) || oldSelf.status.state != 'Completed' || self.spec == oldSelf.spec",
            "the run is completed and cannot be started, stopped or changed any more; create a new one",
        ),
    )

    spec: Annotated[UpdateRunSpec, Field("What is done to which members in which order.")]
    status: Annotated[UpdateRunStatus, Field("How far the run is.")] = UpdateRunStatus(state="NotStarted")


# -- gates --------------------------------------------------------------------------------------


class GateTarget(Value, frozen=True, kw_only=True):
    """Where a gate stands."""

    update_run: Annotated[str, Field("The run.")]
    stage: Annotated[str, Field("The stage.")]
    group: Annotated[str, Field("The group; empty for a gate of the whole stage.")] = ""
    timing: Annotated[GateTiming, Field("Whether it stands before or after the stage or group.")]


class GateSpec(Value, frozen=True, kw_only=True):
    """What a gate is and where it stands."""

    display_name: Annotated[str, Field("A name for people.", max_length=100)] = ""
    gate_type: Annotated[GateType, Field("Approval, or ScheduledStart, which also opens at a moment of the week.")]
    target: Annotated[GateTarget, Field("Where the gate stands.")]
    scheduled_start: Annotated[ScheduledStart | None, Field("When a ScheduledStart opens by itself.")] = None


class GateStatus(Value, frozen=True, kw_only=True):
    """Whether a gate is open."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "oldSelf.state == 'Pending' || self.state == oldSelf.state",
            "a gate that is Completed or Skipped cannot change",
        ),
    )

    state: Annotated[
        GateState, Field("Pending until somebody sets Completed; Skipped when what it guards was skipped.")
    ] = "Pending"
    completed_by: Annotated[str, Field("Who completed it.")] = ""
    completed_time: Annotated[Time | None, Field("When it was completed or skipped.")] = None
    absolute_start_time: Annotated[Time | None, Field("When a ScheduledStart opens by itself.")] = None
    message: Annotated[str, Field("Why it was completed, as its approver put it, or why skipped.")] = ""


class Gate(KubeObject, frozen=True, kw_only=True):
    """Where an update run waits for somebody. Set status.state to Completed to let it go on."""

    resource: ClassVar[Resource] = Resource(GROUP, VERSION, "gates", "Gate", namespaced=False)

    spec: Annotated[
        GateSpec,
        Field("What the gate is and where it stands.", rules=(Rule(IMMUTABLE, "the spec of a gate is immutable"),)),
    ]
    status: Annotated[GateStatus, Field("Whether the gate is open.")] = GateStatus()
