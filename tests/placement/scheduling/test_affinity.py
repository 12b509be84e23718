"""Required terms, property comparisons, and what preferences are worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.cluster import MemberCluster
from echelon.api.meta import LabelSelector, LabelSelectorRequirement
from echelon.api.policy import ClusterSelectorTerm, PreferredClusterSelector, PropertyOperator
from echelon.placement.scheduling.affinity import UNMET, affinity_score, required_terms, why_unmatched

from .fleet import CPU, FLEETS, NODES, PICK_ALL, cpus, having, member, rather, some

TOTAL = "resources.kubernetes-fleet.io/total-cpu"
ALLOCATABLE = "resources.kubernetes-fleet.io/allocatable-cpu"
MEMORY = "resources.kubernetes-fleet.io/available-memory"


def meets(found: MemberCluster, *terms: ClusterSelectorTerm) -> bool:
    obstacle = why_unmatched(found, required_terms(some(1, required=terms)))
    assert obstacle in (None, UNMET)
    return obstacle is None


def scores(*members: MemberCluster, preferred: list[PreferredClusterSelector]) -> list[int]:
    score = affinity_score(some(1, preferred=preferred), members)
    return [score(found) for found in members]


# -- required -----------------------------------------------------------------------------------


def test_nothing_required_is_met_by_all() -> None:
    assert meets(member("a"))
    assert why_unmatched(member("a"), required_terms(PICK_ALL)) is None


def test_terms_are_alternatives_and_their_parts_are_not() -> None:
    found = member("a", env="prod", zone="x", usage=cpus("4"))
    assert meets(found, having(env="dev"), having(env="prod"))
    assert not meets(found, having(env="prod", zone="y"))
    assert not meets(found, having((CPU, "Gt", "4"), env="prod"))
    assert meets(found, having((CPU, "Gt", "4"), env="prod"), having((CPU, "Gt", "2")))


@pytest.mark.parametrize(
    ("key", "operator", "values", "met"),
    [
        ("env", "In", ("prod", "dev"), True),
        ("env", "NotIn", ("prod",), False),
        ("zone", "NotIn", ("x",), True),
        ("env", "Exists", (), True),
        ("zone", "DoesNotExist", (), True),
    ],
)
def test_label_expressions(key: str, operator: str, values: tuple[str, ...], met: bool) -> None:
    requirement = LabelSelectorRequirement(key, operator, values)  # type: ignore[arg-type]
    term = ClusterSelectorTerm(label_selector=LabelSelector(match_expressions=(requirement,)))
    assert meets(member("a", env="prod"), term) is met


@pytest.mark.parametrize(
    ("operator", "met"),
    [
        ("Gt", (False, False, True)),
        ("Ge", (False, True, True)),
        ("Eq", (False, True, False)),
        ("Ne", (True, False, True)),
        ("Lt", (True, False, False)),
        ("Le", (True, True, False)),
    ],
)
def test_comparisons(operator: PropertyOperator, met: tuple[bool, bool, bool]) -> None:
    members = [member("a", properties={NODES: value}) for value in ("1999m", "2", "2.5")]
    assert tuple(meets(found, having((NODES, operator, "2000m"))) for found in members) == met


@pytest.mark.parametrize("operator", ["Gt", "Ge", "Eq", "Ne", "Lt", "Le"])
def test_a_property_that_is_missing_or_no_number_compares_with_nothing(operator: PropertyOperator) -> None:
    for found in (member("a"), member("a", properties={NODES: "many"})):
        assert not meets(found, having((NODES, operator, "1")))
    assert not meets(member("a", properties={NODES: "1"}), having((NODES, operator, "some")))


def test_what_nodes_have_offer_and_have_left() -> None:
    found = member("a", usage=cpus("4"))
    assert meets(found, having((TOTAL, "Eq", "64"), (ALLOCATABLE, "Eq", "60"), (CPU, "Eq", "4")))
    assert not meets(found, having((MEMORY, "Ge", "0")))
    assert not meets(found, having(("resources.kubernetes-fleet.io/spare-cpu", "Ge", "0")))
    assert not meets(member("a"), having((CPU, "Ge", "0")))


# -- preferred ----------------------------------------------------------------------------------


def test_weights_of_labels_add_up() -> None:
    members = [member("a", env="prod", zone="x"), member("b", env="prod"), member("c")]
    assert scores(*members, preferred=[rather(20, env="prod"), rather(-5, zone="x"), rather(3)]) == [18, 23, 3]


def test_a_sorter_gives_each_its_share() -> None:
    members = [member(name, usage=cpus(cpu)) for name, cpu in (("a", "0"), ("b", "1"), ("c", "2500m"), ("d", "10"))]
    assert scores(*members, preferred=[rather(100, CPU)]) == [0, 10, 25, 100]
    assert scores(*members, preferred=[rather(100, CPU, "Ascending")]) == [100, 90, 75, 0]
    assert scores(*members, preferred=[rather(-10, CPU)]) == [0, -1, -3, -10]


def test_halves_are_rounded_away_from_zero() -> None:
    members = [member("a", usage=cpus("0")), member("b", usage=cpus("1")), member("c", usage=cpus("2"))]
    assert scores(*members, preferred=[rather(5, CPU)]) == [0, 3, 5]
    assert scores(*members, preferred=[rather(-5, CPU)]) == [0, -3, -5]


def test_a_sorter_counts_for_members_with_its_labels_only_but_ranks_them_among_all() -> None:
    members = [member("a", usage=cpus("0")), member("b", env="prod", usage=cpus("1")), member("c", usage=cpus("2"))]
    assert scores(*members, preferred=[rather(10, CPU, env="prod")]) == [0, 5, 0]


def test_nothing_to_tell_apart_scores_nothing() -> None:
    alike = [member("a", usage=cpus("2")), member("b", usage=cpus("2000m")), member("c")]
    assert scores(*alike, preferred=[rather(10, CPU), rather(10, CPU, "Ascending")]) == [0, 0, 0]
    assert scores(member("a"), preferred=[rather(10, CPU)]) == [0]


@given(FLEETS, st.integers(-100, 100), st.sampled_from([CPU, NODES]))
def test_a_share_is_never_more_than_the_weight(fleet: list[MemberCluster], weight: int, by: str) -> None:
    for score in scores(*fleet, preferred=[rather(weight, by)]):
        assert min(0, weight) <= score <= max(0, weight)
