"""What a Work's status says of its manifests, in the words of the reference (3.11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from echelon.agent.manifests import read_manifests
from echelon.agent.objects import Outcome
from echelon.agent.work_status import SIZE_LIMIT, diff_status, work_status
from echelon.api.conditions import find_condition
from echelon.api.meta import Condition
from echelon.api.placement import PatchDetail
from echelon.api.work import WorkStatus

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOTHING = WorkStatus(conditions=())


def outcome(ordinal: int = 0, reason: str = "Applied", kind: str = "ConfigMap", **fields: Any) -> Outcome:
    api_version = {"Deployment": "apps/v1", "CronJob": "batch/v1"}.get(kind, "v1")
    content = {"apiVersion": api_version, "kind": kind, "metadata": {"name": f"x{ordinal}", "namespace": "app"}}
    (manifest,) = read_manifests([msgspec.json.encode(content)])
    manifest = msgspec.structs.replace(manifest, ordinal=ordinal)
    live = content | {"metadata": {**content["metadata"], "generation": 7}} | fields.pop("live", {})
    return Outcome(manifest=manifest, resource="x", reason=reason, message="m", live=live, **fields)


def found(status: WorkStatus, type_: str) -> Condition:
    condition = find_condition(status.conditions, type_)
    assert condition is not None
    return condition


def available(live: Any, kind: str = "Deployment") -> Condition:
    status = work_status(NOTHING, [outcome(kind=kind, live=live)], 1, NOW).status
    condition = find_condition(status.manifest_conditions[0].conditions, "Available")
    assert condition is not None
    return condition


READY = {"status": {"observedGeneration": 7, "availableReplicas": 1, "updatedReplicas": 1}}


@pytest.mark.parametrize(
    ("kind", "live", "status", "reason", "message"),
    [
        ("Deployment", READY, "True", "Available", "Manifest is available"),
        (
            "Deployment",
            {},
            "False",
            "ManifestNotAvailableYet",
            "Manifest is not yet available; Fleet will check again later",
        ),
        (
            "CronJob",
            {},
            "True",
            "NotTrackable",
            "Manifest's availability is not trackable; Fleet assumes that the applied manifest is available",
        ),
        (
            "Deployment",
            {"status": "nonsense"},
            "False",
            "Failed",
            "Failed to track the availability of the applied manifest (error = AttributeError(",
        ),
    ],
)
def test_availability_of_a_manifest(kind: str, live: Any, status: str, reason: str, message: str):
    condition = available(live, kind)
    assert (condition.status, condition.reason) == (status, reason)
    assert condition.message.startswith(message)
    assert condition.observed_generation == 7


def test_availability_is_skipped_for_what_was_not_applied():
    status = work_status(NOTHING, [outcome(reason="ManifestApplyFailed")], 1, NOW).status
    assert [condition.type for condition in status.manifest_conditions[0].conditions] == ["Applied"]


@pytest.mark.parametrize(
    ("outcomes", "type_", "status", "reason", "message"),
    [
        ([outcome()], "Applied", "True", "AllManifestsApplied", "All the specified manifests have been applied"),
        (
            [outcome(), outcome(1, "ManifestApplyFailed")],
            "Applied",
            "False",
            "SomeManifestsAreNotApplied",
            "Failed to apply all manifests (1 of 2 manifests are applied)",
        ),
        (
            [outcome()],
            "Available",
            "True",
            "AllManifestsAvailable",
            "All of the applied manifests are available",
        ),
        (
            [outcome(), outcome(1, kind="CronJob")],
            "Available",
            "True",
            "WorkNotTrackable",
            "Some of the applied manifests cannot be tracked for availability",
        ),
        (
            [outcome(), outcome(1, kind="Deployment")],
            "Available",
            "False",
            "SomeManifestsAreNotAvailable",
            "Some manifests are not available (1 of 2 manifests are available)",
        ),
    ],
)
def test_conditions_of_a_work(outcomes: list[Outcome], type_: str, status: str, reason: str, message: str):
    condition = found(work_status(NOTHING, outcomes, 3, NOW).status, type_)
    assert (condition.status, condition.reason, condition.message) == (status, reason, message)
    assert condition.observed_generation == 3


@pytest.mark.parametrize(
    ("reasons", "status", "reason"),
    [
        (["FoundDiff", "NoDiffFound", "FoundDiffInDegradedMode"], "True", "AllManifestsDiffReported"),
        (["FoundDiff", "FailedToReportDiff"], "False", "SomeManifestsHaveNotReportedDiff"),
    ],
)
def test_diff_reported_of_a_work(reasons: list[str], status: str, reason: str):
    outcomes = [outcome(number, each) for number, each in enumerate(reasons)]
    reported = diff_status(NOTHING, outcomes, 1, NOW).status
    assert [(each.type, each.status, each.reason) for each in reported.conditions] == [("DiffReported", status, reason)]


def test_an_unchanged_result_makes_an_unchanged_status():
    detail = (PatchDetail(path="/a", value_in_hub="1"),)
    outcomes = [outcome(), outcome(1, "FoundDrifts", drifts=detail), outcome(2, "FailedToTakeOver", diffs=detail)]
    first = work_status(NOTHING, outcomes, 1, NOW).status
    assert work_status(first, outcomes, 1, NOW + timedelta(hours=1)).status == first


def test_times_of_details():
    def drifted(value: str) -> list[Outcome]:
        return [outcome(reason="FoundDrifts", drifts=(PatchDetail(path="/a", value_in_member=value),))]

    first = work_status(NOTHING, drifted("1"), 1, NOW).status
    second = work_status(first, drifted("2"), 1, NOW + timedelta(hours=1)).status
    details = second.manifest_conditions[0].drift_details
    assert details is not None
    assert details.first_drifted_observed_time == "2026-03-02T09:00:00Z"
    assert details.observation_time == "2026-03-02T10:00:00Z"
    gone = work_status(second, [outcome()], 1, NOW + timedelta(hours=2)).status
    assert gone.manifest_conditions[0].drift_details is None
    again = work_status(gone, drifted("2"), 1, NOW + timedelta(hours=3)).status.manifest_conditions[0].drift_details
    assert again is not None
    assert again.first_drifted_observed_time == "2026-03-02T12:00:00Z"


def test_a_status_that_would_be_too_large_is_trimmed():
    detail = (PatchDetail(path="/a", value_in_member="x" * 15_000),)
    outcomes = [outcome(number, "FoundDrifts", drifts=detail) for number in range(100)]
    status = work_status(NOTHING, outcomes, 1, NOW).status
    assert len(msgspec.json.encode(status)) < SIZE_LIMIT
    trimmed = found(status, "StatusTrimmed")
    assert (trimmed.status, trimmed.reason) == ("True", "Oversized")
    assert all(each.drift_details and not each.drift_details.observed_drifts for each in status.manifest_conditions)


def test_a_status_that_fits_says_nothing_of_its_size():
    assert find_condition(work_status(NOTHING, [outcome()], 1, NOW).status.conditions, "StatusTrimmed") is None
