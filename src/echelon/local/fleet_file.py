"""The file of ``echelon up --fleet``: the members of a fleet, what they consist of, and what there is to upgrade to.

::

    defaults:                        # of all members; any field of a member but its name
      kubernetesVersion: 1.30.0      # of the control plane, and of nodes that say nothing else
      secondsPerNode: 0.1            # how long an upgrade takes; also controlPlaneSeconds
      nodePools:
      - name: system
        nodes: 3
        nodeImage: AKSUbuntu-2204gen2containerd-202410.01.0
    members:
    - name: member1
      region: eastus
      updateGroup: canary
      labels: {environment: canary}
      annotations: {}
    releases:                        # the ReleaseCatalog "default" of the hub
      kubernetesVersions: [1.30.0, {version: 1.31.1, regions: [eastus], published: 2024-11-01T00:00:00Z}]
      nodeImages:
      - {family: AKSUbuntu-2204gen2containerd, version: 202410.01.0}

What members consist of counts when they are new. From then on their own API servers hold it, upgrades
change it, and of the file only names, labels, annotations and times are taken over at a start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from echelon.api import names
from echelon.api.meta import format_time, parse_time
from echelon.api.upgrade import KubernetesRelease, NodeImage, ReleaseCatalogSpec
from echelon.local.document import BadDocument, Item, read_document
from echelon.local.members import BadMember, MemberSpec, label_problem, parse_member, parse_members
from echelon.local.simulation import SimulatedCluster, SimulatedPool
from echelon.upgrade.providers.simulated.platform import REGION
from echelon.upgrade.versions import ImageVersion, KubeVersion

__all__ = ["BadDocument", "FleetFile", "read_fleet_file"]

_CLUSTER_FIELDS = (
    "region",
    "kubernetesVersion",
    "controlPlaneSeconds",
    "secondsPerNode",
    "longTermSupport",
    "nodePools",
)
_MEMBER_FIELDS = (*_CLUSTER_FIELDS, "updateGroup", "labels", "annotations")
_POOL_FIELDS = ("name", "nodes", "kubernetesVersion", "nodeImage")
_RELEASE_FIELDS = ("version", "regions", "published", "preview", "longTermSupport", "endOfSupport")
_IMAGE_FIELDS = ("family", "version", "regions", "published")

_POOL_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
_GROUP = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
_REGION = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_MAX_NODES = 1000
_MAX_SECONDS = 86400


class FleetFile(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet as its file describes it; without ``releases`` the hub's catalogue is left alone."""

    members: tuple[MemberSpec, ...]
    releases: ReleaseCatalogSpec | None = None


