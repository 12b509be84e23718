"""What a run knows of a member: all of it from its MemberCluster.

The update group is the label ``fleet.echelon.dev/update-group``, the region one of ``REGION_LABELS``, the platform's
name of the cluster an annotation, maintenance windows two more (see ``windows``). The Kubernetes version is the
property that the member's agent reports; node images are known where it reports ``names.NODE_IMAGES``, the images of
all nodes with commas in between. What is not known does not stand in the way: the provider, who looks at the cluster
itself, has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpgradeType
from echelon.upgrade.versions import ImageVersion, KubeVersion, NotAVersion

REGION_LABELS = ("topology.kubernetes.io/region", "fleet.azure.com/location")


class Member(Struct, frozen=True, kw_only=True):
    """A member as runs see it. ``region``, ``kubernetes_version`` and ``node_images`` are empty when not known.

    ``window`` and ``image_window`` are the texts of its maintenance windows, for Kubernetes and for node images.
    """

    name: str
    cluster_resource_id: str = ""
    group: str = ""
    labels: Mapping[str, str] = {}
    region: str = ""
    kubernetes_version: KubeVersion | None = None
    node_images: tuple[ImageVersion, ...] = ()
    window: str = ""
    image_window: str = ""

    def window_for(self, upgrade: UpgradeType) -> str:
        """The text of the window that an upgrade of this type keeps to."""
        return self.image_window if upgrade == "NodeImageOnly" else self.window


def member_of(cluster: MemberCluster) -> Member:
    """What a MemberCluster says."""
    labels, annotations = cluster.metadata.labels, cluster.metadata.annotations
    properties = cluster.status.properties
    version, images = properties.get(names.KUBERNETES_VERSION), properties.get(names.NODE_IMAGES)
    return Member(
        name=cluster.metadata.name,
        cluster_resource_id=annotations.get(names.CLUSTER_RESOURCE_ID, ""),
        group=labels.get(names.UPDATE_GROUP, ""),
        labels=labels,
        region=next((labels[key] for key in REGION_LABELS if labels.get(key)), ""),
        kubernetes_version=None if version is None else _version(version.value),
        node_images=() if images is None else _images(images.value),
        window=annotations.get(names.MAINTENANCE_WINDOW, ""),
        image_window=annotations.get(names.NODE_IMAGE_MAINTENANCE_WINDOW, ""),
    )


def _version(text: str) -> KubeVersion | None:
    try:
        return KubeVersion.parse(text)
    except NotAVersion:
        return None


def _images(text: str) -> tuple[ImageVersion, ...]:
    """The images of a property; none at all when one of them cannot be read, as half the truth would mislead."""
    try:
        return tuple(sorted({ImageVersion.parse(part.strip()) for part in text.split(",") if part.strip()}))
    except NotAVersion:
        return ()
