"""Drifts and differences on their way from a member to the placement, by a real agent."""

from __future__ import annotations

from typing import Any

from echelon.api.meta import parse_time
from echelon.api.placement import (
    ApplyStrategy,
    DiffedResourcePlacement,
    DriftedResourcePlacement,
    PatchDetail,
    PerClusterPlacementStatus,
)
from echelon.kube.patches import MergePatch

from .hub import Hub, stage
from .overrides.hubs import conditions
from .test_crash import CONFIG_MAPS, Member


async def place(hub: Hub, **strategy: Any) -> None:
    await hub.place(apply_strategy=ApplyStrategy(**strategy))
    await hub.plan(stage("all"))
    await hub.start()


async def edit(member: Member, **data: str | None) -> None:
    await member.admin.patch(CONFIG_MAPS, ("app", "settings"), MergePatch({"data": data}))


def shown(hub: Hub) -> PerClusterPlacementStatus:
    (found,) = hub.placement().status.placement_statuses
    return found


def drifts(hub: Hub) -> list[DriftedResourcePlacement]:
    return [each for found in hub.placement().status.placement_statuses for each in found.drifted_placements]


def diffs(hub: Hub) -> list[DiffedResourcePlacement]:
    return [each for found in hub.placement().status.placement_statuses for each in found.diffed_placements]


async def test_a_drift_that_is_left(bare_hub: Hub, member: Member) -> None:
    hub = bare_hub
    await place(hub, when_to_apply="IfNotDrifted")
    await hub.succeeded()
    await hub.until(lambda: hub.is_placement("Available", "True"))
    await edit(member, key="mine")
    await hub.until(lambda: drifts(hub))
    (drift,) = drifts(hub)
    assert (drift.kind, drift.namespace, drift.name) == ("ConfigMap", "app", "settings")
    assert drift.observed_drifts == (PatchDetail(path="/data/key", value_in_member="mine", value_in_hub="content"),)
    assert hub.is_placement("Applied", "False", "ApplyFailed")
    (failed,) = shown(hub).failed_placements
    assert (failed.name, failed.condition.reason) == ("settings", "FoundDrifts")
    await hub.pass_time(100)
    await edit(member, key="mine again")
    await hub.until(lambda: drifts(hub)[0].observed_drifts[0].value_in_member == "mine again")
    (later,) = drifts(hub)
    assert later.first_drifted_observed_time == drift.first_drifted_observed_time
    assert parse_time(later.observation_time) > parse_time(drift.observation_time)
    await edit(member, key="content")
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert not drifts(hub)


async def test_what_others_set_besides(bare_hub: Hub, member: Member) -> None:
    """Applied, available, and yet not all that is on the member is the hub's."""
    hub = bare_hub
    await place(hub, comparison_option="FullComparison")
    await hub.succeeded()
    await edit(member, extra="mine")
    await hub.until(lambda: drifts(hub))
    assert drifts(hub)[0].observed_drifts == (PatchDetail(path="/data/extra", value_in_member="mine"),)
    assert hub.is_placement("Available", "True")
    await edit(member, extra=None)
    await hub.until(lambda: not drifts(hub))


async def test_an_object_that_is_there_already_and_differs(bare_hub: Hub, member: Member) -> None:
    hub = bare_hub
    for obj in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "app"},
            "data": {"key": "theirs"},
        },
    ):
        await member.admin.create(obj)
    await place(hub, when_to_take_over="IfNoDiff")
    await hub.until(lambda: diffs(hub))
    (diff,) = diffs(hub)
    assert diff.observed_diffs == (PatchDetail(path="/data/key", value_in_member="theirs", value_in_hub="content"),)
    assert diff.target_cluster_observed_generation is not None
    (failed,) = shown(hub).failed_placements
    assert failed.condition.reason == "FailedToTakeOver"
    await edit(member, key="content")
    await hub.succeeded()
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert not diffs(hub)


async def test_a_run_that_only_compares(bare_hub: Hub, member: Member) -> None:
    hub = bare_hub
    await place(hub, type="ReportDiff")
    await hub.succeeded()
    await hub.until(lambda: hub.is_placement("DiffReported", "True", "DiffReportingCompleted"))
    assert conditions(hub, "a")[-1] == ("DiffReported", "True", "AllWorkHaveDiffReported")
    found = {diff.kind: diff for diff in diffs(hub)}
    assert set(found) == {"Namespace", "ConfigMap"}
    assert found["ConfigMap"].observed_diffs == (PatchDetail(path="/", value_in_hub="(the whole object)"),)
    assert found["ConfigMap"].target_cluster_observed_generation is None
    assert await member.content("settings") is None


async def test_no_more_is_listed_than_can_be_stored(bare_hub: Hub, member: Member) -> None:
    hub = bare_hub
    for number in range(120):
        await hub.configure("content", f"settings-{number}")
    await place(hub, type="ReportDiff")
    await hub.succeeded()
    await hub.until(lambda: hub.is_placement("DiffReported", "True"))
    assert len(hub.binding("a").status.diffed_placements) == 100
    assert len(diffs(hub)) == 100
