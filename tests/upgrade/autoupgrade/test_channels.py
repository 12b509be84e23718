"""What channels bring members to: reference 5.5."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.upgrade import AutoUpgradeProfile
from echelon.upgrade.autoupgrade.channels import NoTarget, Target, is_behind, target_of
from echelon.upgrade.members import Member
from echelon.upgrade.releases import Releases

from ..values import NOW, member
from .profiles import image, known, profile, target

VERSIONS = known("1.29.9", "1.30.4", "1.30.10", "1.31.1", "1.32.0", "1.32.1", {"version": "1.33.0", "preview": True})
ENDED = "2026-01-01T00:00:00Z"
LONG_TERM = {"version": "1.28.20", "longTermSupport": True}


def found(of: AutoUpgradeProfile, *members: Member, releases: Releases = VERSIONS) -> list[str]:
    result = target_of(of.spec, members, releases, NOW)
    assert isinstance(result, Target), result
    return list(result.versions)


def missing(of: AutoUpgradeProfile, *members: Member, releases: Releases = VERSIONS) -> str:
    result = target_of(of.spec, members, releases, NOW)
    assert isinstance(result, NoTarget), result
    return result.message


def test_rapid_is_the_newest_patch_of_the_newest_minor_version_that_is_no_preview() -> None:
    assert found(profile("Rapid")) == ["1.32.1"]


def test_stable_is_the_newest_patch_of_the_one_before() -> None:
    assert found(profile("Stable")) == ["1.31.1"]


def test_stable_moves_when_the_newest_minor_version_does() -> None:
    assert found(profile("Stable"), releases=known("1.30.4", "1.31.1")) == ["1.30.4"]
    assert found(profile("Stable"), releases=known("1.30.4", "1.31.1", "1.32.0")) == ["1.31.1"]


def test_stable_without_a_minor_version_before() -> None:
    assert missing(profile("Stable"), releases=known("1.30.4", "1.32.0")) == (
        "Stable is the minor version before 1.32, and there is no supported patch of 1.31"
    )


def test_a_named_minor_version_stays() -> None:
    assert found(target("1.30")) == ["1.30.10"]


def test_a_named_minor_version_that_is_not_there() -> None:
    assert missing(target("1.33")) == "there is no patch of 1.33 that is no preview and in every region"


@pytest.mark.parametrize("listed", [{"version": "1.29.9"}, {"version": "1.31.2", "endOfSupport": ENDED}])
def test_a_named_minor_version_without_support(listed: dict[str, Any]) -> None:
    minor = listed["version"].rpartition(".")[0]
    releases = known(listed, "1.32.0") if minor == "1.31" else VERSIONS
    assert missing(target(minor), releases=releases).startswith(f"{minor} is not supported any more; set targetKube")


def test_long_term_support_goes_on_when_standard_support_has_ended() -> None:
    releases = known("1.28.15", LONG_TERM, "1.31.1", "1.32.0")
    assert found(target("1.28", longTermSupport=True), releases=releases) == ["1.28.20"]
    assert "not supported any more" in missing(target("1.28"), releases=releases)


def test_long_term_support_is_for_minor_versions_that_have_it() -> None:
    assert missing(target("1.29", longTermSupport=True)) == (
        "1.29 is not supported any more and has no patch of long-term support"
    )


def test_what_a_region_of_a_member_does_not_have_does_not_exist_yet() -> None:
    releases = known("1.31.1", {"version": "1.32.0", "regions": ["east"]})
    assert found(profile(), member("m1", region="east"), releases=releases) == ["1.32.0"]
    members = [member("m1", region="east"), member("m2", region="west"), member("m3")]
    result = target_of(profile().spec, members, releases, NOW)
    assert isinstance(result, Target)
    assert (result.versions, result.held_back) == (("1.31.1",), "Kubernetes 1.32.0 is not in west yet")


def test_nothing_listed() -> None:
    assert missing(profile(), releases=known()) == "no ReleaseCatalog lists a Kubernetes version"
    assert missing(profile("NodeImage"), releases=known()) == "no ReleaseCatalog lists a node image"


def test_node_images_are_the_newest_that_all_regions_of_the_members_have() -> None:
    releases = known(images=(image("1.0"), image("2.0", "east"), image("7.0", family="Windows")))
    east, west = (member(name, region=name, images=["Ubuntu-1.0"]) for name in ("east", "west"))
    assert found(profile("NodeImage"), east, releases=releases) == ["Ubuntu-2.0"]
    assert found(profile("NodeImage"), east, west, releases=releases) == ["Ubuntu-1.0"]
    assert found(profile("NodeImage"), member("m"), releases=releases) == ["Ubuntu-2.0", "Windows-7.0"]


def test_who_is_behind() -> None:
    version = target_of(profile().spec, [], VERSIONS, NOW)
    images = target_of(profile("NodeImage").spec, [], known(images=(image("2.0"),)), NOW)
    assert isinstance(version, Target)
    assert isinstance(images, Target)
    assert [is_behind(member("m", version=text), version) for text in ("1.32.0", "1.32.1", "1.33.0", "")] == [
        True,
        False,
        False,
        None,
    ]
    assert is_behind(member("m", images=["Ubuntu-1.0", "Windows-1.0"]), images) is True
    assert is_behind(member("m", images=["Ubuntu-2.0"]), images) is False
    assert is_behind(member("m", images=["Windows-1.0"]), images) is False
    assert is_behind(member("m"), images) is None


REGIONS = ("", "east", "west")
RELEASES = st.lists(
    st.builds(
        lambda minor, patch, regions, preview, lts: {
            "version": f"1.{minor}.{patch}",
            "regions": regions,
            "preview": preview,
            "longTermSupport": lts,
        },
        st.integers(27, 33),
        st.integers(0, 5),
        st.lists(st.sampled_from(REGIONS[1:]), unique=True, max_size=2),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)
PROFILES = st.one_of(
    st.sampled_from([profile("Rapid"), profile("Stable")]),
    st.builds(lambda minor, lts: target(f"1.{minor}", longTermSupport=lts), st.integers(27, 33), st.booleans()),
)


@given(RELEASES, PROFILES, st.lists(st.sampled_from(REGIONS), max_size=4))
def test_whatever_is_found_every_member_can_have(
    listed: list[dict[str, Any]], of: AutoUpgradeProfile, regions: list[str]
) -> None:
    releases = known(*listed)
    result = target_of(of.spec, [member(f"m{n}", region=region) for n, region in enumerate(regions)], releases, NOW)
    if isinstance(result, NoTarget):
        assert result.message
        return
    assert result.version is not None
    entries = [release for release in releases.catalogue.releases if release.version == result.version]
    assert any(not entry.preview for entry in entries)
    assert of.spec.long_term_support or any(not entry.long_term_support for entry in entries)
    assert all(any(entry.is_in(region) for entry in entries) for region in regions if region)


@given(RELEASES, PROFILES)
def test_rapid_is_never_behind_stable(listed: list[dict[str, Any]], of: AutoUpgradeProfile) -> None:
    releases = known(*listed)
    rapid, stable = (target_of(profile(name).spec, [], releases, NOW) for name in ("Rapid", "Stable"))
    if isinstance(stable, Target):
        assert isinstance(rapid, Target)
        assert rapid.version is not None
        assert stable.version is not None
        assert rapid.version.minor == stable.version.minor + 1
