"""Runs of both kinds in a few words: what they do, how far they are, what they wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from echelon.api.fleet import ManagedClusterUpdate, UpdateRun
from echelon.explain.access import Access
from echelon.explain.items import Item, Part, State
from echelon.explain.kinds import Run
from echelon.explain.outline import outline
from echelon.explain.run_outline import run_outline
from echelon.explain.run_waits import run_waits
from echelon.explain.waiting import Wait, waits

TONES: Mapping[State, str] = {
    State.NOT_STARTED: "idle",
    State.UPDATING: "busy",
    State.WAITING: "warn",
    State.STOPPING: "warn",
    State.STOPPED: "idle",
    State.STUCK: "bad",
    State.SKIPPED: "skipped",
    State.DONE: "good",
    State.FAILED: "bad",
    State.PLANNED: "idle",
}
_ORDER = (State.FAILED, State.STUCK, State.DONE, State.SKIPPED, State.UPDATING, State.WAITING)
_NOBODY = Access()


class Count(Struct, frozen=True):
    """How many members of a run are in a state; ``begins`` is how many come before them in a bar."""

    name: str
    count: int
    tone: str
    begins: int


class Card(Struct, frozen=True, kw_only=True):
    """A run in a list."""

    kind: str
    name: str
    path: str
    what: str
    state: str
    tone: str
    total: int
    done: int
    counts: tuple[Count, ...]
    waits: tuple[Wait, ...]
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    by: str = ""

    @property
    def is_active(self) -> bool:
        """Whether somebody or something is at work on it, or it waits."""
        return self.tone in ("busy", "warn") or self.state == State.STUCK

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


def upgrade_words(update: ManagedClusterUpdate) -> str:
    """What an update run does to each member."""
    selection = update.node_image_selection.type if update.node_image_selection is not None else "Latest"
    images = {"Latest": "latest node images", "Consistent": "the same node images everywhere"}.get(
        selection, "node images by name"
    )
    match update.upgrade.type:
        case "Full":
            return f"Kubernetes {update.upgrade.kubernetes_version}, {images}"
        case "ControlPlaneOnly":
            return f"Control planes to Kubernetes {update.upgrade.kubernetes_version}"
        case _:
            return images[:1].upper() + images[1:]


def counts(item: Item) -> tuple[Count, ...]:
    """The members of a run, or of a part of it, by state."""
    found = Counter(member.state for member in item.members())
    listed, begins = [], 0
    for state in sorted(found, key=lambda state: _ORDER.index(state) if state in _ORDER else len(_ORDER)):
        listed.append(Count(state.value, found[state], TONES[state], begins))
        begins += found[state]
    return tuple(listed)


def update_card(run: UpdateRun, profile: str = "") -> Card:
    """An update run."""
    item = run_outline(run)
    return _card(
        item,
        kind="Update run",
        path=f"/runs/{run.metadata.name}",
        what=upgrade_words(run.spec.managed_cluster_update),
        waits=run_waits(run, item, _NOBODY),
        created=run.metadata.creation_timestamp,
        by=profile,
    )


def rollout_card(run: Run) -> Card:
    """A staged rollout."""
    item = outline(run)
    namespace, name = run.metadata.namespace, run.metadata.name
    index = run.status.resource_snapshot_index_used or run.spec.resource_snapshot_index
    return _card(
        item,
        kind="Staged rollout",
        path=f"/rollouts/{namespace}/{name}" if namespace else f"/rollouts/{name}",
        what=f"{run.spec.placement_name}, {f'snapshot {index}' if index else 'newest snapshot'}",
        waits=waits(run, item),
        created=run.metadata.creation_timestamp,
    )


def _card(
    item: Item, *, kind: str, path: str, what: str, waits: Sequence[Wait], created: str | None, by: str = ""
) -> Card:
    members = list(item.members())
    return Card(
        kind=kind,
        name=item.name,
        path=path,
        what=what,
        state=item.state.value,
        tone=TONES[item.state],
        total=len(members),
        done=sum(member.is_over for member in members),
        counts=counts(item),
        waits=tuple(waits),
        created=None if created is None else datetime.fromisoformat(created),
        started=item.since,
        ended=item.ended,
        by=by,
    )


def newest_first(cards: Iterable[Card]) -> Sequence[Card]:
    """Runs in the order of a list: those at work first, then the newest."""

    def key(card: Card) -> tuple[bool, float, str]:
        return (not card.is_active, -card.created.timestamp() if card.created else 0.0, card.name)

    return sorted(cards, key=key)


def stage_words(item: Item) -> str:
    """Where a run is: the stages that are neither over nor to come."""
    return ", ".join(stage.name for stage in item.items if stage.part is Part.STAGE and stage.state not in _NOT_NOW)


_NOT_NOW = (State.NOT_STARTED, State.DONE, State.SKIPPED)
