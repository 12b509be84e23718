"""The schedule of an update run: as a tree for people, as data for programs, and what speaks against it.

Pure. A preview (``echelon.upgrade.preview``) says who would be upgraded when. What is found besides, of members, of
other runs and of the catalogue, are findings: sentences about what may go otherwise than planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from echelon.api.cluster import MemberCluster
from echelon.api.conditions import HEALTHY, JOINED, find_condition
from echelon.api.fleet import UpdateRun, UpgradeType
from echelon.api.meta import parse_time
from echelon.api.names import member_of_namespace
from echelon.api.upgrade import ClusterUpgrade
from echelon.cli.tree import clock
from echelon.explain.items import Item, Part, State
from echelon.explain.run_outline import span
from echelon.upgrade.preview import PlannedMember, Preview
from echelon.upgrade.validation import Surroundings

_UNDER_WAY = ("Running", "Pending", "Stopping")


class Assumed(Struct, frozen=True):
    """How long an upgrade and an approval are assumed to take; ``known`` are upgrades as they were seen to take."""

    upgrade: timedelta
    approval: timedelta
    known: Mapping[str, timedelta] = {}

    def __str__(self) -> str:
        known = f"as long as it took {len(self.known)} of the members last, else " if self.known else ""
        approval = f"{span(self.approval)} after they are reached" if self.approval else "at once"
        return f"an upgrade takes {known}{span(self.upgrade)}; gates are approved {approval}"


def durations(upgrades: Iterable[ClusterUpgrade], type_: UpgradeType) -> dict[str, timedelta]:
    """How long the last upgrade of this type took each member."""
    found: dict[str, tuple[datetime, timedelta]] = {}
    for upgrade in upgrades:
        status, member = upgrade.status, member_of_namespace(upgrade.metadata.namespace)
        if member is None or status.state != "Completed" or upgrade.spec.upgrade.type != type_:
            continue
        if status.start_time is None or status.completed_time is None:
            continue
        began, ended = parse_time(status.start_time), parse_time(status.completed_time)
        if member not in found or found[member][0] < ended:
            found[member] = ended, max(ended - began, timedelta(seconds=1))
    return {member: taken for member, (_, taken) in found.items()}


# -- for people ---------------------------------------------------------------------------------


def schedule_tree(name: str, preview: Preview, now: datetime) -> Item:
    """The schedule as items; moments are shown in the time zone of ``now``."""
    assert preview.schedule is not None
    members = {member.name: member for member in preview.members}
    progress = preview.schedule.progress
    return Item(
        part=Part.RUN,
        name=name,
        state=State.PLANNED,
        since=preview.starts_at if preview.ends_at else None,
        ended=preview.ends_at,
        items=tuple(_stage(stage, members, now) for stage in progress.stages),
    )


def _scope(part: Part, scope: Any, items: Iterable[Item], now: datetime) -> Item:
    """A stage or group of the progress that a simulation ends with."""
    skipped = scope.state.value == "Skipped"
    found = tuple(items)
    count = sum(1 for item in found for _ in ([item] if item.part is Part.MEMBER else item.members()))
    total = f"{count} member{'s' * (count != 1)}"
    times = _times(scope.started_at, scope.ended_at, now)
    return Item(
        part=part,
        name=scope.name,
        state=State.SKIPPED if skipped else State.PLANNED,
        since=scope.started_at if scope.ended_at else None,
        ended=scope.ended_at,
        note=f"{times}, {total}" if times and not skipped else total,
        items=found,
    )


def _stage(stage: Any, members: Mapping[str, PlannedMember], now: datetime) -> Item:
    groups = [
        _scope(
            Part.GROUP,
            group,
            [
                *(_gate(gate, now) for gate in group.before),
                *(_member(members[target.name], now) for target in group.targets),
                *(_gate(gate, now) for gate in group.after),
            ],
            now,
        )
        for group in stage.groups
    ]
    parts = groups[0].items if [group.name for group in stage.groups] == [stage.name] else groups
    items = [*(_gate(gate, now) for gate in stage.before), *parts, *(_gate(gate, now) for gate in stage.after)]
    if stage.wait is not None:
        items.append(_wait(stage.wait, now))
    return _scope(Part.STAGE, stage, items, now)


def _member(member: PlannedMember, now: datetime) -> Item:
    if member.skipped:
        return Item(part=Part.MEMBER, name=member.name, state=State.SKIPPED, note=member.skipped)
    times = _times(member.starts_at, member.ends_at, now)
    waits = f"now: {member.waits_for}" if member.starts_at and member.waits_for else member.waits_for
    return Item(
        part=Part.MEMBER,
        name=member.name,
        state=State.PLANNED if member.starts_at else State.STUCK if member.waits_for else State.NOT_STARTED,
        since=member.starts_at if member.ends_at else None,
        ended=member.ends_at,
        note="; ".join(part for part in (times, waits) if part),
    )


def _gate(gate: Any, now: datetime) -> Item:
    name = f"gate {gate.name}"
    if gate.started_at is None:
        return Item(part=Part.GATE, name=name, state=State.NOT_STARTED)
    if gate.ended_at is None:
        return Item(part=Part.GATE, name=name, state=State.STUCK, note=f"waits from {clock(gate.started_at, now)} on")
    how = "opens by itself at" if gate.opens_at is not None else "approved at"
    return Item(
        part=Part.GATE,
        name=name,
        state=State.PLANNED,
        since=gate.started_at,
        ended=gate.ended_at,
        note=f"{how} {clock(gate.ended_at, now)}",
    )


def _wait(wait: Any, now: datetime) -> Item:
    return Item(
        part=Part.WAIT,
        name="wait",
        state=_wait_state(wait),
        since=wait.started_at if wait.ended_at else None,
        ended=wait.ended_at,
        note=f"until {clock(wait.ended_at, now)}" if wait.ended_at else "",
    )


def _wait_state(wait: Any) -> State:
    if wait.state.value == "Skipped":
        return State.SKIPPED
    return State.PLANNED if wait.started_at else State.NOT_STARTED


def _times(starts: datetime | None, ends: datetime | None, now: datetime) -> str:
    if starts is None:
        return ""
    return f"{clock(starts, now)} → {clock(ends, now)}" if ends else f"from {clock(starts, now)}"


# -- for programs -------------------------------------------------------------------------------


def schedule_data(name: str, preview: Preview, findings: Sequence[str]) -> dict[str, Any]:
    """The schedule as plain data; moments in UTC."""
    images = preview.status.node_image_selection
    return {
        "name": name,
        "startsAt": _moment(preview.starts_at),
        "endsAt": _moment(preview.ends_at),
        "nodeImages": [] if images is None else [image.version for image in images.selected_node_image_versions],
        "members": [
            {
                "name": member.name,
                "stage": member.stage,
                "group": member.group,
                "startsAt": _moment(member.starts_at),
                "endsAt": _moment(member.ends_at),
                "skipped": member.skipped or None,
                "waitsFor": member.waits_for or None,
            }
            for member in preview.members
        ],
        "approvals": [gate_words(gate) for gate in preview.approvals],
        "blockedOn": list(preview.blocked_on),
        "findings": list(findings),
    }


def gate_words(gate: Any) -> str:
    """A gate of a plan in words: what it is called and where it stands."""
    scope = f"group {gate.group}" if gate.group else f"stage {gate.stage}"
    return f"{gate.name} {gate.timing.lower()} {scope}"


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


# -- findings -----------------------------------------------------------------------------------


def findings(
    name: str,
    preview: Preview,
    around: Surroundings,
    clusters: Iterable[MemberCluster],
    runs: Iterable[UpdateRun],
) -> Sequence[str]:
    """What may go otherwise than planned."""
    planned = {member.name: member for member in preview.members}
    return [
        *_of_members(planned, clusters),
        *_of_runs(name, planned, runs),
        *_not_taken(planned, around),
        *(
            f"the release catalogue has an entry that cannot be read: {text}"
            for text in around.releases.catalogue.unreadable
        ),
    ]


def _of_members(planned: Mapping[str, PlannedMember], clusters: Iterable[MemberCluster]) -> Iterator[str]:
    for cluster in clusters:
        name = cluster.metadata.name
        if name not in planned or planned[name].skipped:
            continue
        for type_, words in ((JOINED, "has not joined"), (HEALTHY, "is not healthy")):
            condition = find_condition(cluster.status.conditions, type_)
            if condition is None or condition.status != "True":
                why = f": {condition.message}" if condition is not None and condition.message else ""
                yield f"{name} {words}{why}"
                break
        if planned[name].waits_for and planned[name].starts_at is None:
            yield f"{name} will not be upgraded by itself: {planned[name].waits_for}"


def _of_runs(name: str, planned: Mapping[str, PlannedMember], runs: Iterable[UpdateRun]) -> Iterator[str]:
    for run in runs:
        if run.metadata.name == name or run.status.state not in _UNDER_WAY:
            continue
        theirs = [
            member.name
            for stage in run.status.stages
            for group in stage.groups
            for member in group.members
            if member.name in planned and member.state in ("NotStarted", "Pending", "Running")
        ]
        if theirs:
            yield f"update run {run.metadata.name} is {run.status.state} and has {_listed(theirs)} before it, too"


def _not_taken(planned: Mapping[str, PlannedMember], around: Surroundings) -> Iterator[str]:
    others = sorted(member.name for member in around.members if member.name not in planned)
    if others:
        yield f"not part of the run, as its order does not take them: {_listed(others)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
