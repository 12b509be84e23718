"""Placements: what they select and where it is; their snapshots, and what differs between two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from echelon.api.conditions import APPLIED, AVAILABLE, find_condition
from echelon.api.meta import LabelSelector, parse_time
from echelon.api.placement import ResourceSelector
from echelon.api.policy import PlacementPolicy
from echelon.explain.access import Access
from echelon.explain.changes import changes
from echelon.explain.explanation import Explanation
from echelon.explain.kinds import Binding, Placement, Run, Snapshot, index_of, is_master
from echelon.explain.outline import outline
from echelon.explain.placements import explain_placement
from echelon.explain.revisions import Revision, revisions
from echelon.explain.rollback import Choice, NoWayBack, choose
from echelon.portal.views.runs import Card, Count, newest_first, rollout_card

_TONES = {"available": "good", "being rolled out by runs": "busy", "not scheduled": "bad", "being deleted": "warn"}
_NAMED = 3


class Line(Struct, frozen=True, kw_only=True):
    """A placement in a list."""

    name: str
    namespace: str
    path: str
    selects: str
    where: str
    how: str
    state: str
    tone: str
    total: int
    available: int
    counts: tuple[Count, ...]
    created: datetime | None


class MemberLine(Struct, frozen=True, kw_only=True):
    """What a member has of a placement."""

    name: str
    snapshot: str
    state: str
    tone: str
    failed: tuple[str, ...]
    drifted: int
    differing: int


class SnapshotLine(Struct, frozen=True, kw_only=True):
    """A snapshot; ``before`` is the index of the one before it, None for the oldest."""

    revision: Revision
    before: int | None
    lines: tuple[str, ...]
    more: int


class PlacementPage(Struct, frozen=True, kw_only=True):
    """All of a placement. ``back`` is what a rollback would do, ``no_way_back`` why there is none."""

    line: Line
    explanation: Explanation
    is_external: bool
    selected: tuple[str, ...]
    members: tuple[MemberLine, ...]
    snapshots: tuple[SnapshotLine, ...]
    runs: tuple[Card, ...]
    back: Choice | None
    no_way_back: str


class Comparison(Struct, frozen=True, kw_only=True):
    """Two sets of objects: what came, went and changed in the second."""

    before: str
    after: str
    lines: tuple[tuple[str, str], ...]
    indexes: tuple[int, ...]
    members: tuple[tuple[str, int], ...]


def placement_path(namespace: str, name: str) -> str:
    """Where the page of a placement is."""
    return f"/placements/{namespace}/{name}" if namespace else f"/placements/{name}"


def placement_line(placement: Placement) -> Line:
    """A placement in a few words."""
    metadata, status = placement.metadata, placement.status
    members = [found for found in status.placement_statuses if found.cluster_name]
    tones = [_member_state(found.conditions)[1] for found in members]
    state = explain_placement(placement, (), Access()).state
    return Line(
        name=metadata.name,
        namespace=metadata.namespace,
        path=placement_path(metadata.namespace, metadata.name),
        selects=", ".join(_selects(placement.spec.resource_selectors)),
        where=_where(placement.spec.policy),
        how="by staged rollouts" if placement.spec.strategy.type == "External" else "by itself, as it changes",
        state=state,
        tone=_TONES.get(state, "bad" if state.startswith("not ") and "bad" in tones else "busy"),
        total=len(members),
        available=tones.count("good"),
        counts=tuple(_counts(tones)),
        created=None if metadata.creation_timestamp is None else parse_time(metadata.creation_timestamp),
    )


def _counts(tones: Sequence[str]) -> Iterator[Count]:
    begins = 0
    for tone, name in (("good", "available"), ("busy", "under way"), ("bad", "failed"), ("idle", "with nothing yet")):
        if found := tones.count(tone):
            yield Count(name, found, tone, begins)
            begins += found


def _selects(selectors: Sequence[ResourceSelector]) -> Iterator[str]:
    for selector in selectors[:_NAMED]:
        yield f"{selector.kind} {selector.name}" if selector.name else f"{selector.kind}s {_labels(selector)}".strip()
    if len(selectors) > _NAMED:
        yield f"and {len(selectors) - _NAMED} more"


def _labels(selector: ResourceSelector) -> str:
    labels: LabelSelector | None = selector.label_selector
    if labels is None:
        return "of every name"
    found = [f"{key}={value}" for key, value in labels.match_labels.items()]
    return f"with {', '.join(found)}" if found else "by their labels"


def _where(policy: PlacementPolicy | None) -> str:
    if policy is None:
        return "on all members"
    match policy.placement_type:
        case "PickFixed":
            more = ", …" if len(policy.cluster_names) > _NAMED else ""
            return f"on {', '.join(policy.cluster_names[:_NAMED])}{more}"
        case "PickN":
            count = policy.number_of_clusters or 0
            return f"on {count} member{'s' * (count != 1)} that fit best"
        case _:
            return "on all members" if policy.affinity is None else "on all members that it asks for"


def _member_state(conditions: Sequence[Any]) -> tuple[str, str]:
    applied, available = find_condition(conditions, APPLIED), find_condition(conditions, AVAILABLE)
    if applied is None:
        return "nothing yet", "idle"
    for condition, what in ((applied, "applied"), (available, "available")):
        if condition is None or condition.status == "Unknown":
            return f"not {what} yet", "busy"
        if condition.status == "False":
            return condition.message or f"not {what}", "bad"
    return "available", "good"


def placement_page(
    placement: Placement, snapshots: Iterable[Snapshot], bindings: Iterable[Binding], runs: Iterable[Run]
) -> PlacementPage:
    """A placement with all that belongs to it."""
    of_it = sorted(runs, key=lambda run: (run.metadata.creation_timestamp or "", run.metadata.name))
    kept = list(snapshots)
    found = revisions(kept, bindings, of_it)
    back, problem = _way_back(placement, of_it, [index_of(part) for part in kept if is_master(part)])
    return PlacementPage(
        line=placement_line(placement),
        explanation=explain_placement(placement, of_it, Access()),
        is_external=placement.spec.strategy.type == "External",
        selected=tuple(
            f"{one.kind} {one.namespace}/{one.name}" if one.namespace else f"{one.kind} {one.name}"
            for one in placement.status.selected_resources
        ),
        members=tuple(_members(placement)),
        snapshots=tuple(_snapshots(found)),
        runs=tuple(newest_first(map(rollout_card, of_it))),
        back=back,
        no_way_back=problem,
    )


def _way_back(placement: Placement, runs: Sequence[Run], kept: Sequence[int]) -> tuple[Choice | None, str]:
    if not runs:
        return None, ""
    try:
        return choose(placement.metadata.name, runs, kept), ""
    except NoWayBack as error:
        return None, str(error)


def _members(placement: Placement) -> Iterator[MemberLine]:
    for status in sorted(placement.status.placement_statuses, key=lambda found: found.cluster_name):
        if not status.cluster_name:
            continue
        state, tone = _member_state(status.conditions)
        yield MemberLine(
            name=status.cluster_name,
            snapshot=status.observed_resource_index,
            state=state,
            tone=tone,
            failed=tuple(
                f"{one.kind} {one.namespace + '/' if one.namespace else ''}{one.name}: {one.condition.message}"
                for one in status.failed_placements[:_NAMED]
            ),
            drifted=len(status.drifted_placements),
            differing=len(status.diffed_placements),
        )


def _snapshots(found: Sequence[Revision]) -> Iterator[SnapshotLine]:
    before: int | None = None
    lines = []
    for revision in found:
        said = list(revision.changes or ())
        shown = tuple(said[:_NAMED])
        lines.append(SnapshotLine(revision=revision, before=before, lines=shown, more=len(said) - len(shown)))
        before = revision.index
    yield from reversed(lines)


# -- comparisons --------------------------------------------------------------------------------


def objects_by_index(snapshots: Iterable[Snapshot]) -> Mapping[int, Sequence[Any]]:
    """The objects of each snapshot that is whole, by its index."""
    parts: dict[int, list[Snapshot]] = {}
    for part in snapshots:
        parts.setdefault(index_of(part), []).append(part)
    return {
        index: [msgspec.json.decode(raw) for part in group for raw in part.spec.selected_resources]
        for index, group in sorted(parts.items())
        if any(is_master(part) for part in group)
    }


def comparison(
    snapshots: Iterable[Snapshot], bindings: Iterable[Binding], before: str, after: str
) -> Comparison | None:
    """What differs between two snapshots, or what a member has and a snapshot; None when one of them is not there.

    ``before`` and ``after`` are indexes, or ``member:NAME`` for what that member was given last.
    """
    kept = objects_by_index(snapshots)
    having = {binding.spec.target_cluster: _given(binding.spec.resource_snapshot_name) for binding in bindings}
    old, new = _index(before, having), _index(after, having)
    if old not in kept or new not in kept:
        return None
    return Comparison(
        before=_words(before, old),
        after=_words(after, new),
        lines=tuple((line[:1], line[2:]) for line in changes(kept[old], kept[new])),
        indexes=tuple(kept),
        members=tuple((member, index) for member, index in sorted(having.items()) if index in kept),
    )


def _given(snapshot: str) -> int:
    """The index in the name of a snapshot, ``NAME-INDEX-snapshot``; -1 for none."""
    text = snapshot.removesuffix("-snapshot").rpartition("-")[2]
    return int(text) if text.isdecimal() else -1


def _index(chosen: str, having: Mapping[str, int]) -> int:
    if chosen.startswith("member:"):
        return having.get(chosen.removeprefix("member:"), -1)
    return int(chosen) if chosen.isascii() and chosen.isdecimal() and len(chosen) < 12 else -1


def _words(chosen: str, index: int) -> str:
    member = chosen.removeprefix("member:")
    return f"what {member} has (snapshot {index})" if member != chosen else f"snapshot {index}"


def is_going_on(run: Run) -> bool:
    """Whether a run may still start something."""
    return not outline(run).is_over and run.spec.state != "Stop"
