"""The rules of evictions, each by its message, and the arithmetic of budgets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.api import names
from echelon.api.binding import (
    BOUND,
    SCHEDULED,
    UNSCHEDULED,
    ClusterResourceBinding,
    ResourceBindingSpec,
    ResourceBindingStatus,
)
from echelon.api.eviction import ClusterResourcePlacementDisruptionBudget, DisruptionBudgetSpec
from echelon.api.meta import Condition, ObjectMeta
from echelon.api.placement import ClusterResourcePlacement, PlacementSpec, ResourceSelector
from echelon.api.policy import PlacementPolicy
from echelon.api.snapshot import ClusterDecision
from echelon.placement.eviction.judgement import disruptions_allowed, judge

AVAILABLE = ("Available", "True", "AllWorkAreAvailable")
FAILED = ("Applied", "False", "NotAllWorkHaveBeenApplied")
BUSY = ("Applied", "False", "ApplyInProgress")
DELETED = "2026-03-02T09:00:00Z"


def placement(kind: str | None = None, number: int | None = None, *, deleting: bool = False):
    members = ("a",) if kind == "PickFixed" else ()
    policy = None
    if kind is not None:
        policy = PlacementPolicy(placement_type=kind, number_of_clusters=number, cluster_names=members)  # type: ignore[arg-type]
    return ClusterResourcePlacement(
        metadata=ObjectMeta(name="web", deletion_timestamp=DELETED if deleting else None),
        spec=PlacementSpec(
            resource_selectors=(ResourceSelector(group="", version="v1", kind="Namespace", name="app"),), policy=policy
        ),
    )


def binding(member, *conditions, state=BOUND, before="", deleting=False, generation=1):
    return ClusterResourceBinding(
        metadata=ObjectMeta(
            name=f"web-{member}",
            generation=generation,
            annotations={names.PREVIOUS_BINDING_STATE: before} if before else {},
            deletion_timestamp=DELETED if deleting else None,
        ),
        spec=ResourceBindingSpec(
            state=state,
            resource_snapshot_name="",
            scheduling_policy_snapshot_name="web-0",
            target_cluster=member,
            cluster_decision=ClusterDecision(cluster_name=member, selected=True, reason=""),
        ),
        status=ResourceBindingStatus(conditions=tuple(Condition(*c, "", "", 1) for c in conditions)),
    )


def budget(**bounds: int | str) -> ClusterResourcePlacementDisruptionBudget:
    return ClusterResourcePlacementDisruptionBudget(
        metadata=ObjectMeta(name="web"), spec=DisruptionBudgetSpec(**bounds)
    )


def bindings(*available: bool) -> list[ClusterResourceBinding]:
    return [binding(name, AVAILABLE if is_so else BUSY) for name, is_so in zip("abcdefgh", available, strict=False)]


INVALID = [
    pytest.param(None, bindings(True), "Failed to find ClusterResourcePlacement targeted by eviction", id="missing"),
    pytest.param(
        placement(deleting=True),
        bindings(True),
        "Found deleting ClusterResourcePlacement targeted by eviction",
        id="deleting",
    ),
    pytest.param(
        placement("PickFixed"),
        bindings(True),
        "Found ClusterResourcePlacement with PickFixed placement type targeted by eviction",
        id="pick-fixed",
    ),
    pytest.param(
        placement(),
        [binding("a"), binding("a")],
        "Found more than one scheduler decision for placement in cluster targeted by eviction",
        id="two-bindings",
    ),
    pytest.param(
        placement(),
        [binding("b")],
        "Failed to find scheduler decision for placement in cluster targeted by eviction",
        id="no-binding",
    ),
]


@pytest.mark.parametrize(("found", "bound", "message"), INVALID)
def test_what_is_not_valid(found, bound, message) -> None:
    verdict = judge("a", found, bound, None)
    assert (verdict.valid, verdict.allowed, verdict.evicted, verdict.message) == (False, False, None, message)


def test_a_member_that_is_being_emptied_needs_no_more() -> None:
    verdict = judge("a", placement(), [binding("a", deleting=True)], budget(min_available=5))
    assert verdict.valid
    assert verdict.allowed
    assert verdict.evicted is None
    assert verdict.message == (
        "Eviction is allowed, resources propagated by placement is currently being removed from cluster targeted "
        "by eviction"
    )


@pytest.mark.parametrize(
    "bound",
    [binding("a", state=SCHEDULED), binding("a", state=UNSCHEDULED, before=SCHEDULED), binding("a", state=UNSCHEDULED)],
)
def test_nothing_can_be_evicted_where_nothing_was_placed(bound) -> None:
    verdict = judge("a", placement(), [bound], None)
    assert verdict.valid
    assert not verdict.allowed
    assert verdict.message == "Eviction is blocked, placement has not propagated resources to target cluster yet"


def test_a_member_no_longer_chosen_that_still_has_the_content_can_be_evicted() -> None:
    bound = binding("a", AVAILABLE, state=UNSCHEDULED, before=BOUND)
    assert judge("a", placement(), [bound], None).evicted is bound


@pytest.mark.parametrize(
    "condition",
    [
        FAILED,
        ("Overridden", "False", "OverriddenFailed"),
        ("WorkSynchronized", "False", "SyncWorkFailed"),
        ("DiffReported", "True", "AllWorkHaveDiffReported"),
        ("DiffReported", "False", "NotAllWorkHaveDiffReported"),
    ],
    ids=lambda c: f"{c[0]}-{c[1]}",
)
def test_a_placement_that_has_failed_there_goes_whatever_the_budget(condition) -> None:
    bound = binding("a", condition)
    verdict = judge("a", placement(), [bound], budget(min_available=9))
    assert verdict.evicted is bound
    assert verdict.message == "Eviction is allowed, placement has failed"


def test_without_a_budget_all_goes() -> None:
    verdict = judge("a", placement(), bindings(True, False), None)
    assert verdict.evicted is not None
    assert verdict.message == "Eviction is allowed, no ClusterResourcePlacementDisruptionBudget specified"


@pytest.mark.parametrize("bounds", [{"max_unavailable": 1}, {"max_unavailable": "50%"}, {"min_available": "50%"}])
@pytest.mark.parametrize("found", [placement(), placement("PickAll")], ids=["no policy", "PickAll"])
def test_a_budget_that_does_not_suit_every_member(found, bounds) -> None:
    verdict = judge("a", found, bindings(True, True, True), budget(**bounds))
    assert verdict.valid
    assert not verdict.allowed
    assert verdict.message == (
        "Eviction is blocked by misconfigured ClusterResourcePlacementDisruptionBudget, either MaxUnavailable is "
        "specified or MinAvailable is specified as a percentage for PickAll ClusterResourcePlacement"
    )


@pytest.mark.parametrize(
    ("number", "bounds", "available", "allowed"),
    [
        (None, {"min_available": 2}, (True, True, True), True),
        (None, {"min_available": 3}, (True, True, True), False),
        (3, {"max_unavailable": 1}, (True, True, True), True),
        (3, {"max_unavailable": 1}, (True, True, False), False),
        (3, {"max_unavailable": 0}, (True, True, True), False),
        (3, {"max_unavailable": "34%"}, (True, True, False), True),  # 2 of 3
        (4, {"min_available": "50%"}, (True, True, True, False), True),
        (4, {"min_available": "51%"}, (True, True, True, False), False),  # 3 of 4
        (4, {"min_available": 2}, (True, True, True, True), True),
        (4, {}, (True, True, True, True), False),
    ],
)
def test_a_budget(number, bounds, available, allowed) -> None:
    found = placement() if number is None else placement("PickN", number)
    verdict = judge("a", found, bindings(*available), budget(**bounds))
    assert verdict.valid
    assert verdict.allowed is allowed
    word = "allowed" if allowed else "blocked"
    assert verdict.message == (
        f"Eviction is {word} by specified ClusterResourcePlacementDisruptionBudget, "
        f"availablePlacements: {sum(available)}, totalPlacements: {len(available)}"
    )


def test_availability_of_an_older_generation_does_not_count() -> None:
    found = [binding("a", AVAILABLE), binding("b", AVAILABLE, generation=2)]
    assert not judge("a", placement(), found, budget(min_available=1)).allowed


@settings(max_examples=100)
@given(
    wanted=st.integers(0, 50),
    unavailable=st.lists(st.booleans(), max_size=50),
    bound=st.one_of(st.integers(0, 60), st.integers(0, 100).map("{}%".format)),
    at_least=st.booleans(),
)
def test_one_by_one_evictions_never_overdraw_a_budget(wanted, unavailable, bound, at_least) -> None:
    spec = DisruptionBudgetSpec(min_available=bound) if at_least else DisruptionBudgetSpec(max_unavailable=bound)
    total, available = len(unavailable), unavailable.count(False)
    limit = bound if isinstance(bound, int) else -(-int(bound[:-1]) * wanted // 100)
    while available and disruptions_allowed(spec, wanted, total, available) > 0:
        available -= 1
        assert available >= limit if at_least else total - available <= limit
