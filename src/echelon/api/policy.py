"""Which members a placement goes to: the scheduling policy and what it is made of.

A policy takes all members that fit (``PickAll``), a number of them (``PickN``) or those that it names
(``PickFixed``). Members fit by their labels and properties (affinity), by taints that are tolerated, and, for a
number, by how evenly they spread. Overrides choose members by the same terms.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from echelon.api.cluster import LABEL_KEY, LABEL_VALUE
from echelon.api.fields import Field, Int32, Rule, Value
from echelon.api.meta import LabelSelector
from echelon.api.scheduling_rules import (
    CONSISTENT,
    ONE_VALUE,
    PROPERTY_NAME,
    PROPERTY_VALUE,
    QUALIFIED_NAME,
    TOLERATIONS_ONLY_ADDED,
    TOLERATIONS_UNIQUE,
)

PlacementType = Literal["PickAll", "PickN", "PickFixed"]
PropertyOperator = Literal["Gt", "Ge", "Eq", "Ne", "Lt", "Le"]


PropertyName = Annotated[str, Field("Name of the property.", max_length=317, pattern=QUALIFIED_NAME)]


class PropertySelectorRequirement(Value, frozen=True, kw_only=True):
    """One comparison of a property of a member."""

    rules: ClassVar[tuple[Rule, ...]] = (PROPERTY_NAME, ONE_VALUE, PROPERTY_VALUE)

    name: PropertyName
    operator: Annotated[
        PropertyOperator, Field("How the property of the member must compare with the value: Gt means greater.")
    ]
    values: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...], Field("What to compare with: one quantity.", max_items=1)
    ]


class PropertySelector(Value, frozen=True, kw_only=True):
    """Selects members by their properties."""

    match_expressions: Annotated[
        tuple[PropertySelectorRequirement, ...], Field("Comparisons that must all hold for a member.", max_items=20)
    ]


class PropertySorter(Value, frozen=True, kw_only=True):
    """Prefers members by the rank of one of their properties."""

    rules: ClassVar[tuple[Rule, ...]] = (PROPERTY_NAME,)

    name: PropertyName
    sort_order: Annotated[
        Literal["Ascending", "Descending"],
        Field("Descending prefers members with a large value, Ascending those with a small one."),
    ]


class ClusterSelectorTerm(Value, frozen=True, kw_only=True):
    """Selects members; all parts of a term must hold."""

    label_selector: Annotated[
        LabelSelector | None, Field("Labels of the MemberCluster to match.", map_type="atomic")
    ] = None
    property_selector: Annotated[PropertySelector | None, Field("Properties of the member to match.")] = None
    property_sorter: Annotated[
        PropertySorter | None, Field("Order of the members by a property; only where terms are preferences.")
    ] = None


class ClusterSelector(Value, frozen=True, kw_only=True):
    """Selects the members that any of its terms selects."""

    cluster_selector_terms: Annotated[
        tuple[ClusterSelectorTerm, ...], Field("The terms, of which one must hold.", max_items=10)
    ]


class PreferredClusterSelector(Value, frozen=True, kw_only=True):
    """A preference for some members."""

    weight: Annotated[
        Int32,
        Field(
            "What a matching member gains, -100 to 100; negative to avoid it.",
            minimum=-100,
            maximum=100,
        ),
    ]
    preference: Annotated[ClusterSelectorTerm, Field("Which members are preferred.")]


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class ClusterAffinity(Value, frozen=True, kw_only=True):
    """Which members are required and which preferred. Judged when scheduling, not afterwards."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.{REQUIRED}) || self.{REQUIRED}.clusterSelectorTerms.all(t, !has(t.propertySorter))",
            "PropertySorter is not allowed for RequiredDuringSchedulingIgnoredDuringExecution affinity",
        ),
        Rule(
            f"!has(self.{PREFERRED}) || self.{PREFERRED}.all(p, !has(p.preference.propertySelector))",
            "PropertySelector is not allowed for PreferredDuringSchedulingIgnoredDuringExecution affinity",
        ),
    )

    required_during_scheduling_ignored_during_execution: Annotated[
        ClusterSelector | None, Field("Only members that it selects are chosen.", rules=CONSISTENT)
    ] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredClusterSelector, ...],
        Field("Members with a higher sum of weights are chosen first.", max_items=100),
    ] = ()


