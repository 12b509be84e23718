"""What makes a policy impossible to follow, though the API server has taken it.

The server refuses most of it. What is left would choose nobody, and not say why: a label expression
without the values that it needs, or, from a server with older rules, a property compared with what
is no quantity.
"""

from __future__ import annotations

from collections.abc import Iterator

from echelon.api.policy import ClusterSelectorTerm, PlacementPolicy
from echelon.placement.scheduling.affinity import preferences, required_terms
from echelon.placement.scheduling.properties import number


def fault(policy: PlacementPolicy) -> str | None:
    """The first fault of a policy, or None."""
    return next(_faults(policy), None)


def _faults(policy: PlacementPolicy) -> Iterator[str]:
    for position, term in enumerate(required_terms(policy)):
        yield from _faults_of(term, f"required clusterSelectorTerms[{position}]")
    for position, preference in enumerate(preferences(policy)):
        yield from _faults_of(preference.preference, f"preference {position}")


def _faults_of(term: ClusterSelectorTerm, where: str) -> Iterator[str]:
    for expression in () if term.label_selector is None else term.label_selector.match_expressions:
        some = expression.operator in ("In", "NotIn")
        if some != bool(expression.values):
            wanted = "at least one value" if some else "no values"
            yield (
                f"{where}: label {expression.key!r} with the operator {expression.operator} "
                f"and the values {list(expression.values)}; want {wanted}"
            )
    for requirement in () if term.property_selector is None else term.property_selector.match_expressions:
        if len(requirement.values) != 1 or number(requirement.values[0]) is None:
            yield (
                f"{where}: property {requirement.name!r} is compared with {list(requirement.values)}; "
                "want one quantity such as 4, 500m or 16Gi"
            )
