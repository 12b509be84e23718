"""What an upgrade comes to for a member, rule by rule."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from echelon.api.upgrade import ClusterUpgradeSpec
from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.assessment import Begin, Done, Offers, Refuse, Skip, Wait, assess, work_left
from echelon.upgrade.providers.contract import Code, NodePool, Observation, Operation
from echelon.upgrade.versions import ImageVersion, KubeVersion


def spec(type_: str, version: str | None = None, *images: str) -> ClusterUpgradeSpec:
    upgrade = {"type": type_} | ({"kubernetesVersion": version} if version else {})
    content = {"upgrade": upgrade, "nodeImageVersions": [{"version": image} for image in images]}
    return msgspec.convert(content, ClusterUpgradeSpec)


def seen(version: str = "1.30.0", *pools: tuple[str, str], **rest: Any) -> Observation:
    """A member whose pools a, b, … have these versions and images."""
    node_pools = tuple(
        NodePool(name=chr(ord("a") + index), count=1, kubernetes_version=kubelet, node_image=image)
        for index, (kubelet, image) in enumerate(pools or [("1.30.0", "U-1.0")])
    )
    return Observation(region="eastus", control_plane_version=version, node_pools=node_pools, **rest)


def offers(*versions: str, images: tuple[str, ...] = ("U-1.0", "U-2.0", "W-1.0", "W-5.0")) -> Offers:
    """A version with ~ has long-term support only, one with ? is a preview."""
    releases = [
        Release(version=KubeVersion.parse(v.rstrip("~?")), long_term_support="~" in v, preview="?" in v)
        for v in versions or ("1.29.9", "1.30.0", "1.30.4", "1.31.1", "1.32.0")
    ]
    return Offers(versions=releases, images=[ImageVersion.parse(image) for image in images])


NOTHING_KNOWN = Offers()


# control planes


def test_control_plane_only_goes_to_the_version():
    found = assess(spec("ControlPlaneOnly", "1.31.1"), seen(), offers())
    assert found == Begin(Operation(control_plane_version="1.31.1"))


@pytest.mark.parametrize("current", ["1.30.4", "1.30.5", "1.31.0"])
def test_a_control_plane_at_or_ahead_is_skipped(current: str):
    found = assess(spec("ControlPlaneOnly", "1.30.4"), seen(current), offers())
    assert found == Skip("The control plane is at 1.30.4 or ahead of it")


def test_one_minor_version_at_a_time():
    found = assess(spec("Full", "1.32.0"), seen("1.30.4"), offers())
    assert isinstance(found, Refuse)
    assert found.code is Code.INVALID_VERSION
    assert found.message == (
        "Kubernetes 1.32.0 is 2 minor versions ahead of the control plane, which is at 1.30.4; go to 1.31 first"
    )


def test_nodes_are_at_most_three_minor_versions_behind():
    found = assess(spec("ControlPlaneOnly", "1.31.1"), seen("1.30.0", ("1.27.9", "U-1.0")), offers())
    assert isinstance(found, Refuse)
    assert found.message == (
        "the nodes of pool a are at 1.27.9 and would be more than 3 minor versions behind a control plane at 1.31.1; "
        "upgrade them first"
    )


def test_an_alias_stands_for_its_newest_patch():
    found = assess(spec("ControlPlaneOnly", "1.30"), seen(), offers())
    assert found == Begin(Operation(control_plane_version="1.30.4"))


def test_an_alias_stands_for_no_preview():
    found = assess(spec("ControlPlaneOnly", "1.30"), seen(), offers("1.30.4", "1.30.5?"))
    assert found == Begin(Operation(control_plane_version="1.30.4"))


def test_a_preview_is_taken_by_name():
    found = assess(spec("ControlPlaneOnly", "1.30.5"), seen(), offers("1.30.4", "1.30.5?"))
    assert found == Begin(Operation(control_plane_version="1.30.5"))


def test_a_version_that_is_not_in_the_region_is_waited_for():
    found = assess(spec("ControlPlaneOnly", "1.30.7"), seen(), offers())
    assert found == Wait(
        Code.VERSION_NOT_AVAILABLE, "Waiting for Kubernetes 1.30.7 to be available in the region eastus"
    )


def test_a_version_that_is_no_longer_offered_is_not_needed_by_who_has_it():
    assert isinstance(assess(spec("ControlPlaneOnly", "1.30.1"), seen("1.30.1"), offers()), Skip)


def test_long_term_support_is_for_those_who_have_it():
    upgrade, there = spec("ControlPlaneOnly", "1.27.5"), offers("1.27.5~", "1.30.0")
    found = assess(upgrade, seen("1.27.0", ("1.27.0", "U-1.0")), there)
    assert isinstance(found, Refuse)
    assert found.code is Code.UNSUPPORTED
    assert "only has long-term support" in found.message
    supported = seen("1.27.0", ("1.27.0", "U-1.0"), long_term_support=True)
    assert assess(upgrade, supported, there) == Begin(Operation(control_plane_version="1.27.5"))


def test_what_is_no_version_is_refused():
    found = assess(spec("Full", "1.30.0.0"), seen(), offers())
    assert isinstance(found, Refuse)
    assert found.code is Code.INVALID_VERSION


# nodes


def test_full_takes_nodes_and_images_along():
    found = assess(spec("Full", "1.30.4"), seen(), offers())
    assert found == Begin(Operation(control_plane_version="1.30.4", node_version="1.30.4", node_images=("U-2.0",)))


def test_full_brings_up_nodes_that_are_behind_a_control_plane_that_is_there():
    found = assess(spec("Full", "1.30.4"), seen("1.31.1", ("1.30.0", "U-2.0")), offers())
    assert found == Begin(Operation(node_version="1.30.4", node_images=("U-2.0",)))


def test_full_of_a_member_that_is_there():
    found = assess(spec("Full", "1.30.4"), seen("1.30.4", ("1.30.4", "U-2.0")), offers())
    assert found == Skip("Control plane and node pools are at 1.30.4 or ahead of it, with the target images")


def test_full_needs_the_images_too():
    found = assess(spec("Full", "1.30.4"), seen("1.30.4", ("1.30.4", "U-1.0")), offers())
    assert found == Begin(Operation(node_version="1.30.4", node_images=("U-2.0",)))


def test_images_only_leave_versions_alone():
    found = assess(spec("NodeImageOnly"), seen(), offers())
    assert found == Begin(Operation(node_images=("U-2.0",)))


def test_each_family_gets_its_newest():
    pools = [("1.30.0", "U-1.0"), ("1.30.0", "W-1.0")]
    assert assess(spec("NodeImageOnly"), seen("1.30.0", *pools), offers()) == Begin(
        Operation(node_images=("U-2.0", "W-5.0"))
    )


def test_families_that_are_not_named_stay():
    pools = [("1.30.0", "U-1.0"), ("1.30.0", "W-1.0")]
    found = assess(spec("NodeImageOnly", None, "U-2.0"), seen("1.30.0", *pools), offers())
    assert found == Begin(
        Operation(node_images=("U-2.0",)), "Left alone, being at or ahead of the target: node pools b"
    )


def test_images_named_that_no_pool_has_are_nothing_to_the_member():
    found = assess(spec("NodeImageOnly", None, "X-9.0"), seen(), offers())
    assert isinstance(found, Skip)


def test_an_image_that_is_not_in_the_region_is_waited_for():
    found = assess(spec("NodeImageOnly", None, "U-3.0"), seen(), offers())
    assert found == Wait(
        Code.IMAGE_NOT_AVAILABLE, "Waiting for the node image U-3.0 to be available in the region eastus"
    )


def test_an_image_that_is_no_longer_offered_is_not_needed_by_who_has_it():
    found = assess(spec("NodeImageOnly", None, "U-0.5"), seen("1.30.0", ("1.30.0", "U-0.5")), offers())
    assert found == Skip("All node pools have the target image")


def test_pools_ahead_are_left_alone_and_the_member_is_done():
    found = assess(spec("NodeImageOnly", None, "U-1.0"), seen("1.30.0", ("1.30.0", "U-2.0")), offers())
    assert found == Done("Left alone, their node image being ahead of the target: node pools a")


def test_pools_there_are_left_alone_and_said_so():
    pools = [("1.30.0", "U-2.0"), ("1.30.0", "U-1.0")]
    found = assess(spec("NodeImageOnly"), seen("1.30.0", *pools), offers())
    assert found == Begin(
        Operation(node_images=("U-2.0",)), "Left alone, being at or ahead of the target: node pools a"
    )


def test_nodes_that_do_not_tell_their_image():
    assert isinstance(assess(spec("NodeImageOnly"), seen("1.30.0", ("1.30.0", "")), offers()), Skip)


# what stands in the way


def test_another_operation_is_waited_for():
    found = assess(spec("Full", "1.30.4"), seen(busy="op-7"), offers())
    assert found == Wait(Code.CONFLICT, "Waiting for another operation on the cluster to end", "op-7")


def test_who_is_there_does_not_wait():
    assert isinstance(assess(spec("ControlPlaneOnly", "1.30.0"), seen(busy="op-7"), offers()), Skip)


def test_what_cannot_be_done_does_not_wait():
    assert isinstance(assess(spec("ControlPlaneOnly", "1.32.0"), seen(busy="op-7"), offers()), Refuse)


def test_a_stopped_cluster_is_skipped():
    assert isinstance(assess(spec("Full", "1.30.4"), seen(running=False), offers()), Skip)


def test_where_nothing_is_known_of_what_there_is_everything_is_tried():
    found = assess(spec("Full", "1.30.9", "U-7.0"), seen(), NOTHING_KNOWN)
    assert found == Begin(Operation(control_plane_version="1.30.9", node_version="1.30.9", node_images=("U-7.0",)))


# starting again


def test_what_is_left_to_do_takes_no_notice_of_what_is_under_way():
    full = spec("Full", "1.30.4")
    assert work_left(full, seen(busy="mine"), offers()).control_plane_version == "1.30.4"
    half = seen("1.30.4", ("1.30.0", "U-1.0"), busy="mine")
    assert work_left(full, half, offers()) == Operation(node_version="1.30.4", node_images=("U-2.0",))


def test_nothing_may_be_left():
    assert work_left(spec("ControlPlaneOnly", "1.30.0"), seen(), offers()) == Operation()


# what some platforms have and others have not


def test_a_stopped_cluster_is_skipped_or_waited_for():
    stopped = seen("1.30.0", running=False)
    assert isinstance(assess(spec("Full", "1.30.4"), stopped, offers()), Skip)
    found = assess(spec("Full", "1.30.4"), stopped, offers(), await_start=True)
    assert isinstance(found, Wait)
    assert found.code is Code.STOPPED


def test_a_platform_of_minor_versions_is_asked_for_one():
    minors = offers("1.30", "1.31")
    assert assess(spec("ControlPlaneOnly", "1.31"), seen("1.30"), minors) == Begin(
        Operation(control_plane_version="1.31")
    )
    refused = assess(spec("ControlPlaneOnly", "1.31.4"), seen("1.30"), minors)
    assert refused == Refuse(
        Code.INVALID_VERSION,
        "the cluster's platform chooses patches itself: ask for Kubernetes 1.31, not for 1.31.4",
    )


def test_an_image_that_is_no_longer_offered_is_refused_and_one_that_is_not_yet_is_waited_for():
    only = offers(images=("U-3.0",))
    gone = assess(spec("NodeImageOnly", None, "U-2.0"), seen(), only)
    assert gone == Refuse(
        Code.IMAGE_NOT_AVAILABLE, "the node image U-2.0 is no longer available; the oldest that is, is U-3.0"
    )
    assert isinstance(assess(spec("NodeImageOnly", None, "U-4.0"), seen(), only), Wait)