class Affinity(Value, frozen=True, kw_only=True):
    """Attraction to members."""

    cluster_affinity: Annotated[ClusterAffinity | None, Field("By labels and properties of the member.")] = None


class TopologySpreadConstraint(Value, frozen=True, kw_only=True):
    """Spreads a placement over the values of a label of the members."""

    max_skew: Annotated[
        Int32,
        Field(
            "How much the number of chosen members may differ between two values of the label.",
            minimum=1,
        ),
    ] = 1
    topology_key: Annotated[str, Field("The label of the MemberCluster whose values are the places to spread over.")]
    when_unsatisfiable: Annotated[
        Literal["DoNotSchedule", "ScheduleAnyway"],
        Field("Whether a member that would break the constraint is ruled out or only ranked lower."),
    ] = "DoNotSchedule"


class Toleration(Value, frozen=True, kw_only=True):
    """Lets a placement go to members with a matching taint."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator != 'Exists' || !has(self.value) || self.value == ''",
            "value must be empty when operator is Exists",
        ),
        Rule(
            "self.operator == 'Exists' || (has(self.key) && self.key != '')",
            "operator must be Exists when key is empty",
        ),
    )

    key: Annotated[
        str, Field("Key of the taint; empty matches every key.", max_length=317, pattern=f"^$|{LABEL_KEY}")
    ] = ""
    operator: Annotated[
        Literal["Equal", "Exists"], Field("Whether the value of the taint must equal this one or may be any.")
    ] = "Equal"
    value: Annotated[str, Field("Value of the taint.", max_length=63, pattern=LABEL_VALUE)] = ""
    effect: Annotated[Literal["NoSchedule"] | None, Field("Effect of the taint; none matches every effect.")] = None


ClusterName = Annotated[
    str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
]


class PlacementPolicy(Value, frozen=True, kw_only=True):
    """Which members a placement goes to."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.placementType == oldSelf.placementType", "placement type is immutable"),
        Rule(
            "self.placementType != 'PickFixed' || !(has(self.affinity) || has(self.numberOfClusters)"
            " || has(self.topologySpreadConstraints) || has(self.tolerations))",
            "affinity, numberOfClusters, topologySpreadConstraints, and tolerations cannot be set"
            " when placementType is PickFixed",
        ),
        Rule(
            "self.placementType != 'PickAll' || !(has(self.clusterNames) || has(self.numberOfClusters)"
            " || has(self.topologySpreadConstraints))",
            "clusterNames, numberOfClusters, and topologySpreadConstraints cannot be set when placementType is PickAll",
        ),
        Rule(
            "self.placementType != 'PickN' || (has(self.numberOfClusters) && !has(self.clusterNames))",
            "clusterNames cannot be set and numberOfClusters must be set when placementType is PickN",
        ),
        Rule(
            "self.placementType != 'PickAll' || !has(self.affinity) || !has(self.affinity.clusterAffinity)"
            f" || !has(self.affinity.clusterAffinity.{PREFERRED})",
            "PreferredDuringSchedulingIgnoredDuringExecution will be ignored for placement policy type PickAll",
        ),
        TOLERATIONS_ONLY_ADDED,
    )

    placement_type: Annotated[
        PlacementType,
        Field("All members that fit (PickAll), a number of them (PickN), or those named (PickFixed)."),
    ] = "PickAll"
    cluster_names: Annotated[
        tuple[ClusterName, ...], Field("The members of a PickFixed placement.", max_items=100, list_type="set")
    ] = ()
    number_of_clusters: Annotated[Int32 | None, Field("How many members PickN chooses.", minimum=0)] = None
    affinity: Annotated[Affinity | None, Field("Which members are required or preferred.")] = None
    topology_spread_constraints: Annotated[
        tuple[TopologySpreadConstraint, ...], Field("How PickN spreads over the values of labels.")
    ] = ()
    tolerations: Annotated[
        tuple[Toleration, ...],
        Field("Taints of members that do not keep this placement away.", max_items=100, rules=(TOLERATIONS_UNIQUE,)),
    ] = ()
