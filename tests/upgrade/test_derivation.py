"""States from the bottom up: every row of the reference's section 4.2, on a hub."""

from __future__ import annotations

from echelon.api.fleet import Gate

from .hub import Hub, control_plane, full, node_images, order, stage, weekly
from .provider import FAIL, HANG, SKIP, Behaviour, FakeProvider
from .values import IMAGE

CLOSED = weekly("Friday", "22:00", 4)  # the tests begin on a Monday
APPROVAL = [{"type": "Approval"}]
SIDE_BY_SIDE = order(stage("s", "a", "b"))
TWO_STAGES = order(stage("one", "a"), stage("two", "b"))


# -- a member is Pending when -------------------------------------------------------------------


async def test_4_2_member_pending_while_its_window_is_closed(hub: Hub) -> None:
    await hub.join("m1", window=CLOSED)
    await hub.begin()
    await hub.until(lambda: hub.member("m1").state == "Pending")
    found = hub.member("m1")
    assert found.message == "its maintenance window is closed; it opens next at 2026-03-06 22:00:00 UTC"
    assert found.not_before == "2026-03-06T22:00:00.000000Z"


async def test_4_2_member_pending_while_the_version_is_not_in_its_region(hub: Hub, provider: FakeProvider) -> None:
    await hub.catalogue({"1.30.4": ["westeurope"]})
    await hub.join("m1", region="eastus")
    await hub.begin()
    await hub.until(lambda: hub.member("m1").state == "Pending")
    found = hub.member("m1")
    assert found.error is not None
    assert found.error.code == "KubernetesVersionNotAvailable"
    assert found.message == "Kubernetes 1.30.4 is not available in eastus yet"
    assert provider.begun == []
    await hub.catalogue({"1.30.4": ["westeurope", "eastus"]})
    await hub.ended()
    assert hub.member("m1").error is None


async def test_4_2_member_pending_while_the_image_is_not_in_its_region(hub: Hub) -> None:
    image = f"{IMAGE}-202410.15.0"
    await hub.catalogue({}, {image: ["westeurope"]})
    await hub.join("m1", region="eastus")
    await hub.begin(managedClusterUpdate=node_images("Custom", image))
    await hub.until(lambda: hub.member("m1").state == "Pending")
    found = hub.member("m1")
    assert found.error is not None
    assert found.error.code == "NodeImageVersionNotAvailable"
    assert found.message == f"node image {image} is not available in eastus yet"
    await hub.catalogue({}, {image: []})
    await hub.ended()


# -- a member is Skipped or Failed when ---------------------------------------------------------


async def test_4_2_member_skipped_by_the_user_by_itself_its_group_or_its_stage(hub: Hub) -> None:
    await hub.join("m1", "m2", group="a")
    await hub.join("m3", group="b")
    await hub.join("m4", group="c")
    await hub.create(strategy=order(stage("one", "a", "b"), stage("two", "c")))
    await hub.planned()
    await hub.skip("Member:m2", "Group:b", "Stage:two")
    await hub.until(lambda: hub.states() == {"m1": "NotStarted", "m2": "Skipped", "m3": "Skipped", "m4": "Skipped"})
    assert hub.member("m2").message == "skipped by the user"


