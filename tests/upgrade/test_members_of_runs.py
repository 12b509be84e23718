"""What becomes of members in a run: reference 4.3 to 4.8, 5.1 to 5.4."""

from __future__ import annotations

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun
from echelon.api.meta import ObjectMeta, Resource
from echelon.api.upgrade import ClusterUpgrade, ClusterUpgradeSpec
from echelon.kube.kinds import Unstructured
from echelon.upgrade import moments

from .hub import UPDATE, Hub, control_plane, node_images, order, stage, weekly
from .provider import FAIL, HANG, SILENT, Behaviour, FakeProvider
from .values import IMAGE

OPEN = weekly("Monday", "08:00", 8)  # the tests begin on Monday at nine
SOON = weekly("Monday", "09:10", 4)
NAMESPACES = Unstructured(Resource("", "v1", "namespaces", "Namespace", namespaced=False))
ONE_STAGE = order(stage("s", "a"))


# -- what is asked of providers -----------------------------------------------------------------


async def test_an_upgrade_says_all_that_its_provider_needs(hub: Hub) -> None:
    await hub.catalogue({"1.31.1": []}, {f"{IMAGE}-1.0": []})
    await hub.join("m1")
    await hub.begin(update="1.31")
    await hub.ended()
    (upgrade,) = hub.upgrades("m1")
    assert upgrade.metadata.namespace == "fleet-member-m1"
    assert upgrade.metadata.name.startswith("run-1-")
    assert upgrade.metadata.labels[names.UPDATE_RUN] == "run"
    assert (upgrade.spec.upgrade.type, upgrade.spec.upgrade.kubernetes_version) == ("Full", "1.31.1")
    assert [image.version for image in upgrade.spec.node_image_versions] == [f"{IMAGE}-1.0"]
    assert (upgrade.spec.cluster_resource_id, upgrade.spec.update_run) == ("fake://m1", "run")


