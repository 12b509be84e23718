"""Questions to the release catalogue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import ReleaseCatalog
from echelon.upgrade.catalogue import Catalogue, read_catalogue
from echelon.upgrade.versions import ImageVersion, KubeVersion

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = "2026-03-09T00:00:00Z"
EARLIER = "2026-02-01T00:00:00Z"


def catalog(name: str, versions: list[Any], images: list[Any] | None = None) -> ReleaseCatalog:
    entries = [entry if isinstance(entry, dict) else {"version": entry} for entry in versions]
    spec = {"kubernetesVersions": entries, "nodeImages": images or []}
    return msgspec.convert({"metadata": ObjectMeta(name=name), "spec": spec}, ReleaseCatalog)


def read(*versions: Any, images: list[Any] | None = None) -> Catalogue:
    return read_catalogue([catalog("a", list(versions), images)], NOW)


def texts(versions: Any) -> list[str]:
    return [str(version) for version in versions]


def v(text: str) -> KubeVersion:
    return KubeVersion.parse(text)


def test_versions_are_ordered_as_versions():
    found = read("1.30.10", "1.30.9", "1.9.0")
    assert texts(release.version for release in found.releases) == ["1.9.0", "1.30.9", "1.30.10"]


def test_several_catalogues_are_one():
    found = read_catalogue([catalog("a", ["1.31.1"]), catalog("b", ["1.30.4"])], NOW)
    assert texts(release.version for release in found.releases) == ["1.30.4", "1.31.1"]


def test_what_is_published_later_is_not_there_yet():
    found = read({"version": "1.31.1", "published": LATER}, {"version": "1.30.4", "published": EARLIER})
    assert texts(release.version for release in found.releases) == ["1.30.4"]
    assert found.next_publication == datetime(2026, 3, 9, tzinfo=UTC)


def test_what_makes_no_sense_is_named():
    found = read("1.30.4", images=[{"family": "U", "version": "1.0", "published": "soon"}])
    assert texts(release.version for release in found.releases) == ["1.30.4"]
    assert len(found.unreadable) == 1


def test_no_catalogue():
    found = read_catalogue([], NOW)
    assert found == Catalogue()
    assert found.supported_minors(NOW) == []
    assert found.latest_patch(v("1.30")) is None
    assert found.common_image("U", ["eastus"]) is None


@pytest.mark.parametrize(
    ("regions", "latest"),
    [((), "1.30.6"), (("eastus",), "1.30.5"), (("westeurope",), "1.30.6"), (("eastus", "westeurope"), "1.30.4")],
)
def test_latest_patch_where(regions: tuple[str, ...], latest: str):
    found = read(
        "1.30.4",
        {"version": "1.30.5", "regions": ["eastus"]},
        {"version": "1.30.6", "regions": ["westeurope"]},
        {"version": "1.30.7", "preview": True},
        "1.31.1",
    )
    assert str(found.latest_patch(v("1.30"), regions)) == latest


def test_patches_with_long_term_support_only():
    found = read("1.27.3", {"version": "1.27.9", "longTermSupport": True})
    assert str(found.latest_patch(v("1.27"))) == "1.27.3"
    assert str(found.latest_patch(v("1.27"), long_term_support=True)) == "1.27.9"


def test_the_newest_minor_version_and_two_before_are_supported():
    found = read("1.28.9", "1.29.1", "1.30.4", "1.31.1", {"version": "1.32.0", "preview": True})
    assert texts(found.supported_minors(NOW)) == ["1.29", "1.30", "1.31"]


def test_the_window_counts_numbers_not_entries():
    assert texts(read("1.27.0", "1.29.1", "1.31.1").supported_minors(NOW)) == ["1.29", "1.31"]


def test_support_ends():
    found = read({"version": "1.29.1", "endOfSupport": EARLIER}, {"version": "1.30.4", "endOfSupport": LATER}, "1.31.1")
    assert texts(found.supported_minors(NOW)) == ["1.30", "1.31"]


def test_long_term_support_is_no_standard_support():
    found = read({"version": "1.27.9", "longTermSupport": True}, "1.30.4", "1.31.1")
    assert texts(found.minors()) == ["1.30", "1.31"]


IMAGES = [
    {"family": "U", "version": "202410.01.0"},
    {"family": "U", "version": "202410.15.0"},
    {"family": "U", "version": "202411.03.0", "regions": ["eastus"]},
    {"family": "W", "version": "9.1"},
    {"family": "W", "version": "10.0", "regions": ["westeurope"]},
]


@pytest.mark.parametrize(
    ("family", "region", "latest"),
    [
        ("U", "eastus", "U-202411.03.0"),
        ("U", "westeurope", "U-202410.15.0"),
        ("W", "westeurope", "W-10.0"),
        ("X", "eastus", "None"),
    ],
)
def test_latest_image_of_family_and_region(family: str, region: str, latest: str):
    assert str(read(images=IMAGES).latest_image(family, region)) == latest


def test_the_newest_image_that_all_regions_have():
    found = read(images=IMAGES)
    assert found.common_image("U", ["eastus", "westeurope"]) == ImageVersion("U", "202410.15.0")
    assert found.common_image("U", []) == ImageVersion("U", "202411.03.0")
    assert texts(found.images_in("eastus"))[-1] == "W-9.1"
    assert found.families() == ["U", "W"]


def test_what_several_catalogues_list_is_where_any_of_them_says():
    entries = [{"version": "1.31.1", "regions": [region]} for region in ("east", "west")]
    found = read_catalogue([catalog(str(entry["regions"]), [entry]) for entry in entries], NOW)
    assert texts(release.version for release in found.releases_in(["east", "west"])) == ["1.31.1"]
    assert found.releases_in(["north"]) == []
    everywhere = read_catalogue([catalog("a", [*entries, "1.31.1"])], NOW)
    assert texts(release.version for release in everywhere.releases_in(["north"])) == ["1.31.1"]


def test_a_preview_in_one_region_may_be_released_in_another():
    found = read(
        {"version": "1.31.1", "regions": ["east"], "preview": True}, {"version": "1.31.1", "regions": ["west"]}
    )
    assert found.latest_patch(v("1.31"), ["west"]) == v("1.31.1")
    assert found.latest_patch(v("1.31"), ["east"]) is None


def test_images_of_several_entries_are_common_to_their_regions():
    images = [{"family": "Ubuntu", "version": "1.0", "regions": [region]} for region in ("east", "west")]
    assert read(images=images).common_image("Ubuntu", ["east", "west"]) == ImageVersion("Ubuntu", "1.0")
