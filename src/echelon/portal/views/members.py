"""Members: how they are and what they consist of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import HEALTHY, JOINED, find_condition
from echelon.api.meta import parse_time

REGION_LABELS = ("topology.kubernetes.io/region", "fleet.azure.com/location")
MISSED = 3
"""Heartbeats until a member counts as silent."""

UNKNOWN = "unknown"
NONE = "none"


class Health(StrEnum):
    """How a member is; the values are for people."""

    HEALTHY = "healthy"
    UNHEALTHY = "not healthy"
    SILENT = "silent"
    JOINING = "joining"
    LEAVING = "leaving"

    @property
    def tone(self) -> str:
        return _TONES[self]


_TONES = {
    Health.HEALTHY: "good",
    Health.UNHEALTHY: "bad",
    Health.SILENT: "warn",
    Health.JOINING: "busy",
    Health.LEAVING: "idle",
}


class Row(Struct, frozen=True, kw_only=True):
    """A member in a list."""

    name: str
    health: Health
    version: str
    images: tuple[str, ...]
    region: str
    group: str
    nodes: str
    labels: tuple[tuple[str, str], ...]


def row_of(member: MemberCluster, now: datetime) -> Row:
    """A member as it is at a moment."""
    metadata, properties = member.metadata, member.status.properties
    shown = sorted((key, value) for key, value in metadata.labels.items() if not key.startswith(names.PREFIX))
    return Row(
        name=metadata.name,
        health=health_of(member, now),
        version=_property(member, names.KUBERNETES_VERSION).removeprefix("v"),
        images=tuple(sorted(part.strip() for part in _property(member, names.NODE_IMAGES).split(",") if part.strip())),
        region=next((metadata.labels[key] for key in REGION_LABELS if metadata.labels.get(key)), ""),
        group=metadata.labels.get(names.UPDATE_GROUP, ""),
        nodes=properties[names.NODE_COUNT].value if names.NODE_COUNT in properties else "",
        labels=tuple(shown),
    )


def rows(members: Iterable[MemberCluster], now: datetime) -> Sequence[Row]:
    """All members, by name."""
    return sorted((row_of(member, now) for member in members), key=lambda row: row.name)


def health_of(member: MemberCluster, now: datetime) -> Health:
    """How a member is at a moment."""
    if member.metadata.deletion_timestamp is not None:
        return Health.LEAVING
    joined = find_condition(member.status.conditions, JOINED)
    if joined is None or joined.status != "True":
        return Health.JOINING
    last = heartbeat_of(member)
    if last is not None and now - last > timedelta(seconds=member.spec.heartbeat_period_seconds * MISSED):
        return Health.SILENT
    healthy = find_condition(member.status.conditions, HEALTHY)
    return Health.HEALTHY if healthy is None or healthy.status == "True" else Health.UNHEALTHY


def heartbeat_of(member: MemberCluster) -> datetime | None:
    """When a member last reported."""
    beats = [agent.last_received_heartbeat for agent in member.status.agent_status]
    return max((parse_time(beat) for beat in beats if beat), default=None)


def _property(member: MemberCluster, name: str) -> str:
    value = member.status.properties.get(name)
    return "" if value is None else value.value


# -- spreads ------------------------------------------------------------------------------------


class Slice(Struct, frozen=True):
    """How many members have something in common. ``tone`` chooses its colour; shares begin at ``begins``."""

    name: str
    count: int
    tone: str
    begins: int = 0


class Spread(Struct, frozen=True, kw_only=True):
    """How the members differ in one thing; ``query`` is what a link to the members filters by."""

    title: str
    query: str
    total: int
    slices: tuple[Slice, ...]

    @property
    def summary(self) -> str:
        """The spread in words."""
        return ", ".join(f"{part.count} {part.name}" for part in self.slices) or "no members"


SHOWN = 6
"""Slices of a spread that are told apart; the others are one."""


def spread(title: str, query: str, values: Iterable[str], *, newest_first: bool = False) -> Spread:
    """How often each value is there: by count, or versions from new to old."""
    counts = Counter(value or UNKNOWN for value in values)
    if newest_first:
        ordered = sorted(counts.items(), key=lambda item: version_key(item[0]), reverse=True)
    else:
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) > SHOWN:
        rest = sum(count for _, count in ordered[SHOWN - 1 :])
        ordered = [*ordered[: SHOWN - 1], (f"{len(ordered) - SHOWN + 1} others", rest)]
    slices, begins = [], 0
    for index, (name, count) in enumerate(ordered):
        tone = "unknown" if name == UNKNOWN else f"series-{index + 1}"
        slices.append(Slice(name, count, tone, begins))
        begins += count
    return Spread(title=title, query=query, total=begins, slices=tuple(slices))


def version_key(text: str) -> tuple[tuple[int, str], ...]:
    """By what versions are put in order: numbers as numbers."""
    parts = text.replace("-", ".").replace("+", ".").split(".")
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def image_version(image: str) -> str:
    """The version of a node image, without the family."""
    return image.rpartition("-")[2] or image
