"""The update tutorial, as far as the controller of runs goes: what ``tutorials/update-run.sh`` checks on a hub."""

from __future__ import annotations

from itertools import pairwise

from .hub import Hub, control_plane, full, moment, node_images, order, stage
from .provider import FakeProvider

IMAGE = "AKSUbuntu-2204gen2containerd"
STAGES = order(stage("stage1", "group-1a", "group-1b", afterStageWaitInSeconds=2), stage("stage2", "group-2a"))


async def fleet(hub: Hub) -> None:
    await hub.catalogue(
        {"1.30.0": [], "1.30.4": [], "1.31.1": []},
        {
            f"{IMAGE}-202410.01.0": [],
            f"{IMAGE}-202410.15.0": [],
            f"{IMAGE}-202411.03.0": ["eastus"],
        },
    )
    await hub.join("member1", region="eastus", group="group-1a")
    await hub.join("member2", region="eastus", group="group-1b")
    await hub.join("member3", "member4", region="westeurope", group="group-2a")


async def test_one_by_one(hub: Hub, provider: FakeProvider) -> None:
    await fleet(hub)
    await hub.create(managedClusterUpdate=full("1.30.4"))
    await hub.planned()
    assert hub.state() == "NotStarted"
    assert [(found.name, [group.name for group in found.groups]) for found in hub.status().stages] == [
        ("default", ["default"])
    ]
    assert hub.states() == dict.fromkeys(["member1", "member2", "member3", "member4"], "NotStarted")
    assert provider.begun == []
    await hub.start()
    await hub.ended()
    assert provider.began() == ["member1", "member2", "member3", "member4"]
    assert provider.most == 1
    times = [(moment(found.start_time), moment(found.completed_time)) for found in hub.members().values()]
    assert all(end <= begin for (_, end), (begin, _) in pairwise(times))


async def test_groups_and_stages(hub: Hub, provider: FakeProvider) -> None:
    await fleet(hub)
    await hub.begin(managedClusterUpdate=control_plane("1.31.1"), strategy=STAGES)
    await hub.ended()
    first, second = hub.status().stages
    one, other = first.groups
    assert moment(other.start_time) < moment(one.completed_time)
    waited = moment(second.start_time) - moment(one.completed_time)
    assert waited.total_seconds() >= 2
    assert first.after_stage_wait_status is not None
    assert first.after_stage_wait_status.state == "Completed"


async def test_the_latest_common_image(hub: Hub) -> None:
    await fleet(hub)
    await hub.begin(managedClusterUpdate=node_images("Consistent"), strategy=STAGES)
    await hub.ended()
    selection = hub.status().node_image_selection
    assert selection is not None
    assert [image.version for image in selection.selected_node_image_versions] == [f"{IMAGE}-202410.15.0"]
    (upgrade,) = hub.upgrades("member1")
    assert [image.version for image in upgrade.spec.node_image_versions] == [f"{IMAGE}-202410.15.0"]


async def test_skip_stop_start(hub: Hub, provider: FakeProvider) -> None:
    await fleet(hub)
    await hub.create(managedClusterUpdate=full("1.30.4"), strategy=STAGES)
    await hub.planned()
    await hub.skip("Group:group-1b")
    await hub.until(lambda: hub.group("group-1b").state == "Skipped")
    await hub.start()
    await hub.stop()
    await hub.ended("Stopped")
    assert hub.stage(1).state == "NotStarted"
    await hub.start()
    await hub.ended()
    assert "member2" not in provider.began()


async def test_already_at_the_version(hub: Hub, provider: FakeProvider) -> None:
    await fleet(hub)
    await hub.set_version("member1", "v1.30.4")
    await hub.begin(managedClusterUpdate=control_plane("1.30.4"))
    await hub.until(lambda: hub.member("member1").state == "Skipped")
    assert hub.member("member1").message == "already at Kubernetes 1.30.4"
    await hub.ended()
    assert provider.began() == ["member2", "member3", "member4"]
