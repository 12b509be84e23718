"""The ids of resources: paths in which only the names belong to the user.

ARM compares paths without regard to case and gives ids back in the casing that it was asked in, so the part of
an id that leads to the fleet is taken from the request.
"""

from __future__ import annotations

import re

import msgspec

PROVIDER = "Microsoft.ContainerService"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class FleetId(msgspec.Struct, frozen=True):
    """Where a fleet is: the ids of all that belongs to it begin with this."""

    subscription: str
    group: str
    name: str

    def __str__(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/{PROVIDER}/fleets/{self.name}"

    def of(self, type_: str, name: str) -> str:
        """The id of a resource of the fleet."""
        return f"{self}/{type_}/{name}"

    def managed_cluster(self, name: str) -> str:
        """The id of a managed cluster in the resource group of the fleet."""
        base = str(self).rpartition("/fleets/")[0]
        return f"{base}/managedClusters/{name}"

    def same_as(self, other: FleetId) -> bool:
        return str(self).lower() == str(other).lower()


def last_name(id_: str, type_: str) -> str | None:
    """The name at the end of an id of resources of a type; None when it is no such id."""
    segments = id_.strip("/").split("/")
    if len(segments) < 4 or segments[-2].lower() != type_.lower() or segments[0].lower() != "subscriptions":
        return None
    return segments[-1]


def is_name(text: str, longest: int) -> bool:
    """Whether this can be the name of a fleet, or of something in one."""
    return len(text) <= longest and _NAME.fullmatch(text) is not None
