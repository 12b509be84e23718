"""Evictions of a placement from a member, and the budgets that keep too many from happening."""

from __future__ import annotations

from typing import Annotated, ClassVar

from echelon.api.fields import IMMUTABLE, Field, IntOrPercent, Rule, Value
from echelon.api.meta import Condition, KubeObject, Resource
from echelon.api.placement import GROUP


class EvictionSpec(Value, frozen=True, kw_only=True):
    """What is evicted from where."""

    placement_name: Annotated[
        str,
        Field(
            "The ClusterResourcePlacement to evict.",
            max_length=255,
            rules=(Rule(IMMUTABLE, "The PlacementName field is immutable"),),
        ),
    ]
    cluster_name: Annotated[
        str,
        Field(
            "The member to evict it from.",
            max_length=255,
            rules=(Rule(IMMUTABLE, "The ClusterName field is immutable"),),
        ),
    ]


class EvictionStatus(Value, frozen=True, kw_only=True):
    """What became of an eviction."""

    conditions: Annotated[
        tuple[Condition, ...],
        Field("Valid: whether it can be carried out at all. Executed: whether it was, or why not."),
    ] = ()


class ClusterResourcePlacementEviction(KubeObject, frozen=True, kw_only=True):
    """Asks once to take a placement off a member. Without a taint the scheduler may choose the member again."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterresourceplacementevictions", "ClusterResourcePlacementEviction", namespaced=False
    )

    spec: Annotated[EvictionSpec, Field("What is evicted from where.")]
    status: Annotated[EvictionStatus, Field("What became of the eviction.")] = EvictionStatus()


COUNT_RULE = Rule(
    "type(self) == string ? self.matches('^(100|[0-9]{1,2})%$') : self >= 0",
    "If supplied value is String should match regex '^(100|[0-9]{1,2})%$'"
    " or If supplied value is Integer must be greater than or equal to 0",
)


class DisruptionBudgetSpec(Value, frozen=True, kw_only=True):
    """How much may be missing."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.maxUnavailable) && has(self.minAvailable))",
            "Both MaxUnavailable and MinAvailable cannot be specified",
        ),
    )

    max_unavailable: Annotated[
        IntOrPercent | None,
        Field(
            "How many members, as a count or a percentage, may be without the placement. Not for PickAll placements.",
            rules=(COUNT_RULE,),
        ),
    ] = None
    min_available: Annotated[
        IntOrPercent | None,
        Field(
            "How many members, as a count or a percentage, must keep the placement. Only a count for PickAll.",
            rules=(COUNT_RULE,),
        ),
    ] = None


class ClusterResourcePlacementDisruptionBudget(KubeObject, frozen=True, kw_only=True):
    """Limits the evictions of the ClusterResourcePlacement of the same name."""

    resource: ClassVar[Resource] = Resource(
        GROUP,
        "v1beta1",
        "clusterresourceplacementdisruptionbudgets",
        "ClusterResourcePlacementDisruptionBudget",
        namespaced=False,
    )

    spec: Annotated[DisruptionBudgetSpec, Field("How much may be missing.")] = DisruptionBudgetSpec()
