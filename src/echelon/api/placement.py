"""What is placed where: ClusterResourcePlacement, ResourcePlacement and the values they share.

A placement selects objects of the hub (``resourceSelectors``), chooses members (``policy``) and says
how changes reach them (``strategy``). The cluster-scoped kind and the namespaced one have the same
spec and status. What a policy is made of has a module of its own. Apply strategy and resource identifiers
appear again in bindings, Works and overrides.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from echelon.api.fields import Field, Int32, Int64, IntOrPercent, Rule, Time, Value
from echelon.api.meta import Condition, KubeObject, LabelSelector, Resource
from echelon.api.policy import PlacementPolicy

GROUP = "placement.kubernetes-fleet.io"

SelectionScope = Literal["NamespaceOnly", "NamespaceWithResources", "NamespaceWithResourceSelectors"]
RolloutStrategyType = Literal["RollingUpdate", "External"]
StatusReportingScope = Literal["ClusterScopeOnly", "NamespaceAccessible"]
ApplyStrategyType = Literal["ClientSideApply", "ServerSideApply", "ReportDiff"]
ComparisonOption = Literal["PartialComparison", "FullComparison"]
WhenToApply = Literal["Always", "IfNotDrifted"]
WhenToTakeOver = Literal["Always", "IfNoDiff", "Never"]
EnvelopeType = Literal["ConfigMap", "ClusterResourceEnvelope", "ResourceEnvelope"]

CONDITIONS = Field("Observed state, by type of condition.", list_type="map", list_map_keys=("type",))


class NamespacedName(Value, frozen=True, kw_only=True):
    """A namespaced object by its name."""

    name: Annotated[str, Field("Name of the object.")]
    namespace: Annotated[str, Field("Namespace of the object.")]


# -- selection ----------------------------------------------------------------------------------


class ResourceSelector(Value, frozen=True, kw_only=True):
    """Selects objects of one kind on the hub, by name or by label; neither selects all of the kind."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.name) && has(self.labelSelector))",
            "name and labelSelector are mutually exclusive in a resource selector",
        ),
    )

    group: Annotated[str, Field("API group of the kind; empty for the core group.", max_length=253)]
    version: Annotated[str, Field("API version of the kind, such as v1.", max_length=63)]
    kind: Annotated[str, Field("Kind of the objects.", max_length=63)]
    name: Annotated[str, Field("Name of the one object to select.", max_length=253)] = ""
    label_selector: Annotated[
        LabelSelector | None, Field("Selects the objects of the kind with these labels.", map_type="atomic")
    ] = None
    selection_scope: Annotated[
        SelectionScope,
        Field(
            "For a selected Namespace: whether it goes alone (NamespaceOnly), with all that is in it "
            "(NamespaceWithResources), or with those objects in it that the other selectors name "
            "(NamespaceWithResourceSelectors)."
        ),
    ] = "NamespaceWithResources"


class EnvelopeIdentifier(Value, frozen=True, kw_only=True):
    """The envelope that an object was wrapped in."""

    name: Annotated[str, Field("Name of the envelope.")]
    namespace: Annotated[str, Field("Namespace of the envelope, if it has one.")] = ""
    type: Annotated[
        EnvelopeType,
        Field(
            "Kind of the envelope.",
            per_version={"v1": {"enum": ["ClusterResourceEnvelope", "ResourceEnvelope"], "default": None}},
        ),
    ] = "ConfigMap"


class ResourceIdentifier(Value, frozen=True, kw_only=True):
    """One object that a placement selected."""

    group: Annotated[str, Field("API group of the object; empty for the core group.")] = ""
    version: Annotated[str, Field("API version of the object.")]
    kind: Annotated[str, Field("Kind of the object.")]
    name: Annotated[str, Field("Name of the object.")]
    namespace: Annotated[str, Field("Namespace of the object; empty when it is cluster-scoped.")] = ""
    envelope: Annotated[EnvelopeIdentifier | None, Field("The envelope that holds the object, if one does.")] = None


# -- strategy -----------------------------------------------------------------------------------


