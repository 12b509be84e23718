"""What an upgrade comes to, for one member as it is now: an operation, nothing, a wait, or a refusal.

Pure. The rules are those of every platform: a control plane moves one minor version at a time and
never back, nodes are never ahead of it and at most three minor versions behind, and what is there
already is left alone. What may pass is waited for: another operation, a version or an image that has
not reached the region yet. What cannot pass is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from echelon.api.upgrade import ClusterUpgradeSpec
from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.contract import Code, NodePool, Observation, Operation
from echelon.upgrade.versions import ImageVersion, KubeVersion, NotAVersion, minor_distance

MAX_SKEW = 3
"""By how many minor versions nodes may be behind their control plane."""


class Offers(Struct, frozen=True, kw_only=True):
    """What a platform offers a member; None where it has no list, and whatever is asked for is tried."""

    versions: Sequence[Release] | None = None
    images: Sequence[ImageVersion] | None = None


class Begin(Struct, frozen=True):
    """There is something to do, and nothing in its way. ``left`` tells what is left alone, and why."""

    operation: Operation
    left: str = ""


class Skip(Struct, frozen=True):
    """There is nothing to do."""

    message: str


class Done(Struct, frozen=True):
    """Nothing can be gained, though the member is not at the target but, in part, ahead of it: that is left alone."""

    message: str


class Wait(Struct, frozen=True):
    """Something stands in the way that can pass; ``handle`` is the operation to wait for, if it is one."""

    code: Code
    message: str
    handle: str = ""


class Refuse(Struct, frozen=True):
    """It cannot be done."""

    code: Code
    message: str


Assessment = Begin | Skip | Done | Wait | Refuse


class _Stop(Exception):
    """Ends an assessment where its outcome is known."""

    def __init__(self, outcome: Wait | Refuse | Skip) -> None:
        self.outcome = outcome


def assess(spec: ClusterUpgradeSpec, seen: Observation, offers: Offers, *, await_start: bool = False) -> Assessment:
    """What has to be done for a member to be as the spec wants it.

    A cluster that is stopped is skipped, or with ``await_start`` waited for.
    """
    try:
        if not seen.running:
            return _stopped(await_start)
        return _assess(spec, seen, offers)
    except _Stop as stop:
        return stop.outcome
    except NotAVersion as error:
        return Refuse(Code.INVALID_VERSION, str(error))


def work_left(spec: ClusterUpgradeSpec, seen: Observation, offers: Offers) -> Operation:
    """The operation that is left to do, with no look at what stands in its way; it may be empty.

    For an upgrade that may have been started already: what it changed meanwhile is no news.
    """
    outcome = assess(spec, _undisturbed(seen), offers)
    return outcome.operation if isinstance(outcome, Begin) else Operation()


def _stopped(await_start: bool) -> Wait | Skip:
    if await_start:
        return Wait(Code.STOPPED, "Waiting for the cluster, which is stopped, to be started")
    return Skip("The cluster is stopped; start it and run the upgrade again")


def _undisturbed(seen: Observation) -> Observation:
    return Observation(
        region=seen.region,
        control_plane_version=seen.control_plane_version,
        node_pools=seen.node_pools,
        long_term_support=seen.long_term_support,
    )


def _assess(spec: ClusterUpgradeSpec, seen: Observation, offers: Offers) -> Assessment:
    current = KubeVersion.parse(seen.control_plane_version)
    target = _target(spec, current, seen, offers)
    type_ = spec.upgrade.type
    control_plane = None if target is None or current >= target else target
    node_version = target if type_ == "Full" else None
    images = () if type_ == "ControlPlaneOnly" else _images(spec, seen, offers)
    behind, left = _sort_pools(seen.node_pools, node_version, images)
    if control_plane is not None:
        _check_step(current, control_plane, seen.node_pools)
    if control_plane is None and not behind:
        ahead = ", ".join(pool.name for pool in seen.node_pools if _is_ahead(pool, images))
        return (
            Done(f"Left alone, their node image being ahead of the target: node pools {ahead}")
            if ahead
            else Skip(_nothing_to_do(type_, target))
        )
    if seen.busy:
        raise _Stop(Wait(Code.CONFLICT, "Waiting for another operation on the cluster to end", seen.busy))
    operation = Operation(
        control_plane_version=None if control_plane is None else str(control_plane),
        node_version=None if node_version is None or not behind else str(node_version),
        node_images=tuple(str(image) for image in images) if behind else (),
    )
    return Begin(operation, left)


# -- Kubernetes versions ------------------------------------------------------------------------


def _target(spec: ClusterUpgradeSpec, current: KubeVersion, seen: Observation, offers: Offers) -> KubeVersion | None:
    """The version to go to, an alias resolved; None for an upgrade of images only."""
    if spec.upgrade.kubernetes_version is None:
        return None
    wanted = KubeVersion.parse(spec.upgrade.kubernetes_version)
    if offers.versions is None:
        return wanted
    offered = [
        release.version
        for release in offers.versions
        if wanted.covers(release.version)
        and (seen.long_term_support or not release.long_term_support)
        and not (wanted.is_alias and release.preview)
    ]
    if offered:
        return max(offered)
    if not wanted.is_alias and current >= wanted:
        return wanted  # nothing is asked for of a control plane that is there, whatever is still offered
    raise _Stop(_not_offered(wanted, seen, offers.versions))


def _not_offered(wanted: KubeVersion, seen: Observation, versions: Sequence[Release]) -> Wait | Refuse:
    where = f"in the region {seen.region}" if seen.region else "on the cluster's platform"
    if any(wanted.covers(release.version) for release in versions):
        return Refuse(
            Code.UNSUPPORTED,
            f"Kubernetes {wanted} only has long-term support, which the cluster has not; switch it on for the cluster",
        )
    if any(release.version.is_alias and release.version.covers(wanted) for release in versions):
        minor = wanted.minor_version
        return Refuse(
            Code.INVALID_VERSION,
            f"the cluster's platform chooses patches itself: ask for Kubernetes {minor}, not for {wanted}",
        )
    return Wait(Code.VERSION_NOT_AVAILABLE, f"Waiting for Kubernetes {wanted} to be available {where}")


def _check_step(current: KubeVersion, target: KubeVersion, pools: Sequence[NodePool]) -> None:
    """Refuse a step of the control plane that no platform takes."""
    distance = minor_distance(current, target)
    if distance > 1:
        step = KubeVersion(current.major, current.minor + 1)
        raise _Stop(
            Refuse(
                Code.INVALID_VERSION,
                f"Kubernetes {target} is {distance} minor versions ahead of the control plane, which is at {current}; "
                f"go to {step} first",
            )
        )
    for pool in pools:
        version = KubeVersion.parse(pool.kubernetes_version)
        if minor_distance(version, target) > MAX_SKEW:
            raise _Stop(
                Refuse(
                    Code.INVALID_VERSION,
                    f"the nodes of pool {pool.name} are at {version} and would be more than {MAX_SKEW} minor versions "
                    f"behind a control plane at {target}; upgrade them first",
                )
            )


# -- nodes and images ---------------------------------------------------------------------------


def _images(spec: ClusterUpgradeSpec, seen: Observation, offers: Offers) -> Sequence[ImageVersion]:
    """The image for each family that the member's pools have, as far as there is one."""
    present = {ImageVersion.parse(pool.node_image).family for pool in seen.node_pools if pool.node_image}
    if not spec.node_image_versions:
        newest = ((family, _newest(offers.images or (), family)) for family in sorted(present))
        return [image for _, image in newest if image is not None]
    wanted = [ImageVersion.parse(image.version) for image in spec.node_image_versions]
    images = [image for image in wanted if image.family in present]
    for image in images:
        if offers.images is not None and image not in offers.images and _is_news(image, seen):
            raise _Stop(_image_not_offered(image, offers.images, seen))
    return images


