"""Profiles at work on a hub: when runs are made, for whom, and what is said while none is."""

from __future__ import annotations

import pytest

from echelon.api.fleet import UpdateRun
from echelon.api.upgrade import AutoUpgradeProfile, ReleaseCatalog
from echelon.upgrade.autoupgrade import Generated, generate, history

from ..hub import Hub, order, stage
from ..provider import FAIL, HANG, SKIP, FakeProvider
from .fleet import (
    Agents,
    condition,
    create_profile,
    create_strategy,
    reason,
    set_images,
    status_of,
    surroundings_of,
    went_to,
)

OLD = {"1.29.9": [], "1.30.0": [], "1.30.4": []}
NEW = {**OLD, "1.31.1": []}
NEWER = {**NEW, "1.31.2": []}

pytestmark = pytest.mark.usefixtures("agents")


def runs(hub: Hub) -> list[UpdateRun]:
    return hub.all(UpdateRun)


async def only_run(hub: Hub) -> UpdateRun:
    await hub.until(lambda: runs(hub))
    (run,) = runs(hub)
    return run


async def at_target(hub: Hub, *versions: str) -> None:
    """Runs went to these versions, and now all members are where the channel is."""

    def is_over() -> bool:
        return went_to(hub) == list(versions) and not any(history.is_active(run) for run in runs(hub))

    await hub.until(lambda: is_over() and reason(hub) == "MembersAtTarget")


# -- what triggers ------------------------------------------------------------------------------


async def test_making_a_profile_alone_makes_no_run(hub: Hub) -> None:
    await hub.catalogue(NEW)
    await hub.join("m1", "m2")
    await create_profile(hub)
    await hub.pass_time(3600)
    assert runs(hub) == []
    status, why, message = condition(hub, "UpToDate")
    assert (status, why) == ("False", "NothingNew")
    assert message.startswith("behind Kubernetes 1.31.1: m1, m2; the channel held Kubernetes 1.31.1 when the profile")
    assert condition(hub, "Ready")[:2] == ("True", "Watching")
    assert status_of(hub).baseline_versions == ("1.31.1",)


