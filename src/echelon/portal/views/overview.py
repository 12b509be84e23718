"""The fleet at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from echelon.api.cluster import MemberCluster
from echelon.portal.views.members import NONE, Health, Row, Slice, Spread, image_version, rows, spread
from echelon.portal.views.runs import Card

CELLS = 400
"""Members that are drawn one by one; of more, each cell stands for several."""


class Cell(Struct, frozen=True):
    """A member, or several, in the map of the fleet."""

    title: str
    tone: str
    href: str


class Field(Struct, frozen=True):
    """The members of one region in the map."""

    name: str
    count: int
    cells: tuple[Cell, ...]


class Healths(Struct, frozen=True):
    """How the members are, altogether."""

    total: int
    slices: tuple[Slice, ...]

    @property
    def healthy(self) -> int:
        return sum(part.count for part in self.slices if part.name == Health.HEALTHY)


class Overview(Struct, frozen=True, kw_only=True):
    """What the page shows."""

    health: Healths
    spreads: tuple[Spread, ...]
    fields: tuple[Field, ...]
    active: tuple[Card, ...]
    recent: tuple[Card, ...]
    per_cell: int


def overview(members: Iterable[MemberCluster], cards: Iterable[Card], now: datetime) -> Overview:
    """The fleet and what goes on in it."""
    found = rows(members, now)
    cards = list(cards)
    ended = [card for card in cards if not card.is_active and card.started is not None]
    ended.sort(key=lambda card: card.ended or card.started or now, reverse=True)
    per_cell = -(-len(found) // CELLS) or 1
    return Overview(
        health=_health(found),
        spreads=(
            spread("Kubernetes version", "version", (row.version for row in found), newest_first=True),
            spread(
                "Node image",
                "image",
                (", ".join(sorted({image_version(image) for image in row.images})) for row in found),
                newest_first=True,
            ),
            spread("Update group", "group", (row.group or NONE for row in found)),
        ),
        fields=_fields(found, per_cell),
        active=tuple(card for card in cards if card.is_active),
        recent=tuple(ended[:5]),
        per_cell=per_cell,
    )


def _health(found: Sequence[Row]) -> Healths:
    slices, begins = [], 0
    for health in Health:
        count = sum(row.health is health for row in found)
        if count:
            slices.append(Slice(health.value, count, health.tone, begins))
            begins += count
    return Healths(len(found), tuple(slices))


def _fields(found: Sequence[Row], per_cell: int) -> tuple[Field, ...]:
    regions: dict[str, list[Row]] = {}
    for row in found:
        regions.setdefault(row.region or "no region", []).append(row)
    return tuple(Field(name, len(here), _cells(here, per_cell)) for name, here in sorted(regions.items()))


def _cells(found: Sequence[Row], per_cell: int) -> tuple[Cell, ...]:
    """The members in a row; several together are as well as the worst of them."""
    cells = []
    for begin in range(0, len(found), per_cell):
        together = found[begin : begin + per_cell]
        worst = min((row.health for row in together), key=_SEVERITY.index)
        if len(together) == 1:
            title = f"{together[0].name}: {worst.value}, {together[0].version or 'version unknown'}"
            href = f"/members/{together[0].name}"
        else:
            title = f"{together[0].name} to {together[-1].name}: {worst.value}"
            href = f"/members?after={together[0].name}"
        cells.append(Cell(title, worst.tone, href))
    return tuple(cells)


_SEVERITY = (Health.UNHEALTHY, Health.SILENT, Health.JOINING, Health.LEAVING, Health.HEALTHY)
