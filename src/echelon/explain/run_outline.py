"""An update run as a tree of items: stages, groups, members, gates and waits.

Pure: made from the status of the run. Gates tell when they open by themselves, the upgrades of members how far each is
in itself; a run is shown without them, too. A stage of one group of its own name, as that of a run without an order
has, is shown without the group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from echelon.api.fleet import (
    Gate,
    GateStatusInRun,
    GroupUpdateStatus,
    MemberUpdateStatus,
    StageUpdateStatus,
    UpdateRun,
    UpdateState,
    UpdateStatus,
    WaitStatus,
)
from echelon.api.meta import parse_time
from echelon.api.names import member_of_namespace
from echelon.api.upgrade import ClusterUpgrade
from echelon.explain.items import Item, Part, State

_STATES: Mapping[UpdateState, State] = {
    "NotStarted": State.NOT_STARTED,
    "Running": State.UPDATING,
    "Pending": State.WAITING,
    "Stopping": State.STOPPING,
    "Stopped": State.STOPPED,
    "Skipped": State.SKIPPED,
    "Failed": State.FAILED,
    "Completed": State.DONE,
}
_UNTIL = re.compile(r"; (it opens next at|not before) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$")


class Details:
    """What is known besides the status of a run: its gates by name, the upgrade under way of each member."""

    def __init__(self, gates: Iterable[Gate] = (), upgrades: Iterable[ClusterUpgrade] = ()) -> None:
        self._gates = {gate.metadata.name: gate for gate in gates}
        self._upgrades = {
            (member_of_namespace(upgrade.metadata.namespace), upgrade.spec.attempt): upgrade for upgrade in upgrades
        }

    def opening(self, gate: str) -> datetime | None:
        """When a gate opens by itself."""
        found = self._gates.get(gate)
        return None if found is None else _time(found.status.absolute_start_time)

    def upgrade(self, member: str, attempt: int) -> ClusterUpgrade | None:
        """The upgrade of a member in an attempt of the run."""
        return self._upgrades.get((member, attempt))


_NOTHING = Details()


def run_outline(run: UpdateRun, details: Details = _NOTHING) -> Item:
    """The outline of an update run."""
    status = run.status
    state, note = _STATES[status.state], ""
    if status.state == "NotStarted" and status.error is not None:
        state, note = State.STUCK, status.error.message
    return Item(
        part=Part.RUN,
        name=run.metadata.name,
        state=state,
        since=_time(status.start_time),
        ended=_time(status.completed_time),
        note=note,
        items=tuple(_stage(stage, details) for stage in status.stages),
    )


def _part(part: Part, name: str, status: UpdateStatus, items: tuple[Item, ...] = (), note: str = "") -> Item:
    return Item(
        part=part,
        name=name,
        state=_STATES[status.state],
        since=_time(status.start_time),
        ended=_time(status.completed_time),
        note=note,
        items=items,
    )


def _stage(stage: StageUpdateStatus, details: Details) -> Item:
    groups = [_group(group, details) for group in stage.groups]
    parts = list(groups[0].items) if [group.name for group in stage.groups] == [stage.name] else groups
    wait = stage.after_stage_wait_status
    items = [
        *(_gate(gate, details) for gate in stage.before_gates),
        *parts,
        *(_gate(gate, details) for gate in stage.after_gates),
        *(() if wait is None else (_wait(wait),)),
    ]
    note = _limits("no members", stage)
    return _part(Part.STAGE, stage.name, stage, tuple(items), note)


def _group(group: GroupUpdateStatus, details: Details) -> Item:
    items = [
        *(_gate(gate, details) for gate in group.before_gates),
        *(_member(member, details) for member in group.members),
        *(_gate(gate, details) for gate in group.after_gates),
    ]
    return _part(Part.GROUP, group.name, group, tuple(items), "" if group.members else "no members")


def _limits(nobody: str, stage: StageUpdateStatus) -> str:
    """What is to be said of a stage that has no members."""
    return "" if any(group.members for group in stage.groups) else nobody


def _member(member: MemberUpdateStatus, details: Details) -> Item:
    item = _part(Part.MEMBER, member.name, member)
    message = member.message or (member.error.message if member.error is not None else "")
    if item.state is State.UPDATING:
        upgrade = details.upgrade(member.name, member.attempt)
        if upgrade is None:
            return _with(item, note=message)
        done, total = upgrade.status.nodes_done, upgrade.status.nodes_total
        nodes = f"{done} of {total} nodes" if total else ""
        note = "; ".join(part for part in (nodes, message or upgrade.status.message) if part)
        return _with(item, note=note, steps_done=done, steps=total)
    if item.state is State.WAITING:
        return _with(item, note=_UNTIL.sub("", message), until=_time(member.not_before))
    return _with(item, note=message)


def _with(item: Item, *, note: str, until: datetime | None = None, steps_done: int = 0, steps: int = 0) -> Item:
    return Item(
        part=item.part,
        name=item.name,
        state=item.state,
        since=item.since,
        ended=item.ended,
        note=note,
        until=until,
        steps_done=steps_done,
        steps=steps,
    )


def _gate(gate: GateStatusInRun, details: Details) -> Item:
    name = f"gate {gate.display_name}" if gate.display_name else "gate"
    item = _part(Part.GATE, name, gate)
    until = details.opening(gate.gate_name) if item.state is State.WAITING else None
    return _with(item, note=gate.gate_name if item.state is State.WAITING else "", until=until)


def _wait(wait: WaitStatus) -> Item:
    """A wait; while it runs, its state is that of something that waits."""
    seconds = timedelta(seconds=wait.wait_duration_in_seconds)
    item = _part(Part.WAIT, f"wait {span(seconds)}", wait)
    if item.state is not State.UPDATING:
        return item
    until = None if item.since is None else item.since + seconds
    return Item(part=Part.WAIT, name=item.name, state=State.WAITING, since=item.since, until=until)


def span(time: timedelta) -> str:
    """A duration in the notation of waits: ``90s`` is ``1m30s``."""
    seconds = round(time.total_seconds())
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
