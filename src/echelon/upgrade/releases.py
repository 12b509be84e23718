"""What a run asks of the release catalogue, where not everything is known.

A hub without a catalogue, or whose catalogues list no versions (or no images), does not know what exists; then nothing
is refused or held back for that, and providers take what their platform offers. Likewise a member whose region is not
known (an empty name here) can have everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from echelon.api.upgrade import ReleaseCatalog
from echelon.upgrade.catalogue import Catalogue, read_catalogue
from echelon.upgrade.versions import ImageVersion, KubeVersion


class Releases(Struct, frozen=True):
    """A catalogue as runs see it."""

    catalogue: Catalogue = Catalogue()

    @property
    def lists_versions(self) -> bool:
        return bool(self.catalogue.releases)

    @property
    def lists_images(self) -> bool:
        return bool(self.catalogue.images)

    @property
    def changes_at(self) -> datetime | None:
        """When something that is listed already is published."""
        return self.catalogue.next_publication

    def families(self) -> Sequence[str]:
        """The families of node images."""
        return self.catalogue.families()

    def versions(self) -> Sequence[KubeVersion]:
        """The Kubernetes versions, from old to new."""
        return [release.version for release in self.catalogue.releases]

    def knows(self, version: KubeVersion) -> bool:
        """Whether a version, or one that an alias stands for, exists anywhere."""
        return not self.lists_versions or any(map(version.covers, self.versions()))

    def newest(self, wanted: KubeVersion, region: str) -> KubeVersion | None:
        """The version itself, or the newest that an alias stands for, if the region has it."""
        if not self.lists_versions:
            return wanted
        here = self.catalogue.releases_in(_known([region]))
        found = [
            release.version
            for release in here
            if wanted.covers(release.version) and not (wanted.is_alias and release.preview)
        ]
        return max(found, default=None)

    def newest_image(self, family: str, regions: Iterable[str]) -> ImageVersion | None:
        """The newest image of a family that all these regions have."""
        return self.catalogue.common_image(family, _known(regions))

    def knows_image(self, image: ImageVersion) -> bool:
        """Whether an image exists anywhere."""
        return self.has_image(image, "")

    def has_image(self, image: ImageVersion, region: str) -> bool:
        """Whether a region has an image."""
        if not self.lists_images:
            return True
        return any(listed.version == image and (not region or listed.is_in(region)) for listed in self.catalogue.images)


def _known(regions: Iterable[str]) -> Collection[str]:
    return {region for region in regions if region}


def releases_of(catalogs: Iterable[ReleaseCatalog], now: datetime) -> Releases:
    """What the catalogues of a hub list together at a moment."""
    return Releases(read_catalogue(catalogs, now))
