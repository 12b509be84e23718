"""What there is to upgrade to: the ReleaseCatalogs of the hub as one value, and questions to it.

Pure. A catalogue is read at a moment and knows nothing that is published later; ``next_publication``
says when it has to be read again. Regions are names that only have to be equal; an entry without
regions is everywhere, and what several entries list, of one catalogue or of several, is where any of them says. A
preview is never chosen, only taken when it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from echelon.api.meta import parse_time
from echelon.api.upgrade import KubernetesRelease, NodeImage, ReleaseCatalog
from echelon.upgrade.versions import ImageVersion, KubeVersion

SUPPORTED_MINORS = 3
"""The newest minor version and the two before it are supported (N-2)."""


class Release(Struct, frozen=True, kw_only=True):
    """One Kubernetes version; ``long_term_support`` means that it has no other support."""

    version: KubeVersion
    regions: frozenset[str] = frozenset()
    preview: bool = False
    long_term_support: bool = False
    end_of_support: datetime | None = None

    def is_in(self, region: str) -> bool:
        return not self.regions or region in self.regions


class Image(Struct, frozen=True, kw_only=True):
    """One node image."""

    version: ImageVersion
    regions: frozenset[str] = frozenset()

    def is_in(self, region: str) -> bool:
        return not self.regions or region in self.regions


Entry = TypeVar("Entry", Release, Image)


class Catalogue(Struct, frozen=True, kw_only=True):
    """What is published, each list from old to new. ``unreadable`` names entries that make no sense."""

    releases: tuple[Release, ...] = ()
    images: tuple[Image, ...] = ()
    next_publication: datetime | None = None
    unreadable: tuple[str, ...] = ()

    # versions

    def releases_in(self, regions: Collection[str] = ()) -> Sequence[Release]:
        """The versions that exist in each of these regions, from old to new."""
        return [release for release in self.releases if all(release.is_in(region) for region in regions)]

    def minors(self) -> Sequence[KubeVersion]:
        """The minor versions with standard support that are no previews, from old to new, as aliases."""
        found = {
            release.version.minor_version
            for release in self.releases
            if not (release.preview or release.long_term_support)
        }
        return sorted(found)

    def supported_minors(self, now: datetime) -> Sequence[KubeVersion]:
        """The support window: of the newest minor version and the two before it, those whose support lasts."""
        minors = self.minors()
        oldest = minors[-1].minor - SUPPORTED_MINORS + 1 if minors else 0
        return [minor for minor in minors if minor.minor >= oldest and self._lasts(minor, now)]

    def latest_patch(
        self, minor: KubeVersion, regions: Collection[str] = (), *, long_term_support: bool = False
    ) -> KubeVersion | None:
        """The newest patch of a minor version that exists in each of these regions.

        With ``long_term_support``, patches that have no other support count too.
        """
        found = [
            release.version
            for release in self.releases_in(regions)
            if minor.minor_version.covers(release.version)
            and not release.preview
            and (long_term_support or not release.long_term_support)
        ]
        return max(found, default=None)

    def _lasts(self, minor: KubeVersion, now: datetime) -> bool:
        return any(
            release.end_of_support is None or release.end_of_support > now
            for release in self.releases
            if minor.covers(release.version) and not release.long_term_support
        )

    # images

    def families(self) -> Sequence[str]:
        """The image families, sorted."""
        return sorted({image.version.family for image in self.images})

    def images_in(self, region: str) -> Sequence[ImageVersion]:
        """The images that exist in a region, from old to new."""
        return [image.version for image in self.images if image.is_in(region)]

    def latest_image(self, family: str, region: str) -> ImageVersion | None:
        """The newest image of a family in a region."""
        return self.common_image(family, (region,))

    def common_image(self, family: str, regions: Collection[str]) -> ImageVersion | None:
        """The newest image of a family that exists in each of these regions."""
        found = [
            image.version
            for image in self.images
            if image.version.family == family and all(image.is_in(region) for region in regions)
        ]
        return max(found, default=None)


def read_catalogue(catalogs: Iterable[ReleaseCatalog], now: datetime) -> Catalogue:
    """All catalogues of a hub as one, as of a moment."""
    releases: list[Release] = []
    images: list[Image] = []
    later: list[datetime] = []
    unreadable: list[str] = []

    for entry in [entry for catalog in catalogs for entry in _entries(catalog)]:
        try:
            published = parse_time(entry.published) if entry.published else None
            if published is not None and published > now:
                later.append(published)
            elif isinstance(entry, KubernetesRelease):
                releases.append(_release(entry))
            else:
                images.append(_image(entry))
        except ValueError as error:  # of a version or of a time
            unreadable.append(str(error))
    return Catalogue(
        releases=tuple(sorted(_merged(releases), key=lambda release: release.version)),
        images=tuple(sorted(_merged(images), key=lambda image: image.version)),
        next_publication=min(later, default=None),
        unreadable=tuple(unreadable),
    )


def _merged(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Each thing once, wherever some entry has it."""
    found: dict[Entry, Entry] = {}
    for entry in entries:
        known = found.setdefault(replace(entry, regions=frozenset()), entry)
        everywhere = not (known.regions and entry.regions)
        regions = frozenset[str]() if everywhere else known.regions | entry.regions
        found[replace(entry, regions=frozenset())] = replace(entry, regions=regions)
    return found.values()


def _entries(catalog: ReleaseCatalog) -> Sequence[KubernetesRelease | NodeImage]:
    return (*catalog.spec.kubernetes_versions, *catalog.spec.node_images)


def _release(entry: KubernetesRelease) -> Release:
    return Release(
        version=KubeVersion.parse(entry.version),
        regions=frozenset(entry.regions),
        preview=entry.preview,
        long_term_support=entry.long_term_support,
        end_of_support=parse_time(entry.end_of_support) if entry.end_of_support else None,
    )


def _image(entry: NodeImage) -> Image:
    return Image(version=ImageVersion(entry.family, entry.version), regions=frozenset(entry.regions))
