"""Kubernetes versions and node images: reading, order, distance."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.upgrade.versions import ImageVersion, KubeVersion, NotAVersion, minor_distance

ASCENDING = [
    "1.9.11",
    "1.30",
    "1.30.0-alpha.1",
    "1.30.0-rc.0",
    "1.30.0-rc.1",
    "1.30.0",
    "1.30.0+k3s1",
    "1.30.0+k3s2",
    "1.30.0+k3s10",
    "1.30.0-eks-a737599",
    "1.30.0-gke.999",
    "1.30.0-gke.1348000",
    "1.30.4",
    "1.31",
    "1.31.1",
    "2.0.0",
]
IMAGES = ["AKSUbuntu-2204gen2containerd-202410.01.0", "AKSUbuntu-2204gen2containerd-202410.15.0"]

numbers = st.integers(0, 40)
suffixes = st.sampled_from(["", "-alpha.1", "-beta.2", "-rc.1", "-gke.1000", "-gke.900", "-eks-1", "+k3s1", "+k3s10"])
versions = st.builds("{}.{}.{}{}".format, st.integers(1, 2), numbers, numbers, suffixes).map(KubeVersion.parse)
anything = versions | st.builds("{}.{}".format, st.integers(1, 2), numbers).map(KubeVersion.parse)


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(ASCENDING)))
def test_order(lower: str, higher: str) -> None:
    one, other = KubeVersion.parse(lower), KubeVersion.parse(higher)
    assert one < other
    assert other > one
    assert one <= other
    assert other >= one
    assert one != other


@given(anything, anything, anything)
def test_the_order_is_total(one: KubeVersion, two: KubeVersion, three: KubeVersion) -> None:
    assert (one < two) + (one == two) + (one > two) == 1
    assert not (one <= two <= three) or one <= three
    assert (one == two) == (str(one) == str(two))
    assert one != two or hash(one) == hash(two)


@given(anything)
def test_what_is_written_is_read(version: KubeVersion) -> None:
    assert KubeVersion.parse(str(version)) == version
    assert KubeVersion.parse(f"v{version}") == version


@pytest.mark.parametrize(
    "text", ["", "1", "latest", "1.30.x", "1.030.1", "1.30.4 ", "v", "1.30.4-", "١.٣٠.٤", "1.30.4+"]
)
def test_no_version(text: str) -> None:
    with pytest.raises(NotAVersion, match="is not a Kubernetes version"):
        KubeVersion.parse(text)


@pytest.mark.parametrize(
    ("current", "target", "distance"),
    [
        ("1.30.0", "1.30.9", 0),
        ("1.30.9", "1.31.0", 1),
        ("1.30.9", "1.31", 1),
        ("1.29.0", "1.31.0", 2),
        ("1.31.0", "1.30.9", -1),
        ("1.31.0", "2.0.0", 969),
    ],
)
def test_minor_distance(current: str, target: str, distance: int) -> None:
    assert minor_distance(KubeVersion.parse(current), KubeVersion.parse(target)) == distance


@given(versions, versions)
def test_an_alias_stands_for_the_patches_of_its_minor_version(version: KubeVersion, other: KubeVersion) -> None:
    alias = version.minor_version
    assert alias.is_alias
    assert alias.covers(version)
    assert alias < version
    assert alias.covers(other) == (minor_distance(version, other) == 0)
    assert not alias.reached_by(version)


@given(versions, versions)
def test_a_version_is_reached_by_itself_and_all_later_ones(target: KubeVersion, current: KubeVersion) -> None:
    assert target.reached_by(current) == (current >= target)


def test_a_vendors_build_reaches_the_plain_version_and_a_pre_release_does_not() -> None:
    target = KubeVersion.parse("1.30.4")
    assert target.reached_by(KubeVersion.parse("v1.30.4-gke.1348000"))
    assert not target.reached_by(KubeVersion.parse("1.30.4-rc.1"))
    assert KubeVersion.parse("1.30.4-rc.1").is_prerelease
    assert not KubeVersion.parse("1.30.4-rcx").is_prerelease


def test_image() -> None:
    image = ImageVersion.parse(IMAGES[0])
    assert (image.family, image.version) == ("AKSUbuntu-2204gen2containerd", "202410.01.0")
    assert str(image) == IMAGES[0]
    assert image < ImageVersion.parse(IMAGES[1])
    assert image == ImageVersion.parse(IMAGES[0])


def test_images_are_ordered_by_number() -> None:
    found = [ImageVersion("a", text) for text in ("202410.5.0", "202410.15.0", "202409.27.1")]
    assert [image.version for image in sorted(found)] == ["202409.27.1", "202410.5.0", "202410.15.0"]
    assert reduce(max, found).version == "202410.15.0"


@pytest.mark.parametrize("text", ["", "AKSUbuntu", "AKSUbuntu-", "-1.0", "a-latest"])
def test_no_image(text: str) -> None:
    with pytest.raises(NotAVersion, match="is not a node image"):
        ImageVersion.parse(text)


def test_what_is_equal_is_not_unequal() -> None:
    assert (KubeVersion.parse("1.30.4") != KubeVersion.parse("v1.30.4")) is False
    assert (ImageVersion.parse("a-1") != ImageVersion.parse("a-1")) is False
    assert ImageVersion.parse("a-1") != "a-1"
