"""Policies that a server takes and nobody can follow."""

from __future__ import annotations

from typing import Literal

import pytest

from echelon.api.meta import LabelSelector, LabelSelectorRequirement
from echelon.api.policy import (
    ClusterSelectorTerm,
    PreferredClusterSelector,
    PropertySelector,
    PropertySelectorRequirement,
)
from echelon.placement.scheduling.faults import fault

from .fleet import CPU, PICK_ALL, evenly, having, pick, rather, some


def expression(operator: Literal["In", "NotIn", "Exists", "DoesNotExist"], *values: str) -> ClusterSelectorTerm:
    requirement = LabelSelectorRequirement("env", operator, values)
    return ClusterSelectorTerm(label_selector=LabelSelector(match_expressions=(requirement,)))


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (expression("In"), "label 'env' with the operator In and the values []; want at least one value"),
        (expression("NotIn"), "label 'env' with the operator NotIn and the values []; want at least one value"),
        (expression("Exists", "a"), "label 'env' with the operator Exists and the values ['a']; want no values"),
        (expression("DoesNotExist", "a"), "label 'env' with the operator DoesNotExist and the values ['a']; want no"),
    ],
)
def test_label_expressions(term: ClusterSelectorTerm, words: str) -> None:
    assert f"required clusterSelectorTerms[1]: {words}" in (fault(some(1, required=[having(), term])) or "")
    preference = PreferredClusterSelector(weight=1, preference=term)
    assert f"preference 0: {words}" in (fault(some(1, preferred=[preference])) or "")


@pytest.mark.parametrize(("values", "seen"), [(("much",), "['much']"), ((), "[]"), (("1", "2"), "['1', '2']")])
def test_comparisons(values: tuple[str, ...], seen: str) -> None:
    requirement = PropertySelectorRequirement(name=CPU, operator="Gt", values=values)
    term = ClusterSelectorTerm(property_selector=PropertySelector(match_expressions=(requirement,)))
    assert fault(some(1, required=[term])) == (
        f"required clusterSelectorTerms[0]: property '{CPU}' is compared with {seen}; "
        "want one quantity such as 4, 500m or 16Gi"
    )


def test_policies_without_a_fault() -> None:
    good = [having((CPU, "Ge", "2"), env="prod"), expression("In", "a"), expression("Exists")]
    for policy in (
        PICK_ALL,
        pick("a"),
        some(1, required=good, preferred=[rather(1, CPU), rather(2, env="prod")], spread=[evenly("zone")]),
    ):
        assert fault(policy) is None