async def test_a_new_version_is_brought_to_all_members(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", "m2", version="1.30.4")
    await create_profile(hub, name="weekly")
    assert condition(hub, "UpToDate", "weekly") == ("True", "MembersAtTarget", "all members are at Kubernetes 1.30.4")
    await hub.catalogue(NEW)
    run = await only_run(hub)
    assert (run.spec.state, run.spec.attempt, history.trigger_of(run)) == ("Run", 1, "NewVersion")
    assert run.metadata.name.startswith("auto-weekly-rapid-1-31-1-")
    await hub.until(lambda: status_of(hub, "weekly").last_update_run)
    status = status_of(hub, "weekly")
    assert (status.last_trigger_status, status.last_trigger_upgrade_versions) == ("Succeeded", ("1.31.1",))
    assert status.last_triggered_at == run.metadata.creation_timestamp
    assert "as the channel came to 1.31.1" in status.last_trigger_message
    await hub.until(lambda: reason(hub, "weekly") == "MembersAtTarget")
    assert provider.began() == ["m1", "m2"]
    await hub.pass_time(3600)
    assert len(runs(hub)) == 1


async def test_a_version_counts_from_the_moment_of_its_publication(hub: Hub) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", version="1.30.4")
    entry = {"version": "1.31.1", "published": "2026-03-02T12:00:00Z"}  # three hours on
    listed = [{"version": version} for version in OLD]
    await hub.edit(ReleaseCatalog, "catalog", {"spec": {"kubernetesVersions": [*listed, entry]}})
    await create_profile(hub)
    writes = len(hub.writes)
    await hub.pass_time(3 * 3600 - 60)
    assert runs(hub) == []
    assert len(hub.writes) == writes
    await hub.pass_time(120)
    assert [run.metadata.creation_timestamp for run in runs(hub)] == ["2026-03-02T12:00:00Z"]


async def test_a_version_that_a_region_does_not_have_yet_is_waited_for(hub: Hub) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", region="east", version="1.30.4")
    await hub.join("m2", region="west", version="1.30.4")
    await create_profile(hub)
    await hub.catalogue({**OLD, "1.31.1": ["east"]})
    await hub.until(lambda: "Kubernetes 1.31.1 is not in west yet" in condition(hub, "Ready")[2])
    assert runs(hub) == []
    await hub.catalogue({**OLD, "1.31.1": ["east", "west"]})
    await at_target(hub, "1.31.1")


async def test_a_catalogue_that_grows_elsewhere_makes_no_run(hub: Hub) -> None:
    await hub.catalogue(NEW)
    await hub.join("m1")
    await create_profile(hub, "TargetKubernetesVersion", targetKubernetesVersion="1.30")
    await hub.catalogue(NEWER)
    await hub.settle()
    assert runs(hub) == []


async def test_an_edit_of_the_profile_is_something_new(hub: Hub) -> None:
    await hub.catalogue(NEW)
    await hub.join("m1", version="1.30.4")
    await create_profile(hub, "TargetKubernetesVersion", targetKubernetesVersion="1.30")
    await hub.edit(AutoUpgradeProfile, "p", {"spec": {"targetKubernetesVersion": "1.31"}})
    await at_target(hub, "1.31.1")


async def test_new_node_images_are_brought_as_they_are_in_all_regions(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(OLD, {"Ubuntu-1.0": []})
    await hub.join("m1", "m2", region="east")
    for member in ("m1", "m2"):
        await set_images(hub, member, "Ubuntu-1.0")
    await create_profile(hub, "NodeImage")
    await hub.catalogue(OLD, {"Ubuntu-1.0": [], "Ubuntu-2.0": ["east"], "Ubuntu-3.0": ["west"]})
    run = await only_run(hub)
    selection = run.spec.managed_cluster_update.node_image_selection
    assert selection is not None
    assert [image.version for image in selection.custom_node_image_versions] == ["Ubuntu-2.0"]
    await hub.ended(name=run.metadata.name)
    for member in provider.began():
        await set_images(hub, member, "Ubuntu-2.0")
    await at_target(hub, "")


# -- catching up --------------------------------------------------------------------------------


async def taken_on(hub: Hub, *members: str, version: str = "1.30.4") -> None:
    """A profile whose members have been brought to 1.31.1."""
    await hub.catalogue(OLD)
    await hub.join(*members, version=version)
    await create_profile(hub)
    await hub.catalogue(NEW)
    await at_target(hub, "1.31.1")


async def test_a_member_that_joins_late_is_caught_up_alone(hub: Hub, provider: FakeProvider) -> None:
    await taken_on(hub, "m1", "m2")
    await hub.join("m3", version="1.30.0")
    await hub.until(lambda: provider.began() == ["m1", "m2", "m3"])
    await at_target(hub, "1.31.1", "1.31.1")
    last = hub.run(status_of(hub).last_update_run)
    assert [skip.name for skip in last.spec.skips] == ["m1", "m2"]
    assert "to catch members up to 1.31.1" in status_of(hub).last_trigger_message
    await hub.pass_time(3600)
    assert len(runs(hub)) == 2


async def test_who_joins_while_a_run_is_under_way_is_caught_up_after_it(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", version="1.30.4")
    await create_profile(hub)
    provider.behave("m1", HANG)
    await hub.catalogue(NEW)
    await hub.until(lambda: provider.began())
    await hub.join("m2", "m3", version="1.30.4")
    await hub.pass_time(3600)
    assert provider.began() == ["m1"]
    assert reason(hub) == "UpdateRunInProgress"
    provider.behave("m1", SKIP)
    await hub.until(lambda: provider.began() == ["m1", "m2", "m3"])
    await hub.until(lambda: reason(hub) == "MembersLeftBehind")  # m1, which its provider left alone
    assert len(runs(hub)) == 2


async def test_members_far_behind_go_up_by_one_minor_version_at_a_time(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue({"1.28.0": [], **OLD})
    await hub.join("m1", version="1.28.0")
    await hub.join("m2", version="1.29.0")
    await hub.join("m3", version="1.30.0")
    await create_profile(hub)
    await hub.catalogue({"1.28.0": [], **NEW})
    await at_target(hub, "1.31.1", "1.29.9", "1.30.4", "1.31.1")
    assert provider.began() == ["m3", "m1", "m1", "m2", "m1", "m2"]


async def test_a_step_that_is_missing_is_said(hub: Hub) -> None:
    await hub.catalogue({"1.28.0": [], "1.30.4": []})
    await hub.join("m1", version="1.28.0")
    await create_profile(hub)
    await hub.catalogue({"1.28.0": [], "1.30.4": [], "1.31.1": []})
    await hub.until(lambda: reason(hub) == "MembersLeftBehind")
    why = "behind Kubernetes 1.31.1: m1; there is no patch of the next minor version, in their regions, for m1"
    assert condition(hub, "UpToDate")[2] == why


async def test_a_run_that_was_generated_and_started_is_kept_true(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(NEW)
    await hub.join("m1", version="1.30.4")
    await create_profile(hub)
    profile = await hub.admin.get(AutoUpgradeProfile, "p")
    found = generate(profile, surroundings_of(hub), [], hub.clock.now())
    assert isinstance(found, Generated)
    await hub.admin.create(found.run)
    name = found.run.metadata.name
    await hub.planned(name)
    await hub.settle()
    assert reason(hub) == "NothingNew"
    await hub.start(name)
    await at_target(hub, "1.31.1")
    assert status_of(hub).last_update_run == ""
    await hub.join("m2", version="1.30.0")
    await hub.until(lambda: provider.began() == ["m1", "m2"])
    await at_target(hub, "1.31.1", "1.31.1")


# -- what keeps it from making runs -------------------------------------------------------------


async def test_a_disabled_profile_makes_no_run_and_makes_up_for_it(hub: Hub) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", version="1.30.4")
    await create_profile(hub, disabled=True)
    await hub.catalogue(NEW)
    await hub.pass_time(3600)
    assert runs(hub) == []
    assert condition(hub, "Ready")[:2] == ("False", "Disabled")
    assert condition(hub, "UpToDate")[:2] == ("False", "Disabled")
    await hub.edit(AutoUpgradeProfile, "p", {"spec": {"disabled": False}})
    await at_target(hub, "1.31.1")


async def test_disabling_a_profile_leaves_its_run_alone(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", "m2", version="1.30.4")
    await create_profile(hub)
    await hub.catalogue(NEW)
    await hub.until(lambda: provider.began())
    await hub.edit(AutoUpgradeProfile, "p", {"spec": {"disabled": True}})
    await at_target(hub, "1.31.1")


async def test_one_run_of_a_profile_at_a_time(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", version="1.30.4")
    await create_profile(hub)
    provider.behave("m1", HANG)
    await hub.catalogue(NEW)
    await hub.until(lambda: provider.began())
    await hub.catalogue(NEWER)
    await hub.pass_time(3600)
    assert went_to(hub) == ["1.31.1"]
    assert "to 1.31.1 is Running" in condition(hub, "UpToDate")[2]
    provider.behave("m1", SKIP)
    await hub.until(lambda: went_to(hub) == ["1.31.1", "1.31.2"])


async def test_a_failed_run_is_for_people_until_there_is_something_newer(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", "m2", version="1.30.4")
    await create_profile(hub)
    provider.behave("m1", FAIL)
    await hub.catalogue(NEW)
    await hub.until(lambda: reason(hub) == "UpdateRunHalted")
    name = status_of(hub).last_update_run
    assert condition(hub, "UpToDate")[2].endswith(f"update run {name} is Failed: start it again, or delete it")
    await hub.join("m3", version="1.30.4")
    await hub.pass_time(3600)
    assert went_to(hub) == ["1.31.1"]
    provider.behave("m1", SKIP)
    await hub.catalogue(NEWER)
    await hub.until(lambda: went_to(hub) == ["1.31.1", "1.31.2"])


async def test_a_failed_run_that_is_started_again_is_gone_on_from(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", version="1.30.4")
    await create_profile(hub)
    provider.behave("m1", FAIL)
    await hub.catalogue(NEW)
    await hub.until(lambda: reason(hub) == "UpdateRunHalted")
    await hub.join("m2", version="1.30.4")
    provider.behave("m1", provider.otherwise)
    await hub.start(status_of(hub).last_update_run)
    await at_target(hub, "1.31.1", "1.31.1")
    assert provider.began() == ["m1", "m1", "m2"]


async def test_a_run_that_failed_and_was_deleted_is_made_again(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", version="1.30.4")
    await create_profile(hub)
    provider.behave("m1", FAIL)
    await hub.catalogue(NEW)
    await hub.until(lambda: reason(hub) == "UpdateRunHalted")
    provider.behave("m1", provider.otherwise)
    await hub.admin.delete(UpdateRun, status_of(hub).last_update_run)
    await at_target(hub, "1.31.1")


async def test_a_strategy_that_is_missing_is_said_and_waited_for(hub: Hub) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", group="a", version="1.30.4")
    await hub.join("m2", group="b", version="1.30.0")
    await create_profile(hub, updateStrategyName="weekly")
    assert condition(hub, "Ready") == (
        "False",
        "InvalidStrategy",
        "spec.updateStrategyName: there is no UpdateStrategy 'weekly'; there are: none",
    )
    assert status_of(hub).last_trigger_status is None
    await hub.catalogue(NEW)
    await hub.until(lambda: status_of(hub).last_trigger_status == "Failed")
    error = status_of(hub).last_trigger_error
    assert error is not None
    assert error.code == "UpdateRunRefused"
    assert "there is no UpdateStrategy 'weekly'" in error.message
    await create_strategy(hub, "weekly", order(stage("one", "a")))
    await at_target(hub, "1.31.1")
    run = await only_run(hub)
    assert list(hub.states(run.metadata.name)) == ["m1"]
    assert status_of(hub).last_trigger_status == "Succeeded"
    assert status_of(hub).last_trigger_error is None


async def test_nothing_in_the_channel(hub: Hub) -> None:
    await hub.join("m1")
    await create_profile(hub)
    assert condition(hub, "Ready") == ("False", "NothingInChannel", "no ReleaseCatalog lists a Kubernetes version")
    assert condition(hub, "UpToDate")[0] == "Unknown"
    await hub.catalogue({"1.30.4": []})
    await at_target(hub, "1.30.4")


async def test_entries_that_make_no_sense_are_said(hub: Hub) -> None:
    await hub.catalogue(OLD)
    await create_profile(hub)
    assert condition(hub, "CatalogReadable")[:2] == ("True", "AllEntriesRead")
    listed = [{"version": version} for version in (*OLD, "1.031.1")]
    await hub.edit(ReleaseCatalog, "catalog", {"spec": {"kubernetesVersions": listed}})
    await hub.until(lambda: condition(hub, "CatalogReadable")[:2] == ("False", "UnreadableEntries"))
    assert "'1.031.1' is not a Kubernetes version" in condition(hub, "CatalogReadable")[2]


async def test_nothing_is_written_while_nothing_happens(hub: Hub) -> None:
    await taken_on(hub, "m1")
    await hub.settle()
    writes = len(hub.writes)
    await hub.set_version("m1", "1.31.1")
    await hub.pass_time(24 * 3600)
    assert [write for write in hub.writes[writes:] if "autoupgrade" in write[2]] == []


async def test_a_profile_that_goes_leaves_its_runs(hub: Hub) -> None:
    await taken_on(hub, "m1")
    await hub.admin.delete(AutoUpgradeProfile, "p")
    await hub.settle()
    assert len(runs(hub)) == 1


async def test_members_that_say_nothing_are_left_to_their_provider(
    hub: Hub, agents: Agents, provider: FakeProvider
) -> None:
    await hub.catalogue(OLD)
    await hub.join("m1", version="")
    await create_profile(hub)
    await hub.catalogue(NEW)
    await hub.until(lambda: provider.began() == ["m1"])