def read_fleet_file(path: Path) -> FleetFile:
    """Read a fleet file.

    Raises:
        BadDocument: with file, line and field, what is wrong and what would be accepted.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadDocument(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadDocument(f"{path}: this is no UTF-8 text") from error
    return parse_fleet(str(path), text)


def parse_fleet(file: str, text: str) -> FleetFile:
    """As ``read_fleet_file``, of a text."""
    document = read_document(file, text)
    fields = document.fields(("defaults", "members", "releases"), required=("members",))
    defaults = fields["defaults"].fields(_MEMBER_FIELDS) if "defaults" in fields else {}
    members = tuple(_member(item, defaults) for item in fields["members"].items())
    if not members:
        raise fields["members"].bad("a fleet has at least one member")
    try:
        parse_members([member.name for member in members])
    except BadMember as error:
        raise fields["members"].bad(str(error)) from error
    return FleetFile(members=members, releases=_releases(fields["releases"]) if "releases" in fields else None)


def parse_cluster(where: str, text: str) -> SimulatedCluster:
    """What a cluster consists of, in the form of a member of a fleet file; ``where`` it stands. Raises BadDocument."""
    return _cluster(read_document(where, text).fields(_CLUSTER_FIELDS))


# -- members ------------------------------------------------------------------------------------


def _member(item: Item, defaults: Mapping[str, Item]) -> MemberSpec:
    own = item.fields(("name", *_MEMBER_FIELDS), required=("name",))
    name = own["name"].read(lambda text: parse_member(text).name)
    if name != own["name"].text():
        raise own["name"].bad(f"{own['name'].text()!r} is not a name; labels go under labels")
    fields = {**defaults, **own}
    cluster = _cluster(fields)
    labels = {**_labels(defaults), **_labels(own), REGION: cluster.region}
    if "updateGroup" in fields:
        labels[names.UPDATE_GROUP] = _matching(fields["updateGroup"], _GROUP, "an update group")
    annotations = {**_annotations(defaults), **_annotations(own)}
    return MemberSpec(name, labels, annotations, cluster)


def _cluster(fields: Mapping[str, Item]) -> SimulatedCluster:
    values: dict[str, object] = {}
    if "region" in fields:
        values["region"] = _matching(fields["region"], _REGION, "a region")
    if "kubernetesVersion" in fields:
        values["kubernetes_version"] = fields["kubernetesVersion"].read(_full_version)
    for field, attribute in (("controlPlaneSeconds", "control_plane_seconds"), ("secondsPerNode", "seconds_per_node")):
        if field in fields:
            values[attribute] = fields[field].number("seconds", _MAX_SECONDS)
    if "longTermSupport" in fields:
        values["long_term_support"] = fields["longTermSupport"].truth()
    if "nodePools" in fields:
        values["pools"] = _pools(fields["nodePools"])
    cluster = msgspec.convert(values, SimulatedCluster)
    for pool in cluster.pools:
        if KubeVersion.parse(pool.kubernetes_version or cluster.kubernetes_version) > KubeVersion.parse(
            cluster.kubernetes_version
        ):
            raise fields["nodePools"].bad(
                f"the nodes of pool {pool.name} are at {pool.kubernetes_version}, ahead of the control plane at "
                f"{cluster.kubernetes_version}; nodes are never ahead"
            )
    return cluster


def _pools(item: Item) -> tuple[SimulatedPool, ...]:
    pools: list[SimulatedPool] = []
    for entry in item.items():
        fields = entry.fields(_POOL_FIELDS, required=("name",))
        values: dict[str, object] = {"name": _matching(fields["name"], _POOL_NAME, "a node pool")}
        if any(pool.name == values["name"] for pool in pools):
            raise entry.bad(f"the node pool {values['name']} is given twice")
        if "nodes" in fields:
            values["nodes"] = fields["nodes"].count("nodes", _MAX_NODES)
        if "kubernetesVersion" in fields:
            values["kubernetes_version"] = fields["kubernetesVersion"].read(_full_version)
        if "nodeImage" in fields:
            values["node_image"] = fields["nodeImage"].read(lambda text: str(ImageVersion.parse(text)))
        pools.append(msgspec.convert(values, SimulatedPool))
    return tuple(pools)


def _labels(fields: Mapping[str, Item]) -> dict[str, str]:
    if "labels" not in fields:
        return {}
    return {key: _label(key, item) for key, item in fields["labels"].entries().items()}


def _label(key: str, item: Item) -> str:
    value = item.text()
    if problem := label_problem(key, value):
        raise item.bad(problem)
    return value


def _annotations(fields: Mapping[str, Item]) -> dict[str, str]:
    if "annotations" not in fields:
        return {}
    return {key: item.text() for key, item in fields["annotations"].entries().items()}


def _matching(item: Item, pattern: re.Pattern[str], what: str) -> str:
    text = item.text()
    if not pattern.fullmatch(text):
        raise item.bad(f"{text!r} is not the name of {what}; want one that matches {pattern.pattern}")
    return text


def _full_version(text: str) -> str:
    version = KubeVersion.parse(text)
    if version.is_alias:
        raise ValueError(f"{text!r} names no patch; want a whole version, such as {text}.1")
    return str(version)


# -- releases -----------------------------------------------------------------------------------


def _releases(item: Item) -> ReleaseCatalogSpec:
    fields = item.fields(("kubernetesVersions", "nodeImages"))
    versions = fields["kubernetesVersions"].items() if "kubernetesVersions" in fields else ()
    images = fields["nodeImages"].items() if "nodeImages" in fields else ()
    return ReleaseCatalogSpec(
        kubernetes_versions=tuple(_release(entry) for entry in versions),
        node_images=tuple(_image(entry) for entry in images),
    )


def _release(item: Item) -> KubernetesRelease:
    """A version alone, or one with what is known of it."""
    if item.is_text:
        return KubernetesRelease(version=item.read(_full_version))
    fields = item.fields(_RELEASE_FIELDS, required=("version",))
    return KubernetesRelease(
        version=fields["version"].read(_full_version),
        regions=_regions(fields),
        published=_moment(fields, "published"),
        preview="preview" in fields and fields["preview"].truth(),
        long_term_support="longTermSupport" in fields and fields["longTermSupport"].truth(),
        end_of_support=_moment(fields, "endOfSupport"),
    )


def _image(item: Item) -> NodeImage:
    """Family and version in one text, or apart and with what is known of it."""
    if item.is_text:
        image = item.read(ImageVersion.parse)
        return NodeImage(family=image.family, version=image.version)
    fields = item.fields(_IMAGE_FIELDS, required=("family", "version"))
    image = fields["version"].read(lambda version: ImageVersion.parse(f"{fields['family'].text()}-{version}"))
    return NodeImage(
        family=image.family, version=image.version, regions=_regions(fields), published=_moment(fields, "published")
    )


def _regions(fields: Mapping[str, Item]) -> tuple[str, ...]:
    if "regions" not in fields:
        return ()
    return tuple(_matching(item, _REGION, "a region") for item in fields["regions"].items())


def _moment(fields: Mapping[str, Item], name: str) -> str | None:
    return format_time(fields[name].read(parse_time)) if name in fields else None
