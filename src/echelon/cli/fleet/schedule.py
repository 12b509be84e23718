"""The schedule of an update run: as a tree for people, as data for programs, and what speaks against it.

Pure. An outlook (``echelon.upgrade.outlook``) says who would be upgraded when, and what may go otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from echelon.cli.tree import clock
from echelon.explain.items import Item, Part, State
from echelon.upgrade.preview import PlannedMember, Preview

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
