"""Members, to and from ARM: MemberClusters.

The id of the cluster, as it was given, is kept in an annotation of its own where the provider goes by another one
(a simulated cluster). Labels of Kubernetes' and of Echelon's own namespaces are not the user's and not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import JOINED, find_condition
from echelon.api.meta import ObjectMeta
from echelon.arm.errors import invalid
from echelon.arm.ids import FleetId, is_name

MEMBERS = "members"
LOCATION = "fleet.azure.com/location"
CLUSTER_ID = names.OWN_PREFIX + "azure-cluster-id"

FIELDS: Mapping[str, str] = {
    "metadata.labels": "properties.labels",
    "metadata.annotations": "properties",
    "metadata.name": "name",
}
_RESERVED = (names.PREFIX, names.OWN_PREFIX, "fleet.azure.com/")


def member_to(member: MemberCluster, fleet: FleetId) -> dict[str, Any]:
    """The properties of a member."""
    found: dict[str, Any] = {"clusterResourceId": cluster_id(member.metadata, fleet)}
    if group := member.metadata.labels.get(names.UPDATE_GROUP):
        found["group"] = group
    if labels := own_labels(member.metadata):
        found["labels"] = labels
    found["provisioningState"] = provisioning_state(member)
    found["status"] = {}
    return found


def cluster_id(metadata: ObjectMeta, fleet: FleetId) -> str:
    """What a member is, as an ARM id."""
    own = metadata.annotations.get(names.CLUSTER_RESOURCE_ID, "")
    return metadata.annotations.get(CLUSTER_ID) or (
        own if own.startswith("/") else fleet.managed_cluster(metadata.name)
    )


def own_labels(metadata: ObjectMeta) -> dict[str, str]:
    return {key: value for key, value in metadata.labels.items() if not key.startswith(_RESERVED)}


def provisioning_state(member: MemberCluster) -> str:
    """How far joining or leaving is."""
    if member.metadata.deletion_timestamp is not None:
        return "Leaving"
    joined = find_condition(member.status.conditions, JOINED)
    return "Succeeded" if joined is not None and joined.status == "True" else "Joining"


def given_id(properties: Mapping[str, Any]) -> str:
    """The cluster that a request names.

    Raises:
        ArmError: none, or what is no id.
    """
    id_ = properties.get("clusterResourceId")
    segments = id_.strip("/").split("/") if isinstance(id_, str) else []
    if len(segments) < 8 or segments[0].lower() != "subscriptions" or segments[4].lower() != "providers":
        message = (
            f"{id_!r} is not the id of a cluster; want /subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/"
            "Microsoft.ContainerService/managedClusters/NAME"
        )
        raise invalid(message, "properties.clusterResourceId")
    assert isinstance(id_, str)
    return id_


def labels_from(properties: Mapping[str, Any], present: Mapping[str, str] | None, *, whole: bool) -> dict[str, Any]:
    """The labels of the MemberCluster after a request; ``whole``: what the request does not name goes.

    The values are not judged here but by the hub.
    """
    before = dict(present or {})
    given: Any = properties.get("labels")
    if given is not None and not isinstance(given, Mapping):
        raise invalid(f"{given!r} is not an object of strings", "properties.labels")
    if reserved := [key for key in given or () if key.startswith(_RESERVED)]:
        raise invalid(f"the label {reserved[0]!r} belongs to the fleet", "properties.labels")
    after: dict[str, Any] = dict(before)
    if given is not None or whole:
        after = {key: value for key, value in before.items() if key.startswith(_RESERVED)} | dict(given or {})
    if properties.get("group") is not None:
        after[names.UPDATE_GROUP] = _group(properties["group"])
    elif whole or ("group" in properties):
        after.pop(names.UPDATE_GROUP, None)
    return after


def _group(group: Any) -> str:
    if not isinstance(group, str) or (group and not is_name(group, 50)):
        message = f"{group!r} is not the name of an update group; want 1 to 50 lower-case letters, digits and dashes"
        raise invalid(message, "properties.group")
    return group