class ServerSideApplyConfig(Value, frozen=True, kw_only=True):
    """Settings of server-side apply."""

    force: Annotated[bool, Field("Whether to take fields over that another manager owns.")] = False


class ApplyStrategy(Value, frozen=True, kw_only=True):
    """How objects are written on the members."""

    comparison_option: Annotated[
        ComparisonOption,
        Field("Whether drift and difference are judged on the fields that the hub sets, or on all fields."),
    ] = "PartialComparison"
    when_to_apply: Annotated[
        WhenToApply, Field("Whether an object that was changed on the member is written over or left and reported.")
    ] = "Always"
    type: Annotated[
        ApplyStrategyType,
        Field(
            "Apply with a three-way merge (ClientSideApply), with server-side apply, "
            "or write nothing and report what differs (ReportDiff)."
        ),
    ] = "ClientSideApply"
    when_to_take_over: Annotated[
        WhenToTakeOver,
        Field("Whether an object that the member already has is taken over always, if it does not differ, or never."),
    ] = "Always"
    server_side_apply_config: Annotated[
        ServerSideApplyConfig | None, Field("Settings of ServerSideApply; not for the other types.")
    ] = None
    allow_co_ownership: Annotated[
        bool, Field("Whether an object may be written that has owners besides the fleet.")
    ] = False


class RollingUpdateConfig(Value, frozen=True, kw_only=True):
    """The pace of a rolling update."""

    max_unavailable: Annotated[
        IntOrPercent,
        Field(
            "How many members, as a count or a percentage, may be without available resources at a time.",
            pattern="^((100|[0-9]{1,2})%|[0-9]+)$",
        ),
    ] = "25%"
    max_surge: Annotated[
        IntOrPercent,
        Field(
            "How many members beyond the wanted number may hold the resources at a time.",
            pattern="^((100|[0-9]{1,2})%|[0-9]+)$",
        ),
    ] = "25%"
    unavailable_period_seconds: Annotated[
        int,
        Field("How long to wait where availability cannot be told before the update counts as done.", minimum=0),
    ] = 60


class DeleteStrategy(Value, frozen=True, kw_only=True):
    """What becomes of the objects on the members when the placement is deleted."""

    propagation_policy: Annotated[
        Literal["Abandon", "Delete"], Field("Whether the objects stay on the members or are deleted.")
    ] = "Delete"


class ReportBackStrategy(Value, frozen=True, kw_only=True):
    """Whether the status of objects on the members comes back to the hub."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type != 'Mirror' || has(self.destination)",
            "when reportBackStrategy.type is 'Mirror', a destination must be specified",
        ),
    )

    type: Annotated[
        Literal["Disabled", "Mirror"],
        Field("Disabled reports nothing, Mirror the status as it is on the member.", required=True),
    ] = "Disabled"
    destination: Annotated[
        Literal["OriginalResource", "WorkAPI"] | None,
        Field("Where the status goes: to the object on the hub or to the Work."),
    ] = None


SERVER_SIDE_APPLY_RULE = Rule(
    "!has(self.serverSideApplyConfig) || self.type == 'ServerSideApply'",
    "serverSideApplyConfig is only valid for ServerSideApply strategy type",
)


class RolloutStrategy(Value, frozen=True, kw_only=True):
    """How changes reach the members."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type != 'External' || !has(self.rollingUpdate)",
            "rollingUpdateConfig is not valid for ExternalRollout strategy type",
        ),
    )

    type: Annotated[
        RolloutStrategyType,
        Field("RollingUpdate goes on by itself; External waits for staged update runs."),
    ] = "RollingUpdate"
    rolling_update: Annotated[RollingUpdateConfig | None, Field("The pace of a RollingUpdate.")] = None
    apply_strategy: Annotated[
        ApplyStrategy | None, Field("How objects are written on the members.", rules=(SERVER_SIDE_APPLY_RULE,))
    ] = None
    delete_strategy: Annotated[
        DeleteStrategy | None,
        Field("What becomes of the objects when the placement is deleted.", absent_from=("v1",)),
    ] = None
    report_back_strategy: Annotated[
        ReportBackStrategy | None,
        Field("Whether the status of the objects comes back to the hub.", absent_from=("v1",)),
    ] = None


