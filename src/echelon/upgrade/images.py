"""Which node images members get.

Pure. *Latest* is settled for each member when its upgrade begins: the newest of each family in its region. *Consistent*
is settled once, when the run begins: of each family the newest that all regions of the run have. *Custom* is what the
user named. What was settled stays so for the run, whatever the catalogue says later, also for those tried again.

No image at all means that the provider takes what is newest: that is so where no catalogue lists images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from echelon.api.fleet import ManagedClusterUpdate, NodeImageVersion, SelectedNodeImages
from echelon.upgrade.members import Member
from echelon.upgrade.releases import Releases
from echelon.upgrade.versions import ImageVersion

Images = tuple[ImageVersion, ...]


def selected(update: ManagedClusterUpdate, members: Iterable[Member], releases: Releases) -> SelectedNodeImages | None:
    """The images that a run over these members would settle on now; None when it settles on none."""
    selection = update.node_image_selection
    if update.upgrade.type == "ControlPlaneOnly" or selection is None or selection.type == "Latest":
        return None
    if selection.type == "Custom":
        return SelectedNodeImages(selected_node_image_versions=selection.custom_node_image_versions)
    if not releases.lists_images:
        return None
    fleet = list(members)
    regions = {member.region for member in fleet if member.region}
    common = (releases.newest_image(family, regions) for family in families_of(fleet, releases))
    return SelectedNodeImages(
        selected_node_image_versions=tuple(NodeImageVersion(version=str(image)) for image in common if image)
    )


def families_of(members: Sequence[Member], releases: Releases) -> Iterable[str]:
    """The families of the run; all that there are while some member does not say what it has."""
    if members and all(member.node_images for member in members):
        return sorted({image.family for member in members for image in member.node_images})
    return releases.families()


def images_for(
    update: ManagedClusterUpdate, settled: SelectedNodeImages | None, member: Member, releases: Releases
) -> Images:
    """The images to bring a member to, one a family; none leaves the choice to its provider."""
    if update.upgrade.type == "ControlPlaneOnly":
        return ()
    if settled is not None:
        chosen = [ImageVersion.parse(image.version) for image in settled.selected_node_image_versions]
    else:
        newest = (releases.newest_image(family, [member.region]) for family in releases.families())
        chosen = [image for image in newest if image is not None]
    own = {image.family for image in member.node_images}
    return tuple(image for image in chosen if not own or image.family in own)


def lacking(settled: SelectedNodeImages, member: Member) -> str | None:
    """Why a Consistent selection has nothing for a member: all regions of the run have no image of some family."""
    chosen = {ImageVersion.parse(image.version).family for image in settled.selected_node_image_versions}
    family = next((image.family for image in member.node_images if image.family not in chosen), None)
    if family is not None:
        return f"no node image of the family {family} is available in all regions of the run"
    return None if chosen else "no node image is available in all regions of the run"
