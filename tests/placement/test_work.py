"""From bindings to Works and back, as values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from echelon.api import names
from echelon.api.binding import ResourceBindingSpec, ResourceBindingStatus
from echelon.api.meta import Condition, ObjectMeta, format_time
from echelon.api.placement import ApplyStrategy, PatchDetail
from echelon.api.snapshot import ClusterDecision
from echelon.api.work import (
    DiffDetails,
    DriftDetails,
    ManifestCondition,
    Work,
    WorkResourceIdentifier,
    WorkStatus,
)
from echelon.placement.rendering import Content, SnapshotView
from echelon.placement.work import REPORT_LIMIT, Origin, is_up_to_date, report
from echelon.placement.work import works_of as works_of_content

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BINDING = ResourceBindingSpec(
    state="Bound",
    resource_snapshot_name="web-4-snapshot",
    scheduling_policy_snapshot_name="web-0",
    target_cluster="a",
    cluster_decision=ClusterDecision(cluster_name="a", selected=True, reason="r"),
    apply_strategy=ApplyStrategy(),
)
MASTER = SnapshotView("web-4-snapshot", "4", None, (msgspec.Raw(b'{"kind":"A"}'),))
PART = SnapshotView("web-4-0", "4", 0, (msgspec.Raw(b'{"kind":"B"}'),))
BEFORE = ResourceBindingStatus()


def works_of(
    binding_name: str, binding: ResourceBindingSpec, placement: str, parts: Sequence[SnapshotView], namespace: str = ""
) -> list[Work]:
    origin = Origin(binding_name=binding_name, binding=binding, placement=placement, namespace=namespace)
    return works_of_content(origin, Content(tuple(parts)))


def test_names_and_labels() -> None:
    master, part = works_of("web-a-1", BINDING, "web", [MASTER, PART])
    assert (master.metadata.namespace, master.metadata.name) == ("fleet-member-a", "web-work")
    assert part.metadata.name == "web-0"
    for work in (master, part):
        assert work.metadata.labels == {
            names.PARENT_BINDING: "web-a-1",
            names.PARENT_PLACEMENT: "web",
            names.PARENT_SNAPSHOT_INDEX: "4",
        }
        assert work.metadata.finalizers == (names.WORK_CLEANUP,)
        assert work.spec.apply_strategy == ApplyStrategy()


def test_a_namespaced_placement() -> None:
    (work,) = works_of("web-a-1", BINDING, "web", [MASTER], namespace="app")
    assert work.metadata.name == "app.web-work"
    assert work.metadata.labels[names.PARENT_PLACEMENT_NAMESPACE] == "app"


def test_when_a_work_says_what_is_wanted() -> None:
    (wanted,) = works_of("web-a-1", BINDING, "web", [MASTER])
    metadata = msgspec.structs.replace(wanted.metadata, labels={**wanted.metadata.labels, "mine": "x"}, finalizers=())
    assert is_up_to_date(wanted, msgspec.structs.replace(wanted, metadata=metadata))
    others = [
        works_of("web-a-2", BINDING, "web", [MASTER]),
        works_of("web-a-1", BINDING, "web", [msgspec.structs.replace(MASTER, index="5")]),
        works_of("web-a-1", BINDING, "web", [msgspec.structs.replace(MASTER, manifests=())]),
        works_of(
            "web-a-1",
            msgspec.structs.replace(BINDING, apply_strategy=ApplyStrategy(type="ReportDiff")),
            "web",
            [MASTER],
        ),
    ]
    assert not any(is_up_to_date(wanted, other) for (other,) in others)


def manifest(number: int, *conditions: Condition, **more: object) -> ManifestCondition:
    identifier = WorkResourceIdentifier(ordinal=number, version="v1", kind="ConfigMap", name=f"c{number}")
    return ManifestCondition(identifier=identifier, conditions=conditions, **more)  # type: ignore[arg-type]


def work(name: str, *conditions: Condition, generation: int = 2, manifests: tuple[ManifestCondition, ...] = ()) -> Work:
    return Work(
        metadata=ObjectMeta(name=name, namespace="fleet-member-a", generation=generation),
        status=WorkStatus(conditions=conditions, manifest_conditions=manifests),
    )


def going(found: Work) -> Work:
    """The Work, on its way out."""
    return msgspec.structs.replace(
        found, metadata=msgspec.structs.replace(found.metadata, deletion_timestamp=format_time(NOW))
    )


def said(type_: str, status: str, reason: str = "R", generation: int = 2) -> Condition:
    return Condition(type_, status, reason, "m", observed_generation=generation)  # type: ignore[arg-type]


APPLIED, AVAILABLE = said("Applied", "True"), said("Available", "True")
SYNCED = [
    ("Overridden", "True", "NoOverrideSpecified", "No override rules are configured for the selected resources"),
    ("WorkSynchronized", "True", "AllWorkSynced", "All of the works are synchronized to the latest"),
]


def told(*works: Work, report_diff: bool = False, before: ResourceBindingStatus = BEFORE) -> list[tuple[str, ...]]:
    status = report(before, 3, works, NOW, report_diff=report_diff).status
    return [(c.type, c.status, c.reason, c.message) for c in status.conditions]


@pytest.mark.parametrize(
    ("works", "last"),
    [
        ([work("w")], ("Applied", "False", "ApplyInProgress", "Resources are being applied")),
        (
            [work("w", said("Applied", "True", generation=1))],
            ("Applied", "False", "ApplyInProgress", "Resources are being applied"),
        ),
        (
            [work("v", APPLIED, AVAILABLE), work("w", said("Applied", "False"))],
            ("Applied", "False", "NotAllWorkHaveBeenApplied", "Work object w has failed to apply"),
        ),
        (
            [work("w", APPLIED)],
            ("Available", "False", "NotAllWorkAreAvailable", "Work object w is not yet available"),
        ),
        (
            [work("w", APPLIED, said("Available", "False"))],
            ("Available", "False", "NotAllWorkAreAvailable", "Work object w is not yet available"),
        ),
        (
            [work("w", APPLIED, said("Available", "True", "WorkNotTrackable")), work("x", APPLIED, AVAILABLE)],
            (
                "Available",
                "True",
                "NotAllWorkAreAvailabilityTrackable",
                "The availability of work object w is not trackable",
            ),
        ),
        (
            [work("w", APPLIED, AVAILABLE)],
            ("Available", "True", "AllWorkAreAvailable", "All corresponding work objects are available"),
        ),
        (
            [work("v", APPLIED, AVAILABLE), going(work("w", APPLIED, AVAILABLE))],
            ("Applied", "False", "ApplyInProgress", "Resources are being applied"),
        ),
    ],
)
def test_what_is_told_of_a_member(works: list[Work], last: tuple[str, ...]) -> None:
    found = told(*works)
    assert found[:2] == SYNCED
    assert found[-1] == last
    if last[0] == "Available":
        assert found[2] == (
            "Applied",
            "True",
            "AllWorkHaveBeenApplied",
            "All corresponding work objects are applied",
        )


@pytest.mark.parametrize(
    ("works", "last"),
    [
        ([work("w")], ("DiffReported", "False", "DiffReportInProgress", "Diff reporting on resources is in progress")),
        (
            [work("w", said("DiffReported", "False"))],
            (
                "DiffReported",
                "False",
                "NotAllWorkHaveDiffReported",
                "Work object w has not completed diff reporting",
            ),
        ),
        (
            [work("w", said("DiffReported", "True"))],
            (
                "DiffReported",
                "True",
                "AllWorkHaveDiffReported",
                "All corresponding work objects have reported diff",
            ),
        ),
    ],
)
def test_what_is_told_of_differences(works: list[Work], last: tuple[str, ...]) -> None:
    assert told(*works, report_diff=True) == [*SYNCED, last]


def test_the_start_of_the_rollout_stays_first_and_is_observed_anew() -> None:
    started = Condition("RolloutStarted", "True", "RolloutStarted", "m", format_time(NOW), 1)
    before = ResourceBindingStatus(conditions=(started,))
    status = report(before, 3, [work("w", APPLIED, AVAILABLE)], NOW + timedelta(hours=1), report_diff=False).status
    assert status.conditions[0] == msgspec.structs.replace(started, observed_generation=3)
    assert {condition.observed_generation for condition in status.conditions} == {3}


def test_a_report_of_the_same_changes_nothing() -> None:
    works = [work("w", APPLIED, said("Available", "False"))]
    first = report(BEFORE, 3, works, NOW, report_diff=False).status
    assert report(first, 3, works, NOW + timedelta(hours=1), report_diff=False).status == first


def test_only_what_changed_gets_a_new_time() -> None:
    first = report(BEFORE, 3, [work("w", APPLIED, AVAILABLE)], NOW, report_diff=False)
    assert first.settled
    broken = work("w", APPLIED, said("Available", "False"))
    later = NOW + timedelta(hours=1)
    second = report(first.status, 3, [broken], later, report_diff=False)
    assert not second.settled
    times = {condition.type: condition.last_transition_time for condition in second.status.conditions}
    assert times.pop("Available") == format_time(later)
    assert set(times.values()) == {format_time(NOW)}


def test_what_failed_is_listed_once_and_up_to_a_limit() -> None:
    failed, unavailable = said("Applied", "False"), said("Available", "False")
    manifests = (
        manifest(0, APPLIED, AVAILABLE),
        manifest(1, failed),
        manifest(2, APPLIED, unavailable),
        *(manifest(number, failed) for number in range(3, 200)),
    )
    status = report(BEFORE, 3, [work("w", failed, manifests=manifests)], NOW, report_diff=False).status
    assert len(status.failed_placements) == REPORT_LIMIT
    assert [(f.name, f.condition.type) for f in status.failed_placements[:3]] == [
        ("c1", "Applied"),
        ("c2", "Available"),
        ("c3", "Applied"),
    ]


def test_drifts_and_differences() -> None:
    detail = PatchDetail(path="/data/key", value_in_hub="x", value_in_member="y")
    drift = DriftDetails(
        observation_time="t2",
        observed_in_member_cluster_generation=5,
        first_drifted_observed_time="t1",
        observed_drifts=(detail,),
    )
    diff = DiffDetails(observation_time="t4", first_diffed_observed_time="t3", observed_diffs=(detail,))
    manifests = (manifest(0, drift_details=drift), manifest(1, diff_details=diff))
    status = report(BEFORE, 3, [work("w", manifests=manifests)], NOW, report_diff=False).status
    (drifted,), (diffed,) = status.drifted_placements, status.diffed_placements
    for found, name in ((drifted, "c0"), (diffed, "c1")):
        assert (found.group, found.version, found.kind, found.namespace) == ("", "v1", "ConfigMap", ""), name
        assert found.envelope is None
    assert (drifted.observation_time, diffed.observation_time) == ("t2", "t4")
    assert (drifted.name, drifted.target_cluster_observed_generation, drifted.observed_drifts) == ("c0", 5, (detail,))
    assert (diffed.name, diffed.target_cluster_observed_generation, diffed.first_diffed_observed_time) == (
        "c1",
        None,
        "t3",
    )