async def test_4_2_member_skipped_when_it_is_at_the_target(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", version="1.31.1")
    await hub.join("m2", version="1.31.4")
    await hub.begin(managedClusterUpdate=control_plane("1.31.1"))
    await hub.ended("Skipped")
    assert provider.begun == []
    assert hub.member("m2").message == "already at Kubernetes 1.31.4"


async def test_4_2_member_skipped_when_no_image_is_common(hub: Hub) -> None:
    await hub.catalogue({}, {f"{IMAGE}-1.0": ["eastus"]})
    await hub.join("m1", region="eastus")
    await hub.join("m2", region="westeurope")
    await hub.begin(managedClusterUpdate=node_images("Consistent"))
    await hub.ended("Skipped")
    assert hub.member("m1").message == "no node image is available in all regions of the run"


async def test_4_2_member_failed_when_its_upgrade_failed(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", FAIL)
    await hub.join("m1")
    await hub.begin()
    await hub.until(lambda: hub.member("m1").state == "Failed")
    found = hub.member("m1")
    assert found.error is not None
    assert (found.error.code, found.message) == ("Drain", "the node would not drain")


# -- a group is -----------------------------------------------------------------------------------


async def test_4_2_group_pending_when_all_its_members_are_pending_or_not_started(hub: Hub) -> None:
    await hub.join("m1", "m2", group="a", window=CLOSED)
    await hub.begin(strategy=order(stage("s", "a")))
    await hub.until(lambda: hub.group("a").state == "Pending")


async def test_4_2_group_pending_when_it_has_a_pending_gate(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", {"name": "a", "beforeGates": APPROVAL})))
    await hub.until(lambda: hub.group("a").state == "Pending")
    assert hub.member("m1").state == "NotStarted"


async def test_4_2_group_skipped_by_the_user_or_when_all_its_members_are(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", SKIP)
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    await hub.create(strategy=SIDE_BY_SIDE)
    await hub.planned()
    await hub.skip("Group:b")
    await hub.start()
    await hub.ended("Skipped")
    assert [group.state for group in hub.stage().groups] == ["Skipped", "Skipped"]


async def test_4_2_group_failed_when_a_member_failed(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", FAIL)
    await hub.join("m1", "m2", group="a")
    await hub.begin(strategy=order(stage("s", "a")))
    await hub.until(lambda: hub.group("a").state == "Failed")
    error = hub.group("a").error
    assert error is not None
    assert error.message == "group a: the upgrade of m1 failed; m1: the node would not drain"


async def test_4_2_group_failed_when_more_members_failed_than_allowed(hub: Hub, provider: FakeProvider) -> None:
    provider.otherwise = FAIL
    await hub.join("m1", "m2", "m3", "m4", group="a")
    await hub.begin(strategy=order(stage("s", {"name": "a", "maxAllowedFailures": 1}, maxAllowedFailures="100%")))
    await hub.ended("Failed")
    assert hub.states() == {"m1": "Failed", "m2": "Failed", "m3": "NotStarted", "m4": "NotStarted"}


# -- a stage is ---------------------------------------------------------------------------------


async def test_4_2_stage_pending_when_all_its_groups_are_pending_or_not_started(hub: Hub) -> None:
    await hub.join("m1", group="a", window=CLOSED)
    await hub.join("m2", group="b", window=CLOSED)
    await hub.begin(strategy=SIDE_BY_SIDE)
    await hub.until(lambda: hub.stage().state == "Pending")


async def test_4_2_stage_pending_when_it_has_a_pending_gate(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.begin(strategy=order(stage("s", "a", beforeGates=APPROVAL)))
    await hub.until(lambda: hub.stage().state == "Pending")
    assert hub.group("a").state == "NotStarted"


async def test_4_2_stage_skipped_by_the_user_or_when_all_its_groups_are(hub: Hub, provider: FakeProvider) -> None:
    provider.otherwise = SKIP
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    await hub.create(strategy=TWO_STAGES)
    await hub.planned()
    await hub.skip("Stage:two")
    await hub.start()
    await hub.ended("Skipped")
    assert [found.state for found in hub.status().stages] == ["Skipped", "Skipped"]


async def test_4_2_stage_failed_when_a_group_failed(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", FAIL)
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    await hub.begin(strategy=SIDE_BY_SIDE)
    await hub.ended("Failed")
    assert hub.stage().state == "Failed"
    error = hub.stage().error
    assert error is not None
    assert error.message == "stage s: the upgrade of m1 failed; m1: the node would not drain"
    assert [group.state for group in hub.stage().groups] == ["Failed", "Completed"]


async def test_4_2_stage_failed_when_its_own_limit_is_exceeded(hub: Hub, provider: FakeProvider) -> None:
    provider.otherwise = FAIL
    await hub.join("m1", "m2", group="a")
    await hub.join("m3", "m4", group="b")
    groups = [{"name": name, "maxAllowedFailures": 2} for name in ("a", "b")]
    await hub.begin(strategy=order(stage("s", *groups, maxAllowedFailures=1)))
    await hub.ended("Failed")
    assert hub.stage().failure_count == 2
    assert [group.state for group in hub.stage().groups] == ["Stopped", "Stopped"]


# -- a run is -----------------------------------------------------------------------------------


async def test_4_2_run_pending_when_its_current_stage_is(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.join("m2", group="b", window=CLOSED)
    await hub.begin(strategy=TWO_STAGES)
    await hub.ended("Pending")
    assert [found.state for found in hub.status().stages] == ["Completed", "Pending"]
    since = str(hub.member("m2").start_time)[:19]
    assert hub.condition("Progressing") == (
        "False",
        "Pending",
        f"m2 in group b of stage two is not ready since {since}Z, "
        "until 2026-03-06T22:00:00Z: its maintenance window is closed",
    )


async def test_4_2_run_skipped_when_all_its_stages_are(hub: Hub) -> None:
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    await hub.create(strategy=TWO_STAGES)
    await hub.planned()
    await hub.skip("Stage:one", "Stage:two")
    await hub.ended("Skipped")


async def test_4_2_run_failed_when_its_current_stage_is(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", FAIL)
    await hub.join("m1", group="a")
    await hub.join("m2", group="b")
    await hub.begin(strategy=TWO_STAGES)
    await hub.ended("Failed")
    assert [found.state for found in hub.status().stages] == ["Failed", "NotStarted"]
    error = hub.status().error
    assert error is not None
    assert error.message == "update run run: the upgrade of m1 failed; m1: the node would not drain"
    assert "set spec.attempt to 2" in hub.condition("Succeeded")[2]


# -- and below the table --------------------------------------------------------------------------


async def test_4_2_when_a_member_turns_pending_the_next_is_tried(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", group="a", window=CLOSED)
    await hub.join("m2", "m3", group="a")
    await hub.join("m4", group="b")
    await hub.begin(strategy=TWO_STAGES)
    await hub.ended("Pending")
    assert provider.began() == ["m2", "m3"]
    assert hub.group("a").state == "Pending"
    assert hub.stage(1).state == "NotStarted"


async def test_4_2_running_as_long_as_a_cluster_is_in_progress(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", HANG)
    await hub.join("m1", group="a")
    await hub.join("m2", group="b", window=CLOSED)
    await hub.begin(strategy=SIDE_BY_SIDE)
    await hub.until(lambda: hub.member("m1").state == "Running")
    assert (hub.state(), hub.stage().state) == ("Running", "Running")
    assert [group.state for group in hub.stage().groups] == ["Running", "Pending"]


async def test_4_2_completed_and_skipped_members_together_are_completed(hub: Hub, provider: FakeProvider) -> None:
    provider.behave("m1", SKIP)
    await hub.join("m1", "m2", group="a")
    await hub.begin(strategy=order(stage("s", "a")))
    await hub.ended("Completed")
    assert hub.states() == {"m1": "Skipped", "m2": "Completed"}


async def test_4_2_a_member_whose_provider_waits_is_pending_and_so_is_what_it_holds_up(
    hub: Hub, provider: FakeProvider
) -> None:
    provider.behave("m1", Behaviour(held="Waiting for another operation on the cluster to end"))
    await hub.join("m1", "m2", group="a")
    await hub.begin(strategy=order(stage("s", "a")))
    await hub.ended("Pending")
    found = hub.member("m1")
    assert (found.state, found.message) == ("Pending", "Waiting for another operation on the cluster to end")
    assert (hub.stage().state, hub.group("a").state, hub.member("m2").state) == ("Pending", "Pending", "NotStarted")
    provider.behave("m1", Behaviour())
    await hub.ended()
    assert provider.began() == ["m1", "m2"]


async def test_4_2_versions_are_one_minor_at_a_time(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", version="1.31.0")
    await hub.create(update="1.32.0")
    await hub.planned()
    await hub.join("m2", version="1.30.0")
    await hub.set_version("m1", "1.30.0")
    await hub.start()
    await hub.until(lambda: hub.member("m1").state == "Pending")
    error = hub.member("m1").error
    assert error is not None
    assert error.code == "KubernetesVersionTooFarAhead"
    await hub.set_version("m1", "1.31.0")
    await hub.ended()
    assert provider.began() == ["m1"]


async def test_automatic_runs_leave_out_who_is_too_far_behind(hub: Hub, provider: FakeProvider) -> None:
    await hub.join("m1", version="1.29.0")
    await hub.join("m2", version="1.30.0")
    labels = {"fleet.echelon.dev/auto-upgrade-profile": "weekly"}
    await hub.begin(managedClusterUpdate=full("1.31.0"), labels=labels)
    await hub.ended()
    assert provider.began() == ["m2"]
    assert "more than one minor version behind" in hub.member("m1").message


async def test_no_gates_are_made_before_they_are_reached(hub: Hub) -> None:
    await hub.join("m1", group="a")
    gates = {"beforeGates": APPROVAL, "afterGates": APPROVAL}
    await hub.begin(strategy=order(stage("s", {"name": "a", **gates}, **gates)))
    await hub.ended("Pending")
    assert len(hub.all(Gate)) == 1