def _image_not_offered(image: ImageVersion, offered: Sequence[ImageVersion], seen: Observation) -> Wait | Refuse:
    oldest = min((other for other in offered if other.family == image.family), default=None)
    if oldest is not None and image < oldest:
        message = f"the node image {image} is no longer available; the oldest that is, is {oldest}"
        return Refuse(Code.IMAGE_NOT_AVAILABLE, message)
    where = f"in the region {seen.region}" if seen.region else "on the cluster's platform"
    return Wait(Code.IMAGE_NOT_AVAILABLE, f"Waiting for the node image {image} to be available {where}")


def _newest(images: Sequence[ImageVersion], family: str) -> ImageVersion | None:
    return max((image for image in images if image.family == family), default=None)


def _is_news(image: ImageVersion, seen: Observation) -> bool:
    """Whether a pool of the image's family has an older one."""
    present = (ImageVersion.parse(pool.node_image) for pool in seen.node_pools if pool.node_image)
    return any(other.family == image.family and other < image for other in present)


def _sort_pools(
    pools: Sequence[NodePool], version: KubeVersion | None, images: Sequence[ImageVersion]
) -> tuple[Sequence[NodePool], str]:
    """The pools that have something to gain, and a sentence about the others."""
    by_family = {image.family: image for image in images}
    behind = [pool for pool in pools if _is_behind(pool, version, by_family)]
    if not behind or len(behind) == len(pools):
        return behind, ""
    there = ", ".join(pool.name for pool in pools if pool not in behind)
    return behind, f"Left alone, being at or ahead of the target: node pools {there}"


def _is_behind(pool: NodePool, version: KubeVersion | None, images: dict[str, ImageVersion]) -> bool:
    if version is not None and KubeVersion.parse(pool.kubernetes_version) < version:
        return True
    if not pool.node_image:
        return False
    present = ImageVersion.parse(pool.node_image)
    wanted = images.get(present.family)
    return wanted is not None and present < wanted


def _is_ahead(pool: NodePool, images: Sequence[ImageVersion]) -> bool:
    """Whether a pool has a newer image than the one for its family."""
    if not pool.node_image:
        return False
    present = ImageVersion.parse(pool.node_image)
    return any(image.family == present.family and image < present for image in images)


def _nothing_to_do(type_: str, target: KubeVersion | None) -> str:
    if type_ == "NodeImageOnly":
        return "All node pools have the target image"
    if type_ == "ControlPlaneOnly":
        return f"The control plane is at {target} or ahead of it"
    return f"Control plane and node pools are at {target} or ahead of it, with the target images"
