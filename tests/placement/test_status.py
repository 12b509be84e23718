"""The status of a placement, from values: every step, every sum, every situation under External."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.binding import ResourceBindingStatus
from echelon.api.meta import Condition, format_time
from echelon.api.placement import FailedResourcePlacement, PlacementStatus, ResourceIdentifier
from echelon.api.snapshot import ClusterDecision
from echelon.placement.status import APPLY_STEPS, REPORT_STEPS, MemberView, View, placement_status

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KIND = "ClusterResourcePlacement"
EMPTY = PlacementStatus()
SCHEDULED = Condition("Scheduled", "True", "SchedulingPolicyFulfilled", "found all")
NOW_SELECTED = (ResourceIdentifier(version="v1", kind="Namespace", name="now"),)
APPLY = [step.type for step in APPLY_STEPS]
REPORT = [step.type for step in REPORT_STEPS]


def conditions(*statuses: str, steps: Sequence[str] = APPLY, generation: int = 1) -> tuple[Condition, ...]:
    """Conditions of a binding, one a step, with these statuses."""
    return tuple(
        Condition(step, status, f"{step}Reason", f"{step} message", observed_generation=generation)  # type: ignore[arg-type]
        for step, status in zip(steps, statuses, strict=False)
    )


def member(name: str, *statuses: str, index: str | None = "0", **more: object) -> MemberView:
    steps = more.pop("steps", APPLY)
    status = ResourceBindingStatus(conditions=conditions(*statuses, steps=steps))  # type: ignore[arg-type]
    return MemberView(cluster=name, generation=1, index=index, status=more.pop("status", status), **more)  # type: ignore[arg-type]


ALL_TRUE = ("True",) * 5


def view(*members: MemberView, refused: Sequence[str] = (), missing: Sequence[str] = (), **more: object) -> View:
    """``refused`` members were not chosen; ``missing`` ones were, and have no binding."""
    chosen = sorted([*(m.cluster for m in members), *missing])
    decisions = [ClusterDecision(cluster_name=name, selected=True, reason=f"picked {name}") for name in chosen]
    decisions += [ClusterDecision(cluster_name=name, selected=False, reason=f"no {name}") for name in refused]
    values: dict[str, object] = {
        "kind": KIND,
        "run_kind": "ClusterStagedUpdateRun",
        "generation": 3,
        "external": True,
        "report_diff": False,
        "scheduled": SCHEDULED,
        "decisions": decisions,
        "members": {member.cluster: member for member in members},
        "latest_index": "0",
        "resources_of": lambda index: (ResourceIdentifier(version="v1", kind="Namespace", name=f"old-{index}"),),
        "selected": NOW_SELECTED,
    }
    return View(**{**values, **more})  # type: ignore[arg-type]


def status_of(found: View) -> PlacementStatus:
    return placement_status(found, EMPTY, NOW)


def sums(status: PlacementStatus) -> list[tuple[str, str, str]]:
    return [(c.type.removeprefix(KIND), c.status, c.reason) for c in status.conditions]


def test_everything_is_available_everywhere() -> None:
    status = status_of(view(member("a", *ALL_TRUE), member("b", *ALL_TRUE)))
    assert [(c.type, c.status, c.reason, c.message) for c in status.conditions] == [
        (f"{KIND}Scheduled", "True", "SchedulingPolicyFulfilled", "found all"),
        (
            f"{KIND}RolloutStarted",
            "True",
            "RolloutStarted",
            "All 2 cluster(s) start rolling out the latest resource",
        ),
        (
            f"{KIND}Overridden",
            "True",
            "OverriddenSucceeded",
            "The selected resources are successfully overridden in 2 cluster(s)",
        ),
        (
            f"{KIND}WorkSynchronized",
            "True",
            "WorkSynchronized",
            "Work(s) are successfully created or updated in 2 target cluster(s)' namespaces",
        ),
        (
            f"{KIND}Applied",
            "True",
            "ApplySucceeded",
            "The selected resources are successfully applied to 2 cluster(s)",
        ),
        (
            f"{KIND}Available",
            "True",
            "ResourceAvailable",
            "The selected resources in 2 cluster(s) are available now",
        ),
    ]
    assert (status.observed_resource_index, status.selected_resources) == ("0", NOW_SELECTED)
    assert {condition.observed_generation for condition in status.conditions} == {3}
    for found in status.placement_statuses:
        assert [c.type for c in found.conditions] == ["Scheduled", *APPLY]
        assert found.conditions[0].message == f"picked {found.cluster_name}"
        assert {c.observed_generation for c in found.conditions} == {3}


def test_overrides_that_nobody_uses() -> None:
    unused = Condition("Overridden", "True", "NoOverrideSpecified", "", observed_generation=1)
    found = tuple(unused if c.type == "Overridden" else c for c in conditions(*ALL_TRUE))
    plain = member("a", status=ResourceBindingStatus(conditions=found))
    assert ("Overridden", "True", "NoOverrideSpecified") in sums(status_of(view(plain)))
    mixed = status_of(view(plain, member("b", *ALL_TRUE)))
    assert ("Overridden", "True", "OverriddenSucceeded") in sums(mixed)


FALSE = {
    "RolloutStarted": "RolloutNotStartedYet",
    "Overridden": "OverriddenFailed",
    "WorkSynchronized": "WorkNotSynchronizedYet",
    "Applied": "ApplyFailed",
    "Available": "ResourceNotAvailableYet",
    "DiffReported": "DiffReportingIncompleteOrFailed",
}
UNKNOWN = {
    "RolloutStarted": "RolloutStartedUnknown",
    "Overridden": "OverriddenPending",
    "WorkSynchronized": "WorkSynchronizedUnknown",
    "Applied": "ApplyPending",
    "Available": "ResourceAvailableUnknown",
    "DiffReported": "DiffReportingPending",
}


@pytest.mark.parametrize(
    ("report_diff", "position"),
    [(False, position) for position in range(5)] + [(True, position) for position in range(4)],
)
@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_the_first_step_that_is_not_true_is_the_last_one_shown(report_diff: bool, position: int, status: str) -> None:
    steps = REPORT if report_diff else APPLY
    statuses = ("True",) * position + (status,) + ("True",) * 5
    found = view(
        member("a", *("True",) * 5, steps=steps),
        member("b", *statuses[: len(steps)], steps=steps),
        external=False,
        report_diff=report_diff,
    )
    shown = sums(status_of(found))
    reasons = FALSE if status == "False" else UNKNOWN
    assert [type_ for type_, _, _ in shown] == ["Scheduled", *steps[: position + 1]]
    assert shown[-1] == (steps[position], status, reasons[steps[position]])
    conditions_of_b = status_of(found).placement_statuses[1].conditions
    assert [c.type for c in conditions_of_b] == ["Scheduled", *steps[: position + 1]]
    assert conditions_of_b[-1].reason == (f"{steps[position]}Reason" if status == "False" else reasons[steps[position]])


def test_unknown_goes_before_false() -> None:
    found = view(member("a", "True", "False"), member("b", "True", "Unknown"), member("c", "True", "Unknown"))
    last = status_of(found).conditions[-1]
    assert (last.status, last.reason) == ("Unknown", "OverriddenPending")
    assert "still 2 cluster(s)" in last.message


def test_conditions_of_an_older_generation_do_not_count() -> None:
    stale = member("a", *ALL_TRUE)
    found = view(msgspec.structs.replace(stale, generation=2))
    assert status_of(found).placement_statuses[0].conditions[-1].reason == "RolloutStartedUnknown"


STATUS = st.sampled_from(["True", "False", "Unknown"])
MEMBERS = st.lists(
    st.builds(
        lambda name, statuses, index: member(name, *statuses, index=index),
        st.sampled_from("abcde"),
        st.lists(STATUS, max_size=5),
        st.sampled_from([None, "0", "1"]),
    ),
    max_size=5,
    unique_by=lambda found: found.cluster,
)


@given(MEMBERS, st.booleans())
def test_what_always_holds(members: list[MemberView], external: bool) -> None:
    found = view(*members, external=external)
    status = status_of(found)
    types = [type_ for type_, _, _ in sums(status)]
    assert types == ["Scheduled", *APPLY][: len(types)]
    assert all(state == "True" for _, state, _ in sums(status)[:-1])
    assert [s.cluster_name for s in status.placement_statuses] == sorted(m.cluster for m in members)
    assert placement_status(found, status, NOW + timedelta(hours=1)) == status


# Scheduling


def test_not_scheduled_yet() -> None:
    status = status_of(view(member("a", *ALL_TRUE), scheduled=None))
    assert sums(status) == [("Scheduled", "Unknown", "SchedulePending")]
    assert status.placement_statuses == ()
    assert status.selected_resources == NOW_SELECTED


def test_members_that_could_not_be_chosen() -> None:
    failed = Condition("Scheduled", "False", "SchedulingPolicyUnfulfilled", "found 1")
    status = status_of(view(member("a", *ALL_TRUE), refused=["x", "y"], scheduled=failed))
    assert sums(status)[0] == ("Scheduled", "False", "SchedulingPolicyUnfulfilled")
    names = [(s.cluster_name, s.conditions[0].reason, s.conditions[0].message) for s in status.placement_statuses]
    assert names == [("a", "Scheduled", "picked a"), ("", "ScheduleFailed", "no x"), ("", "ScheduleFailed", "no y")]


def test_members_refused_by_a_policy_that_is_fulfilled_are_not_shown() -> None:
    status = status_of(view(member("a", *ALL_TRUE), refused=["x"]))
    assert [s.cluster_name for s in status.placement_statuses] == ["a"]


def test_nobody_is_chosen() -> None:
    status = status_of(view())
    assert sums(status) == [("Scheduled", "True", "SchedulingPolicyFulfilled")]


def test_bad_selectors() -> None:
    status = status_of(view(member("a", *ALL_TRUE), bad_selectors="no such kind"))
    assert sums(status) == [("Scheduled", "False", "InvalidResourceSelectors")]
    assert status.conditions[0].message == "The resource selectors are invalid: no such kind"


# External


def test_members_differ() -> None:
    status = status_of(view(member("a", *ALL_TRUE, index="0"), member("b", *ALL_TRUE, index="1")))
    assert sums(status)[1:] == [("RolloutStarted", "Unknown", "RolloutControlledByExternalController")]
    assert status.conditions[-1].message == (
        "Rollout is controlled by an external controller and different resource snapshot versions are observed across "
        "clusters"
    )
    assert (status.observed_resource_index, status.selected_resources) == ("", ())
    assert [s.observed_resource_index for s in status.placement_statuses] == ["0", "1"]


def test_nobody_has_anything() -> None:
    status = status_of(view(member("a", index=None), missing=["b"]))
    assert sums(status)[1:] == [("RolloutStarted", "Unknown", "RolloutControlledByExternalController")]
    assert status.conditions[-1].message.endswith(
        "To determine rollout status, check the ClusterStagedUpdateRun resources with spec.placementName matching this "
        "placement"
    )
    assert (status.observed_resource_index, status.selected_resources) == ("", ())


def test_one_is_not_started() -> None:
    status = status_of(view(member("a", *ALL_TRUE), member("b")))
    assert sums(status)[1:] == [("RolloutStarted", "Unknown", "RolloutControlledByExternalController")]
    assert status.conditions[-1].message == (
        "Rollout is controlled by an external controller and cluster b is in RolloutStarted Unknown state"
    )
    assert status.observed_resource_index == "0"


def test_all_have_an_older_snapshot() -> None:
    status = status_of(view(member("a", *ALL_TRUE, index="1"), latest_index="4"))
    assert status.observed_resource_index == "1"
    assert [found.name for found in status.selected_resources] == ["old-1"]
    assert sums(status)[-1] == ("Available", "True", "ResourceAvailable")


# By itself


def test_under_a_rolling_update_the_index_is_the_latest() -> None:
    outdated = member("a", *ALL_TRUE, index="1", outdated=True)
    status = status_of(view(outdated, member("b", *ALL_TRUE, index="4"), external=False, latest_index="4"))
    assert status.observed_resource_index == "4"
    assert [s.observed_resource_index for s in status.placement_statuses] == ["4", "4"]
    assert sums(status)[1:] == [("RolloutStarted", "False", "RolloutNotStartedYet")]


# Details of members


def test_what_failed_is_shown_while_it_fails() -> None:
    failure = FailedResourcePlacement(
        version="v1", kind="ConfigMap", name="c", condition=Condition("Applied", "False", "R", "")
    )
    for statuses, shown in (((*ALL_TRUE[:3], "False"), (failure,)), (ALL_TRUE, ())):
        status = ResourceBindingStatus(conditions=conditions(*statuses), failed_placements=(failure,))
        (found,) = status_of(view(member("a", status=status))).placement_statuses
        assert found.failed_placements == shown


def test_overrides_are_shown_once_the_rollout_has_started() -> None:
    (found,) = status_of(view(member("a", *ALL_TRUE, cluster_overrides=("o-0",)))).placement_statuses
    assert found.applicable_cluster_resource_overrides == ("o-0",)
    (found,) = status_of(view(member("a", cluster_overrides=("o-0",)))).placement_statuses
    assert found.applicable_cluster_resource_overrides == ()


def test_times_tell_when_a_condition_changed() -> None:
    first = status_of(view(member("a", *ALL_TRUE)))
    later = NOW + timedelta(hours=1)
    broken = placement_status(view(member("a", *ALL_TRUE[:4], "False")), first, later)
    times = {c.type.removeprefix(KIND): c.last_transition_time for c in broken.conditions}
    assert times.pop("Available") == format_time(later)
    assert set(times.values()) == {format_time(NOW)}
    (found,) = broken.placement_statuses
    assert found.conditions[-1].last_transition_time == format_time(later)
    assert {c.last_transition_time for c in found.conditions[:-1]} == {format_time(NOW)}
