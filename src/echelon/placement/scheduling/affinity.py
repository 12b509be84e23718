"""Cluster affinity: the members that a policy requires, and those that it prefers.

Required terms are alternatives; within a term, labels and properties must all hold. A preference
gives a member its weight when the labels hold. With a sorter it gives the share of the weight that
the member's property has of the way between the smallest and the largest value in the fleet, rounded
to a whole number, halves away from zero; nothing where all are equal or the property is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from echelon.api.cluster import MemberCluster
from echelon.api.policy import (
    ClusterAffinity,
    ClusterSelectorTerm,
    PlacementPolicy,
    PreferredClusterSelector,
    PropertyOperator,
    PropertySelectorRequirement,
    PropertySorter,
)
from echelon.placement.scheduling.properties import number, property_of

Score = Callable[[MemberCluster], int]

UNMET = "cluster does not match with any of the required cluster affinity terms"


def _of(policy: PlacementPolicy) -> ClusterAffinity:
    affinity = None if policy.affinity is None else policy.affinity.cluster_affinity
    return affinity or ClusterAffinity()


def required_terms(policy: PlacementPolicy) -> Sequence[ClusterSelectorTerm]:
    """The alternatives of which a member must meet one; none at all requires nothing."""
    selector = _of(policy).required_during_scheduling_ignored_during_execution
    return () if selector is None else selector.cluster_selector_terms


def preferences(policy: PlacementPolicy) -> Sequence[PreferredClusterSelector]:
    """What adds to the score of a member."""
    return _of(policy).preferred_during_scheduling_ignored_during_execution


# -- required -----------------------------------------------------------------------------------


def why_unmatched(member: MemberCluster, terms: Sequence[ClusterSelectorTerm]) -> str | None:
    """The obstacle when a member meets none of the required terms."""
    return UNMET if terms and not any(_meets(member, term) for term in terms) else None


def _meets(member: MemberCluster, term: ClusterSelectorTerm) -> bool:
    if term.label_selector is not None and not term.label_selector.matches(member.metadata.labels):
        return False
    selector = term.property_selector
    return selector is None or all(_holds(member, requirement) for requirement in selector.match_expressions)


def _holds(member: MemberCluster, requirement: PropertySelectorRequirement) -> bool:
    found = property_of(member, requirement.name)
    if found is None or len(requirement.values) != 1:
        return False
    wanted = number(requirement.values[0])
    return wanted is not None and _compare(found, requirement.operator, wanted)


def _compare(found: Decimal, operator: PropertyOperator, wanted: Decimal) -> bool:
    match operator:
        case "Gt":
            return found > wanted
        case "Ge":
            return found >= wanted
        case "Eq":
            return found == wanted
        case "Ne":
            return found != wanted
        case "Lt":
            return found < wanted
        case "Le":
            return found <= wanted


# -- preferred ----------------------------------------------------------------------------------


def affinity_score(policy: PlacementPolicy, fleet: Iterable[MemberCluster]) -> Score:
    """How to score a member by the policy's preferences; sorters look at the whole fleet."""
    members = list(fleet)
    scores = [_preference(preference, members) for preference in preferences(policy) if preference.weight]
    return lambda member: sum(score(member) for score in scores)


def _preference(preference: PreferredClusterSelector, fleet: Sequence[MemberCluster]) -> Score:
    weight, term = preference.weight, preference.preference
    selector, sorter = term.label_selector, term.property_sorter
    share = None if sorter is None else _share(sorter, fleet)

    def score(member: MemberCluster) -> int:
        if selector is not None and not selector.matches(member.metadata.labels):
            return 0
        return weight if share is None else _rounded(share(member) * weight)

    return score


def _share(sorter: PropertySorter, fleet: Sequence[MemberCluster]) -> Callable[[MemberCluster], float]:
    """How much of the weight a member gets, 0 to 1."""
    values = [value for member in fleet if (value := property_of(member, sorter.name)) is not None]
    low, high = float(min(values, default=0)), float(max(values, default=0))

    def share(member: MemberCluster) -> float:
        value = property_of(member, sorter.name)
        if value is None or low == high:
            return 0.0
        ascent = (float(value) - low) / (high - low)
        return ascent if sorter.sort_order == "Descending" else 1 - ascent

    return share


def _rounded(score: float) -> int:
    return int(math.copysign(math.floor(abs(score) + 0.5), score))
