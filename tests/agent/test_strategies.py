"""Apply strategies: how objects are written, taken over, left alone, compared (reference 3.11)."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.agent import comparison
from echelon.api.placement import PatchDetail
from echelon.api.work import DiffDetails, DriftDetails

from .clusters import Object
from .member import Member, config_map, deployment, passes, ready, secret

SERVER_SIDE = {"type": "ServerSideApply"}
REPORT = {"type": "ReportDiff"}
CAREFUL = {"whenToApply": "IfNotDrifted"}
FULL = {"comparisonOption": "FullComparison"}
LAST_APPLIED = "kubernetes-fleet.io/last-applied-configuration"
SPEC_HASH = "kubernetes-fleet.io/spec-hash"


def live(member: Member, kind: str = "ConfigMap", name: str = "settings") -> Object:
    return member.member.get(kind, name, "app")


def drift(member: Member, ordinal: int = 0) -> DriftDetails:
    found = member.manifest(ordinal).drift_details
    assert found is not None
    return found


def diff(member: Member, ordinal: int = 0) -> DiffDetails:
    found = member.manifest(ordinal).diff_details
    assert found is not None
    return found


async def theirs(member: Member, value: str = "theirs", **data: Any) -> None:
    """Somebody edits the ConfigMap."""
    await member.member.edit("ConfigMap", "settings", {"data": {"key": value, **data}}, "app")


async def quiet(member: Member, seconds: float = 1200) -> None:
    """Nothing is written, and nothing looked at, for a while."""
    await member.pass_time(1)
    on_hub, on_member, before = len(member.hub.written(path="works")), len(member.member.written()), passes()
    await member.pass_time(seconds)
    assert len(member.hub.written(path="works")) == on_hub
    assert len(member.member.written()) == on_member
    assert passes() == before


# -- ClientSideApply ----------------------------------------------------------------------------


async def test_client_side_apply_marks_what_it_applied(member: Member):
    await member.work("web", config_map(), type="ClientSideApply")
    await member.available()
    annotations = live(member)["metadata"]["annotations"]
    assert annotations[LAST_APPLIED] == (
        '{"apiVersion":"v1","data":{"key":"one"},"kind":"ConfigMap","metadata":{"name":"settings","namespace":"app"}}'
    )
    assert len(annotations[SPEC_HASH]) == 64
    await quiet(member)


async def test_labels_of_others_outlive_the_last_label_of_the_work(member: Member):
    await member.work("web", config_map(labels={"ours": "1"}, annotations={"note": "1"}))
    await member.available()
    await member.member.edit("ConfigMap", "settings", {"metadata": {"labels": {"theirs": "2"}}}, "app")
    await member.rework("web", config_map())
    await member.until(lambda: live(member)["metadata"]["labels"] == {"theirs": "2"})
    assert "note" not in live(member)["metadata"]["annotations"]


async def test_values_that_the_server_writes_differently_are_not_written_again(member: Member):
    """A quantity is stored in its canonical form; that is no reason to apply again and again."""
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000m"}}
    await member.work("web", manifest)
    await member.applied()
    await member.pass_time(1)
    before = len(member.member.written())
    for round_ in range(5):
        await member.member.edit("Deployment", "web", {"status": {"replicas": round_}}, "app", subresource="status")
        await member.pass_time(1)
    assert len(member.member.written()) == before


async def test_what_is_too_large_for_an_annotation_is_applied_server_side(member: Member):
    await member.work("web", config_map(value="x" * 270_000))
    await member.available()
    metadata = live(member)["metadata"]
    assert LAST_APPLIED not in metadata["annotations"]
    assert metadata["annotations"][SPEC_HASH]
    assert [(entry["manager"], entry["operation"]) for entry in metadata["managedFields"]] == [
        ("work-api-agent", "Apply")
    ]
    await quiet(member)


async def test_what_grows_too_large_and_shrinks_again(member: Member):
    await member.work("web", config_map())
    await member.available()
    large = config_map(value="x" * 270_000)
    large["data"]["extra"] = "1"
    await member.rework("web", large)
    await member.until(lambda: len(live(member)["data"]["key"]) == 270_000)
    assert LAST_APPLIED not in live(member)["metadata"]["annotations"]
    await member.rework("web", config_map(value="y" * 270_000))
    await member.until(lambda: live(member)["data"]["key"][0] == "y")
    assert "extra" not in live(member)["data"]
    await member.rework("web", config_map(value="small"))
    await member.until(lambda: live(member)["data"]["key"] == "small")
    assert LAST_APPLIED in live(member)["metadata"]["annotations"]


# -- ServerSideApply ----------------------------------------------------------------------------


async def test_server_side_apply(member: Member):
    await member.work("web", config_map(), **SERVER_SIDE)
    await member.available()
    (entry,) = live(member)["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("work-api-agent", "Apply")
    assert live(member)["metadata"]["ownerReferences"][0]["name"] == "web"
    await quiet(member)
    await member.rework("web", config_map(value="two"), **SERVER_SIDE)
    await member.until(lambda: live(member)["data"] == {"key": "two"})


async def test_server_side_apply_undoes_drift_of_its_fields_by_force(member: Member):
    strategy = {**SERVER_SIDE, "serverSideApplyConfig": {"force": True}}
    await member.work("web", config_map(), **strategy)
    await member.available()
    await theirs(member, other="stays")
    await member.until(lambda: live(member)["data"] == {"key": "one", "other": "stays"})
    await quiet(member)


async def test_server_side_apply_reports_conflicts(member: Member):
    await member.work("web", config_map(), **SERVER_SIDE)
    await member.available()
    await theirs(member)
    condition = await member.failed("ManifestApplyFailed")
    assert 'conflict with "echelon"' in condition.message
    assert ".data.key" in condition.message
    before = passes()
    await member.pass_time(600)
    assert passes() - before < 15
    assert live(member)["data"] == {"key": "theirs"}
    await theirs(member, "one")
    await member.available()


async def test_server_side_after_client_side_takes_back_what_it_leaves_out(member: Member):
    manifest = config_map()
    manifest["data"]["extra"] = "1"
    await member.work("web", manifest)
    await member.available()
    await member.rework("web", manifest, **SERVER_SIDE)
    await member.until(lambda: LAST_APPLIED not in live(member)["metadata"]["annotations"])
    await member.rework("web", config_map(), **SERVER_SIDE)
    await member.until(lambda: live(member)["data"] == {"key": "one"})


# -- whenToTakeOver and ownership ---------------------------------------------------------------


async def test_take_over_always(member: Member):
    await member.member.create(config_map(value="theirs", labels={"team": "a"}))
    await member.work("web", config_map(), whenToTakeOver="Always")
    await member.available()
    assert live(member)["data"] == {"key": "one"}
    assert live(member)["metadata"]["labels"] == {"team": "a"}
    assert live(member)["metadata"]["ownerReferences"][0]["name"] == "web"


async def test_take_over_never(member: Member):
    await member.member.create(config_map())
    await member.work("web", config_map(), whenToTakeOver="Never")
    condition = await member.failed("NotTakenOver")
    assert "says never to take over" in condition.message
    assert "ownerReferences" not in live(member)["metadata"]
    await quiet(member)
    await member.member.delete("ConfigMap", "settings", "app")
    await member.available()


async def test_take_over_if_no_diff(member: Member):
    await member.member.create(config_map(labels={"team": "a"}))
    await member.work("web", config_map(), whenToTakeOver="IfNoDiff")
    await member.available()
    assert live(member)["metadata"]["ownerReferences"][0]["name"] == "web"


async def test_failed_to_take_over_because_of_a_diff(member: Member):
    await member.member.create(config_map(value="theirs"))
    await member.work("web", config_map(), whenToTakeOver="IfNoDiff")
    condition = await member.failed("FailedToTakeOver")
    assert "differs from the manifest" in condition.message
    assert diff(member).observed_diffs == (PatchDetail(path="/data/key", value_in_member="theirs", value_in_hub="one"),)
    assert "ownerReferences" not in live(member)["metadata"]
    await quiet(member)
    await theirs(member, "one")
    await member.available()
    assert member.manifest().diff_details is None


async def test_full_comparison_counts_what_the_manifest_does_not_say(member: Member):
    await member.member.create(config_map(labels={"team": "a"}))
    await member.work("web", config_map(), whenToTakeOver="IfNoDiff", **FULL)
    await member.failed("FailedToTakeOver")
    assert diff(member).observed_diffs == (PatchDetail(path="/metadata/labels/team", value_in_member="a"),)


async def test_an_object_of_another_placement_is_never_taken_over(member: Member):
    await member.work("db", config_map())
    await member.available("db")
    await member.work("web", config_map(value="two"), allowCoOwnership=True)
    condition = await member.failed("FailedToTakeOver")
    assert "owned by another placement on this member (AppliedWork db)" in condition.message
    assert live(member)["data"] == {"key": "one"}
    await quiet(member)
    await member.unwork("db")
    await member.available()
    assert live(member)["data"] == {"key": "two"}


def foreign_owner(member: Member) -> Object:
    uid = member.member.get("Namespace", "app")["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "Namespace", "name": "app", "uid": uid}


async def test_an_object_with_owners_outside_the_fleet_is_refused(member: Member):
    await member.member.create(config_map(value="theirs", ownerReferences=[foreign_owner(member)]))
    await member.work("web", config_map())
    condition = await member.failed("FailedToTakeOver")
    assert "owned by Namespace app, which is not of the fleet" in condition.message
    await quiet(member)
    await member.rework("web", config_map(), allowCoOwnership=True)
    await member.available()
    assert [owner["kind"] for owner in live(member)["metadata"]["ownerReferences"]] == ["Namespace", "AppliedWork"]


async def test_an_own_object_that_gets_another_owner_is_written_no_more(member: Member):
    await member.work("web", config_map())
    await member.available()
    owners = [*live(member)["metadata"]["ownerReferences"], foreign_owner(member)]
    await member.member.edit("ConfigMap", "settings", {"metadata": {"ownerReferences": owners}}, "app")
    await member.failed("ManifestApplyFailed")
    assert member.recorded() == ["settings"]


# -- whenToApply --------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [CAREFUL, CAREFUL | SERVER_SIDE])
async def test_found_drifts(member: Member, strategy: dict[str, Any]):
    await member.work("web", config_map(), **strategy)
    await member.available()
    await theirs(member, unmanaged="1")
    condition = await member.failed("FoundDrifts")
    assert "changed on the member after it was applied" in condition.message
    found = drift(member)
    assert found.observed_drifts == (PatchDetail(path="/data/key", value_in_member="theirs", value_in_hub="one"),)
    assert live(member)["data"]["key"] == "theirs"
    assert member.recorded() == ["settings"]
    await quiet(member)
    await theirs(member, "one")
    await member.available()
    assert member.manifest().drift_details is None


async def test_times_of_a_drift(member: Member):
    await member.work("web", config_map(), **CAREFUL)
    await member.available()
    await theirs(member)
    await member.failed("FoundDrifts")
    first = drift(member)
    assert first.first_drifted_observed_time == first.observation_time
    await member.pass_time(60)
    await theirs(member, "again")
    await member.until(lambda: drift(member).observed_drifts[0].value_in_member == "again")
    second = drift(member)
    assert second.first_drifted_observed_time == first.first_drifted_observed_time
    assert second.observation_time > first.observation_time


async def test_a_new_version_is_applied_over_drift(member: Member):
    await member.work("web", config_map(), **CAREFUL)
    await member.available()
    await theirs(member)
    await member.failed("FoundDrifts")
    await member.rework("web", config_map(value="two"), **CAREFUL)
    await member.available()
    assert live(member)["data"] == {"key": "two"}


async def test_found_drifts_in_degraded_mode(member: Member):
    """The member says that the manifest is invalid there, so all fields are compared."""
    await member.work("web", deployment(), **CAREFUL)
    await member.until(lambda: member.is_work("Applied", "True"))
    mark = live(member, "Deployment", "web")["metadata"]["annotations"][SPEC_HASH]
    await member.stop()
    await member.member.delete("Deployment", "web", "app")
    other = deployment()
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    owner = member.member.get("AppliedWork", "web")
    reference = {
        "kind": "AppliedWork",
        "apiVersion": owner["apiVersion"],
        "name": "web",
        "uid": owner["metadata"]["uid"],
    }
    other["metadata"] |= {"annotations": {SPEC_HASH: mark}, "ownerReferences": [reference]}
    await member.member.create(other)
    await member.start()
    await member.failed("FoundDriftsInDegradedMode")
    assert "/spec/selector/matchLabels/app" in {detail.path for detail in drift(member).observed_drifts}


async def test_failed_to_run_drift_detection(member: Member):
    await member.work("web", config_map(), **CAREFUL)
    await member.available()
    member.member.permissions.forbidden = lambda attributes: attributes.verb == "patch"
    await theirs(member)
    condition = await member.failed("FailedToRunDriftDetection")
    assert "forbidden" in condition.message
    member.member.permissions.forbidden = lambda attributes: False
    await member.failed("FoundDrifts")


async def test_full_comparison_reports_what_others_added_to_an_applied_object(member: Member):
    await member.work("web", config_map(), **FULL)
    await member.available()
    await theirs(member, "one", unmanaged="1")
    await member.until(lambda: member.manifest().drift_details)
    assert member.is_work("Applied", "True")
    assert drift(member).observed_drifts == (PatchDetail(path="/data/unmanaged", value_in_member="1"),)
    await quiet(member)


async def test_applied_with_failed_drift_detection(member: Member, monkeypatch: pytest.MonkeyPatch):
    """What cannot be compared is applied, says that it could not be compared, and is compared again."""
    read, works = comparison.comparable, False

    def comparable(obj: dict[str, Any]) -> dict[str, Any]:
        if not works:
            raise RecursionError("maximum recursion depth exceeded")
        return read(obj)

    monkeypatch.setattr(comparison, "comparable", comparable)
    await member.work("web", config_map(), **FULL)
    await member.available()
    condition = member.manifest_condition("Applied")
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "AppliedWithFailedDriftDetection")
    assert condition.message == (
        "Manifest has been applied successfully, but drift detection has failed (error: the objects cannot be "
        "compared: maximum recursion depth exceeded)"
    )
    works = True
    await member.until(lambda: (found := member.manifest_condition("Applied")) and found.reason == "Applied")


# -- ReportDiff ---------------------------------------------------------------------------------


async def reported(member: Member, reason: str, ordinal: int = 0) -> None:
    def holds() -> bool:
        found = member.manifest_condition("DiffReported", ordinal)
        return found is not None and found.reason == reason

    await member.until(holds, describe=member.find_work)


async def test_report_diff_writes_nothing_on_the_member(member: Member):
    await member.member.create(config_map(value="theirs"))
    await member.work("web", config_map(), deployment(), **REPORT)
    await reported(member, "FoundDiff")
    assert [write for write in member.member.written() if write.method != "PATCH"] == []
    assert live(member)["data"] == {"key": "theirs"}
    assert "ownerReferences" not in live(member)["metadata"]
    assert member.member.find("AppliedWork", "web") is None
    assert member.member.find("Deployment", "web", "app") is None
    await quiet(member)


async def test_found_diff(member: Member):
    await member.member.create(config_map(value="theirs", labels={"team": "a"}))
    await member.work("web", config_map(), **REPORT)
    await reported(member, "FoundDiff")
    condition = member.manifest_condition("DiffReported")
    assert condition is not None
    assert condition.message == "Diff has been found between the hub cluster and the member cluster"
    found = diff(member)
    assert found.observed_diffs == (PatchDetail(path="/data/key", value_in_member="theirs", value_in_hub="one"),)
    assert found.observed_in_member_cluster_generation == 0
    assert member.is_work("DiffReported", "True", "AllManifestsDiffReported")
    assert member.work_condition("Applied") is None
    assert member.work_condition("Available") is None


async def test_no_diff_found(member: Member):
    await member.member.create(config_map())
    await member.work("web", config_map(), **REPORT)
    await reported(member, "NoDiffFound")
    condition = member.manifest_condition("DiffReported")
    assert condition is not None
    assert condition.message == "No diff has been found between the hub cluster and the member cluster"
    assert member.manifest().diff_details is None
    await theirs(member)
    await reported(member, "FoundDiff")


async def test_an_object_that_is_not_there_differs_as_a_whole(member: Member):
    await member.work("web", config_map(), **REPORT)
    await reported(member, "FoundDiff")
    found = diff(member)
    assert found.observed_diffs == (PatchDetail(path="/", value_in_hub="(the whole object)"),)
    assert found.observed_in_member_cluster_generation is None


async def test_found_diff_in_degraded_mode(member: Member):
    other = deployment()
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    await member.member.create(other)
    await member.work("web", deployment(), **REPORT)
    await reported(member, "FoundDiffInDegradedMode")
    assert member.is_work("DiffReported", "True")
    assert "/spec/selector/matchLabels/app" in {detail.path for detail in diff(member).observed_diffs}


async def test_failed_to_report_diff(member: Member):
    await member.member.create(config_map())
    member.member.permissions.forbidden = lambda attributes: attributes.verb == "patch"
    await member.work("web", config_map(), **REPORT)
    await reported(member, "FailedToReportDiff")
    condition = member.manifest_condition("DiffReported")
    assert condition is not None
    assert condition.status == "False"
    assert condition.message.startswith("Failed to report the diff between the hub cluster and the member cluster")
    assert member.is_work("DiffReported", "False", "SomeManifestsHaveNotReportedDiff")
    member.member.permissions.forbidden = lambda attributes: False
    await reported(member, "NoDiffFound")


async def test_secrets_are_redacted(member: Member):
    await member.member.create(secret(value="dGhlaXJz"))
    await member.work("web", secret(), **REPORT)
    await reported(member, "FoundDiff")
    assert diff(member).observed_diffs == (
        PatchDetail(
            path="/data/password",
            value_in_member="(redacted for security reasons)",
            value_in_hub="(redacted for security reasons)",
        ),
    )


async def test_full_comparison_of_a_report(member: Member):
    await member.member.create(config_map(labels={"team": "a"}))
    await member.work("web", config_map(), **REPORT, **FULL)
    await reported(member, "FoundDiff")
    assert diff(member).observed_diffs == (PatchDetail(path="/metadata/labels/team", value_in_member="a"),)


async def test_from_applying_to_reporting_and_back(member: Member):
    await member.work("web", config_map("a"), config_map())
    await member.available()
    await member.rework("web", config_map(value="two"), **REPORT)
    await reported(member, "FoundDiff")
    await member.pass_time(5)
    assert live(member)["data"] == {"key": "one"}
    assert member.member.find("ConfigMap", "a", "app") is not None
    await member.rework("web", config_map(value="two"), type="ClientSideApply")
    await member.available()
    assert live(member)["data"] == {"key": "two"}
    assert member.work_condition("DiffReported") is None
    assert member.member.find("ConfigMap", "a", "app") is None


async def test_at_most_a_hundred_details_of_an_object(member: Member):
    manifest = config_map()
    manifest["data"] = {f"key-{number}": "hub" for number in range(250)}
    there = config_map()
    there["data"] = dict.fromkeys(manifest["data"], "member")
    await member.member.create(there)
    await member.work("web", manifest, **REPORT)
    await reported(member, "FoundDiff")
    assert len(diff(member).observed_diffs) == 100


async def test_a_status_too_large_to_store_loses_its_details(member: Member):
    works = []
    for number in range(12):
        there, manifest = config_map(f"c{number}", "m" * 140_000), config_map(f"c{number}", "hub")
        await member.member.create(there)
        works.append(manifest)
    await member.work("web", *works, **REPORT)
    await reported(member, "FoundDiff")
    assert member.is_work("StatusTrimmed", "True", "Oversized")
    assert diff(member).observed_diffs == ()
    assert diff(member).first_diffed_observed_time


async def test_availability_of_a_workload_does_not_matter_to_a_report(member: Member):
    await member.member.create(deployment())
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.work("web", deployment(), **REPORT)
    await reported(member, "NoDiffFound")