async def test_a_member_shows_operation_times_and_message(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", Behaviour(message="Left alone: node pools spare"))
    await hub.join("m1")
    await hub.begin()
    await hub.ended()
    found = hub.member("m1")
    assert (found.operation_id, found.message, found.attempt) == ("operation-1", "Left alone: node pools spare", 1)
    assert found.cluster_resource_id == "fake://m1"
    begun, ended = moments.read(found.start_time), moments.read(found.completed_time)
    assert begun is not None
    assert ended is not None
    assert 10 <= (ended - begun).total_seconds() < 11


async def test_a_member_that_no_provider_takes_up_says_so(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", SILENT)
    await hub.join("m1")
    await hub.begin()
    await hub.until(lambda: hub.member("m1").state == "Running")
    assert hub.member("m1").message == "its upgrade was requested and waits for a provider to take it up"


async def test_a_member_without_a_namespace_waits_for_it(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", "m2")
    await hub.admin.delete(NAMESPACES, names.member_namespace("m1"))
    await hub.settle()
    await hub.begin()
    await hub.until(lambda: hub.states() == {"m1": "Pending", "m2": "Completed"})
    assert hub.member("m1").message == "its namespace fleet-member-m1 does not exist on the hub yet"


# -- 4.4 stop, 4.5 start again -------------------------------------------------------------------


async def test_4_4_stop_takes_back_what_no_provider_has_begun(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", Behaviour(held="busy"))
    await hub.join("m1")
    await hub.begin()
    await hub.ended("Pending")
    await hub.stop()
    await hub.ended("Stopped")
    await hub.until(lambda: hub.upgrades("m1") == [])
    assert hub.member("m1").state == "NotStarted"
    provider.behave("m1", Behaviour())
    await hub.start()
    await hub.ended()


async def test_4_5_completed_members_stay_and_failed_ones_are_tried_again(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m2", FAIL)
    await hub.join("m1", "m2", "m3")
    await hub.begin()
    await hub.ended("Failed")
    completed = hub.member("m1")
    provider.behave("m2", Behaviour())
    await hub.start()
    await hub.ended()
    assert provider.begun == [("m1", 1), ("m2", 1), ("m2", 2), ("m3", 2)]
    assert hub.member("m1") == completed
    assert hub.member("m2").attempt == 2


async def test_4_5_what_the_user_skipped_stays_skipped(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", FAIL)
    await hub.join("m1", "m2", "m3")
    await hub.create()
    await hub.planned()
    await hub.skip("Member:m2")
    await hub.start()
    await hub.ended("Failed")
    provider.behave("m1", Behaviour())
    await hub.start()
    await hub.ended()
    assert hub.states() == {"m1": "Completed", "m2": "Skipped", "m3": "Completed"}


async def test_4_5_the_target_of_a_retry_is_that_of_the_attempt_before(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", FAIL)
    await hub.catalogue({"1.30.4": []}, {f"{IMAGE}-1.0": []})
    await hub.join("m1", "m2")
    await hub.begin(update="1.30")
    await hub.ended("Failed")
    await hub.catalogue({"1.30.4": [], "1.30.5": []}, {f"{IMAGE}-1.0": [], f"{IMAGE}-2.0": []})
    provider.behave("m1", Behaviour())
    await hub.start()
    await hub.ended()
    first, second = hub.upgrades("m1")
    assert (first.spec.attempt, second.spec.attempt) == (1, 2)
    assert second.spec.upgrade == first.spec.upgrade
    assert second.spec.node_image_versions == first.spec.node_image_versions
    (latest,) = hub.upgrades("m2")
    assert latest.spec.upgrade.kubernetes_version == "1.30.5"
    assert [image.version for image in latest.spec.node_image_versions] == [f"{IMAGE}-2.0"]


async def test_an_attempt_raised_while_a_member_runs_tries_it_again_when_it_fails(
    hub: Hub, provider: FakeProvider
) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1")
    await hub.begin()
    await hub.until(lambda: hub.member("m1").operation_id)
    await hub.stop()
    await hub.ended("Stopping")
    await hub.start()
    await hub.until(lambda: hub.state() == "Running")
    provider.behave("m1", FAIL)
    await hub.until(lambda: ("m1", 1) in provider.begun and hub.upgrades("m1")[0].status.state == "Failed")
    provider.behave("m1", Behaviour())
    await hub.ended()
    assert provider.begun == [("m1", 1), ("m1", 2)]


# -- 4.6 skip -----------------------------------------------------------------------------------


async def test_4_6_a_pending_member_can_be_skipped_to_unblock_the_run(hub: Hub) -> None:
    await hub.join("m1", window=weekly("Friday", "22:00", 4))
    await hub.join("m2")
    await hub.begin()
    await hub.ended("Pending")
    await hub.skip("Member:m1")
    await hub.ended()
    assert hub.states() == {"m1": "Skipped", "m2": "Completed"}


async def test_4_6_a_member_whose_provider_waits_can_be_skipped(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", Behaviour(held="busy"))
    await hub.join("m1", "m2")
    await hub.begin()
    await hub.ended("Pending")
    await hub.skip("Member:m1")
    await hub.ended()
    assert hub.upgrades("m1") == []
    assert provider.began() == ["m2"]


async def test_4_6_what_runs_is_awaited(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1", "m2", group="a")
    await hub.begin(strategy=ONE_STAGE)
    await hub.until(lambda: hub.member("m1").operation_id)
    await hub.skip("Group:a")
    await hub.until(lambda: hub.member("m2").state == "Skipped")
    assert hub.member("m1").state == "Running"
    provider.behave("m1", Behaviour())
    await hub.ended()
    assert hub.states() == {"m1": "Completed", "m2": "Skipped"}


async def test_4_6_the_wait_after_a_stage_can_be_skipped_also_while_it_goes_on(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    await hub.begin(strategy=order(stage("one", "a", afterStageWaitInSeconds=3600), stage("two", "b")))
    await hub.until(lambda: hub.stage().groups[0].state == "Completed")
    assert hub.stage().state == "Running"
    await hub.skip("AfterStageWait:one")
    await hub.ended()
    wait = hub.stage().after_stage_wait_status
    assert wait is not None
    assert wait.state == "Skipped"


# -- 4.8 members that come and go ---------------------------------------------------------------


async def test_4_8_who_joins_later_is_not_part_of_the_run(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1", group="a")
    await hub.begin(strategy=ONE_STAGE)
    await hub.until(lambda: hub.state() == "Running")
    await hub.join("m2", group="a")
    await hub.join("m3", group="b")
    await hub.until(lambda: any(found.type == "CoversFleet" for found in hub.status().conditions))
    assert hub.condition("CoversFleet") == (
        "False",
        "MembersJoinedLater",
        "not part of the run, which was planned before they came: m2",
    )
    provider.behave("m1", Behaviour())
    await hub.ended()
    assert provider.began() == ["m1"]


async def test_4_8_who_leaves_is_skipped_also_while_it_is_upgraded(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1", "m2", "m3")
    await hub.begin()
    await hub.until(lambda: hub.member("m1").state == "Running")
    await hub.admin.delete(MemberCluster, "m3")
    await hub.until(lambda: hub.member("m3").state == "Skipped")
    await hub.admin.delete(MemberCluster, "m1")
    await hub.ended()
    assert hub.states() == {"m1": "Skipped", "m2": "Completed", "m3": "Skipped"}
    assert hub.member("m1").message == "the member has left the fleet"


async def test_4_8_a_change_of_group_does_not_move_a_member(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    await hub.begin(strategy=order(stage("one", "a"), stage("two", "b")))
    await hub.until(lambda: hub.state() == "Running")
    await hub.edit(MemberCluster, "m2", {"metadata": {"labels": {names.UPDATE_GROUP: "a"}}})
    provider.behave("m1", Behaviour())
    await hub.ended()
    assert [one.name for one in hub.group("b").members] == ["m2"]
    assert provider.began() == ["m1", "m2"]


async def test_5_9_members_are_selected_when_their_stage_begins(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1", group="a")
    await hub.join("m2")
    selecting = stage("two", memberSelector={"byLabel": "ring=late"})
    await hub.begin(strategy=order(stage("one", "a"), selecting))
    await hub.until(lambda: hub.state() == "Running")
    assert hub.stage(1).groups[0].members == ()
    await hub.edit(MemberCluster, "m2", {"metadata": {"labels": {"ring": "late"}}})
    await hub.until(lambda: hub.stage(1).groups[0].members)
    provider.behave("m1", Behaviour())
    await hub.ended()
    assert provider.began() == ["m1", "m2"]


# -- deletion -----------------------------------------------------------------------------------


async def test_deleting_a_run_leaves_upgrades_under_way_and_tidies_up_after_them(
    hub: Hub, provider: FakeProvider
) -> None:
    provider.behave("m2", HANG)
    await hub.join("m1", "m2", "m3")
    await hub.begin()
    await hub.until(lambda: hub.member("m2").operation_id)
    await hub.admin.delete(UpdateRun, "run")
    await hub.until(lambda: hub.upgrades("m1") == [])
    await hub.settle()
    assert hub.upgrades("m2")[0].status.state == "Running"
    provider.behave("m2", Behaviour())
    await hub.until(lambda: hub.all(ClusterUpgrade) == [])
    assert provider.began() == ["m1", "m2"]


async def test_a_run_of_the_same_name_is_another_run(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1")
    await hub.begin()
    await hub.until(lambda: hub.member("m1").operation_id)
    await hub.admin.delete(UpdateRun, "run")
    await hub.until(lambda: hub.find(UpdateRun, "run") is None)
    await hub.begin()
    await hub.until(lambda: hub.member("m1").state == "Pending")
    assert hub.member("m1").message == "update run run is upgrading it"
    provider.behave("m1", Behaviour())
    await hub.ended()
    assert len(provider.begun) == 2


# -- 9.8 several runs ---------------------------------------------------------------------------


async def test_a_member_is_upgraded_by_one_run_at_a_time(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1")
    await hub.begin("first")
    await hub.until(lambda: hub.state("first") == "Running")
    await hub.begin("second")
    await hub.ended("Pending", "second")
    found = hub.member("m1", "second")
    assert found.error is not None
    assert (found.error.code, found.message) == ("OperationInProgress", "update run first is upgrading it")
    provider.behave("m1", Behaviour())
    await hub.ended(name="first")
    await hub.ended(name="second")
    assert len(provider.begun) == 2
    assert provider.most == 1


# -- 5.1 windows --------------------------------------------------------------------------------


async def test_5_1_open_windows_go_first_and_closed_ones_wait(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", window=SOON)
    await hub.join("m2", "m3")
    await hub.join("m4", window=OPEN)
    await hub.begin()
    await hub.ended()
    assert provider.began() == ["m4", "m2", "m3", "m1"]
    begun = moments.read(hub.member("m1").start_time)
    assert begun is not None
    assert f"{begun:%H:%M}" == "09:10"


async def test_5_1_each_type_of_upgrade_has_its_own_window(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", window=weekly("Friday", "22:00", 4))
    await hub.join("m2", image_window=weekly("Friday", "22:00", 4))
    await hub.begin("images", managedClusterUpdate=node_images())
    await hub.ended("Pending", "images")
    assert hub.states("images") == {"m1": "Completed", "m2": "Pending"}
    await hub.stop("images")
    await hub.begin("planes", managedClusterUpdate=control_plane("1.30.4"))
    await hub.ended("Pending", "planes")
    assert hub.states("planes") == {"m1": "Pending", "m2": "Completed"}


async def test_a_window_that_is_changed_counts_at_once(hub: Hub) -> None:
    await hub.join("m1", window=weekly("Friday", "22:00", 4))
    await hub.begin()
    await hub.ended("Pending")
    await hub.edit(MemberCluster, "m1", {"metadata": {"annotations": {names.MAINTENANCE_WINDOW: "{}"}}})
    await hub.until(lambda: hub.member("m1").error)
    assert hub.member("m1").message.startswith("its maintenance window cannot be read: ")
    await hub.edit(MemberCluster, "m1", {"metadata": {"annotations": {names.MAINTENANCE_WINDOW: None}}})
    await hub.ended()


async def test_a_provider_that_cannot_begin_before_a_time_gives_up_the_place(hub: Hub, provider: FakeProvider) -> None:
    later = "2026-03-02T09:30:00Z"
    provider.behave("m1", Behaviour(held="the platform's window is closed", not_before=later))
    await hub.join("m1", "m2")
    await hub.begin()
    await hub.until(lambda: hub.states() == {"m1": "Pending", "m2": "Completed"})
    found = hub.member("m1")
    assert found.message == "the platform's window is closed; not before 2026-03-02 09:30:00 UTC"
    assert hub.upgrades("m1") == []
    provider.behave("m1", Behaviour())
    await hub.pass_time(60)
    assert hub.upgrades("m1") == []
    await hub.until(lambda: hub.state() == "Completed", within=3600)
    assert provider.began() == ["m2", "m1"]
    requests = [path for _, method, path in hub.writes if method == "POST" and path.endswith("/clusterupgrades")]
    assert len(requests) == 3  # of m1 twice: asked for, taken back, asked for once it can begin


# -- strangers ----------------------------------------------------------------------------------


async def test_upgrades_that_no_run_made_are_left_alone_and_waited_for(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1")
    spec = ClusterUpgradeSpec(upgrade=UPDATE.upgrade, update_run="run")
    metadata = ObjectMeta(name="by-hand", namespace=names.member_namespace("m1"))
    await hub.admin.create(ClusterUpgrade(metadata=metadata, spec=spec))
    await hub.until(lambda: provider.begun)
    await hub.begin()
    await hub.ended("Pending")
    provider.behave("m1", Behaviour())
    await hub.ended()
    assert len(hub.upgrades("m1")) == 2