# -- spec and status ----------------------------------------------------------------------------

NAMESPACE_SELECTORS = "self.resourceSelectors.filter(s, s.group == '' && s.kind == 'Namespace')"
WITH_SELECTORS = "has(s.selectionScope) && s.selectionScope == 'NamespaceWithResourceSelectors'"


class PlacementSpec(Value, frozen=True, kw_only=True):
    """What is placed, where, and how changes get there."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(oldSelf.policy) || has(self.policy)", "policy cannot be removed once set"),
        Rule(
            "!has(oldSelf.strategy) || oldSelf.strategy.type != 'External'"
            " || (has(self.strategy) && self.strategy.type == 'External')",
            "cannot change rollout strategy type from 'External' to other types",
        ),
        Rule(
            f"{NAMESPACE_SELECTORS}.filter(s, {WITH_SELECTORS}).size() <= 1",
            "only one namespace selector with NamespaceWithResourceSelectors mode is allowed",
        ),
        Rule(
            f"{NAMESPACE_SELECTORS}.filter(s, {WITH_SELECTORS})"
            ".all(s, has(s.name) && s.name != '' && !has(s.labelSelector))",
            "namespace selector with NamespaceWithResourceSelectors mode must select by name (not by label)",
        ),
        Rule(
            f"!{NAMESPACE_SELECTORS}.exists(s, {WITH_SELECTORS}) || {NAMESPACE_SELECTORS}.size() == 1",
            "when using NamespaceWithResourceSelectors mode, only one namespace selector is allowed"
            " (cannot mix with other namespace selectors)",
        ),
    )

    resource_selectors: Annotated[
        tuple[ResourceSelector, ...],
        Field(
            "Which objects of the hub are placed; an object that any selector selects is.", min_items=1, max_items=100
        ),
    ]
    policy: Annotated[PlacementPolicy | None, Field("Which members are chosen; without a policy, all of them.")] = None
    strategy: Annotated[RolloutStrategy, Field("How changes reach the members.")] = RolloutStrategy()
    revision_history_limit: Annotated[
        Int32,
        Field(
            "How many snapshots of the policy and of the resources are kept for rollback.",
            minimum=1,
            maximum=1000,
        ),
    ] = 10
    status_reporting_scope: Annotated[
        StatusReportingScope,
        Field(
            "NamespaceAccessible also copies the status of a ClusterResourcePlacement into the namespace that it "
            "selects, as a ClusterResourcePlacementStatus."
        ),
    ] = "ClusterScopeOnly"


class PatchDetail(Value, frozen=True, kw_only=True):
    """One field that differs between hub and member."""

    path: Annotated[str, Field("JSON pointer to the field.")]
    value_in_member: Annotated[str, Field("The value on the member; none when the field is missing there.")] = ""
    value_in_hub: Annotated[str, Field("The value on the hub; none when the field is missing there.")] = ""


class FailedResourcePlacement(ResourceIdentifier, frozen=True, kw_only=True):
    """An object that could not be applied or is not available."""

    condition: Annotated[Condition, Field("What is wrong with it.")]


class DriftedResourcePlacement(ResourceIdentifier, frozen=True, kw_only=True):
    """An object that was changed on the member after it was applied."""

    observation_time: Annotated[Time, Field("When the drift was last seen.")]
    target_cluster_observed_generation: Annotated[
        Int64, Field("Generation of the object on the member when the drift was seen.")
    ]
    first_drifted_observed_time: Annotated[Time, Field("When the drift was first seen.")]
    observed_drifts: Annotated[tuple[PatchDetail, ...], Field("The fields that drifted.")] = ()


class DiffedResourcePlacement(ResourceIdentifier, frozen=True, kw_only=True):
    """An object that differs between hub and member."""

    observation_time: Annotated[Time, Field("When the difference was last seen.")]
    target_cluster_observed_generation: Annotated[
        Int64 | None,
        Field("Generation of the object on the member when the difference was seen; none when it is not there."),
    ] = None
    first_diffed_observed_time: Annotated[Time, Field("When the difference was first seen.")]
    observed_diffs: Annotated[tuple[PatchDetail, ...], Field("The fields that differ.")] = ()


FAILED = Field("Objects that could not be applied or are not available, at most 100.", max_items=100)
DRIFTED = Field("Objects that were changed on the member, at most 100.", max_items=100)
DIFFED = Field("Objects that differ between hub and member, at most 100.", max_items=100)


class PerClusterPlacementStatus(Value, frozen=True, kw_only=True):
    """How the placement stands on one member, or why a wanted member was not found."""

    cluster_name: Annotated[str, Field("The member; empty for a slot that no member could fill.")] = ""
    observed_resource_index: Annotated[str, Field("Index of the resource snapshot that the member got.")] = ""
    applicable_resource_overrides: Annotated[
        tuple[NamespacedName, ...], Field("Snapshots of the ResourceOverrides in effect on the member.")
    ] = ()
    applicable_cluster_resource_overrides: Annotated[
        tuple[str, ...], Field("Snapshots of the ClusterResourceOverrides in effect on the member.")
    ] = ()
    failed_placements: Annotated[tuple[FailedResourcePlacement, ...], FAILED] = ()
    drifted_placements: Annotated[tuple[DriftedResourcePlacement, ...], DRIFTED] = ()
    diffed_placements: Annotated[tuple[DiffedResourcePlacement, ...], DIFFED] = ()
    conditions: Annotated[tuple[Condition, ...], Field("State of the placement on this member.")] = ()


class PlacementStatus(Value, frozen=True, kw_only=True):
    """How the placement stands."""

    selected_resources: Annotated[tuple[ResourceIdentifier, ...], Field("The objects that are placed.")] = ()
    observed_resource_index: Annotated[
        str, Field("Index of the resource snapshot that this status is about; empty while members have different ones.")
    ] = ""
    placement_statuses: Annotated[
        tuple[PerClusterPlacementStatus, ...], Field("How the placement stands, member by member.")
    ] = ()
    conditions: Annotated[tuple[Condition, ...], CONDITIONS] = ()


# -- kinds --------------------------------------------------------------------------------------

CLUSTER_SCOPED_RULES = (
    Rule(
        f"self.statusReportingScope != 'NamespaceAccessible' || {NAMESPACE_SELECTORS}.size() == 1",
        "when statusReportingScope is NamespaceAccessible,"
        " exactly one resourceSelector with kind 'Namespace' is required",
    ),
    Rule("self.statusReportingScope == oldSelf.statusReportingScope", "statusReportingScope is immutable"),
    Rule(
        "has(oldSelf.policy) || !has(self.policy) || self.policy.placementType == 'PickAll'",
        "placement type is immutable",
    ),
)


class ClusterResourcePlacement(KubeObject, frozen=True, kw_only=True):
    """Places cluster-scoped objects, and namespaces with what is in them, on members of the fleet."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterresourceplacements", "ClusterResourcePlacement", namespaced=False
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("size(self.metadata.name) < 64", "the name field cannot have length exceeding 63"),
    )

    spec: Annotated[PlacementSpec, Field("What is placed, where and how.", rules=CLUSTER_SCOPED_RULES)]
    status: Annotated[PlacementStatus, Field("How the placement stands.")] = PlacementStatus()


class ResourcePlacement(KubeObject, frozen=True, kw_only=True):
    """Places objects of its own namespace on members of the fleet."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "resourceplacements", "ResourcePlacement", namespaced=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ClusterResourcePlacement.rules

    spec: Annotated[PlacementSpec, Field("What is placed, where and how.")]
    status: Annotated[PlacementStatus, Field("How the placement stands.")] = PlacementStatus()


class ClusterResourcePlacementStatus(KubeObject, frozen=True, kw_only=True):
    """A copy of the status of a ClusterResourcePlacement for those who may read only the namespace it placed.

    The hub writes it, under the name of the placement, when the placement's statusReportingScope is
    NamespaceAccessible.
    """

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterresourceplacementstatuses", "ClusterResourcePlacementStatus", namespaced=True
    )

    source_status: Annotated[PlacementStatus, Field("The status of the ClusterResourcePlacement.")]
    last_updated_time: Annotated[Time, Field("When the copy was last written.")]
