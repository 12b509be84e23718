"""Which node images members get: reference 5.4."""

from __future__ import annotations

from typing import Any

from echelon.upgrade import images
from echelon.upgrade.releases import Releases
from echelon.upgrade.versions import KubeVersion

from .hub import control_plane, full, node_images
from .values import IMAGE, member, releases, run_of

OLD, COMMON, NEW = (f"{IMAGE}-{version}" for version in ("202410.01.0", "202410.15.0", "202411.03.0"))
WINDOWS = "AKSWindows-2022-containerd"
KNOWN = releases(
    {"1.30.4": [], "1.31.1": ["eastus"], "1.31.2": ["westeurope"]},
    {OLD: [], COMMON: [], NEW: ["eastus"], f"{WINDOWS}-20348.1": ["eastus"]},
)
EAST, WEST, NOWHERE = (member(region or "unknown", region=region) for region in ("eastus", "westeurope", ""))


def selected(update: Any, *members: Any, known: Releases = KNOWN) -> list[str] | None:
    found = images.selected(run_of(update).spec.managed_cluster_update, members, known)
    return None if found is None else [image.version for image in found.selected_node_image_versions]


def chosen(update: Any, one: Any, settled: Any = (), known: Releases = KNOWN) -> list[str]:
    managed = run_of(update).spec.managed_cluster_update
    selection = images.selected(managed, settled, known) if settled else None
    return [str(image) for image in images.images_for(managed, selection, one, known)]


def test_latest_is_the_newest_where_the_member_is() -> None:
    assert selected(node_images("Latest"), EAST, WEST) is None
    assert chosen(node_images("Latest"), EAST) == [NEW, f"{WINDOWS}-20348.1"]
    assert chosen(node_images("Latest"), WEST) == [COMMON]
    assert chosen(full("1.30.4"), EAST) == [NEW, f"{WINDOWS}-20348.1"]


def test_latest_of_the_families_that_a_member_has() -> None:
    assert chosen(node_images("Latest"), member("m", region="eastus", images=[OLD])) == [NEW]


def test_consistent_is_the_newest_that_all_regions_of_the_run_have() -> None:
    update = node_images("Consistent")
    assert selected(update, EAST, WEST) == [COMMON]
    assert selected(update, EAST) == [NEW, f"{WINDOWS}-20348.1"]
    assert selected(update, EAST, NOWHERE) == [NEW, f"{WINDOWS}-20348.1"]
    assert chosen(update, EAST, settled=[EAST, WEST]) == [COMMON]


def test_consistent_over_the_families_of_the_run() -> None:
    linux = [member(f"m{n}", region="eastus", images=[OLD]) for n in range(2)]
    assert selected(node_images("Consistent"), *linux) == [NEW]


def test_a_pool_without_a_common_image_has_its_cluster_skipped() -> None:
    update = run_of(node_images("Consistent")).spec.managed_cluster_update
    mixed = member("m", region="eastus", images=[OLD, f"{WINDOWS}-20348.0"])
    settled = images.selected(update, [mixed, member("w", region="westeurope", images=[OLD])], KNOWN)
    assert settled is not None
    assert images.lacking(settled, mixed) == (
        f"no node image of the family {WINDOWS} is available in all regions of the run"
    )
    assert images.lacking(settled, WEST) is None
    nothing = images.selected(update, [EAST, member("x", region="elsewhere")], releases({}, {NEW: ["eastus"]}))
    assert nothing is not None
    assert images.lacking(nothing, EAST) == "no node image is available in all regions of the run"


def test_custom_is_what_was_named() -> None:
    assert selected(node_images("Custom", OLD), EAST) == [OLD]


def test_no_images_for_control_planes_or_without_a_catalogue() -> None:
    assert selected(control_plane("1.30.4"), EAST) is None
    assert chosen(control_plane("1.30.4"), EAST) == []
    assert selected(node_images("Consistent"), EAST, known=Releases()) is None
    assert chosen(node_images("Latest"), EAST, known=Releases()) == []


def test_versions_where_a_member_is() -> None:
    def newest(text: str, region: str) -> str | None:
        found = KNOWN.newest(KubeVersion.parse(text), region)
        return None if found is None else str(found)

    assert newest("1.31.1", "eastus") == "1.31.1"
    assert newest("1.31.1", "westeurope") is None
    assert newest("1.31", "westeurope") == "1.31.2"
    assert newest("1.31", "eastus") == "1.31.1"
    assert newest("1.31", "") == "1.31.2"
    assert newest("1.32", "") is None
    assert str(Releases().newest(KubeVersion.parse("1.99.0"), "eastus")) == "1.99.0"
