"""Channels: what an auto-upgrade profile brings its members to, as of a moment.

Pure. A channel looks at the release catalogue with the eyes of its members: what one of their regions does not have
does not exist yet. So no run is made that would have to wait for a region, and all members go to the same version.
Previews never count, and of the minor versions only those with support:

* *Rapid*: the newest patch of the newest minor version. It moves to the next minor version by itself.
* *Stable*: the newest patch of the minor version before the newest one. It moves when that one moves.
* *TargetKubernetesVersion*: the newest patch of the minor version named. With ``longTermSupport`` that goes on, with
  the patches of long-term support, when the standard support of the minor version has ended.
* *NodeImage*: of each image family of the members the newest image.

A member is *behind* when its control plane (or some of its nodes, for images) has something to gain from the target.
What a member does not report is not known, and then it is not known whether it is behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from echelon.api.upgrade import AutoUpgradeProfileSpec
from echelon.upgrade import images
from echelon.upgrade.catalogue import Catalogue
from echelon.upgrade.members import Member
from echelon.upgrade.releases import Releases
from echelon.upgrade.validation import listed
from echelon.upgrade.versions import ImageVersion, KubeVersion


class Target(Struct, frozen=True):
    """What a channel brings members to: a Kubernetes version, or node images, at most one a family.

    ``held_back`` says what is newer and why it does not count yet; empty when there is nothing.
    """

    version: KubeVersion | None = None
    images: tuple[ImageVersion, ...] = ()
    held_back: str = ""

    @property
    def versions(self) -> tuple[str, ...]:
        """What it goes to, as texts."""
        return (str(self.version),) if self.version is not None else tuple(map(str, self.images))

    def __str__(self) -> str:
        return f"Kubernetes {self.version}" if self.version is not None else listed(map(str, self.images))


class NoTarget(Struct, frozen=True):
    """Why a channel has nothing to bring members to, and what would change that."""

    message: str


def target_of(
    spec: AutoUpgradeProfileSpec, members: Iterable[Member], releases: Releases, now: datetime
) -> Target | NoTarget:
    """What a profile brings these members to now."""
    fleet = list(members)
    regions = {member.region for member in fleet if member.region}
    if spec.channel == "NodeImage":
        return _newest_images(fleet, regions, releases)
    if not releases.lists_versions:
        return NoTarget("no ReleaseCatalog lists a Kubernetes version")
    whole = releases.catalogue
    everywhere = replace(whole, releases=tuple(whole.releases_in(regions)))
    best, found = _version(spec, whole, now), _version(spec, everywhere, now)
    held_back = ""
    if isinstance(best, KubeVersion) and best != found:
        held_back = f"Kubernetes {best} is not in {listed(_lacking(best, regions, whole))} yet"
    if isinstance(found, KubeVersion):
        return Target(version=found, held_back=held_back)
    return NoTarget(f"{found}; {held_back}" if held_back else found)


def is_behind(member: Member, target: Target) -> bool | None:
    """Whether a member has something to gain from a target; None when it does not say what it has."""
    if target.version is not None:
        current = member.kubernetes_version
        return None if current is None else not target.version.reached_by(current)
    if not member.node_images:
        return None
    newest = {image.family: image for image in target.images}
    return any(image < newest.get(image.family, image) for image in member.node_images)


# -- Kubernetes versions ------------------------------------------------------------------------


def _version(spec: AutoUpgradeProfileSpec, catalogue: Catalogue, now: datetime) -> KubeVersion | str:
    """The version of a channel in a catalogue, or why there is none."""
    supported = catalogue.supported_minors(now)
    if spec.channel == "TargetKubernetesVersion":
        return _patch_of_named(spec, catalogue, supported)
    if not supported:
        return "no ReleaseCatalog lists a Kubernetes version that is supported, no preview and in every region"
    newest = supported[-1]
    if spec.channel == "Rapid":
        return catalogue.latest_patch(newest) or f"there is no patch of {newest}"
    before = KubeVersion(newest.major, newest.minor - 1)
    found = catalogue.latest_patch(before) if before in supported else None
    return found or f"Stable is the minor version before {newest}, and there is no supported patch of {before}"


def _patch_of_named(
    spec: AutoUpgradeProfileSpec, catalogue: Catalogue, supported: Sequence[KubeVersion]
) -> KubeVersion | str:
    minor = KubeVersion.parse(spec.target_kubernetes_version or "")
    if minor in supported:
        found = catalogue.latest_patch(minor, long_term_support=spec.long_term_support)
        return found or f"there is no patch of {minor}"
    if not any(minor.covers(release.version) and not release.preview for release in catalogue.releases):
        return f"there is no patch of {minor} that is no preview and in every region"
    if not spec.long_term_support:
        ways = f"set targetKubernetesVersion to one of {listed(map(str, supported)) or 'none'}, or longTermSupport"
        return f"{minor} is not supported any more; {ways}"
    long_term = tuple(release for release in catalogue.releases if release.long_term_support)
    found = replace(catalogue, releases=long_term).latest_patch(minor, long_term_support=True)
    return found or f"{minor} is not supported any more and has no patch of long-term support"


def _lacking(version: KubeVersion, regions: Collection[str], catalogue: Catalogue) -> list[str]:
    """The regions that do not have a version."""
    entries = [release for release in catalogue.releases if release.version == version]
    return sorted(region for region in regions if not any(entry.is_in(region) for entry in entries))


# -- node images --------------------------------------------------------------------------------


def _newest_images(members: Sequence[Member], regions: Collection[str], releases: Releases) -> Target | NoTarget:
    if not releases.lists_images:
        return NoTarget("no ReleaseCatalog lists a node image")
    families = images.families_of(members, releases)
    found = tuple(image for family in families if (image := releases.newest_image(family, regions)) is not None)
    if not found:
        return NoTarget(f"no image of the families {listed(families)} is in every region of the members")
    best = (releases.newest_image(family, ()) for family in families)
    newer = [str(image) for image in best if image is not None and image not in found]
    return Target(images=found, held_back=f"not in every region yet: {listed(newer)}" if newer else "")
